--- What a bot hears besides messages: receipts, presence, typing, calls. None of it is kept: what comes while the bot is away is gone,
-- but for calls that were missed. The events of `bot:on`:
--
--     receipt      fn(receipt): somebody has received, read or played a message of the bot's: id, chat, group, sender, phone, time, status
--                  ("delivered", "read", "played"); once for each person and step, whichever of their devices tells it
--     call         fn(call): one rings: id, from, phone, name, video, group, time; `:reject()`, `:send(spec)`
--     missed_call  fn(call): one rang in vain, or while the bot was away
--     presence     fn(presence): somebody of `bot:presence(jid)` came or went: jid, phone, available, last (Unix seconds, nil where they
--                  do not show it); of a group: jid, available, count (how many are there)
--     caught_up    fn(info): handlers have heard what waited while the bot was away, once for each login: messages (how many there were),
--                  late (how many of them were too old to be answered), seconds (how long it took), complete (false: the server did not
--                  say that this was all)
--     picture      fn(picture): somebody's picture, or a group's, is another one now: jid, group (whether it is one), phone, id (nil: there
--                  is none any more), by (who has set it, nil where that is not told), from_me
--     typing       fn(typing): somebody begins to write to the bot, or stops: chat, group, sender, phone, state ("typing", "recording",
--                  "paused")
-- @module moonpost.bot.signals
local messages = require "moonpost.client.messages"
local running = require "moonpost.bot.running"
local traceback = require "moonpost.traceback"

local signals = {}

-- By event of a bot: fn(client, what the client tells) -> the client's event, what handlers are told; nil: nothing.
local told = {}

local Call = {}
Call.__index = Call
function Call.__tostring(call) return ("call %s from %s"):format(call.id, call.from) end

local function check(value, err)
  if value == nil then error(err, 0) end
  return value
end

--- Refuses the call.
-- @raise code "not-ringing": it is over, or was taken on another device; "closed": not connected
function Call:reject() return check(self.client:reject(self)) end

--- Writes to the caller, as `ctx:send` does.
-- @tparam string|table spec
function Call:send(spec) return check(self.client:send(self.from, spec)) end

local function call_of(client, call)
  return setmetatable({
    client = client, id = call.id, from = call.sender, sender = call.sender, chat = call.sender, phone = call.phone, name = call.name,
    video = call.video, group = call.group, time = call.time,
  }, Call)
end

function told.call(client, call) return call.state == "ringing" and call_of(client, call) or nil end
function told.missed_call(client, call) return call.state == "missed" and call_of(client, call) or nil end

function told.receipt(client, change)
  return {
    id = change.id, chat = change.chat, group = messages.is_group(change.chat), sender = change.sender,
    phone = client.lids:phone(change.sender), status = change.status, time = change.time,
  }
end

function told.caught_up(_, info) return info end

function told.picture(client, change)
  return {
    jid = change.jid, group = change.group, phone = not change.group and client.lids:phone(change.jid) or nil, id = change.id,
    by = change.by, from_me = change.from_me,
  }
end

local presences = setmetatable({}, { __mode = "k" }) -- by client: JID -> the state its handlers were told last

-- What is asked for again is answered again: handlers are told of changes.
function told.presence(client, presence)
  local states, state = presences[client] or {}, ("%s %s %s"):format(presence.available, presence.last, presence.count)
  presences[client] = states
  if states[presence.jid] == state then return nil end
  states[presence.jid] = state
  return {
    jid = presence.jid, phone = client.lids:phone(presence.jid), available = presence.available, last = presence.last,
    count = presence.count,
  }
end

local states = { composing = "typing", recording = "recording", paused = "paused" }

function told.typing(client, typing)
  return {
    chat = typing.chat, group = messages.is_group(typing.chat), sender = typing.sender, phone = client.lids:phone(typing.sender),
    state = states[typing.state],
  }
end

local from_client = {
  call = "call", missed_call = "call", receipt = "status", presence = "presence", typing = "chatstate",
  caught_up = "caught_up", picture = "picture",
}

--- The events of bots told here.
signals.events = {}
for name in pairs(from_client) do signals.events[name] = true end

--- Has a bot's handlers hear of it.
-- @param bot
-- @param client its client
-- @func report fn(bot, err): a handler failed
function signals.listen(bot, client, report)
  for name, event in pairs(from_client) do
    client:on(event, function(value)
      local handlers = bot.handlers[name]
      local shown = #handlers > 0 and told[name](client, value)
      if not shown then return end
      for _, handler in ipairs(handlers) do
        local ok, err = xpcall(handler.fn, traceback.told, shown)
        if not ok then report(bot, err) end
      end
    end)
  end
end

--- Has the event `presence` tell when somebody comes and goes, or how many of a group are there, as long as the bot runs. What is asked
-- for before it is online is asked for then.
-- @string jid of a person or a group
-- @treturn boolean true
function signals.presence(bot, jid)
  return running(bot, "presence", 2):watch(jid)
end

return signals
