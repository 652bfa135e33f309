// Files between Baileys and us: every kind, every size that is one more or less than a boundary, parts, and those that are gone.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { downloadMediaMessage } from 'baileys'
import sharp from 'sharp'

const isMessage = e => e.kind === 'message' && !e.fromMe
const sha256 = bytes => createHash('sha256').update(bytes).digest('hex')

const pair = async scene => {
  const sandbox = await scene.sandbox()
  return [sandbox, await scene.peer(sandbox, 'Ben'), await scene.client(sandbox, 'Ana')]
}

const thumbnail = '/9j/'
const contents = {
  image: bytes => ({ image: bytes, jpegThumbnail: thumbnail, caption: 'a caption' }),
  video: bytes => ({ video: bytes, jpegThumbnail: thumbnail }),
  gif: bytes => ({ video: bytes, gifPlayback: true, jpegThumbnail: thumbnail }),
  round_video: bytes => ({ video: bytes, ptv: true, jpegThumbnail: thumbnail }),
  audio: bytes => ({ audio: bytes, mimetype: 'audio/mpeg', seconds: 1 }),
  voice: bytes => ({ audio: bytes, ptt: true, seconds: 1, waveform: new Uint8Array(64) }),
  document: bytes => ({ document: bytes, fileName: 'report.pdf', mimetype: 'application/pdf' }),
  sticker: bytes => ({ sticker: bytes }),
}

// Baileys says it, and we load it.
const hears = async (ana, ben, kind, bytes) => {
  const id = await ben.send(ana.jid, contents[kind](bytes))
  await ana.next(e => isMessage(e) && e.id === id, 'a file')
  const file = await ana.call('load', id)
  assert.deepEqual([file.kind, file.size, file.sha256], [kind, bytes.length, sha256(bytes)])
  return id
}

// We say it, and Baileys loads it; what it has is what we said it would be.
const says = async (ana, ben, kind, path, more) => {
  const id = await ana.call('send_file', ben.jid, kind, path, more ?? null)
  const event = await ben.next(isMessage, 'a file')
  assert.equal(event.id, id)
  const bytes = await downloadMediaMessage(event.raw, 'buffer', {})
  const content = Object.values(event.raw.message).find(one => one?.fileSha256)
  assert.equal(sha256(bytes), Buffer.from(content.fileSha256).toString('hex'))
  assert.equal(Number(content.fileLength), bytes.length)
  return [event.raw.message, bytes]
}

const theirs = async scene => {
  const [, ben, ana] = await pair(scene)
  for (const kind in contents) await hears(ana, ben, kind, randomBytes(5000))
}

const made = (path, ...words) => execFileSync('ffmpeg', ['-nostdin', '-loglevel', 'error', '-y', '-f', 'lavfi', ...words, path])

const ours = async scene => {
  const [, ben, ana] = await pair(scene)
  const files = { picture: scene.path('cat.jpg'), sticker: scene.path('cat.webp'), video: scene.path('cat.mp4'), sound: scene.path('a.ogg') }
  const square = sharp({ create: { width: 512, height: 512, channels: 4, background: 'red' } })
  await square.clone().jpeg().toFile(files.picture)
  await square.clone().webp().toFile(files.sticker)
  made(files.video, '-i', 'testsrc=s=64x64:d=1', '-pix_fmt', 'yuv420p')
  made(files.sound, '-i', 'sine=d=1', '-c:a', 'libopus', '-ac', '1')
  const has = async (kind, path, field, holds) => {
    const [message] = await says(ana, ben, kind, path, kind === 'document' ? { filename: 'cat.jpg', mime: 'image/jpeg' } : undefined)
    assert.ok(message[field] && holds(message[field]), `${kind}: ${JSON.stringify(Object.keys(message))}`)
  }
  await has('image', files.picture, 'imageMessage', one => one.mimetype === 'image/jpeg' && one.width === 512)
  await has('video', files.video, 'videoMessage', one => one.mimetype === 'video/mp4' && !one.gifPlayback)
  await has('gif', files.video, 'videoMessage', one => one.gifPlayback)
  await has('round_video', files.video, 'ptvMessage', () => true)
  await has('audio', files.sound, 'audioMessage', one => !one.ptt)
  await has('voice', files.sound, 'audioMessage', one => one.ptt && one.waveform.length === 64)
  await has('document', files.picture, 'documentMessage', one => one.fileName === 'cat.jpg')
  await has('sticker', files.sticker, 'stickerMessage', one => one.mimetype === 'image/webp')
}

const SIZES = [0, 1, 15, 16, 17, 65535, 65536, 65537, 20_000_000]

const sizes = async scene => {
  const [, ben, ana] = await pair(scene)
  for (const size of SIZES) {
    const bytes = randomBytes(size)
    await hears(ana, ben, 'document', bytes)
    const path = scene.path('file')
    writeFileSync(path, bytes)
    const [, got] = await says(ana, ben, 'document', path, { filename: 'file.bin', mime: 'application/octet-stream' })
    assert.ok(bytes.equals(got), `${got.length} bytes in place of ${size}`)
  }
}

const parts = async scene => {
  const [, ben, ana] = await pair(scene)
  const bytes = randomBytes(300_000)
  const id = await hears(ana, ben, 'video', bytes)
  for (const [first, last] of [[0, 0], [1, 17], [65536, 131072], [290_000, 299_999]]) {
    const part = bytes.subarray(first, last + 1)
    assert.deepEqual((await ana.call('load', id, first, last)).sha256, sha256(part))
  }
}

// What is gone from the host our phone still has, until it has lost it.
const again = async scene => {
  const [sandbox, ben, ana] = await pair(scene)
  const bytes = randomBytes(20_000)
  const sent = await ben.sock.sendMessage(ana.jid, contents.image(bytes))
  await ana.next(e => isMessage(e) && e.id === sent.key.id, 'a picture')
  const object = Buffer.from(sent.message.imageMessage.fileEncSha256).toString('base64')
  const gone = () => sandbox.admin('POST', 'media-gone', JSON.stringify({ object }))
  await gone()
  assert.equal((await ana.call('load', sent.key.id)).sha256, sha256(bytes))
  await gone()
  await sandbox.admin('POST', 'mock-phone/lose-file', JSON.stringify({ jid: ana.jid, id: sent.key.id }))
  assert.deepEqual(await ana.call('load', sent.key.id), { failed: 'media-gone' })
}

export default [
  { name: 'Baileys sends files of every kind, and we load them', run: theirs },
  { name: 'we send files of every kind, and Baileys loads them', run: ours },
  { name: 'files from 0 bytes to 20 MB are the same on the other side', run: sizes },
  { name: 'we load parts of a file of Baileys\'', run: parts },
  { name: 'we have our phone bring a file of Baileys\' again (media retry)', run: again },
]
