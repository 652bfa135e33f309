// The sandbox does harm, to Baileys and to our client: the talk goes on, nothing is lost and nothing comes twice.
import assert from 'node:assert/strict'
import { DisconnectReason } from 'baileys'

const isMessage = e => e.kind === 'message'
const isOpen = e => e.kind === 'open'
const isClose = e => e.kind === 'close' && e.code !== DisconnectReason.restartRequired
const saying = text => e => isMessage(e) && e.text === text

// Ben is Baileys, Ana is ours; both have written to each other.
const stage = async scene => {
  const sandbox = await scene.sandbox()
  const [ben, ana] = [await scene.peer(sandbox, 'Ben'), await scene.client(sandbox, 'Ana')]
  await ben.send(ana.jid, 'hello')
  await ana.next(saying('hello'), 'hello')
  await ana.send(ben.jid, 'hello yourself')
  await ben.next(saying('hello yourself'), 'hello yourself')
  await scene.settle()
  return { sandbox, ben, ana }
}

const check = async (from, to, texts) => {
  const ids = []
  for (const text of texts) ids.push(await from.send(to.jid, text))
  const heard = await to.take(texts.length, isMessage, 'what was said')
  assert.deepEqual(heard.map(e => [e.id, e.text]), ids.map((id, i) => [id, texts[i]]))
}

// `fault` happens to `victim` while the other writes to it; both write afterwards.
const listening = (victim, fault, then) => async scene => {
  const cast = await stage(scene)
  const [to, from] = victim === 'ben' ? [cast.ben, cast.ana] : [cast.ana, cast.ben]
  const opens = cast.ben.opens
  await cast.sandbox.fault({ ...fault, jid: to.jid })
  await check(from, to, ['one', 'two', 'three'])
  assert.notEqual((await cast.sandbox.faults()).struck_total, 0, 'the fault has not struck')
  if (victim === 'ben' && cast.ben.opens < opens + (then === 'reopens' ? 1 : 0)) await cast.ben.next(isOpen, 'to be online again')
  await check(to, from, ['four', 'five'])
  await check(from, to, ['six'])
}

// The first thing Ben does is refused, and can be done again.
const refusedOnce = victim => async scene => {
  const sandbox = await scene.sandbox()
  const [ben, ana] = [await scene.peer(sandbox, 'Ben'), await scene.client(sandbox, 'Ana')]
  const [from, to] = victim === 'ben' ? [ben, ana] : [ana, ben]
  await sandbox.fault({ what: 'error', code: 503, xmlns: 'usync', jid: from.jid })
  await assert.rejects(from.send(to.jid, 'lost'), /503|service-unavailable/)
  await check(from, to, ['one', 'two'])
}

const unanswered = async scene => {
  const { sandbox, ben, ana } = await stage(scene)
  for (const xmlns of ['abt', 'blocklist', 'privacy']) await sandbox.fault({ what: 'swallow', xmlns, jid: ben.jid })
  await sandbox.fault({ what: 'drop', jid: ben.jid })
  await ben.next(isClose, 'the end')
  await ben.next(isOpen, 'to be online again')
  await check(ana, ben, ['one'])
  await check(ben, ana, ['two'])
  assert.deepEqual((await sandbox.faults()).armed, [])
}

const forgotten = victim => async scene => {
  const { sandbox, ben, ana } = await stage(scene)
  const poor = victim === 'ben' ? ben : ana
  const left = async () => (await sandbox.state()).accounts.find(one => one.jid === poor.jid).devices[0].prekeys
  await sandbox.fault({ what: 'forget-prekeys', jid: poor.jid })
  while (await left() === 0) await new Promise(resolve => setTimeout(resolve, 20))
  const cleo = victim === 'ben' ? await scene.client(sandbox, 'Cleo') : await scene.peer(sandbox, 'Cleo')
  await check(cleo, poor, ['a stranger writes'])
  await check(poor, cleo, ['and is answered'])
}

// What Baileys is told by each refusal of a login; our own client's words are in endings_spec.lua.
const refusals = async scene => {
  const sandbox = await scene.sandbox()
  const ben = await scene.peer(sandbox, 'Ben')
  await ben.stop()
  const codes = [400, 401, 402, 403, 405, 406, 409, 411, 415, 418, 419, 429, 500, 501, 503]
  for (const reason of codes) {
    await sandbox.fault({ what: 'failure', reason, jid: ben.jid })
    const again = scene.idlePeer(sandbox, 'Ben', { saved: ben.state.saved() })
    again.open()
    assert.equal((await again.next(isClose, `the refusal ${reason}`)).code, reason)
    await again.stop()
  }
  await ben.restart()
}

const banned = async scene => {
  const { sandbox, ben, ana } = await stage(scene)
  const { fault } = await sandbox.fault({ what: 'ban', seconds: 3600, jid: ben.jid })
  for (let i = 0; i < 2; i++) await ben.next(e => isClose(e) && e.code === 402, 'the ban')
  await ana.send(ben.jid, 'are you there?')
  await sandbox.admin('DELETE', `faults?fault=${fault}`)
  await ben.next(isOpen, 'to be online again')
  await ben.next(saying('are you there?'), 'what was said meanwhile')
  await check(ben, ana, ['now I am'])
}

// Somebody sets the phone up anew, and links the companion again: another identity, to the other side the same contact.
const baileysReinstalls = async scene => {
  const { sandbox, ben, ana } = await stage(scene)
  await sandbox.fault({ what: 'swap-identity', jid: ben.jid })
  assert.equal((await ben.next(isClose, 'the end')).code, DisconnectReason.loggedOut)
  await ben.stop()
  const anew = await scene.peer(sandbox, 'Ben')
  assert.equal(anew.jid, ben.jid)
  await check(ana, anew, ['still there?'])
  await check(anew, ana, ['yes'])
}

const weReinstall = async scene => {
  const { sandbox, ben, ana } = await stage(scene)
  await sandbox.fault({ what: 'swap-identity', jid: ana.jid })
  await ana.stop()
  const anew = await scene.client(sandbox, 'Ana')
  assert.equal(anew.jid, ana.jid)
  await check(ben, anew, ['still there?'])
  await check(anew, ben, ['yes'])
}

const incoming = { direction: 'to-client', tag: 'message' }

export default [
  ...['ben', 'ana'].flatMap(victim => {
    const name = victim === 'ben' ? 'Baileys' : 'our client'
    return [
      { name: `${name}, cut off at the second message that comes, hears each once`,
        run: listening(victim, { what: 'drop', nth: 2, ...incoming }, 'reopens') },
      { name: `${name}, closed at a message that comes, hears each once`, run: listening(victim, { what: 'close', ...incoming }, 'reopens') },
      { name: `${name} hears in order what was late`, run: listening(victim, { what: 'delay', seconds: 0.5, times: 2, ...incoming }) },
      { name: `${name} sends after a query was answered with 503`, run: refusedOnce(victim), lawful: /service-unavailable/ },
      { name: `${name} makes up for one-time keys the server has lost`, run: forgotten(victim) },
    ]
  }),
  { name: 'our client, cut off at its receipt, hears nothing of Baileys twice',
    run: listening('ana', { what: 'drop', direction: 'to-server', tag: 'receipt' }) },
  { name: 'our client hears once what Baileys wrote and the server delivers twice',
    run: listening('ana', { what: 'duplicate', times: 2, ...incoming }) },
  { name: 'our client does not hear again an old ciphertext of Baileys under another id',
    run: listening('ana', { what: 'replay', ...incoming }), lawful: /a receipt for what \d+@\S+ did not write to it/ },
  { name: 'Baileys takes two answers for one', run: listening('ben', { what: 'duplicate', tag: 'ack', times: 3, direction: 'to-client' }) },
  { name: 'Baileys talks on without answers to what it asks behind its login', run: unanswered },
  { name: 'Baileys is told each refusal of a login by its code', run: refusals },
  { name: 'Baileys, banned for a time, is back afterwards', run: banned },
  { name: 'Baileys, whose phone was set up anew, is the same contact to us, who are told', run: baileysReinstalls,
    lawful: /has new keys: its phone was set up anew/ },
  { name: 'our client, whose phone was set up anew, is the same contact to Baileys', run: weReinstall },
]
