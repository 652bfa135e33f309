-- The bot of the rows `online`, `idle`, `echo` and `photo`, moonpost's side (baileys.mjs has the other): answers every text with the same
-- text, and every picture with one it uploads of the bytes it has loaded, which `image = ctx.media` would not: that sends by reference.
-- Both quote. Prints `qr TEXT` for a code to be scanned, `ready JID` once it is online. Ends with SIGINT.
-- usage: moonpost run spec/bench/bot.lua --store DIR -- URL ROOT CA.pem   (ROOT: the server's Noise root key, in hex)
local core = require "moonpost.core"
local moonpost = require "moonpost"

local function say(...)
  print(...)
  io.stdout:flush()
end

local url, root, ca = table.unpack(arg)
local file = assert(io.open(ca))
local bot = moonpost.bot {
  store = "bench-state", name = "Echo", url = url, root = core.crypto.unhex(root), ca = file:read "a",
  qr = function(text) say("qr " .. text) end,
}
file:close()
bot:on("ready", function(me) say("ready " .. me.jid) end)
bot:on("message", function(ctx)
  if ctx.media then
    ctx:reply { image = { bytes = ctx.media:bytes() } }
  elseif ctx.text then
    ctx:reply(ctx.text)
  end
end)
bot:run()
