--- The `moonpost` command: one file per subcommand, found by its name.
-- A subcommand is {summary=, usage=, main=fn(args) -> exit code}. Exit codes: 0 done, 1 failed, 2 wrong command line,
-- 3 the account was unlinked (run), 4 the store could not be looked at (store check).
-- @module moonpost.cli
local core = require "moonpost.core"
local printable = require "moonpost.printable"
local traceback = require "moonpost.traceback"

local cli = {}

local names = { "run", "sandbox", "chat", "accounts", "logout", "backup", "store", "doctor" }

local function help()
  print "moonpost: WhatsApp bots in Lua, and a sandbox to try them in\n"
  print "usage: moonpost COMMAND [options]\n"
  for _, name in ipairs(names) do
    local command = require("moonpost.cli." .. name)
    print(("  %-8s %s"):format(name, command.summary))
  end
  print "\nmoonpost COMMAND --help tells more; moonpost --version tells the version."
  return 0
end

local function complain(name, line)
  io.stderr:write("moonpost", name and " " .. name or "", ": ", printable.text(line), "\n")
end

local function is_command(name)
  for _, known in ipairs(names) do
    if known == name then return true end
  end
end

local function run(name, args)
  local command = require("moonpost.cli." .. name)
  local ok, result = xpcall(command.main, function(err)
    if type(err) == "table" and (err.usage or err.reason or err.help) then return err end
    return traceback.text(traceback.of(err))
  end, args)
  if ok then return result end
  if type(result) == "table" and result.help then
    print(command.usage)
    return 0
  end
  if type(result) == "table" and result.usage then
    complain(name, ("%s (see moonpost %s --help)"):format(result.usage, name))
    return 2
  end
  complain(name, type(result) == "table" and result.reason or tostring(result))
  return 1
end

--- Runs the command line.
-- @treturn int the exit code
function cli.main(name, ...)
  if name == "help" and ... ~= nil then return cli.main(..., "--help") end
  if name == nil or name == "--help" or name == "-h" or name == "help" then return help() end
  if name == "--version" then
    print("moonpost " .. core.version)
    return 0
  end
  if not is_command(name) then
    complain(nil, ("unknown command '%s'; there are: %s"):format(name, table.concat(names, ", ")))
    return 2
  end
  return run(name, { ... })
end

return cli
