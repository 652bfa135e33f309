--- The fields of an admin call's JSON: which there may be, of what kind; a sentence for what is wrong.
-- @module moonpost.sandbox.fields
local core = require "moonpost.core"
local printable = require "moonpost.printable"

local fields = {}

-- A kind of field: fn(value) -> the value as it is meant, or nil, what it should have been.

--- A text of 1 to so many bytes.
function fields.text(most)
  return function(value)
    if type(value) == "string" and value ~= "" and #value <= most then return value end
    return nil, ("a text of 1 to %d bytes"):format(most)
  end
end

--- A whole number; JSON's come as floats.
function fields.whole(least, most)
  return function(value)
    local whole = type(value) == "number" and math.tointeger(value) or nil
    if whole and whole >= least and whole <= most then return whole end
    return nil, ("a whole number, %d to %d"):format(least, most)
  end
end

--- A number of seconds.
function fields.seconds(most)
  return function(value)
    if type(value) == "number" and value >= 0 and value <= most then return value end
    return nil, ("seconds, 0 to %d"):format(most)
  end
end

--- A number of three digits, or the same as a text.
function fields.code(value)
  local whole = math.tointeger(tonumber(type(value) ~= "table" and value or nil))
  if whole and whole >= 100 and whole <= 999 then return whole end
  return nil, "a number of three digits"
end

--- The hash of a file as it is uploaded, in any way it is shown in; as 32 bytes.
function fields.hash(value)
  local text = type(value) == "string" and #value <= 200 and value or ""
  for _, bytes in ipairs { core.crypto.unhex(text) or "", core.crypto.unbase64(text) or "",
    core.crypto.unbase64(text:gsub("=+$", ""), "url") or "" } do
    if #bytes == 32 then return bytes end
  end
  return nil, "the SHA-256 of the file as it was uploaded, in base64 or hex"
end

--- true or false.
function fields.flag(value)
  if type(value) == "boolean" then return value end
  return nil, "true or false"
end

--- One of some words.
function fields.one_of(...)
  local words = { ... }
  return function(value)
    for _, word in ipairs(words) do
      if value == word then return value end
    end
    return nil, "one of " .. table.concat(words, ", ")
  end
end

--- Of one kind or the other.
function fields.either(one, other)
  return function(value)
    local read, wanted = one(value)
    if read ~= nil then return read end
    local other_wanted
    read, other_wanted = other(value)
    if read ~= nil then return read end
    return nil, wanted .. ", or " .. other_wanted
  end
end

--- Reads what was sent.
-- @tparam table value
-- @tparam table known kinds by name
-- @tparam ?table needed names that must be there
-- @treturn ?table the fields, each as its kind means it
-- @treturn ?string what is wrong
function fields.read(value, known, needed)
  local read = {}
  for name, one in pairs(value) do
    local kind = type(name) == "string" and known[name]
    if not kind then return nil, ("there is no field '%s' here"):format(printable.line(name, 100)) end
    local wanted
    read[name], wanted = kind(one)
    if read[name] == nil then return nil, ("%s is %s"):format(name, wanted) end
  end
  for _, name in ipairs(needed or {}) do
    if read[name] == nil then return nil, name .. " is missing" end
  end
  return read
end

return fields
