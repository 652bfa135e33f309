--- The past, as bots hear of it: what the phone gives a device that was linked, page by page, and what it is asked for.
--
--     bot:on("history", function(page)
--       for _, m in ipairs(page.messages) do print(page.chat, m.time, m.name, m.text) end
--     end)
--     local page = bot:history(chat, { before = m, count = 50 })
--
-- Nothing of it is ever a message that message handlers or commands hear. A page (docs/history.md) has
--
--     chat, group, place, name, phone   as of a message; nil in a page of no chat
--     messages      an array, the newest first, of messages as `bot:message` gives them; the pages of a chat go back in time
--     last, more    in the last page of a chat in its chunk: true, and whether the phone has older ones; `conversation`: all it says of it
--     names, left   in pages of no chat: { jid, name } of people, { chat, jid, time, removed } of who has left groups
--     type          "initial", "recent", "full", "status", "names", "other", "on_demand", "none", "access"
--     progress      of the whole transfer, 0 to 100; chunk: a number; done: this page is the last of its chunk
--     redelivered   it came before, in a run that ended in its handler
-- @module moonpost.bot.history
local running = require "moonpost.bot.running"
local task = require "moonpost.task"
local traceback = require "moonpost.traceback"

local history = {}

-- A page whose messages can be acted on.
local function made_of(bot, page)
  local list = {}
  for i, m in ipairs(page.messages) do list[i] = bot.made(m) end
  page.messages = list
  return page
end

-- One page to all handlers, in order of registration. One that fails keeps no other from hearing of it.
local function tell(bot, page, report)
  local list = made_of(bot, page)
  for _, handler in ipairs(bot.handlers.history) do
    local ok, err = xpcall(handler.fn, traceback.told, list)
    if not ok and bot.client.past.closing then error(err, 0) end
    if not ok then report(bot, err) end
  end
end

--- Has a bot's handlers hear of it, where it has some; else nothing is read for them.
-- @param bot
-- @param client its client
-- @func report fn(bot, err): a handler failed
function history.listen(bot, client, report)
  if #bot.handlers.history > 0 then client:on("history", function(page) tell(bot, page, report) end) end
end

--- Asks the own phone for older messages of a chat. In a handler, or another task.
-- @string chat bare JID
-- @tparam ?table options before = m: a message before which they are, else the oldest of the chat that is known; count (50, 500 at most)
-- @treturn table page; `more`: the phone has older ones
-- @raise code "timeout": the phone has not answered within 60 s; "no-message"
function history.ask(bot, chat, options)
  local client = running(bot, "history", 2)
  if not task.running() then error("bot:history waits, so it must be called in a handler or a task", 2) end
  local page, err = client:history(chat, options)
  if not page then error(err, 0) end
  return made_of(bot, page)
end

return history
