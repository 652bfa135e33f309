// How a connection ends, as Baileys hears it: unlinked, replaced, refused, asked to come back.
import assert from 'node:assert/strict'
import { DisconnectReason } from 'baileys'

const isClose = e => e.kind === 'close' && e.code !== DisconnectReason.restartRequired
const command = (sandbox, call, body) => sandbox.admin('POST', call, JSON.stringify(body))

const unlinked = async scene => {
  const sandbox = await scene.sandbox()
  const ben = await scene.peer(sandbox, 'Ben')
  await command(sandbox, 'mock-phone/unlink', { jid: ben.state.creds.me.id })
  assert.equal((await ben.next(isClose, 'the end')).code, DisconnectReason.loggedOut)
  assert.deepEqual((await sandbox.state()).accounts[0].devices, [])
  // its credentials are worth nothing any more
  const again = scene.idlePeer(sandbox, 'Ben', { saved: ben.state.saved() })
  again.open()
  assert.equal((await again.next(isClose, 'the refusal')).code, DisconnectReason.loggedOut)
}

const leaves = async scene => {
  const sandbox = await scene.sandbox()
  const ben = await scene.peer(sandbox, 'Ben')
  await ben.sock.logout()
  assert.equal((await ben.next(isClose, 'the end')).code, DisconnectReason.loggedOut)
  assert.deepEqual((await sandbox.state()).accounts[0].devices, [])
}

const replaced = async scene => {
  const sandbox = await scene.sandbox()
  const ben = await scene.peer(sandbox, 'Ben')
  const other = await scene.peer(sandbox, 'Ben', { saved: ben.state.saved() })
  assert.equal((await ben.next(isClose, 'the end')).code, DisconnectReason.connectionReplaced)
  const id = await other.send(other.jid, 'still here')
  assert.ok(id)
  assert.equal((await sandbox.state()).accounts[0].devices.length, 1)
}

const kicked = kind => async scene => {
  const sandbox = await scene.sandbox()
  const [ben, ana] = [await scene.peer(sandbox, 'Ben'), await scene.client(sandbox, 'Ana')]
  await command(sandbox, 'kick', { jid: ben.state.creds.me.id, kind })
  const { code } = await ben.next(isClose, 'the end')
  assert.equal(code, kind === '503' ? 503 : DisconnectReason.connectionClosed)
  await ben.next(e => e.kind === 'open', 'to be online again')
  const id = await ana.send(ben.jid, 'welcome back')
  assert.equal((await ben.next(e => e.kind === 'message', 'a message')).id, id)
}

export default [
  { name: 'Baileys is told when the phone unlinks it, and cannot log in again', run: unlinked },
  { name: 'Baileys logs itself out', run: leaves },
  { name: 'Baileys is told when another login of the same device replaces it', run: replaced },
  { name: 'Baileys comes back after a 503', run: kicked('503') },
  { name: 'Baileys comes back after a connection that broke', run: kicked('drop') },
]
