--- The option --wa-version of commands that log in.
-- @module moonpost.cli.wa_version
local options = require "moonpost.cli.options"

--- @string text "2.3000.NUMBER"
-- @treturn table three integers
return function(text)
  local parts = { text:match "^(%d+)%.(%d+)%.(%d+)$" }
  if #parts ~= 3 then options.fail("--wa-version expects three numbers such as 2.3000.1045368834, got '%s'", text) end
  for i = 1, 3 do parts[i] = math.tointeger(parts[i]) end
  return parts
end
