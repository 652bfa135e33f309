--- Several bots in one process.
--
--     moonpost.run(moonpost.bot { store = "state", account = "work" }, moonpost.bot { store = "state", account = "home" })
-- @module moonpost.bot.run
local host = require "moonpost.bot.host"
local task = require "moonpost.task"

local function run_all(bots)
  local running, failed = {}, nil
  for i, bot in ipairs(bots) do running[i] = task.spawn(bot.run, bot) end
  for _, one in ipairs(running) do
    local ok, err = one:join()
    if not ok then failed = failed or err end
  end
  if failed then return nil, failed end
  return true
end

--- Runs bots until each of them has ended: by `bot:stop()`, by Ctrl-C or SIGTERM, which stop them all, or because its account
-- cannot go on; the others do then. Inside a task it waits there; elsewhere it runs the loop.
-- @param ... bots
-- @treturn ?boolean true when all have stopped cleanly
-- @treturn ?table err of the first that could not go on, in the order of the arguments
return function(...)
  local bots = table.pack(...)
  if bots.n == 0 then error("moonpost.run expects bots", 2) end
  for i = 1, bots.n do
    local bot = bots[i]
    if type(bot) ~= "table" or type(bot.run) ~= "function" then
      error(("moonpost.run expects bots, got %s as argument %d"):format(type(bot), i), 2)
    end
  end
  host.several = bots.n > 1
  local ok, err
  if task.running() then ok, err = run_all(bots) else ok, err = task.run(run_all, bots) end
  host.result = { ok, err }
  return ok, err
end
