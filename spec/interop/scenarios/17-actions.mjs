// What is done to messages, both ways: one side edits, deletes, reacts, pins, keeps and sets timers, the other sees it done.
import assert from 'node:assert/strict'
import { generateMessageID } from 'baileys'

const isMessage = e => e.kind === 'message'
const what = kind => e => (e.kind === 'message' || e.kind === 'reaction') && e.what === kind
const holds = field => e => e.kind === 'message' && e.raw?.message?.[field]
const changed = id => e => e.kind === 'status' && e.id === id && e.update.message !== undefined

const two = async scene => {
  const sandbox = await scene.sandbox()
  return [await scene.client(sandbox, 'Ana'), await scene.peer(sandbox, 'Ben')]
}

// The key by which Baileys points at a message of its own, or of the other.
const own = (chat, id) => ({ remoteJid: chat, fromMe: true, id })
const theirs = (chat, id) => ({ remoteJid: chat, fromMe: false, id })

const baileysActs = async scene => {
  const [ana, ben] = await two(scene)
  const id = await ben.send(ana.jid, 'helo')
  await ana.next(isMessage, 'a text')
  await ben.send(ana.jid, { text: 'hello', edit: own(ana.jid, id) })
  const edit = await ana.next(what('edit'), 'the edit')
  assert.deepEqual([edit.text, edit.to, edit.of], ['hello', id, ben.lid])
  assert.equal((await ana.call('message', ben.lid, id)).text, 'hello')

  const ours = await ana.call('say', ben.jid, 'mine')
  await ben.next(isMessage, 'our text')
  const reacts = async emoji => {
    await ben.send(ana.jid, { react: { text: emoji, key: theirs(ana.jid, ours) } })
    const heard = await ana.next(what('reaction'), `the reaction '${emoji}'`)
    assert.deepEqual([heard.text, heard.to], [emoji, ours])
    return (await ana.call('message', ben.lid, ours)).reactions
  }
  assert.deepEqual(await reacts('👍'), { [ben.lid]: '👍' })
  assert.deepEqual(await reacts('🎉'), { [ben.lid]: '🎉' })
  assert.equal(Object.keys(await reacts('')).length, 0)

  await ben.send(ana.jid, { pin: theirs(ana.jid, ours), type: 1, time: 86400 })
  const pin = await ana.next(what('pin'), 'the pin')
  assert.deepEqual([pin.pinned, pin.seconds, pin.to], [true, 86400, ours])
  await ben.send(ana.jid, { pin: theirs(ana.jid, ours), type: 2 })
  assert.equal((await ana.next(what('pin'), 'the end of the pin')).pinned, false)

  const keeps = async keepType => {
    const content = { keepInChatMessage: { key: theirs(ana.jid, ours), keepType, timestampMs: Date.now() } }
    await ben.sock.relayMessage(ana.jid, content, { messageId: generateMessageID() })
    return (await ana.next(what('keep'), 'what is kept')).kept
  }
  assert.deepEqual([await keeps(1), await keeps(2)], [true, false])

  await ben.send(ana.jid, { disappearingMessagesInChat: 604800 })
  assert.equal((await ana.next(what('expiration'), 'the timer')).expiration, 604800)
  await ana.call('say', ben.jid, 'soon gone')
  const timed = await ben.next(isMessage, 'a text that disappears')
  assert.equal(timed.raw.message.extendedTextMessage.contextInfo.expiration, 604800)

  await ben.send(ana.jid, { delete: own(ana.jid, id) })
  assert.equal((await ana.next(what('revoke'), 'the revoke')).to, id)
  const gone = await ana.call('message', ben.lid, id)
  assert.deepEqual([gone.revoked, gone.text], [ben.lid, undefined])
}

const weAct = async scene => {
  const [ana, ben] = await two(scene)
  const id = await ana.call('say', ben.jid, 'helo')
  const text = await ben.next(isMessage, 'a text')
  await ana.call('act', 'edit', id, 'hello')
  const edit = await ben.next(changed(id), 'the edit')
  assert.equal(edit.update.message.editedMessage.message.conversation, 'hello')

  const theirs = await ben.send(ana.jid, 'mine')
  await ana.next(isMessage, 'their text')
  for (const emoji of ['👍', '']) {
    await ana.call('act', 'react', theirs, emoji)
    const reaction = await ben.next(e => e.kind === 'reaction', `the reaction '${emoji}'`)
    assert.deepEqual([reaction.text, reaction.to], [emoji, theirs])
  }

  await ana.call('act', 'pin', theirs, 86400)
  const pin = (await ben.next(holds('pinInChatMessage'), 'the pin')).raw.message
  assert.deepEqual([pin.pinInChatMessage.type, pin.messageContextInfo.messageAddOnDurationInSecs], [1, 86400])
  await ana.call('act', 'unpin', theirs)
  assert.equal((await ben.next(holds('pinInChatMessage'), 'the end of the pin')).raw.message.pinInChatMessage.type, 2)
  await ana.call('act', 'keep', theirs)
  assert.equal((await ben.next(holds('keepInChatMessage'), 'what is kept')).raw.message.keepInChatMessage.keepType, 1)
  await ana.call('act', 'unkeep', theirs)
  assert.equal((await ben.next(holds('keepInChatMessage'), 'what is kept no more')).raw.message.keepInChatMessage.keepType, 2)

  await ana.call('act', 'forward', theirs, ben.jid)
  const forwarded = (await ben.next(holds('extendedTextMessage'), 'the forward')).raw.message.extendedTextMessage
  assert.deepEqual([forwarded.text, forwarded.contextInfo.isForwarded], ['mine', true])

  const timer = new Promise(resolve => ben.sock.ev.on('chats.update', list => {
    for (const { ephemeralExpiration } of list) if (ephemeralExpiration) resolve(ephemeralExpiration)
  }))
  await ana.call('expire', ben.jid, 86400)
  assert.equal(Number(await timer), 86400)

  await ana.call('act', 'delete', id)
  const revoke = await ben.next(e => e.kind === 'status' && e.id === id && e.update.message === null, 'the revoke')
  assert.equal(revoke.chat, text.chat)
}

// Our client and two Baileys in a group; the one who made it is its admin.
const gather = async (scene, ours) => {
  const sandbox = await scene.sandbox()
  const [ana, ben, cem] = [await scene.client(sandbox, 'Ana'), await scene.peer(sandbox, 'Ben'), await scene.peer(sandbox, 'Cem')]
  const group = ours ? (await ana.call('groups', 'create', { subject: 'Tea', members: [ben.jid, cem.jid] })).jid
    : (await ben.sock.groupCreate('Tea', [ana.jid, cem.jid])).id
  return { ana, ben, cem, group }
}

const baileysIsAdmin = async scene => {
  const { ana, ben, cem, group } = await gather(scene, false)
  const id = await cem.send(group, 'from Cem')
  const text = await ben.next(e => isMessage(e) && e.id === id, 'what Cem said')
  await ana.next(e => isMessage(e) && e.id === id, 'what Cem said')
  await ben.send(group, { react: { text: '👍', key: text.raw.key } })
  await ana.next(what('reaction'), 'a reaction in the group')
  assert.deepEqual((await ana.call('message', group, id)).reactions, { [ben.lid]: '👍' })
  await ben.send(group, { delete: text.raw.key })
  const revoke = await ana.next(what('revoke'), "the admin's revoke")
  assert.deepEqual([revoke.to, revoke.of, revoke.sender], [id, cem.lid, ben.lid])
  assert.equal((await ana.call('message', group, id)).revoked, ben.lid)
}

const weAreAdmin = async scene => {
  const { ana, ben, cem, group } = await gather(scene, true)
  const id = await cem.send(group, 'from Cem')
  await ana.next(e => isMessage(e) && e.id === id, 'what Cem said')
  await ben.next(e => isMessage(e) && e.id === id, 'what Cem said')
  await ana.call('act', 'react', id, '🎉')
  assert.equal((await ben.next(e => e.kind === 'reaction', 'our reaction')).to, id)
  await ana.call('act', 'delete', id)
  const revoke = await ben.next(e => e.kind === 'status' && e.id === id && e.update.message === null, "the admin's revoke")
  assert.equal(revoke.chat, group)
}

export default [
  { name: 'Baileys edits, reacts, pins, keeps, sets a timer and deletes, and our client sees it done', run: baileysActs },
  { name: 'our client edits, reacts, pins, keeps, forwards, sets a timer and deletes, and Baileys sees it done', run: weAct },
  { name: 'an admin of Baileys deletes what another Baileys wrote in a group, and our client sees it gone', run: baileysIsAdmin },
  { name: 'our client, an admin, deletes what Baileys wrote in a group, and Baileys sees it gone', run: weAreAdmin },
]
