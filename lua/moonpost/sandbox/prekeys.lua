--- One device's one-time keys (fact sheet 08 S-200 to S-204): in the order of their upload, each given out exactly once. Ids stay
-- known after that, since a client whose upload's answer was lost offers the same keys again.
--   world "k" device 00 sequence (u64 BE) -> id 3, value 32; the id alone once the key was given out
-- @module moonpost.sandbox.prekeys
local Prekeys = {}
Prekeys.__index = Prekeys

local ID, KEY = 3, 35 -- bytes of an id, of an id and its key

local function row_key(self, index) return self.prefix .. (">I8"):pack(index) end

local function write(self, index, value)
  if self.keep then self.store:put("world", row_key(self, index), value) end
end

-- A device has some 812 keys and a world hundreds of devices, so that all are one string. Those of numbers `base + 1` to `last` stand in
-- `blob`; those below `first` were given out, and of those below `base` only the ids are left, in `given`.
local function key_at(self, index)
  local from = (index - self.base - 1) * KEY
  return self.blob:sub(from + 1, from + KEY)
end

local function ids(self, from, to)
  local list = {}
  for index = from, to do list[#list + 1] = key_at(self, index):sub(1, ID) end
  return list
end

--- How many are left.
function Prekeys:count() return self.last - self.first + 1 end

--- The keys that are left, in order: strings of id and value.
function Prekeys:list()
  local list = {}
  for index = self.first, self.last do list[#list + 1] = key_at(self, index) end
  return list
end

-- The keys that are left as an array, and where each id stands: its place in the array, or false when it was given out.
local function open(self)
  local left, known = self:list(), {}
  self.given = self.given .. table.concat(ids(self, self.base + 1, self.first - 1))
  for at = 1, #self.given, ID do known[self.given:sub(at, at + ID - 1)] = false end
  for i, key in ipairs(left) do known[key:sub(1, ID)] = i end
  return left, known
end

--- Adds keys. One whose id is known replaces it; one that was given out does not come back.
function Prekeys:add(list)
  local left, known = open(self)
  for _, key in ipairs(list) do
    local id = key:sub(1, ID)
    local i = known[id]
    if i == nil then
      i = #left + 1
      known[id] = i
    end
    if i then
      left[i] = key
      write(self, self.first + i - 1, key)
    end
  end
  self.blob, self.base, self.last = table.concat(left), self.first - 1, self.first + #left - 1
end

--- Takes the oldest; nil when there is none left.
function Prekeys:take()
  if self:count() == 0 then return nil end
  local key = key_at(self, self.first)
  write(self, self.first, key:sub(1, ID))
  self.first = self.first + 1
  return key
end

local function delete_rows(self, from, to)
  for index = from, self.keep and to or 0 do self.store:delete("world", row_key(self, index)) end
end

--- Loses those that are left; what was given out stays known.
function Prekeys:forget()
  delete_rows(self, self.first, self.last)
  self.given = self.given .. table.concat(ids(self, self.base + 1, self.first - 1))
  self.blob, self.base, self.last = "", self.first - 1, self.first - 1
end

--- Forgets everything: the device is unlinked.
function Prekeys:clear()
  delete_rows(self, 1, self.last)
  self.blob, self.given, self.base, self.first, self.last = "", "", 0, 1, 0
end

--- Opens a device's keys.
-- @param store
-- @string name of the device in this world
-- @bool keep whether they outlive the process
return function(store, name, keep)
  local self = setmetatable({
    store = store, prefix = ("k%s\0"):format(name), keep = keep, blob = "", given = "", base = 0, first = 1, last = 0,
  }, Prekeys)
  local left, given = {}, {}
  for _, row in ipairs(keep and store:range("world", self.prefix) or {}) do
    local index = (">I8"):unpack(row[1], #self.prefix + 1)
    self.last = index
    if #row[2] == ID then
      self.first, given[#given + 1] = index + 1, row[2]
    else
      left[#left + 1] = row[2]
    end
  end
  if #left == 0 then self.first = self.last + 1 end
  self.base, self.blob, self.given = self.first - 1, table.concat(left), table.concat(given)
  return self
end
