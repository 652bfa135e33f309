// Ticks and typing, both ways.
import assert from 'node:assert/strict'
import { userOf } from '../peer.mjs'

const isMessage = e => e.kind === 'message'
const DELIVERED = 3 // proto.WebMessageInfo.Status.DELIVERY_ACK

const ticks = async scene => {
  const sandbox = await scene.sandbox()
  const [ben, ana] = [await scene.peer(sandbox, 'Ben'), await scene.client(sandbox, 'Ana')]

  const id = await ben.send(ana.jid, 'has it come?')
  const tick = await ben.next(e => e.kind === 'status' && e.id === id && e.status === DELIVERED, 'our delivery receipt')
  assert.ok([userOf(ana.jid), userOf(ana.lid)].includes(userOf(tick.chat)))

  await ben.available()
  const answer = await ana.send(ben.jid, 'it has')
  const receipt = await ana.next(e => e.kind === 'receipt' && e.id === answer, "Baileys' delivery receipt")
  assert.equal(receipt.type, 'delivery')
  assert.ok([userOf(ben.jid), userOf(ben.lid)].includes(userOf(receipt.sender)))
  const heard = await ben.next(isMessage, 'it has')
  await ben.sock.readMessages([heard.raw.key])
  const read = await ana.next(e => e.kind === 'receipt' && e.type === 'read', "Baileys' read receipt")
  assert.equal(read.id, answer)
}

const botTicks = async scene => {
  const sandbox = await scene.sandbox({ tls: true })
  const [ben, bot] = [await scene.peer(sandbox, 'Ben'), await scene.bot(sandbox, 'echo')]
  for (const address of ['jid', 'lid']) {
    const id = await ben.send(bot[address], `to your ${address}`)
    // it marks as read what it answers, and Baileys tells of two receipts that come close together as one, the further
    await ben.next(e => e.kind === 'status' && e.id === id && e.status >= DELIVERED, "the bot's receipt")
  }
}

const lateTick = async scene => {
  const sandbox = await scene.sandbox()
  const [ben, ana] = [await scene.peer(sandbox, 'Ben'), await scene.client(sandbox, 'Ana')]
  await ana.stop()
  const id = await ben.send(ana.jid, 'are you there?')
  assert.ok(!ben.events.some(e => e.kind === 'status' && e.status === DELIVERED), 'a tick for a message nobody has')
  await scene.client(sandbox, 'Ana', ana.store)
  await ben.next(e => e.kind === 'status' && e.id === id && e.status === DELIVERED, 'the tick')
}

const typing = async scene => {
  const sandbox = await scene.sandbox()
  const [ben, ana] = [await scene.peer(sandbox, 'Ben'), await scene.client(sandbox, 'Ana')]
  await ben.send(ana.jid, 'hello')
  const { chat } = await ana.next(isMessage, 'hello')
  for (const [on, state] of [[true, 'composing'], [false, 'paused']]) {
    await ben.sock.sendPresenceUpdate(state, ana.jid)
    const seen = await ana.next(e => e.kind === 'typing', `Baileys ${state}`)
    assert.deepEqual([seen.state, seen.chat], [state, chat])
    await ana.typing(ben.jid, on)
    const heard = await ben.next(e => e.kind === 'presence', `us ${state}`)
    assert.equal(heard.state, on ? 'composing' : 'available')
    assert.ok([userOf(ana.jid), userOf(ana.lid)].includes(userOf(heard.jid)))
  }
}

export default [
  { name: 'Baileys sees our delivery receipts, and we see its delivery and read receipts', run: ticks },
  { name: "Baileys sees a bot's receipts", run: botTicks },
  { name: 'the tick for a message to somebody away comes when they are back, not before', run: lateTick },
  { name: 'typing is seen both ways', run: typing },
]
