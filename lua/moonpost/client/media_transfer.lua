--- What every transfer lives in: a task of its own that ends with its caller, with the client, or when it takes too long; one of the
-- few that may be under way at a time. One that another one's `progress` starts needs no place of its own: the other waits for it, and with
-- all places taken by such, all would wait for ever. Sinks and readers are called while nothing moves, and hold none.
-- @module moonpost.client.media_transfer
local core = require "moonpost.core"
local task = require "moonpost.task"

local LEAST_SECONDS, SLOWEST = 600, 4096 -- a transfer may take that long, and longer the more bytes it has: bytes a second

local transfer = {}

local Slots = {}
Slots.__index = Slots

--- Places for so many at a time; who comes later waits, in order.
-- @int count
function transfer.slots(count)
  local self = setmetatable({ places = task.queue() }, Slots)
  for _ = 1, count do self.places:push(true) end
  return self
end

-- Takes a place, for a `<close>` variable; nil once the client is closed.
local function take(self)
  if not self.places:pop() then return nil end
  return setmetatable({}, { __close = function() self.places:push(true) end })
end

--- Nobody gets a place any more.
function Slots:close()
  self.places:close()
  while #self.places > 0 do self.places:pop() end
end

-- In the transfer's task, which is known as long as it runs.
local function known(media, fn)
  local running = task.running()
  media.running[running] = true
  local _ <close> = setmetatable({}, { __close = function() media.running[running] = nil end })
  local result, err = fn()
  return result, err
end

--- Runs a transfer. In a task.
-- @tparam table media moonpost.client.media
-- @tparam table slots whose place it takes
-- @int size bytes it may move
-- @func fn() -> result | nil, err
-- @return what fn does
-- @treturn ?table err code "closed", "media-stalled"
function transfer.run(media, slots, size, fn)
  if media.ended then return nil, media.ended end
  local inside = media.running[task.running()]
  local place <close> = not inside and take(slots) or nil
  if not place and not inside then return nil, media.ended end
  local seconds = LEAST_SECONDS + size // SLOWEST
  local ok, result, err = pcall(task.deadline, seconds, known, media, fn)
  if not ok then
    if media.ended and type(result) == "table" and result.code == "cancelled" then return nil, media.ended end
    error(result, 0)
  end
  if not result and type(err) == "table" and err.code == "timeout" then
    return nil, core.error("media-stalled", ("the transfer was not done within %d s"):format(seconds))
  end
  return result, err
end

return transfer
