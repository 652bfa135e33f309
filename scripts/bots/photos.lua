-- Saves every picture that comes, by chat and day: photos/CHAT/2026-01-31/image-3EB0….jpg. Words of its own name another folder:
-- moonpost run photos.lua -- FOLDER
local moonpost = require "moonpost"
local bot = moonpost.bot { store = "photo-state", name = "Photos" }
local folder = ... or "photos"

bot:on("message", { media = "image" }, function(ctx)
  local chat = ctx.chat:gsub("[^%w@.-]", "_")
  local day = os.date("%Y-%m-%d", ctx.time)
  print("saved " .. ctx.media:download(("%s/%s/%s/"):format(folder, chat, day)))
end)

bot:run()
