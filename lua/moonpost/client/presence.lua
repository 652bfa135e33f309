--- Being available, and typing, ours and others' (fact sheet 04 §13, 07 §6).
-- @module moonpost.client.presence
local attributes = require "moonpost.client.attrs"
local core = require "moonpost.core"
local stanza = require "moonpost.stanza"
local jid = core.wire.jid

local TYPING_SECONDS = 25 -- after so long without a renewal nobody types any more (04 §13.2)
local TYPING_MOST = 1000  -- people who type at once whose marks end by themselves

local Presence = {}
Presence.__index = Presence

--- Tells the server that somebody is here: receipts count as delivered from now on, and the push name is known.
function Presence:available()
  local client = self.client
  local milliseconds = math.floor(core.net.time() * 1000)
  client.connection:send(stanza.node("ib", nil, stanza.node("unified_session", {
    id = (milliseconds + 259200000) % 604800000, -- a week's clock: fact sheet 01 §11.3
  })))
  client.connection:send(stanza.node("presence", { type = "available", name = client.me.name }))
  self.shown_on = client.connection.link
end

--- Whether this connection has told the server that somebody is here.
function Presence:is_available() return self.shown_on ~= nil and self.shown_on == self.client.connection.link end

--- Tells the server that nobody is here any more.
function Presence:unavailable()
  self.client.connection:send(stanza.node("presence", { type = "unavailable", name = self.client.me.name }))
  self.shown_on = nil
end

-- Who wants no strangers to know is shown the token they gave us (03 §15.2).
local function ask(self, chat)
  local token = self.client.privacy_tokens:shown_to(chat)
  return self.client.connection:send(stanza.node("presence", { type = "subscribe", to = chat }, token))
end

--- Has the server tell from now on when somebody comes and goes, or how many of a group are there. It holds for each connection anew:
-- what was asked for is asked for again at every login.
-- @string chat bare JID of a person or a group
-- @treturn ?boolean true
function Presence:subscribe(chat)
  chat = self.client.lids:stable(chat)
  self.watched[chat] = true
  if self.client.connection.online then ask(self, chat) end
  return true
end

--- Asks again for everybody: the connection is new.
function Presence:go()
  for chat in pairs(self.watched) do ask(self, self.client.lids:stable(chat)) end
end

--- Shows or hides "typing…" in a chat, of a person or a group, or "recording…".
-- @string chat bare JID
-- @bool on
-- @bool recording
-- @treturn ?boolean true
-- @treturn ?table err code "closed": not connected
function Presence:typing(chat, on, recording)
  return self.client.connection:send(stanza.node("chatstate", { to = self.client.lids:stable(jid.bare(chat)) },
    on and stanza.node("composing", { media = recording and "audio" or nil }) or stanza.node "paused"))
end

-- How many of a group are there: nobody, or so many (09 §4.4).
local function count_of(node)
  if node.attrs.type == "unavailable" then return 0 end
  local count = math.tointeger(tonumber(node.attrs.count))
  return count and count > 0 and count or nil
end

--- A `<presence>` that came.
function Presence:presence(node)
  local from = attributes.bare(node, "from")
  local _, server = jid.parse(from or "")
  if server == "g.us" then
    local count = count_of(node)
    if count then self.client:emit("presence", { jid = from, count = count, available = count > 0 }) end
  elseif attributes.is_person(from) then
    self.client:emit("presence", {
      jid = self.client.lids:stable(from), available = node.attrs.type ~= "unavailable", last = attributes.time(node.attrs.last),
    })
  end
end

local function tell(self, chat, sender, state, expired)
  self.client:emit("chatstate", { chat = chat, sender = sender, state = state, expired = expired })
end

-- Who types is taken to have stopped when nothing renews it: the end may be lost on the way.
local function keep_time(self, chat, sender, state)
  local name = chat .. "\0" .. sender
  local timer = self.timers[name]
  if timer then
    timer:stop()
    self.timers[name], self.typers = nil, self.typers - 1
  end
  if state == "paused" or self.typers >= TYPING_MOST then return end
  self.typers = self.typers + 1
  self.timers[name] = core.net.timer(self.typing_seconds, function()
    self.timers[name], self.typers = nil, self.typers - 1
    tell(self, chat, sender, "paused", true)
  end)
end

local function state_of(node)
  local child = stanza.child(node)
  if not child or child.tag ~= "composing" and child.tag ~= "paused" then return nil end
  return child.attrs.media == "audio" and child.tag == "composing" and "recording" or child.tag
end

--- A `<chatstate>` that came. What waited for us in the server's queue, and what we type ourselves elsewhere, tells nothing.
function Presence:chatstate(node)
  local from, state = attributes.bare(node, "from"), state_of(node)
  if not from or not state or node.attrs.offline then return end
  local lids = self.client.lids
  local chat, sender = lids:stable(from), lids:stable(attributes.bare(node, "participant") or from)
  if not attributes.is_person(sender) or sender == lids:stable(self.client.me.jid) then return end
  keep_time(self, chat, sender, state)
  tell(self, chat, sender, state)
end

--- Waits for nobody to stop typing any more.
function Presence:rest()
  for _, timer in pairs(self.timers) do timer:stop() end
  self.timers, self.typers = {}, 0
end

return function(client)
  return setmetatable({ client = client, watched = {}, timers = {}, typers = 0, typing_seconds = TYPING_SECONDS }, Presence)
end
