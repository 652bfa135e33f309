--- Conversations: `ctx:ask` waits for the next message of one person in one chat.
-- While it waits the chat's turn is free. The message that answers belongs to the handler that asked: no other handler sees
-- it, it holds the chat's turn until that handler asks again or ends, and it stays in the journal until that handler has
-- ended, so that a crash in the middle plays the whole conversation again.
-- @module moonpost.bot.conversation
local core = require "moonpost.core"
local task = require "moonpost.task"

local jid = core.wire.jid

local Conversation = {}
Conversation.__index = Conversation

local function key(chat, sender) return chat .. "\0" .. sender end

-- Who wait for a person, first by the name the message bears, then by the number: a LID may have been learnt since they asked.
local function line_of(self, m)
  local line = self.waiting[key(m.chat, m.sender)]
  local pn = m.phone and jid.make(m.phone, "s.whatsapp.net")
  if line or not pn then return line end
  return self.waiting[key(m.chat == m.sender and pn or m.chat, pn)]
end

--- Waits for the next message of the person who sent `m`, in its chat.
-- @tparam table m the message being handled
-- @tparam table held messages this handler has taken so far, the newest last; the answer is added
-- @tparam ?number timeout seconds; nil waits for ever
-- @treturn ?table the answering message, nil at the timeout
function Conversation:wait(m, held, timeout)
  local id = key(m.chat, m.sender)
  local waiter = { queue = task.queue() }
  self:finish_turn(m, held)
  local line = self.waiting[id] or {}
  self.waiting[id] = line
  line[#line + 1] = waiter
  local answer = waiter.queue:pop(timeout)
  self:forget(id, waiter)
  if not answer then return nil end
  held[#held + 1] = answer
  return answer.message
end

-- The turn this handler holds goes back: its own message's, or that of the answer it took last.
function Conversation.finish_turn(_, m, held)
  local last = held[#held]
  if last then last.taken:close() else m:release() end
end

function Conversation:forget(id, waiter)
  local line = self.waiting[id]
  for i = #line, 1, -1 do
    if line[i] == waiter then table.remove(line, i) end
  end
  if #line == 0 then self.waiting[id] = nil end
end

--- Hands a message to whoever waits for it; returns when that handler has asked again or ended.
-- @treturn boolean whether somebody waited
function Conversation:offer(m)
  local line = line_of(self, m)
  local waiter = line and table.remove(line, 1)
  if not waiter then return false end
  local answer = { message = m, taken = task.queue() }
  m:defer()
  waiter.queue:push(answer)
  answer.taken:pop()
  return true
end

--- Ends a handler: the answers it took leave the journal, their turns go back.
-- @tparam table held as given to `wait`
-- @bool over false keeps the answers in the journal, to be played again with the question in the next run
function Conversation.finish(_, held, over)
  for _, answer in ipairs(held) do
    if over then answer.message:handled() end
    answer.taken:close()
  end
end

return function() return setmetatable({ waiting = {} }, Conversation) end
