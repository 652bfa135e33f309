-- A bot that tells all it hears of a message, one JSON object a line; says on `!say WORD` what the word stands for, and answers every menu.
local moonpost = require "moonpost"
local json = require "cjson.safe"
local bot = moonpost.bot { store = "kinds-state", name = "Kinds" }

local plain = {
  "id", "chat", "sender", "text", "forwarded", "expires", "view_once", "preview", "location", "contacts", "invite", "menu", "button",
  "product", "order", "payment", "call", "target", "label",
}

local function say(ctx)
  local told = { kind = "message", what = ctx.kind, me = ctx.mentions.me, everyone = ctx.mentions.everyone }
  for _, name in ipairs(plain) do told[name] = ctx[name] end
  if #ctx.mentions > 0 then told.mentions = { table.unpack(ctx.mentions) } end
  if ctx.quoted then
    local quoted = ctx.quoted
    told.quoted = { id = quoted.id, sender = quoted.sender, chat = quoted.chat, what = quoted.kind, text = quoted.text }
  end
  io.stdout:write(assert(json.encode(told)), "\n")
  io.stdout:flush()
end

local words = {
  text = function(ctx) return { text = "hello @" .. ctx.phone, mentions = { ctx.sender } } end,
  everyone = { text = "all of you", mentions = "everyone" },
  preview = { text = "see https://a.example/x", preview = function(url) return { title = "Title of " .. url, description = "A page" } end },
  location = { location = { 52.5, 13.25, name = "Lab", address = "Street 1" } },
  live_location = { live_location = { 52.5, 13.25, accuracy = 10 }, text = "walking" },
  contact = { contact = { name = "Ada Lovelace", phone = "+1 555 123 4567" } },
  contacts = { contacts = { { name = "Ada", phone = "+1 555 123 4567" }, { name = "Bob", phone = "+1 555 765 4321" } } },
  invite = { invite = { group = "120363000000000001@g.us", code = "code", expires = 1800000000, subject = "Tea" }, text = "come" },
  product = function(ctx)
    return { product = { id = "7", title = "Cup", owner = ctx.phone .. "@s.whatsapp.net", price = 12.5, currency = "EUR" }, text = "look" }
  end,
  once = { text = "psst", view_once = true },
  number = { phone_request = true },
}

bot:command("say", function(ctx, args)
  local spec = words[args[1]]
  ctx:reply(type(spec) == "function" and spec(ctx) or spec)
end)

bot:command("label", function(ctx, args)
  ctx:send { message = { protocolMessage = { type = "GROUP_MEMBER_LABEL_CHANGE", memberLabel = {
    label = args.text, labelTimestamp = os.time(),
  } } } }
end)

bot:command("forward", function(ctx) ctx:forward(ctx.chat) end)

bot:on("message", function(ctx)
  say(ctx)
  if ctx.menu and ctx.menu.choices[1] then ctx:reply { button = ctx.menu.choices[1] } end
end)

bot:run()
