// The past that our sandbox's phone gives: Baileys and our client, two devices of one account, are told the same; and the same again of
// older messages, which each asks for.
import assert from 'node:assert/strict'

const MESSAGES = 30
const RECENT = 12
const ASKED = 7

const textOf = message => message?.conversation ?? message?.extendedTextMessage?.text ?? undefined

// What a Baileys that is linked is told, chunk by chunk.
const listen = (scene, sandbox, name) => {
  const peer = scene.idlePeer(sandbox, name)
  const open = peer.open.bind(peer)
  peer.open = () => {
    open()
    peer.sock.ev.on('messaging-history.set', chunk => peer.push({ kind: 'chunk', ...chunk }))
  }
  return peer
}

const all = async (inbox, isOne, isLast, what) => {
  const list = []
  do list.push(await inbox.next(isOne, what)); while (!isLast(list.at(-1)))
  return list
}

const recents = e => e.kind === 'chunk' && e.syncType === 3

// By the id of a message: what it says, where it says anything in plain words.
const theirTexts = messages => new Map(messages.filter(one => textOf(one.message)).map(one => [one.key.id, textOf(one.message)]))
const ourTexts = messages => new Map(messages.filter(one => one.text !== undefined).map(one => [one.id, one.text]))
const sorted = map => [...map].sort(([a], [b]) => a < b ? -1 : 1)

const past = inline => async scene => {
  const sandbox = await scene.sandbox()
  await sandbox.admin('POST', 'mock-phone/past', JSON.stringify({
    name: 'Ben', chats: 3, groups: 1, messages: MESSAGES, recent: RECENT, inline,
  }))
  const bot = await scene.bot(sandbox, 'history', undefined, ['Ben'])
  const pages = await all(bot, e => e.kind === 'page', e => e.progress === 100 && e.done, 'a page of its past')
  const theirs = listen(scene, sandbox, 'Ben')
  await theirs.start()
  const chunks = await all(theirs, e => e.kind === 'chunk', recents, 'a chunk of its past')

  const ourMessages = pages.filter(page => page.chat && page.type !== 'status' && page.type !== 'on_demand').flatMap(page => page.messages)
  const theirMessages = chunks.flatMap(chunk => chunk.messages)
  assert.equal(ourMessages.length, 4 * RECENT)
  assert.equal(theirMessages.length, 4 * RECENT)
  assert.deepEqual(sorted(ourTexts(ourMessages)), sorted(theirTexts(theirMessages)))
  const names = new Set(pages.map(page => page.name).filter(Boolean))
  assert.deepEqual([...names].sort(), ['Friend 1', 'Friend 2', 'Friend 3', 'Group 1'])
  assert.deepEqual([...new Set(chunks.flatMap(chunk => chunk.chats.map(chat => chat.name)))].sort(), [...names].sort())

  const ours = pages.find(page => page.type === 'on_demand')
  assert.equal(ours.messages.length, ASKED)
  const last = chunks.at(-1)
  const oldest = last.messages.filter(one => one.key.remoteJid === theirMessages[0].key.remoteJid).at(-1)
  const request = await theirs.sock.fetchMessageHistory(ASKED, oldest.key, Number(oldest.messageTimestamp))
  const answer = await theirs.next(e => e.kind === 'chunk' && e.peerDataRequestSessionId === request, 'older messages')
  assert.equal(answer.messages.length, ASKED)
  assert.deepEqual(sorted(theirTexts(answer.messages)), sorted(ourTexts(ours.messages)))
}

export default [
  { name: 'a Baileys and our client on one account are told the same past by its phone, and the same when they ask for more', run: past(1 << 20) },
  { name: 'a Baileys and our client on one account are told the same past in chunks that they load from the media host', run: past(0) },
]
