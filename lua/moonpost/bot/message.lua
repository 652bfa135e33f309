--- Messages as bots hold them: what `ctx:send`, `ctx:reply`, `bot:send` and `bot:message` give, and what can be done to one. A handler's
-- `ctx` has the same methods. They raise when they fail. What a handler does so takes ids derived from its message: run again, it does
-- nothing twice.
-- @module moonpost.bot.message
-- @field id, chat, group (whether the chat is one), sender, phone, from_me, name, time, kind, text, quoted, mentions, … as of `ctx`
-- @field parts of an album that was just sent: its pictures and videos, each such a message
-- @field edited when it was edited last (Unix seconds), or nil; `text` is then the new one
-- @field revoked by whom it was deleted for everybody, or nil; its words are gone then
-- @field deleted when it was deleted for this account alone (Unix seconds), or nil; its words are gone then
-- @field status of an own one: "pending", "sent", "failed", or what all it was for have done: "delivered", "read", "played"
local dress = require "moonpost.bot.dress"

local methods = {}

local function check(value, err, ...)
  if value == nil then error(err, 0) end
  return value, err, ...
end

-- Where an answer goes: to the author of a status post alone.
local function answered(m) return m.place == "status" and not m.newsletter and m.sender or m.chat end

-- What was not needed so far: a message just sent is read from the archive when somebody asks for more than its id.
local function complete(m, client)
  m.partly = nil
  for name, value in pairs(client:message(m.chat, m.id, m.sender) or {}) do m[name] = value end
  dress(m, client)
end

-- The message behind an object, the client, and the options of a send made through it: its cause is the handler that runs.
local function parts(object, name)
  local m, run
  if type(object) == "table" then m, run = rawget(object, "m"), rawget(object, "run") end
  if not m then error(("%s was called with a dot: write message:%s(…)"):format(name, name), 3) end
  if m.partly and (name == "forward" or name == "reply") then complete(m, run.client) end
  return m, run.client, { cause = run.cause(object), said_by = "message:" .. name }
end

local function text_of(name, text, empty_too)
  if type(text) == "number" then text = tostring(text) end
  if type(text) ~= "string" or text == "" and not empty_too then
    error(("message:%s expects a text%s, got %s"):format(name, empty_too and "" or " that is not empty", type(text)), 3)
  end
  return text
end

-- What a send returned, and each part of it where it was an album, as objects that can be acted on.
local function made_of(made, client, chat, sent)
  local pieces = sent.parts and {}
  for i, one in ipairs(sent.parts or {}) do pieces[i] = made_of(made, client, chat, one) end
  return made {
    id = sent.id, chat = chat, sender = client.me.jid, from_me = true, time = sent.time, parts = pieces, partly = true,
  }
end

local function sent_by(object, chat, sent)
  local run = rawget(object, "run")
  return made_of(run.made, run.client, chat, sent)
end

--- Edits an own text, or the caption of an own picture, within 20 minutes; or an own event.
-- @tparam string|table spec a text, or { text =, mentions = }; of an event what is to be another: { starts =, cancelled = true, … }
-- @treturn table the message
function methods:edit(spec)
  local m, client, options = parts(self, "edit")
  options.level = 1
  check(client:edit(m, type(spec) == "table" and spec or text_of("edit", spec), options))
  return self
end

--- Deletes the message for everybody: an own one; as an admin of a group, anybody's there.
function methods:delete()
  local m, client, options = parts(self, "delete")
  check(client:delete(m, options))
  return self
end

--- Reacts; an empty text takes the reaction back.
-- @string emoji
function methods:react(emoji)
  local m, client, options = parts(self, "react")
  check(client:react(m, text_of("react", emoji, true), options))
  return self
end

--- Pins the message for everybody.
-- @tparam ?int seconds a day, a week (usual) or 30 days
function methods:pin(seconds)
  local m, client, options = parts(self, "pin")
  check(client:pin(m, seconds, options))
  return self
end

for _, name in ipairs { "unpin", "keep", "unkeep", "delete_for_me" } do
  methods[name] = function(self)
    local m, client, options = parts(self, name)
    check(client[name](client, m, options))
    return self
  end
end

--- Forwards the message.
-- @string chat bare JID of a person, or a group's
-- @treturn table the message that was sent
function methods:forward(chat)
  local m, client, options = parts(self, "forward")
  return sent_by(self, chat, check(client:forward(m, chat, options)))
end

--- Answers in the chat, quoting the message.
-- @tparam string|table spec as `ctx:reply` takes it
-- @treturn table the message that was sent
function methods:reply(spec)
  local m, client, options = parts(self, "reply")
  options.quote = m
  local to = answered(m)
  return sent_by(self, to, check(client:send(to, type(spec) == "table" and spec or text_of("reply", spec), options)))
end

--- Votes in the poll that the message is, in place of what the account voted before.
-- @tparam string|table choices a choice, or an array of them; an empty one takes the vote back
function methods:vote(choices)
  local m, client, options = parts(self, "vote")
  options.level = 1
  check(client:vote(m, choices, options))
  return self
end

--- The votes on the poll that the message is, is a vote on, or quotes; see client:votes.
function methods:votes()
  local m, client = parts(self, "votes")
  return check(client:votes(m))
end

--- Answers the event that the message is.
-- @string answer "going", "not_going" or "maybe"
-- @tparam ?table more guests = how many come along
function methods:respond(answer, more)
  local m, client, options = parts(self, "respond")
  options.level = 1
  options.guests = more and more.guests
  check(client:respond(m, answer, options))
  return self
end

--- The responses to the event that the message is, answers, or quotes; see client:responses.
function methods:responses()
  local m, client = parts(self, "responses")
  return check(client:responses(m))
end

--- Comments on the message, where that can be done: in the announcement group of a community.
-- @tparam string|table spec as `ctx:reply` takes it
-- @treturn table the message that was sent
function methods:comment(spec)
  local m, client, options = parts(self, "comment")
  options.level = 1
  return sent_by(self, m.chat, check(client:comment(m, spec, options)))
end

--- The reactions to the message, one a person: array of {sender, emoji, time}, oldest first.
function methods:reactions()
  local m, client = parts(self, "reactions")
  return client.effects:reactions(m)
end

--- Who has received, read and played an own message: array of {jid, delivered, read, played}, each Unix seconds or nil.
function methods:receipts()
  local m, client = parts(self, "receipts")
  return client.delivered:of(m.id)
end

local Message = { methods = methods, answered = answered }

function Message.__index(message, name)
  local method = methods[name]
  if method then return method end
  local m = rawget(message, "m")
  local client = rawget(message, "run").client
  if name == "status" and m.from_me then return client:status_of(m) end
  if m[name] == nil and m.partly then complete(m, client) end
  return m[name]
end

function Message.__newindex(_, name) error(("a message's '%s' is not set so: its methods change it"):format(tostring(name)), 2) end
function Message.__tostring(message) return ("message %s in %s"):format(message.id, message.chat) end

--- Makes the objects of a bot's messages.
-- @param client
-- @func cause fn() -> the cause of what is sent now, or nil outside of handlers
-- @treturn function fn(m) -> object
function Message.maker(client, cause)
  local run = { client = client, cause = cause }
  function run.made(m) return setmetatable({ m = dress(m, client), run = run }, Message) end
  return run.made
end

Message.sent_by, Message.made_of = sent_by, made_of

return Message
