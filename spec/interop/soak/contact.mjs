// Somebody who writes to the bot, alone and in groups: texts, quotes, files, reactions, polls, votes, edits, "typing…".
import { writeFile } from 'node:fs/promises'
import { Client } from '../programs.mjs'
import { userOf } from '../peer.mjs'
import { CHOICES, answersTo, causeOf, contentOf, numberIn, shown } from './answers.mjs'

export const STUCK_MS = 30_000 // for an answer

export const pause = milliseconds => new Promise(resolve => setTimeout(resolve, milliseconds))

/** What is said in one chat: what was sent into it, and how many answers are due and have come. */
class Thread {
  constructor(jid, group) { Object.assign(this, { jid, group, sent: [], due: 0, got: 0 }) }

  get open() { return this.due - this.got }
}

/** `one` is a Peer or a Client; `windowed` how many answers it is behind before it waits. */
export class Contact {
  constructor(one, random, windowed) {
    Object.assign(this, { one, random, windowed, threads: [], entries: [], number: 0, causes: new Map(), early: new Map(), wake: () => {} })
    const push = one.push.bind(one)
    one.push = event => { // nobody takes these one by one, and they are many
      if (['message', 'reaction'].includes(event.kind)) return this.hear(event)
      if (event.kind === 'group' && !event.me) return
      if (!['receipt', 'typing', 'presence', 'status', 'counted'].includes(event.kind)) push(event)
    }
  }

  get name() { return this.one.name }

  /** Whether it is this person a JID belongs to. */
  is(jid) { return [this.one.jid, this.one.lid].some(own => userOf(own) === userOf(jid)) }

  // An entry of its screen. `groups` and `who` are the stage's: what the chat is called, and who wrote.
  hear(event) {
    const entry = this.entryOf(event)
    if (!this.sees(entry.kind)) return
    const chat = entry.chat.endsWith('@g.us') ? entry.chat : 'direct'
    Object.assign(entry, { chat, by: this.who(entry.author), at: performance.now(), words: shown(entry), cause: causeOf(entry) })
    this.entries.push(entry)
    if (entry.kind === 'file') entry.loaded = this.load(entry)
    if (entry.by !== 'the bot') return
    const thread = this.causes.get(entry.cause)
    if (thread) thread.got++
    else this.early.set(entry.cause, (this.early.get(entry.cause) ?? 0) + 1)
    this.wake()
  }

  // The hash of an entry's file, or why there is none: the sandbox, which has it, may be away for a while.
  async load(entry) {
    const deadline = performance.now() + STUCK_MS
    for (;;) {
      try { return await this.hashOf(entry) } catch (error) {
        if (performance.now() > deadline) return String(error)
        await pause(200)
      }
    }
  }

  get open() { return this.threads.reduce((sum, thread) => sum + thread.open, 0) }

  /** Until at most `open` answers are due, in a thread or in all. */
  async caughtUp(open, patience, what = this) {
    const deadline = performance.now() + patience
    while (what.open > open) {
      if (performance.now() > deadline) throw new Error(`${this.one.owner} waits for ${what.open} answers`)
      await Promise.race([new Promise(resolve => { this.wake = resolve }), pause(200)])
    }
  }

  enter(jid, group) { this.threads.push(new Thread(jid, group)) }
  thread(jid) { return this.threads.find(one => one.jid === jid) }

  // What the bot wrote into this chat last, of a kind.
  last(thread, kind) {
    const chat = thread.group ? thread.jid : 'direct'
    return this.entries.findLast(entry => entry.chat === chat && entry.by === 'the bot' && entry.kind === kind)
  }

  // Whether everybody in a group has what came of something said at a time: nobody was away since.
  everybodyHas(group, began) { return group.absences.every(({ to = Infinity }) => to < began) }

  // A poll of the bot's that everybody has, or nil.
  lastPoll(thread) {
    const poll = this.last(thread, 'poll')
    const items = thread.group.members.flatMap(one => one.thread(thread.jid).sent)
    const item = poll && items.find(({ id }) => id === poll.cause)
    return item && this.everybodyHas(thread.group, item.began) ? poll : undefined
  }

  choose(thread) {
    const choice = this.random()
    const last = this.last(thread, 'text')
    if (last && choice < 0.2) return { kind: 'reaction', emoji: choice < 0.1 ? '👏' : '🎉', on: last }
    if (choice > 0.85 && choice < 0.95) return { kind: 'file' }
    if (!thread.group) return { kind: 'text', on: choice < 0.4 ? last : undefined, typing: choice > 0.8 }
    const poll = this.lastPoll(thread)
    if (poll && choice < 0.35) return { kind: 'vote', on: poll, choice: CHOICES[Math.floor(this.random() * 3)] }
    if (choice < 0.42) return { kind: 'poll' }
    const own = thread.sent.findLast(item => item.kind === 'text' && !item.quotes)
    if (own && choice < 0.5 && this.everybodyHas(thread.group, own.began)) return { kind: 'edit', own }
    return { kind: 'text', on: choice < 0.6 ? last : undefined, typing: choice > 0.9 }
  }

  // One thing said. Answers are due from the moment it begins.
  async write(thread) {
    const { kind, on, own, ...item } = this.choose(thread)
    Object.assign(item, { kind, id: '', to: (on ?? own)?.id, group: Boolean(thread.group), quotes: kind === 'text' && Boolean(on), began: performance.now() })
    if (['text', 'poll', 'file'].includes(kind)) {
      item.number = ++this.number
      item.text = `${this.name} ${item.number}${kind === 'poll' ? '?' : ''}`
    } else if (kind === 'edit') {
      item.text = `${this.name} ${numberIn(own.text)} at ${++this.number}`
    }
    if (item.typing) await this.typing(thread.jid)
    await this.say(thread, item, on)
  }

  async say(thread, item, on) {
    thread.due += answersTo(item, kind => this.sees(kind)).length
    item.id = await this[item.kind](thread, item, on)
    item.done = performance.now()
    thread.sent.push(item)
    this.causes.set(item.id, thread)
    thread.got += this.early.get(item.id) ?? 0
    this.early.delete(item.id)
  }

  /** Asks the bot something else, alone, and waits for its answer. */
  async inquire(text, answer) {
    const item = { kind: 'demand', text, answer, began: performance.now() }
    await this.say(this.threads[0], item)
    await this.caughtUp(0, STUCK_MS)
  }

  /** Says something in each chat, and waits for the answers. */
  async introduce() {
    for (const thread of this.threads) {
      await this.write(thread)
      await this.caughtUp(0, STUCK_MS)
    }
  }

  async talk() {
    while (!this.stopped) {
      await this.resting?.over
      const open = this.threads.filter(thread => !thread.group?.quiet && !thread.left)
      this.writing = this.random() < 0.5 ? open[0] : open[Math.floor(this.random() * open.length)]
      await this.write(this.writing)
      this.writing = undefined
      await this.caughtUp(this.resting ? 0 : this.windowed, STUCK_MS)
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

  /** Until it writes nothing in a thread any more (its group is quiet, or it has left), and has all answers. */
  async quiet(thread) {
    while (this.writing === thread) await pause(10)
    await this.caughtUp(0, STUCK_MS, thread)
  }
}

/** Lines of a program of ours that do not tell of its connection. */
export const unusual = lines => lines.filter(line => !/^moonpost: (offline, trying again |online again)/.test(line))

const kindOf = ({ kind, what }) => kind === 'reaction' ? kind : what === 'document' ? 'file' : what

/** One of our clients. */
export class OurContact extends Contact {
  static async start(sandbox, name, store, random) {
    const contact = new OurContact(await Client.start(sandbox, name, store, { brisk: true }), random, 8)
    contact.path = `${store}-file.bin`
    return contact
  }

  entryOf(event) {
    const { id, chat, sender, to } = event
    return { id, chat, author: sender, to, kind: kindOf(event), text: event.poll?.question ?? event.text, quoted: event.quoted?.id }
  }

  /** What it had to complain of. */
  troubles() { return unusual(this.one.errors).map(line => `${this.one.owner}: ${line}`) }
  isPartOfAsking() { return false }

  sees() { return true }
  text({ jid }, { text }, on) { return on ? this.one.send(jid, text, on.id) : this.one.call('say', jid, { text }) }
  demand(thread, item) { return this.text(thread, item) }
  async file({ jid }, { text }) {
    await writeFile(this.path, contentOf(text))
    return this.one.call('say', jid, { document: this.path, caption: text })
  }
  async hashOf({ id }) { return (await this.one.call('load', id)).sha256 }
  reaction(_, { emoji }, on) { return this.one.react(on.id, emoji) }
  poll({ jid }, { text }) { return this.one.call('say', jid, { poll: text, choices: CHOICES }) }
  vote(_, { choice }, on) { return this.one.call('vote', on.id, [choice]) }
  edit(_, { text, to }) { return this.one.call('act', 'edit', to, text) }
  async typing(jid) { try { await this.one.typing(jid, true) } catch { /* not connected: nobody to show it to */ } }

  /** Until it knows that it is in a group, again. */
  async returned(jid) { await this.one.next(e => e.kind === 'group' && e.me && e.chat === jid && e.action === 'add', 'to be in the group', STUCK_MS) }
}
