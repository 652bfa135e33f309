local moonpost = require "moonpost"
local bot = moonpost.bot { store = "echo-state", name = "Echo" }
bot:command("ping", function(ctx) ctx:reply "pong" end)
bot:on("message", function(ctx) if ctx.text then ctx:reply(ctx.text) end end)
bot:on("message", { media = "image" }, function(ctx) ctx:reply { image = ctx.media } end)
bot:run()
