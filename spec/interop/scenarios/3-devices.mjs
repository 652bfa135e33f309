// Several devices of one account: all receive, and see what the others send.
import assert from 'node:assert/strict'
import { userOf } from '../peer.mjs'

const isMessage = e => e.kind === 'message'
const text = wanted => e => isMessage(e) && e.text === wanted

// A device in a chat hears what its sibling wrote there, as its own account's.
const seesOwn = async (device, wanted, id, account) => {
  const seen = await device.next(text(wanted), `what the other device wrote: ${wanted}`)
  assert.deepEqual([seen.id, seen.fromMe], [id, true])
  assert.ok([userOf(account.jid), userOf(account.lid)].includes(userOf(seen.chat)), `in the chat ${seen.chat}`)
}

const bothReceive = async (from, to, devices, words) => {
  const id = await from.send(to, words)
  for (const device of devices) {
    const heard = await device.next(text(words), words)
    assert.deepEqual([heard.id, heard.fromMe, heard.name], [id, false, from.name])
  }
}

const together = async (one, other, contact) => {
  await bothReceive(contact, one.jid, [one, other], 'to both')
  await bothReceive(contact, one.lid, [one, other], 'to both, by LID')
  for (const [sender, sibling] of [[one, other], [other, one]]) {
    for (const address of ['jid', 'lid']) {
      const words = `from device ${sender === one ? 'one' : 'two'} to your ${address}`
      const id = await sender.send(contact[address], words)
      assert.equal((await contact.next(text(words), words)).id, id)
      await seesOwn(sibling, words, id, contact)
    }
    const note = await sender.send(sender.jid, `note of ${sender === one ? 'one' : 'two'}`)
    await seesOwn(sibling, `note of ${sender === one ? 'one' : 'two'}`, note, sender)
  }
}

const twoBaileys = async scene => {
  const sandbox = await scene.sandbox()
  const [cem, one] = [await scene.peer(sandbox, 'Cem'), await scene.peer(sandbox, 'Ben')]
  await bothReceive(cem, one.jid, [one], 'before the second device')
  const other = await scene.peer(sandbox, 'Ben')
  assert.equal(other.jid, one.jid)
  await together(one, other, cem)
}

const twoBaileysAndUs = async scene => {
  const sandbox = await scene.sandbox({ tls: true })
  const [ana, one] = [await scene.client(sandbox, 'Ana'), await scene.peer(sandbox, 'Ben')]
  await bothReceive(ana, one.jid, [one], 'before the second device')
  await together(one, await scene.peer(sandbox, 'Ben'), ana)
}

const mixed = baileysFirst => async scene => {
  const sandbox = await scene.sandbox()
  const cem = await scene.peer(sandbox, 'Cem')
  const make = ours => ours ? scene.client(sandbox, 'Ben') : scene.peer(sandbox, 'Ben')
  const one = await make(!baileysFirst)
  await bothReceive(cem, one.jid, [one], 'before the second device')
  const other = await make(baileysFirst)
  assert.equal(other.jid, one.jid)
  await together(one, other, cem)
}

export default [
  { name: 'two Baileys on one account receive and see each other\'s sends, beside a Baileys', run: twoBaileys },
  { name: 'two Baileys on one account receive and see each other\'s sends, beside our client', run: twoBaileysAndUs },
  { name: 'a Baileys and then our client on one account receive and see each other\'s sends', run: mixed(true) },
  { name: 'our client and then a Baileys on one account receive and see each other\'s sends', run: mixed(false) },
]
