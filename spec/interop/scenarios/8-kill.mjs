// A bot that is killed (kill -9) in the middle of a burst, and started again: every message is answered, in order, none twice.
import assert from 'node:assert/strict'

const COUNT = 200
const isMessage = e => e.kind === 'message'

// `deaths`: at which message of each run, and when, the bot is killed (bots/mortal.lua)
const kill = deaths => async scene => {
  const sandbox = await scene.sandbox()
  const [ben, store] = [await scene.peer(sandbox, 'Ben'), scene.path('store')]
  let bot = await scene.bot(sandbox, 'mortal', store, deaths[0])
  const sending = Promise.all(Array.from({ length: COUNT }, (_, i) => ben.send(bot.jid, `question ${i + 1}`)))
  for (const next of [...deaths.slice(1), []]) {
    assert.deepEqual(await bot.exit, { code: null, signal: 'SIGKILL' })
    bot = await scene.bot(sandbox, 'mortal', store, next)
  }
  const sent = await sending
  await ben.take(COUNT, isMessage, 'answers')
  await scene.settle()
  const answered = ben.heard.map(e => e.quoted.id)
  assert.equal(ben.heard.length, COUNT)
  assert.deepEqual(answered, sent)
  for (const e of ben.heard) assert.equal(e.text, e.quoted.text)
}

export default [
  { name: `a bot killed in a burst of ${COUNT} messages answers every one once after its restart`, run: kill([[60, 'before']]) },
  {
    name: `a bot killed three times in a burst of ${COUNT} messages, before, during and after an answer, answers every one once`,
    run: kill([[5, 'during'], [40, 'after'], [40, 'before']]),
  },
]
