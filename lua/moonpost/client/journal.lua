--- The journal: messages whose handlers have not ended, and the lanes that run them. A row is written with the message's ratchet
-- step and goes when its handler ends; after a crash what is left is handled again. Messages of one chat go one after another.
-- @module moonpost.client.journal
local core = require "moonpost.core"
local limits = require "moonpost.client.limits"
local messages = require "moonpost.client.messages"
local new_raw = require "moonpost.client.raw"
local rows = require "moonpost.client.rows"
local task = require "moonpost.task"
local traceback = require "moonpost.traceback"

local proto = core.proto

local ATTEMPTS = 3      -- dispatches of a message that never ends before it is parked
local CLOSE_SECONDS = 5 -- seconds handlers may go on at a close
local WRITE_PAUSE = 1   -- seconds before an attempt that could not be written is tried again
local SLICE = 20        -- rows read at once; one may be as large as a stanza

local Journal = {}
Journal.__index = Journal

-- The message event of an entry, and the ways its handler steers the journal.
local Message = {}
Message.__index = Message
function Message.__tostring(m) return ("message %s from %s"):format(m.id, m.sender) end

--- Lets the next message of the chat go on before this handler has ended.
function Message:release()
  local entry = self.entry
  if entry.released then return end
  entry.released = true
  if entry.next then entry.next() end
end

--- Keeps the message in the journal after its handler's end, until `handled`.
function Message:defer() self.entry.deferred = true end

--- Takes a deferred message out of the journal.
function Message:handled() self.entry.journal:remove(self.entry) end

--- Whether an error of its handler only tells that the client ends: the message is handled again in the next run.
function Message:interrupted(err)
  local client = self.entry.journal.client
  if type(err) ~= "table" or not (client.journal.closing or client.connection.stopped) then return false end
  return err.code == "cancelled" or err.code == "closed" or err == client.connection.final
end

local function make_event(client, entry)
  local row = entry.row
  local message = entry.message or messages.from_own_device(assert(proto.decode("Message", row.message)))
  local content = messages.unwrap(message)
  return setmetatable({
    entry = entry, id = row.id, chat = row.chat, group = messages.is_group(row.chat), sender = row.sender,
    phone = client.lids:phone(row.sender), from_me = row.fromMe or false,
    name = row.name, time = row.time, text = messages.text_of(content), message = message,
    kind = row.unread and "undecryptable" or messages.kind(content), reason = row.unread,
    quoted = messages.quoted(content), redelivered = entry.replayed or false, offline = row.offline or false, attempts = row.attempts,
  }, Message)
end

-- Writes an entry's row; its size in bytes.
function Journal:write(entry)
  return rows.put(self.client.store, "journal", rows.sequence(entry.sequence), "StoreJournal", entry.row)
end

-- Counts the bytes an earlier run left, at the first use.
local function count_bytes(self)
  if self.bytes then return self.bytes end
  self.bytes = 0
  local found, after
  repeat
    found = self.client.store:range("journal", "", SLICE, after)
    for _, pair in ipairs(found) do
      self.bytes, after = self.bytes + #pair[2], pair[1]
    end
  until #found < SLICE
  return self.bytes
end

-- A full journal takes no message: the server keeps it, and sends it again when there is room.
local function check_room(self, envelope)
  if count_bytes(self) <= self.most_bytes then return end
  self.refused = true
  error(core.error("full", ("message %s from %s waits at the server: handlers have not ended with %d bytes of messages"):format(
    envelope.id, envelope.author, self.bytes)), 0)
end

-- Takes the bytes of a row off the count; the connection is made anew for what was refused once half of the room is free.
local function make_room(self, size)
  self.bytes = self.bytes - size
  if not self.refused or self.bytes > self.most_bytes // 2 then return end
  self.refused = false
  self.client.connection:abort(core.error("network", "there is room again for the messages that wait at the server"))
end

--- Takes an entry out of the journal.
function Journal:remove(entry)
  if entry.removed then return end
  entry.removed = true
  local store, key = self.client.store, rows.sequence(entry.sequence)
  local row = store:get("journal", key)
  if not row then return end -- the account was forgotten
  store:delete("journal", key)
  if self.bytes then make_room(self, #row) end
end

local function run_handlers(self, entry, m)
  for _, fn in ipairs { table.unpack(self.client.handlers.message or {}) } do fn(m) end
  return entry
end

local function handle(self, entry)
  local m = make_event(self.client, entry)
  entry.message = nil
  local ok, err = xpcall(run_handlers, traceback.told, self, entry, m)
  if not ok and m:interrupted(err) then return end
  if not ok then self.client:emit("error", err, m) end
  if not entry.deferred or not ok then self:remove(entry) end
end

-- Raises the attempt counter, durably, before the handlers see the message; when it cannot be written, until it can.
local function count_attempt(self, entry)
  entry.row = entry.row or rows.get(self.client.store, "journal", rows.sequence(entry.sequence), "StoreJournal")
  if not entry.row then return false end -- the account was forgotten
  if entry.counted then return true end
  entry.row.attempts = (entry.row.attempts or 0) + 1
  self:write(entry)
  while not self.client:committed() do
    if self.closing then return false end
    task.sleep(WRITE_PAUSE)
    self:write(entry)
  end
  return true
end

local run_lane

local function next_in_lane(self, lane)
  lane.busy = false
  run_lane(self, lane)
end

local function dispatch(self, lane, entry)
  self.running[entry] = task.running() or true
  entry.next = function() next_in_lane(self, lane) end
  if count_attempt(self, entry) then handle(self, entry) end
  self.running[entry] = nil
  if not entry.released then
    entry.released = true
    next_in_lane(self, lane)
  end
end

function run_lane(self, lane)
  if lane.busy or self.held or self.closing then return end
  if lane.first > lane.last then
    self.lanes[lane.chat] = nil
    return
  end
  local entry = lane[lane.first]
  lane[lane.first] = nil
  lane.first = lane.first + 1
  lane.busy = true
  task.spawn(dispatch, self, lane, entry)
end

-- Puts an entry at the end of its chat's lane. Those that wait are kept as their sequence alone: the row is in the store.
local function enqueue(self, chat, entry)
  local lane = self.lanes[chat] or { chat = chat, busy = false, first = 1, last = 0 }
  self.lanes[chat] = lane
  lane.last = lane.last + 1
  lane[lane.last] = entry
  if lane.busy then entry.row, entry.message = nil, nil end
  run_lane(self, lane)
end

local function next_sequence(self)
  self.sequence = (self.sequence or rows.last_sequence(self.client.store, "journal")) + 1
  return self.sequence
end

--- Journals a message and hands it to its lane once it is durable; inside the message's transaction.
-- A lane that stands still takes it at once: the row counts that attempt from the start, which saves a transaction.
-- @tparam table envelope
-- @string plaintext bytes of the Message
-- @tparam table message decoded
-- @tparam ?string unread why the message could not be read; then both are empty
function Journal:add(envelope, plaintext, message, unread)
  check_room(self, envelope)
  local chat = envelope.chat
  local idle = not self.lanes[chat] and not self.expected[chat] and not self.held and not self.closing
  local entry = {
    journal = self, sequence = next_sequence(self), message = message, counted = idle,
    row = {
      chat = chat, sender = envelope.author, id = envelope.id, fromMe = envelope.from_me, name = envelope.name,
      time = envelope.time, message = plaintext, attempts = idle and 1 or 0, offline = envelope.offline,
      unread = unread,
    },
  }
  local size = self:write(entry)
  self.expected[chat] = (self.expected[chat] or 0) + 1
  self.client.store:after_commit(function()
    self.bytes = self.bytes and self.bytes + size
    self:expect_less(chat)
    enqueue(self, chat, entry)
  end)
end

function Journal:expect_less(chat)
  local left = (self.expected[chat] or 1) - 1
  self.expected[chat] = left > 0 and left or nil
end

--- The rows are not what they were: a turn was lost, or the account forgotten.
function Journal:recount()
  self.bytes, self.sequence = nil, nil
  self.raw:recount()
end

--- Forgets what was to come with a turn that could not be committed.
function Journal:turn_lost()
  self.expected = {}
  self:recount()
end

--- Keeps a stanza this client does not understand yet, with its plaintext when it could be decrypted.
function Journal:keep_raw(node, plaintext) self.raw:keep(node, plaintext) end

-- Calls fn(sequence, row) for each row of the journal, in order.
local function each_row(self, fn)
  local found, after
  repeat
    found = self.client.store:range("journal", "", SLICE, after)
    for _, pair in ipairs(found) do
      fn((">I8"):unpack(pair[1]), assert(proto.decode("StoreJournal", pair[2])))
      after = pair[1]
    end
  until #found < SLICE
end

--- The parked messages: those whose handlers never ended in three runs.
-- @treturn table array of StoreJournal rows
function Journal:parked()
  local found = {}
  each_row(self, function(_, row)
    if row.parked then found[#found + 1] = row end
  end)
  return found
end

local function park(self, entry)
  entry.row.parked = true
  self:write(entry)
  self.client:emit("error", core.error("parked", ("message %s from %s was set aside: its handler did not end in %d runs"):format(
    entry.row.id, entry.row.sender, ATTEMPTS)), make_event(self.client, entry))
end

--- Takes up what an earlier run left behind, oldest first, to be handed out by `go`.
function Journal:replay()
  each_row(self, function(sequence, row)
    if row.parked then return end
    local attempts = row.attempts or 0
    local entry = { journal = self, sequence = sequence, row = row, replayed = attempts > 0 }
    if attempts >= ATTEMPTS then park(self, entry) else enqueue(self, row.chat, entry) end
  end)
end

--- Begins to hand out messages: the client is online. Before that a handler could not answer, and a run that never comes so far
-- must not count as an attempt.
function Journal:go()
  if not self.held then return end
  self.held = false
  local waiting = {}
  for _, lane in pairs(self.lanes) do waiting[#waiting + 1] = lane end
  table.sort(waiting, function(a, b) return a[a.first].sequence < b[b.first].sequence end)
  for _, lane in ipairs(waiting) do run_lane(self, lane) end
end

--- Stops dispatching and lets the handlers that run end; those that still wait then are cancelled, their messages stay.
function Journal:finish()
  self.closing = true
  if not task.running() then return end
  local deadline = core.net.now() + self.close_seconds
  local tasks = {}
  for entry, running in pairs(self.running) do
    if running ~= true and running ~= task.running() then tasks[#tasks + 1] = { running, entry } end
  end
  for _, pair in ipairs(tasks) do
    if not pair[2].released then pcall(pair[1].join, pair[1], math.max(0, deadline - core.net.now())) end
  end
  for _, pair in ipairs(tasks) do pair[1]:cancel() end
end

return function(client)
  return setmetatable({
    client = client, lanes = {}, running = {}, expected = {}, held = true, close_seconds = CLOSE_SECONDS,
    raw = new_raw(client.store), most_bytes = limits.JOURNAL_BYTES,
  }, Journal)
end
