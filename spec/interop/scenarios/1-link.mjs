// Linking by QR, and the login after the restart the server asks for.
import assert from 'node:assert/strict'

const links = tls => async scene => {
  const sandbox = await scene.sandbox({ tls })
  const ben = await scene.peer(sandbox, 'Ben')
  assert.match(ben.qr, /^[^,]+(,[A-Za-z0-9+/=]{44}){3}/)
  assert.deepEqual(ben.ends, [515])
  const [account] = (await sandbox.state()).accounts
  assert.equal(account.push_name, 'Ben')
  assert.equal(ben.jid, account.jid)
  assert.equal(ben.lid, account.lid)
  assert.equal(account.devices.length, 1)
  assert.equal(account.devices[0].connected, true)
  assert.equal(account.devices[0].jid, ben.state.creds.me.id)
  assert.equal(account.devices[0].lid, ben.state.creds.me.lid)
  assert.equal(ben.state.creds.me.name, 'Ben') // from the app state, its MACs verified
}

export default [
  { name: 'Baileys links by QR over ws and logs in after the restart', run: links(false) },
  { name: 'Baileys links by QR over wss, verifying the certificate, and logs in after the restart', run: links(true) },
]
