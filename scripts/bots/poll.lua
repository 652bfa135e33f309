-- A poll for a group: "!lunch" opens one, or "!lunch Soup, Salad" with choices of its own; "!close", as an answer to it, tells the winner.
local moonpost = require "moonpost"
local bot = moonpost.bot { store = "poll-state", name = "Lunch" }

bot:command("lunch", function(ctx, args)
  local choices = {}
  for choice in (args.text ~= "" and args.text or "Soup, Salad, Bread"):gmatch "[^,]+" do
    choices[#choices + 1] = choice:match "^%s*(.-)%s*$"
  end
  ctx:send { poll = "What shall we eat?", choices = choices }
end)

bot:command("close", function(ctx)
  if not ctx.quoted or ctx.quoted.kind ~= "poll" then return ctx:reply "Answer the poll with !close." end
  local votes = ctx:votes()
  local winner = votes:winner()
  if not winner then return ctx:reply "Nothing has won." end
  ctx:reply(("%s, with %d of %d votes."):format(winner.choice, winner.count, votes.total))
end)

bot:run()
