// The other places: newsletters and status posts, both ways; privacy tokens, given and shown by both.
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { userOf } from '../peer.mjs'

const STATUS = 'status@broadcast'

const text = wanted => e => e.kind === 'message' && e.text === wanted

const pair = async (scene, ours = 'Ana', theirs = 'Ben') => {
  const sandbox = await scene.sandbox()
  const [ben, ana] = [await scene.peer(sandbox, theirs), await scene.client(sandbox, ours)]
  return { sandbox, ben, ana }
}

// Baileys makes one and writes; we find it by its invite, follow, hear, read and react.
const theirNews = async scene => {
  const { ben, ana } = await pair(scene)
  const made = await ben.sock.newsletterCreate('Garden news', 'what grows')
  assert.deepEqual([made.name, made.description], ['Garden news', 'what grows'])
  const found = await ana.call('newsletters', 'get', made.invite)
  assert.deepEqual([found.jid, found.name, found.role], [made.id, 'Garden news', 'guest'])
  await ana.call('newsletters', 'follow', made.id)
  const id = await ben.send(made.id, 'ripe tomatoes')
  const heard = await ana.next(text('ripe tomatoes'))
  assert.deepEqual([heard.id, heard.chat, heard.place, heard.number], [id, made.id, 'newsletter', 100])
  await ana.call('newsletters', 'watch', made.id)
  await ana.react(id, '🍅')
  assert.deepEqual((await ana.next(e => e.kind === 'counted')).reactions, { '🍅': 1 })
  const [post] = await ana.call('newsletters', 'messages', made.id)
  assert.deepEqual([post.id, post.text, post.reactions], [id, 'ripe tomatoes', { '🍅': 1 }])
}

// We make one and write; Baileys finds it, follows, hears, reads and reacts.
const ourNews = async scene => {
  const { ben, ana } = await pair(scene)
  const news = await ana.call('newsletters', 'create', { name: 'Garden news', description: 'what grows' })
  const found = await ben.sock.newsletterMetadata('invite', news.invite)
  assert.deepEqual([found.id, found.thread_metadata.name.text], [news.jid, 'Garden news'])
  await ben.sock.newsletterFollow(news.jid)
  const id = await ana.send(news.jid, 'ripe tomatoes')
  const heard = await ben.next(text('ripe tomatoes'))
  assert.deepEqual([heard.id, heard.chat, heard.raw.key.server_id], [id, news.jid, '100'])
  await ana.call('newsletters', 'watch', news.jid)
  await ben.sock.newsletterReactMessage(news.jid, '100', '🍅')
  assert.deepEqual((await ana.next(e => e.kind === 'counted')).reactions, { '🍅': 1 })
  await ben.sock.newsletterReactMessage(news.jid, '100')
  const counted = await ana.next(e => e.kind === 'counted')
  assert.equal(Object.keys(counted.reactions).length, 0)
  const answer = await ben.sock.newsletterFetchMessages(news.jid, 10, 0, 0)
  assert.equal(answer.content[0].tag, 'message_updates')
  await ben.sock.newsletterUnfollow(news.jid)
  await ana.send(news.jid, 'Ben does not hear this')
  await ana.send(ben.jid, 'but this')
  await ben.next(text('but this'))
  assert.equal(ben.heard.length, 2)
}

// Files in newsletters are not encrypted. Baileys posts them without a handle, and loads only encrypted ones itself.
const files = async scene => {
  const { ben, ana } = await pair(scene)
  const made = await ben.sock.newsletterCreate('Garden news', 'what grows')
  await ana.call('newsletters', 'follow', made.id)
  const isFile = e => e.kind === 'message' && e.chat === made.id
  for (const [kind, content] of Object.entries({
    image: image => ({ image, caption: 'ripe', jpegThumbnail: '/9j/' }), document: document => ({ document, mimetype: 'application/pdf' }),
  })) {
    const bytes = randomBytes(3000)
    const id = await ben.send(made.id, content(bytes))
    const heard = await ana.next(e => isFile(e) && e.id === id)
    assert.equal(await ana.call('file', heard.id), bytes.toString('base64'), kind)
  }
  const news = await ana.call('newsletters', 'create', { name: 'Kitchen news' })
  await ben.sock.newsletterFollow(news.jid)
  const bytes = Buffer.concat([Buffer.from('ffd8ffe000104a464946', 'hex'), randomBytes(3000)])
  const id = await ana.call('post_file', news.jid, 'image', bytes.toString('base64'))
  const { raw } = await ben.next(e => e.kind === 'message' && e.id === id)
  const { url, mediaKey, fileSha256 } = raw.message.imageMessage
  assert.ok(!mediaKey?.length)
  assert.deepEqual(Buffer.from(fileSha256), createHash('sha256').update(bytes).digest())
  assert.ok(bytes.equals(Buffer.from(await (await fetch(url)).arrayBuffer())))
}

// A status of theirs is heard, and of those it is shown to by nobody else; a reaction of ours reaches its author.
const theirStatus = async scene => {
  const { sandbox, ben, ana } = await pair(scene)
  const cem = await scene.client(sandbox, 'Cem')
  const message = await ben.sock.sendMessage(STATUS, { text: 'good morning' }, { statusJidList: [ana.jid] })
  const heard = await ana.next(text('good morning'))
  assert.deepEqual([heard.id, heard.chat, heard.place, heard.sender], [message.key.id, STATUS, 'status', ben.lid])
  await ana.react(heard.id, '👍')
  const reaction = await ben.next(e => e.kind === 'reaction')
  assert.deepEqual([reaction.text, reaction.to], ['👍', message.key.id])
  await ben.send(cem.jid, 'for Cem')
  await cem.next(text('for Cem'))
  assert.equal(cem.heard.length, 1)
}

// A status of ours is heard by Baileys, the second one too, without the key in it.
const ourStatus = async scene => {
  const { ben, ana } = await pair(scene)
  for (const word of ['one', 'two']) {
    const id = await ana.call('post', { text: word, background: '#1f6f4a' }, [ben.jid])
    const heard = await ben.next(text(word))
    assert.deepEqual([heard.id, heard.chat, userOf(heard.raw.key.participant)], [id, STATUS, userOf(ana.lid)])
  }
}

// Who writes gives a token; a restricted account is reached by those it has written to, and by who shows its token.
const tokens = async scene => {
  const { ben, ana } = await pair(scene)
  await ben.send(ana.jid, 'hello')
  await ana.next(text('hello'))
  const deadline = Date.now() + 10_000
  while (!(await ana.call('token', ben.lid))) {
    assert.ok(Date.now() < deadline, 'no token of Baileys came')
    await new Promise(resolve => setTimeout(resolve, 20))
  }
  await ana.send(ben.jid, 'hello yourself')
  await ben.next(text('hello yourself'))
}

const restricted = async scene => {
  const { sandbox, ben, ana } = await pair(scene, 'restricted:Ana')
  const id = await ben.send(ana.jid, 'may I?')
  const refused = await ben.next(e => e.kind === 'status' && e.id === id)
  assert.equal(refused.status, 0) // ERROR
  await ana.send(ben.jid, 'you may')
  await ben.next(text('you may'))
  await ben.send(ana.jid, 'thanks')
  await ana.next(text('thanks'))
  assert.equal(ana.heard.length, 1)
  assert.ok(sandbox)
}

export default [
  { name: 'a newsletter of Baileys is found, followed, heard, read and reacted to', run: theirNews },
  { name: 'a newsletter of ours is found, followed, heard, read and reacted to by Baileys', run: ourNews },
  { name: 'files in newsletters of Baileys and of ours are loaded by the other', run: files },
  { name: 'a status of Baileys is heard by those it is for, and our reaction reaches it', run: theirStatus },
  { name: 'status posts of ours are heard by Baileys', run: ourStatus },
  { name: 'Baileys gives us a privacy token, and is written to with it', run: tokens },
  { name: 'an account that takes no strangers is not reached by Baileys before it has written to it', run: restricted,
    lawful: /error='463'|error in ack|463/ },
]
