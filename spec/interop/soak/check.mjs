// What is on the contacts' screens at the end, beside what should be.
import { answersTo, hashUnder } from './answers.mjs'

// Whether somebody must, may or must not have on the screen what is of a question: it was all said while they were in the group, or not.
const presence = (absences, { began }, settled) => {
  let word = 'must'
  for (const { from, out, back = Infinity, to = Infinity } of absences) {
    if (began > out && settled < back - SLACK_MS) return 'never'
    if (!(settled < from || began > to)) word = 'may'
  }
  return word
}

// About somebody's addition to a group: until all who write there know of it; and whose ack a killed bot never saw, that is sent again,
// to the new one as well.
const SLACK_MS = 5000

// What was written into a group while not all knew that somebody is in it again, or just before: they may have had to ask for that. Ids.
const lateFor = (watcher, { jid, members, absences }) => {
  const ids = new Set()
  const mine = absences.filter(({ guest, back }) => guest === watcher && back)
  for (const one of members.filter(one => one !== watcher)) {
    const written = one.entries.filter(entry => entry.chat === jid).map(({ id, at }) => ({ id, began: at, done: at }))
    for (const { id, began, done } of [...written, ...one.thread(jid).sent]) {
      if (mine.some(({ back, to = Infinity }) => done > back - SLACK_MS && began < to + SLACK_MS)) ids.add(id)
    }
  }
  return ids
}

// Walks what must be there beside what is: in order, each once. What may be there is brought unasked, or asked for, and comes when it comes.
// What is wrong first, or nil.
const compare = (expected, all) => {
  const loose = new Set(expected.filter(({ word }) => word === 'may').map(({ words }) => words))
  const seen = all.filter(words => !loose.has(words))
  const wanted = expected.filter(({ word }) => word === 'must').map(({ words }) => words)
  for (let i = 0; i < Math.max(wanted.length, seen.length); i++) {
    if (wanted[i] === seen[i]) continue
    if (wanted[i] === undefined) return `'${seen[i]}' should not be there`
    return `entry ${i + 1} of ${seen.length} should be '${wanted[i]}', is '${seen[i]}' (it is entry ${seen.indexOf(wanted[i]) + 1 || 'none'})`
  }
}

/** The findings of all contacts. */
export class Check {
  constructor(stage, findings) { Object.assign(this, { stage, findings, retries: 0, refusals: 0, loaded: 0, screens: [] }) }

  run() {
    for (const watcher of this.stage.contacts) {
      this.excuse(watcher)
      this.twice(watcher)
      this.look(watcher, 'direct', watcher.threads[0], [watcher], [])
    }
    for (const group of this.stage.groups) {
      for (const watcher of group.members) {
        this.look(watcher, group.jid, undefined, group.members, group.absences.filter(one => one.guest === watcher))
      }
      this.sameOrder(group)
    }
  }

  find(watcher, chat, text) { this.findings.push(`${watcher.one.owner}, ${chat}: ${text}`) }

  // What contacts complain of, without what is lawful: somebody who has just been added asks for a message, and knows no older poll.
  excuse(watcher) {
    const late = this.stage.groups.flatMap(group => [...lateFor(watcher, group)])
    watcher.asked = new Set()
    const needless = new Set()
    const screen = new Set(watcher.entries.map(entry => entry.id))
    const unseen = new Set(this.stage.contacts.flatMap(one => one.entries).filter(({ kind }) => !watcher.sees(kind)).map(({ id }) => id))
    const left = watcher.troubles().filter(line => {
      const vote = /a vote (\w+) from \S+ does not count: message (\w+) is not known/.exec(line)
      if (vote && !screen.has(vote[2])) return void needless.add(vote[1]) // on a poll of a time it was away
      const id = late.find(id => line.includes(id))
      if (!id) return true
      watcher.asked.add(id)
      if (/type='retry'|asked for it again/.test(line)) this.retries++
      if (/ error='500'/.test(line)) this.refusals++
    })
    this.findings.push(...left.filter(line => !(watcher.asked.size && watcher.isPartOfAsking(line))))
    for (const id of watcher.asked) {
      if (!needless.has(id) && !unseen.has(id) && !screen.has(id)) this.find(watcher, 'a group', `${id} was asked for and never came`)
    }
  }

  // What was asked for may come twice: who wrote it may have seen by itself that it was missed, and Baileys shows both.
  twice(watcher) {
    const ids = new Set()
    for (const { id, words } of watcher.entries) {
      if (ids.has(id) && !(watcher.asked.has(id) && watcher.showsTwice)) this.find(watcher, 'all', `'${words}' (${id}) came twice`)
      ids.add(id)
    }
  }

  // For who looks into what went wrong: what was foretold beside when it was seen, in milliseconds.
  note(watcher, asker, chat, absences, entries, answers) {
    const at = time => time === undefined ? 'never' : Math.round(time)
    const away = absences.map(({ out, back }) => `${at(out)} to ${at(back)}`).join(', ')
    this.screens.push(`${watcher.name}, ${chat}, the answers to ${asker.name}; away: ${away}; asked for: ${[...watcher.asked]}`)
    for (const { words, word, item } of answers) {
      const place = entries.findIndex(entry => entry.words === words)
      this.screens.push(`  ${word}: ${words}, of ${at(item.began)}, seen ${at(entries[place]?.at)} as entry ${place + 1}, ${entries[place]?.id}`)
    }
  }

  look(watcher, chat, direct, askers, absences) {
    const all = watcher.entries.filter(entry => entry.chat === chat)
    const entries = all.filter(entry => !watcher.asked.has(entry.id)) // that came when it came
    const asked = new Set(all.flatMap(({ id, words }) => watcher.asked.has(id) ? [id, words] : []))
    const sees = kind => watcher.sees(kind)
    const known = new Set()
    for (const asker of askers) {
      const { sent } = direct ?? asker.thread(chat)
      for (const { id } of sent) known.add(id)
      const causes = new Set(sent.map(item => item.id))
      // the asker has heard all of its own answers: when was the last of each question there?
      const settled = new Map()
      for (const { by, cause, at } of asker.entries) if (by === 'the bot' && causes.has(cause)) settled.set(cause, at)
      const word = item => presence(absences, item, settled.get(item.id) ?? Infinity)
      const answers = sent.flatMap(item => answersTo(item, sees).map(words => ({ words, word: asked.has(words) ? 'may' : word(item), item })))
      this.note(watcher, asker, chat, absences, all, answers)
      const wrong = compare(answers, entries.filter(entry => entry.by === 'the bot' && causes.has(entry.cause)).map(entry => entry.words))
      if (wrong) this.find(watcher, chat, `of the answers to ${asker.name}, ${wrong}`)
      if (asker === watcher) continue
      const said = sent.filter(item => sees(item.kind)).map(({ id, ...item }) => ({ words: id, word: asked.has(id) ? 'may' : word({ id, ...item }) }))
      const missing = compare(said, entries.filter(entry => entry.by === asker.name).map(entry => entry.id))
      if (missing) this.find(watcher, chat, `of what ${asker.name} wrote, ${missing}`)
    }
    for (const entry of entries) {
      if (entry.by === 'the bot' && !known.has(entry.cause)) this.find(watcher, chat, `'${entry.words}' answers nothing`)
    }
  }

  // Those who were never away have the bot's answers in one order.
  sameOrder(group) {
    const [first, ...others] = group.members.filter(one => !group.absences.some(({ guest }) => guest === one))
    const seen = one => one.entries.filter(entry => entry.chat === group.jid && entry.by === 'the bot' && entry.kind !== 'edit').map(entry => entry.id)
    for (const one of others) {
      if (seen(one).join() !== seen(first).join()) this.find(one, group.jid, `the answers are in another order than ${first.name} has them`)
    }
  }

  /** The files on the screens, loaded, beside what was sent. */
  async files() {
    for (const watcher of this.stage.contacts) {
      for (const { chat, words, text, loaded } of watcher.entries.filter(entry => entry.kind === 'file')) {
        const hash = await loaded
        if (hash !== hashUnder(text)) this.find(watcher, chat, `'${words}' is another file: ${hash}`)
        else this.loaded++
      }
    }
  }

  /** What polls of the bot say, as the bot counts them, beside what was voted. */
  async polls() {
    const [, asker] = this.stage.contacts
    for (const group of this.stage.groups) {
      const poll = asker.last(asker.thread(group.jid), 'poll')
      if (!poll) continue
      const counted = { Soup: 0, Salad: 0, Bread: 0 }
      for (const one of group.members) {
        const vote = one.thread(group.jid).sent.findLast(item => item.kind === 'vote' && item.to === poll.id)
        if (vote) counted[vote.choice]++
      }
      const answer = Object.entries(counted).map(([choice, count]) => `${choice}:${count}`).join(' ')
      await asker.inquire(`tally ${group.jid} ${poll.id}`, answer)
    }
  }
}
