--- Who was told our sender key in a group (fact sheet 03 §10.4), and when that key is replaced: one value for each group. Table "told":
--   group JID -> a row of moonpost.client.marks: a mark for each device that has it
-- A mark is made when the server has accepted what tells the key; own devices have none, they are told every time. The key is
-- replaced where one who has it has left, and where nothing says who has it. Who had the key before that one is remembered for messages
-- that are still on their way.
-- @module moonpost.client.told
local core = require "moonpost.core"
local marks = require "moonpost.client.marks"
local new_memory = require "moonpost.client.memory"
local rows = require "moonpost.client.rows"

local FORMER = 64 -- groups whose key before the present one is remembered

local Told = {}
Told.__index = Told

local function read(self, group) return marks.read(self.client.store:get("told", group)) end
local function write(self, group, row) self.client.store:put("told", group, marks.write(row)) end

--- Replaces the key in a group: the next message tells another one to everybody.
function Told:replace(group)
  local row = read(self, group)
  if row then self.former:put(group, row) end
  self.client.account:drop_sender_key(group)
  self.client.store:delete("told", group)
end

--- Who was told the key in a group. One that may be older than the store, of another addressing mode, or that nobody kept count of is
-- replaced.
-- @string group JID
-- @string mode "lid" or "pn"
-- @treturn table {generation, marks}
function Told:of(group, mode)
  local epoch, short = self.client.store:epoch(), mode:sub(1, 1)
  local row = read(self, group)
  if row and row.epoch == epoch and row.mode == short then return row end
  self.client.account:drop_sender_key(group)
  row = { epoch = epoch, mode = short, generation = core.crypto.random(marks.GENERATION), marks = "" }
  write(self, group, row)
  return row
end

--- Whether a key is still the one it was.
function Told:is_current(group, generation)
  local row = read(self, group)
  return row ~= nil and row.generation == generation
end

-- The row of a note's key, and whether it is the present one.
local function row_of(self, group, note)
  local generation = note:sub(1, marks.GENERATION)
  local row, former = read(self, group), self.former:get(group)
  if row and row.generation == generation then return row, true end
  return former and former.generation == generation and former or nil, false
end

--- The server has accepted a stanza: the devices it tells the key have it.
-- @string group JID
-- @string note as moonpost.client.marks gives it
function Told:accepted(group, note)
  if #note <= marks.GENERATION then return end
  local row, present = row_of(self, group, note)
  if not row then return end
  local set = marks.set(row.marks)
  for mark in pairs(marks.set(note:sub(marks.GENERATION + 1))) do set[mark] = true end
  row.marks = marks.join(set)
  if present then write(self, group, row) end
end

--- Who was told the key a message was encrypted with, whether or not it is still the one in use.
-- @string group JID
-- @tparam ?string note of the message
-- @treturn ?table set of marks; nil when nobody knows any more
function Told:holders(group, note)
  local row = note and row_of(self, group, note)
  return row and marks.set(row.marks)
end

-- Forgets marks in a group for which fn(mark) is true; whether there was one.
local function drop(self, group, value, fn)
  local row = marks.read(value)
  local set, found = marks.set(row and row.marks or ""), false
  for mark in pairs(set) do
    if fn(mark) then set[mark], found = nil, true end
  end
  if not found then return false end
  row.marks = marks.join(set)
  write(self, group, row)
  return true
end

--- A device has not got the key: it is told again.
-- @string group JID
-- @string device JID, stable
function Told:forget(group, device)
  local mark = marks.of(device)
  return drop(self, group, self.client.store:get("told", group), function(one) return one == mark end)
end

-- The groups in which one of some marks may stand, with their rows.
local function groups_with(self, needles)
  local found = {}
  rows.each(self.client.store, "told", "", function(group, value)
    for _, needle in ipairs(needles) do
      if value:find(needle, marks.HEAD_SIZE + 1, true) then
        found[#found + 1] = { group, value }
        break
      end
    end
  end)
  return found
end

--- An account's devices from a number on are not what they were: they are told the key again in all groups.
-- @string bare JID, stable
-- @int first device number
-- @treturn table set of the groups in which one of them had the key
function Told:forget_devices(bare, first)
  local prefix, groups = marks.prefix(bare), {}
  for _, found in ipairs(groups_with(self, { prefix })) do
    groups[found[1]] = drop(self, found[1], found[2], function(mark)
      return mark:sub(1, -2) == prefix and mark:byte(-1) >= first
    end) or nil
  end
  return groups
end

--- An account's LID has become known: its devices' marks go on under that.
-- @string pn bare JID
-- @string lid bare JID
function Told:renamed(pn, lid)
  local before, after = marks.prefix(pn), marks.prefix(lid)
  for _, found in ipairs(groups_with(self, { before })) do
    local row, set = marks.read(found[2]), {}
    for mark in pairs(marks.set(row and row.marks or "")) do
      set[mark:sub(1, -2) == before and after .. mark:sub(-1) or mark] = true
    end
    if row then
      row.marks = marks.join(set)
      write(self, found[1], row)
    end
  end
end

--- Devices are no more: the key they have is replaced in all groups.
-- @tparam table devices array, stable
function Told:devices_left(devices)
  local theirs = {}
  for i, device in ipairs(devices) do theirs[i] = marks.of(device) end
  for _, found in ipairs(groups_with(self, theirs)) do
    local set = marks.set(found[2]:sub(marks.HEAD_SIZE + 1))
    for _, mark in ipairs(theirs) do
      if set[mark] then
        self:replace(found[1])
        break
      end
    end
  end
end

return function(client) return setmetatable({ client = client, former = new_memory(FORMER) }, Told) end
