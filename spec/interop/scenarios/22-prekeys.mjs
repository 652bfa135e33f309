// One-time prekeys used up: who has none left is still written to, reads it, and brings new ones.
import assert from 'node:assert/strict'

const text = wanted => e => e.kind === 'message' && e.text === wanted

const stateOf = async (sandbox, jid) => {
  const { accounts } = await sandbox.state()
  return accounts.flatMap(account => account.devices).find(device => device.jid === jid)
}

// Takes two one-time keys of a device: one for each of its names.
const take = (asker, { jid, lid }) => asker.sock.query({
  tag: 'iq', attrs: { to: 's.whatsapp.net', type: 'get', xmlns: 'encrypt' },
  content: [{ tag: 'key', attrs: {}, content: [jid, lid].map(name => ({ tag: 'user', attrs: { jid: name } })) }],
})

// Somebody asks for a device's keys until no more than `left` one-time keys are left.
const useUp = async (sandbox, asker, jid, left = 0) => {
  const device = await stateOf(sandbox, jid)
  for (let { prekeys } = device; prekeys > left; { prekeys } = await stateOf(sandbox, jid)) {
    await Promise.all(Array.from({ length: Math.min(Math.ceil((prekeys - left) / 2), 100) }, () => take(asker, device)))
  }
}

const refilled = async (sandbox, jid) => {
  const deadline = performance.now() + 15_000
  while ((await stateOf(sandbox, jid)).prekeys < 5) {
    assert.ok(performance.now() < deadline, 'no new keys came')
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

const baileysHasNone = async scene => {
  const sandbox = await scene.sandbox()
  const [ben, cid] = [await scene.peer(sandbox, 'Ben'), await scene.peer(sandbox, 'Cid')]
  const device = ben.state.creds.me.id
  await ben.stop()
  await useUp(sandbox, cid, device)
  const ana = await scene.client(sandbox, 'Ana')
  const id = await ana.send(ben.jid, 'without a key')
  await ben.restart()
  assert.equal((await ben.next(text('without a key'))).id, id)
  await refilled(sandbox, device)
  await ben.send(ana.jid, 'read all the same')
  await ana.next(text('read all the same'))
}

const weHaveNone = async scene => {
  const sandbox = await scene.sandbox()
  const [linked, cid] = [await scene.client(sandbox, 'Ana'), await scene.peer(sandbox, 'Cid')]
  const { jid: device } = (await sandbox.state()).accounts.find(account => account.jid === linked.jid).devices[0]
  await linked.stop()
  await useUp(sandbox, cid, device)
  const ben = await scene.peer(sandbox, 'Ben')
  const id = await ben.send(linked.jid, 'without a key')
  const ana = await scene.client(sandbox, 'Ana', linked.store)
  assert.equal((await ana.next(text('without a key'))).id, id)
  await refilled(sandbox, device)
  await ana.send(ben.jid, 'read all the same')
  await ben.next(text('read all the same'))
}

const whileOnline = async scene => {
  const sandbox = await scene.sandbox()
  const [ben, cid, ana] = [await scene.peer(sandbox, 'Ben'), await scene.peer(sandbox, 'Cid'), await scene.client(sandbox, 'Ana')]
  const { jid: ours } = (await sandbox.state()).accounts.find(account => account.jid === ana.jid).devices[0]
  for (const device of [ben.state.creds.me.id, ours]) {
    await useUp(sandbox, cid, device, 6)
    await take(cid, await stateOf(sandbox, device)) // four are left: the server says so
    await refilled(sandbox, device)
  }
  await ana.send(ben.jid, 'enough keys')
  await ben.next(text('enough keys'))
}

export default [
  { name: 'Baileys without one-time prekeys reads a first message of ours, and brings new ones', run: baileysHasNone },
  { name: 'our client without one-time prekeys reads a first message of Baileys, and brings new ones', run: weHaveNone },
  { name: 'Baileys and our client bring new prekeys when the server says that they run low', run: whileOnline },
]
