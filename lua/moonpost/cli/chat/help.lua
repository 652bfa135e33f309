--- Commands about commands.
-- @module moonpost.cli.chat.help
local words = require "moonpost.cli.chat.words"

local HEAD = [[
A line is a text, or a command. #N is the number beside a message; without it the last one that fits is meant.]]

local WIDTH = 34 -- columns of a command and what it takes; what is longer has what it does further right

local function help(chat, text)
  local commands = require "moonpost.cli.chat.commands"
  local name = text:gsub("^/", "")
  local list = name == "" and commands.list or commands.named(name)
  if #list == 0 then words.wrong("there is no command /%s", name) end
  local lines, width = { name == "" and HEAD or nil }, 0
  for _, command in ipairs(list) do width = math.max(width, math.min(WIDTH, utf8.len(commands.usage(command)))) end
  for _, command in ipairs(list) do
    local usage = commands.usage(command)
    lines[#lines + 1] = usage .. (" "):rep(width - utf8.len(usage)) .. "  " .. command.about
  end
  local said = table.concat(lines, "\n")
  chat.screen:note(said, #said)
end

local function quit(chat) chat.over = true end

return {
  { name = "help", usage = "[COMMAND]", about = "tells the commands", run = help },
  { name = "quit", about = "ends the chat, as Ctrl-D does", run = quit },
}
