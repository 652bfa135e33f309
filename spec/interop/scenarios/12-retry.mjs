// What one side cannot read the other brings again: damaged ciphertexts both ways, a device that comes back with other keys, and first
// messages that cross.
import assert from 'node:assert/strict'

const isMessage = e => e.kind === 'message'
const saying = text => e => isMessage(e) && e.text === text

const hears = async (to, text, id) => assert.equal((await to.next(saying(text), text)).id, id)

const talk = async (from, to, text) => hears(to, text, await from.send(to.jid, text))

const stage = async (scene, acquainted) => {
  const sandbox = await scene.sandbox()
  const [ben, ana] = [await scene.peer(sandbox, 'Ben'), await scene.client(sandbox, 'Ana')]
  if (acquainted) {
    await talk(ben, ana, 'hello')
    await talk(ana, ben, 'hello yourself')
  }
  return { sandbox, ben, ana }
}

// The next ciphertexts of a type that are brought to `victim` are damaged.
const damaged = (victim, enc, times) => async scene => {
  const { sandbox, ben, ana } = await stage(scene, enc !== 'pkmsg')
  const [to, from] = victim === 'ben' ? [ben, ana] : [ana, ben]
  await sandbox.fault({ what: 'damage', jid: to.jid, direction: 'to-client', tag: 'message', times, ...(enc && { enc }) })
  await talk(from, to, 'one')
  assert.equal((await sandbox.faults()).struck_total, times, 'the fault has not struck')
  await talk(from, to, 'two')
  await talk(to, from, 'three')
  await talk(from, to, 'four')
}

// A device is unlinked and another is linked under its number; the other side is not told.
const swapped = victim => async scene => {
  const { sandbox, ben, ana } = await stage(scene, true)
  const [poor, other] = victim === 'ben' ? [ben, ana] : [ana, ben]
  const device = (await sandbox.state()).accounts.find(one => one.jid === poor.jid).devices[0].jid
  await sandbox.fault({ what: 'swap-identity', jid: device, silent: true })
  await poor.stop()
  const anew = victim === 'ben' ? await scene.peer(sandbox, 'Ben') : await scene.client(sandbox, 'Ana')
  assert.equal((await sandbox.state()).accounts.find(one => one.jid === poor.jid).devices[0].jid, device)
  await talk(other, anew, 'still there?')
  await talk(anew, other, 'yes')
  await talk(other, anew, 'good')
}

// Both write at once before either has heard of the other: two sessions cross, and Baileys forgets one of them. It then asks for each of the
// messages again, one after the other and with a pause of 250 ms behind each, before it reads the first that was brought again.
const COUNT = 200
const PATIENCE = COUNT * 250 + 40_000 // milliseconds
const strangers = async scene => {
  const { ben, ana } = await stage(scene, false)
  const all = (from, to) => Promise.all(Array.from({ length: COUNT }, (_, i) => from.send(to.jid, `${from.name} ${i + 1}`)))
  const [fromBen, fromAna] = await Promise.all([all(ben, ana), all(ana, ben)])
  const [atAna, atBen] = await Promise.all([ana, ben].map(one => one.take(COUNT, isMessage, 'a message', PATIENCE)))
  const expected = (from, ids) => ids.map((id, i) => `${id} ${from.name} ${i + 1}`).sort()
  assert.deepEqual(atAna.map(e => `${e.id} ${e.text}`).sort(), expected(ben, fromBen))
  assert.deepEqual(atBen.map(e => `${e.id} ${e.text}`).sort(), expected(ana, fromAna))
}

// What it takes to mend something: the one who cannot read says so.
const lawful = new RegExp([
  "type='retry'", 'recv retry', 'asked for it again', 'undecryptable', 'failed to decrypt', 'Failed to decrypt', "error='(500|487)'",
  'refuses message \\w+: (500|487)', 'cannot read a message', 'transaction failed, rolling back', 'Session error', 'has new keys',
].join('|'))

export default [
  ...['ben', 'ana'].flatMap(victim => {
    const name = victim === 'ben' ? 'Baileys' : 'our client'
    return [
      { name: `a damaged message for ${name} is brought again`, run: damaged(victim, 'msg', 1), lawful },
      { name: `a damaged first message for ${name} is brought again`, run: damaged(victim, 'pkmsg', 1), lawful },
      { name: `a message for ${name} that is damaged twice is brought again in a new session`, run: damaged(victim, undefined, 2), lawful },
      { name: `${name}, a device come back with other keys, is written to in a new session`, run: swapped(victim), lawful },
    ]
  }),
  { name: `${COUNT} messages each way between strangers, whose first messages cross, all arrive once`, run: strangers, lawful, alone: true },
]
