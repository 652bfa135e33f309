--- A temporary file that goes away unless it is kept:
--
--     local out <close>, err = temporary()
--     if not out then return nil, err end
--     err = out:write(bytes) or out:finish()
--     if not err then return out:keep() end
--
-- @module moonpost.client.tools.temporary
local core = require "moonpost.core"

local Temporary = {}
Temporary.__index = Temporary

--- Its path: from here on it is the caller's to remove.
function Temporary:keep()
  self.kept = true
  return self.path
end

local function failed(why) return core.error("media-disk", ("no temporary file: %s"):format(why)) end

--- Writes bytes at its end.
-- @treturn ?table err code "media-disk"
function Temporary:write(bytes)
  local why
  if not self.file then
    self.file, why = io.open(self.path, "ab")
    if not self.file then return failed(why) end
  end
  local ok
  ok, why = self.file:write(bytes)
  if not ok then return failed(why) end
end

--- Ends the writing: now all of it is there.
-- @treturn ?table err code "media-disk"
function Temporary:finish()
  if not self.file then return end
  local ok, why = self.file:close()
  self.file = nil
  if not ok then return failed(why) end
end

function Temporary:__close()
  if self.file then self.file:close() end
  if not self.kept then os.remove(self.path) end
end

--- Makes one.
-- @treturn ?table path, :write(bytes), :finish(), :keep(); to be closed
-- @treturn ?table err code "media-disk"
return function()
  local path, why = core.system.temporary_file()
  if not path then return nil, failed(why) end
  return setmetatable({ path = path }, Temporary)
end
