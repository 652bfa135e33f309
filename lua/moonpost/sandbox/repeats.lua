--- What a device has sent of late, so that a stanza it sends again is recognised (S-409). A world that is kept keeps it as well: a
-- client may send again what it sent before the server was restarted.
-- @module moonpost.sandbox.repeats
local REMEMBERED = 512 -- stanzas of a device

local repeats = {}

local function row_prefix(device) return "r" .. device.queue.prefix end
local function row_key(device, number) return row_prefix(device) .. (">I8"):pack(number) end

local function load(device)
  local list, queue = { first = 1, last = 0, times = {} }, device.queue
  for i, row in ipairs(queue.keep and queue.store:range("world", row_prefix(device)) or {}) do
    local number = (">I8"):unpack(row[1], #row[1] - 7)
    local time, key = (">I8"):unpack(row[2]), row[2]:sub(9)
    if i == 1 then list.first = number end
    list.last, list[number], list.times[key] = number, key, time
  end
  device.repeats = list
  return list
end

local function forget_first(device, list)
  list.times[list[list.first]] = nil
  list[list.first] = nil
  if device.queue.keep then device.queue.store:delete("world", row_key(device, list.first)) end
  list.first = list.first + 1
end

--- When a stanza was seen first; it is remembered when it is new.
-- @param device
-- @string key of the stanza: its id and what it holds
-- @int now Unix seconds
-- @treturn ?int Unix seconds; nil when it is new
function repeats.before(device, key, now)
  local list = device.repeats or load(device)
  if list.times[key] then return list.times[key] end
  list.last = list.last + 1
  list[list.last], list.times[key] = key, now
  if device.queue.keep then device.queue.store:put("world", row_key(device, list.last), (">I8"):pack(now) .. key) end
  if list.last - list.first >= REMEMBERED then forget_first(device, list) end
  return nil
end

--- Forgets all of a device that is linked no more.
function repeats.clear(device)
  local list = device.repeats or load(device)
  while list.first <= list.last do forget_first(device, list) end
end

return repeats
