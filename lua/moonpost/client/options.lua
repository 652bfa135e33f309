--- The options moonpost.client takes, and what is wrong with them.
-- @module moonpost.client.options
local payload = require "moonpost.client.payload"
local platform = require "moonpost.client.platform"
local proxy = require "moonpost.client.proxy"

local NAME_MAX = 100 -- characters of a push name; the apps stop at 25, the service does not (fact sheet 07)
local DEVICE_NAME_MAX = 50 -- characters of a device's name: a line of the phone's list

local ACCOUNT_MAX = 32 -- bytes of an account's name

local options_of = {
  DEFAULT_ACCOUNT = "default", -- the account of a store when none is named
}

local known = {
  store = "string", store_handle = "userdata", url = "string", root = "string", ca = "string", name = "string", version = "table",
  own = "boolean", account = "string", device_name = "string", platform = "string", proxy = "string",
  durability = "string", reply_seconds = "number", late_seconds = "number",
}

-- Why a name is none; nil when it is one.
local function wrong_name(name, longest)
  local length = utf8.len(name)
  if not length then return "must be UTF-8" end
  if length == 0 or length > longest then return ("must have 1 to %d characters, got %d"):format(longest, length) end
  if name:find "%c" or name:find "\u{85}" or name:find "\u{2028}" or name:find "\u{2029}" then
    return "must be one line without control characters"
  end
end

local function wrong_platform(name)
  if not platform.kind(name) then return ("must be one of %s, got '%s'"):format(table.concat(platform.names(), ", "), name) end
end

--- Checks the names a client goes by; an error at `level`.
-- @string who "moonpost.client" or "moonpost.bot"
-- @tparam table options name: push name; device_name and platform: what the phone's list of linked devices shows
function options_of.check_names(who, options, level)
  for _, check in ipairs {
    { "name", wrong_name, NAME_MAX }, { "device_name", wrong_name, DEVICE_NAME_MAX }, { "platform", wrong_platform },
  } do
    local name, wrong_of, most = table.unpack(check)
    local wrong = options[name] and wrong_of(options[name], most)
    if wrong then error(("%s: option '%s' %s"):format(who, name, wrong), level + 1) end
  end
end

--- Whether a text can be an account's name: letters, digits and . _ + - of ASCII, the first no sign but +.
function options_of.is_account(name) return #name <= ACCOUNT_MAX and name:find "^[%w+][%w._+-]*$" ~= nil end

--- Checks the option `account`; an error at `level`.
function options_of.check_account(who, name, level)
  if name == nil or options_of.is_account(name) then return end
  error(("%s: option 'account' must be 1 to %d letters, digits or . _ + -, beginning with a letter, a digit or +"):format(
    who, ACCOUNT_MAX), level + 1)
end

--- Checks the option `proxy`; an error at `level`, which does not show it: it may hold a password.
function options_of.check_proxy(who, text, level)
  if text == nil then return end
  local read, wrong = proxy.read(text)
  if not read then error(("%s: option 'proxy' %s"):format(who, wrong), level + 1) end
end

--- Checks how a store is to be opened, by the options `durability` and `key`; an error at `level`.
function options_of.check_store(who, options, level)
  local durability, key = options.durability, options.key
  if durability ~= nil and durability ~= "power" and durability ~= "process" then
    error(("%s: option 'durability' must be 'power' or 'process'"):format(who), level + 1)
  end
  if key ~= nil and type(key) ~= "string" and type(key) ~= "userdata" then
    error(("%s: option 'key' must be a text, or a key of moonpost.core.store, not a %s"):format(who, type(key)), level + 1)
  end
end

--- The scope of an account's rows in its store.
function options_of.scope(name) return name == options_of.DEFAULT_ACCOUNT and "" or name end

--- The account of a scope.
function options_of.account(scope) return scope == "" and options_of.DEFAULT_ACCOUNT or scope end

--- Checks those that are a time.
function options_of.check_seconds(where, options, level)
  for _, name in ipairs { "reply_seconds", "late_seconds" } do
    if (options[name] or 1) <= 0 then error(("%s: option '%s' must be more than 0"):format(where, name), level + 1) end
  end
end

--- Checks all of them; an error at the line that calls moonpost.client.
function options_of.check(options)
  if type(options) ~= "table" then error("moonpost.client expects a table of options, got " .. type(options), 3) end
  for name, value in pairs(options) do
    if not known[name] and name ~= "key" then error(("moonpost.client has no option '%s'"):format(tostring(name)), 3) end
    if known[name] and type(value) ~= known[name] then
      error(("moonpost.client: option '%s' must be a %s, got %s"):format(name, known[name], type(value)), 3)
    end
  end
  options_of.check_names("moonpost.client", options, 3)
  options_of.check_account("moonpost.client", options.account, 3)
  options_of.check_proxy("moonpost.client", options.proxy, 3)
  options_of.check_store("moonpost.client", options, 3)
  if not options.store and not options.store_handle then error("moonpost.client needs the option 'store': the folder of its state", 3) end
  if options.root and #options.root ~= 32 then error("moonpost.client: option 'root' must be 32 bytes", 3) end
  options_of.check_seconds("moonpost.client", options, 3)
  if options.url and not options.url:match "^wss?://." then
    error(("moonpost.client: option 'url' must be a ws:// or wss:// address, got '%s'"):format(options.url), 3)
  end
  local version = options.version or payload.VERSION
  for i = 1, 3 do
    if math.type(version[i]) ~= "integer" or #version ~= 3 then
      error("moonpost.client: option 'version' must be three integers such as { 2, 3000, 1045368834 }", 3)
    end
  end
end

return options_of
