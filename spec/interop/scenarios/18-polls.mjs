// Polls and events, both ways: what one side asks the other answers, and who asked reads and counts it.
import assert from 'node:assert/strict'
import { count, respond, vote } from '../secrets.mjs'

const isVote = e => e.kind === 'message' && e.raw?.message?.pollUpdateMessage
const what = kind => e => e.kind === 'message' && e.what === kind
const holds = (...fields) => e => e.kind === 'message' && fields.some(field => e.raw?.message?.[field])
const isPoll = holds('pollCreationMessage', 'pollCreationMessageV2', 'pollCreationMessageV3')

const LUNCH = { name: 'Lunch?', values: ['Soup', 'Salad', 'Bread'] }
const STARTS = 1800000000

// Both by LID, or both by number.
const named = (by, author, actor) => ({ author: author[by], actor: actor[by] })

const talkers = async scene => {
  const sandbox = await scene.sandbox()
  return [await scene.client(sandbox, 'Ana'), await scene.peer(sandbox, 'Ben')]
}

// Baileys asks: our vote is decrypted and counted there, again when it changes.
const theirPoll = selectableCount => async scene => {
  const [ana, ben] = await talkers(scene)
  const id = await ben.send(ana.jid, { poll: { ...LUNCH, selectableCount } })
  const poll = await ana.next(what('poll'), 'the poll')
  assert.deepEqual(poll.poll, { question: 'Lunch?', choices: LUNCH.values, multiple: selectableCount, quiz: false })
  const names = () => named('lid', ben, ana)
  const first = selectableCount === 1 ? ['Salad'] : ['Soup', 'Bread']
  await ana.call('vote', id, first)
  const one = await ben.next(isVote, 'a vote')
  const wanted = { Soup: 0, Salad: 0, Bread: 0 }
  assert.deepEqual(count(ben, id, [one], names), { ...wanted, ...Object.fromEntries(first.map(choice => [choice, 1])) })
  await ana.call('vote', id, ['Bread'])
  assert.deepEqual(count(ben, id, [await ben.next(isVote, 'another vote')], names), { ...wanted, Bread: 1 })
  await ana.call('vote', id, [])
  assert.deepEqual(count(ben, id, [await ben.next(isVote, 'a vote taken back')], names), wanted)
}

// We ask: Baileys' vote is decrypted and counted here, by whichever names it was made.
const ourPoll = (by, multiple) => async scene => {
  const [ana, ben] = await talkers(scene)
  const id = await ana.call('say', ben.jid, { poll: LUNCH.name, choices: LUNCH.values, multiple })
  const poll = await ben.next(isPoll, 'the poll')
  assert.equal(poll.id, id)
  const choices = multiple ? ['Soup', 'Bread'] : ['Salad']
  await vote(ben, poll, choices, named(by, ana, ben))
  const heard = await ana.next(what('vote'), 'a vote')
  assert.deepEqual([heard.vote.choices, heard.sender, heard.to], [choices, ben.lid, id])
  const tally = await ana.call('votes', id)
  assert.deepEqual(tally.map(one => [one.choice, one.count]), LUNCH.values.map(one => [one, choices.includes(one) ? 1 : 0]))
}

const theirEvent = async scene => {
  const [ana, ben] = await talkers(scene)
  const event = { name: 'Picnic', description: 'Bring cake', startDate: new Date(STARTS * 1000), extraGuestsAllowed: true }
  const id = await ben.send(ana.jid, { event })
  const heard = await ana.next(what('event'), 'the event')
  assert.deepEqual([heard.event.name, heard.event.description, heard.event.starts, heard.event.guests], ['Picnic', 'Bring cake', STARTS, true])
  await ana.call('respond', id, 'going', 2)
  const { responses: [{ response }] } = await ben.next(e => e.kind === 'status' && e.responses, 'a response, read by Baileys itself')
  assert.deepEqual([response.response, response.extraGuestCount], [1, 2])
}

const ourEvent = by => async scene => {
  const [ana, ben] = await talkers(scene)
  const id = await ana.call('say', ben.jid, { event: 'Picnic', starts: STARTS, location: { lat: 52.5, lon: 13.25, name: 'The lake' } })
  const event = await ben.next(holds('eventMessage'), 'the event')
  const { name, startTime, location } = event.raw.message.eventMessage
  assert.deepEqual([event.id, name, Number(startTime), location.name], [id, 'Picnic', STARTS, 'The lake'])
  await respond(ben, event, 'MAYBE', 1, named(by, ana, ben))
  const heard = await ana.next(what('response'), 'a response')
  assert.deepEqual([heard.response, heard.to], [{ answer: 'maybe', guests: 1 }, id])
  assert.deepEqual((await ana.call('responses', id)).map(one => [one.jid, one.answer]), [[ben.lid, 'maybe']])
}

// Our client and two Baileys in a group of theirs.
const gather = async scene => {
  const sandbox = await scene.sandbox()
  const [ana, ben, cem] = [await scene.client(sandbox, 'Ana'), await scene.peer(sandbox, 'Ben'), await scene.peer(sandbox, 'Cem')]
  const { id: group } = await ben.sock.groupCreate('Tea', [ana.jid, cem.jid])
  return { ana, ben, cem, group }
}

const theirPollInGroup = async scene => {
  const { ana, ben, cem, group } = await gather(scene)
  const id = await ben.send(group, { poll: { ...LUNCH, selectableCount: 1 } })
  await ana.next(what('poll'), 'the poll')
  const atCem = await cem.next(isPoll, 'the poll')
  await ana.call('vote', id, ['Salad'])
  const ours = await ben.next(isVote, 'our vote')
  assert.equal((await cem.next(isVote, 'our vote')).id, ours.id)
  await vote(cem, atCem, ['Soup'], named('lid', ben, cem))
  const theirs = await ben.next(isVote, "Cem's vote")
  assert.deepEqual((await ana.next(what('vote'), "Cem's vote")).vote.choices, ['Soup'])
  const names = event => named('lid', ben, { lid: event.raw.key.participant })
  assert.deepEqual(count(ben, id, [ours, theirs], names), { Soup: 1, Salad: 1, Bread: 0 })
  assert.deepEqual((await ana.call('votes', id)).map(one => one.count), [1, 1, 0])
}

const ourPollInGroup = async scene => {
  const { ana, ben, cem, group } = await gather(scene)
  const id = await ana.call('say', group, { poll: LUNCH.name, choices: LUNCH.values, multiple: true })
  await vote(ben, await ben.next(isPoll, 'the poll'), ['Soup', 'Bread'], named('lid', ana, ben))
  assert.deepEqual((await ana.next(what('vote'), "Ben's vote")).sender, ben.lid)
  await vote(cem, await cem.next(isPoll, 'the poll'), ['Bread'], named('jid', ana, cem))
  assert.deepEqual((await ana.next(what('vote'), "Cem's vote")).sender, cem.lid)
  assert.deepEqual((await ana.call('votes', id)).map(one => one.count), [1, 0, 2])
}

const eventsInGroup = async scene => {
  const { ana, ben, cem, group } = await gather(scene)
  const theirs = await ben.send(group, { event: { name: 'Picnic', startDate: new Date(STARTS * 1000) } })
  await ana.next(what('event'), 'the event')
  await ana.call('respond', theirs, 'not_going', 0)
  const { responses: [{ response }] } = await ben.next(e => e.kind === 'status' && e.responses, 'a response, read by Baileys itself')
  assert.equal(response.response, 2)
  const ours = await ana.call('say', group, { event: 'Tea', starts: STARTS })
  const isOurs = e => holds('eventMessage')(e) && e.id === ours
  await respond(ben, await ben.next(isOurs, 'our event'), 'GOING', 1, named('jid', ana, ben))
  await ana.next(what('response'), "Ben's response")
  await respond(cem, await cem.next(isOurs, 'our event'), 'MAYBE', 0, named('jid', ana, cem)) // Baileys reads no other
  await ana.next(what('response'), "Cem's response")
  const answers = Object.fromEntries((await ana.call('responses', ours)).map(one => [one.jid, one.answer]))
  assert.deepEqual(answers, { [ben.lid]: 'going', [cem.lid]: 'maybe' })
}

export default [
  { name: 'a poll of Baileys with one choice is voted in by our client and counted there', run: theirPoll(1) },
  { name: 'a poll of Baileys with any number of choices is voted in by our client and counted there', run: theirPoll(0) },
  { name: 'a poll of our client is voted in by Baileys, under LIDs, and counted', run: ourPoll('lid', false) },
  { name: 'a poll of our client with several choices is voted in by Baileys, under phone numbers, and counted', run: ourPoll('jid', true) },
  { name: 'an event of Baileys is answered by our client and read there', run: theirEvent },
  { name: 'an event of our client is answered by Baileys, under phone numbers, and read', run: ourEvent('jid') },
  { name: 'an event of our client is answered by Baileys, under LIDs, and read', run: ourEvent('lid') },
  { name: 'a poll of Baileys in a group is voted in by our client and another Baileys, and counted by both', run: theirPollInGroup },
  { name: 'a poll of our client in a group is voted in by two Baileys, and counted', run: ourPollInGroup },
  { name: 'events in a group are answered, by our client and by two Baileys, and read', run: eventsInGroup },
]
