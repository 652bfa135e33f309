--- Asking the server again for what it could not do now: as long as the connection lasts, after pauses that grow. A new connection
-- begins with a login, which asks for itself.
-- @module moonpost.client.again
local task = require "moonpost.task"

-- Seconds before each further try: the sum of the two before, and no more than the last (fact sheet 02 §10.2).
local FIRST, SECOND, LONGEST = 1, 2, 610

local TOO_OFTEN = 429 -- a refusal that is none for good

-- An answer that did not come, or that tells of the server's trouble; what it refuses it would refuse again.
local function may_pass(err)
  return err.code == "timeout" or err.code == "iq" and (err.status >= 500 or err.status == TOO_OFTEN)
end

local Again = {}
Again.__index = Again

local function go_on(self)
  local gone = self.client.connection.gone
  local pause, longer = self.first, self.second
  local ok, err
  repeat
    gone:pop(math.min(pause, self.longest))
    if gone.closed then return end
    pause, longer = longer, pause + longer
    ok, err = self.attempt()
  until ok or not may_pass(err)
  if err and err.code ~= "closed" then self.client:emit("error", err) end
end

--- Tries once; when the server cannot do it now, goes on trying beside the caller. In a task.
-- @treturn ?boolean true
-- @treturn ?table err of this first try
function Again:try()
  local ok, err = self.attempt()
  if ok or self.going or not may_pass(err) then return ok, err end
  self.going = true
  task.spawn(function()
    local guard <close> = setmetatable({}, { __close = function() self.going = false end })
    return guard and go_on(self)
  end)
  return nil, err
end

--- @tparam table client
-- @func attempt fn() -> true, or nil and an error
return function(client, attempt)
  return setmetatable({ client = client, attempt = attempt, going = false, first = FIRST, second = SECOND, longest = LONGEST }, Again)
end
