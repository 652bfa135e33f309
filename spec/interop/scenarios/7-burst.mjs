// Many messages at once, both ways: all arrive, once, in order.
import assert from 'node:assert/strict'

const COUNT = 200
const isMessage = e => e.kind === 'message'

const burst = (tls, acquainted) => async scene => {
  const sandbox = await scene.sandbox({ tls })
  const [ben, ana] = [await scene.peer(sandbox, 'Ben'), await scene.client(sandbox, 'Ana')]
  if (acquainted) {
    await ben.send(ana.jid, 'hello')
    await ana.next(isMessage)
    await ana.send(ben.jid, 'hello yourself')
    await ben.next(isMessage)
  }
  const all = (from, to) => Promise.all(Array.from({ length: COUNT }, (_, i) => from.send(to.jid, `${from.name} ${i + 1}`)))
  const [fromBen, fromAna] = await Promise.all([all(ben, ana), all(ana, ben)])
  const [atAna, atBen] = await Promise.all([ana.take(COUNT, isMessage), ben.take(COUNT, isMessage)])
  const expected = (from, ids) => ids.map((id, i) => [id, `${from.name} ${i + 1}`])
  assert.deepEqual(atAna.map(e => [e.id, e.text]), expected(ben, fromBen))
  assert.deepEqual(atBen.map(e => [e.id, e.text]), expected(ana, fromAna))
}

export default [
  { name: `${COUNT} messages each way at once all arrive once and in order over ws`, run: burst(false, true) },
  { name: `${COUNT} messages each way at once all arrive once and in order over wss`, run: burst(true, true) },
  {
    name: `${COUNT} messages each way at once between strangers, whose first messages cross, all arrive once and in order`,
    run: burst(false, false),
    lawful: /closed session/, // two sessions begin at once, and each side may go on in either
  },
]
