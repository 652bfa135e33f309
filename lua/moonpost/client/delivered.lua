--- What became of our messages, as receipts tell it (fact sheet 04 §8.2, §8.3): who has a message, has read or played it, and since
-- when, whichever of their devices said so; and which of those devices have confirmed it, since nobody brings it to them again. A
-- receipt costs no commit of its own: what it says waits in memory for the next turn that has something to commit, for a second at
-- most, and so does its ack: what a killed process did not write the server tells again.
-- @module moonpost.client.delivered
local core = require "moonpost.core"
local limits = require "moonpost.client.limits"
local messages = require "moonpost.client.messages"
local rows = require "moonpost.client.rows"
local jid = core.wire.jid

local MARKS = 256       -- rows that wait for somebody's commit; so many get one of their own
local WRITE_SECONDS = 1 -- so long they wait for somebody's commit

local TIMES = ">I4I4I4" -- delivered, read, played: Unix seconds, 0 for not yet

-- What a receipt tells of who sent it. What own devices have read of others is not among them.
local tells = { delivery = "delivered", inactive = "delivered", sender = "delivered", read = "read", played = "played" }

-- What is true of who has read a message, or played it: they have it.
local before = { read = "delivered", played = "read" }

local Delivered = {}
Delivered.__index = Delivered

local function key_of(id, bare) return "d" .. rows.short(id .. "\0" .. bare) end

-- The row of an account's devices for a message, and this device's byte in it.
local function place(id, device)
  return key_of(id, jid.bare(device)), string.char(select(3, jid.parse(device)))
end

local function nothing() return { delivered = 0, read = 0, played = 0, devices = "" } end

local function decode(value)
  local size = TIMES:packsize()
  if not value or #value < size + 8 then return nothing() end
  local delivered, read, played = TIMES:unpack(value)
  return { delivered = delivered, read = read, played = played, devices = value:sub(size + 1, -9) }
end

local function earlier(one, other) return one == 0 and other or other == 0 and one or math.min(one, other) end

-- What two rows of one account say together.
local function merge(one, other)
  local devices = one.devices
  for byte in other.devices:gmatch "." do devices = devices:find(byte, 1, true) and devices or devices .. byte end
  return {
    delivered = earlier(one.delivered, other.delivered), read = earlier(one.read, other.read), played = earlier(one.played, other.played),
    devices = devices,
  }
end

-- What is known behind a key, written or not.
local function known(self, key)
  local row = decode(self.client.store:get("dedupe", key))
  return self.waiting[key] and merge(row, self.waiting[key]) or row
end

--- Whether a device has confirmed a message, under either name of its account.
-- @string id
-- @string device JID, stable
function Delivered:has(id, device)
  local pn = self.client.lids:pn_of(device)
  for _, name in ipairs { device, pn } do
    local key, byte = place(id, name)
    if known(self, key).devices:find(byte, 1, true) then return true end
  end
  return false
end

--- Has what waits written by this turn.
function Delivered:hasten()
  if self.count == 0 then return end
  self.due = true
  self.client.turn:wait(function() end) -- the turn has something to do
end

local function write_soon(self)
  if self.count >= MARKS then return self:hasten() end
  self.timer = self.timer or core.net.timer(self.write_seconds, function()
    self.timer = nil
    self:hasten()
  end)
end

local function note(self, key, mark)
  if not self.waiting[key] then self.count = self.count + 1 end
  self.waiting[key] = merge(self.waiting[key] or nothing(), mark)
  write_soon(self)
end

-- Takes note of one id; whether it tells anything new, and whether it changes what became of the message.
local function take(self, receipt, id, told)
  local key, byte = place(id, receipt.sender)
  local row, mark = known(self, key), nothing()
  local time, changed = math.min(receipt.time or math.floor(core.net.time()), 0xffffffff), row[told] == 0
  mark.devices = byte
  while told do
    if row[told] == 0 then mark[told] = time end
    told = before[told]
  end
  if not changed and row.devices:find(byte, 1, true) then return false, false end
  note(self, key, mark)
  return true, changed
end

-- Why nobody listens to a receipt: there is no such message of ours, or it was not for who sends it.
local function wrong(self, receipt, id)
  local client = self.client
  if not client.archive:get(receipt.chat, id, client.me.jid) then
    local sent = client.sent:find(id)
    return sent and "that was for " .. client.lids:stable(sent.to) or "nobody here has sent it"
  end
  local group = not receipt.own and messages.is_group(receipt.chat) and client.groups:known(receipt.chat)
  if group and not client.groups:member(group, jid.bare(receipt.sender)) then return "the sender is not in the group" end
end

--- Notes what a receipt says of one message.
-- @tparam table receipt as handlers are told of it
-- @string id
-- @treturn ?boolean whether it has to be written; nil when nobody listens to it
-- @return whether its sender has come further than before with this message; why nobody listens
function Delivered:receipt(receipt, id)
  local told = tells[receipt.type]
  if not told then return false, false end
  local why = select(3, jid.parse(receipt.sender)) >= limits.DEVICES and "no device has such a number" or wrong(self, receipt, id)
  if why then return nil, why end
  return take(self, receipt, id, told)
end

--- Calls fn when everything that waits is written, and durable.
function Delivered:written(fn)
  if self.count == 0 then return fn() end
  self.acks[#self.acks + 1] = fn
end

--- How far each account has come with a message, own devices left out.
-- @string id
-- @treturn table array of {jid (bare, stable), delivered, read, played}: Unix seconds, nil for not yet; in the order of their JIDs
function Delivered:of(id)
  local client, prefix, found, list = self.client, "d" .. id .. "\0", {}, {}
  local function add(key)
    local bare = client.lids:stable(key:sub(#prefix + 1))
    found[bare] = merge(found[bare] or nothing(), known(self, key))
  end
  rows.each(client.store, "dedupe", prefix, add)
  for key in pairs(self.waiting) do
    if key:sub(1, #prefix) == prefix then add(key) end
  end
  found[client.lids:stable(client.me.jid)] = nil
  for bare, row in pairs(found) do
    local one = { jid = bare }
    for _, name in ipairs { "delivered", "read", "played" } do one[name] = row[name] > 0 and row[name] or nil end
    list[#list + 1] = one
  end
  table.sort(list, function(a, b) return a.jid < b.jid end)
  return list
end

local function put_all(self)
  local now = rows.time(core.net.time())
  for key, mark in pairs(self.writing) do
    local row = merge(decode(self.client.store:get("dedupe", key)), mark)
    self.client.store:put("dedupe", key, TIMES:pack(row.delivered, row.read, row.played) .. row.devices .. now)
  end
end

--- Whether there are marks to write.
function Delivered:waits() return self.count > 0 end

--- Writes the marks that wait: the turn is about to be committed. What the store does not take has lost the turn, and its commit
-- says why.
-- @bool dirty whether there is something else to commit
function Delivered:write(dirty)
  if self.count == 0 or not (dirty or self.due) then return end
  local acks = self.acks
  self.writing, self.waiting, self.acks = self.waiting, {}, {}
  self.count, self.due = 0, false
  self:rest()
  if not pcall(put_all, self) then return end
  self.client.store:after_commit(function()
    for _, fn in ipairs(acks) do fn() end
  end)
end

--- The turn was lost: what was written last waits for the next one, perhaps once more than it must. The server tells it again.
function Delivered:turn_lost()
  for key, mark in pairs(self.writing) do
    if not self.waiting[key] then self.count = self.count + 1 end
    self.waiting[key] = merge(mark, self.waiting[key] or nothing())
  end
  self.writing = {}
end

--- Waits for nobody's commit any more.
function Delivered:rest()
  if self.timer then self.timer:stop() end
  self.timer = nil
end

--- The account is forgotten.
function Delivered:forget()
  self:rest()
  self.waiting, self.writing, self.acks, self.count, self.due = {}, {}, {}, 0, false
end

return function(client)
  local self = setmetatable({ client = client, write_seconds = WRITE_SECONDS }, Delivered)
  self:forget()
  return self
end
