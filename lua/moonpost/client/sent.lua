--- The messages this device has sent lately, as their recipients got them: what a device could not read is brought to it again
-- (fact sheet 03 §18.3). They outlive the process; the oldest go first, and all of them after a while.
-- @module moonpost.client.sent
local core = require "moonpost.core"
local limits = require "moonpost.client.limits"
local new_ring = require "moonpost.client.ring"
local proto = core.proto

local Sent = {}
Sent.__index = Sent

--- Keeps a message the server has accepted.
-- @tparam table row of the outbox: id, to, message (the Message's bytes)
function Sent:keep(row)
  if not row.message then return end
  self.ring:put(row.id, assert(proto.encode("StoreSent", { to = row.to, message = row.message })), core.net.time())
end

--- A message by its id, from the outbox as long as the server has not accepted it.
-- @treturn ?table {id, to, message (bytes)}
function Sent:find(id)
  local waiting = self.client.outbox:find(id)
  if waiting and waiting.message then return { id = id, to = waiting.to, message = waiting.message } end
  local bytes = self.ring:get(id)
  if not bytes then return nil end
  local row = assert(proto.decode("StoreSent", bytes))
  return { id = id, to = row.to, message = row.message }
end

--- Drops some of what is too old; whether there may be more.
function Sent:sweep(now) return self.ring:sweep(now - limits.SENT_SECONDS) end

--- The rows are not what they were.
function Sent:recount() self.ring:recount() end

return function(client)
  return setmetatable({
    client = client,
    ring = new_ring { store = client.store, kind = "s", most = limits.SENT_ROWS, most_bytes = limits.SENT_BYTES },
  }, Sent)
end
