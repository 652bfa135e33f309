-- A sticker maker: a picture, video or GIF that somebody sends comes back as a sticker. In a group "!sticker" asks for it, as a caption or
-- as an answer to the picture, and words behind it name the pack. ffmpeg makes the stickers: apt-get install ffmpeg.
local moonpost = require "moonpost"
local bot = moonpost.bot { store = "sticker-state", name = "Stickers" }
local makes = { image = true, video = true, gif = true }

local function make(ctx, m, pack)
  if not (m and makes[m.kind]) then return ctx:reply "Send a picture with !sticker, or answer one." end
  ctx:reply { sticker = m.media, pack = { name = pack or "Stickers", publisher = ctx.name } }
end

bot:command("sticker", function(ctx, args)
  make(ctx, ctx.media and ctx or ctx.quoted, args.text ~= "" and args.text or nil)
end)

bot:on("message", { media = true }, function(ctx)
  if makes[ctx.kind] and not ctx.group then make(ctx, ctx) end
end)

bot:run()
