// Linking by phone number: Baileys and our client show a code, the sandbox's phone types it.
import assert from 'node:assert/strict'

const PHONE = '15551234567'
const jid = `${PHONE}@s.whatsapp.net`
const typed = (sandbox, code) => sandbox.admin('POST', 'mock-phone/confirm-code', JSON.stringify({ phone: `+${PHONE}`, code }))

// A peer that asks for a code when it could show its first QR, and does with it what `then` does.
const byCode = (scene, sandbox, then) => {
  let asked = false
  const peer = scene.idlePeer(sandbox, 'Ben', {
    scan: async () => {
      if (asked) return
      asked = true
      await then(() => peer.sock.requestPairingCode(PHONE))
    },
  })
  return peer
}

const links = async scene => {
  const sandbox = await scene.sandbox()
  const ben = byCode(scene, sandbox, async ask => typed(sandbox, await ask()))
  await ben.start()
  assert.deepEqual([ben.jid, ben.ends], [jid, [515]])
  const [account] = (await sandbox.state()).accounts
  assert.deepEqual([account.phone, account.lid, account.devices.length], [PHONE, ben.lid, 1])
  assert.deepEqual([account.devices[0].os, account.devices[0].platform], ['Mac OS', 'CHROME'])
  const bot = await scene.bot(sandbox, 'echo')
  await ben.send(bot.jid, 'by code')
  assert.equal((await ben.next(e => e.kind === 'message', 'the echo')).text, 'by code')
}

const mistyped = async scene => {
  const sandbox = await scene.sandbox()
  const ben = byCode(scene, sandbox, async ask => {
    const code = await ask()
    await assert.rejects(typed(sandbox, `${code.slice(0, 7)}${code[7] === 'A' ? 'B' : 'A'}`), /403 .*the code is wrong/)
    await typed(sandbox, await ask())
  })
  await ben.start()
  assert.equal(ben.jid, jid)
}

const ours = async scene => {
  const sandbox = await scene.sandbox()
  const ana = await scene.client(sandbox, 'Ana', undefined, { phone: '+1 555 123 4567' })
  assert.equal(ana.jid, jid)
  const ben = await scene.peer(sandbox, 'Ben')
  const id = await ana.send(ben.jid, 'by code')
  assert.equal((await ben.next(e => e.kind === 'message', 'a message')).id, id)
  await ben.send(ana.lid, 'and back')
  assert.equal((await ana.next(e => e.kind === 'message', 'the answer')).text, 'and back')
}

const sameAccount = async scene => {
  const sandbox = await scene.sandbox()
  const ana = await scene.client(sandbox, 'Ana', undefined, { phone: `+${PHONE}` })
  const ben = byCode(scene, sandbox, async ask => typed(sandbox, await ask()))
  await ben.start()
  assert.deepEqual([ben.jid, ben.lid], [ana.jid, ana.lid])
  assert.equal((await sandbox.state()).accounts[0].devices.length, 2)
}

const rotated = async scene => {
  const sandbox = await scene.sandbox()
  const ben = scene.idlePeer(sandbox, 'Ben', {
    scan: async qr => {
      const told = JSON.parse(await sandbox.admin('POST', 'rotate-qr', JSON.stringify({ push_name: 'Ben' })))
      assert.equal(told.clients, 1)
      await sandbox.scan(qr) // it keeps its secret
    },
  })
  await ben.start()
  assert.deepEqual(ben.ends, [515])
}

export default [
  { name: 'Baileys links by phone code, and talks', run: links },
  { name: 'Baileys is linked by its second code when the first was mistyped', run: mistyped, lawful: /companion_finish|bad-request/ },
  { name: 'our client links by phone code, and talks with Baileys', run: ours },
  { name: 'Baileys and our client link to one account by code', run: sameAccount },
  // it acks in the name of an account it has not yet, and fails
  { name: 'Baileys does not heed that the secrets of QRs are retired, and links all the same', run: rotated, lawful: /failed to ack/ },
]
