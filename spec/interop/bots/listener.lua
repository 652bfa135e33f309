-- A bot that only listens: what it hears goes to standard output, one JSON object a line.
local moonpost = require "moonpost"
local json = require "cjson.safe"
local bot = moonpost.bot { store = "listener-state", name = "Listener" }

local function say(event)
  io.stdout:write(assert(json.encode(event)), "\n")
  io.stdout:flush()
end

bot:command("tea", function(ctx, args)
  say { kind = "command", id = ctx.id, chat = ctx.chat, group = ctx.group ~= false, text = args.text }
end)
bot:on("message", function(ctx)
  say {
    kind = "message", id = ctx.id, chat = ctx.chat, group = ctx.group ~= false, sender = ctx.sender, name = ctx.name, phone = ctx.phone,
    text = ctx.text,
  }
end)

bot:run()
