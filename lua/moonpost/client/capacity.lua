--- How much the journal takes: bytes and messages in all, messages of one chat. What is above that stays at the server, unconfirmed,
-- which sends it again at the next login; so the connection is made anew when half of the room is free again.
-- @module moonpost.client.capacity
local core = require "moonpost.core"
local limits = require "moonpost.client.limits"
local rows = require "moonpost.client.rows"

local Capacity = {}
Capacity.__index = Capacity

-- Counts the bytes an earlier run left, at the first use.
local function count_bytes(self)
  if self.bytes then return self.bytes end
  self.bytes = 0
  rows.each(self.client.store, "journal", "", function(_, value) self.bytes = self.bytes + #value end)
  return self.bytes
end

-- Refuses a message; that is told once until there is room again.
local function refuse(self, envelope, why)
  local err = core.error("full", ("message %s from %s waits at the server: %s"):format(envelope.id, envelope.author, why))
  err.told_before = self.refused or self.refused_chats[envelope.chat] ~= nil
  return err
end

--- Raises "full" when a message is too much.
-- @tparam table envelope
-- @int waiting messages of its chat that wait
-- @int in_all messages that wait
function Capacity:check(envelope, waiting, in_all)
  local chat = envelope.chat
  -- those behind one that was refused are refused as well: the order of a chat stays
  if self.refused_chats[chat] or waiting >= limits.CHAT_WAITING then
    local err = refuse(self, envelope, ("%d messages of its chat wait for their handlers"):format(waiting))
    self.refused_chats[chat] = true
    error(err, 0)
  end
  if not self.refused and count_bytes(self) <= self.most_bytes and in_all < limits.WAITING_MOST then return end
  local err = refuse(self, envelope, ("handlers have not ended with %d bytes of messages, and %d messages wait for them"):format(
    count_bytes(self), in_all))
  self.refused = true
  error(err, 0)
end

-- All that was refused comes again.
local function invite(self)
  self.refused, self.refused_chats = false, {}
  self.client.connection:abort(core.error("network", "there is room again for the messages that wait at the server"))
end

--- Whether something was refused, and has to come again.
function Capacity:refuses() return self.refused or next(self.refused_chats) ~= nil end

--- A row was written.
function Capacity:take(size) self.bytes = self.bytes and self.bytes + size end

-- Half of the room is free again.
local function invite_if_free(self, in_all)
  if self.refused and count_bytes(self) <= self.most_bytes // 2 and in_all <= limits.WAITING_MOST // 2 then invite(self) end
end

--- A row of a size has gone.
-- @int size bytes
-- @int in_all messages that wait
function Capacity:give(size, in_all)
  self.bytes = self.bytes and self.bytes - size
  invite_if_free(self, in_all)
end

--- Fewer messages wait.
-- @param lanes moonpost.client.lanes
-- @tparam table expected by chat, messages that will wait once they are durable
function Capacity:less(lanes, expected)
  self.client.connection:regulate()
  invite_if_free(self, lanes.waiting)
  for chat in pairs(self.refused_chats) do
    if lanes:count(chat) + (expected[chat] or 0) <= limits.CHAT_WAITING // 2 then return invite(self) end
  end
end

--- The connection is a new one: what was refused is coming again.
function Capacity:renew() self.refused, self.refused_chats = false, {} end

--- The rows are not what they were.
function Capacity:recount() self.bytes = nil end

return function(client)
  return setmetatable({ client = client, most_bytes = limits.JOURNAL_BYTES, refused = false, refused_chats = {} }, Capacity)
end
