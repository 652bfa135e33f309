// Our client set back to an old copy of its store, sessions and all: it asks Baileys for what it cannot read, and hears it.
import assert from 'node:assert/strict'
import { cp, rm } from 'node:fs/promises'

const text = wanted => e => e.kind === 'message' && e.text === wanted

const setBack = async scene => {
  const sandbox = await scene.sandbox()
  const [ben, linked] = [await scene.peer(sandbox, 'Ben'), await scene.client(sandbox, 'Ana')]
  const [store, copy] = [linked.store, scene.path('copy')]
  await linked.stop()
  await cp(store, copy, { recursive: true })

  const ana = await scene.client(sandbox, 'Ana', store)
  await ben.send(ana.jid, 'one')
  await ana.next(text('one'))
  await ana.send(ben.jid, 'two')
  await ben.next(text('two'))
  await ana.stop()
  await rm(store, { recursive: true })
  await cp(copy, store, { recursive: true })

  const back = await scene.client(sandbox, 'Ana', store)
  const id = await ben.send(back.jid, 'three')
  assert.equal((await back.next(text('three'))).id, id)
  assert.ok(ben.complaints.some(line => line.includes("type='retry'")), 'nothing was asked for again')
  const answer = await back.send(ben.jid, 'four')
  assert.equal((await ben.next(text('four'))).id, answer)
  await ben.send(back.jid, 'five')
  await back.next(text('five'))
  assert.equal(ben.complaints.filter(line => line.includes("type='retry'")).length, 1)
}

export default [
  {
    name: 'our client, set back to an old store, asks Baileys once for what it cannot read, and the talk goes on',
    run: setBack,
    lawful: /type='retry'|recv retry request|asked for it again|the phone of \d+ cannot read .* decrypted before/,
  },
]
