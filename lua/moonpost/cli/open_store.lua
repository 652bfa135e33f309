--- Opening the store a command is about: one that is there already.
-- @module moonpost.cli.open_store
local core = require "moonpost.core"
local options = require "moonpost.cli.options"

local DEFAULT = "state" -- as in the README's bots

--- Opens it; ends the command when there is none, or it cannot be opened.
-- @tparam ?string folder
-- @treturn userdata store
return function(folder)
  folder = folder or DEFAULT
  local file = io.open(folder .. "/keys.mdb", "rb")
  if not file then options.stop("there is no store in %s", folder) end
  file:close()
  local store, err = core.store.open { path = folder, kind = "client" }
  if not store then options.stop("%s", tostring(err)) end
  return store
end
