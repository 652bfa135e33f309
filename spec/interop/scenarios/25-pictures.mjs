// Pictures of people, groups and newsletters: set, told of, loaded and taken away, by Baileys and by us.
import assert from 'node:assert/strict'
import { get } from 'node:https'
import sharp from 'sharp'

const jpeg = color => sharp({ create: { width: 64, height: 64, channels: 3, background: color } }).jpeg().toBuffer()

// What an address of the media host brings.
const load = (url, ca) => new Promise((resolve, reject) => {
  get(url, { ca }, response => {
    const pieces = []
    response.on('data', piece => pieces.push(piece))
    response.on('end', () => response.statusCode === 200 ? resolve(Buffer.concat(pieces)) : reject(new Error(`${url}: ${response.statusCode}`)))
  }).on('error', reject)
})

const pair = async scene => {
  const sandbox = await scene.sandbox({ tls: true })
  const [ben, ana] = [await scene.peer(sandbox, 'Ben'), await scene.client(sandbox, 'Ana')]
  await ben.send(ana.jid, 'hello')
  await ana.next(e => e.kind === 'message' && e.text === 'hello')
  return { sandbox, ben, ana }
}

// Baileys sets its own: we are told, and load what Baileys itself would.
const theirs = async scene => {
  const { sandbox, ben, ana } = await pair(scene)
  await ben.sock.updateProfilePicture(ben.jid, await jpeg('red'))
  const told = await ana.next(e => e.kind === 'picture')
  assert.equal(told.jid, ben.lid)
  const found = await ana.call('picture', ben.jid, true)
  assert.equal(found.id, told.id)
  const same = await load(await ben.sock.profilePictureUrl(ben.jid, 'image'), sandbox.certificate)
  assert.equal(found.jpeg, same.toString('base64'))
  assert.equal((await sharp(same).metadata()).width, 640)
  await ben.sock.removeProfilePicture(ben.jid)
  assert.equal((await ana.next(e => e.kind === 'picture')).id, undefined)
  assert.deepEqual(await ana.call('picture', ben.jid, false), { none: 'no-picture' })
}

// We set ours: Baileys is told, and has its address.
const ours = async scene => {
  const { sandbox, ben, ana } = await pair(scene)
  await assert.rejects(ben.sock.profilePictureUrl(ana.jid), /item-not-found/)
  const bytes = await jpeg('green')
  await ana.call('set_picture', bytes.toString('base64'))
  assert.deepEqual(await ben.next(e => e.kind === 'picture'), { kind: 'picture', jid: ana.jid, state: 'changed' })
  for (const size of ['preview', 'image']) {
    assert.deepEqual(await load(await ben.sock.profilePictureUrl(ana.jid, size), sandbox.certificate), bytes)
  }
  await ana.call('remove_picture')
  assert.equal((await ben.next(e => e.kind === 'picture')).state, 'removed')
}

// A group's, by either of them.
const groups = async scene => {
  const { sandbox, ben, ana } = await pair(scene)
  const { id } = await ben.sock.groupCreate('Tea', [ana.jid])
  await ben.sock.updateProfilePicture(id, await jpeg('blue'))
  const told = await ana.next(e => e.kind === 'picture')
  assert.deepEqual([told.jid, told.by], [id, ben.lid])
  assert.equal((await ana.call('picture', id, true)).id, told.id)
  const bytes = await jpeg('white')
  await ana.call('set_picture', bytes.toString('base64'), id)
  await ben.next(e => e.kind === 'picture' && e.jid === id)
  assert.deepEqual(await load(await ben.sock.profilePictureUrl(id, 'image'), sandbox.certificate), bytes)
  await ben.sock.removeProfilePicture(id)
  await ana.next(e => e.kind === 'picture' && e.id === undefined)
}

// A newsletter's, by either of them.
const newsletters = async scene => {
  const { sandbox, ben, ana } = await pair(scene)
  const made = await ben.sock.newsletterCreate('Garden news', 'what grows')
  await ben.sock.newsletterUpdatePicture(made.id, await jpeg('red'))
  const picture = await ana.call('newsletter_picture', made.id)
  assert.equal((await sharp(Buffer.from(picture, 'base64')).metadata()).width, 640)
  await ben.sock.newsletterRemovePicture(made.id)
  assert.equal(await ana.call('newsletter_picture', made.id), '')
  const news = await ana.call('newsletters', 'create', { name: 'Kitchen news' })
  const bytes = await jpeg('green')
  assert.equal(await ana.call('newsletter_picture', news.jid, bytes.toString('base64')), bytes.toString('base64'))
  const found = await ben.sock.newsletterMetadata('jid', news.jid)
  const { host } = new URL(sandbox.url)
  assert.deepEqual(await load(`https://${host}${found.thread_metadata.picture.direct_path}`, sandbox.certificate), bytes)
}

export default [
  { name: 'a picture of Baileys is told of, loaded and taken away', run: theirs },
  { name: 'a picture of ours is told of to Baileys, loaded and taken away', run: ours },
  { name: 'the picture of a group is set by Baileys and by us', run: groups },
  { name: 'the picture of a newsletter is set by Baileys and by us', run: newsletters },
]
