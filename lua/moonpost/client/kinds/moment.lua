--- Times inside messages: whatever stands there becomes Unix seconds a calendar knows, or nothing.
-- @module moonpost.client.kinds.moment
local moment = { MAX = 253402300799 } -- the last second of the year 9999

local MILLISECONDS = 100000000000 -- a time above this is no count of seconds where milliseconds are in use as well

--- A time a message tells, in Unix seconds; nil when it can be none.
-- @tparam ?int value
function moment.read(value)
  if not value or value <= 0 or value > moment.MAX then return nil end
  return value
end

--- The same where some write milliseconds.
function moment.of_either(value)
  if value and value > MILLISECONDS then value = value // 1000 end
  return moment.read(value)
end

return moment
