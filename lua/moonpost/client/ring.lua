--- Rows of which only the newest are kept: in order of arrival, found by name, so many of them and so many bytes. What is too much
-- goes with the next that is put, the oldest first; what is too old goes by `sweep`. Table "recent":
--   kind "q" sequence (u64 BE) -> name, time (u64), value
--   kind "n" name              -> the sequence of its row
-- @module moonpost.client.ring
local rows = require "moonpost.client.rows"

local SLICE = 20 -- rows dropped by one call of `sweep`

local Ring = {}
Ring.__index = Ring

local ROW = rows.RECENT

local function row_key(self, number) return self.kind .. "q" .. rows.sequence(number) end
local function name_key(self, name) return self.kind .. "n" .. name end

-- Counts what an earlier run left, at the first use.
local function count(self)
  if self.last then return end
  self.rows, self.size, self.last = 0, 0, rows.last_sequence(self.store, "recent", self.kind .. "q")
  rows.each(self.store, "recent", self.kind .. "q", function(_, bytes) self.rows, self.size = self.rows + 1, self.size + #bytes end)
end

-- Takes a row out; its name and value.
local function take(self, key, bytes)
  local name, _, value = ROW:unpack(bytes)
  self.store:delete("recent", key)
  self.store:delete("recent", name_key(self, name))
  self.rows, self.size = self.rows - 1, self.size - #bytes
  return name, value
end

local function drop_oldest(self)
  local oldest = self.store:range("recent", self.kind .. "q", 1)[1]
  if not oldest then return self:recount() end
  local name, value = take(self, oldest[1], oldest[2])
  if self.dropped then self.dropped(name, value) end
end

-- The row of a name: its key and bytes.
local function find(self, name)
  local sequence = self.store:get("recent", name_key(self, name))
  local key = sequence and self.kind .. "q" .. sequence
  local bytes = key and self.store:get("recent", key)
  if bytes then return key, bytes end
end

--- The value of a name, and when it was put (Unix seconds); nil when it is not kept.
function Ring:get(name)
  local _, bytes = find(self, name)
  if not bytes then return nil end
  local _, time, value = ROW:unpack(bytes)
  return value, time
end

--- Keeps a value under a name, in place of one that has it.
-- @string name at most 400 bytes
-- @string value
-- @number time Unix seconds
function Ring:put(name, value, time)
  count(self)
  self:remove(name)
  local bytes = ROW:pack(name, math.floor(time), value)
  self.last = self.last + 1
  self.store:put("recent", row_key(self, self.last), bytes)
  self.store:put("recent", name_key(self, name), rows.sequence(self.last))
  self.rows, self.size = self.rows + 1, self.size + #bytes
  while self.last and (self.rows > self.most or self.size > self.most_bytes) and self.rows > 1 do drop_oldest(self) end
end

--- Takes a name out; its value when it was there.
function Ring:remove(name)
  count(self)
  local key, bytes = find(self, name)
  if key then return select(2, take(self, key, bytes)) end
end

--- The names that begin with a prefix, at most so many.
function Ring:names(prefix, limit)
  local found = self.store:range("recent", name_key(self, prefix), limit)
  for i, row in ipairs(found) do found[i] = row[1]:sub(3) end
  return found
end

--- Drops what is older than a time, a few rows of it; whether there may be more.
-- @number oldest Unix seconds
function Ring:sweep(oldest)
  count(self)
  for _ = 1, SLICE do
    local row = self.store:range("recent", self.kind .. "q", 1)[1]
    if not row or select(2, ROW:unpack(row[2])) >= oldest then return false end
    drop_oldest(self)
  end
  return true
end

--- The rows are not what they were: a turn was lost, or the account forgotten.
function Ring:recount() self.last = nil end

--- @tparam table options store; kind: one character; most: rows; most_bytes; dropped = fn(name, value), told of what goes unasked
return function(options) return setmetatable(options, Ring) end
