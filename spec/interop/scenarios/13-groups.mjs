// Groups that Baileys makes and writes to: our bot hears all of it, asks for what it cannot read, and hears that too.
import assert from 'node:assert/strict'

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

const asked = /type='retry'|recv retry request|asked for it again/

export default [
  { name: 'a bot hears all that two Baileys write into their group, in order', run: inOrder },
  { name: 'a bot that was away hears what Baileys wrote into a group meanwhile, in order', run: whileAway },
  { name: 'a bot that lost the sender key of a group asks Baileys once, and reads on', run: lostKey, lawful: asked },
  { name: 'a bot asks Baileys for a group message that came damaged, and reads on', run: damaged, lawful: asked },
]
