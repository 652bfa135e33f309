// One row of the benchmark, done by Baileys; prints one JSON object. Called by bench.lua: node baileys.mjs ROW [arguments].
import { readFileSync } from 'node:fs'

const baileys = await import('../interop/node_modules/baileys/lib/index.js')
const seconds = () => { // of CPU, all threads: the machine's other work does not count
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}
const loaded = seconds()
const {
  addTransactionCapability, decodeBinaryNode, encodeBinaryNode, initAuthCreds, makeCacheableSignalKeyStore, proto, useMultiFileAuthState,
  Curve, DisconnectReason, downloadMediaMessage, default: makeWASocket,
} = baileys
const { makeLibSignalRepository } = await import('../interop/node_modules/baileys/lib/Signal/libsignal.js')

// Its Signal library prints keys and sessions to the console: not what is measured here.
console.log = console.info = console.warn = console.error = () => {}

const silent = { level: 'silent', child: () => silent, trace() {}, debug() {}, info() {}, warn() {}, error() {} }

const memory = () => {
  const text = readFileSync('/proc/self/smaps_rollup', 'utf8')
  const kb = name => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)[1])
  return { resident: kb('Rss') * 1024, anonymous: kb('Anonymous') * 1024 }
}

// Seconds of CPU per call: the best of a few batches, each long enough to measure.
const measure = async (count, body) => {
  let best = Infinity
  for (let round = 0; round < 5; round++) {
    const begin = seconds()
    for (let i = 0; i < count; i++) await body(i)
    best = Math.min(best, (seconds() - begin) / count)
  }
  return best
}

const memoryKeys = () => {
  const rows = {}
  return {
    get: async (type, ids) => Object.fromEntries(ids.map(id => [id, rows[`${type}/${id}`]]).filter(([, value]) => value !== undefined)),
    set: async data => {
      for (const type in data) {
        for (const id in data[type]) {
          if (data[type][id] === null) delete rows[`${type}/${id}`]
          else rows[`${type}/${id}`] = data[type][id]
        }
      }
    },
  }
}

const account = () => {
  const creds = initAuthCreds()
  const keys = addTransactionCapability(memoryKeys(), silent, { maxCommitRetries: 1, delayBetweenTriesMs: 1 })
  return { creds, keys, repository: makeLibSignalRepository({ creds, keys }, silent, async () => undefined) }
}

const signalKey = key => Buffer.concat([Buffer.from([5]), Buffer.from(key)])

const bundleOf = async (peer, id) => {
  const pair = Curve.generateKeyPair()
  await peer.keys.transaction(() => peer.keys.set({ 'pre-key': { [id]: pair } }), 'bench')
  const { creds } = peer
  return {
    registrationId: creds.registrationId, identityKey: signalKey(creds.signedIdentityKey.public),
    signedPreKey: { keyId: creds.signedPreKey.keyId, publicKey: signalKey(creds.signedPreKey.keyPair.public), signature: creds.signedPreKey.signature },
    preKey: { keyId: id, publicKey: signalKey(pair.public) },
  }
}

const anaJid = '15550000001@s.whatsapp.net'
const benJid = '15550000002@s.whatsapp.net'

const talking = async () => {
  const ana = account()
  const ben = account()
  await ana.repository.injectE2ESession({ jid: benJid, session: await bundleOf(ben, 1) })
  const say = async (from, to, fromJid, toJid) => {
    const sent = await from.repository.encryptMessage({ jid: toJid, data: Buffer.from('a text of forty bytes, more or less......') })
    return to.repository.decryptMessage({ jid: fromJid, ...sent })
  }
  const forth = () => say(ana, ben, anaJid, benJid)
  const back = () => say(ben, ana, benJid, anaJid)
  await forth()
  await back()
  const lost = () => ana.repository.encryptMessage({ jid: benJid, data: Buffer.from('a text of forty bytes, more or less......') })
  return { forth, back, lost }
}

const rows = {
  async node(hex) {
    const bytes = Buffer.from(hex, 'hex')
    const node = await decodeBinaryNode(bytes)
    return {
      encode: await measure(3000, () => encodeBinaryNode(node)),
      decode: await measure(3000, () => decodeBinaryNode(bytes)),
    }
  },
  async proto(hex) {
    const bytes = Buffer.from(hex, 'hex')
    return { both: await measure(20000, () => proto.Message.encode(proto.Message.decode(bytes)).finish()) }
  },
  async session() {
    const ana = account()
    const ben = account()
    const bundles = []
    for (let i = 1; i <= 500; i++) bundles.push(await bundleOf(ben, i))
    let next = 0
    const begin = () => ana.repository.injectE2ESession({ jid: `1555${1000000 + next}@s.whatsapp.net`, session: bundles[next++] })
    return { session: await measure(100, begin) }
  },
  async message() {
    const { forth, back } = await talking()
    const step = await measure(100, async i => (i % 2 ? back() : forth()))
    const same = await measure(200, forth)
    return { step, same }
  },
  async jump() {
    const { forth, lost } = await talking()
    for (let i = 0; i < 1499; i++) await lost()
    const begin = seconds()
    await forth()
    const once = seconds() - begin
    return { once, each: await measure(20, forth) }
  },
  async group() {
    const ana = account()
    const ben = account()
    const group = '120363000000000001@g.us'
    const send = () => ana.repository.encryptGroupMessage({ group, meId: anaJid, data: Buffer.from('a text of forty bytes, more or less......') })
    const take = ({ ciphertext }) => ben.repository.decryptGroupMessage({ group, authorJid: anaJid, msg: ciphertext })
    const first = await send()
    await ben.repository.processSenderKeyDistributionMessage({
      authorJid: anaJid, item: { groupId: group, axolotlSenderKeyDistributionMessage: first.senderKeyDistributionMessage },
    })
    await take(first)
    // after 100 messages, not 5,000: its time grows with each, and the row would take hours
    for (let i = 0; i < 99; i++) await send()
    await take(await send())
    const waiting = []
    for (let i = 0; i < 25; i++) waiting.push(await send())
    return { text: await measure(5, () => take(waiting.shift())) }
  },
  async load() {
    return { seconds: loaded, ...memory() }
  },
}

// The bot of the rows `online`, `idle`, `echo` and `photo`: see bot.lua. A thumbnail that is given keeps it from making one. Its state is what Baileys' own documentation uses.
const bot = async (url, folder) => {
  const { state, saveCreds } = await useMultiFileAuthState(folder)
  const say = line => process.stdout.write(line + '\n')
  const connect = () => {
    const sock = makeWASocket({
      waWebSocketUrl: url, logger: silent, auth: { creds: state.creds, keys: makeCacheableSignalKeyStore(state.keys, silent) },
    })
    sock.ev.on('creds.update', saveCreds)
    sock.ev.on('connection.update', ({ qr, connection, lastDisconnect }) => {
      if (qr) say(`qr ${qr}`)
      if (connection === 'open') say(`ready ${sock.user.id}`)
      if (connection !== 'close') return
      if (lastDisconnect?.error?.output?.statusCode === DisconnectReason.restartRequired) return connect()
      process.stderr.write(`baileys: ${lastDisconnect?.error}\n`)
      process.exit(1)
    })
    sock.ev.on('messages.upsert', async ({ messages, type }) => {
      if (type !== 'notify') return
      for (const m of messages) {
        const text = m.message?.conversation ?? m.message?.extendedTextMessage?.text
        if (m.key.fromMe) continue
        if (text) await sock.sendMessage(m.key.remoteJid, { text }, { quoted: m })
        if (!m.message?.imageMessage) continue
        const image = await downloadMediaMessage(m, 'buffer', {})
        await sock.sendMessage(m.key.remoteJid, { image, jpegThumbnail: '/9j/' }, { quoted: m })
      }
    })
  }
  connect()
  process.on('SIGINT', () => process.exit(0))
}

// The row `again`: see again.lua. Prints "again SECONDS", the median of so many logins after a first one.
const again = async (url, folder, count) => {
  const { state, saveCreds } = await useMultiFileAuthState(folder)
  const once = () => new Promise((resolve, reject) => {
    const began = process.hrtime.bigint()
    const sock = makeWASocket({
      waWebSocketUrl: url, logger: silent, auth: { creds: state.creds, keys: makeCacheableSignalKeyStore(state.keys, silent) },
    })
    let seconds
    sock.ev.on('creds.update', saveCreds)
    sock.ev.on('connection.update', ({ receivedPendingNotifications, connection, lastDisconnect }) => {
      if (receivedPendingNotifications && seconds === undefined) {
        seconds = Number(process.hrtime.bigint() - began) / 1e9
        sock.end(undefined)
      }
      if (connection !== 'close') return
      if (seconds === undefined) reject(lastDisconnect?.error ?? new Error('closed'))
      else resolve(seconds)
    })
  })
  await once()
  const list = []
  for (let i = 0; i < Number(count); i++) list.push(await once())
  list.sort((a, b) => a - b)
  process.stdout.write(`again ${list[Math.floor(list.length / 2)]}\n`)
  process.exit(0)
}

const [, , row, ...rest] = process.argv
if (row === 'bot') {
  await bot(...rest)
} else if (row === 'again') {
  await again(...rest)
} else {
  process.stdout.write(JSON.stringify(await rows[row](...rest)) + '\n')
  process.exit(0)
}
