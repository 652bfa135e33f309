--- Phone numbers as people type them, brought to the digits the service knows an account by.
-- @module moonpost.client.phone_number
local core = require "moonpost.core"
local printable = require "moonpost.printable"

local SHORTEST, LONGEST = 7, 15 -- digits: fact sheet 02 §3.2; E.164
local EXAMPLE = "+1 555 123 4567"

-- What stands between digits: spaces, dots, slashes, brackets, hyphens and dashes, and the marks of writing direction a copied
-- number brings along.
local separators = {
  "[%s%.%-/()%[%]]", "\u{A0}", "\u{2007}", "\u{2009}", "\u{202F}", "\u{2010}", "\u{2011}", "\u{2012}", "\u{2013}", "\u{2014}",
  "\u{2212}", "\u{200E}", "\u{200F}", "\u{202A}", "\u{202B}", "\u{202C}", "\u{202D}", "\u{2066}", "\u{2067}", "\u{2068}", "\u{2069}",
}

local phone_number = {}

local function without_separators(text)
  for _, separator in ipairs(separators) do text = text:gsub(separator, "") end
  return text
end

-- Why the digits behind a prefix, or without one, are no number; nil when they are.
local function fault(digits, prefixed)
  if digits:find "^0" then
    if prefixed then return "no country code begins with 0" end
    return "it begins with a single 0, as numbers inside a country do: put the country code in its place"
  end
  if not prefixed then return "it does not begin with + (or 00) and its country code" end
  if #digits < SHORTEST then return ("it has %d digits, and none has less than %d"):format(#digits, SHORTEST) end
  if #digits > LONGEST then return ("it has %d digits, and none has more than %d"):format(#digits, LONGEST) end
end

-- The digits, and whether "+" or "00" stood before them; or nil and what is wrong.
local function read(text)
  local bare = without_separators(text)
  if bare:find "^%+" or bare:find "^00" then bare = without_separators((text:gsub("%(0%)", ""))) end -- +44 (0)20 …
  local prefix, digits = bare:match "^(%+?)(.*)$"
  local strange = digits:match "[^%d]"
  if strange then
    local whole = digits:match(utf8.charpattern, (digits:find(strange, 1, true)))
    return nil, ("it holds '%s'"):format(printable.line(whole, 20))
  end
  if digits == "" then return nil, "it has no digits" end
  if prefix == "" and digits:find "^00" then prefix, digits = "00", digits:sub(3) end
  return digits, prefix ~= ""
end

--- Reads a phone number: with its country code, after "+" or "00". Without these nobody could tell a number inside a country from
-- another country's.
-- @string text
-- @treturn ?string its digits alone
-- @treturn ?table err code "phone"
function phone_number.parse(text)
  local digits, prefixed = read(text)
  local wrong = not digits and prefixed or digits and fault(digits, prefixed)
  if not wrong then return digits end
  return nil, core.error("phone", ("'%s' is no phone number: %s (expected one such as %s)"):format(
    printable.line(text, 60), wrong, EXAMPLE))
end

return phone_number
