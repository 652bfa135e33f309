// What an application of Baileys does by itself, since Baileys gives it the parts alone: votes and responses under a message's secret.
import { randomBytes, randomUUID } from 'node:crypto'
import { aesEncryptGCM, decryptPollVote, getAggregateVotesInPollMessage, hmacSign, proto, sha256 } from 'baileys'

const bytes = text => Buffer.from(text)

// HKDF-SHA256 of 32 bytes without a salt, by the parts Baileys gives.
const keyFor = (secret, id, author, actor, label) => {
  const sign = Buffer.concat([id, author, actor, label].map(bytes).concat(Buffer.from([1])))
  return hmacSign(sign, hmacSign(secret, new Uint8Array(32), 'sha256'), 'sha256')
}

const seal = ({ secret, id, author, actor, label, plaintext }) => {
  const encIv = randomBytes(12)
  const encPayload = aesEncryptGCM(plaintext, keyFor(secret, id, author, actor, label), encIv, bytes(`${id}\u0000${actor}`))
  return { encPayload, encIv }
}

const secretOf = message => message.messageContextInfo.messageSecret

const freshId = () => randomUUID().replaceAll('-', '').toUpperCase()

const relay = async (peer, chat, message, attributes, meta, messageId = freshId()) => {
  const additionalNodes = [{ tag: 'meta', attrs: meta }]
  peer.sent.set(messageId, message)
  await peer.sock.relayMessage(chat, message, { messageId, additionalAttributes: attributes, additionalNodes })
  return messageId
}

// The key of a message heard, as an answer names it.
const keyOf = ({ raw: { key } }) => ({ remoteJid: key.remoteJid, fromMe: false, id: key.id, participant: key.participant })

/**
 * Votes in a poll heard.
 * @param {Peer} peer @param {object} poll message event @param {string[]} choices
 * @param {{author: string, actor: string}} names of who asked and who votes, both by number or both by LID
 * @param {string} [id] of the vote
 */
export const vote = (peer, poll, choices, { author, actor }, id) => {
  const plaintext = proto.Message.PollVoteMessage.encode({ selectedOptions: choices.map(one => sha256(bytes(one))) }).finish()
  const sealed = seal({ secret: secretOf(poll.raw.message), id: poll.id, author, actor, label: 'Poll Vote', plaintext })
  const message = proto.Message.fromObject({
    pollUpdateMessage: { pollCreationMessageKey: keyOf(poll), vote: sealed, senderTimestampMs: Date.now() },
  })
  return relay(peer, poll.chat, message, {}, { polltype: 'vote' }, id)
}

/** Answers an event heard; as `vote`. */
export const respond = (peer, event, response, extraGuestCount, { author, actor }) => {
  const { EventResponseMessage } = proto.Message
  const type = EventResponseMessage.EventResponseType[response]
  const plaintext = EventResponseMessage.encode({ response: type, timestampMs: Date.now(), extraGuestCount }).finish()
  const sealed = seal({ secret: secretOf(event.raw.message), id: event.id, author, actor, label: 'Event Response', plaintext })
  const message = proto.Message.fromObject({ encEventResponseMessage: { eventCreationMessageKey: keyOf(event), ...sealed } })
  return relay(peer, event.chat, message, { type: 'event' }, { event_type: 'response' })
}

/**
 * Counts votes on an own poll: {choice: voters}.
 * @param {Peer} peer who asked @param {string} id of the poll @param {object[]} votes message events
 * @param {(vote: object) => {author: string, actor: string}} names
 */
export const count = (peer, id, votes, names) => {
  const message = peer.sent.get(id)
  const pollUpdates = votes.map(event => {
    const { pollUpdateMessage } = event.raw.message
    const { author, actor } = names(event)
    const context = { pollCreatorJid: author, pollMsgId: id, pollEncKey: secretOf(message), voterJid: actor }
    return { pollUpdateMessageKey: event.raw.key, vote: decryptPollVote(pollUpdateMessage.vote, context) }
  })
  const aggregate = getAggregateVotesInPollMessage({ message, pollUpdates }, peer.jid)
  return Object.fromEntries(aggregate.map(({ name, voters }) => [name, voters.length]))
}
