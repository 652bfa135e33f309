--- What a handler gets: one message, its chat, and the ways to answer.
-- Methods raise when they fail: a handler that cannot send stops there, is logged and reported.
-- @module moonpost.bot.context
-- @field text the message's text, nil when it has none
-- @field chat bare JID of the chat
-- @field group the group (moonpost.bot.group), false where the chat is none
-- @field place "direct", "group", "status", "broadcast" or "newsletter" (moonpost.client.places)
-- @field broadcast the list it was sent to, of place "broadcast"
-- @field newsletter of place "newsletter": {server_id}, its number in the channel
-- @field sender bare JID of the person: the LID once known, else the phone-number JID
-- @field phone the person's number, digits only, or nil
-- @field name the person's push name, or nil
-- @field id the message's id
-- @field time when it was sent, Unix seconds
-- @field age how many seconds ago that was, by the server's clock, when the handler began
-- @field late whether that is more than the bot's `late_seconds`: then it is not answered any more
-- @field kind what it is: "text", "poll", "location", …, "unknown" where nobody reads it yet, or "undecryptable": it came and cannot be
-- read. Most kinds have a table of their name: `ctx.location`, `ctx.contacts`, … (docs/kinds.md)
-- @field media its file: what is said of it, and methods that load it (moonpost.bot.media), or nil; `quoted` has one as well
-- @field quoted the message it answers: {id, chat, sender, kind, text, message}, or nil
-- @field mentions whom it mentions, an array of bare JIDs; `mentions.me` and `mentions.everyone` tell whether it is the own account, or all
-- @field forwarded how often it was forwarded, or nil
-- @field expires after how many seconds it disappears, or nil
-- @field view_once whether it may be seen once only
-- @field raw the bytes of the Message as they came
-- @field reason why it cannot be read, a word; nil of all others
-- @field from_me whether the account's owner wrote it (only with `own = true`)
-- @field redelivered whether a handler had it before and did not end
-- @field message the whole Message as a table
local core = require "moonpost.core"
local dress = require "moonpost.bot.dress"
local make_group = require "moonpost.bot.group"
local message = require "moonpost.bot.message"
local places = require "moonpost.client.places"
local seen = require "moonpost.bot.seen"

local Context = {}

local hidden = { entry = true, offline = true, attempts = true } -- fields of the event that are the client's own

-- The group of a message in one: the same for all of a handler's run.
local function group_of(ctx, run, chat)
  run.group = run.group or make_group(run.client, chat, function(spec) return ctx:send(spec) end)
  return run.group
end

-- Methods first; every other field is the message's, and so is `vote` where it is one.
function Context.__index(ctx, name)
  local method = Context[name]
  local m = rawget(ctx, "m")
  if method ~= nil and not (name == "vote" and m.vote) or hidden[name] then return method end
  if name == "status" and m.from_me then return rawget(ctx, "run").client:status_of(m) end
  if name == "group" then return m.group and group_of(ctx, rawget(ctx, "run"), m.chat) or false end
  return rawget(m, name)
end

function Context.__tostring(ctx) return ("message %s from %s"):format(ctx.id, ctx.sender) end

local function check(value, err, ...)
  if value == nil then error(err, 0) end
  return value, err, ...
end

local function check_self(method, ctx)
  if getmetatable(ctx) ~= Context then error(("ctx.%s was called with a dot: write ctx:%s(…)"):format(method, method), 4) end
end

-- The text given to a method; a number is taken for one, as by Lua's own string functions.
local function to_text(method, ctx, text, may_be_empty)
  check_self(method, ctx)
  if type(text) == "number" then text = tostring(text) end
  if type(text) ~= "string" then error(("ctx:%s expects a text, got %s"):format(method, type(text)), 3) end
  if text == "" and not may_be_empty then error(("ctx:%s expects a text that is not empty"):format(method), 3) end
  return text
end

-- The n-th send of a handler takes an id derived from its message and n: run twice, it sends the same ids.
local function cause_of(run)
  run.sends = run.sends + 1
  return { run.origin, run.sends }
end

local function cause(ctx) return cause_of(ctx.run) end

-- What a method is to send: a text as `to_text` has it, or a table, which client:send checks.
local function to_spec(method, ctx, spec)
  if type(spec) ~= "table" then return to_text(method, ctx, spec) end
  check_self(method, ctx)
  return spec
end

local function is_late(err) return type(err) == "table" and err.code == "late" end

-- Ends a handler that would answer what is too old for that.
local function in_time(ctx)
  local m = rawget(ctx, "m")
  if not m.late then return end
  error(core.error("late", ("message %s from %s is not answered: it is %d minutes old"):format(m.id, m.sender, m.age // 60)), 0)
end

--- Answers in the chat, quoting the message.
-- @tparam string|table spec a text, or a table with its kind's word, such as { location = {52.5, 13.4} } (docs/kinds.md)
-- @treturn table the message that was sent (moonpost.bot.message)
function Context:reply(spec)
  spec = to_spec("reply", self, spec)
  in_time(self)
  local to = message.answered(self.m)
  local sent = check(self.run.client:send(to, spec, { cause = cause(self), quote = self.m, said_by = "ctx:reply", level = 1 }))
  return message.sent_by(self, to, sent)
end

--- Writes to the chat without quoting.
-- @tparam string|table spec as for `reply`
-- @treturn table the message that was sent (moonpost.bot.message)
function Context:send(spec)
  spec = to_spec("send", self, spec)
  in_time(self)
  local to = message.answered(self.m)
  local sent = check(self.run.client:send(to, spec, { cause = cause(self), said_by = "ctx:send", level = 1 }))
  return message.sent_by(self, to, sent)
end

-- What can be done to a message (moonpost.bot.message), to this one.
local answers = { react = true, comment = true }

for name, method in pairs(message.methods) do
  Context[name] = Context[name] or function(ctx, ...)
    check_self(name, ctx)
    if answers[name] then in_time(ctx) end
    return method(ctx, ...)
  end
end

local function show(name, ctx)
  check_self(name, ctx)
  in_time(ctx)
  local client = ctx.run.client
  local ok, err = client[name](client, message.answered(ctx.m), true)
  if not ok and err.code ~= "closed" then error(err, 0) end
end

--- Shows "typing…" in the chat until the next send; while offline there is nobody to show it to.
function Context:typing()
  show("typing", self)
  return true
end

--- Shows "recording…" in the chat, likewise.
function Context:recording()
  show("recording", self)
  return true
end

--- Tells the sender that the message was read, before its handler has ended, or where the bot's `mark_read` is off.
function Context:mark_read()
  check_self("mark_read", self)
  return check(self.run.client:mark_read { self.m })
end

--- Tells the sender that a voice message was listened to, or that something to be viewed once was seen.
function Context:mark_played()
  check_self("mark_played", self)
  return check(self.run.client:mark_read({ self.m }, "played"))
end

local function timeout_of(options)
  if options == nil then return nil end
  if type(options) ~= "table" then error("ctx:ask expects options such as { timeout = 60 }, got " .. type(options), 3) end
  for name in pairs(options) do
    if name ~= "timeout" then error(("ctx:ask has no option '%s' (timeout)"):format(tostring(name)), 3) end
  end
  local timeout = options.timeout
  if timeout ~= nil and not (type(timeout) == "number" and timeout > 0) then
    error(("ctx:ask expects a timeout in seconds, more than 0, got %s"):format(tostring(timeout)), 3)
  end
  return timeout
end

--- Asks, and waits for this person's next message in this chat, which no other handler then sees.
-- @string text the question
-- @tparam ?table options {timeout = seconds, more than 0}; without it the wait has no end
-- @treturn ?table the answer's context (`answer.text` is what was written); nil at the timeout
function Context:ask(text, options)
  text = to_text("ask", self, text)
  local timeout = timeout_of(options)
  in_time(self)
  if places.aloof[self.place] then
    error(("ctx:ask waits for an answer where this was said: nobody answers in a %s"):format(self.place), 2)
  end
  seen(self.run)
  self:send(text)
  local run = self.run
  local answer = run.conversation:wait(run.origin, run.held, timeout)
  return answer and setmetatable({ m = dress(answer, run.client), run = run }, Context)
end

--- Makes contexts: called with the client, a message event and the bot's conversation, it returns the context of the message.
-- What a handler's run has in common with the answers it asks for stands in `run`: its first message, the answers it
-- holds, the number of its sends; `mark_read`: whether what a handler has dealt with is shown as read; `made`: makes objects of messages
-- (moonpost.bot.message). `cause(run)` is the cause of its next one.
-- `is_late(err)`: whether an error is that of an answer to what is too old for one.
return setmetatable({ cause = cause_of, is_late = is_late }, { __call = function(_, client, m, conversation, mark_read, made)
  local run = {
    client = client, conversation = conversation, origin = m, held = {}, sends = 0, mark_read = mark_read, seen = {}, cause = cause,
    made = made,
  }
  return setmetatable({ m = dress(m, client), run = run }, Context)
end })
