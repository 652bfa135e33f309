--- What a client shows and hears of people besides messages: typing, coming and going, what was read, calls. Methods of the client.
-- @module moonpost.client.signals
local core = require "moonpost.core"

local signals = {}

-- The JID of a person or a group without its device; raises at the caller of the caller.
local function chat_of(name, chat)
  local user, server = core.wire.jid.parse(type(chat) == "string" and chat or "")
  if (server == "s.whatsapp.net" or server == "lid" or server == "g.us") and user ~= "" then return core.wire.jid.bare(chat) end
  error(("client:%s expects the JID of a person or a group, got '%s'"):format(name, tostring(chat)), 3)
end

--- Shows "typing…" in a chat, or takes it away.
-- @string jid of a person or a group
-- @bool on
-- @treturn ?boolean true
-- @treturn ?table err code "closed": not connected
function signals:typing(jid, on) return self.presence:typing(chat_of("typing", jid), on, false) end

--- Shows "recording…" in a chat, or takes it away; see `typing`.
function signals:recording(jid, on) return self.presence:typing(chat_of("recording", jid), on, true) end

--- Has the event `presence` tell when somebody comes and goes, or how many of a group are there, as far as they let others know.
-- Holds until the client is closed.
-- @string jid of a person or a group
-- @treturn boolean true
function signals:watch(jid) return self.presence:subscribe(chat_of("watch", jid)) end

--- Refuses a call that rings.
-- @tparam table call as handlers of the event `call` are told
-- @treturn ?boolean true
-- @treturn ?table err code "not-ringing": it is over, or was taken on another device; "closed": not connected
function signals:reject(call)
  if type(call) ~= "table" or type(call.id) ~= "string" then error("client:reject expects a call", 2) end
  return self.calls:reject(call)
end

--- Tells the authors of messages that they were read, once that is written: one receipt for many of one author in a chat. Where the
-- account keeps that to itself (its privacy settings), people are not told, only the own other devices are.
-- @tparam table messages message events, or {id=, chat=, sender=}; own ones are passed over
-- @tparam ?string what "read" (usual), or "played": a voice message was listened to, something to be viewed once was seen
function signals:mark_read(messages, what)
  if what ~= nil and what ~= "read" and what ~= "played" then error("client:mark_read tells 'read' or 'played'", 2) end
  for i, m in ipairs(messages) do
    for _, name in ipairs { "id", "chat", "sender" } do
      if type(m[name]) ~= "string" then error(("client:mark_read: message %d has no %s"):format(i, name), 2) end
    end
  end
  if self.over then return nil, core.error("closed", "the client is closed") end
  for _, m in ipairs(messages) do self.read_marks:add(m, what) end
  return true
end

return signals
