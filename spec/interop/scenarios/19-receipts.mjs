// What was read and played, who is there, who types, who calls: both ways, in groups too.
import assert from 'node:assert/strict'
import { userOf } from '../peer.mjs'

const READ = 4 // proto.WebMessageInfo.Status
const PLAYED = 5

const text = wanted => e => e.kind === 'message' && e.text === wanted
const became = (id, status) => e => e.kind === 'status' && e.id === id && e.status === status
const are = (one, ...names) => assert.ok(names.map(userOf).includes(userOf(one)), `${one} is none of ${names}`)

const pair = async scene => {
  const sandbox = await scene.sandbox()
  const [ben, ana] = [await scene.peer(sandbox, 'Ben'), await scene.client(sandbox, 'Ana')]
  await ben.available()
  return { sandbox, ben, ana }
}

const trio = async scene => {
  const { sandbox, ben, ana } = await pair(scene)
  const cem = await scene.peer(sandbox, 'Cem')
  await cem.available()
  const { id: group } = await ben.sock.groupCreate('Tea', [ana.jid, cem.jid])
  return { sandbox, ben, cem, ana, group }
}

const weRead = async scene => {
  const { ben, ana } = await pair(scene)
  const ids = []
  for (const word of ['one', 'two', 'three']) {
    ids.push(await ben.send(ana.jid, word))
    await ana.next(text(word))
  }
  await ana.call('mark', ids.slice(0, 2), 'read')
  for (const id of ids.slice(0, 2)) are((await ben.next(became(id, READ), 'that we have read it')).chat, ana.jid, ana.lid)
  await ana.call('mark', ids.slice(2), 'played')
  await ben.next(became(ids[2], PLAYED), 'that we have played it')
}

const theyRead = async scene => {
  const { ben, ana } = await pair(scene)
  const ids = []
  for (const word of ['one', 'two', 'three']) ids.push(await ana.send(ben.jid, word))
  for (const id of ids) await ana.next(became(id, 'delivered'))
  assert.equal(await ana.call('status', ben.jid, ids[0]), 'delivered')
  const keys = []
  for (const word of ['one', 'two', 'three']) keys.push((await ben.next(text(word))).raw.key)
  await ben.sock.readMessages(keys.slice(0, 2))
  for (const id of ids.slice(0, 2)) assert.equal((await ana.next(became(id, 'read'))).sender, ben.lid)
  await ben.sock.sendReceipts(keys.slice(2), 'played')
  await ana.next(became(ids[2], 'played'))
  const states = []
  for (const id of ids) states.push(await ana.call('status', ben.jid, id))
  assert.deepEqual(states, ['read', 'read', 'played'])
}

const botReads = async scene => {
  const sandbox = await scene.sandbox()
  const [ben, bot] = [await scene.peer(sandbox, 'Ben'), await scene.bot(sandbox, 'echo')]
  const id = await ben.send(bot.jid, 'hello')
  await ben.next(became(id, READ), 'that the bot has read it')
}

const inGroups = async scene => {
  const { ben, cem, ana, group } = await trio(scene)
  const theirs = await ben.send(group, 'from Ben')
  await ana.next(text('from Ben'))
  const heard = await cem.next(text('from Ben'))
  const told = state => e => e.kind === 'receipt' && e.id === theirs && e.state === state
  const delivered = [await ben.next(told('delivered')), await ben.next(told('delivered'))].map(e => userOf(e.jid)).sort()
  assert.deepEqual(delivered, [ana.lid, cem.lid].map(userOf).sort())
  await ana.call('mark', [theirs], 'read')
  are((await ben.next(told('read'), 'that we have read it')).jid, ana.lid)
  await cem.sock.readMessages([heard.raw.key])
  are((await ben.next(told('read'), 'that Cem has read it')).jid, cem.lid)

  const ours = await ana.send(group, 'from Ana')
  const keys = [(await ben.next(text('from Ana'))).raw.key, (await cem.next(text('from Ana'))).raw.key]
  for (let i = 0; i < 2; i++) await ana.next(became(ours, 'delivered'))
  await ben.sock.readMessages(keys.slice(0, 1))
  assert.equal((await ana.next(became(ours, 'read'))).sender, ben.lid)
  assert.equal(await ana.call('status', group, ours), 'delivered')
  await cem.sock.readMessages(keys.slice(1))
  assert.equal((await ana.next(became(ours, 'read'))).sender, cem.lid)
  assert.equal(await ana.call('status', group, ours), 'read')
}

// The account's owner, whose other device is a Baileys, keeps to themselves what they read, then tells it again.
const inSilence = async scene => {
  const { sandbox, ben, ana } = await pair(scene)
  const other = await scene.peer(sandbox, 'Ana')
  await other.sock.updateReadReceiptsPrivacy('none')
  const ids = []
  const read = async word => {
    ids.push(await ben.send(ana.jid, word))
    await ana.next(text(word))
    await ana.call('mark', ids.slice(-1), 'read')
  }
  await read('one')
  await other.next(became(ids[0], READ), 'that its owner has read it')
  await other.sock.updateReadReceiptsPrivacy('all')
  await read('two') // the ack of this one tells that the setting is another
  await other.next(became(ids[1], READ))
  await read('three')
  await ben.next(became(ids[2], READ))
  assert.ok(!ben.events.some(e => e.kind === 'status' && e.status === READ), 'Ben heard what was read in silence')

  const set = async value => {
    await ben.sock.updateReadReceiptsPrivacy(value)
    await ben.sock.fetchPrivacySettings(true) // it keeps what it was told first
  }
  await set('none')
  const [first, second] = [await ana.send(ben.jid, 'first'), await ana.send(ben.jid, 'second')]
  await ben.sock.readMessages([(await ben.next(text('first'))).raw.key])
  await set('all')
  await ben.sock.readMessages([(await ben.next(text('second'))).raw.key])
  await ana.next(became(second, 'read'))
  assert.ok(!ana.events.some(became(first, 'read')), 'we heard what was read in silence')
}

const coming = async scene => {
  const { sandbox, ben, ana } = await pair(scene)
  const of = (who, state) => e => e.kind === 'presence' && [who.jid, who.lid].map(userOf).includes(userOf(e.chat)) && e.state === state
  await ben.sock.presenceSubscribe(ana.jid)
  await ben.next(of(ana, 'available'))
  await ana.call('watch', ben.jid)
  are((await ana.next(e => e.kind === 'presence' && e.available)).jid, ben.jid, ben.lid)
  await ben.sock.sendPresenceUpdate('unavailable')
  const seen = e => e.last > 1_500_000_000 // who is asked about before they were ever there is away since no time
  await ana.next(e => e.kind === 'presence' && !e.available && seen(e), 'that Ben went')
  await ana.stop()
  await ben.next(e => of(ana, 'unavailable')(e) && seen(e), 'that we went')
  await scene.client(sandbox, 'Ana', ana.store)
  await ben.next(of(ana, 'available'))
}

const typing = async scene => {
  const { ben, cem, ana, group } = await trio(scene)
  await ben.send(group, 'hello')
  await Promise.all([ana, cem].map(one => one.next(text('hello'))))
  for (const [state, ours] of [['composing', 'typing'], ['recording', 'recording']]) {
    await ben.sock.sendPresenceUpdate(state, group)
    const seen = await ana.next(e => e.kind === 'typing')
    assert.deepEqual([seen.state, seen.chat, seen.sender], [state, group, ben.lid])
    await ana.call(ours, group, true)
    for (const peer of [ben, cem]) {
      const heard = await peer.next(e => e.kind === 'presence' && e.chat === group && userOf(e.jid) === userOf(ana.lid))
      assert.equal(heard.state, state)
    }
  }
}

const calls = async scene => {
  const { sandbox, ben, ana } = await pair(scene)
  const other = await scene.peer(sandbox, 'Ana')
  const post = (path, body) => sandbox.admin('POST', `mock-phone/${path}`, JSON.stringify(body)).then(JSON.parse)
  const call = async video => {
    const { id } = await post('call', { from: ben.jid, to: ana.jid, video })
    const [seen, ours] = [await other.next(e => e.kind === 'call'), await ana.next(e => e.kind === 'call')]
    assert.deepEqual([seen.state, seen.isVideo, userOf(seen.from), seen.call], ['offer', video, userOf(ben.lid), id])
    assert.deepEqual([ours.state, ours.video, ours.sender, ours.call], ['ringing', video, ben.lid, id])
    return seen
  }
  const became = async id => JSON.parse(await sandbox.admin('GET', `mock-phone/call?id=${id}`)).state

  const first = await call(true)
  await ana.call('reject', first.call)
  assert.equal((await other.next(e => e.kind === 'call', 'the end of the call')).state, 'terminate')
  assert.equal(await became(first.call), 'rejected')

  const second = await call(false)
  await other.sock.rejectCall(second.call, second.from)
  assert.equal((await ana.next(e => e.kind === 'call', 'the end of the call')).state, 'rejected')
  assert.equal(await became(second.call), 'rejected')

  const third = await call(false)
  await post('end-call', { id: third.call, how: 'timeout' })
  assert.equal((await other.next(e => e.kind === 'call')).state, 'timeout')
  assert.equal((await ana.next(e => e.kind === 'call')).state, 'missed')
}

export default [
  { name: 'Baileys sees what we have read and played, many messages in one receipt', run: weRead },
  { name: 'we see what Baileys has read and played, and what became of each message', run: theyRead },
  { name: 'Baileys sees that a bot has read what it answers', run: botReads },
  { name: 'in a group Baileys and we see who has a message and who has read it', run: inGroups },
  { name: 'nobody sees what is read in silence, be it by us or by Baileys', run: inSilence },
  { name: 'Baileys and we see each other come and go', run: coming },
  { name: 'typing and recording in a group are seen by all, both ways', run: typing },
  { name: 'a call rings at Baileys and us: whoever refuses it ends it at the other, nobody is a missed call', run: calls },
]
