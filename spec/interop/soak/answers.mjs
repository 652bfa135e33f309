// What the bot (bots/soak.lua) answers, foretold; and how an entry of a screen is written down.

import { createHash } from 'node:crypto'

export const CHOICES = ['Soup', 'Salad', 'Bread']

/** The number a contact counts its texts and polls by, in a text of its. */
export const numberIn = text => Number(/\d+/.exec(text)[0])

const digest = (...parts) => parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest()

/** The file that is sent under a caption: 100 bytes to 40 kB, the same whenever it is asked for. */
export const contentOf = caption => {
  const seed = digest(caption)
  const blocks = Array.from({ length: 1 + Math.ceil(seed.readUInt16BE(0) / 52) }, (_, i) => digest(seed, String(i)))
  return Buffer.concat(blocks).subarray(0, 100 + seed.readUInt16BE(0) % 40_000)
}

/** The SHA-256, in hex, of the file that stands under a caption: the bot sends what it got with a word behind it, or as it is. */
export const hashUnder = caption => {
  const [, answer, original] = /^(got |again )?(.*)$/s.exec(caption)
  return digest(contentOf(original), answer === 'got ' ? 'back' : '').toString('hex')
}

const toFile = ({ id, number, text }) => [
  `file: got ${text} (to ${id})`,
  ...(number % 3 ? [] : [`file: again ${text} (to ${id})`]),
]

const toText = ({ id, number, text, group }) => [
  `got ${text} (to ${id})`,
  ...(number % 4 ? [] : [`👍 on ${id}`]),
  ...(number % 5 ? [] : [`more of ${text} [${id}]`]),
  ...(group && number % 6 === 0 ? [`edit: got ${text} indeed [${id}]`] : []),
  ...(group && number % 7 === 0 ? [`poll: Lunch ${text}? [${id}]`] : []),
]

const answers = {
  text: toText,
  file: toFile,
  reaction: ({ id, emoji, to }) => [`you reacted ${emoji} to ${to} [${id}]`],
  poll: ({ id, text }) => [`vote on ${id}`, `voted in ${text} (to ${id})`],
  vote: ({ id, choice, to }) => [`you voted ${choice} on ${to} [${id}]`],
  demand: ({ id, answer }) => [`${answer} [${id}]`],
  edit: ({ id, text, to }) => [`now it says ${text}, ${to} [${id}]`],
}

/**
 * The bot's answers to what a contact has sent, as `shown` writes them.
 * @param {{kind: string, id: string}} item `sees`: which kinds of entries the one who looks has on its screen
 */
export const answersTo = (item, sees = () => true) => answers[item.kind](item).filter(text => sees(text.startsWith('edit: ') ? 'edit' : 'message'))

const words = {
  reaction: ({ text, to }) => `${text} on ${to}`,
  poll: ({ text }) => `poll: ${text}`,
  vote: ({ to }) => `vote on ${to}`,
  edit: ({ text }) => `edit: ${text}`,
  file: ({ text, quoted }) => `file: ${text}${quoted ? ` (to ${quoted})` : ''}`,
  text: ({ text, quoted }) => `${text}${quoted ? ` (to ${quoted})` : ''}`,
}

/** An entry of a screen: { kind, text, to, quoted } in words. */
export const shown = entry => (words[entry.kind] ?? (({ kind }) => `something of kind ${kind}`))(entry)

/** Which message an entry of the bot's answers: its id. */
export const causeOf = ({ kind, text, to, quoted }) => {
  if (kind === 'reaction' || kind === 'vote') return to
  return quoted ?? /\[(\w+)\]$/.exec(text)?.[1]
}
