--- Being available, and typing (fact sheet 04 §13, 07 §6).
-- @module moonpost.client.presence
local attributes = require "moonpost.client.attrs"
local core = require "moonpost.core"
local stanza = require "moonpost.stanza"
local jid = core.wire.jid

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

--- Shows or hides "typing…" in a chat.
function Presence:typing(chat, on)
  return self.client.connection:send(stanza.node("chatstate", { to = self.client.lids:stable(jid.bare(chat)) },
    stanza.node(on and "composing" or "paused")))
end

function Presence:presence(node)
  local from = attributes.bare(node, "from")
  if not from then return end
  self.client:emit("presence", {
    jid = self.client.lids:stable(from), available = node.attrs.type ~= "unavailable", last = attributes.time(node.attrs.last),
  })
end

function Presence:chatstate(node)
  local from, state = attributes.bare(node, "from"), stanza.child(node)
  if not from or not state then return end
  self.client:emit("chatstate", {
    chat = self.client.lids:stable(from), sender = self.client.lids:stable(attributes.bare(node, "participant") or from),
    state = state.tag,
  })
end

return function(client) return setmetatable({ client = client }, Presence) end
