--- Messages that came and could not be read, or came without content (fact sheet 04 §6, §9.5). Each has a row until a copy is read.
--
--   failed ---------- the sender is asked, by receipts -----------> read, and heard like any other
--     |  some seconds later                                           ^
--   asked of the own phone --- its answer holds the message ----------'
--     |  it has nothing, or does not answer                           '--- a resend that comes late
--   told: an event of kind "undecryptable", in the order of its chat
-- @module moonpost.client.missing
local core = require "moonpost.core"
local new_memory = require "moonpost.client.memory"
local messages = require "moonpost.client.messages"
local placeholder = require "moonpost.client.placeholder"
local rows = require "moonpost.client.rows"
local stanza = require "moonpost.stanza"
local task = require "moonpost.task"

local proto = core.proto

local RETRIES = 4 -- receipts for one message: senders refuse to send it a fifth time (§9.2)
local PACE = {
  phone = 5,   -- seconds after the first receipt the phone is asked (§6.2)
  answer = 60, -- seconds its answer, or the sender's where the phone is not asked, is waited for
}
local ASKS, MINUTE = 30, 60      -- messages of one sender the phone is asked for in so many seconds; the others are told
local PHONE_AGE = 14 * 24 * 3600 -- older messages the phone is not asked for (§6.2)
local WAITING = 512              -- messages that wait for the phone or the sender; one more is told at once
local SLICE = 100                -- rows read at once

local Missing = {}
Missing.__index = Missing

local function key_of(envelope) return rows.message_key(envelope.chat, envelope.author, envelope.id) end

local function read_row(self, key)
  local value = self.client.store:get("dedupe", "u" .. key)
  return value and proto.decode("StoreMissing", value:sub(1, -9)) or nil
end

local function write_row(self, key, row)
  self.client.store:put("dedupe", "u" .. key, assert(proto.encode("StoreMissing", row)) .. rows.time(core.net.time()))
end

local function new_row(envelope, reason)
  return {
    chat = envelope.chat, sender = envelope.author, id = envelope.id, fromMe = envelope.from_me, name = envelope.name,
    time = envelope.time, offline = envelope.offline, reason = reason, broadcast = envelope.broadcast,
  }
end

local function envelope_of(row, node)
  return {
    node = node, kind = messages.is_group(row.chat) and "group" or "direct", group = messages.is_group(row.chat), chat = row.chat,
    author = row.sender, id = row.id, from_me = row.fromMe or false, name = row.name, time = row.time, offline = row.offline or false,
    broadcast = row.broadcast,
  }
end

-- Whether the phone may have what this device could not read.
local function worth_asking(row)
  return row.request == nil and not row.fromMe and core.net.time() - (row.time or 0) <= PHONE_AGE
end

local function after_commit(self, fn, ...)
  local args = table.pack(...)
  self.client.store:after_commit(function() fn(self, table.unpack(args, 1, args.n)) end)
end

local function wait_no_more(self, key) self.waiting[key] = nil end

-- Tells the handlers, in the order of the chat; inside a transaction. What is old news by then, or never shown, is not told.
local function tell(self, key, row)
  after_commit(self, wait_no_more, key)
  if row.told or row.hidden then return end
  row.told = true
  write_row(self, key, row)
  if row.fromMe and not self.client.own then return end
  self.client.journal:add(envelope_of(row), "", {}, row.reason)
end

-- Where it cannot be told, in a full journal say, it waits longer.
local function tell_atomically(self, key)
  local row = read_row(self, key)
  if not row then return wait_no_more(self, key) end
  self.waiting[key] = core.net.now() + self.pace.answer
  local ok, err = pcall(self.client.store.atomic, self.client.store, tell, self, key, row)
  if ok then return end
  self.client:emit("error", err)
end

local function request(self, key, row)
  local id, err = placeholder.ask(self.client, row)
  if not id then return nil, err end
  row.request = id
  write_row(self, key, row)
  self.client.store:put("dedupe", "p" .. id, key .. rows.time(core.net.time()))
  return true
end

-- Asks the phone, once. In a task. One that cannot be asked has nothing to give; without a connection it is asked over the next one.
local function ask_phone(self, key)
  local ok, err = placeholder.prepare(self.client)
  local row = ok and read_row(self, key)
  if ok and not (row and worth_asking(row)) then return end
  if ok then ok, err = self.client.store:atomic(request, self, key, row) end
  if ok or err.code == "closed" or err.code == "timeout" then return end
  self.client:emit("error", err)
  tell_atomically(self, key)
end

-- Whether the phone may be asked for one more of a sender: who sends what nobody can read, again and again, shall not have us
-- write to the phone as often.
local function has_budget(self, sender)
  local now = core.net.now()
  local asked = self.asked:get(sender)
  if not asked or now - asked.since >= MINUTE then asked = { since = now, count = 0 } end
  asked.count = asked.count + 1
  self.asked:put(sender, asked)
  return asked.count <= self.asks
end

local function step(self, key)
  local row = read_row(self, key)
  if row and worth_asking(row) and not row.hidden and has_budget(self, row.sender) then
    self.waiting[key] = core.net.now() + self.pace.answer
    return task.spawn(ask_phone, self, key)
  end
  tell_atomically(self, key)
end

local schedule

-- Takes the steps that are due; offline they wait for the next connection.
local function run(self)
  if not self.client.connection.online then return end
  local now, due = core.net.now(), {}
  for key, at in pairs(self.waiting) do
    if at <= now then due[#due + 1] = key end
  end
  table.sort(due)
  for _, key in ipairs(due) do step(self, key) end
  schedule(self)
end

function schedule(self)
  if self.timer then self.timer:stop() end
  self.timer = nil
  local first = math.huge
  for _, at in pairs(self.waiting) do first = math.min(first, at) end
  if first == math.huge or self.client.closed or not self.client.connection.online then return end
  self.timer = core.net.timer(math.max(0, first - core.net.now()), function() run(self) end)
end

-- Has a message wait for its next step; after the commit. One too many is told at once.
local function wait(self, key, seconds)
  local count = 0
  for _ in pairs(self.waiting) do count = count + 1 end
  if count >= WAITING and not self.waiting[key] then return tell_atomically(self, key) end
  self.waiting[key] = core.net.now() + seconds
  schedule(self)
end

-- What follows a failure: the first has the phone asked a little later, the last at once.
local function follow(self, key, row)
  if row.told or row.hidden then return end
  if row.count > RETRIES and not worth_asking(row) and not row.request then return tell(self, key, row) end
  if row.count > RETRIES and worth_asking(row) then return after_commit(self, wait, key, 0) end
  if not self.waiting[key] then after_commit(self, wait, key, worth_asking(row) and self.pace.phone or self.pace.answer) end
end

--- A message could not be read.
-- @tparam table envelope
-- @tparam table enc
-- @string reason a word: the code of what went wrong
-- @treturn ?int how often the sender has been asked, this time included; nil when it was often enough
function Missing:failed(envelope, enc, reason)
  local key = key_of(envelope)
  local row = read_row(self, key) or new_row(envelope, reason)
  local before = row.count or math.tointeger(tonumber(enc.attrs.count)) or 0 -- the sender's count goes on after ours was lost
  row.count = math.max(0, math.min(before, RETRIES)) + 1
  row.hidden = enc.attrs["decrypt-fail"] == "hide" or envelope.kind == "peer" or nil
  write_row(self, key, row)
  follow(self, key, row)
  return row.count <= RETRIES and row.count or nil
end

--- A message is refused: nobody can mend it. It is told once.
-- @tparam table envelope
-- @string reason
function Missing:lost(envelope, reason)
  local key = key_of(envelope)
  if envelope.kind == "peer" or self.client.store:get("dedupe", "r" .. key) then return end
  tell(self, key, read_row(self, key) or new_row(envelope, reason))
end

--- A message came without content: `<unavailable/>` (§6.1). The phone is asked unless it is known that it has nothing to give.
-- @tparam table envelope
function Missing:unavailable(envelope)
  local key, node = key_of(envelope), envelope.node
  if self.client.store:get("dedupe", "r" .. key) or read_row(self, key) then return end
  local about = stanza.child(node, "unavailable").attrs
  local kind = stanza.child(node, "bot") and "bot" or about.hosted == "true" and "hosted" or about.type
  local row = new_row(envelope, kind and "unavailable: " .. kind or "unavailable")
  row.count = 0
  if kind or not worth_asking(row) then return tell(self, key, row) end
  write_row(self, key, row)
  after_commit(self, wait, key, 0)
end

--- A copy of a message was read; inside its transaction.
function Missing:read(envelope)
  local key = key_of(envelope)
  if not self.client.store:get("dedupe", "u" .. key) then return end
  self.client.store:delete("dedupe", "u" .. key)
  after_commit(self, wait_no_more, key)
end

-- What the phone gave in place of a message: filed as if it had come, once.
local function take(self, key, row, message, node)
  local client = self.client
  client.store:put("dedupe", "r" .. key, ("\0"):rep(32) .. rows.time(core.net.time()))
  client.store:delete("dedupe", "u" .. key)
  after_commit(self, wait_no_more, key)
  client.receive:file(envelope_of(row, node), message, assert(proto.encode("Message", message)))
end

--- The phone answers a request (§6.3); inside the transaction of its message.
-- @tparam table envelope of the answer
-- @tparam table answer PeerDataOperationRequestResponseMessage
function Missing:answered(envelope, answer)
  local store, name = self.client.store, "p" .. tostring(answer.stanzaId):sub(1, 128)
  local value = store:get("dedupe", name)
  if not value then return end -- it was not asked
  store:delete("dedupe", name)
  local key = value:sub(1, -9)
  local row = read_row(self, key)
  if not row then return end -- read meanwhile
  local message = placeholder.read(self.client, answer, row)
  if message then return take(self, key, row, message, envelope.node) end
  tell(self, key, row)
end

-- Takes a row to the names its message has now.
local function rename(self, key, row)
  local store, lids = self.client.store, self.client.lids
  row.chat, row.sender = lids:stable(row.chat), lids:stable(row.sender)
  local now = rows.message_key(row.chat, row.sender, row.id)
  if now == key then return key end
  store:delete("dedupe", "u" .. key)
  if not read_row(self, now) then write_row(self, now, row) end
  if row.request then store:put("dedupe", "p" .. row.request, now .. rows.time(core.net.time())) end
  after_commit(self, function() self.waiting[now], self.waiting[key] = self.waiting[now] or self.waiting[key], nil end)
  return now
end

--- The LID of a number has become known: rows under the number go on under the LID; inside a transaction. Of groups those that wait.
-- @string pn bare JID
function Missing:renamed(pn)
  local keys = {}
  for _, pair in ipairs(self.client.store:range("dedupe", "u" .. pn .. "\0", WAITING)) do keys[#keys + 1] = pair[1]:sub(2) end
  for key in pairs(self.waiting) do
    if key:find("\0" .. pn .. "\0", 1, true) then keys[#keys + 1] = key end
  end
  for _, key in ipairs(keys) do
    local row = read_row(self, key)
    if row then rename(self, key, row) end
  end
end

-- Takes up what an earlier run left waiting.
local function resume(self)
  local found, after
  repeat
    found = self.client.store:range("dedupe", "u", SLICE, after)
    for _, pair in ipairs(found) do
      local row = proto.decode("StoreMissing", pair[2]:sub(1, -9)) -- a damaged one keeps no other from going on
      after = pair[1]
      if row and not row.told and not row.hidden then wait(self, pair[1]:sub(2), self.pace.phone) end
    end
    task.sleep(0)
  until #found < SLICE
end

--- The client is online: what waits goes on.
function Missing:go()
  if self.resumed then return schedule(self) end
  self.resumed = task.spawn(resume, self)
end

--- Stops; what waits is taken up by the next run.
function Missing:stop()
  if self.timer then self.timer:stop() end
  if self.resumed then self.resumed:cancel() end
  self.timer, self.waiting = nil, {}
end

--- The account is forgotten, and the rows with it.
function Missing:forget()
  self:stop()
  self.resumed = nil
end

return function(client) return setmetatable({ client = client, waiting = {}, pace = PACE, asks = ASKS, asked = new_memory() }, Missing) end
