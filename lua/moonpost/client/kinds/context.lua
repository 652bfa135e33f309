--- What stands around a content, whatever its kind (fact sheet 05 §5): what it quotes, whom it mentions, whether it was forwarded, and
-- the timer of the chat.
-- @module moonpost.client.kinds.context
local limits = require "moonpost.client.limits"
local messages = require "moonpost.client.messages"
local people = require "moonpost.client.kinds.people"

local context = {}

--- The ContextInfo of a content, or nil.
function context.of(content)
  local info = type(content) == "table" and content.contextInfo
  return type(info) == "table" and info or nil
end

-- Where the quoted message stands. The chat two have with each other bears the reader's name when it is the other one who says it.
local function quoted_chat(info, m, client)
  local chat = people.stable(client, info.remoteJid)
  if not chat or people.is_me(client, chat) and not m.from_me then return m.chat end
  return chat
end

local function read_quoted(info, m, client)
  if not info.stanzaId or not info.quotedMessage then return nil end
  local content = messages.unwrap(info.quotedMessage)
  local quoted = {
    id = info.stanzaId, sender = people.stable(client, info.participant), message = info.quotedMessage,
    chat = quoted_chat(info, m, client),
  }
  context.kinds.describe(content, quoted, client)
  return quoted
end

local function read_mentions(info, client)
  local mentions = {}
  if (info.nonJidMentions or 0) > 0 then mentions.everyone = true end
  local seen = {}
  for _, one in ipairs(info.mentionedJid or {}) do
    if #mentions == limits.MENTIONS then break end
    local bare = people.stable(client, one)
    if bare and not seen[bare] then
      seen[bare] = true
      mentions[#mentions + 1] = bare
      if people.is_me(client, bare) then mentions.me = true end
    end
  end
  if mentions.everyone then mentions.me = true end
  return mentions
end

--- Reads it into an event: quoted, mentions, forwarded, expires.
-- @tparam table info ContextInfo
-- @tparam table m the event so far
-- @param client
function context.read(info, m, client)
  m.quoted = read_quoted(info, m, client)
  if info.mentionedJid or info.nonJidMentions then m.mentions = read_mentions(info, client) end
  if info.isForwarded or (info.forwardingScore or 0) > 0 then m.forwarded = info.forwardingScore or 0 end
  if (info.expiration or 0) > 0 then m.expires = info.expiration end
end

local function without(fields, ...)
  local copy = {}
  for name, value in pairs(fields) do copy[name] = value end
  for _, name in ipairs { ... } do copy[name] = nil end
  return copy
end

-- A message as it stands in a quote: what it says, without its secret and without what it quotes itself (03 §16.1). What is no content
-- is quoted as an empty text: the reader's app finds the message by its id.
local function quotable(message)
  local content = without(messages.unwrap(message), "messageContextInfo", "senderKeyDistributionMessage", "_unknown")
  if not messages.content(content) or content.protocolMessage or content.editedMessage then return { conversation = "" } end
  for name, value in pairs(content) do
    if type(value) == "table" and value.contextInfo then content[name] = without(value, "contextInfo") end
  end
  return content
end

--- The ContextInfo of an answer to a message.
-- @tparam table quote the message: id, sender, chat, message
-- @string chat where the answer goes
-- @param client
-- @treturn table
function context.quoting(quote, chat, client)
  return {
    stanzaId = quote.id, participant = quote.sender and people.namer(client, quote.chat)(quote.sender),
    quotedMessage = quotable(quote.message or {}),
    remoteJid = chat and quote.chat and quote.chat ~= chat and quote.chat or nil,
  }
end

-- The disappearing timer of a chat in seconds, and when it was set, if that is known; nil when there is none. Those of groups are the
-- groups' own, those of people are kept by `client.timers`: fn `of(chat)` -> seconds, Unix seconds.
local function timer_of(client, chat)
  if messages.is_group(chat) then
    local group = client.groups and client.groups:known(chat)
    return group and group.ephemeral
  end
  if client.timers then return client.timers:of(chat) end
end

--- A message with the timer of the chat it goes to, unless it says one itself (§5.4).
-- @tparam table message; is not changed
-- @param client nil: no timers are known
-- @string chat
-- @treturn table the Message
function context.timed(message, client, chat)
  local seconds, since
  if client then seconds, since = timer_of(client, chat) end
  if not seconds or seconds == 0 then return message end
  local content = messages.unwrap(message)
  local own = context.of(content[messages.content(content)])
  if own and own.expiration then return message end
  return context.add(message, { expiration = seconds, ephemeralSettingTimestamp = since })
end

--- Adds to the ContextInfo of a message's content; a bare text becomes one that can have it. What a content without one cannot hold is
-- left out.
-- @tparam table message; is not changed
-- @tparam table more fields of ContextInfo
-- @treturn table the Message
function context.add(message, more)
  if next(more) == nil then return message end
  local name = messages.content(message)
  local value = message[name]
  local copy = without(message)
  if type(value) == "table" and type(value.message) == "table" then -- a wrapper
    copy[name] = without(value)
    copy[name].message = context.add(value.message, more)
    return copy
  end
  if name == "conversation" then
    copy.conversation, name, value = nil, "extendedTextMessage", { text = message.conversation }
  end
  if not messages.holds(name, "contextInfo") then return message end
  local info = without(value.contextInfo or {})
  for field, given in pairs(more) do info[field] = given end
  copy[name] = without(value)
  copy[name].contextInfo = info
  return copy
end

return context
