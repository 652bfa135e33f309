--- Which devices have confirmed which of our messages: those are not brought to them again, whoever asks in their name (fact sheet 04
-- §8.2). A receipt costs no commit of its own: marks wait in memory for the next turn that has something to commit. A process that
-- is killed before loses a few, and brings those messages again when it is asked.
-- @module moonpost.client.delivered
local core = require "moonpost.core"
local limits = require "moonpost.client.limits"
local rows = require "moonpost.client.rows"
local jid = core.wire.jid

local MARKS = 256 -- rows of marks that wait for somebody's commit; so many get one of their own

-- Receipts of a device that has the message. What own devices have read of others is not among them.
local tells = { delivery = true, inactive = true, sender = true, read = true, played = true }

local Delivered = {}
Delivered.__index = Delivered

local function key_of(id, bare) return "d" .. rows.short(id .. "\0" .. bare) end

-- The row of an account's devices for a message, and this device's byte in it.
local function place(id, device)
  return key_of(id, jid.bare(device)), string.char(select(3, jid.parse(device)))
end

local function marks(self, key)
  local row = self.client.store:get("dedupe", key)
  return row and row:sub(1, -9) or ""
end

local function is_marked(self, id, device)
  local key, byte = place(id, device)
  return (marks(self, key) .. (self.waiting[key] or "")):find(byte, 1, true) ~= nil
end

--- Whether a device has confirmed a message, under either name of its account.
-- @string id
-- @string device JID, stable
function Delivered:has(id, device)
  local pn = self.client.lids:pn_of(device)
  return is_marked(self, id, device) or pn ~= nil and is_marked(self, id, pn)
end

local function mark(self, id, device)
  local key, byte = place(id, device)
  if not self.waiting[key] then self.count = self.count + 1 end
  self.waiting[key] = (self.waiting[key] or "") .. byte
  if self.count == MARKS then self.client.turn:wait(function() end) end -- the turn has something to do
end

-- Whether a receipt is about a message of ours, from somebody it was for.
local function is_for(self, receipt, id)
  local sent = self.client.sent:find(id)
  return sent ~= nil and (receipt.own or receipt.chat == self.client.lids:stable(sent.to))
end

--- Notes what a receipt says.
-- @tparam table receipt as handlers are told of it
function Delivered:receipt(receipt)
  if not tells[receipt.type] or select(3, jid.parse(receipt.sender)) >= limits.DEVICES then return end
  for _, id in ipairs(receipt.ids) do
    if not self:has(id, receipt.sender) and is_for(self, receipt, id) then mark(self, id, receipt.sender) end
  end
end

local function put_all(self)
  local now = rows.time(core.net.time())
  for key, bytes in pairs(self.written) do
    local all = marks(self, key)
    for byte in bytes:gmatch "." do all = all:find(byte, 1, true) and all or all .. byte end
    self.client.store:put("dedupe", key, all .. now)
  end
end

--- Whether there are marks to write.
function Delivered:waits() return self.count > 0 end

--- Writes the marks that wait: the turn is about to be committed. What the store does not take has lost the turn, and its commit
-- says why.
-- @bool dirty whether there is something else to commit
function Delivered:write(dirty)
  if self.count == 0 or not dirty and self.count < MARKS then return end
  self.written, self.waiting, self.count = self.waiting, {}, 0
  pcall(put_all, self)
end

--- The turn was lost: what was written last waits for the next one, perhaps once more than it must.
function Delivered:turn_lost()
  for key, bytes in pairs(self.written) do
    if not self.waiting[key] then self.count = self.count + 1 end
    self.waiting[key] = bytes .. (self.waiting[key] or "")
  end
  self.written = {}
end

--- The account is forgotten.
function Delivered:forget() self.waiting, self.written, self.count = {}, {}, 0 end

return function(client)
  local self = setmetatable({ client = client }, Delivered)
  self:forget()
  return self
end
