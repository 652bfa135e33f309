--- Locks by name, such as one for each chat: who holds one leaves the others alone. A lock is there as long as somebody uses it.
--
--     local lock <close> = locks:of(name)
--     local turn <close> = lock.turn:hold()
-- @module moonpost.client.locks
local task = require "moonpost.task"

local Lock = {}
Lock.__index = Lock

function Lock:__close()
  self.users = self.users - 1
  if self.users == 0 then self.locks[self.name] = nil end
end

local Locks = {}
Locks.__index = Locks

--- The lock of a name, to be closed after its turn.
-- @string name
-- @treturn table lock; `turn`: moonpost.task's
function Locks:of(name)
  local lock = self[name] or setmetatable({ name = name, locks = self, users = 0, turn = task.lock() }, Lock)
  self[name], lock.users = lock, lock.users + 1
  return lock
end

return function() return setmetatable({}, Locks) end
