--- The journal: messages whose handlers have not ended. A row is written with the message's ratchet step and goes when its handler
-- ends; after a crash what is left is handled again. A message whose handler has been the end of three runs is set aside.
-- @module moonpost.client.journal
local core = require "moonpost.core"
local lazy = require "moonpost.lazy"
local capacity = require "moonpost.client.capacity"
local kinds = lazy "moonpost.client.kinds"
local limits = require "moonpost.client.limits"
local messages = require "moonpost.client.messages"
local new_lanes = require "moonpost.client.lanes"
local new_raw = require "moonpost.client.raw"
local places = require "moonpost.client.places"
local rows = require "moonpost.client.rows"
local stored = require "moonpost.client.stored"
local task = require "moonpost.task"
local traceback = require "moonpost.traceback"

local proto = core.proto

local CLOSE_SECONDS = 5 -- seconds handlers may go on at a close
local WRITE_PAUSE = 1   -- seconds before an attempt that could not be written is tried again

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

local ONCE = "unavailable: view_once" -- the reason of what is for phones alone (fact sheet 05 §7.7)

--- What a row says, as handlers are told.
-- @tparam table row StoreJournal
-- @tparam ?table message decoded
-- @treturn table fields of a message event
function Journal:describe(row, message)
  local client = self.client
  local opened = row.opened
  message = message or messages.from_own_device(assert(proto.decode("Message", opened and opened.message or row.message)))
  local age = math.max(0, client.connection:server_time() - row.time)
  local m = {
    id = row.id, chat = row.chat, group = messages.is_group(row.chat), place = places.of_row(row),
    sender = row.sender, phone = client.lids:phone(row.sender),
    from_me = row.fromMe or false, name = row.name, time = row.time,
    age = age, late = age > client.late_seconds,
    raw = row.message, kind = row.unread and "undecryptable" or row.deleted and "deleted_for_me" or nil,
    reason = row.unread, offline = row.offline or false,
    attempts = row.attempts, broadcast = row.broadcast, newsletter = row.serverId and { server_id = row.serverId } or nil,
    opened = opened,
    target = row.deleted and {
      chat = row.chat, id = row.deleted.id, sender = row.deleted.sender, from_me = row.deleted.sender == row.sender,
    } or nil,
  }
  kinds.read(message, m, client)
  m.opened = nil
  if row.unread == ONCE then m.view_once = true end
  local target = m.target
  if target and not client.archive:get(target.chat, target.id, target.sender) then target.unknown = true end
  return m
end

local function make_event(self, entry)
  local m = self:describe(entry.row, entry.message)
  m.entry, m.redelivered = entry, entry.replayed or false
  return setmetatable(m, Message)
end

--- Writes an entry's row; its size in bytes, which counts until the rows are not what they were.
function Journal:write(entry)
  entry.era, entry.size = self.era, rows.put(self.client.store, "journal", rows.sequence(entry.sequence), "StoreJournal", entry.row)
  return entry.size
end

--- The row of a sequence number; nil when it is not there any more.
function Journal:read(sequence) return rows.get(self.client.store, "journal", rows.sequence(sequence), "StoreJournal") end

--- Whether the message of a sequence number is handled in this run, or will be.
function Journal:holds(sequence)
  local row = self:read(sequence)
  return row ~= nil and not row.parked
end

--- Takes an entry out of the journal.
function Journal:remove(entry)
  if entry.removed then return end
  entry.removed = true
  local store, key, size = self.client.store, rows.sequence(entry.sequence), entry.size
  if entry.era ~= self.era then size = #(store:get("journal", key) or "") end -- its turn was lost, or the account forgotten
  store:delete("journal", key)
  if size > 0 then self.capacity:give(size, self.lanes.waiting) end
end

local function run_handlers(self, entry, m)
  task.watch(function() self.client.turn.suspect:hold(entry) end)
  for _, fn in ipairs { table.unpack(self.client.handlers.message or {}) } do fn(m) end
end

local function handle(self, entry)
  local heard = not entry.row.asks or self.client.effects:settle(entry.row)
  if heard == nil then return end
  if not heard then return self:remove(entry) end
  local m = make_event(self, entry)
  entry.message = nil
  self.client.caught_up:heard(m)
  local ok, err = xpcall(run_handlers, traceback.told, self, entry, m)
  if not ok and m:interrupted(err) then return end
  if not ok then self.client:emit("error", err, m) end
  if not entry.deferred or not ok then self:remove(entry) end
end

-- Raises the attempt counter, durably, before the handlers see the message; when it cannot be written, until it can.
local function count_attempt(self, entry)
  entry.row = entry.row or self:read(entry.sequence)
  if not entry.row then return false end -- the account was forgotten
  if entry.counted then return true end
  local before = entry.row.attempts or 0
  entry.replayed = before > 0
  entry.row.attempts = before + 1
  self:write(entry)
  while not self.client:committed() do
    if self.closing then return false end
    task.sleep(WRITE_PAUSE)
    self:write(entry)
  end
  return true
end

local function dispatch(self, entry)
  self.running[entry] = task.running() or true
  if count_attempt(self, entry) then handle(self, entry) end
  self.running[entry] = nil
  if not entry.released then
    entry.released = true
    entry.next()
  end
end

-- A message's turn has come.
local function begin(self, item, next)
  local entry = type(item) == "table" and item or { journal = self, sequence = item }
  entry.next = next
  self.capacity:less(self.lanes, self.expected)
  task.spawn(dispatch, self, entry)
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
-- @tparam ?table more opened = StoreOpened: what was decrypted of it under another message's secret; asks = true: what it does to another
--   message waits for its handler's turn (moonpost.client.effects); deleted = StoreTarget: it is no Message, but tells that one was
--   deleted for the account alone (moonpost.client.hidden)
function Journal:add(envelope, plaintext, message, unread, more)
  local chat = envelope.chat
  self.capacity:check(envelope, self.lanes:count(chat) + (self.expected[chat] or 0), self.lanes.waiting)
  local idle = self.lanes:idle(chat) and not self.expected[chat] and not self.closing
  local entry = {
    journal = self, sequence = next_sequence(self), message = message, counted = idle,
    row = {
      chat = chat, sender = envelope.author, id = envelope.id, fromMe = envelope.from_me, name = envelope.name,
      time = envelope.time, message = plaintext, attempts = idle and 1 or 0, offline = envelope.offline,
      unread = unread, deleted = more and more.deleted,
      opened = more and more.opened, asks = more and more.asks, statusPost = envelope.status_post,
      broadcast = envelope.broadcast, serverId = envelope.server_id,
    },
  }
  local size = self:write(entry)
  self.expected[chat] = (self.expected[chat] or 0) + 1
  self.client.store:after_commit(function()
    self.capacity:take(size)
    self:expect_less(chat)
    self.lanes:add(chat, entry)
    self.client.connection:regulate()
  end)
end

function Journal:expect_less(chat)
  local left = (self.expected[chat] or 1) - 1
  self.expected[chat] = left > 0 and left or nil
end

--- Whether so many messages wait that no more should be read: from the one mark on until they are below the other.
function Journal:crowded()
  self.crowd = self.lanes.waiting >= (self.crowd and limits.WAITING_LOW or limits.WAITING)
  return self.crowd
end

--- The rows are not what they were: a turn was lost, or the account forgotten. Sequence numbers go on, since a lane may still hold one.
function Journal:recount()
  self.era = {}
  self.capacity:recount()
  self.raw:recount()
end

--- Forgets what was to come with a turn that could not be committed.
function Journal:turn_lost()
  self.expected = {}
  self:recount()
end

--- Keeps a stanza this client does not understand yet, with its plaintext when it could be decrypted.
function Journal:keep_raw(node, plaintext) self.raw:keep(node, plaintext) end

--- Calls fn(sequence, row) for each row of the journal that can be read, in order.
function Journal:each(fn)
  rows.each(self.client.store, "journal", "", function(key, value)
    local sequence, row = stored.journal(key, value)
    if sequence then fn(sequence, row) else stored.report(self.client, "journal", key, row) end
  end)
end

-- One more run has ended in the handler of a message.
local function blame(self, sequence, row)
  row.blamed = (row.blamed or 0) + 1
  row.parked = row.blamed >= limits.BLAMED or nil
  local entry = { journal = self, sequence = sequence, row = row }
  self:write(entry)
  if not row.parked then return end
  self.client:emit("error", core.error("parked", ("message %s from %s was set aside: %d runs ended in its handler"):format(
    row.id, row.sender, row.blamed)), make_event(self, entry))
end

--- Takes up what an earlier run left behind, oldest first, to be handed out by `go`.
function Journal:replay()
  self:each(function(sequence, row)
    if not row.parked and self.client.turn.suspect:blames(self.client.account_name, sequence, row) then blame(self, sequence, row) end
    if not row.parked then self.lanes:add(row.chat, sequence) end
  end)
end

--- Hands an entry out again that was set aside.
function Journal:again(sequence, row)
  row.parked, row.blamed = nil, nil
  self:write { sequence = sequence, row = row }
  self.client.store:after_commit(function() self.lanes:add(row.chat, sequence) end)
end

--- Begins to hand out messages: the client is online. Before that a handler could not answer, and a run that never comes so far
-- must not count as an attempt.
function Journal:go() self.lanes:go() end

-- Whether a handler kept its chat from going on: one that waits for an answer of its person does not.
local function in_the_way(entry) return not entry.released and not entry.removed end

--- Stops dispatching and lets the handlers that run end; those that still wait then are cancelled, their messages stay.
function Journal:stop()
  self.closing = true
  self.lanes:hold()
  if not task.running() then return end
  local deadline = core.net.now() + self.close_seconds
  local tasks = {}
  for entry, running in pairs(self.running) do
    if running ~= true and running ~= task.running() then tasks[#tasks + 1] = { running, entry } end
  end
  for _, pair in ipairs(tasks) do
    if not pair[2].released then pcall(pair[1].join, pair[1], math.max(0, deadline - core.net.now())) end
  end
  for _, pair in ipairs(tasks) do
    local late = not pair[1]:done() and in_the_way(pair[2]) and self:read(pair[2].sequence)
    pair[1]:cancel()
    if late then blame(self, pair[2].sequence, late) end
  end
end

return function(client)
  local self = setmetatable({
    client = client, running = {}, expected = {}, close_seconds = CLOSE_SECONDS, raw = new_raw(client.store),
    capacity = capacity(client), era = {},
  }, Journal)
  self.lanes = new_lanes(function(...) begin(self, ...) end)
  return self
end
