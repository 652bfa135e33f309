--- Keeping the archive bounded: what is too old goes, then, while there is too much, the oldest. Rows are found by message, not by
-- age, which would cost each message a row more; so a sweep looks at all of them, now and then, and counts them by age.
-- @module moonpost.client.archive_sweep
local core = require "moonpost.core"
local limits = require "moonpost.client.limits"
local task = require "moonpost.task"

local SLICE = 20        -- rows held at once; one may have a megabyte
local PAUSE = 6 * 3600  -- seconds between two sweeps, when not much has come
local STEPS = 8         -- counts per doubling of the age: what is dropped first is the oldest but for 9 %
local SPARED = 0.9      -- of the limits is what is left when something was dropped for want of room

local TIMER = 0x74 -- "t": of moonpost.client.timers, one a chat

local seconds_of = { o = limits.ARCHIVE_SECONDS, l = limits.ARCHIVE_LONG_SECONDS, s = limits.SENT_SECONDS + 24 * 3600 }

local Sweeper = {}
Sweeper.__index = Sweeper

--- So many bytes were written; when that is much, the next sweep comes at once.
function Sweeper:grown(bytes)
  self.rows, self.bytes = self.rows + 1, self.bytes + bytes
  if self.running or self.bytes < self.most_bytes / 4 and self.rows < self.most_rows / 4 then return end
  self.running = true
  task.spawn(function()
    local done <close> = setmetatable({}, { __close = function() self.running = false end })
    task.sleep(0) -- behind the transaction that writes
    return done and self:run(core.net.time(), true)
  end)
end

-- Calls fn(key, value) for all rows, giving the loop a turn now and then.
local function each(self, fn)
  local found, after
  repeat
    if self.client.over then return end
    found = self.client.store:range("message", "", SLICE, after)
    for _, row in ipairs(found) do
      after = row[1]
      if after:byte(1) ~= TIMER then fn(after, row[2]) end
    end
    if #found == SLICE then task.sleep(0) end
  until #found < SLICE
end

local function time_of(value) return #value >= 8 and (">I8"):unpack(value, #value - 7) or 0 end

-- How long a row is kept; one of a kind unknown here, or damaged, is kept no longer than it must be.
local function seconds_for(key, value)
  if key:byte(1) == 0x61 then return limits.ARCHIVE_LONG_SECONDS end -- "a": with its message, or after the longest time
  return #value >= 9 and seconds_of[value:sub(-9, -9)] or 0
end

local function step_of(now, time) return math.floor(math.log(math.max(1, now - time), 2) * STEPS) end

-- Takes a message's row away with its add-ons, or an add-on.
local function drop(self, key)
  local store = self.client.store
  store:delete("message", key)
  if key:byte(1) ~= 0x6d then return end -- "m"
  local found
  repeat
    found = store:range("message", "a" .. key:sub(2) .. "\0", SLICE)
    for _, row in ipairs(found) do store:delete("message", row[1]) end
  until #found < SLICE
end

-- Drops what is too old; counts the rest by age: steps[step] = {rows, bytes}.
local function count(self, now)
  local steps, all = {}, { 0, 0 }
  each(self, function(key, value)
    local time = time_of(value)
    if time < now - seconds_for(key, value) then return drop(self, key) end
    local step = step_of(now, time)
    steps[step] = steps[step] or { 0, 0 }
    for _, sum in ipairs { steps[step], all } do sum[1], sum[2] = sum[1] + 1, sum[2] + #key + #value end
  end)
  return steps, all
end

-- The step from which on rows go, and how many rows and bytes of that step itself.
local function where_to_cut(self, steps, all)
  local rows, bytes = all[1] - self.most_rows * SPARED, all[2] - self.most_bytes * SPARED
  local order = {}
  for step in pairs(steps) do order[#order + 1] = step end
  table.sort(order, function(a, b) return a > b end)
  for _, step in ipairs(order) do
    local sum = steps[step]
    if sum[1] >= rows and sum[2] >= bytes then return step, rows, bytes end
    rows, bytes = rows - sum[1], bytes - sum[2]
  end
end

local function cut(self, now, step, rows, bytes)
  each(self, function(key, value)
    local at = step_of(now, time_of(value))
    if at < step or at == step and rows <= 0 and bytes <= 0 then return end
    if at == step then rows, bytes = rows - 1, bytes - #key - #value end
    drop(self, key)
  end)
end

--- Sweeps. In a task.
-- @number now Unix seconds
-- @bool at_once whether much has come since the last time
function Sweeper:run(now, at_once)
  if not at_once and self.swept and math.abs(now - self.swept) < PAUSE then return end
  self.swept, self.rows, self.bytes = now, 0, 0
  local steps, all = count(self, now)
  if all[1] <= self.most_rows and all[2] <= self.most_bytes then return end
  local step, rows, bytes = where_to_cut(self, steps, all)
  if step then cut(self, now, step, rows, bytes) end
end

--- The rows are not what they were.
function Sweeper:recount() self.swept = nil end

return function(client)
  return setmetatable({
    client = client, rows = 0, bytes = 0, most_rows = limits.ARCHIVE_ROWS, most_bytes = limits.ARCHIVE_BYTES,
  }, Sweeper)
end
