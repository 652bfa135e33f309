// Text, quote and reaction, both ways: with our bots, our client, and between two Baileys.
import assert from 'node:assert/strict'

const isMessage = e => e.kind === 'message'
const isReaction = e => e.kind === 'reaction'

const echo = tls => async scene => {
  const sandbox = await scene.sandbox({ tls })
  const bot = await scene.bot(sandbox, 'echo')
  const ben = await scene.peer(sandbox, 'Ben')
  const ping = await ben.send(bot.jid, '!ping')
  const pong = await ben.next(isMessage, 'pong')
  assert.deepEqual([pong.text, pong.quoted, pong.name, pong.fromMe], ['pong', { id: ping, text: '!ping' }, 'Echo', false])
  const text = 'ünïcödé 👋 \n second line'
  const id = await ben.send(bot.jid, text)
  const answer = await ben.next(isMessage, 'the echo')
  assert.deepEqual([answer.text, answer.quoted], [text, { id, text }])
  assert.equal(ben.heard.length, 2)
}

// `address`: which of the account's two JIDs Baileys writes to
const host = (tls, address) => async scene => {
  const sandbox = await scene.sandbox({ tls })
  const bot = await scene.bot(sandbox, 'host')
  const ben = await scene.peer(sandbox, 'Ben')
  const to = bot[address]

  const id = await ben.send(to, 'good morning')
  const [reaction, answer] = [await ben.next(isReaction, 'a reaction'), await ben.next(isMessage, 'an answer')]
  assert.deepEqual([reaction.text, reaction.to], ['👍', id])
  assert.deepEqual([answer.text, answer.quoted], ['hello Ben, you wrote: good morning', { id, text: 'good morning' }])

  await ben.react(answer, '🎉')
  assert.equal((await ben.next(isMessage, 'word of the reaction')).text, `you reacted 🎉 to ${answer.id}`)

  const quote = await ben.send(to, 'which morning?', answer)
  const told = await ben.next(isMessage, 'word of the quote')
  assert.deepEqual([told.text, told.quoted.id], [`you quoted ${answer.id}: ${answer.text}`, quote])

  await ben.send(to, '!order')
  assert.equal((await ben.next(isMessage, 'a question')).text, 'What would you like?')
  await ben.send(to, 'coffee')
  assert.equal((await ben.next(isMessage, 'the order')).text, 'One coffee, coming up.')
  assert.equal(ben.heard.length, 6)
}

const client = tls => async scene => {
  const sandbox = await scene.sandbox({ tls })
  const [ana, ben] = [await scene.client(sandbox, 'Ana'), await scene.peer(sandbox, 'Ben')]

  const first = await ana.send(ben.jid, 'hello Ben')
  const heard = await ben.next(isMessage, "Ana's text")
  assert.deepEqual([heard.id, heard.text, heard.name, heard.how], [first, 'hello Ben', 'Ana', 'notify'])
  const quote = await ben.send(heard.chat, 'hello Ana', heard)
  const answer = await ana.next(isMessage, "Ben's answer")
  assert.deepEqual([answer.id, answer.text, answer.quoted, answer.name], [quote, 'hello Ana', { id: first, text: 'hello Ben' }, 'Ben'])
  await ben.react(heard, '❤️')
  const love = await ana.next(isReaction, "Ben's reaction")
  assert.deepEqual([love.text, love.to], ['❤️', first])
  await ana.react(answer.id, '😂')
  const laugh = await ben.next(isReaction, "Ana's reaction")
  assert.deepEqual([laugh.text, laugh.to], ['😂', quote])
  await ana.react(answer.id, '')
  assert.deepEqual((await ben.next(isReaction, 'it taken back')).text || '', '')
  await ana.send(ben.lid, 'quoting you', answer.id)
  const quoting = await ben.next(isMessage, "Ana's quote")
  assert.deepEqual([quoting.text, quoting.quoted], ['quoting you', { id: quote, text: 'hello Ana' }])
}

const foreigners = tls => async scene => {
  const sandbox = await scene.sandbox({ tls })
  const [ben, cem] = [await scene.peer(sandbox, 'Ben'), await scene.peer(sandbox, 'Cem')]
  const id = await ben.send(cem.jid, 'hello Cem')
  const heard = await cem.next(isMessage, "Ben's text")
  assert.deepEqual([heard.id, heard.text, heard.name], [id, 'hello Cem', 'Ben'])
  await cem.send(heard.chat, 'hello Ben', heard)
  const answer = await ben.next(isMessage, "Cem's answer")
  assert.deepEqual([answer.text, answer.quoted], ['hello Ben', { id, text: 'hello Cem' }])
  await ben.react(answer, '❤️')
  const reaction = await cem.next(isReaction, "Ben's reaction")
  assert.deepEqual([reaction.text, reaction.to], ['❤️', answer.id])
  await ben.send(cem.lid, 'and by LID')
  assert.equal((await cem.next(isMessage, 'the one by LID')).text, 'and by LID')
}

// The server wants our messages by number, and gets them so from then on.
const byNumber = async scene => {
  const sandbox = await scene.sandbox()
  const [ana, ben] = [await scene.client(sandbox, 'Ana'), await scene.peer(sandbox, 'Ben')]
  await sandbox.fault({ what: 'error', tag: 'message', jid: ana.jid, code: 400 })
  const id = await ana.send(ben.jid, 'by number')
  const heard = await ben.next(isMessage, 'the one by number')
  assert.deepEqual([heard.id, heard.text, heard.chat], [id, 'by number', ana.jid])
  const back = await ben.send(heard.chat, 'the same', heard)
  const answer = await ana.next(isMessage, 'an answer by number')
  assert.deepEqual([answer.id, answer.text, answer.chat, answer.quoted.id], [back, 'the same', ben.lid, id])
}

const both = (name, scenario) => [false, true].map(tls => ({ name: `${name} over ${tls ? 'wss' : 'ws'}`, run: scenario(tls) }))

export default [
  ...both('Baileys talks with the echo bot', echo),
  ...both('text, quote, reaction and question between Baileys and a bot, by phone number,', tls => host(tls, 'jid')),
  ...both('text, quote, reaction and question between Baileys and a bot, by LID,', tls => host(tls, 'lid')),
  ...both('text, quote and reaction between Baileys and our client', client),
  ...both('text, quote and reaction between two Baileys', foreigners),
  { name: 'our client, told to name people by number, talks with Baileys in one chat', run: byNumber },
]
