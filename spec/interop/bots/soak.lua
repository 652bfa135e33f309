-- The bot of scripts/soak: every message has an answer that can be foretold (spec/interop/soak/answers.mjs). What quotes nothing says in
-- brackets which message it answers. Prints "again ID" for one it had before.
local moonpost = require "moonpost"
local bot = moonpost.bot { store = "soak-state", name = "Soak" }

local function on(kind, fn)
  bot:on("message", { kind = kind }, function(ctx)
    if ctx.redelivered then
      print("again " .. ctx.id)
      io.stdout:flush()
    end
    fn(ctx)
  end)
end

local function say(ctx, text) return ctx:send(("%s [%s]"):format(text, ctx.id)) end

local function number_of(text) return math.tointeger(tonumber(text:match "%d+")) end

-- "CHOICE:VOTES …" of a poll of the bot's in a group.
local function tally(ctx, group, id)
  local counted = {}
  for _, row in ipairs(bot:message(group, id):votes()) do counted[#counted + 1] = ("%s:%d"):format(row.choice, row.count) end
  say(ctx, table.concat(counted, " "))
end

on("text", function(ctx)
  local group, id = ctx.text:match "^tally (%S+) (%S+)$"
  if group then return tally(ctx, group, id) end
  local number = number_of(ctx.text)
  if number % 3 == 0 then ctx:typing() end
  local answer = ctx:reply("got " .. ctx.text)
  if number % 4 == 0 then ctx:react "👍" end
  if number % 5 == 0 then say(ctx, "more of " .. ctx.text) end
  if ctx.group and number % 6 == 0 then answer:edit(("got %s indeed [%s]"):format(ctx.text, ctx.id)) end
  if ctx.group and number % 7 == 0 then
    ctx:send { poll = ("Lunch %s? [%s]"):format(ctx.text, ctx.id), choices = { "Soup", "Salad", "Bread" } }
  end
end)

-- What came goes back with a word behind it; every third as it is, too.
on("document", function(ctx)
  ctx:reply { document = { bytes = ctx.media:bytes() .. "back" }, filename = "back.bin", caption = "got " .. ctx.text }
  if number_of(ctx.text) % 3 == 0 then ctx:reply { document = ctx.media, caption = "again " .. ctx.text } end
end)

on("reaction", function(ctx) say(ctx, ("you reacted %s to %s"):format(ctx.reaction.emoji, ctx.target.id)) end)

on("poll", function(ctx)
  ctx:vote(ctx.poll.choices[1 + number_of(ctx.poll.question) % #ctx.poll.choices])
  ctx:reply("voted in " .. ctx.poll.question)
end)

on("vote", function(ctx) say(ctx, ("you voted %s on %s"):format(table.concat(ctx.vote.choices, "+"), ctx.target.id)) end)

on("edit", function(ctx) say(ctx, ("now it says %s, %s"):format(ctx.text, ctx.target.id)) end)

bot:run()
