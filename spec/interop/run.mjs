// The foreign client against our sandbox, our bots and our client, always strict. `node run.mjs [WORD...]` runs the tests whose
// name holds one of the words, several at once: each of the processes of this program that run them takes the next one when it is done.
// INTEROP_LOGS=DIR keeps Baileys' own log of each peer.
import { fork } from 'node:child_process'
import { mkdtemp, rm, readdir } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Peer } from './peer.mjs'
import { Bot, Client, Sandbox, root } from './programs.mjs'

const DEADLINE = 150_000 // milliseconds a test may take

// Its Signal library tells the console what it thinks: part of what a test looks at, not of what it prints.
const muttered = []
for (const level of ['error', 'warn', 'info']) console[level] = (...words) => muttered.push(`${level}: ${words.map(String).join(' ')}`)

/** What a test may use; all of it ends with the test. */
class Scene {
  constructor(folder, lawful) { Object.assign(this, { folder, lawful, sandboxes: [], peers: [], programs: [], counter: 0 }) }

  // A test that ran out of time must not begin anything more.
  add(list, one) {
    list.push(one)
    if (this.closed) throw new Error('the test is over')
    return one
  }

  path(name) { return join(this.folder, `${++this.counter}-${name}`) }

  async sandbox(options) {
    return this.add(this.sandboxes, await Sandbox.start(options))
  }

  /** A peer that nobody has connected yet. */
  idlePeer(sandbox, name, options) {
    const log = join(process.env.INTEROP_LOGS ?? this.folder, `${++this.counter}-${name}.log`)
    return this.add(this.peers, new Peer(sandbox, name, { log, ...options }))
  }

  async peer(sandbox, name, options) {
    const peer = this.idlePeer(sandbox, name, options)
    await peer.start()
    return peer
  }

  async bot(sandbox, script, store = this.path('store'), args = []) {
    const path = script === 'echo' ? `${root}scripts/bots/echo.lua` : `${root}spec/interop/bots/${script}.lua`
    const bot = this.add(this.programs, new Bot(sandbox, path, store, args))
    await bot.online()
    return bot
  }

  async client(sandbox, name, store = this.path('store'), options) {
    return Object.assign(this.add(this.programs, await Client.start(sandbox, name, store, options)), { store })
  }

  // Until everybody who is there has confirmed what was sent to them.
  async settle() {
    for (const sandbox of this.sandboxes.filter(one => !one.ended)) {
      const waiting = async () => {
        const { accounts } = await sandbox.state()
        return accounts.flatMap(account => account.devices).filter(one => one.connected && one.queued > 0)
      }
      const deadline = performance.now() + 10_000
      let left
      while ((left = await waiting()).length && performance.now() < deadline) await new Promise(resolve => setTimeout(resolve, 20))
      if (left.length) throw new Error(`never confirmed: ${left.map(one => `${one.queued} stanzas to ${one.jid}`)}`)
    }
  }

  // Without what this test causes on purpose.
  unlawful(found) { return this.lawful ? found.filter(line => !this.lawful.test(line)) : found }

  // What no test may cause, as far as it shows while everybody is there: violations of the shapes, queries nobody answers, retries,
  // messages heard twice, Baileys' complaints.
  async findings() {
    const found = []
    for (const sandbox of this.sandboxes.filter(one => !one.ended)) {
      const state = await sandbox.state()
      found.push(...state.violations, ...Object.keys(state.unknown_queries).map(name => `the sandbox does not know the query ${name}`))
    }
    for (const peer of this.peers) found.push(...peer.complaints)
    for (const one of [...this.peers, ...this.programs].filter(({ heard }) => heard)) {
      const ids = one.heard.map(e => e.id)
      found.push(...ids.filter((id, at) => ids.indexOf(id) < at).map(id => `${one.owner} heard ${id} twice`))
    }
    found.push(...muttered.filter(line => line.startsWith('error') || /closed session/.test(line)))
    return this.unlawful(found)
  }

  // Ends everything; what our programs wrote to standard error, and how they ended, are findings as well.
  async close() {
    this.closed = true
    await Promise.all(this.peers.map(peer => peer.stop()))
    await Promise.all(this.programs.map(program => program.stop()))
    await Promise.all(this.sandboxes.map(sandbox => sandbox.stop()))
    for (const peer of this.peers) peer.close()
    return this.unlawful([...this.programs, ...this.sandboxes].flatMap(({ owner, errors, ended: { code, signal } }) => [
      ...errors.filter(line => !/^fault \d+: /.test(line)).map(line => `${owner}: ${line}`), // a sandbox tells of faults it was asked for
      ...(code === 0 || signal === 'SIGKILL' ? [] : [`${owner} ended with ${signal ?? `code ${code}`}`]),
    ]))
  }

  kill() { for (const program of [...this.programs, ...this.sandboxes]) program.child.kill('SIGKILL') }
}

const within = async (milliseconds, work) => {
  let timer
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done within ${milliseconds / 1000} s`)), milliseconds)
  })
  try { return await Promise.race([work, late]) } finally { clearTimeout(timer) }
}

const runTest = async ({ name, run, lawful }) => {
  const scene = new Scene(await mkdtemp(join(tmpdir(), 'interop-')), lawful)
  const began = performance.now()
  const problems = []
  muttered.length = 0
  try { await within(DEADLINE, run(scene)) } catch (error) { problems.push(error.stack) }
  try { if (!problems.length) await scene.settle() } catch (error) { problems.push(error.stack) }
  try { problems.push(...await within(20_000, scene.findings())) } catch (error) { problems.push(error.stack) }
  try { problems.push(...await within(30_000, scene.close())) } catch (error) {
    problems.push(`the end: ${error.stack}`)
    scene.kill()
  }
  await rm(scene.folder, { recursive: true, force: true })
  const seconds = ((performance.now() - began) / 1000).toFixed(1)
  const lines = [`${problems.length ? 'not ok' : 'ok'}    ${name} (${seconds} s)`]
  for (const problem of problems.slice(0, 20)) lines.push(problem.slice(0, 2000).replace(/^/gm, '      '))
  process.stdout.write(`${lines.join('\n')}\n`)
  return problems.length === 0
}

const scenarios = new URL('scenarios/', import.meta.url)
const tests = []
for (const file of (await readdir(scenarios)).sort((a, b) => parseInt(a) - parseInt(b))) tests.push(...(await import(new URL(file, scenarios))).default)

// Runs the tests whose numbers it is sent, one after another, and tells of each whether it passed.
const work = () => process.on('message', async number => process.send(await runTest(tests[number])))

// Has processes of this program run the tests, until none is left (more than there are processors: they mostly wait); returns whether each passed.
const distribute = async (numbers, processes) => {
  const verdicts = []
  const runOne = () => new Promise(resolve => {
    const worker = fork(fileURLToPath(import.meta.url), ['--worker'])
    let current
    const next = () => {
      current = numbers.shift()
      if (current === undefined) worker.disconnect()
      else worker.send(current)
    }
    worker.on('message', passed => { verdicts.push(passed); next() })
    worker.on('exit', code => {
      if (current !== undefined) {
        console.log(`not ok    ${tests[current].name}: its process ended with code ${code}`)
        verdicts.push(false)
      }
      resolve()
    })
    next()
  })
  while (numbers.length) await Promise.all(Array.from({ length: Math.min(processes, numbers.length) }, runOne)) // again after a lost one
  return verdicts
}

const words = process.argv.slice(2)
if (words[0] === '--worker') work()
else {
  const wanted = [...tests.keys()].filter(number => !words.length || words.some(word => tests[number].name.includes(word)))
  // Those that keep the machine busy by themselves run before the others, one at a time.
  const verdicts = await distribute(wanted.filter(number => tests[number].alone), 1)
  verdicts.push(...await distribute(wanted.filter(number => !tests[number].alone), availableParallelism() + 1))
  const failed = verdicts.filter(passed => !passed).length
  console.log(`${verdicts.length - failed} passed, ${failed} failed`)
  process.exit(failed ? 1 : 0)
}
