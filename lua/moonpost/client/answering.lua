--- Answering polls and events, and what else is said under a message's secret: out (fact sheet 05 §8, 03 §16.5, §16.6, §16.9). What is
-- answered is a message the archive keeps.
-- @module moonpost.client.answering
local core = require "moonpost.core"
local event = require "moonpost.client.kinds.event"
local key = require "moonpost.client.kinds.key"
local kinds = require "moonpost.client.kinds"
local messages = require "moonpost.client.messages"
local people = require "moonpost.client.kinds.people"
local poll = require "moonpost.client.kinds.poll"
local secret_edits = require "moonpost.client.secret_edits"
local secrets = require "moonpost.client.secrets"

local proto = core.proto

local Answering = {}
Answering.__index = Answering

local function encode(type, value) return assert(proto.encode(type, value)) end
local function milliseconds() return math.floor(core.net.time() * 1000) end

-- The names for what we encrypt: the message's author and this account, of one namespace. Responses go by number: Baileys tries no
-- other names, and who tries both reads them too; everything else goes by the names people have in the chat (03 §16.10).
local function names(client, entry, by_number)
  local author = by_number and client.lids:pn_of(entry.sender) or people.namer(client, entry.chat)(entry.sender)
  return author, client.secrets:own_name(author)
end

-- Encrypts under a message's secret: payload, iv.
local function seal(client, purpose, entry, plaintext)
  local secret = entry:secret()
  if not secret then error(core.error("no-secret", ("message %s has no secret: nobody can answer it so"):format(entry.id)), 0) end
  local author, actor = names(client, entry, purpose == "response")
  return secrets.seal(purpose, { secret = secret, id = entry.id, author = author, actor = actor }, plaintext)
end

local function wrong(text, ...) error(core.error("spec", text:format(...)), 0) end

local build = {}

function build.vote(client, entry, choices)
  local about = poll.of(messages.unwrap(entry:latest()))
  if not about then wrong("message %s is no poll", entry.id) end
  local hashes = poll.hashes(about, choices)
  local payload, iv = seal(client, "vote", entry, encode("Message.PollVoteMessage", { selectedOptions = hashes }))
  local now = milliseconds()
  return { pollUpdateMessage = {
    pollCreationMessageKey = key.write(entry, client), vote = { encPayload = payload, encIv = iv }, senderTimestampMs = now,
  } }, now, { choices = poll.chosen(about, hashes) }
end

function build.response(client, entry, answer, guests)
  if not messages.unwrap(entry:latest()).eventMessage then wrong("message %s is no event", entry.id) end
  local response = event.answer(answer, guests, core.net.time())
  local plaintext = encode("Message.EventResponseMessage", response)
  local payload, iv = seal(client, "response", entry, plaintext)
  return { encEventResponseMessage = { eventCreationMessageKey = key.write(entry, client), encPayload = payload, encIv = iv } },
    response.timestampMs, { response = plaintext }
end

function build.reaction(client, entry, emoji)
  local plaintext = encode("Message.ReactionMessage", { text = emoji, senderTimestampMs = milliseconds() })
  local payload, iv = seal(client, "reaction", entry, plaintext)
  return { encReactionMessage = { targetMessageKey = key.write(entry, client), encPayload = payload, encIv = iv } }
end

-- The key of a comment names the author, whoever it is (03 §16.9).
function build.comment(client, entry, spec)
  local message, why = kinds.build(spec, { client = client, chat = entry.chat })
  if not message then wrong("%s", why) end
  local payload, iv = seal(client, "comment", entry, encode("Message", message))
  local target = key.write(entry, client)
  target.participant = entry.sender
  return { encCommentMessage = { targetMessageKey = target, encPayload = payload, encIv = iv } }
end

-- The spec of an event as it is, with what is to be another.
local function changed(entry, changes)
  if type(changes) ~= "table" then wrong "an event is edited by a table of what is to be another" end
  local now = event.describe(messages.unwrap(entry:latest()).eventMessage)
  local spec = {
    event = now.name, description = now.description, starts = now.starts, ends = now.ends, location = now.location, link = now.link,
    guests = now.guests, cancelled = now.cancelled,
  }
  for name, value in pairs(changes) do spec[name] = value end
  return spec
end

function build.event_edit(client, entry, changes)
  if not entry.from_me then wrong("event %s is somebody else's", entry.id) end
  local content = event.content(changed(entry, changes))
  local payload, iv = seal(client, "event_edit", entry, encode("Message", { eventMessage = content }))
  return { secretEncryptedMessage = {
    targetMessageKey = key.write(entry, client), encPayload = payload, encIv = iv, secretEncType = "EVENT_EDIT",
  } }, milliseconds(), { eventMessage = content }
end

-- Keeps what was said, as what others say is kept.
local function keep(client, kind, entry, time, said)
  if kind == "event_edit" then return secret_edits.apply(client, entry, said, time) end
  client.answers:keep(kind, entry, client.lids:stable(client.me.jid), time, said)
end

-- Errors of the caller are raised at the line of the caller, from where all calls up to `answer` are tail calls.
local function made(options, fn, ...)
  local result = table.pack(pcall(fn, ...))
  if result[1] then return table.unpack(result, 2, result.n) end
  local err = result[2]
  if type(err) ~= "table" or err.code ~= "spec" then error(err, 0) end
  error(("%s: %s"):format(options.said_by, err.message), 3 + (options.level or 0))
end

local function answer(self, kind, m, options, ...)
  local client = self.client
  local entry = client.archive:get(m.chat, m.id, m.sender)
  if not entry or not entry.bytes then
    return nil, core.error("no-message", ("message %s in %s is not known, or too old"):format(m.id, m.chat))
  end
  if not entry:secret() then return nil, core.error("no-secret", ("message %s has no secret: nobody can answer it so"):format(m.id)) end
  local message, time, said = made(options, build[kind], client, entry, ...)
  local sent, err = client.sender:send(entry.chat, message, options)
  if sent and said then client.store:atomic(keep, client, kind, entry, time, said) end
  return sent, err
end

local function by(options, name)
  local copy = { said_by = name }
  for field, value in pairs(options or {}) do copy[field] = value end
  return copy
end

--- Votes in a poll, in place of what this account voted before. In a task.
-- @tparam table m the poll: chat, id, sender
-- @tparam string|table choices a choice, or an array of them; an empty one takes the vote back
-- @tparam ?table options as for client:send
-- @treturn ?table {id=, time=}
-- @treturn ?table err code "no-message": the poll is not known, or too old
function Answering:vote(m, choices, options)
  if type(choices) == "string" then choices = { choices } end
  return answer(self, "vote", m, by(options, "client:vote"), choices)
end

--- Answers an event. In a task.
-- @tparam table m the event
-- @string word "going", "not_going" or "maybe"
-- @tparam ?table options guests = how many come along; and as for client:send
-- @treturn ?table {id=, time=}
-- @treturn ?table err as `vote`
function Answering:respond(m, word, options)
  options = by(options, "client:respond")
  return answer(self, "response", m, options, word, options.guests)
end

--- Reacts as the announcement groups of communities want it, where nobody else sees who did.
-- @tparam table m
-- @string emoji empty: takes it back
function Answering:react(m, emoji, options) return answer(self, "reaction", m, by(options, "client:react"), emoji) end

--- Comments on a message, as announcement groups want it.
-- @tparam table m
-- @tparam string|table spec as client:send takes it
function Answering:comment(m, spec, options) return answer(self, "comment", m, by(options, "client:comment"), spec) end

--- Changes an own event.
-- @tparam table m
-- @tparam table changes what is to be another, by the fields of { event = … }; cancelled = true calls it off
function Answering:edit_event(m, changes, options) return answer(self, "event_edit", m, by(options, "client:edit"), changes) end

return function(client) return setmetatable({ client = client }, Answering) end
