--- The key of a store as a command line gives it: by a descriptor, or by the environment. Never as a word, which everybody sees.
-- @module moonpost.cli.store_key
local core = require "moonpost.core"
local options = require "moonpost.cli.options"

--- @tparam ?string descriptor the value of the option
-- @tparam ?string name of the option, when it is not --key-fd
-- @tparam ?string variable of the environment, asked when there is no descriptor, when it is not MOONPOST_STORE_KEY
-- @treturn ?key
return function(descriptor, name, variable)
  local number = descriptor and math.tointeger(tonumber(descriptor))
  if descriptor and (not number or number < 0) then
    options.fail("--%s expects a descriptor's number, got '%s'", name or "key-fd", descriptor)
  end
  local key, err
  if number then key, err = core.store.key_from_fd(number) else key, err = core.store.key_from_env(variable or "MOONPOST_STORE_KEY") end
  if err then options.stop("%s", tostring(err)) end
  return key
end
