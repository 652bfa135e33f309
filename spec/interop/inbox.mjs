// Events, waited for one by one.

const PATIENCE = 45_000 // milliseconds `next` waits

export class Inbox {
  constructor(owner) {
    this.owner = owner
    this.events = []
    this.waiting = []
  }

  /** Adds an event: the first who waits for it takes it. */
  push(event) {
    const at = this.waiting.findIndex(waiter => waiter.matches(event))
    if (at < 0) return void this.events.push(event)
    const [waiter] = this.waiting.splice(at, 1)
    waiter.resolve(event)
  }

  /** Ends everybody's waiting with an error. */
  fail(error) {
    this.error = error
    for (const waiter of this.waiting.splice(0)) waiter.reject(error)
  }

  /**
   * The first event that matches, taken out; waits for it.
   * @param {(event: object) => boolean} matches
   * @param {string} what it is, for the error when it does not come
   * @param {number} patience milliseconds
   */
  next(matches, what = matches.toString(), patience = PATIENCE) {
    const at = this.events.findIndex(matches)
    if (at >= 0) return Promise.resolve(this.events.splice(at, 1)[0])
    if (this.error) return Promise.reject(this.error)
    return new Promise((resolve, reject) => {
      const waiter = {
        matches,
        resolve: event => { clearTimeout(timer); resolve(event) },
        reject: error => { clearTimeout(timer); reject(error) },
      }
      const timer = setTimeout(() => {
        this.waiting.splice(this.waiting.indexOf(waiter), 1)
        const there = this.events.map(({ raw, ...rest }) => JSON.stringify(rest)).slice(-8).join('\n  ')
        reject(new Error(`${this.owner} waited ${patience / 1000} s in vain for ${what}; what came:\n  ${there}`))
      }, patience)
      this.waiting.push(waiter)
    })
  }

  /** The next `count` events that match, in order. */
  async take(count, matches, what, patience) {
    const list = []
    while (list.length < count) list.push(await this.next(matches, `${what ?? matches} (${list.length} of ${count} came)`, patience))
    return list
  }
}
