// Baileys as a contact of the soak.
import { join } from 'node:path'
import { createHash } from 'node:crypto'
import { downloadMediaMessage, generateMessageIDV2 } from 'baileys'
import { Peer } from '../peer.mjs'
import { vote } from '../secrets.mjs'
import { CHOICES, contentOf } from './answers.mjs'
import { Contact, STUCK_MS, pause } from './contact.mjs'

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

// What it says of a connection that broke while it wrote or logged in.
const brokenPipe = /^Ben: error: ((transaction failed|error in handling message|error in validating connection)\S* .*(write (EPIPE|ECONNRESET)|Connection Closed|"error":1006|WebSocket Error \(undefined\)))/

// What it says beside a message it asks for; a bot that was killed meanwhile brings that again, as it was, which Baileys takes for damage.
const partOfAsking = /transaction failed.*(No session found to decrypt|No matching sessions found for) message|USync fetch yielded no results/

const follow = peer => { // Baileys' socket is open before it is logged in
  const push = peer.push.bind(peer)
  peer.push = event => {
    if (event.kind === 'open') peer.isOnline = true
    if (event.kind === 'close') peer.isOnline = false
    return push(event)
  }
}

const documentOf = message => message.documentMessage ?? message.documentWithCaptionMessage?.message?.documentMessage

const pollOf = message => message.pollCreationMessage ?? message.pollCreationMessageV2 ?? message.pollCreationMessageV3

/**
 * Baileys keeps nothing to be sent again: what its server has not acknowledged when the connection ends is sent again here, under the
 * same id, as an application would.
 */
export class ForeignContact extends Contact {
  static async start(sandbox, name, random) {
    const peer = new Peer(sandbox, name, { log: process.env.SOAK_LOGS && join(process.env.SOAK_LOGS, `${name}.log`) })
    follow(peer)
    await peer.start()
    return new ForeignContact(peer, random, 0)
  }

  entryOf({ id, chat, kind, text, to, quoted, raw: { key, message } }) {
    const entry = { id, chat, author: key.participant || chat, kind: kind === 'reaction' ? kind : 'text', text, to, quoted: quoted?.id }
    const poll = pollOf(message)
    if (poll) return { ...entry, kind: 'poll', text: poll.name, raw: { key, message } }
    if (message.pollUpdateMessage) return { ...entry, kind: 'vote', to: message.pollUpdateMessage.pollCreationMessageKey.id }
    const document = documentOf(message)
    if (document) return { ...entry, kind: 'file', text: document.caption, quoted: document.contextInfo?.stanzaId || undefined, raw: { key, message } }
    if (message.editedMessage) return { ...entry, kind: 'edit' }
    return { ...entry, raw: { key, message } }
  }

  troubles() { return this.one.complaints.filter(text => !brokenPipe.test(text)) }
  isPartOfAsking(line) { return partOfAsking.test(line) }
  get showsTwice() { return true }

  // An edit is a change of a message there, nothing on the screen.
  sees(kind) { return kind !== 'edit' }

  // send(sock, messageId) sends, and keeps the Message in `sent`
  async deliver(send) {
    let id
    for (;;) {
      const { sock } = this.one
      try {
        await this.isOpen(sock)
        id ??= generateMessageIDV2(sock.user.id)
        const acknowledged = acknowledgement(sock, id)
        await send(sock, id)
        const { attrs } = await acknowledged
        if (attrs.error) throw new Error(`${this.one.owner}: message ${id} is refused with ${attrs.error}`)
        return id
      } catch (error) {
        if (sock === this.one.sock && sock.ws.isOpen) throw error
        await pause(50)
      }
    }
  }

  /** Until it has come online once more than so many times. */
  async cameBack(opens) {
    const deadline = performance.now() + STUCK_MS
    while (this.one.opens <= opens) {
      if (performance.now() > deadline) throw new Error('Baileys does not come online again')
      await pause(20)
    }
  }

  async isOpen(sock) {
    const deadline = performance.now() + STUCK_MS
    while (!(sock.ws.isOpen && sock === this.one.sock && this.one.isOnline)) {
      if (sock !== this.one.sock) throw new Error('a new socket')
      if (performance.now() > deadline) throw new Error('Baileys does not come online')
      await pause(20)
    }
  }

  send(jid, content, quoted) {
    return this.deliver(async (sock, messageId) => {
      const { message } = await sock.sendMessage(jid, content, { messageId, ...(quoted && { quoted: quoted.raw }) })
      this.one.sent.set(messageId, message)
    })
  }

  text({ jid }, { text }, on) { return this.send(jid, { text }, on) }
  file({ jid }, { text }) {
    return this.send(jid, { document: contentOf(text), fileName: 'told.bin', mimetype: 'application/octet-stream', caption: text })
  }
  async hashOf({ raw }) { return createHash('sha256').update(await downloadMediaMessage(raw, 'buffer', {})).digest('hex') }
  reaction({ jid }, { emoji }, on) { return this.send(on.raw.key.remoteJid ?? jid, { react: { text: emoji, key: on.raw.key } }) }
  poll({ jid }, { text }) { return this.send(jid, { poll: { name: text, values: CHOICES, selectableCount: 1 } }) }
  edit({ jid }, { text, to }) { return this.send(jid, { text, edit: { remoteJid: jid, fromMe: true, id: to } }) }

  vote({ group }, { choice }, on) {
    const names = { author: this.bot[group.names], actor: this.one[group.names] }
    return this.deliver((_, id) => vote(this.one, { id: on.id, chat: on.chat, raw: on.raw }, [choice], names, id))
  }

  async typing(jid) {
    try { await this.one.sock.sendPresenceUpdate('composing', jid) } catch { /* the connection has just ended: so has the typing */ }
  }

  // It asks for the group before each message.
  async returned() {}
}
