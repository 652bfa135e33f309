// The bot's runs, one after another, the sandbox's, and the groups: what happens to them meanwhile.
import { join } from 'node:path'
import { userOf } from '../peer.mjs'
import { Bot, Sandbox, root } from '../programs.mjs'
import { STUCK_MS, pause, unusual } from './contact.mjs'

const EARLY_MS = 150, ONLINE_MS = 400 // at most so long after its start, or after it is online, the bot is killed
const SETTLE_MS = 10_000 // for the last confirmations

export class Stage {
  /** @param {string} folder for states @param {() => number} random @param {object} counts @param {string[]} findings */
  constructor(folder, random, counts, findings) {
    Object.assign(this, { folder, random, counts, findings, totals: {}, contacts: [], groups: [], away: [] })
  }

  path(name) { return join(this.folder, name) }

  async openSandbox() { this.sandbox = await Sandbox.start({ tls: true, world: this.path('world'), port: this.sandbox?.port }) }

  spawnBot() {
    this.bot = new Bot(this.sandbox, `${root}spec/interop/bots/soak.lua`, this.path('bot'))
    const { bot } = this
    const line = bot.line.bind(bot)
    bot.line = text => {
      if (text.startsWith('again ')) this.counts.again++
      else line(text)
    }
  }

  async online() {
    const { text } = await this.bot.next(e => /^online as /.test(e.text), 'to be online', STUCK_MS)
    if (this.who) return
    const phone = /\+(\d+)/.exec(text)[1]
    const { lid } = (await this.sandbox.state()).accounts.find(one => one.phone === phone)
    this.who = { jid: `${phone}@s.whatsapp.net`, lid }
  }

  join(contact) {
    contact.bot = this.who
    contact.who = jid => {
      if ([this.who.jid, this.who.lid].some(own => userOf(own) === userOf(jid))) return 'the bot'
      return this.contacts.find(one => one.is(jid))?.name ?? jid
    }
    contact.enter(this.who.jid)
    this.contacts.push(contact)
  }

  /**
   * The phone of one of them makes a group with others and the bot.
   * @param {string} mode lid or pn @param {Contact[]} members the first is its owner
   */
  async gather(mode, members) {
    const [creator, ...others] = members.map(one => one.one.jid)
    const { jid } = await this.ask('group', { creator, subject: `Soak ${this.groups.length + 1}`, mode, members: [...others, this.who.jid] })
    const group = { jid, names: mode === 'lid' ? 'lid' : 'jid', members, absences: [] }
    this.groups.push(group)
    for (const one of members) one.enter(jid, group)
  }

  async ask(call, body) { return JSON.parse(await this.sandbox.admin('POST', `mock-phone/${call}`, JSON.stringify(body))) }

  async kill() {
    const end = await this.bot.stop('SIGKILL')
    if (end.signal !== 'SIGKILL') this.findings.push(`the bot ended by itself: ${JSON.stringify(end)}`)
    this.hear(this.bot)
    this.counts.kills++
  }

  hear(program) {
    this.findings.push(...unusual(program.errors).map(line => `${program.owner}: ${line}`))
    program.errors.length = 0
  }

  // What the sandbox has counted, before it ends.
  async tally() {
    const state = await this.sandbox.state()
    for (const name in state.counts) this.totals[name] = (this.totals[name] ?? 0) + state.counts[name]
    this.findings.push(...state.violations)
  }

  async restartSandbox() {
    this.counts.restarts++
    await this.tally()
    const signal = this.random() < 0.5 ? 'SIGKILL' : 'SIGTERM'
    await this.sandbox.stop(signal)
    await this.openSandbox()
  }

  // Baileys reads a message and keeps that it did before it has confirmed it: when the connection ends just then, it cannot read what
  // the server sends again; and what waits in the server for it, it reads out of order, which its sender keys do not survive. So it has
  // nothing on its way when its own connection ends, and its groups are quiet until it is back.
  async withBaileysAtRest(fn) {
    const [ben] = this.contacts
    const groups = this.groups.filter(group => group.members.includes(ben))
    for (const group of groups) group.quiet = true
    const wake = await ben.rest()
    for (const contact of this.contacts) {
      for (const thread of contact.threads) if (groups.includes(thread.group)) await contact.quiet(thread)
    }
    const mine = ({ jid }) => userOf(jid) === userOf(ben.one.jid)
    while ((await this.devices()).some(device => mine(device) && device.queued > 0)) await pause(20)
    const { opens } = ben.one
    await fn()
    await ben.cameBack(opens)
    for (const group of groups) group.quiet = false
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
    this.counts.drops++
    await this.sandbox.admin('POST', 'kick', JSON.stringify({ jid, kind: 'drop' })).catch(() => { /* it has gone by itself */ })
  }

  async dropSomebody() {
    const devices = (await this.devices()).filter(device => device.connected)
    if (!devices.length) return
    const { jid } = devices[Math.floor(this.random() * devices.length)]
    if (userOf(jid) === userOf(this.contacts[0].one.jid)) return this.withBaileysAtRest(() => this.drop(jid))
    await this.drop(jid)
  }

  act(group, what, who) {
    return this.ask('group-action', { jid: group.jid, by: group.members[0].one.jid, what, members: [who.one.jid] })
  }

  // Somebody has all answers, and is removed from a group, now or when the bot is dead; it is alive now.
  async remove() {
    const group = this.groups[Math.floor(this.random() * this.groups.length)]
    const guests = group.members.slice(1)
    const guest = guests[Math.floor(this.random() * guests.length)]
    const thread = guest.thread(group.jid)
    if (thread.left) return
    this.counts.moves++
    thread.left = true
    await guest.quiet(thread)
    const go = async () => {
      const absence = { guest, from: performance.now() }
      group.absences.push(absence)
      await this.act(group, 'remove', guest)
      absence.out = performance.now()
      this.away.push({ group, guest, thread, absence })
    }
    if (this.random() < 0.5) await go()
    else this.goLater = go
  }

  // Who was removed first is added again.
  async add() {
    const { group, guest, thread, absence } = this.away.shift()
    absence.back = performance.now()
    const { participants: [{ code }] } = await this.act(group, 'add', guest)
    if (code !== 200) throw new Error(`${guest.name} could not be added: ${code}`)
    await guest.returned(group.jid)
    absence.to = performance.now()
    thread.left = false
  }

  async move() { await (this.away.length && this.random() < 0.7 ? this.add() : this.remove()) }

  // The bot is dead, and learns of it later.
  async moveBehindItsBack() {
    const go = this.goLater
    this.goLater = undefined
    if (go) await go()
    else if (this.away.length && this.random() < 0.15) await this.add()
  }

  async cycle() {
    await this.moveBehindItsBack()
    this.spawnBot()
    const early = this.random() < 0.2
    if (early) this.counts.early++
    else await this.online()
    const drop = !early && this.random() < 0.15
    const restart = !early && this.random() < 0.04
    if (!early && this.random() < 0.2) await this.move()
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
