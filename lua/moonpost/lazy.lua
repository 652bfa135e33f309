--- Modules that are read in when they are first used, so that a bot does not pay for what it never does: memory, and time at its start.
--
--     local kinds = lazy "moonpost.client.kinds"
--     kinds.read(...) -- now it is there
--
-- It stands for modules that are a table or a function, and for one whose fields nobody goes through with `pairs`.
-- @module moonpost.lazy

-- From the first use on the stand-in has the module's fields, and is called as it is.
local function fill(stand_in, name)
  local module = require(name)
  local meta = getmetatable(stand_in)
  if type(module) == "table" then meta.__index = module end
  meta.__call = function(_, ...) return module(...) end
  return module
end

--- @string name of the module
-- @treturn table what stands for it
return function(name)
  local meta = {}
  function meta.__index(stand_in, key) return fill(stand_in, name)[key] end
  function meta.__call(stand_in, ...) return fill(stand_in, name)(...) end
  return setmetatable({}, meta)
end
