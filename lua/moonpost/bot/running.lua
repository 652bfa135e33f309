--- The client of a bot that runs, for what needs one.
-- @module moonpost.bot.running

--- @param bot what a method was called on
-- @string method its name
-- @int level of the caller whose mistake it is, as in `error`
-- @treturn table client
return function(bot, method, level)
  if type(bot) ~= "table" or not bot.handlers then
    error(("bot.%s was called with a dot: write bot:%s(…)"):format(method, method), level + 1)
  end
  if not bot.client or bot.client.closed then error(("bot:%s needs a bot that runs"):format(method), level + 1) end
  return bot.client
end
