// Many messages at once, both ways: all arrive, once, in order. The two know each other first: Baileys keeps the session it makes for
// its first message in a transaction of its own, and forgets one that comes in meanwhile.
import assert from 'node:assert/strict'

const COUNT = 200
const isMessage = e => e.kind === 'message'

const burst = tls => async scene => {
  const sandbox = await scene.sandbox({ tls })
  const [ben, ana] = [await scene.peer(sandbox, 'Ben'), await scene.client(sandbox, 'Ana')]
  await ben.send(ana.jid, 'hello')
  await ana.next(isMessage)
  await ana.send(ben.jid, 'hello yourself')
  await ben.next(isMessage)
  const all = (from, to) => Promise.all(Array.from({ length: COUNT }, (_, i) => from.send(to.jid, `${from.name} ${i + 1}`)))
  const [fromBen, fromAna] = await Promise.all([all(ben, ana), all(ana, ben)])
  const [atAna, atBen] = await Promise.all([ana.take(COUNT, isMessage), ben.take(COUNT, isMessage)])
  const expected = (from, ids) => ids.map((id, i) => [id, `${from.name} ${i + 1}`])
  assert.deepEqual(atAna.map(e => [e.id, e.text]), expected(ben, fromBen))
  assert.deepEqual(atBen.map(e => [e.id, e.text]), expected(ana, fromAna))
}

export default [
  { name: `${COUNT} messages each way at once all arrive once and in order over ws`, run: burst(false), alone: true },
  { name: `${COUNT} messages each way at once all arrive once and in order over wss`, run: burst(true), alone: true },
]
