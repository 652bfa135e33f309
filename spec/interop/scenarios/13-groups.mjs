// Groups that Baileys makes and writes to: our bot hears all of it, asks for what it cannot read, and hears that too.
import assert from 'node:assert/strict'
import { userOf } from '../peer.mjs'

const isMessage = e => e.kind === 'message'
const text = wanted => e => e.kind === 'message' && e.text === wanted

// A bot, two Baileys, and a group of theirs; the bot's events come as objects.
const gather = async (scene, sandbox) => {
  const [bot, ben, cem] = [await scene.bot(sandbox, 'listener'), await scene.peer(sandbox, 'Ben'), await scene.peer(sandbox, 'Cem')]
  const group = await ben.sock.groupCreate('Tea', [bot.jid, cem.jid])
  assert.deepEqual([group.subject, group.participants.length, group.addressingMode], ['Tea', 3, 'lid'])
  return { bot, ben, cem, group: group.id }
}

const hears = async (bot, count) => {
  const list = []
  for (let i = 0; i < count; i++) list.push(await bot.next(isMessage, `message ${i + 1} of ${count}`))
  return list
}

const inOrder = async scene => {
  const sandbox = await scene.sandbox()
  const { bot, ben, cem, group } = await gather(scene, sandbox)
  const sent = []
  for (let i = 1; i <= 10; i++) sent.push(await ben.send(group, `text ${i}`))
  const heard = await hears(bot, 10)
  assert.deepEqual(heard.map(e => [e.id, e.text]), sent.map((id, i) => [id, `text ${i + 1}`]))
  assert.deepEqual(
    [heard[0].chat, heard[0].group, heard[0].sender, heard[0].name, `${heard[0].phone}@s.whatsapp.net`],
    [group, true, ben.lid, 'Ben', ben.jid])
  for (let i = 1; i <= 10; i++) assert.equal((await cem.next(isMessage, 'a text')).text, `text ${i}`)
  const answer = await cem.send(group, 'from Cem')
  assert.deepEqual(await bot.next(isMessage, "Cem's text").then(e => [e.id, e.sender, e.text]), [answer, cem.lid, 'from Cem'])
  assert.equal((await ben.next(isMessage, "Cem's text")).text, 'from Cem')
  await ben.send(group, '!tea with milk')
  const order = await bot.next(e => e.kind === 'command', 'a command')
  assert.deepEqual([order.text, order.chat, order.group], ['with milk', group, true])
}

const whileAway = async scene => {
  const sandbox = await scene.sandbox()
  const { bot, ben, group } = await gather(scene, sandbox)
  await ben.send(group, 'before')
  await bot.next(text('before'))
  const { script, store } = bot
  await bot.stop()
  for (let i = 1; i <= 20; i++) await ben.send(group, `away ${i}`)
  const again = await scene.bot(sandbox, script.replace(/.*\/(.*)\.lua$/, '$1'), store)
  assert.deepEqual((await hears(again, 20)).map(e => e.text), Array.from({ length: 20 }, (_, i) => `away ${i + 1}`))
}

// The bot never gets the sender key of the first message: it asks, Baileys sends it again with the key, and goes on with it.
const lostKey = async scene => {
  const sandbox = await scene.sandbox()
  const { bot, ben, group } = await gather(scene, sandbox)
  await sandbox.admin('POST', 'fault', JSON.stringify({ what: 'damage', jid: bot.lid, direction: 'to-client', enc: 'pkmsg' }))
  const id = await ben.send(group, 'one')
  assert.equal((await bot.next(text('one'))).id, id)
  await ben.send(group, 'two')
  await bot.next(text('two'))
  assert.equal(ben.complaints.filter(line => line.includes("type='retry'")).length, 1)
}

const damaged = async scene => {
  const sandbox = await scene.sandbox()
  const { bot, ben, group } = await gather(scene, sandbox)
  await ben.send(group, 'one')
  await bot.next(text('one'))
  await sandbox.admin('POST', 'fault', JSON.stringify({ what: 'damage', jid: bot.lid, direction: 'to-client', enc: 'skmsg' }))
  const id = await ben.send(group, 'two')
  assert.equal((await bot.next(text('two'))).id, id)
  await ben.send(group, 'three')
  await bot.next(text('three'))
  assert.equal(ben.complaints.filter(line => line.includes("type='retry'")).length, 1)
}

// A client of ours and two Baileys in a group of theirs.
const three = async scene => {
  const sandbox = await scene.sandbox()
  const [ana, ben, cem] = [await scene.client(sandbox, 'Ana'), await scene.peer(sandbox, 'Ben'), await scene.peer(sandbox, 'Cem')]
  const { id: group } = await ben.sock.groupCreate('Tea', [ana.jid, cem.jid])
  return { sandbox, ana, ben, cem, group }
}

const bothWrite = async scene => {
  const { ana, ben, cem, group } = await three(scene)
  for (let i = 1; i <= 3; i++) {
    const id = await ana.send(group, `Ana ${i}`)
    for (const peer of [ben, cem]) {
      const e = await peer.next(text(`Ana ${i}`))
      assert.deepEqual([e.id, e.chat, e.raw.key.participant.replace(/:\d+@/, '@')], [id, group, ana.lid])
    }
    await ben.send(group, `Ben ${i}`)
    await cem.send(group, `Cem ${i}`)
    const heard = await hears(ana, 2)
    assert.deepEqual(heard.map(e => e.text).sort(), [`Ben ${i}`, `Cem ${i}`])
  }
  const question = await ben.send(group, 'tea?')
  await ana.next(text('tea?'))
  await ana.send(group, 'yes', question)
  assert.equal((await ben.next(text('yes'))).quoted.id, question)
  await ana.react(question, '👍')
  assert.deepEqual(await ben.next(e => e.kind === 'reaction', 'a reaction').then(e => [e.text, e.to]), ['👍', question])
}

// Counts the messages of a member of a group that tell a peer the member's sender key: they bring a pairwise ciphertext along.
const countKeys = (peer, group, member) => {
  peer.keys = 0
  peer.sock.ws.on('CB:message', ({ attrs, content }) => {
    if (attrs.from !== group || userOf(attrs.participant) !== userOf(member.lid)) return
    if (content.some(enc => enc.tag === 'enc' && enc.attrs.type !== 'skmsg')) peer.keys++
  })
}

const comeAndGo = async scene => {
  const { sandbox, ana, ben, cem, group } = await three(scene)
  const dan = await scene.peer(sandbox, 'Dan')
  await ana.send(group, 'one')
  for (const peer of [ben, cem]) await peer.next(text('one'))
  countKeys(ben, group, ana)
  countKeys(dan, group, ana)
  await ben.sock.groupParticipantsUpdate(group, [dan.jid], 'add')
  await ana.next(e => e.kind === 'group' && e.action === 'add', 'that Dan was added')
  await ana.send(group, 'two')
  for (const peer of [ben, cem, dan]) await peer.next(text('two'))
  assert.deepEqual([ben.keys, dan.keys], [0, 1]) // the key is told to the new one alone
  await ben.sock.groupParticipantsUpdate(group, [cem.jid], 'remove')
  await ana.next(e => e.kind === 'group' && e.action === 'remove', 'that Cem was removed')
  await ana.send(group, 'three')
  for (const peer of [ben, dan]) await peer.next(text('three'))
  assert.deepEqual([ben.keys, dan.keys], [1, 2]) // a key Cem does not have
  await dan.send(group, 'four')
  for (const one of [ana, ben]) await one.next(text('four'))
  assert.deepEqual(cem.heard.map(e => e.text), ['one', 'two'])
  await ana.send(group, 'five')
  for (const peer of [ben, dan]) await peer.next(text('five'))
  assert.deepEqual([ben.keys, dan.keys], [1, 2])
}

const byNumber = async scene => {
  const sandbox = await scene.sandbox()
  const [ana, ben, cem] = [await scene.client(sandbox, 'Ana'), await scene.peer(sandbox, 'Ben'), await scene.peer(sandbox, 'Cem')]
  const made = { creator: ben.jid, subject: 'Numbers', members: [ana.jid, cem.jid], mode: 'pn' }
  const { jid: group } = JSON.parse(await sandbox.admin('POST', 'mock-phone/group', JSON.stringify(made)))
  for (let i = 1; i <= 2; i++) {
    await ana.send(group, `Ana ${i}`)
    for (const peer of [ben, cem]) {
      const e = await peer.next(text(`Ana ${i}`))
      assert.equal(`${userOf(e.raw.key.participant)}@s.whatsapp.net`, ana.jid)
    }
    await cem.send(group, `Cem ${i}`)
    assert.deepEqual(await ana.next(text(`Cem ${i}`)).then(e => [e.chat, e.sender]), [group, cem.lid])
    await ben.next(text(`Cem ${i}`))
  }
}

// Baileys never gets our key: it asks for the message, and goes on with the key that comes with it.
const lostByPeer = async scene => {
  const { sandbox, ana, ben, cem, group } = await three(scene)
  await sandbox.fault({ what: 'damage', jid: ben.lid, direction: 'to-client', enc: 'pkmsg' })
  const id = await ana.send(group, 'one')
  assert.equal((await ben.next(text('one'))).id, id)
  await cem.next(text('one'))
  await ana.send(group, 'two')
  for (const peer of [ben, cem]) await peer.next(text('two'))
}

const asked = /type='retry'|recv retry request|asked for it again/

const ours = /refuses message \w+: 500|type='retry'|undecryptable|failed to decrypt|error='500'|SenderKey|sender ?key|session/i

export default [
  { name: 'a bot hears all that two Baileys write into their group, in order', run: inOrder },
  { name: 'a bot that was away hears what Baileys wrote into a group meanwhile, in order', run: whileAway },
  { name: 'a bot that lost the sender key of a group asks Baileys once, and reads on', run: lostKey, lawful: asked },
  { name: 'a bot asks Baileys for a group message that came damaged, and reads on', run: damaged, lawful: asked },
  { name: 'a client of ours and two Baileys write into one group, quote and react', run: bothWrite },
  { name: 'a client of ours and two Baileys write into a group whose members are named by number', run: byNumber },
  { name: 'who comes into a group is told our sender key, and another one is told when somebody goes', run: comeAndGo },
  { name: 'a Baileys that lost our sender key asks our client once, and reads on', run: lostByPeer, lawful: ours },
]
