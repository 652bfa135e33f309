--- The options moonpost.bot takes, and what is wrong with them.
-- @module moonpost.bot.options
local options_of = require "moonpost.client.options"
local parse_phone = require("moonpost.client.phone_number").parse

local types = {
  store = "string", account = "string", name = "string", prefix = "string", own = "boolean", url = "string", root = "string", ca = "string",
  version = "table", qr = "function", device_name = "string", platform = "string", phone = "string", code = "function",
  proxy = "string",
  durability = "string", reply_seconds = "number", late_seconds = "number", mark_read = "boolean",
}

local function check_phone(options, level)
  local _, wrong
  if options.phone then _, wrong = parse_phone(options.phone) end
  if wrong then error(("moonpost.bot: option 'phone': %s"):format(wrong), level + 1) end
  if options.code and not options.phone then error("moonpost.bot: option 'code' needs the option 'phone'", level + 1) end
end

--- Checks them; an error at `level`.
return function(options, level)
  if type(options) ~= "table" then error("moonpost.bot expects a table of options", level + 1) end
  for name, value in pairs(options) do
    if not types[name] and name ~= "key" then error(("moonpost.bot has no option '%s'"):format(tostring(name)), level + 1) end
    if types[name] and type(value) ~= types[name] then
      error(("moonpost.bot: option '%s' must be a %s, not a %s"):format(name, types[name], type(value)), level + 1)
    end
  end
  options_of.check_names("moonpost.bot", options, level + 1)
  options_of.check_account("moonpost.bot", options.account, level + 1)
  check_phone(options, level + 1)
  options_of.check_proxy("moonpost.bot", options.proxy, level + 1)
  options_of.check_store("moonpost.bot", options, level + 1)
  options_of.check_seconds("moonpost.bot", options, level + 1)
  if not options.store then error("moonpost.bot needs the option 'store': the folder of its state", level + 1) end
end
