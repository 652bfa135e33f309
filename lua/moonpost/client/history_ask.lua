--- History on demand: the phone is asked for older messages of one chat (fact sheet 04 §12.5). It answers with a chunk that names the
-- request; one nobody waits for any more goes the way of all chunks.
--
--     ProtocolMessage PEER_DATA_OPERATION_REQUEST_MESSAGE, HISTORY_SYNC_ON_DEMAND   ->   HISTORY_SYNC_NOTIFICATION, ON_DEMAND
-- @module moonpost.client.history_ask
local core = require "moonpost.core"
local archive_rows = require "moonpost.client.archive_rows"
local limits = require "moonpost.client.limits"
local messages = require "moonpost.client.messages"
local past = require "moonpost.client.history_message"
local people = require "moonpost.client.kinds.people"
local places = require "moonpost.client.places"
local rows = require "moonpost.client.rows"
local task = require "moonpost.task"

local SECONDS = 60 -- the phone may be off: it answers then never
local COUNT = 50   -- messages, as official clients ask for
local AT_ONCE = 500 -- rows looked at in a turn of the loop

local Ask = {}
Ask.__index = Ask

-- The oldest message of a chat that is known; nil when none is. A chat may have thousands: some in a turn of the loop.
local function oldest(self, chat)
  local client, found, seen = self.client, nil, 0
  for _, name in ipairs { chat, client.lids:pn_of(chat) } do
    rows.each(client.store, "message", ("m%s\0"):format(archive_rows.part(name)), function(key, value)
      seen = seen + 1
      if seen % AT_ONCE == 0 then task.sleep(0) end
      local time = #value >= 9 and (">I8"):unpack(value, #value - 7) or 0
      if time == 0 or found and found.time <= time then return end
      local row = archive_rows.read(value)
      local id = key:match "^m[^%z]*%z([^%z]*)%z"
      if row and id then found = { id = row.id or id, from_me = row.fromMe or false, time = time } end
    end)
  end
  return found
end

-- The message before which the wanted ones are.
local function anchor(self, chat, before)
  if before == nil then
    local found = oldest(self, chat)
    if found then return found end
    return nil, core.error("no-message", ("no message of %s is known, before which others could be asked for"):format(chat))
  end
  if type(before) ~= "table" or type(before.id) ~= "string" then error("client:history: 'before' is a message, with its id", 0) end
  local entry = not before.time and self.client.archive:get(chat, before.id, before.sender)
  local time = before.time or entry and entry.time
  if not time then return nil, core.error("no-message", ("it is not known when message %s of %s was sent"):format(before.id, chat)) end
  local from_me = before.from_me
  if from_me == nil then from_me = entry and entry.from_me or people.is_me(self.client, before.sender) end
  return { id = before.id, from_me = from_me or false, time = math.floor(time) }
end

local function request(self, chat, before, count)
  local client = self.client
  return client.peer_requests:send { protocolMessage = {
    type = "PEER_DATA_OPERATION_REQUEST_MESSAGE", peerDataOperationRequestMessage = {
      peerDataOperationRequestType = "HISTORY_SYNC_ON_DEMAND", historySyncOnDemandRequest = {
        chatJid = chat, oldestMsgId = before.id, oldestMsgFromMe = before.from_me, onDemandMsgCount = count,
        oldestMsgTimestampMs = before.time, accountLid = client.me.lid, -- seconds, whatever its name says
      },
    },
  } }
end

-- Waits for the answer to a request.
local function wait(self, id)
  local timer
  local guard <close> = setmetatable({}, { __close = function()
    self.waiting[id], self.chats[id] = nil, nil
    if timer then timer:stop() end
  end })
  local page, err = task.await(function(resume)
    self.waiting[id] = resume
    timer = core.net.timer(self.seconds, function()
      resume(nil, core.error("timeout", ("the phone has given no history within %g s: it may be off"):format(self.seconds)))
    end)
  end)
  return guard and page, err
end

--- Asks; see client:history. In a task.
function Ask:ask(chat, options)
  local client, count = self.client, options.count or COUNT
  count = math.tointeger(count)
  if not count or count < 1 or count > limits.HISTORY_ASKED then
    error(("client:history: 'count' is from 1 to %d"):format(limits.HISTORY_ASKED), 0)
  end
  chat = past.jid(client, chat) or chat
  local before, err = anchor(self, chat, options.before)
  if not before then return nil, err end
  local ok
  ok, err = client.devices:ensure_sessions { client.peer_requests:phone() }
  if not ok then return nil, err end
  local id
  id, err = client.store:atomic(request, self, chat, before, count)
  if not id then return nil, err end
  self.chats[id] = chat
  local page, why = wait(self, id)
  return page, why
end

--- Whether a notification answers what somebody waits for.
function Ask:waits(notification)
  return notification.syncType == "ON_DEMAND" and self.waiting[notification.peerDataRequestSessionId] ~= nil
end

-- All of an answer as one page.
local function collect(self, job, chat)
  local whole = {
    chat = chat, group = messages.is_group(chat), place = places.of(chat), messages = {}, type = "on_demand", on_demand = true,
    more = false, last = true, done = true, redelivered = false,
  }
  local ok, err = self.history:read(job, function(page)
    if page.chat ~= chat then return true end
    table.move(page.messages, 1, #page.messages, #whole.messages + 1, whole.messages)
    for _, name in ipairs { "name", "more", "conversation" } do
      if page[name] ~= nil then whole[name] = page[name] end
    end
    return true
  end)
  if not ok then return nil, err end
  return whole
end

--- An answer has come: it is read beside the jobs that wait, so that a handler of one of these may ask.
-- @tparam table job of moonpost.client.history
-- @tparam table notification
function Ask:answered(job, notification)
  local id = notification.peerDataRequestSessionId
  self.taken[job.sequence] = true
  task.spawn(function()
    local free <close> = setmetatable({}, { __close = function() self.taken[job.sequence] = nil end })
    local page, err = collect(self, job, self.chats[id])
    local resume = self.waiting[id]
    if not resume then return free and self.history:wake() end
    self.history:done(job)
    resume(page, err)
  end)
end

--- The client is closed: nobody waits any more.
function Ask:stop()
  for _, resume in pairs(self.waiting) do resume(nil, core.error("closed", "the client is closed")) end
end

return function(history)
  return setmetatable({ history = history, client = history.client, waiting = {}, taken = {}, chats = {}, seconds = SECONDS }, Ask)
end
