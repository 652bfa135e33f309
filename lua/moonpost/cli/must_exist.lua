--- Commands about a store that is there must not make one.
-- @module moonpost.cli.must_exist
local core = require "moonpost.core"
local options = require "moonpost.cli.options"

local NO_ENTRY = 2 -- ENOENT

--- Ends the command when a folder holds no file of a store; what else may be wrong with it is told by the opening.
-- @string folder
return function(folder)
  local found, why, number
  for _, name in ipairs { "keys.mdb", "traffic.mdb" } do
    found, why, number = core.system.stat(folder .. "/" .. name)
    if found then return end
  end
  if number == NO_ENTRY then options.stop("there is no store in %s", folder) end
  options.stop("cannot open the store's folder %s: %s", folder, why)
end
