// Both sides restarted in the middle, and the sandbox itself: Baileys from its auth state, ours from its store, the sandbox from
// its world.
import assert from 'node:assert/strict'

const isMessage = e => e.kind === 'message'

// Ben writes to the echo bot and is answered.
const exchange = async (ben, bot, words) => {
  const id = await ben.send(bot.jid, words)
  const answer = await ben.next(isMessage, `the echo of ${words}`)
  assert.deepEqual([answer.text, answer.quoted], [words, { id, text: words }])
}

const sides = tls => async scene => {
  const sandbox = await scene.sandbox({ tls })
  const ben = await scene.peer(sandbox, 'Ben')
  const bot = await scene.bot(sandbox, 'echo')
  await exchange(ben, bot, 'one')
  await ben.restart()
  await exchange(ben, bot, 'two')
  assert.deepEqual(await bot.stop(), { code: 0, signal: null })
  const again = await scene.bot(sandbox, 'echo', bot.store)
  assert.equal(again.jid, bot.jid)
  await exchange(ben, again, 'three')
  await ben.restart()
  assert.deepEqual(await again.stop(), { code: 0, signal: null })
  await exchange(ben, await scene.bot(sandbox, 'echo', bot.store), 'four')
  const { accounts } = await sandbox.state()
  assert.deepEqual(accounts.map(account => account.devices.length), [1, 1])
}

const server = tls => async scene => {
  const world = scene.path('world')
  const sandbox = await scene.sandbox({ tls, world })
  const [ben, ana] = [await scene.peer(sandbox, 'Ben'), await scene.client(sandbox, 'Ana')]
  await ben.send(ana.jid, 'before')
  assert.equal((await ana.next(isMessage, 'before')).text, 'before')
  assert.deepEqual(await sandbox.stop(), { code: 0, signal: null })

  const again = await scene.sandbox({ tls, world, port: sandbox.port })
  assert.equal(again.url, sandbox.url)
  await ben.next(e => e.kind === 'open', 'to be online again')
  const id = await ben.send(ana.jid, 'after')
  assert.equal((await ana.next(isMessage, 'after')).id, id)
  const answer = await ana.send(ben.jid, 'yes')
  assert.equal((await ben.next(isMessage, 'yes')).id, answer)
  const { accounts } = await again.state()
  assert.deepEqual(accounts.map(account => account.devices.length), [1, 1])
  assert.equal(ben.jid, accounts.find(account => account.push_name === 'Ben').jid)
}

// The sandbox ends in the middle of a burst between two of ours, Baileys online beside them: the burst arrives once and in order, and all
// three go on. (Baileys itself cannot read again what it has not confirmed in time, and sends nothing again.)
const middle = signal => async scene => {
  const sandbox = await scene.sandbox({ world: scene.path('world') })
  const ben = await scene.peer(sandbox, 'Ben')
  const [ana, cleo] = [await scene.client(sandbox, 'Ana'), await scene.client(sandbox, 'Cleo')]
  await ben.send(ana.jid, 'before')
  await ana.next(isMessage, 'before')
  await scene.settle()
  const sending = Promise.all(Array.from({ length: 60 }, (_, i) => ana.send(cleo.jid, `number ${i + 1}`)))
  await cleo.next(e => e.text === 'number 5', 'number 5')
  await sandbox.stop(signal)
  const again = await scene.sandbox({ world: sandbox.world, port: sandbox.port })
  const sent = await sending
  await cleo.next(e => e.text === 'number 60', 'number 60')
  assert.deepEqual(cleo.heard.map(e => e.id), sent)
  if (ben.opens < 3) await ben.next(e => e.kind === 'open', 'to be online again')
  const id = await ben.send(ana.jid, 'after')
  assert.equal((await ana.next(e => e.text === 'after', 'after')).id, id)
  const answer = await ana.send(ben.jid, 'yes')
  assert.equal((await ben.next(isMessage, 'yes')).id, answer)
  assert.ok((await again.state()).accounts.every(account => account.devices.length === 1))
}

export default [
  { name: 'a bot and Baileys, each restarted in turn, go on over ws', run: sides(false) },
  { name: 'a bot and Baileys, each restarted in turn, go on over wss', run: sides(true) },
  { name: 'our client and Baileys go on when the sandbox restarts with its world over ws', run: server(false) },
  { name: 'our client and Baileys go on when the sandbox restarts with its world over wss', run: server(true) },
  { name: 'our clients and Baileys go on when the sandbox is ended with its world in the middle of a burst', run: middle('SIGTERM') },
  { name: 'our clients and Baileys go on when the sandbox is killed with its world in the middle of a burst', run: middle('SIGKILL') },
]
