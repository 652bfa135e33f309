--- The command line of a subcommand, checked against a table of what it takes.
-- @module moonpost.cli.options
local options = {}

local function fail(format, ...) error({ usage = format:format(...) }, 0) end

--- Parses arguments; a wrong one raises {usage = "one line"}, which ends the program with exit code 2. `--help` or `-h` anywhere
-- raises {help = true}, which shows the subcommand's usage.
-- @tparam table spec name -> "flag" or what the value is called ("URL"); `spec.arguments` = {min, max, name of the first} arguments.
-- Options stand anywhere; behind `--` every word is positional.
-- @tparam table args the words
-- @treturn table name -> value or true, and the positional arguments in order
function options.parse(spec, args)
  local found, only_words = {}, false
  local i = 1
  while i <= #args do
    local word = args[i]
    local name, value = word:match "^%-%-([%w-]+)=(.*)$"
    name = name or word:match "^%-%-([%w-]+)$"
    if only_words or not word:find "^%-" or word == "-" then
      found[#found + 1] = word
    elseif word == "--" then
      only_words = true
    elseif word == "--help" or word == "-h" then
      error({ help = true }, 0)
    elseif not name or not spec[name] or name == "arguments" then
      fail("unknown option '%s'", word)
    elseif spec[name] == "flag" then
      if value then fail("option --%s takes no value", name) end
      found[name] = true
    else
      if not value then
        i = i + 1
        value = args[i]
      end
      if not value or value == "" then fail("option --%s needs a value: %s", name, spec[name]) end
      if found[name] then fail("option --%s is given twice", name) end
      found[name] = value
    end
    i = i + 1
  end
  local least, most, missing = table.unpack(spec.arguments or { 0, 0 })
  if #found < least then fail("expected %s", missing) end
  if #found > most then fail("unexpected argument '%s'", found[most + 1]) end
  return found
end

--- Ends a subcommand because of its command line: one line, exit code 2.
options.fail = fail

--- Ends a subcommand because something outside said no: one line, exit code 1.
-- @tparam string|table reason
function options.stop(reason, ...)
  error({ reason = select("#", ...) > 0 and reason:format(...) or tostring(reason) }, 0)
end

return options
