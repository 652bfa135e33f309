--- Errors that tell of a damaged store point at what looks deeper.
-- @module moonpost.client.damage
local core = require "moonpost.core"

local damaged = { malformed = true, truncated = true, damaged = true }

--- An error of opening or copying a store; with where to look, when the store is damaged.
-- @tparam table err
-- @treturn table
return function(err)
  local tells = damaged[err.code] or err.message:find("damaged", 1, true)
  if not tells or err.message:find("store check", 1, true) then return err end
  return core.error(err.code, err.message .. "; see moonpost store check")
end
