// Files between Baileys alone, on a strict sandbox: its media host is one for whoever is no client of ours.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { downloadContentFromMessage, downloadMediaMessage } from 'baileys'

const isMessage = e => e.kind === 'message' && !e.fromMe

const gather = async (scene, ...names) => {
  const sandbox = await scene.sandbox()
  const peers = []
  for (const name of names) peers.push(await scene.peer(sandbox, name))
  return [sandbox, ...peers]
}

const thumbnail = '/9j/'
const contents = {
  image: bytes => ({ image: bytes, jpegThumbnail: thumbnail, caption: 'a caption' }),
  video: bytes => ({ video: bytes, jpegThumbnail: thumbnail }),
  gif: bytes => ({ video: bytes, gifPlayback: true, jpegThumbnail: thumbnail }),
  'round video': bytes => ({ video: bytes, ptv: true, jpegThumbnail: thumbnail }),
  audio: bytes => ({ audio: bytes, mimetype: 'audio/mpeg', seconds: 1 }),
  voice: bytes => ({ audio: bytes, ptt: true, seconds: 1, waveform: new Uint8Array(64) }),
  document: bytes => ({ document: bytes, fileName: 'report.pdf', mimetype: 'application/pdf' }),
  sticker: bytes => ({ sticker: bytes }),
}

const load = (peer, event) => downloadMediaMessage(event.raw, 'buffer', {})

const sends = async (from, to, content, bytes) => {
  const id = await from.send(to.jid, content)
  const event = await to.next(isMessage, 'a file')
  assert.equal(event.id, id)
  const got = await load(to, event)
  assert.ok(bytes.equals(got), `${got.length} bytes in place of ${bytes.length}`)
  return event
}

const kinds = async scene => {
  const [, ben, cem] = await gather(scene, 'Ben', 'Cem')
  for (const kind in contents) {
    const bytes = randomBytes(5000)
    await sends(ben, cem, contents[kind](bytes), bytes)
    await sends(cem, ben, contents[kind](bytes), bytes)
  }
}

const sizes = async scene => {
  const [, ben, cem] = await gather(scene, 'Ben', 'Cem')
  for (const size of [0, 1, 15, 16, 17, 65535, 65536, 65537, 20 * 1024 * 1024]) {
    const bytes = randomBytes(size)
    await sends(ben, cem, contents.document(bytes), bytes)
  }
}

const parts = async scene => {
  const [, ben, cem] = await gather(scene, 'Ben', 'Cem')
  const bytes = randomBytes(300_000)
  const { raw } = await sends(ben, cem, contents.video(bytes), bytes)
  for (const [startByte, endByte] of [[100_000, 200_000], [1, 17], [65536, 131072], [290_000, 300_000]]) {
    const pieces = []
    for await (const piece of await downloadContentFromMessage(raw.message.videoMessage, 'video', { startByte, endByte })) pieces.push(piece)
    const got = Buffer.concat(pieces)
    assert.ok(bytes.subarray(startByte, endByte).equals(got), `${startByte} to ${endByte}: ${got.length} bytes`)
  }
}

// By its hash the object is taken off the host; the phone of the account has it still.
const gone = (sandbox, raw) => sandbox.admin('POST', 'media-gone', JSON.stringify({
  object: Buffer.from(Object.values(raw.message).find(one => one?.fileEncSha256).fileEncSha256).toString('base64'),
}))

// Asks for a file that is gone once more. (Baileys does so by itself as well, but this one takes no refusal of a host's for one.)
const loadAgain = async (peer, event) => {
  await assert.rejects(load(peer, event), error => error.output.statusCode === 410)
  await peer.sock.updateMediaMessage(event.raw)
  return load(peer, event)
}

const again = async scene => {
  const [sandbox, ben, cem] = await gather(scene, 'Ben', 'Cem')
  const bytes = randomBytes(20_000)
  await cem.sock.refreshMediaConn(true)
  const event = await sends(ben, cem, contents.audio(bytes), bytes)
  const before = event.raw.message.audioMessage.directPath
  await gone(sandbox, event.raw)
  assert.ok(bytes.equals(await loadAgain(cem, event)))
  assert.notEqual(event.raw.message.audioMessage.directPath, before)

  const { id } = await ben.sock.groupCreate('Tea', [cem.jid])
  await cem.next(e => e.kind === 'group' && e.what === 'new', 'its new group')
  await ben.send(id, contents.image(bytes))
  const group = await cem.next(isMessage, 'a picture in a group')
  await gone(sandbox, group.raw)
  assert.ok(bytes.equals(await loadAgain(cem, group)))
}

const lost = async scene => {
  const [sandbox, ben, cem] = await gather(scene, 'Ben', 'Cem')
  const bytes = randomBytes(1000)
  const event = await sends(ben, cem, contents.document(bytes), bytes)
  await gone(sandbox, event.raw)
  await sandbox.admin('POST', 'mock-phone/lose-file', JSON.stringify({ jid: cem.jid, id: event.id }))
  await assert.rejects(loadAgain(cem, event), error => error.output?.statusCode === 404)
}

// What the owner of a phone sends is Baileys' to read, and what Baileys sends the phone's.
const phones = async scene => {
  const [sandbox, ben, cem] = await gather(scene, 'Ben', 'Cem')
  for (const kind of ['image', 'gif', 'voice', 'document', 'sticker']) {
    const bytes = randomBytes(3000)
    const { file } = JSON.parse(await sandbox.admin('POST', 'file', bytes))
    const sent = JSON.parse(await sandbox.admin('POST', 'mock-phone/send', JSON.stringify({ from: cem.jid, to: ben.jid, kind, file })))
    const event = await ben.next(isMessage, "a phone's file")
    assert.equal(event.id, sent.id)
    assert.ok(bytes.equals(await load(ben, event)))
  }
  const bytes = randomBytes(3000)
  const { id } = await sends(ben, cem, contents.image(bytes), bytes)
  const response = await fetch(`${sandbox.base}/admin/mock-phone/file?jid=${cem.jid}&id=${id}`)
  assert.ok(bytes.equals(Buffer.from(await response.arrayBuffer())))
}

const asksAgain = /server-error/

export default [
  { name: 'Baileys and Baileys send each other files of every kind', run: kinds },
  { name: 'Baileys and Baileys send files from 0 bytes to 20 MB', run: sizes },
  { name: 'Baileys reads parts of a file', run: parts },
  { name: 'Baileys is told by its phone where a file is again (media retry)', run: again, lawful: asksAgain },
  { name: 'Baileys is told by its phone that a file is lost (media retry)', run: lost, lawful: asksAgain },
  { name: 'Baileys reads what phones send, and phones what Baileys sends (files)', run: phones },
]
