--- Messages of this account by their id alone, as receipts name them: from the outbox as long as the server has not accepted them, then
-- from the archive, until they are too old to be brought to a device again (fact sheet 03 §18.3). Table "dedupe": "s" id -> chat, time.
-- @module moonpost.client.sent
local core = require "moonpost.core"
local limits = require "moonpost.client.limits"
local rows = require "moonpost.client.rows"

local Sent = {}
Sent.__index = Sent

--- Notes that the server has accepted a message.
-- @string id
-- @string to the stanza's, or the chat
-- @number time Unix seconds
function Sent:keep(id, to, time) self.client.store:put("dedupe", "s" .. id, self.client.lids:stable(to) .. rows.time(time)) end

--- When the server accepted a message, Unix seconds; nil when it did not.
function Sent:time(id)
  local value = self.client.store:get("dedupe", "s" .. id)
  return value and (">I8"):unpack(value, #value - 7)
end

--- A message by its id.
-- @treturn ?table {id, to, message (bytes)}
function Sent:find(id)
  local client = self.client
  local waiting = client.outbox:find(id)
  if waiting and waiting.message then return { id = id, to = waiting.to, message = waiting.message } end
  local value = client.store:get("dedupe", "s" .. id)
  local entry = value and #value > 8 and client.archive:get(value:sub(1, -9), id, client.me.jid)
  if not entry or not entry.bytes or core.net.time() - entry.time > limits.SENT_SECONDS then return nil end
  return { id = id, to = entry.to, message = entry.bytes }
end

return function(client) return setmetatable({ client = client }, Sent) end
