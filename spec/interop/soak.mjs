// The soak: a bot is killed (kill -9) at random moments while three contacts, one of them Baileys, talk with it, alone and in groups
// whose members come and go; connections drop, and the sandbox is restarted with its world. At the end every message has its answer, in
// order, once, everybody in a group has seen each, and nothing was undecryptable.
// scripts/soak runs it, and has checked its arguments. The seed repeats what is chosen, not how fast the machine is.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Check } from './soak/check.mjs'
import { OurContact } from './soak/contact.mjs'
import { ForeignContact } from './soak/foreign.mjs'
import { Stage } from './soak/stage.mjs'

const DRAIN_MS = 60_000 // for the last answers

const { values } = parseArgs({
  options: { kills: { type: 'string', default: '50' }, seed: { type: 'string' }, verbose: { type: 'boolean', default: false } },
})
const kills = Number(values.kills)
const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 32) : Number(values.seed)

// mulberry32: small, and the same everywhere.
const generator = start => {
  let state = start >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

// Its Signal library tells the console what it thinks.
const muttered = []
for (const level of ['warn', 'info']) console[level] = (...words) => muttered.push(words.map(String).join(' '))
console.error = (...words) => muttered.push(words.map(String).join(' '))
const say = text => process.stdout.write(`${text}\n`)

const counts = { kills: 0, early: 0, drops: 0, restarts: 0, again: 0, moves: 0 }
const findings = []

const openContacts = async stage => {
  const ben = await ForeignContact.start(stage.sandbox, 'Ben', generator(seed + 1))
  stage.join(ben)
  for (const [i, name] of ['Ana', 'Cleo'].entries()) {
    stage.join(await OurContact.start(stage.sandbox, name, stage.path(name), generator(seed + 2 + i)))
  }
  const [, ana, cleo] = stage.contacts
  await stage.gather('lid', [ana, ben, cleo])
  await stage.gather('pn', [cleo, ana, ben])
  await stage.gather('lid', [ana, cleo])
  // Two first messages that cross each other leave Baileys without a session.
  for (const contact of stage.contacts) {
    await contact.introduce()
    await stage.settle()
  }
}

const goOn = async (stage, check) => {
  while (counts.kills < kills) {
    await stage.cycle()
    if (values.verbose && counts.kills % 10 === 0) say(`${counts.kills} kills, ${stage.contacts.map(one => one.entries.length)} entries`)
  }
  stage.spawnBot()
  await stage.online()
  for (const contact of stage.contacts) contact.stopped = true
  await Promise.all(stage.talks)
  for (const contact of stage.contacts) await contact.caughtUp(0, DRAIN_MS)
  await check.files()
  await check.polls()
}

const run = async folder => {
  const stage = new Stage(folder, generator(seed), counts, findings)
  const check = new Check(stage, findings)
  await stage.openSandbox()
  stage.spawnBot()
  await stage.online()
  await openContacts(stage)
  await stage.kill()
  counts.kills--
  const failed = new Promise((_, reject) => { stage.talks = stage.contacts.map(contact => contact.talk().catch(reject)) })
  const work = goOn(stage, check)
  try { await Promise.race([work, failed]) } catch (error) {
    findings.push(error.stack)
    work.catch(() => {})
  }
  for (const { queued, jid } of await stage.settle()) findings.push(`${queued} stanzas to ${jid} were never confirmed`)
  await stage.tally()
  for (const program of [stage.bot, ...stage.contacts.map(contact => contact.one), stage.sandbox]) await program.stop()
  stage.hear(stage.bot)
  check.run()
  return { stage, check }
}

// Where everything was said: [what, messages, the bot's answers].
const figures = ({ contacts, groups }) => ['direct', ...groups.map(group => group.jid)].map((chat, i) => {
  const sent = contacts.flatMap(one => (i ? one.thread(chat) : one.threads[0])?.sent ?? [])
  const answers = contacts.map(one => one.entries.filter(entry => entry.chat === chat && entry.by === 'the bot').length)
  return `${i ? `group ${i} (${groups[i - 1].names})` : 'to the bot alone'}: ${sent.length} messages, answers seen ${answers.filter(Boolean).join(', ')}`
})

const folder = await mkdtemp(join(tmpdir(), 'soak-'))
const began = performance.now()
let stage, check
try { ({ stage, check } = await run(folder)) } catch (error) { findings.push(error.stack) }
await rm(folder, { recursive: true, force: true })
const totals = stage?.totals ?? {}
const retries = (totals.retries ?? 0) - (check?.retries ?? 0), refusals = (totals.refusals ?? 0) - (check?.refusals ?? 0)
if (retries) findings.push(`${retries} messages were undecryptable somewhere (retry receipts)`)
if (refusals) findings.push(`${refusals} stanzas were refused by clients`)

if (process.env.SOAK_LOGS && check) await writeFile(join(process.env.SOAK_LOGS, 'screens'), check.screens.join('\n'))
say(`seed ${seed}: ${counts.kills} kills (${counts.early} before the bot was online) in ${((performance.now() - began) / 1000).toFixed(0)} s; ` +
  `${counts.drops} connections dropped, ${counts.restarts} restarts of the sandbox, ${counts.moves} members removed, ${check?.retries} asked for what was written when they came back`)
for (const line of stage ? figures(stage) : []) say(line)
say(`files loaded by the contacts, each as it was sent: ${check?.loaded}`)
say(`messages handled again: ${counts.again}; stanzas the server sent again: ${totals.redelivered}; messages it had before, dropped: ` +
  `${totals.repeated} of ${totals.messages}`)
for (const finding of findings.slice(0, 40)) say(`  ${finding.slice(0, 600)}`)
if (values.verbose) for (const line of muttered.slice(0, 20)) say(`  console: ${line.slice(0, 300)}`)
say(findings.length ? `soak failed: ${findings.length} findings` : 'soak passed')
process.exit(findings.length ? 1 : 0)
