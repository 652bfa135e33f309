// Files as messages, both ways: what is said of each kind; quoted, forwarded, sent on by reference, in albums and groups.
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { downloadMediaMessage, generateMessageID, generateWAMessageContent } from 'baileys'

const isMessage = e => e.kind === 'message' && !e.fromMe
const sha256 = bytes => createHash('sha256').update(bytes).digest('hex')
const some = (wanted, thing) => Object.fromEntries(Object.keys(wanted).map(name => [name, thing?.[name]]))
const load = event => downloadMediaMessage(event.raw, 'buffer', {})

// What a file of a kind begins with, so that it is taken for one.
const heads = {
  jpg: [0xff, 0xd8, 0xff, 0xe0], mp4: [0, 0, 0, 24, ...Buffer.from('ftypisom')], mp3: [...Buffer.from('ID3'), 4],
  ogg: [...Buffer.from('OggS'), 0, 2, ...Array(22).fill(0), ...Buffer.from('OpusHead')], pdf: [...Buffer.from('%PDF-1.7')],
  webp: [...Buffer.from('RIFF'), 30, 0, 0, 0, ...Buffer.from('WEBPVP8L')],
}
const file = (ending, size = 5000) => Buffer.concat([Buffer.from(heads[ending]), randomBytes(size)])

const two = async scene => {
  const sandbox = await scene.sandbox({ tls: true })
  return [await scene.client(sandbox, 'Ana'), await scene.peer(sandbox, 'Ben'), sandbox]
}

const jpegThumbnail = Buffer.from(heads.jpg).toString('base64')
const OPUS = 'audio/ogg; codecs=opus'

// What Baileys is told to send of each kind, and what our client hears of it.
const fromBaileys = [
  ['image', 'jpg', { caption: 'look', jpegThumbnail, width: 640, height: 480 }, 'look', { mime: 'image/jpeg', width: 640, height: 480, thumbnail: 4 }],
  ['video', 'mp4', { caption: 'see', jpegThumbnail, seconds: 12 }, 'see', { mime: 'video/mp4', duration: 12 }],
  ['gif', 'mp4', { jpegThumbnail, gifPlayback: true, key: 'video' }, undefined, { mime: 'video/mp4' }],
  ['round_video', 'mp4', { jpegThumbnail, ptv: true, key: 'video' }, undefined, { mime: 'video/mp4' }],
  ['audio', 'mp3', { mimetype: 'audio/mpeg', seconds: 200 }, undefined, { mime: 'audio/mpeg', duration: 200 }],
  ['voice', 'ogg', { ptt: true, seconds: 2, waveform: new Uint8Array(64), mimetype: OPUS, key: 'audio' }, undefined, { mime: OPUS, duration: 2, waveform: 64 }],
  ['document', 'pdf', { fileName: '../../etc/passwd', mimetype: 'application/pdf' }, undefined, { mime: 'application/pdf', filename: 'passwd' }],
  ['document', 'pdf', { fileName: 'a.pdf', mimetype: 'application/pdf', caption: 'read' }, 'read', { filename: 'a.pdf' }],
  ['sticker', 'webp', { isAnimated: true }, undefined, { mime: 'image/webp', animated: true }],
]

const hears = async (ana, ben, content, bytes, wanted) => {
  const id = await ben.send(ana.jid, content)
  const heard = await ana.next(isMessage, `a ${wanted.what}`)
  assert.deepEqual({ id, ...some(wanted, heard) }, { id: heard.id, ...wanted })
  assert.equal(heard.media.size, bytes.length)
  assert.equal((await ana.call('load', id)).sha256, sha256(bytes))
  return heard
}

const toUs = async scene => {
  const [ana, ben] = await two(scene)
  for (const [what, ending, { key = what, ...more }, text, media] of fromBaileys) {
    const bytes = file(ending)
    const heard = await hears(ana, ben, { [key]: bytes, ...more }, bytes, { what, text })
    assert.deepEqual(some(media, heard.media), media)
  }
}

// Our words of each kind, and what Baileys reads: the field, and what stands in it.
const fromUs = [
  ['image', 'jpg', { caption: 'look', width: 640, height: 480 }, 'imageMessage', { caption: 'look', width: 640, height: 480, mimetype: 'image/jpeg' }],
  ['video', 'mp4', { caption: 'see', duration: 12 }, 'videoMessage', { caption: 'see', seconds: 12, mimetype: 'video/mp4' }],
  ['gif', 'mp4', {}, 'videoMessage', { gifPlayback: true, mimetype: 'video/mp4' }],
  ['round_video', 'mp4', {}, 'ptvMessage', { mimetype: 'video/mp4' }],
  ['audio', 'mp3', { duration: 200 }, 'audioMessage', { seconds: 200, mimetype: 'audio/mpeg' }],
  ['voice', 'ogg', { duration: 2 }, 'audioMessage', { seconds: 2, mimetype: OPUS, ptt: true }],
  ['document', 'pdf', { filename: 'a.pdf', pages: 3 }, 'documentMessage', { fileName: 'a.pdf', pageCount: 3, mimetype: 'application/pdf' }],
  ['document', 'pdf', { filename: 'a.pdf', caption: 'read' }, 'documentWithCaptionMessage', {}],
  ['sticker', 'webp', {}, 'stickerMessage', { mimetype: 'image/webp' }],
]

const withFiles = async fn => {
  const folder = await mkdtemp(join(tmpdir(), 'moonpost-media-'))
  try {
    let number = 0
    await fn(async (bytes, ending) => {
      const path = join(folder, `${++number}.${ending}`)
      await writeFile(path, bytes)
      return path
    })
  } finally {
    await rm(folder, { recursive: true })
  }
}

const reads = async (ana, ben, spec, bytes) => {
  const id = await ana.call('say', ben.jid, spec)
  const event = await ben.next(isMessage, 'our file')
  assert.equal(event.id, id)
  const got = await load(event)
  assert.ok(bytes.equals(got), `${got.length} bytes in place of ${bytes.length}`)
  return event
}

const toBaileys = scene => withFiles(async write => {
  const [ana, ben] = await two(scene)
  for (const [what, ending, more, field, wanted] of fromUs) {
    const bytes = file(ending)
    const event = await reads(ana, ben, { [what]: await write(bytes, ending), ...more }, bytes)
    assert.deepEqual(some(wanted, event.raw.message[field]), wanted)
  }
})

// What passes from one to the other and back: quoted, forwarded, by reference.
const around = scene => withFiles(async write => {
  const [ana, ben] = await two(scene)
  const bytes = file('jpg')
  const heard = await hears(ana, ben, { image: bytes, caption: 'mine', jpegThumbnail }, bytes, { what: 'image', text: 'mine' })
  await ana.call('pass_on', ben.jid, heard.id, 'image')
  assert.ok(bytes.equals(await load(await ben.next(isMessage, 'its own picture'))))
  await ana.call('pass_on', ben.jid, heard.id, 'document')
  const paper = await ben.next(isMessage, 'its own picture as a document')
  assert.ok(paper.raw.message.documentMessage && bytes.equals(await load(paper)))
  await ana.call('act', 'forward', heard.id, ben.jid)
  const forwarded = await ben.next(isMessage, 'its own picture, forwarded')
  assert.equal(forwarded.raw.message.imageMessage.contextInfo.isForwarded, true)
  assert.ok(bytes.equals(await load(forwarded)))

  const other = file('jpg')
  const ours = await reads(ana, ben, { image: await write(other, 'jpg'), caption: 'ours' }, other)
  await ben.send(ana.jid, { text: 'nice' }, ours)
  const answer = await ana.next(isMessage, 'an answer to our picture')
  assert.deepEqual([answer.quoted.id, answer.quoted.text, answer.quotes], [ours.id, 'ours', 'image'])
  assert.equal(await ana.call('load_quoted', answer.id), sha256(other))
  await ben.send(ana.jid, { forward: ours.raw, force: true })
  const back = await ana.next(isMessage, 'our picture, forwarded')
  assert.deepEqual([back.what, back.forwarded, (await ana.call('load', back.id)).sha256], ['image', 1, sha256(other)])
})

const albums = scene => withFiles(async write => {
  const [ana, ben] = await two(scene)
  const [one, two_] = [file('jpg'), file('mp4')]
  const id = await ana.call('say', ben.jid, { album: [{ image: await write(one, 'jpg'), caption: 'first' }, { video: await write(two_, 'mp4') }] })
  const head = await ben.next(isMessage, 'our album')
  assert.deepEqual([head.id, some({ expectedImageCount: 1, expectedVideoCount: 1 }, head.raw.message.albumMessage)],
    [id, { expectedImageCount: 1, expectedVideoCount: 1 }])
  for (const bytes of [one, two_]) {
    const part = await ben.next(isMessage, 'a part of our album')
    assert.equal(part.raw.message.messageContextInfo.messageAssociation.parentMessageKey.id, id)
    assert.ok(bytes.equals(await load(part)))
  }

  const theirs = await ben.send(ana.jid, { album: { expectedImageCount: 1, expectedVideoCount: 0 } })
  assert.deepEqual((await ana.next(isMessage, 'an album')).album, { images: 1, videos: 0 })
  const message = await generateWAMessageContent({ image: one, jpegThumbnail }, { upload: ben.sock.waUploadToServer, logger: ben.logger })
  message.messageContextInfo = {
    ...message.messageContextInfo, messageSecret: randomBytes(32),
    messageAssociation: { associationType: 1, parentMessageKey: { remoteJid: ana.jid, fromMe: true, id: theirs } },
  }
  await ben.sock.relayMessage(ana.jid, message, { messageId: generateMessageID() })
  const part = await ana.next(isMessage, 'a part of an album')
  assert.deepEqual([part.what, part.album, (await ana.call('load', part.id)).sha256], ['image', theirs, sha256(one)])
})

const groups = scene => withFiles(async write => {
  const [ana, ben] = await two(scene)
  const { id } = await ben.sock.groupCreate('Tea', [ana.jid])
  await ana.next(e => e.kind === 'group', 'its new group')
  const bytes = file('ogg')
  await ben.send(id, { audio: bytes, ptt: true, seconds: 1, mimetype: OPUS, waveform: new Uint8Array(64) })
  const heard = await ana.next(isMessage, 'a voice message in the group')
  assert.deepEqual([heard.what, (await ana.call('load', heard.id)).sha256], ['voice', sha256(bytes)])
  await ana.call('say', id, { voice: await write(bytes, 'ogg') })
  assert.ok(bytes.equals(await load(await ben.next(isMessage, 'our voice message in the group'))))
})

export default [
  { name: 'what Baileys says of files of every kind is heard', run: toUs },
  { name: 'what ours says of files of every kind Baileys reads', run: toBaileys },
  { name: 'files are quoted, forwarded and sent on, both ways', run: around },
  { name: 'albums, both ways', run: albums },
  { name: 'files in groups, both ways', run: groups },
]
