--- Messages as tables: building the few kinds we send, reading what kind came.
-- @module moonpost.client.messages
local core = require "moonpost.core"

local messages = {}

local DEPTH = 8 -- wrappers around wrappers that are opened (fact sheet 04 §4)

local function without(fields, ...)
  local copy = {}
  for name, value in pairs(fields) do copy[name] = value end
  for _, name in ipairs { ... } do copy[name] = nil end
  return copy
end

-- A message as it stands in a quote: what it says, without its secret and without what it quotes itself (03 §16.1).
local function quotable(message)
  local content = without(messages.unwrap(message), "messageContextInfo", "senderKeyDistributionMessage")
  for name, value in pairs(content) do
    if type(value) == "table" and value.contextInfo then content[name] = without(value, "contextInfo") end
  end
  return content
end

--- A Message of a text, quoting `quote` (a message event) when it is given.
function messages.text(text, quote)
  if not quote then return { conversation = text } end
  return { extendedTextMessage = { text = text, contextInfo = {
    stanzaId = quote.id, participant = quote.sender, quotedMessage = quotable(quote.message),
  } } }
end

--- A reaction to a message event; an empty emoji takes it back (fact sheet 03 §16.4).
-- @number now Unix seconds
function messages.reaction(m, emoji, now)
  return { reactionMessage = {
    key = { remoteJid = m.chat, fromMe = m.from_me, id = m.id }, text = emoji, senderTimestampMs = math.floor(now * 1000),
  } }
end

--- What own devices get of a message, so that they know whom it went to (03 §8).
-- @string to the stanza's `to`
function messages.for_own_devices(to, message)
  return { deviceSentMessage = { destinationJid = to, message = message }, messageContextInfo = message.messageContextInfo }
end

--- What another own device wrote: the wrapper of `for_own_devices` is taken off, with the context it carries.
function messages.from_own_device(message)
  local wrapper = message.deviceSentMessage
  if not wrapper then return message end
  local inner = wrapper.message or {}
  inner.messageContextInfo = inner.messageContextInfo or message.messageContextInfo
  return inner
end

-- The fields of type FutureProofMessage, which only say how the Message inside is shown. An edit is content of its own.
local wrappers = {
  "viewOnceMessage", "ephemeralMessage", "documentWithCaptionMessage", "viewOnceMessageV2", "viewOnceMessageV2Extension",
  "groupMentionedMessage", "botInvokeMessage", "lottieStickerMessage", "eventCoverImage", "statusMentionMessage",
  "pollCreationOptionImageMessage", "associatedChildMessage", "groupStatusMentionMessage", "pollCreationMessageV4", "statusAddYours",
  "groupStatusMessage", "limitSharingMessage", "botTaskMessage", "questionMessage", "groupStatusMessageV2", "botForwardedMessage",
  "questionReplyMessage", "newsletterAdminProfileMessage", "newsletterAdminProfileMessageV2", "spoilerMessage",
  "newsletterAdminProfileStatusMessage", "botPlatformRegistrationSuccessMessage",
}

local ranks = {} -- of wrappers: which of several counts
for rank, name in ipairs(wrappers) do ranks[name] = rank end

--- What is inside the wrappers that only say how a message is shown.
function messages.unwrap(message)
  for _ = 1, DEPTH do
    local first, inner
    for name, value in pairs(message) do
      local rank = ranks[name]
      if rank and value.message and (not first or rank < first) then first, inner = rank, value.message end
    end
    if not inner then return message end
    message = inner
  end
  return message
end

--- Whether a chat is a group.
function messages.is_group(chat) return select(2, core.wire.jid.parse(chat)) == "g.us" end

--- The error of writing to a group; code "unsupported".
function messages.group_error(chat)
  return core.error("unsupported", ("%s is a group: moonpost hears groups, but cannot write to them yet"):format(chat))
end

local not_content = { messageContextInfo = true, senderKeyDistributionMessage = true, _unknown = true }

--- The field that holds a message's content, or nil when nothing is for people. Of several the first by name, always the same.
function messages.content(message)
  if message.conversation then return "conversation" end
  local found
  for name in pairs(message) do
    if not not_content[name] and (not found or name < found) then found = name end
  end
  return found
end

--- The text a person wrote, or nil: of the content that `content` finds, never of another beside it; a reaction has none.
function messages.text_of(message)
  local name = messages.content(message)
  if name == "conversation" then return message.conversation end
  return name == "extendedTextMessage" and message.extendedTextMessage.text or nil
end

--- What a message is: "text", "reaction", "image", "protocol", "edited", … or nil when it holds nothing for people.
function messages.kind(message)
  local name = messages.content(message)
  if name == "conversation" or name == "extendedTextMessage" then return "text" end
  return name and (name:gsub("Message$", ""))
end

--- The quoted message {id=, sender=, text=, message=} of a message, or nil.
function messages.quoted(message)
  for _, content in pairs(message) do
    local info = type(content) == "table" and content.contextInfo
    if type(info) == "table" and info.stanzaId and info.quotedMessage then
      return { id = info.stanzaId, sender = info.participant, message = info.quotedMessage, text = messages.text_of(info.quotedMessage) }
    end
  end
end

return messages
