--- What this client does not understand yet: kept as it came, the newest of it.
-- @module moonpost.client.raw
local core = require "moonpost.core"
local limits = require "moonpost.client.limits"
local rows = require "moonpost.client.rows"

local Raw = {}
Raw.__index = Raw

-- Counts what an earlier run left, at the first use.
local function count(self)
  if self.last then return end
  self.rows, self.bytes, self.last = 0, 0, rows.last_sequence(self.store, "raw")
  rows.each(self.store, "raw", "", function(_, value) self.rows, self.bytes = self.rows + 1, self.bytes + #value end)
end

-- The oldest go until the rest is within the limits.
local function trim(self)
  while self.rows > limits.RAW_ROWS or self.bytes > limits.RAW_BYTES do
    local oldest = self.store:range("raw", "", 1)[1]
    if not oldest then return self:recount() end
    self.store:delete("raw", oldest[1])
    self.rows, self.bytes = self.rows - 1, self.bytes - #oldest[2]
  end
end

--- Keeps a stanza, with its plaintext when it could be decrypted; what is too much goes after the commit.
function Raw:keep(node, plaintext)
  count(self)
  self.last = self.last + 1
  local value = (">s4s4"):pack(core.wire.encode(node), plaintext or "")
  self.store:put("raw", rows.sequence(self.last), value)
  self.store:after_commit(function()
    count(self)
    self.rows, self.bytes = self.rows + 1, self.bytes + #value
    trim(self)
  end)
end

--- The rows are not what they were: a turn was lost, or the account forgotten.
function Raw:recount() self.last = nil end

return function(store) return setmetatable({ store = store }, Raw) end
