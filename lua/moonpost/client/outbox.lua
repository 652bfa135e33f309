--- The outbox: messages the server has not acknowledged. A message is stored, as the very bytes of its stanza, before the first
-- of them leaves; it keeps its id and its ciphertexts for life, is sent again after a reconnect or a restart, and goes with the ack.
-- @module moonpost.client.outbox
local attributes = require "moonpost.client.attrs"
local core = require "moonpost.core"
local limits = require "moonpost.client.limits"
local messages = require "moonpost.client.messages"
local places = require "moonpost.client.places"
local repair = require "moonpost.client.repair"
local rows = require "moonpost.client.rows"
local stored = require "moonpost.client.stored"
local task = require "moonpost.task"

local ID_MAX = 128              -- bytes of an id in an ack; ours are 22
local ACK_SECONDS = 75          -- without an ack the same bytes go again: the server recognises them (fact sheet 03 §2, §17.1)

local Outbox = {}
Outbox.__index = Outbox

local function index_key(row) return "i" .. row.id .. (row.device and "\0" .. row.device or "") end

--- Whether a message waits for its ack.
-- @string id
-- @tparam ?string device whether what brings it to that one alone does
function Outbox:holds(id, device) return self.client.store:get("outbox", index_key { id = id, device = device }) ~= nil end

-- The message behind a key, in the order of sending, and its own key; nil after the last.
local function next_row(self, after)
  while true do
    local pair = self.client.store:range("outbox", "o", 1, after)[1]
    if not pair then return end
    local row, err = stored.outbox(pair[2])
    if row then return pair[1], row end
    stored.report(self.client, "outbox", pair[1], err)
    after = pair[1]
  end
end

--- Whether nothing waits for an ack.
function Outbox:idle() return next_row(self) == nil end

local function can_send(self) return self.client.connection.online and self.client.connection:has_room() end

-- Takes out a message that will not be sent.
local function fail(self, row)
  self:remove(row)
  if row.message and not row.device then self.client.archive:failed(row) end
end

-- Sends the bytes of a row. What fits into no frame never will: it is dropped, with a report.
local function transmit(self, row)
  local sent, err = self.client.connection:send_encoded(row.stanza)
  if sent or err.code ~= "limit" then return end
  fail(self, row)
  self:tell(row.id, nil, core.error("limit", ("message %s to %s was not sent: %s"):format(row.id, row.to, err.message)))
end

--- The error of a message that has waited too long.
-- @number seconds its limit
function Outbox.expired(id, to, seconds)
  return core.error("expired", ("message %s to %s was not sent: it waited for more than %d minutes"):format(id, to, seconds // 60))
end

--- How long a message may wait for the server, in seconds.
-- @bool by_handler whether a handler's send
function Outbox:patience(by_handler) return by_handler and self.client.reply_seconds or limits.SEND_SECONDS end

-- Drops a message that is too old, with a report. One whose handler runs again in this run, which makes it anew, is no loss.
local function drop_old(self, row)
  fail(self, row)
  if row.origin and not self.waiting[row.id] and self.client.journal:holds(row.origin) then return end
  self:tell(row.id, nil, self.expired(row.id, row.to, self:patience(row.cause)))
end

local function too_old(self, row) return core.net.time() - row.time > self:patience(row.cause) end

-- Looks after messages whose ack does not come although the connection lives, and those that have waited long enough.
local function watch(self)
  if self.watching or self.client.closed then return end
  self.watching = core.net.timer(self.ack_seconds, function()
    self.watching = nil
    for _, row in next_row, self do
      if too_old(self, row) then
        drop_old(self, row)
      elseif can_send(self) and core.net.time() - row.time >= self.ack_seconds then
        transmit(self, row)
      end
    end
    if next_row(self) then watch(self) end
  end)
end

--- Stores a message; its bytes leave after the commit, or at the next login when there is no connection then.
-- @tparam table row id, to, stanza (encoded bytes), message (the Message's bytes), cause, origin; device when it is for that one
-- alone: in place of what waits to bring the message there; told, by moonpost.client.marks, of what is encrypted with our sender key or
-- tells it
-- @treturn ?boolean true
-- @treturn ?table err code "limit": the stanza is too large, nothing is stored
function Outbox:add(row)
  local client = self.client
  if #row.stanza > limits.STANZA then
    return nil, limits.exceeded(("message %s to %s"):format(row.id, row.to), #row.stanza, limits.STANZA, "bytes")
  end
  if row.device then self:remove(row) end
  row.time = math.floor(core.net.time())
  local number = rows.last_sequence(client.store, "outbox", "o") + 1
  local sequence = rows.sequence(number)
  rows.put(client.store, "outbox", "o" .. sequence, "StoreOutbox", row)
  client.store:put("outbox", index_key(row), sequence)
  client.connection:regulate()
  client.store:after_commit(function()
    if not self.behind and can_send(self) then
      transmit(self, row)
    elseif not self.behind then
      self.behind, self.at = true, "o" .. rows.sequence(number - 1)
    end
    watch(self)
  end)
  return true
end

--- Takes a message out.
function Outbox:remove(row)
  local sequence = self.client.store:get("outbox", index_key(row))
  if not sequence then return end
  self.client.store:delete("outbox", "o" .. sequence)
  self.client.store:delete("outbox", index_key(row))
  self.client.connection:regulate()
end

--- The row an ack of `id` is for: the message itself, or the first that brings it to a device alone.
function Outbox:find(id)
  local store = self.client.store
  local sequence = store:get("outbox", "i" .. id)
  if not sequence then
    local repairing = store:range("outbox", "i" .. id .. "\0", 1)[1]
    sequence = repairing and repairing[2]
  end
  return sequence and rows.get(store, "outbox", "o" .. sequence, "StoreOutbox")
end

local Ticket = {}
Ticket.__index = Ticket

--- Waits for the ack, in a task: {id=, time=}, or nil and an error.
function Ticket:wait()
  if not self.result then task.await(function(resume) self.wake = resume end) end
  return table.unpack(self.result, 1, 2)
end

--- Tells who waits what became of the message.
function Ticket:settle(result, err)
  self.result = { result, err }
  if self.wake then self.wake() end
end

--- Forgets what became of the message: it is sent again.
function Ticket:reset() self.result, self.wake = nil, nil end

function Ticket:__close()
  local list = self.outbox.waiting[self.id]
  for i = #(list or {}), 1, -1 do
    if list[i] == self then table.remove(list, i) end
  end
  if list and #list == 0 then self.outbox.waiting[self.id] = nil end
end

--- Makes a ticket for the ack of a message, to be closed by who holds it.
function Outbox:expect(id)
  local ticket = setmetatable({ outbox = self, id = id }, Ticket)
  self.waiting[id] = self.waiting[id] or {}
  table.insert(self.waiting[id], ticket)
  return ticket
end

--- Tells those who wait; an error nobody waits for is reported.
function Outbox:tell(id, result, err)
  local list = { table.unpack(self.waiting[id] or {}) }
  for _, ticket in ipairs(list) do ticket:settle(result, err) end
  if err and #list == 0 then self.client:emit("error", err) end
end

-- What the server's numbers mean of messages to groups (08 S-421, 03 §17.2), as words to decide by.
local words = {
  [403] = { "forbidden", "this account is not in it, or only its admins may write there" },
  [404] = { "not-found", "there is no such group" },
  [405] = { "not-allowed", "this account may not write there" },
  [406] = { "not-acceptable", "the server does not take such a message" },
  [421] = { "stale-group", "its members are named another way than the server says" },
  [429] = { "too-often", "too much was written" },
}

local function refusal(node, row)
  local status = math.tointeger(tonumber(node.attrs.error)) or 0
  local word = not row.device and (messages.is_group(row.to) or places.of(row.to) == "newsletter") and words[status]
  local err = core.error(word and word[1] or "refused", ("the server refused message %s to %s (error %s)%s"):format(
    row.id, row.to, node.attrs.error, word and ": " .. word[2] or ""))
  err.status = status
  if err.status == 463 then -- 03 §15.5
    err.advice = "they take no messages of people they have never written to, or this account may not write to new people for a while"
  end
  return err
end

local function accepted(self, node, row)
  local client = self.client
  local result = { id = row.id, time = attributes.time(node.attrs.t) or math.floor(core.net.time()) }
  client.sender_keys:accepted(row)
  result.server_id = attributes.server_id(node.attrs.server_id)
  if result.server_id then client.newsletters.posts:accepted(row, result.server_id) end
  if row.message and not row.device then
    client.sent:keep(row.id, row.to, result.time)
    client.archive:sent(row, result.time)
  end
  if node.attrs.phash and not row.device and repair.wanted(client, row, node.attrs.phash) then
    repair.start(client, row, node.attrs.phash)
  else
    self:remove(row)
  end
  return result
end

--- An `<ack class="message">` that came.
function Outbox:ack(node)
  local id = node.attrs.id
  if node.attrs.class ~= "message" or not id or #id > ID_MAX then return end
  local row = self:find(id)
  if not row then return end
  local result, err
  if node.attrs.error then
    fail(self, row)
    err = refusal(node, row)
    if err.code == "stale-group" and not self.waiting[id] then return self.client.sender:readdress(row) end
    if err.code == "forbidden" or err.code == "not-found" then self.client.groups:forget(row.to) end
  else
    result = accepted(self, node, row)
  end
  self.client.store:after_commit(function() self:tell(id, result, err) end)
end

--- Sends what waits, in order, as long as the socket takes it; the connection calls again when that has drained.
function Outbox:pump()
  while self.behind and can_send(self) do
    local key, row = next_row(self, self.at)
    self.at, self.behind = key or self.at, row ~= nil
    if row and too_old(self, row) then drop_old(self, row) elseif row then transmit(self, row) end
  end
end

--- Sends everything that waits: the connection is new.
function Outbox:resend()
  self.behind, self.at = true, nil
  self:pump()
  if next_row(self) then watch(self) end
end

--- Tells all who wait that no ack will come; the messages stay for the next run.
function Outbox:give_up(err)
  if self.watching then self.watching:stop() end
  self.watching = nil
  local ids = {}
  for id in pairs(self.waiting) do ids[#ids + 1] = id end
  for _, id in ipairs(ids) do self:tell(id, nil, err) end
end

return function(client) return setmetatable({ client = client, waiting = {}, repairing = {}, ack_seconds = ACK_SECONDS }, Outbox) end
