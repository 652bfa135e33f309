--- What went wrong and where: errors get one traceback, down to the last line that is not this library's own.
-- @module moonpost.traceback
local traceback = {}

local function is_ours(line)
  return line:find "moonpost/[%w_]+%.lua:" or line:find "moonpost/[%w_]+/[%w_]+%.lua:" or line:find "^%s*%[C%]:" or line:find "%.%.%."
end

local function trim(text)
  local lines, last = {}, 1
  for line in text:gmatch "[^\n]+" do lines[#lines + 1] = line end
  for i, line in ipairs(lines) do
    if not is_ours(line) then last = i end
  end
  return table.concat(lines, "\n", 1, last > 1 and last or #lines)
end

local function frames(co)
  local text = co and debug.traceback(co) or debug.traceback(nil, 3)
  return trim(text)
end

--- Puts the place on an error: the message handler of an xpcall, or for a coroutine that has died. An error that has one keeps it.
-- A text gets it behind it; an error of ours (with a code) in its field `traceback`; anything else stays as it is.
-- @param err what was raised
-- @tparam ?thread co the coroutine it ended
-- @return string or error table
function traceback.of(err, co)
  if type(err) == "table" and err.code then
    err.traceback = err.traceback or frames(co)
    return err
  end
  if type(err) ~= "string" or err:find("\nstack traceback:", 1, true) then return err end
  return err .. "\n" .. frames(co)
end

--- The same where people will read it: what is neither a text nor an error of ours becomes a text with its place.
function traceback.told(err)
  if type(err) == "string" or type(err) == "table" and err.code then return traceback.of(err) end
  local meta = getmetatable(err)
  if type(meta) == "table" and meta.__tostring then return tostring(err) .. "\n" .. frames() end
  return ("an error that is no text but a %s (%s)\n%s"):format(type(err), tostring(err), frames())
end

-- A script may raise a table with a code as ours are, which does not know how to say itself.
local function say(err)
  local meta = getmetatable(err)
  if type(err) ~= "table" or not err.code or type(meta) == "table" and meta.__tostring then return tostring(err) end
  return ("an error of code '%s'%s"):format(tostring(err.code), err.message and ": " .. tostring(err.message) or "")
end

--- An error with its place, as a text to be shown.
-- @treturn string
function traceback.text(err)
  if type(err) == "table" and err.traceback then return say(err) .. "\n" .. tostring(err.traceback) end
  return say(err)
end

return traceback
