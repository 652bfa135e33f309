--- Messages as tables: wrappers put on and taken off, and where the content is. What each content means stands in moonpost.client.kinds.
-- @module moonpost.client.messages
local core = require "moonpost.core"
local limits = require "moonpost.client.limits"

local messages = {}

--- What own devices get of a message, so that they know whom it went to (03 §8).
-- @string to the stanza's `to`
function messages.for_own_devices(to, message)
  return { deviceSentMessage = { destinationJid = to, message = message }, messageContextInfo = message.messageContextInfo }
end

-- Of the context around a copy for own devices: what the message inside takes from it where it lacks it (05 §2.2).
local lent = { "messageSecret", "messageAssociation", "threadId", "botMetadata" }

--- What another own device wrote: the wrapper of `for_own_devices` is taken off. Some put the message's context beside the wrapper, some
-- inside, some both.
function messages.from_own_device(message)
  local wrapper = message.deviceSentMessage
  if not wrapper then return message end
  local inner, outer = wrapper.message or {}, message.messageContextInfo
  local own = inner.messageContextInfo
  if own and outer then
    for _, name in ipairs(lent) do
      if own[name] == nil then own[name] = outer[name] end
    end
    own.limitSharingV2 = outer.limitSharingV2
  end
  inner.messageContextInfo = own or outer
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

-- The outermost wrapper of a message and the Message inside; nil where there is none.
local function wrapper_of(message)
  local first, inner
  for name, value in pairs(message) do
    local rank = ranks[name]
    if rank and value.message and (not first or rank < first) then first, inner = rank, value.message end
  end
  return inner, wrappers[first]
end

--- What is inside the wrappers that only say how a message is shown.
-- @tparam table message
-- @treturn table the Message inside
-- @treturn ?table set of the wrappers' names; nil when there were none
-- @treturn boolean whether more wrappers are left than are opened (limits.WRAPPERS)
function messages.unwrap(message)
  local names
  for _ = 1, limits.WRAPPERS do
    local inner, name = wrapper_of(message)
    if not inner then return message, names, false end
    names = names or {}
    names[name] = true
    message = inner
  end
  return message, names, wrapper_of(message) ~= nil
end

local types -- of the fields of Message, by name: the message each holds, true for those that hold none; read when first asked for

--- What a field of Message holds.
-- @string name
-- @treturn ?string|boolean the name of a message of the schema; true: something else; nil: there is no such field
function messages.field_type(name)
  if not types then
    types = {}
    for _, field in ipairs(core.proto.fields "Message") do types[field.name] = field.type == "message" and field.of or true end
  end
  return types[name]
end

local holding = {} -- by name of an inner field: a set of names of fields of Message, filled as they are asked for

--- Whether the content in a field of Message has a certain field itself.
-- @tparam ?string name of the field of Message; nil: there is none, so it has not
-- @string inner as "contextInfo"
function messages.holds(name, inner)
  if not name then return false end
  local known = holding[inner] or {}
  holding[inner] = known
  if known[name] ~= nil then return known[name] end
  local found, type = false, messages.field_type(name)
  for _, field in ipairs(type and type ~= true and core.proto.fields(type) or {}) do found = found or field.name == inner end
  known[name] = found
  return found
end

--- Whether a chat is a group.
function messages.is_group(chat) return select(2, core.wire.jid.parse(chat)) == "g.us" end

local not_content = {
  messageContextInfo = true, senderKeyDistributionMessage = true, fastRatchetKeySenderKeyDistributionMessage = true, _unknown = true,
}

--- The field that holds a message's content, or nil when nothing is for people. Of several the first by name, always the same. Where
-- there are only fields the schema does not know it is "_unknown".
function messages.content(message)
  if message.conversation then return "conversation" end
  local found
  for name in pairs(message) do
    if not not_content[name] and (not found or name < found) then found = name end
  end
  return found or message._unknown and "_unknown"
end

--- The text a person wrote, or nil: of the content that `content` finds, never of another beside it; a reaction has none.
function messages.text_of(message)
  local name = messages.content(message)
  if name == "conversation" then return message.conversation end
  return name == "extendedTextMessage" and message.extendedTextMessage.text or nil
end

return messages
