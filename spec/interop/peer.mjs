// The foreign client: Baileys, unmodified, behind promises. `peer.next(predicate)` waits for an event, `peer.complaints` are what
// Baileys itself found wrong: warnings, undecryptable messages, retry receipts, refusals.
//
//     const ben = await Peer.link(sandbox, 'Ben')
//     await ben.send(bot.jid, 'hello')
//     const answer = await ben.next(e => e.kind === 'message')
//     await ben.stop()
import { Agent } from 'node:https'
import { createWriteStream } from 'node:fs'
import tls from 'node:tls'
import makeWASocket, { BufferJSON, DisconnectReason, initAuthCreds, makeCacheableSignalKeyStore, proto } from 'baileys'
import { Inbox } from './inbox.mjs'

// Baileys fetches files by the global fetch, whose authorities nobody can choose: the certificate of the sandbox in use is one of everybody's.
let trusted
const createSecureContext = tls.createSecureContext
tls.createSecureContext = options => {
  const secure = createSecureContext(options)
  if (trusted && !options?.ca) secure.context.addCACert(trusted)
  return secure
}

// Files that come without a URL (chunks of history) Baileys fetches from the service's own host, which is the sandbox's here, as a hosts file
// would have it.
const SERVICE_HOST = 'https://mmg.whatsapp.net/'
let mediaBase
const fetchAnywhere = globalThis.fetch
globalThis.fetch = (resource, options) => {
  const known = mediaBase && String(resource).startsWith(SERVICE_HOST)
  return fetchAnywhere(known ? mediaBase + String(resource).slice(SERVICE_HOST.length) : resource, options)
}

// What Baileys warns of in the ordinary course of things.
const ordinary = [
  'stream errored out', // every stream error; the ends that are meant are checked where they are caused
  'no name present, ignoring presence update request', // the first login of every device: its name comes with the app state
]

const isComplaint = (level, entry, text) => {
  if (level === 'warn' || level === 'error' || level === 'fatal') return !ordinary.some(known => text.includes(known))
  return /recv retry|undecryptable|bad mac/i.test(text) || entry?.unhandled === true
}

// Stanzas that say somebody could not read something.
const refusals = [
  /^<receipt[^>]* type='(retry|enc_rekey_retry|server-error)'/, /^<ack[^>]* error='/,
  /^<receipt(?![^>]* to=)(?![^>]* from=)/, // it did not learn whose message it confirms (S-402)
]
const isRefusal = xml => refusals.some(refusal => refusal.test(xml))

const printable = value => JSON.stringify(value, (_, inner) => {
  if (inner instanceof Error) return `${inner.message}\n${inner.stack}`
  if (inner instanceof Uint8Array) return Buffer.from(inner).toString('base64')
  return inner
})

const makeLogger = (name, write, complain) => {
  const log = level => (entry, message) => {
    const text = typeof entry === 'string' ? entry : message ?? entry?.msg ?? ''
    write(level, text, entry)
    const xml = entry?.xml
    if (xml ? isRefusal(xml) : isComplaint(level, entry, text)) complain(`${name}: ${level}: ${text} ${xml ?? printable(entry)}`)
  }
  const logger = { level: 'trace', child: () => logger }
  for (const level of ['trace', 'debug', 'info', 'warn', 'error', 'fatal']) logger[level] = log(level)
  return logger
}

const silent = { level: 'silent', child: () => silent }
for (const level of ['trace', 'debug', 'info', 'warn', 'error', 'fatal']) silent[level] = () => {}

/** Baileys' auth state in memory; `saved()` is what a restart finds. */
export class AuthState {
  constructor(saved) {
    const { creds, rows } = saved ? JSON.parse(saved, BufferJSON.reviver) : { creds: initAuthCreds(), rows: {} }
    this.creds = creds
    this.rows = rows
    this.keys = {
      get: async (type, ids) => Object.fromEntries(ids.flatMap(id => {
        const text = this.rows[`${type}/${id}`]
        if (text === undefined) return []
        const value = JSON.parse(text, BufferJSON.reviver)
        return [[id, type === 'app-state-sync-key' ? proto.Message.AppStateSyncKeyData.fromObject(value) : value]]
      })),
      set: async data => {
        for (const type in data) {
          for (const id in data[type]) {
            const value = data[type][id]
            if (value) this.rows[`${type}/${id}`] = JSON.stringify(value, BufferJSON.replacer)
            else delete this.rows[`${type}/${id}`]
          }
        }
      },
    }
  }

  saved() { return JSON.stringify({ creds: this.creds, rows: this.rows }, BufferJSON.replacer) }
}

// Ends after which no application comes back.
const lasting = new Set([
  DisconnectReason.loggedOut, DisconnectReason.connectionReplaced, DisconnectReason.forbidden, DisconnectReason.multideviceMismatch,
])

const textOf = message => message?.conversation ?? message?.extendedTextMessage?.text ?? undefined

const UNREADABLE = proto.WebMessageInfo.StubType.CIPHERTEXT

// A message as tests look at it.
const describe = (message, how) => {
  const { key } = message
  const quoted = message.message?.extendedTextMessage?.contextInfo
  const reaction = message.message?.reactionMessage
  return {
    kind: reaction ? 'reaction' : 'message', id: key.id, chat: key.remoteJid, fromMe: key.fromMe, name: message.pushName,
    text: reaction ? reaction.text : textOf(message.message),
    quoted: quoted?.quotedMessage ? { id: quoted.stanzaId, text: textOf(quoted.quotedMessage) } : undefined,
    to: reaction?.key?.id, how, raw: message,
  }
}

/** The user part of a JID. */
export const userOf = jid => jid.replace(/[:@].*/, '')

export class Peer extends Inbox {
  /**
   * @param {{url: string, certificate?: string}} sandbox
   * @param {string} name push name: the same name is the same account
   * @param {{saved?: string, log?: string, quiet?: boolean, scan?: (qr: string) => Promise<void>, config?: object}} options
   *   saved: the auth state to go on from; log: file for Baileys' own log; quiet: no log at all, for measurements
   */
  constructor(sandbox, name, options = {}) {
    super(name)
    Object.assign(this, { sandbox, name, options, complaints: [], heard: [], sent: new Map(), opens: 0, ends: [] })
    this.state = new AuthState(options.saved)
    const file = options.log && createWriteStream(options.log, { flags: 'a' })
    this.file = file
    const write = (level, text, entry) => {
      file?.write(`${Date.now()} ${level} ${text} ${typeof entry === 'string' ? '' : printable(entry)}\n`)
    }
    this.logger = options.quiet ? silent : makeLogger(name, write, text => this.complaints.push(text))
  }

  /** Links (or, with `saved`, logs in) and waits until it is online and knows its name. */
  static async link(sandbox, name, options) {
    const peer = new Peer(sandbox, name, options)
    await peer.start()
    return peer
  }

  /** The bare phone-number JID. */
  get jid() { return `${userOf(this.state.creds.me.id)}@s.whatsapp.net` }

  /** The bare LID. */
  get lid() { return `${userOf(this.state.creds.me.lid)}@lid` }

  async start() {
    this.stopped = false
    this.open()
    await this.next(e => e.kind === 'open', 'to be online')
    if (!this.state.creds.me.name) await this.next(e => e.kind === 'name', 'its own push name, from the app state')
  }

  open() {
    const { sandbox, state, logger } = this
    trusted = sandbox.certificate
    mediaBase = sandbox.mediaBase
    const agent = new Agent({ ca: sandbox.certificate })
    const sock = makeWASocket({
      auth: { creds: state.creds, keys: makeCacheableSignalKeyStore(state.keys, logger) },
      waWebSocketUrl: sandbox.url, agent: sandbox.url.startsWith('wss:') ? agent : undefined, fetchAgent: agent,
      appStateMacVerification: { patch: true, snapshot: true }, logger, pushName: this.name, emitOwnEvents: false,
      getMessage: async key => this.sent.get(key.id) ?? this.heard.find(event => event.id === key.id)?.raw.message, ...this.options.config,
    })
    this.sock = sock
    sock.ev.on('creds.update', update => {
      Object.assign(state.creds, update)
      if (update.me?.name) this.push({ kind: 'name', name: update.me.name })
    })
    sock.ev.on('connection.update', update => this.connectionUpdate(sock, update))
    sock.ev.on('messages.upsert', ({ messages, type }) => { for (const message of messages) this.hear(describe(message, type)) })
    sock.ev.on('messages.update', list => {
      for (const { key, update } of list) this.push({ kind: 'status', id: key.id, chat: key.remoteJid, status: update.status, update, responses: update.eventResponses })
    })
    sock.ev.on('groups.upsert', list => {
      for (const group of list) this.push({ kind: 'group', what: 'new', chat: group.id, by: group.author, group })
    })
    sock.ev.on('groups.update', list => {
      for (const { id, author, authorPn, authorUsername, ...change } of list) this.push({ kind: 'group', what: 'set', chat: id, by: author, change })
    })
    sock.ev.on('group-participants.update', ({ id, author, participants, action }) => {
      this.push({ kind: 'group', what: action, chat: id, by: author, people: participants.map(one => one.id) })
    })
    sock.ev.on('group.join-request', ({ id, author, participant, action, method }) => {
      this.push({ kind: 'group', what: 'request', chat: id, by: author, person: participant, action, method })
    })
    sock.ev.on('message-receipt.update', list => {
      for (const { key, receipt } of list) {
        const state = receipt.readTimestamp ? 'read' : 'delivered'
        this.push({ kind: 'receipt', id: key.id, chat: key.remoteJid, jid: receipt.userJid, state })
      }
    })
    sock.ev.on('presence.update', ({ id, presences }) => {
      for (const jid in presences) {
        const { lastKnownPresence, lastSeen } = presences[jid]
        this.push({ kind: 'presence', chat: id, jid, state: lastKnownPresence, last: lastSeen })
      }
    })
    sock.ev.on('contacts.update', list => {
      for (const { id, imgUrl } of list) if (imgUrl) this.push({ kind: 'picture', jid: id, state: imgUrl })
    })
    sock.ev.on('call', list => { for (const call of list) this.push({ kind: 'call', ...call, call: call.id, state: call.status }) })
  }

  hear(event) {
    const stub = event.raw.messageStubType
    if (stub && stub !== UNREADABLE) return // Baileys' own words about a group
    if (stub) return void this.complaints.push(`${this.name}: undecryptable ${event.id}: ${event.raw.messageStubParameters}`)
    if (event.raw.message?.protocolMessage) return
    this.heard.push(event)
    this.push(event)
  }

  connectionUpdate(sock, { connection, qr, lastDisconnect }) {
    if (sock !== this.sock) return
    if (qr) this.scan(qr)
    if (connection === 'open') {
      this.opens++
      this.push({ kind: 'open' })
    }
    if (connection !== 'close') return
    const code = lastDisconnect?.error?.output?.statusCode
    this.ends.push(code)
    this.push({ kind: 'close', code, error: lastDisconnect?.error })
    if (this.stopped) return
    // an application opens a new socket: at once when asked to restart, after a moment when the server went away
    if (code === DisconnectReason.restartRequired) this.open()
    else if (!lasting.has(code) && this.opens > 0) setTimeout(() => this.stopped || this.open(), 200)
    else this.fail(new Error(`${this.name}: the connection ended: ${lastDisconnect?.error}`))
  }

  scan(qr) {
    this.qr = qr
    Promise.resolve(this.options.scan ? this.options.scan(qr) : this.sandbox.scan(qr)).catch(error => this.fail(error))
  }

  /**
   * Sends a text, a reaction, or any content Baileys knows.
   * @param {string} jid
   * @param {string | object} content
   * @param {object} [quoted] a message event to quote
   * @returns {Promise<string>} the message's id
   */
  async send(jid, content, quoted) {
    const full = typeof content === 'string' ? { text: content } : content
    const message = await this.sock.sendMessage(jid, full, quoted && { quoted: quoted.raw })
    this.sent.set(message.key.id, message.message)
    return message.key.id
  }

  /** Reacts to a message event. */
  react(event, text) { return this.send(event.chat, { react: { text, key: event.raw.key } }) }

  /** Becomes available: only then its receipts are delivery receipts in the first session after a link (S-501). */
  available() { return this.sock.sendPresenceUpdate('available') }

  /** Ends the connection; the auth state stays in `saved()`. */
  async stop() {
    this.stopped = true
    const { sock } = this
    if (!sock) return
    this.sock = undefined
    await sock.end(undefined)
  }

  /** Stops it and starts it again from its saved state: a new process of the application. */
  async restart() {
    await this.stop()
    this.state = new AuthState(this.state.saved())
    await this.start()
  }

  close() { this.file?.end() }
}
