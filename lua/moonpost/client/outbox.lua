--- The outbox: messages the server has not acknowledged. A message is stored, as the very bytes of its stanza, before the first
-- of them leaves; it keeps its id and its ciphertexts for life, is sent again after a reconnect or a restart, and goes with the ack.
-- @module moonpost.client.outbox
local core = require "moonpost.core"
local rows = require "moonpost.client.rows"
local task = require "moonpost.task"
local proto = core.proto

local LIMIT_SECONDS = 24 * 3600 -- older ones are dropped, with a report

local Outbox = {}
Outbox.__index = Outbox

local function sent_key(id) return "s" .. id end

--- Whether a message whose id comes from its cause was sent and acknowledged before; its time then.
function Outbox:sent(id)
  local time = self.client.store:get("dedupe", sent_key(id))
  return time and (">I8"):unpack(time)
end

--- Whether a message waits for its ack.
function Outbox:holds(id) return self.client.store:get("outbox", id) ~= nil end

local function next_order(self)
  if not self.order then
    self.order = 0
    for _, pair in ipairs(self.client.store:range("outbox", "")) do
      self.order = math.max(self.order, assert(proto.decode("StoreOutbox", pair[2])).order or 0)
    end
  end
  self.order = self.order + 1
  return self.order
end

--- Stores a message.
-- @string id
-- @tparam table row to, stanza (encoded bytes), cause, self
function Outbox:add(id, row)
  row.time, row.order = math.floor(core.net.time()), next_order(self)
  rows.put(self.client.store, "outbox", id, "StoreOutbox", row)
end

local Ticket = {}
Ticket.__index = Ticket

--- Waits for the ack, in a task: {id=, time=}, or nil and an error.
function Ticket:wait()
  if not self.result then task.await(function(resume) self.wake = resume end) end
  return table.unpack(self.result, 1, 2)
end

function Ticket:__close()
  local list = self.outbox.waiting[self.id]
  for i = #(list or {}), 1, -1 do
    if list[i] == self then table.remove(list, i) end
  end
  if list and #list == 0 then self.outbox.waiting[self.id] = nil end
end

--- Makes a ticket for the ack of a message, to be closed by who holds it.
function Outbox:expect(id)
  local ticket = setmetatable({ outbox = self, id = id }, Ticket)
  self.waiting[id] = self.waiting[id] or {}
  table.insert(self.waiting[id], ticket)
  return ticket
end

local function tell(self, id, result, err)
  for _, ticket in ipairs { table.unpack(self.waiting[id] or {}) } do
    ticket.result = { result, err }
    if ticket.wake then ticket.wake() end
  end
end

-- The server hints that the device lists were stale (fact sheet 03 §7).
local function check_devices(self, node, row)
  if not node.attrs.phash then return end
  self.client.devices:forget(row.to)
  self.client.devices:forget(self.client.me.jid)
end

local function refusal(node)
  local status = math.tointeger(tonumber(node.attrs.error)) or 0
  local err = core.error("refused", ("the server refused the message (%s)"):format(node.attrs.error))
  err.status = status
  return err
end

--- An `<ack class="message">` that came.
function Outbox:ack(node)
  local id, client = node.attrs.id, self.client
  if node.attrs.class ~= "message" or not id then return end
  local row = rows.get(client.store, "outbox", id, "StoreOutbox")
  if not row then return end
  local result = { id = id, time = math.tointeger(tonumber(node.attrs.t)) or math.floor(core.net.time()) }
  client.store:delete("outbox", id)
  if row.cause then client.store:put("dedupe", sent_key(id), (">I8"):pack(result.time)) end
  check_devices(self, node, row)
  client.store:after_commit(function()
    if node.attrs.error then tell(self, id, nil, refusal(node)) else tell(self, id, result) end
  end)
end

local function in_order(self)
  local list = {}
  for _, pair in ipairs(self.client.store:range("outbox", "")) do
    local row = assert(proto.decode("StoreOutbox", pair[2]))
    list[#list + 1] = { id = pair[1], row = row }
  end
  table.sort(list, function(a, b) return a.row.order < b.row.order end)
  return list
end

--- Sends everything that waits, in order: the connection is new.
function Outbox:resend()
  local client = self.client
  local oldest = core.net.time() - LIMIT_SECONDS
  for _, entry in ipairs(in_order(self)) do
    if (entry.row.time or 0) < oldest then
      client.store:delete("outbox", entry.id)
      local err = core.error("expired", ("message %s to %s was not sent: it waited for more than a day"):format(entry.id, entry.row.to))
      client:emit("error", err)
      tell(self, entry.id, nil, err)
    else
      client.connection:send_encoded(entry.row.stanza)
    end
  end
end

--- Tells all who wait that no ack will come; the messages stay for the next run.
function Outbox:give_up(err)
  local ids = {}
  for id in pairs(self.waiting) do ids[#ids + 1] = id end
  for _, id in ipairs(ids) do tell(self, id, nil, err) end
end

return function(client) return setmetatable({ client = client, waiting = {} }, Outbox) end
