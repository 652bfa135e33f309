--- Old rows go: what was kept to recognise repeated messages, and messages nobody will ask for any more.
-- @module moonpost.client.sweep
local core = require "moonpost.core"
local limits = require "moonpost.client.limits"
local room = require "moonpost.client.room"
local task = require "moonpost.task"

local DAY = 24 * 3600
local PAUSE = 3600 -- seconds between two sweeps
local SLICE = 500  -- rows looked at in a turn of the loop

-- When a device list was learnt; one that is damaged goes, and is asked for again.
local function list_time(value)
  local row = core.proto.decode("StoreDevices", value)
  return row and row.time or 0
end

-- The same of a group.
local function group_time(value)
  local row = core.proto.decode("StoreGroup", value)
  return row and row.time or 0
end

-- When a privacy token was given, by whichever side did so last.
local function token_time(value)
  local row = core.proto.decode("StoreToken", value)
  return row and math.max(row.time or 0, row.issued or 0) or 0
end

-- Of rows that end with their time; one that is damaged is as old as can be.
local function last_time(value) return #value >= 8 and (">I8"):unpack(value, #value - 7) or 0 end

-- What grows old, by table and key prefix (see moonpost.client.rows). The server keeps unconfirmed messages 14 days (04 §11.1).
local aging = {
  { table = "dedupe", prefix = "r", seconds = 15 * DAY },
  { table = "dedupe", prefix = "s", seconds = 15 * DAY },
  { table = "dedupe", prefix = "n", seconds = 30 * DAY },
  { table = "token", prefix = "", seconds = 29 * DAY, time = token_time }, -- good for 28 at most (03 §15.2)
  { table = "dedupe", prefix = "u", seconds = 15 * DAY },
  { table = "dedupe", prefix = "p", seconds = 15 * DAY },
  { table = "dedupe", prefix = "q", seconds = DAY },
  { table = "dedupe", prefix = "t", seconds = limits.SENT_SECONDS + DAY },
  { table = "dedupe", prefix = "k", seconds = limits.SENT_SECONDS + DAY },
  { table = "dedupe", prefix = "d", seconds = limits.STATUS_SECONDS },
  { table = "dedupe", prefix = "m", seconds = limits.MARKS_SECONDS },
  { table = "device-list", prefix = "", seconds = 30 * DAY, time = list_time }, -- asked for again when it is needed
  { table = "group", prefix = "", seconds = 30 * DAY, time = group_time },           -- so is this
}

local SKIPPED_KEYS = 15 * DAY -- seconds the key of a message that was passed over is kept

local Sweep = {}
Sweep.__index = Sweep

local function sweep_slice(store, kind, oldest, after)
  local found = store:range(kind.table, kind.prefix, SLICE, after)
  for _, row in ipairs(found) do
    if (kind.time or last_time)(row[2]) < oldest then store:delete(kind.table, row[1]) end
  end
  return #found == SLICE and found[SLICE][1] or nil
end

-- Secrets do not pass through Lua: the account looks at their ages itself.
local function sweep_skipped(account, oldest)
  for _, kind in ipairs { "session", "group" } do
    local after
    repeat
      after = account:sweep_skipped(kind, math.max(0, oldest), SLICE, after)
      if after then task.sleep(0) end
    until not after
  end
end

-- Calls `slice` until there is nothing left for it.
local function sweep_all(slice)
  while slice() do task.sleep(0) end
end

--- Takes away what is too old at a time. In a task.
-- @number now Unix seconds
function Sweep:run(now)
  local account = self.client.account
  if account:exists() then sweep_skipped(account, math.floor(now) - SKIPPED_KEYS) end
  for _, kind in ipairs(aging) do
    local after
    repeat
      after = sweep_slice(self.client.store, kind, now - kind.seconds, after)
      if after then task.sleep(0) end
    until not after
  end
  self.client.archive:sweep(now)
  sweep_all(function() return self.client.retry_keys:sweep(now) end)
end

-- What is to be done to the keys of a client that stays online for months.
local function look_after_keys(client)
  if not client.connection.online then return end
  client.signed_prekey:check()
  client.digest:daily()
end

-- What trips over a row of the store is told, and tried again the next time.
local function guarded(self)
  local ok, err = xpcall(self.run, room.placed, self, core.net.time())
  if ok then return end
  if type(err) == "table" and err.code == "cancelled" then error(err, 0) end
  self.client:emit("error", err)
end

--- Sweeps from now on, once in a while.
function Sweep:start()
  if self.running then return end
  self.running = task.spawn(function()
    while true do
      guarded(self)
      look_after_keys(self.client)
      task.sleep(self.pause)
    end
  end)
end

--- Sweeps no more.
function Sweep:stop()
  if self.running then self.running:cancel() end
end

return function(client) return setmetatable({ client = client, pause = PAUSE }, Sweep) end
