--- The commands of a chat. Each family has a file of its own, an array of
--
--     { name = "vote", target = "poll", usage = "[CHOICE | …]", about = "votes …", run = fn(chat, text, m) }
--
-- A line is `/NAME #N TEXT`: `text` is what stands behind the name; with a `target` an optional `#N` names the message `m` it acts on,
-- which else is the last one that fits. What is wrong with a command is said before anything is sent (moonpost.cli.chat.words.wrong).
-- @module moonpost.cli.chat.commands
local printable = require "moonpost.printable"
local words = require "moonpost.cli.chat.words"

local families = { "say", "file", "act", "answer", "group", "place", "help" }

local commands = { list = {} }
local by_name = {}

for _, family in ipairs(families) do
  for _, command in ipairs(require("moonpost.cli.chat." .. family)) do
    assert(not by_name[command.name], command.name)
    by_name[command.name] = command
    commands.list[#commands.list + 1] = command
  end
end

--- How a command is written.
function commands.usage(command)
  local target = command.target and " [#N]" or ""
  return "/" .. command.name .. target .. (command.usage and " " .. command.usage or "")
end

--- The commands of a name, or of a family of names such as "group".
-- @string name
-- @treturn table array
function commands.named(name)
  local list = {}
  for _, command in ipairs(commands.list) do
    if command.name == name or command.name:match "^%S+" == name then list[#list + 1] = command end
  end
  return list
end

-- The command of a line, and the rest of it.
local function find(line)
  local first, rest = line:match "^/(%S*)%s*(.*)$"
  local second, more = rest:match "^(%S+)%s*(.*)$"
  local long = second and by_name[first:lower() .. " " .. second:lower()]
  if long then return long, words.trim(more) end
  local command = by_name[first:lower()]
  if command then return command, words.trim(rest) end
  if #commands.named(first) > 0 then
    words.wrong("/%s is followed by what to do: /help %s tells", printable.line(first, 40), first)
  end
  words.wrong("there is no command /%s (/help lists them; a text that begins with / is written with two)", printable.line(first, 40))
end

local function run(chat, line)
  local command, text = find(line)
  local m
  if command.target then
    local number, rest = text:match "^#(%d+)%f[%s\0]%s*(.*)$"
    m = words.need(chat.lines:pick(command.target, number))
    text = number and rest or text
  end
  command.run(chat, text, m, command)
end

-- What is wrong, as a sentence, with how the command is written.
local function sentence(line, err)
  if type(err) == "table" and err.failed then return err.failed end
  if type(err) ~= "table" or not err.wrong then return tostring(err) end
  local found, command = pcall(find, line)
  return err.wrong .. (found and "; it is written " .. commands.usage(command) or "")
end

--- Runs a command.
-- @tparam table chat
-- @string line begins with "/"
-- @treturn ?boolean true
-- @treturn ?string what was wrong, or why it failed
function commands.run(chat, line)
  local ok, err = pcall(run, chat, line)
  if ok then return true end
  if type(err) == "table" and err.code == "cancelled" then error(err, 0) end
  return nil, sentence(line, err)
end

return commands
