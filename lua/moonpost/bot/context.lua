--- What a handler gets: one message, its chat, and the ways to answer.
-- Methods raise when they fail: a handler that cannot send stops there, is logged and reported.
-- @module moonpost.bot.context
-- @field text the message's text, nil when it has none
-- @field chat bare JID of the chat
-- @field sender bare JID of the person: the LID once known, else the phone-number JID
-- @field phone the person's number, digits only, or nil
-- @field name the person's push name, or nil
-- @field id the message's id
-- @field time when it was sent, Unix seconds
-- @field kind what it is: "text", "reaction", "image", …
-- @field from_me whether the account's owner wrote it (only with `own = true`)
-- @field redelivered whether a handler had it before and did not end
-- @field message the whole Message as a table
local Context = {}

local fields = {
  text = true, chat = true, sender = true, phone = true, name = true, id = true, time = true, kind = true,
  from_me = true, redelivered = true, message = true,
}

function Context.__index(ctx, name)
  if fields[name] then return rawget(ctx, "m")[name] end
  return Context[name]
end

function Context.__tostring(ctx) return ("message %s from %s"):format(ctx.id, ctx.sender) end

local function check(value, err, ...)
  if value == nil then error(err, 0) end
  return value, err, ...
end

local function check_text(method, text)
  if type(text) ~= "string" then error(("ctx:%s expects a text, got %s"):format(method, type(text)), 3) end
end

-- The n-th send of a handler takes an id derived from its message and n: run twice, it sends the same ids.
local function cause(ctx)
  local run = ctx.run
  run.sends = run.sends + 1
  return { run.origin, run.sends }
end

--- Answers in the chat, quoting the message.
-- @string text
-- @treturn table {id=, time=}
function Context:reply(text)
  check_text("reply", text)
  return check(self.run.client:send(self.chat, text, { cause = cause(self), quote = self.m }))
end

--- Writes to the chat without quoting.
-- @string text
-- @treturn table {id=, time=}
function Context:send(text)
  check_text("send", text)
  return check(self.run.client:send(self.chat, text, { cause = cause(self) }))
end

--- Reacts to the message; an empty text takes the reaction back.
-- @string emoji
function Context:react(emoji)
  check_text("react", emoji)
  return check(self.run.client:react(self.m, emoji, { cause = cause(self) }))
end

--- Shows "typing…" in the chat until the next send.
function Context:typing()
  return check(self.run.client:typing(self.chat, true))
end

--- Asks, and waits for this person's next message in this chat, which no other handler then sees.
-- @string text the question
-- @tparam ?table options {timeout = seconds}
-- @treturn ?table the answer's context; nil at the timeout
function Context:ask(text, options)
  check_text("ask", text)
  local timeout = options and options.timeout
  if timeout ~= nil and type(timeout) ~= "number" then error("ctx:ask expects timeout in seconds, got " .. type(timeout), 2) end
  self:send(text)
  local run = self.run
  local answer = run.conversation:wait(run.origin, run.held, timeout)
  return answer and setmetatable({ m = answer, run = run }, Context)
end

--- Makes the context of a message.
-- What a handler's run has in common with the answers it asks for stands in `run`: its first message, the answers it
-- holds, the number of its sends.
-- @param client moonpost client
-- @param m message event
-- @param conversation who waits for what
-- @treturn table
return function(client, m, conversation)
  return setmetatable({ m = m, run = { client = client, conversation = conversation, origin = m, held = {}, sends = 0 } }, Context)
end
