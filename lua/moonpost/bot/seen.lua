--- Which messages a bot shows as read: what one of its handlers or commands has dealt with, or has answered with a question. What nothing
-- matched stays unread, and what its handler failed over: the account's owner finds it so on the phone. Reactions, votes and what else
-- acts on a message are nobody's to read; that a status post was seen is told by a handler's own word alone.
-- @module moonpost.bot.seen
local kinds = require "moonpost.client.kinds"

local public = { status = true, newsletter = true } -- places where nobody waits to be read

local function mark(run, m)
  if run.seen[m] or m.from_me or not kinds.is_content(m.kind) or public[m.place] then return end
  run.seen[m] = true
  run.client:mark_read { m }
end

--- Shows the messages of a handler's run as read, each once: its own, and the answers it has taken.
-- @tparam table run as contexts have it in common
return function(run)
  if not run.mark_read then return end
  mark(run, run.origin)
  for _, answer in ipairs(run.held) do mark(run, answer.message) end
end
