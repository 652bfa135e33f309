--- What a handler gets: one message, its chat, and the ways to answer.
-- Methods raise when they fail: a handler that cannot send stops there, is logged and reported.
-- @module moonpost.bot.context
-- @field text the message's text, nil when it has none
-- @field chat bare JID of the chat
-- @field group whether the chat is a group
-- @field sender bare JID of the person: the LID once known, else the phone-number JID
-- @field phone the person's number, digits only, or nil
-- @field name the person's push name, or nil
-- @field id the message's id
-- @field time when it was sent, Unix seconds
-- @field age how many seconds ago that was, by the server's clock, when the handler began
-- @field kind what it is: "text", "reaction", "image", …, or "undecryptable": it came and cannot be read
-- @field reason why it cannot be read, a word; nil of all others
-- @field from_me whether the account's owner wrote it (only with `own = true`)
-- @field redelivered whether a handler had it before and did not end
-- @field message the whole Message as a table
local Context = {}

local fields = {
  text = true, chat = true, group = true, sender = true, phone = true, name = true, id = true, time = true, age = true,
  kind = true, from_me = true, redelivered = true, message = true, reason = true,
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
local function cause(ctx)
  local run = ctx.run
  run.sends = run.sends + 1
  return { run.origin, run.sends }
end

--- Answers in the chat, quoting the message.
-- @string text
-- @treturn table {id=, time=}
function Context:reply(text)
  text = to_text("reply", self, text)
  return check(self.run.client:send(self.chat, text, { cause = cause(self), quote = self.m }))
end

--- Writes to the chat without quoting.
-- @string text
-- @treturn table {id=, time=}
function Context:send(text)
  text = to_text("send", self, text)
  return check(self.run.client:send(self.chat, text, { cause = cause(self) }))
end

--- Reacts to the message; an empty text takes the reaction back.
-- @string emoji
function Context:react(emoji)
  emoji = to_text("react", self, emoji, true)
  return check(self.run.client:react(self.m, emoji, { cause = cause(self) }))
end

--- Shows "typing…" in the chat until the next send; while offline there is nobody to show it to.
function Context:typing()
  to_text("typing", self, "", true)
  local ok, err = self.run.client:typing(self.chat, true)
  if not ok and err.code ~= "closed" then error(err, 0) end
  return true
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
