--- Checks of what callers ask to be sent: what is wrong is raised as an error of code "spec", which names the field.
-- @module moonpost.client.kinds.check
local core = require "moonpost.core"
local moment = require "moonpost.client.kinds.moment"

local jid = core.wire.jid

local check = {}

--- Raises that a spec is wrong.
-- @string text a sentence, with the values for its places
function check.wrong(text, ...) error(core.error("spec", text:format(...)), 0) end

local function sorted(names)
  local list = {}
  for name in pairs(names) do list[#list + 1] = tostring(name) end
  table.sort(list)
  return table.concat(list, ", ")
end

local function fits(value, wanted)
  if wanted == "any" then return true end
  if wanted == "integer" then return math.type(value) == "integer" or math.type(value) == "float" and math.tointeger(value) ~= nil end
  for one in wanted:gmatch "[^|]+" do
    if type(value) == one then return true end
  end
  return false
end

--- The value of a field, if it is of its type.
-- @string what the spec, as errors name it: "a poll"
-- @string name of the field
-- @param value
-- @string wanted "string", "number", "integer", "boolean", "table", "function", several with "|", or "any"
-- @bool must whether it has to be there
function check.value(what, name, value, wanted, must)
  if value == nil then
    if must then check.wrong("%s needs '%s'", what, name) end
    return nil
  end
  if not fits(value, wanted) then
    check.wrong("%s: '%s' is %s %s, not a %s", what, name, wanted == "integer" and "an" or "a", (wanted:gsub("|", " or a ")), type(value))
  end
  if wanted == "integer" then return math.tointeger(value) end
  return value
end

--- Checks that a table has no other fields than these, and these of their types.
-- @string what the spec, as errors name it
-- @tparam table spec
-- @tparam table fields by name: the type, as `value` takes it
function check.fields(what, spec, fields)
  for name, value in pairs(spec) do
    local wanted = fields[name]
    if not wanted then check.wrong("%s has no field '%s' (%s)", what, tostring(name), sorted(fields)) end
    check.value(what, name, value, wanted)
  end
end

--- A text that is there and says something.
function check.text(what, name, value)
  check.value(what, name, value, "string", true)
  if value == "" then check.wrong("%s: '%s' is empty", what, name) end
  return value
end

--- A number within bounds.
function check.number(what, name, value, low, high)
  check.value(what, name, value, "number", true)
  if not (value >= low and value <= high) then check.wrong("%s: '%s' is between %s and %s, not %s", what, name, low, high, value) end
  return value
end

--- A time in whole Unix seconds.
function check.time(what, name, value)
  check.value(what, name, value, "number", true)
  if not (value > 0 and value <= moment.MAX) then check.wrong("%s: '%s' is a time in Unix seconds, not %s", what, name, value) end
  return math.floor(value)
end

--- A person's bare JID, whatever device it names.
function check.person(what, name, value)
  local user, server
  if type(value) == "string" then user, server = jid.parse(value) end
  if not user or not user:find "^%d+$" or server ~= "s.whatsapp.net" and server ~= "lid" then
    check.wrong("%s: '%s' names %s, which is no person's JID (digits@s.whatsapp.net or digits@lid)", what, name,
      type(value) == "string" and ("'%s'"):format(value) or "a " .. type(value))
  end
  return jid.make(user, server)
end

return check
