-- A bot for the foreign client: a command, a reaction, a question, quotes, and what it heard of a quote or a reaction told back.
local moonpost = require "moonpost"
local bot = moonpost.bot { store = "host-state", name = "Host" }

bot:command("order", function(ctx)
  local what = ctx:ask "What would you like?"
  ctx:reply(("One %s, coming up."):format(what.text))
end)

bot:on("message", { kind = "reaction" }, function(ctx)
  local reaction = ctx.message.reactionMessage
  ctx:send(("you reacted %s to %s"):format(reaction.text, reaction.key.id))
end)

bot:on("message", { kind = "text" }, function(ctx)
  local info = ctx.message.extendedTextMessage and ctx.message.extendedTextMessage.contextInfo
  if info and info.stanzaId then
    local quoted = info.quotedMessage
    return ctx:reply(("you quoted %s: %s"):format(info.stanzaId, quoted.conversation or quoted.extendedTextMessage.text))
  end
  ctx:react "👍"
  ctx:reply(("hello %s, you wrote: %s"):format(ctx.name, ctx.text))
end)

bot:run()
