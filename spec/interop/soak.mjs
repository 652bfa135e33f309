// The soak: a bot is killed (kill -9) at random moments while three contacts, one of them Baileys, talk with it; connections drop, and
// the sandbox is restarted with its world. At the end every message has its answer, in order, once, and nothing was undecryptable.
// scripts/soak runs it, and has checked its arguments. The seed repeats what is chosen, not how fast the machine is.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { generateMessageIDV2 } from 'baileys'
import { Peer, userOf } from './peer.mjs'
import { Bot, Client, Sandbox, root } from './programs.mjs'

const WINDOW = 8 // answers one of our contacts is behind before it waits
const EARLY_MS = 150, ONLINE_MS = 400 // at most so long after its start, or after it is online, the bot is killed
const DRAIN_MS = 60_000 // for the last answers
const STUCK_MS = 30_000 // for anything else
const SETTLE_MS = 10_000 // for the last confirmations

const { values } = parseArgs({
  options: { kills: { type: 'string', default: '50' }, seed: { type: 'string' }, verbose: { type: 'boolean', default: false } },
})
const kills = Number(values.kills)
const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 32) : Number(values.seed)

// mulberry32: small, and the same everywhere.
const generator = start => {
  let state = start >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const pause = milliseconds => new Promise(resolve => setTimeout(resolve, milliseconds))

// Its Signal library tells the console what it thinks.
const muttered = []
for (const level of ['warn', 'info']) console[level] = (...words) => muttered.push(words.map(String).join(' '))
console.error = (...words) => muttered.push(words.map(String).join(' '))
const say = text => process.stdout.write(`${text}\n`)

const counts = { kills: 0, early: 0, messages: 0, answers: 0, drops: 0, restarts: 0, again: 0 }
const findings = []

// What an entry of a contact's screen shows.
const shown = event => event.kind === 'reaction' ? `${event.text} on ${event.to}` : `${event.text}${event.quoted ? ` (to ${event.quoted.id})` : ''}`

// What the bot (bots/soak.lua) answers to a message.
const answersTo = ({ id, number, text, emoji, to }) => {
  if (emoji) return [`you reacted ${emoji} to ${to}`]
  return [`got ${text} (to ${id})`, ...(number % 4 ? [] : [`👍 on ${id}`]), ...(number % 5 ? [] : [`more of ${text}`])]
}

const placeholder = number => answersTo({ id: '', number, text: '' }).length

/** Somebody who writes to the bot: texts, quotes, reactions, "typing…". `one` is a Peer or a Client. */
class Contact {
  constructor(one, random, window) {
    Object.assign(this, { one, random, window, sent: [], due: 0, number: 0, wake: () => {} })
    const push = one.push.bind(one)
    one.push = event => { // nobody takes these one by one, and they are many
      if (['message', 'reaction'].includes(event.kind)) return this.wake()
      if (!['receipt', 'typing', 'presence', 'status'].includes(event.kind)) push(event)
    }
  }

  get heard() { return this.one.heard }

  /** Until at most `open` answers are due. */
  async caughtUp(open, patience) {
    const deadline = performance.now() + patience
    while (this.due - this.heard.length > open) {
      if (performance.now() > deadline) throw new Error(`${this.one.owner} waits for ${this.due - this.heard.length} answers of ${this.due}`)
      await Promise.race([new Promise(resolve => { this.wake = resolve }), pause(200)])
    }
  }

  async write(bot) {
    const answers = this.heard.filter(event => event.kind === 'message')
    const last = answers.at(-1)
    const choice = this.random()
    if (last && choice < 0.2) {
      const emoji = choice < 0.1 ? '👏' : '🎉'
      this.due += 1
      return void this.sent.push({ id: await this.react(last, emoji), emoji, to: last.id })
    }
    const number = ++this.number
    const text = `${this.one.name} ${number}`
    this.due += placeholder(number)
    if (choice > 0.8) await this.typing(bot)
    const id = await this.text(bot, text, last && choice < 0.4 ? last : undefined)
    this.sent.push({ id, number, text })
  }

  async talk(bot) {
    while (!this.stopped) {
      await this.resting?.over
      await this.write(bot)
      await this.caughtUp(this.resting ? 0 : this.window, STUCK_MS)
      this.resting?.begun()
    }
  }

  /** Writes nothing more, and resolves when all answers are there; the function it gives ends the rest. */
  async rest() {
    const rest = {}
    const quiet = new Promise(resolve => { rest.begun = resolve })
    rest.over = new Promise(resolve => { rest.end = resolve })
    this.resting = rest
    await quiet
    return () => {
      this.resting = undefined
      rest.end()
    }
  }

  check() {
    const expected = this.sent.flatMap(answersTo)
    const seen = this.heard.map(shown)
    for (let i = 0; i < Math.max(expected.length, seen.length); i++) {
      if (expected[i] === seen[i]) continue
      findings.push(`${this.one.owner}: entry ${i + 1} of ${expected.length} should be '${expected[i]}', is '${seen[i]}'`)
      break
    }
    const ids = new Set(this.heard.map(event => event.id))
    if (ids.size !== this.heard.length) findings.push(`${this.one.owner} saw ${this.heard.length - ids.size} messages twice`)
    counts.messages += this.sent.length
    counts.answers += this.heard.length
  }
}

class OurContact extends Contact {
  text(bot, text, quoted) { return this.one.send(bot, text, quoted?.id) }
  react(event, emoji) { return this.one.react(event.id, emoji) }
  async typing(bot) { try { await this.one.typing(bot, true) } catch { /* not connected: nobody to show it to */ } }
}

// The ack of a message, or the end of the socket.
const acknowledgement = (sock, id) => {
  const promise = new Promise((resolve, reject) => {
    const over = settle => argument => {
      if (settle === resolve && argument.attrs.id !== id) return
      sock.ws.off('CB:ack,class:message', acked)
      sock.ws.off('close', closed)
      settle(argument)
    }
    const acked = over(resolve)
    const closed = over(() => reject(new Error('closed')))
    sock.ws.on('CB:ack,class:message', acked)
    sock.ws.on('close', closed)
  })
  promise.catch(() => {})
  return promise
}

// Baileys keeps nothing to be sent again: what its server has not acknowledged when the connection ends is sent again here, under the
// same id, as an application would.
class BaileysContact extends Contact {
  async deliver(jid, content, quoted) {
    let id
    for (;;) {
      const { sock } = this.one
      try {
        await this.open(sock)
        id ??= generateMessageIDV2(sock.user.id)
        const acknowledged = acknowledgement(sock, id)
        const message = await sock.sendMessage(jid, content, { messageId: id, ...(quoted && { quoted: quoted.raw }) })
        this.one.sent.set(id, message.message)
        await acknowledged
        return id
      } catch (error) {
        if (sock === this.one.sock && sock.ws.isOpen) throw error
        await pause(50)
      }
    }
  }

  async open(sock) {
    const deadline = performance.now() + STUCK_MS
    while (!(sock.ws.isOpen && sock === this.one.sock && this.one.isOnline)) {
      if (sock !== this.one.sock) throw new Error('a new socket')
      if (performance.now() > deadline) throw new Error('Baileys does not come online')
      await pause(20)
    }
  }

  text(bot, text, quoted) { return this.deliver(bot, { text }, quoted) }
  react(event, emoji) { return this.deliver(event.chat, { react: { text: emoji, key: event.raw.key } }) }

  async typing(bot) {
    try { await this.one.sock.sendPresenceUpdate('composing', bot) } catch { /* the connection has just ended: so has the typing */ }
  }
}

/** The bot's runs, one after another, and the sandbox's. */
class Stage {
  constructor(folder, random) {
    Object.assign(this, { folder, random, totals: {}, contacts: [], noises: [] })
  }

  path(name) { return join(this.folder, name) }

  async openSandbox() { this.sandbox = await Sandbox.start({ world: this.path('world'), port: this.sandbox?.port }) }

  spawnBot() {
    this.bot = new Bot(this.sandbox, `${root}spec/interop/bots/soak.lua`, this.path('bot'))
    const { bot } = this
    const line = bot.line.bind(bot)
    bot.line = text => {
      if (text.startsWith('again ')) counts.again++
      else line(text)
    }
  }

  async online() {
    const { text } = await this.bot.next(e => /^online as /.test(e.text), 'to be online', STUCK_MS)
    this.jid ??= `${/\+(\d+)/.exec(text)[1]}@s.whatsapp.net`
  }

  async kill() {
    const end = await this.bot.stop('SIGKILL')
    if (end.signal !== 'SIGKILL') findings.push(`the bot ended by itself: ${JSON.stringify(end)}`)
    this.hear(this.bot)
    counts.kills++
  }

  hear(program) {
    const unusual = program.errors.filter(line => !/^moonpost: (offline, trying again |online again)/.test(line))
    findings.push(...unusual.map(line => `${program.owner}: ${line}`))
    program.errors.length = 0
  }

  // What the sandbox has counted, before it ends.
  async tally() {
    const state = await this.sandbox.state()
    for (const name in state.counts) this.totals[name] = (this.totals[name] ?? 0) + state.counts[name]
    findings.push(...state.violations)
  }

  async restartSandbox() {
    counts.restarts++
    await this.tally()
    const signal = this.random() < 0.5 ? 'SIGKILL' : 'SIGTERM'
    await this.sandbox.stop(signal)
    await this.openSandbox()
  }

  // Baileys reads a message and keeps that it did before it has confirmed it: when the connection ends just then, it cannot read what
  // the server sends again. So it has nothing on its way when its own connection ends.
  async withBaileysAtRest(fn) {
    const [ben] = this.contacts
    const wake = await ben.rest()
    const mine = ({ jid }) => userOf(jid) === userOf(ben.one.jid)
    while ((await this.devices()).some(device => mine(device) && device.queued > 0)) await pause(20)
    await fn()
    wake()
  }

  // Until everybody who is there has confirmed what was sent to them; those who have not.
  async settle() {
    const deadline = performance.now() + SETTLE_MS
    for (;;) {
      const waiting = (await this.devices()).filter(device => device.connected && device.queued > 0)
      if (!waiting.length || performance.now() > deadline) return waiting
      await pause(50)
    }
  }

  async devices() { return (await this.sandbox.state()).accounts.flatMap(account => account.devices) }

  async drop(jid) {
    counts.drops++
    await this.sandbox.admin('POST', 'kick', JSON.stringify({ jid, kind: 'drop' })).catch(() => { /* it has gone by itself */ })
  }

  async dropSomebody() {
    const devices = (await this.devices()).filter(device => device.connected)
    if (!devices.length) return
    const { jid } = devices[Math.floor(this.random() * devices.length)]
    if (userOf(jid) === userOf(this.contacts[0].one.jid)) return this.withBaileysAtRest(() => this.drop(jid))
    await this.drop(jid)
  }

  async cycle() {
    this.spawnBot()
    const early = this.random() < 0.2
    if (early) counts.early++
    else await this.online()
    const drop = !early && this.random() < 0.15
    const restart = !early && this.random() < 0.04
    await pause(this.random() * (early ? EARLY_MS : ONLINE_MS))
    if (drop) {
      await this.dropSomebody()
      await pause(this.random() * ONLINE_MS)
    }
    if (!restart) return this.kill()
    const steps = [() => this.kill(), () => this.restartSandbox()]
    if (this.random() < 0.5) steps.reverse()
    await this.withBaileysAtRest(async () => {
      for (const step of steps) await step()
    })
  }
}

// What Baileys says of a connection that broke while it wrote.
const brokenPipe = /^Ben: error: (transaction failed|error in handling message)\S* .*(write (EPIPE|ECONNRESET)|"error":1006)/

const follow = peer => { // Baileys' socket is open before it is logged in
  const push = peer.push.bind(peer)
  peer.push = event => {
    if (event.kind === 'open') peer.isOnline = true
    if (event.kind === 'close') peer.isOnline = false
    return push(event)
  }
}

const openContacts = async (stage, seed) => {
  const peer = new Peer(stage.sandbox, 'Ben', { log: process.env.SOAK_LOGS && join(process.env.SOAK_LOGS, 'Ben.log') })
  follow(peer)
  await peer.start()
  stage.contacts.push(new BaileysContact(peer, generator(seed + 1), 0))
  for (const [i, name] of ['Ana', 'Cleo'].entries()) {
    const client = await Client.start(stage.sandbox, name, stage.path(name), { brisk: true })
    stage.contacts.push(new OurContact(client, generator(seed + 2 + i), WINDOW))
  }
  return peer
}

const run = async folder => {
  const stage = new Stage(folder, generator(seed))
  await stage.openSandbox()
  stage.spawnBot()
  await stage.online()
  const peer = await openContacts(stage, seed)
  await stage.kill()
  counts.kills--
  const failed = new Promise((_, reject) => {
    stage.talks = stage.contacts.map(contact => contact.talk(stage.jid).catch(reject))
  })
  const work = (async () => {
    while (counts.kills < kills) {
      await stage.cycle()
      if (values.verbose && counts.kills % 10 === 0) say(`${counts.kills} kills, ${stage.contacts.map(one => one.heard.length)} answers`)
    }
    stage.spawnBot()
    await stage.online()
    for (const contact of stage.contacts) contact.stopped = true
    await Promise.all(stage.talks)
    for (const contact of stage.contacts) await contact.caughtUp(0, DRAIN_MS)
  })()
  try { await Promise.race([work, failed]) } catch (error) {
    findings.push(error.stack)
    work.catch(() => {})
  }
  for (const contact of stage.contacts) contact.check()
  for (const { queued, jid } of await stage.settle()) findings.push(`${queued} stanzas to ${jid} were never confirmed`)
  await stage.tally()
  await peer.stop()
  for (const program of [stage.bot, ...stage.contacts.map(contact => contact.one).filter(one => one !== peer)]) {
    await program.stop()
    stage.hear(program)
  }
  await stage.sandbox.stop()
  findings.push(...peer.complaints.filter(text => !brokenPipe.test(text)))
  return stage.totals
}

const folder = await mkdtemp(join(tmpdir(), 'soak-'))
const began = performance.now()
let totals = {}
try { totals = await run(folder) } catch (error) { findings.push(error.stack) }
await rm(folder, { recursive: true, force: true })
if (totals.retries) findings.push(`${totals.retries} messages were undecryptable somewhere (retry receipts)`)
if (totals.refusals) findings.push(`${totals.refusals} stanzas were refused by clients`)

say(`seed ${seed}: ${counts.kills} kills (${counts.early} before the bot was online) in ${((performance.now() - began) / 1000).toFixed(0)} s`)
say(`${counts.messages} messages of three contacts, ${counts.answers} answers; ${counts.drops} connections dropped, ` +
  `${counts.restarts} restarts of the sandbox`)
say(`messages handled again: ${counts.again}; stanzas the server sent again: ${totals.redelivered}; messages it had before, dropped: ` +
  `${totals.repeated} of ${totals.messages}`)
for (const finding of findings.slice(0, 40)) say(`  ${finding.slice(0, 600)}`)
if (values.verbose) for (const line of muttered.slice(0, 20)) say(`  console: ${line.slice(0, 300)}`)
say(findings.length ? `soak failed: ${findings.length} findings` : 'soak passed')
process.exit(findings.length ? 1 : 0)
