--- The kinds of messages, in and out: each family has a file of its own, which gives
--
--     read = { fieldOfMessage = fn(content, m, client, message) }   fills the event m: kind, text, the kind's own table
--     protocol = { TYPE = fn(protocol, m, client, message) }        the same for the types of a protocolMessage
--     build = { word = fn(spec, context) }                          a spec { word = …, … } becomes a Message
--     takes = { word = { "other", … } }                             fields of that spec which are words of other kinds too
--     acts = { "kind", … }                                          kinds that are no content: they do something to another message
--
-- A content whose field nobody reads has kind "unknown".
-- @module moonpost.client.kinds
local check = require "moonpost.client.kinds.check"
local context = require "moonpost.client.kinds.context"
local forward = require "moonpost.client.kinds.forward"
local media = require "moonpost.client.kinds.media"
local owners = require "moonpost.client.kinds.owners"
local mentions = require "moonpost.client.kinds.mentions"
local messages = require "moonpost.client.messages"
local traceback = require "moonpost.traceback"

local kinds = {}

-- A line each, so that a new family is a line.
local families = {
  "text",
  "media",
  "files",
  "place",
  "contacts",
  "invite",
  "phone",
  "poll",
  "event",
  "comment",
  "menu",
  "button",
  "shop",
  "payment",
  "call",
  "other",
  "reaction",
  "act",
}

local readers, protocol, builders, takes, acts = {}, {}, {}, {}, { undecryptable = true }

local function take(into, from)
  for name, value in pairs(from or {}) do
    assert(into[name] == nil, name)
    into[name] = value
  end
end

for _, name in ipairs(families) do
  local family = require("moonpost.client.kinds." .. name)
  take(readers, family.read)
  take(protocol, family.protocol)
  take(builders, family.build)
  for word, others in pairs(family.takes or {}) do
    takes[word] = {}
    for _, other in ipairs(others) do takes[word][other] = true end
  end
  for _, kind in ipairs(family.acts or {}) do acts[kind] = true end
end
acts.reaction = true
context.kinds = kinds

local function reader_of(content)
  local name = messages.content(content)
  if name ~= "protocolMessage" then return readers[name], name end
  return protocol[content.protocolMessage.type or "REVOKE"], name
end

-- What no reader is there for, and no handler hears of either: it is kept as it came.
local silent = { protocolMessage = true, editedMessage = true, deviceSentMessage = true }

--- Whether a content is for handlers: a kind somebody reads, or one nobody knows yet.
-- @tparam table content Message without its wrappers
function kinds.is_event(content)
  local reader, name = reader_of(content)
  return name ~= nil and (reader ~= nil or not silent[name])
end

--- Whether a message of a kind is a content, which can answer a question, and not an act on another message.
function kinds.is_content(kind) return kind ~= nil and not acts[kind] end

--- Reads a content into an event: kind, text and the kind's own table.
-- @tparam table content Message without its wrappers
-- @tparam table m event: chat, sender, from_me, group
-- @param client whose names people have; nil: nobody is known
function kinds.describe(content, m, client)
  local reader, name = reader_of(content)
  if reader then reader(content[name], m, client, content) end
  if m.media then owners[m.media] = m end
  m.kind = m.kind or name and "unknown" or nil
end

--- Reads a Message into an event: kind, text, quoted, mentions, forwarded, expires, view_once, message and the kind's own table.
-- @tparam table message as it came, an own device's wrapper taken off
-- @tparam table m event: chat, sender, from_me, group
-- @param client whose names people have; nil: nobody is known
-- @treturn table m
function kinds.read(message, m, client)
  local content, wrappers = messages.unwrap(message)
  m.message, m.mentions, m.view_once = message, {}, false
  local name = messages.content(content)
  local value = content[name]
  local info = context.of(value)
  if info then context.read(info, m, client) end
  kinds.describe(content, m, client)
  if m.media then m.album = media.album_of(message.messageContextInfo or content.messageContextInfo, m, client) end
  if wrappers and (wrappers.viewOnceMessage or wrappers.viewOnceMessageV2 or wrappers.viewOnceMessageV2Extension)
    or type(value) == "table" and value.viewOnce then
    m.view_once = true
  end
  return m
end

--- The Message that forwards one; see moonpost.client.kinds.forward.
-- @tparam table m message event: kind, message, raw, view_once
-- @treturn ?table Message, for client:send
-- @treturn ?table err code "forward"
function kinds.forward(m) return forward(m, kinds.is_content) end

local function words(spec)
  local list = {}
  for name in pairs(builders) do
    if not spec or spec[name] ~= nil then list[#list + 1] = name end
  end
  table.sort(list)
  return list
end

-- The word of a spec that says what it is: of several the one that takes all others as its fields.
local function word_of(spec)
  local found = words(spec)
  for _, word in ipairs(found) do
    local all = true
    for _, other in ipairs(found) do all = all and (other == word or takes[word] and takes[word][other]) end
    if all then return word end
  end
  if #found > 1 then check.wrong("a message is one thing: this has both '%s' and '%s'", found[1], found[2]) end
  for name in pairs(spec) do
    if name ~= "_unknown" and not messages.field_type(name) then
      check.wrong("a message has no '%s' (%s; or message, a Message as a table)", tostring(name), table.concat(words(), ", "))
    end
  end
end

-- To be seen once (03 §16.11).
local function seen_once(message)
  local name = messages.content(message)
  if name == "conversation" then
    message, name = { extendedTextMessage = { text = message.conversation } }, "extendedTextMessage"
  end
  if not messages.holds(name, "viewOnce") then check.wrong "a message of this kind cannot be seen once only" end
  local content = {}
  for field, value in pairs(message[name]) do content[field] = value end
  content.viewOnce = true
  return { [name == "audioMessage" and "viewOnceMessageV2Extension" or "viewOnceMessage"] = { message = { [name] = content } } }
end

-- Fields any spec may have, whatever its word: they are taken off it.
local around = { quote = "table", mentions = "table|string", view_once = "boolean" }

local quote_fields = { chat = "string", sender = "string", message = "table" }

local function take_around(spec)
  local rest, taken = {}, {}
  for name, value in pairs(spec) do
    if around[name] then taken[name] = check.value("a message", name, value, around[name]) else rest[name] = value end
  end
  local quote = taken.quote
  if quote and type(quote.id) ~= "string" then check.wrong "a message: 'quote' is a message, with its id" end
  for name, wanted in pairs(quote and quote_fields or {}) do check.value("a message's 'quote'", name, quote[name], wanted) end
  return rest, taken
end

-- The Message of a spec without what is around it.
local function make_content(spec, given, word)
  if word then return builders[word](spec, given) end
  if spec.message == nil then return spec end
  check.fields("a message", spec, { message = "table" })
  return spec.message
end

local function make(spec, given)
  if type(spec) == "string" then spec = { text = spec } end
  if type(spec) ~= "table" then check.wrong("a message is a text or a table, not a %s", type(spec)) end
  local word = spec.message == nil and word_of(spec)
  local taken, info = {}, {}
  if word or spec.message ~= nil then spec, taken = take_around(spec) end
  local quote = taken.quote or given.quote
  if taken.mentions then
    local field = spec.caption ~= nil and "caption" or "text"
    check.value("a message that mentions somebody", field, spec[field], "string", true)
    spec[field], info = mentions(taken.mentions, spec[field], given)
  end
  local message = make_content(spec, { client = given.client, chat = given.chat, quote = quote, files = given.files }, word)
  if taken.view_once then message = seen_once(message) end
  for name, value in pairs(quote and context.quoting(quote, given.chat, given.client) or {}) do info[name] = value end
  return context.timed(context.add(message, info), given.client, given.chat)
end

--- The Message of a spec: a text, a table with the kind's word, { message = Message }, or a bare Message.
-- @tparam string|table spec
-- @tparam table given client; chat: stable JID of where it goes; quote: the message it answers; files: where its files are
--   (moonpost.client.attached), nil: none can be sent
-- @treturn ?table Message
-- @treturn ?string what is wrong with the spec, a sentence
function kinds.build(spec, given)
  local ok, message = xpcall(make, traceback.told, spec, given)
  if ok then return message end
  if type(message) == "table" and message.code == "spec" then return nil, message.message end
  error(message, 0)
end

return kinds
