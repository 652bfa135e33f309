// A bot that is killed in the middle of a burst, and started again: every message is answered, none twice.
import assert from 'node:assert/strict'

const COUNT = 200
const isMessage = e => e.kind === 'message'

// `after`: fresh answers before each kill
const kill = after => async scene => {
  const sandbox = await scene.sandbox()
  const ben = await scene.peer(sandbox, 'Ben')
  let bot = await scene.bot(sandbox, 'echo')
  const { jid, store } = bot
  // Baileys tells of messages in batches: a kill in the middle needs the stanzas themselves
  let arrived = 0
  ben.sock.ws.on('CB:message', () => ben.push({ kind: 'stanza', number: ++arrived }))
  const sending = Promise.all(Array.from({ length: COUNT }, (_, i) => ben.send(jid, `question ${i + 1}`)))
  for (const count of after) {
    const wanted = arrived + count
    await ben.next(e => e.kind === 'stanza' && e.number === wanted, `answer ${wanted}`)
    await bot.stop('SIGKILL')
    assert.ok(arrived < COUNT, 'the kill came too late')
    bot = scene.begin(sandbox, 'echo', store)
  }
  const sent = await sending
  await ben.take(COUNT, isMessage, 'answers')
  await scene.settle()
  const answered = ben.heard.map(e => e.quoted.id)
  assert.equal(ben.heard.length, COUNT)
  assert.deepEqual(answered, sent) // in order, too
  for (const e of ben.heard) assert.equal(e.text, e.quoted.text)
}

export default [
  { name: `a bot killed in a burst of ${COUNT} messages answers every one once after its restart`, run: kill([60]) },
  { name: `a bot killed three times in a burst of ${COUNT} messages answers every one once`, run: kill([5, 20, 20]) },
]
