// What is sent to somebody who is away arrives once, in order, at the next login.
import assert from 'node:assert/strict'

const isMessage = e => e.kind === 'message'
const words = Array.from({ length: 12 }, (_, i) => `number ${i + 1}`)

const arrives = async (away, back, sent) => {
  const heard = await back.take(words.length, isMessage, 'what was sent meanwhile')
  assert.deepEqual(heard.map(e => [e.id, e.text]), sent.map((id, i) => [id, words[i]]))
}

const sendAll = async (from, to) => {
  const ids = []
  for (const text of words) ids.push(await from.send(to, text))
  return ids
}

const acquaint = async (ben, ana) => {
  await ben.send(ana.jid, 'hello')
  await ana.next(isMessage, 'hello')
  await ana.send(ben.jid, 'hello yourself')
  await ben.next(isMessage, 'hello yourself')
}

const baileysAway = acquainted => async scene => {
  const sandbox = await scene.sandbox()
  const [ben, ana] = [await scene.peer(sandbox, 'Ben'), await scene.client(sandbox, 'Ana')]
  if (acquainted) await acquaint(ben, ana)
  await ben.stop()
  const sent = await sendAll(ana, ben.jid)
  await ben.restart()
  await arrives(ben, ben, sent)
  const answer = await ben.send(ana.jid, 'back')
  assert.equal((await ana.next(isMessage, 'back')).id, answer)
}

const weAreAway = acquainted => async scene => {
  const sandbox = await scene.sandbox()
  const [ben, ana] = [await scene.peer(sandbox, 'Ben'), await scene.client(sandbox, 'Ana')]
  if (acquainted) await acquaint(ben, ana)
  await ana.stop()
  const sent = await sendAll(ben, ana.jid)
  const back = await scene.client(sandbox, 'Ana', ana.store)
  await arrives(ana, back, sent)
  const answer = await back.send(ben.jid, 'back')
  assert.equal((await ben.next(isMessage, 'back')).id, answer)
}

// Baileys writes, goes; the other writes, goes; Baileys comes back alone, then the other.
const crossing = async scene => {
  const sandbox = await scene.sandbox({ world: scene.path('world') })
  const [ben, ana] = [await scene.peer(sandbox, 'Ben'), await scene.client(sandbox, 'Ana')]
  await acquaint(ben, ana)
  await ana.stop()
  const toAna = await sendAll(ben, ana.lid)
  await ben.stop()
  const back = await scene.client(sandbox, 'Ana', ana.store)
  const toBen = await sendAll(back, ben.jid)
  await arrives(ana, back, toAna)
  await back.stop()
  await sandbox.stop()
  const again = await scene.sandbox({ world: sandbox.world, port: sandbox.port })
  await ben.restart()
  await arrives(ben, ben, toBen)
  const { accounts } = await again.state()
  assert.ok(accounts.every(account => account.devices.length === 1))
}

const MANY = 200

const hearsMany = async (heard, sent) => {
  const events = await heard.take(MANY, isMessage, 'what was sent meanwhile')
  assert.deepEqual(events.map(e => e.id), sent)
}

const sendMany = async (from, to) => {
  const ids = []
  for (let i = 0; i < MANY; i++) ids.push(await from.send(to, `number ${i}`))
  return ids
}

const longAbsence = who => async scene => {
  const sandbox = await scene.sandbox()
  const [ben, ana] = [await scene.peer(sandbox, 'Ben'), await scene.client(sandbox, 'Ana')]
  await acquaint(ben, ana)
  if (who === 'Baileys') {
    await ben.stop()
    const sent = await sendMany(ana, ben.jid)
    await ben.restart()
    return hearsMany(ben, sent)
  }
  await ana.stop()
  const sent = await sendMany(ben, ana.jid)
  const back = await scene.client(sandbox, 'Ana', ana.store)
  await hearsMany(back, sent)
  const answer = await back.send(ben.jid, 'back')
  assert.equal((await ben.next(isMessage, 'back')).id, answer)
}

export default [
  { name: 'two hundred messages of Baileys that waited while we were away arrive once and in order', run: longAbsence('we') },
  { name: 'two hundred messages of ours that waited while Baileys was away arrive once and in order', run: longAbsence('Baileys') },
  { name: 'what a stranger of ours sent while Baileys was away arrives once and in order', run: baileysAway(false) },
  { name: 'what we sent while Baileys was away arrives once and in order', run: baileysAway(true) },
  { name: 'what a strange Baileys sent while we were away arrives once and in order', run: weAreAway(false) },
  { name: 'what Baileys sent while we were away arrives once and in order', run: weAreAway(true) },
  { name: 'what crossed while each was away in turn, and the sandbox after them, arrives once and in order', run: crossing },
]
