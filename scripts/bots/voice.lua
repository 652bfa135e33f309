-- A voice-note echo: a voice message comes back as it is, and any other sound as a voice message (ffmpeg makes it one, where it is there).
local moonpost = require "moonpost"
local bot = moonpost.bot { store = "voice-state", name = "Parrot" }

local function echo(ctx)
  ctx:recording()
  ctx:reply { voice = ctx.media }
end

bot:on("message", { media = "voice" }, function(ctx)
  echo(ctx)
  ctx:mark_played()
end)

bot:on("message", { media = "audio" }, echo)

bot:run()
