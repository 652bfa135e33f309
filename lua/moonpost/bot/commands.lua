--- Commands: "!name word word", found by prefix and name.
-- @module moonpost.bot.commands
local commands = {}

--- Splits a text into a command's name and arguments.
-- @string text
-- @string prefix what a command starts with
-- @treturn ?string name, lower case; nil when the text is no command
-- @treturn ?table args the words in order; `args.text` is all that follows the name, trimmed
function commands.parse(text, prefix)
  if text:sub(1, #prefix) ~= prefix then return nil end
  local name, rest = text:sub(#prefix + 1):match "^(%S+)%s*(.*)$"
  if not name then return nil end
  rest = rest:match "^.*%S" or "" -- patterns that never try a blank twice: a stranger's text may hold a million
  local args = { text = rest }
  for word in rest:gmatch "%S+" do args[#args + 1] = word end
  return name:lower(), args
end

return commands
