--- One device's one-time keys (fact sheet 08 S-200 to S-204): in the order of their upload, each given out exactly once. Ids stay
-- known after that, since a client whose upload's answer was lost offers the same keys again.
--   world "k" device 00 sequence (u64 BE) -> id 3, value 32; the id alone once the key was given out
-- @module moonpost.sandbox.prekeys
local Prekeys = {}
Prekeys.__index = Prekeys

local ID = 3 -- bytes

local function row_key(self, index) return self.prefix .. (">I8"):pack(index) end

local function write(self, index, value)
  if self.keep then self.store:put("world", row_key(self, index), value) end
end

--- How many are left.
function Prekeys:count() return self.last - self.first + 1 end

--- The keys that are left, in order: strings of id and value.
function Prekeys:list() return table.move(self.keys, self.first, self.last, 1, {}) end

--- Adds keys. One whose id is known replaces it; one that was given out does not come back.
function Prekeys:add(list)
  for _, key in ipairs(list) do
    local id = key:sub(1, ID)
    local index = self.index[id]
    if not index then
      self.last = self.last + 1
      index = self.last
      self.index[id] = index
    end
    if index >= self.first then
      self.keys[index] = key
      write(self, index, key)
    end
  end
end

--- Takes the oldest; nil when there is none left.
function Prekeys:take()
  if self:count() == 0 then return nil end
  local key = self.keys[self.first]
  self.keys[self.first] = nil
  write(self, self.first, key:sub(1, ID))
  self.first = self.first + 1
  return key
end

--- Loses those that are left; what was given out stays known.
function Prekeys:forget()
  for index = self.first, self.last do
    self.index[self.keys[index]:sub(1, ID)] = nil
    if self.keep then self.store:delete("world", row_key(self, index)) end
    self.keys[index] = nil
  end
  self.last = self.first - 1
end

--- Forgets everything: the device is unlinked.
function Prekeys:clear()
  for _, index in pairs(self.keep and self.index or {}) do self.store:delete("world", row_key(self, index)) end
  self.keys, self.index, self.first, self.last = {}, {}, 1, 0
end

--- Opens a device's keys.
-- @param store
-- @string name of the device in this world
-- @bool keep whether they outlive the process
return function(store, name, keep)
  local self = setmetatable({
    store = store, prefix = ("k%s\0"):format(name), keep = keep, keys = {}, index = {}, first = 1, last = 0,
  }, Prekeys)
  for _, row in ipairs(keep and store:range("world", self.prefix) or {}) do
    local index = (">I8"):unpack(row[1], #self.prefix + 1)
    self.index[row[2]:sub(1, ID)] = index
    self.last = index
    if #row[2] == ID then self.first = index + 1 else self.keys[index] = row[2] end
  end
  return self
end
