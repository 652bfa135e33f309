--- One queue for each device (fact sheet 08 §14): what is sent to it stays until it is confirmed, and is sent again, in order, at
-- the next login.
-- @module moonpost.sandbox.queue
local core = require "moonpost.core"

local WINDOW = 256 * 1024 -- bytes that may wait on a socket before the queue waits too
local OFFLINE_MAX = 12    -- an `offline` attribute counts delivery attempts up to this (S-601)

local Queue = {}
Queue.__index = Queue

local function row_key(self, number) return self.prefix .. (">I8"):pack(number) end

local function remember(self, node, attempts)
  self.last = self.last + 1
  local item = { number = self.last, node = node, attempts = attempts or 0 }
  self.items[item.number] = item
  self.count = self.count + 1
  local key = node.tag .. "\0" .. tostring(node.attrs.id)
  self.by_id[key] = self.by_id[key] or {}
  table.insert(self.by_id[key], item)
  return item
end

local function write_row(self, item)
  if not self.keep then return end
  self.store:put("queue", row_key(self, item.number), (">I2"):pack(item.attempts) .. core.wire.encode(item.node))
end

--- Adds a stanza; it leaves at once when the device is there, and nothing is on its way to the queue (moonpost.sandbox.spread).
function Queue:push(node)
  if self.waiting > 0 then return self.spread:behind(self, node) end
  self:put(node)
end

--- Adds a stanza, whatever is on its way.
function Queue:put(node)
  write_row(self, remember(self, node))
  self:pump()
end

-- Whether a confirmation's address fits an item (S-506: by id and class, the address only where ids collide).
local function fits(item, address)
  return not address or core.wire.jid.bare(item.node.attrs.from) == core.wire.jid.bare(address)
end

--- Takes a confirmed stanza out.
-- @string tag of the stanza
-- @string id
-- @tparam ?string address the confirmation's `to`
-- @treturn boolean whether it was there
function Queue:confirm(tag, id, address)
  local key = tag .. "\0" .. tostring(id)
  local list = self.by_id[key]
  if not list then return false end
  local index = 1
  for i, item in ipairs(list) do
    if fits(item, address) then index = i break end
  end
  local item = table.remove(list, index)
  if #list == 0 then self.by_id[key] = nil end
  self.items[item.number] = nil
  self.count = self.count - 1
  if self.keep then self.store:delete("queue", row_key(self, item.number)) end
  return true
end

local function write(self, item)
  item.attempts = item.attempts + 1
  if item.attempts > 1 then self.connection.sandbox:count "redelivered" end
  local node = item.node
  if item.number <= self.offline_until then
    local attrs = { offline = math.min(item.attempts, OFFLINE_MAX) }
    for name, value in pairs(node.attrs) do attrs[name] = value end
    node = { tag = node.tag, attrs = attrs, content = node.content }
  end
  if self.keep then write_row(self, item) end
  self.connection:send(node)
end

local function finish_backlog(self)
  if not self.on_drained then return end
  local fn = self.on_drained
  self.on_drained = nil
  fn(self.backlog)
end

--- Writes what may be written now.
function Queue:pump()
  local connection = self.connection
  while connection and self.connection == connection do
    if self.next > self.offline_until then finish_backlog(self) end
    if self.next > self.last or connection:pending() > WINDOW then return end
    local item = self.items[self.next]
    self.next = self.next + 1
    if item then write(self, item) end
  end
end

local kinds = { message = "message", notification = "notification", receipt = "receipt" }

--- Counts what waits, by the names of an `offline_preview`.
function Queue:preview()
  local counts = { count = self.count, message = 0, notification = 0, receipt = 0, appdata = 0 }
  for _, item in pairs(self.items) do
    local kind = kinds[item.node.tag]
    if kind then counts[kind] = counts[kind] + 1 end
  end
  return counts
end

--- What waits, in order: for node in queue:each() do … end
function Queue:each()
  local number = self.first - 1
  return function()
    repeat
      number = number + 1
      local item = self.items[number]
      if item then return item.node end
    until number >= self.last
  end
end

--- Starts to write to a connection: first what is there, marked as offline, then `on_drained(count)`, then what comes.
function Queue:start(connection, on_drained)
  self.connection, self.on_drained, self.backlog = connection, on_drained, self.count
  self.next, self.offline_until = self.first, self.last
  while self.next <= self.last and not self.items[self.next] do self.next = self.next + 1 end
  self.first = self.next
  self:pump()
end

--- The connection is gone: what it did not confirm is written again at the next.
function Queue:stop() self.connection, self.on_drained = nil, nil end

--- Drops everything.
function Queue:clear()
  for number in pairs(self.items) do
    if self.keep then self.store:delete("queue", row_key(self, number)) end
  end
  self.items, self.by_id, self.count, self.cleared = {}, {}, 0, self.cleared + 1
end

--- Opens a device's queue.
-- @param store
-- @string name of the device in this world
-- @bool keep whether it outlives the process
return function(store, name, keep)
  local self = setmetatable({
    store = store, prefix = name .. "\0", keep = keep, items = {}, by_id = {}, first = 1, next = 1, last = 0, offline_until = 0, count = 0,
    waiting = 0, cleared = 0,
  }, Queue)
  for _, row in ipairs(keep and store:range("queue", self.prefix) or {}) do
    self.last = (">I8"):unpack(row[1], #self.prefix + 1) - 1
    remember(self, assert(core.wire.decode(row[2]:sub(3))), (">I2"):unpack(row[2]))
  end
  return self
end
