--- The bodies of uploads and downloads, and what a plan of faults does to them.
-- @module moonpost.sandbox.media_body
local core = require "moonpost.core"
local task = require "moonpost.task"

local SLICE = 64 * 1024

local media_body = {}

local SILENCE = 0.2 -- seconds between looks at whether the peer is still there

-- Says nothing more until the peer has gone.
local function fall_silent(exchange)
  while exchange:is_open() do task.sleep(SILENCE) end
end

--- Takes an upload.
-- @param exchange
-- @tparam table writer
-- @int most bytes in all
-- @tparam table plan cut, stall: after so many bytes; drip: bytes a second
-- @treturn ?boolean true
-- @treturn ?table err
function media_body.take(exchange, writer, most, plan)
  local came = 0
  while true do
    local bytes, err = exchange:read()
    if not bytes then return err == nil or nil, err end
    came = came + #bytes
    if writer.size + #bytes > most then return nil, core.error("limit", "the file is too large") end
    if plan.cut and came > plan.cut then
      writer:write(bytes:sub(1, #bytes - (came - plan.cut)))
      return nil, core.error("closed", "cut by a fault")
    end
    local ok
    ok, err = writer:write(bytes)
    if not ok then return nil, err end
    if plan.stall and came > plan.stall then fall_silent(exchange) end
    if plan.drip then task.sleep(#bytes / plan.drip) end
  end
end

local function flipped(bytes, at)
  return bytes:sub(1, at - 1) .. string.char(bytes:byte(at) ~ 1) .. bytes:sub(at + 1)
end

-- The next bytes of an object, spoiled where the plan says so.
local function slice(reader, part, offset, plan)
  local count = math.min(part.count - offset, plan.drip and math.max(1, plan.drip // 10) or SLICE)
  local limit = plan.cut or plan.stall
  if limit and offset < limit then count = math.min(count, limit - offset) end
  local bytes, err = reader:read(part.first + offset, count)
  local at = plan.flip and bytes and plan.flip - (part.first + offset) + 1
  if at and at >= 1 and at <= #bytes then bytes = flipped(bytes, at) end
  return bytes, err
end

-- Ends it behind what was written.
local function cut(exchange, written)
  if written > 0 then exchange:flush() end
  exchange:cut()
end

local ENDLESS = 1 << 50 -- bytes that nobody waits for

-- Says bytes without end.
local function go_on(exchange)
  local filler = ("\0"):rep(SLICE)
  repeat until not exchange:write(filler)
end

--- Gives a part of an object.
-- @param exchange
-- @tparam table reader of media_files
-- @tparam table part status, headers, first, count
-- @tparam table plan cut, stall: after so many bytes; drip: bytes a second; flip: which byte of the object; length: what is said of the
--   length besides the truth; endless
function media_body.give(exchange, reader, part, plan)
  local told = part.count + (plan.length or 0)
  if plan.length and plan.length < 0 then
    part.count = math.max(0, told)
    told = part.count
  end
  exchange:start(part.status, part.headers, plan.endless and ENDLESS or told)
  local offset = 0
  while offset < part.count do
    if plan.cut and offset >= plan.cut then return cut(exchange, offset) end
    if plan.stall and offset >= plan.stall then return fall_silent(exchange) end
    local bytes = slice(reader, part, offset, plan)
    if not bytes or not exchange:write(bytes) then return exchange:cut() end
    offset = offset + #bytes
    if plan.drip then task.sleep(#bytes / plan.drip) end
  end
  if plan.endless then go_on(exchange) end
  if told > part.count then cut(exchange, offset) end
end

return media_body
