-- An echo bot that is killed (kill -9) at the N-th message of this run, before its answer, during it, or after it. Arguments: N and
-- "before", "during" or "after"; without arguments it lives.
local moonpost = require "moonpost"
local task = require "moonpost.task"
local bot = moonpost.bot { store = "mortal-state", name = "Mortal" }

local last, moment = tonumber(arg[1]), arg[2]
local count = 0

local function die() os.execute "kill -9 $PPID" end -- the shell's parent: this process

bot:on("message", { kind = "text" }, function(ctx)
  count = count + 1
  if count ~= last then return ctx:reply(ctx.text) end
  if moment == "before" then die() end
  if moment == "during" then task.spawn(function() task.sleep(0) die() end) end
  ctx:reply(ctx.text)
  die()
end)

bot:run()
