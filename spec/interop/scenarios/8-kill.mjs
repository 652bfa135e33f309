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
  const sending = Promise.all(Array.from({ length: COUNT }, (_, i) => ben.send(jid, `question ${i + 1}`)))
  for (const count of after) {
    ben.events = [] // what came before the last kill is in `heard`
    await ben.take(count, isMessage, 'answers before the kill')
    await bot.stop('SIGKILL')
    assert.ok(ben.heard.length < COUNT, 'the kill came too late')
    bot = await scene.bot(sandbox, 'echo', store)
  }
  const sent = await sending
  while (ben.heard.length < COUNT) await ben.next(isMessage, `answers after the kill (${ben.heard.length} came)`)
  await scene.settle()
  const answered = ben.heard.map(e => e.quoted.id)
  assert.equal(ben.heard.length, COUNT)
  assert.deepEqual(answered, sent) // in order, too
  for (const e of ben.heard) assert.equal(e.text, e.quoted.text)
}

export default [
  { name: `a bot killed in a burst of ${COUNT} messages answers every one once after its restart`, run: kill([60]) },
  { name: `a bot killed three times in a burst of ${COUNT} messages answers every one once`, run: kill([5, 40, 40]) },
]
