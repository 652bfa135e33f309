--- What a bot writes, and finds again: `bot:send`, `bot:status`, `bot:set_expiration`, `bot:message`. Methods of the bot, in a task; what
-- a handler sends so takes an id derived from its message, as ctx:send does.
-- @module moonpost.bot.writing
local lazy = require "moonpost.lazy"
local context = lazy "moonpost.bot.context"
local message = require "moonpost.bot.message"
local places = require "moonpost.client.places"
local running = require "moonpost.bot.running"
local task = require "moonpost.task"

local writing = {}

-- The cause of what is sent now: the handler that runs, if one does.
local function cause_of(bot)
  local run = bot.runs[task.running()]
  return run and context.cause(run)
end

local function message_of(bot, chat, sent)
  return message.made_of(bot.made, bot.client, chat, sent)
end

--- Writes to a chat.
-- @string chat bare JID of a person (phone number or LID), a group's or a newsletter's
-- @tparam string|table spec a text, or a table with its kind's word, such as { location = {52.5, 13.4} } (docs/kinds.md)
-- @treturn table the message that was sent (moonpost.bot.message)
-- @raise when it cannot be sent
function writing:send(chat, spec)
  local client = running(self, "send", 2)
  local sent, err = client:send(chat, spec, { cause = cause_of(self), said_by = "bot:send", level = 1 })
  if not sent then error(err, 0) end
  return message_of(self, chat, sent)
end

--- A message that came or was sent, by its chat and id: as it is now, edited or deleted.
-- @string chat bare JID
-- @string id
-- @tparam ?string sender bare JID; without it the own message of that id, else the oldest one
-- @treturn ?table message (moonpost.bot.message); nil when it is not known, or not any more (docs/messages.md)
function writing:message(chat, id, sender)
  local client = running(self, "message", 2)
  if type(chat) ~= "string" or type(id) ~= "string" or not chat:find "@" then
    error(("bot:message expects a chat's JID and the id of a message, got '%s' and '%s'"):format(tostring(chat), tostring(id)), 2)
  end
  local m = client:message(chat, id, sender)
  return m and self.made(m)
end

--- Sets after how long messages of a chat disappear.
-- @string chat bare JID of a person, or a group's
-- @int seconds 0 (never), 86400, 604800 or 7776000
-- @raise when it cannot be set
function writing:set_expiration(chat, seconds)
  local ok, err = running(self, "set_expiration", 2):set_expiration(chat, seconds, { cause = cause_of(self) })
  if not ok then error(err, 0) end
end

--- Posts a status: shown for a day to the people named, as far as the account's own setting lets them see it.
-- @tparam table post to = { jid, … }; text = text, background = "#RRGGBB", font = 0 to 9; or another kind's word (docs/kinds.md)
-- @treturn table the message that was posted (moonpost.bot.message): `:delete()` takes it back
-- @raise when it cannot be posted; code "audience": there is nobody who may see it
function writing:status(post)
  local client = running(self, "status", 2)
  if type(post) ~= "table" then error("bot:status expects { text = text, to = { jid, … } }", 2) end
  local spec = {}
  for name, value in pairs(post) do spec[name] = value end
  spec.to = nil
  local sent, err = client:send(places.STATUS, spec, { to = post.to, cause = cause_of(self), said_by = "bot:status", level = 1 })
  if not sent then error(err, 0) end
  return message_of(self, places.STATUS, sent)
end

return writing
