-- The bot of scripts/soak: every message has an answer that can be foretold. Prints "again ID" for one it had before.
local moonpost = require "moonpost"
local bot = moonpost.bot { store = "soak-state", name = "Soak" }

local function tell(ctx)
  if not ctx.redelivered then return end
  print("again " .. ctx.id)
  io.stdout:flush()
end

bot:on("message", { kind = "reaction" }, function(ctx)
  tell(ctx)
  local reaction = ctx.message.reactionMessage
  ctx:send(("you reacted %s to %s"):format(reaction.text, reaction.key.id))
end)

bot:on("message", { kind = "text" }, function(ctx)
  tell(ctx)
  local number = math.tointeger(tonumber(ctx.text:match "%d+"))
  if number % 3 == 0 then ctx:typing() end
  ctx:reply("got " .. ctx.text)
  if number % 4 == 0 then ctx:react "👍" end
  if number % 5 == 0 then ctx:send("more of " .. ctx.text) end
end)

bot:run()
