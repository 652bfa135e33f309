// Our own programs, each in a process of its own: the sandbox, bots, and a client told what to do line by line.
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Inbox } from './inbox.mjs'

export const root = fileURLToPath(new URL('../../', import.meta.url))
const moonpost = process.env.MOONPOST ?? `${root}build/moonpost`

// Nothing outlives this process, however it ends.
const running = new Set()
process.on('exit', () => { for (const child of running) child.kill('SIGKILL') })
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1))

class Program extends Inbox {
  constructor(title, args, options = {}) {
    super(title)
    this.errors = []
    this.child = spawn(moonpost, args, { stdio: ['pipe', 'pipe', 'pipe'], ...options })
    running.add(this.child)
    this.exit = once(this.child, 'close').then(([code, signal]) => { // its last words have been read then
      running.delete(this.child)
      this.ended = { code, signal }
      this.fail(new Error(`${title} ended (${signal ?? `code ${code}`})\n${this.errors.join('\n')}`))
      return this.ended
    })
    createInterface({ input: this.child.stdout }).on('line', line => this.line(line))
    createInterface({ input: this.child.stderr }).on('line', line => this.errors.push(line))
    this.child.stdin.on('error', () => {}) // it may end while something is written to it: `exit` tells
  }

  line(text) { this.push({ kind: 'line', text }) }

  /** Ends it with a signal and waits for its end. */
  async stop(signal = 'SIGTERM') {
    if (!this.ended) this.child.kill(signal)
    return this.exit
  }
}

/** A strict sandbox; its admin calls. */
export class Sandbox extends Program {
  /** @param {{tls?: boolean, world?: string, port?: number}} options */
  static async start({ tls = false, world, port = 0 } = {}) {
    const args = ['sandbox', '--strict', '--listen', `127.0.0.1:${port}`, ...(tls ? ['--tls'] : []), ...(world ? ['--world', world] : [])]
    const sandbox = Object.assign(new Sandbox('the sandbox', args), { world })
    const { text } = await sandbox.next(e => /^sandbox wss?:/.test(e.text), 'its address')
    sandbox.url = text.slice('sandbox '.length)
    sandbox.port = Number(new URL(sandbox.url).port)
    sandbox.base = `http://127.0.0.1:${sandbox.port}`
    sandbox.certificate = await sandbox.admin('GET', 'certificate')
    sandbox.mediaBase = `https://${JSON.parse(await sandbox.admin('GET', 'media')).address}/`
    return sandbox
  }

  async admin(method, path, body) {
    const response = await fetch(`${this.base}/admin/${path}`, { method, body })
    const text = await response.text()
    if (!response.ok) throw new Error(`${method} /admin/${path}: ${response.status} ${text}`)
    return text
  }

  scan(qr) { return this.admin('POST', 'mock-phone/scan-qr', qr) }

  /** Has harm done, now or when it is due (docs/sandbox.md). */
  async fault(fault) { return JSON.parse(await this.admin('POST', 'fault', JSON.stringify(fault))) }

  async faults() { return JSON.parse(await this.admin('GET', 'faults')) }

  async state() { return JSON.parse(await this.admin('GET', 'state')) }
}

/** A bot script under `moonpost run`. */
export class Bot extends Program {
  /** @param {Sandbox} sandbox @param {string} script path @param {string} store folder of its state @param {Array} args the script's */
  constructor(sandbox, script, store, args = []) {
    const options = ['--sandbox', sandbox.url, '--store', store, '--qr', 'text']
    super(script.replace(/.*\//, ''), ['run', script, ...options, '--', ...args.map(String)])
    Object.assign(this, { sandbox, script, store })
  }

  static async start(sandbox, script, store, args) {
    const bot = new Bot(sandbox, script, store, args)
    await bot.online()
    return bot
  }

  // What a bot has to say comes as objects.
  line(text) {
    if (text.startsWith('{')) this.push(JSON.parse(text))
    else super.line(text)
  }

  async online() {
    const { text } = await this.next(e => /^online as /.test(e.text), 'to be online')
    const [, name, phone] = /^online as (.*), \+(\d+)/.exec(text)
    Object.assign(this, { name, jid: `${phone}@s.whatsapp.net` })
    const account = (await this.sandbox.state()).accounts.find(one => one.phone === phone)
    this.lid = account.lid
  }
}

/** Our client, told what to do: bots/client.lua, which prints what it hears as one JSON object a line. */
export class Client extends Program {
  /**
   * @param {Sandbox} sandbox @param {string} name push name @param {string} store folder of its state
   * @param {{phone?: string, brisk?: boolean}} options phone: link by a code to this number in place of a QR; brisk: come back at once after each of many cuts
   */
  static async start(sandbox, name, store, { phone, brisk } = {}) {
    const way = phone ? ['--phone', phone] : ['--qr', 'text']
    const args = ['run', `${root}spec/interop/bots/client.lua`, '--sandbox', sandbox.url, '--store', store, ...way, '--', name, ...(brisk ? ['brisk'] : [])]
    const client = new Client(`moonpost client ${name}`, args)
    client.heard = []
    client.calls = 0
    const { jid, lid } = await client.next(e => e.kind === 'online', 'to be online')
    return Object.assign(client, { name, jid, lid })
  }

  line(text) {
    if (!text.startsWith('{')) return super.line(text)
    const event = JSON.parse(text)
    if (event.kind === 'message' || event.kind === 'reaction') this.heard.push(event)
    this.push(event)
  }

  /** One call of the script; its answer. */
  async call(name, ...args) {
    const call = ++this.calls
    this.child.stdin.write(JSON.stringify({ call, name, args }) + '\n')
    const { value, error } = await this.next(e => e.kind === 'answer' && e.call === call, `the answer to ${name}`)
    if (error) throw new Error(`${this.owner}: ${name}: ${error}`)
    return value
  }

  /** Sends a text; the id. `quoted` is the id of a message heard. */
  send(jid, text, quoted) { return this.call('send', jid, text, quoted ?? null) }

  /** Reacts to a message heard, by its id. */
  react(id, emoji) { return this.call('react', id, emoji) }

  typing(jid, on = true) { return this.call('typing', jid, on) }
}
