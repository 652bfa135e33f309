--- The turn of a store: one commit at each end of the loop's turn for all clients on it. What waits for it leaves then; when it
-- fails, every one of them has lost the turn, and its connection.
-- @module moonpost.client.turn
local core = require "moonpost.core"
local new_suspect = require "moonpost.client.suspect"
local tenancy = require "moonpost.client.tenancy"

local turns = {} -- by the identity of the store

local Turn = {}
Turn.__index = Turn

--- Takes a client off; the turn of a store nobody is on ends.
function Turn:leave(client)
  for i = #self.clients, 1, -1 do
    if self.clients[i] == client then table.remove(self.clients, i) end
  end
  if #self.clients > 0 or self.ended then return end
  self.ended = true
  self.at_end:stop()
  self.suspect:close()
  if turns[self.identity] == self then turns[self.identity] = nil end
end

local function make(identity, store)
  local self = setmetatable({ identity = identity, clients = {}, waiting = {}, suspect = new_suspect(store) }, Turn)
  self.at_end = core.net.on_turn_end(function() return self:commit() end)
  return self
end

--- Calls fn(true), or fn(nil, err), when everything written in this turn is durable, or lost.
function Turn:wait(fn) self.waiting[#self.waiting + 1] = fn end

-- The handle of a client whose store is open: one that was closed under its client commits nothing any more.
local function open_store(self)
  local first = self.clients[1]
  while first and not tenancy.alive(first) do
    self:leave(first)
    first = self.clients[1]
  end
  return first and first.store
end

local function write_marks(self, dirty)
  for _, client in ipairs(self.clients) do
    local delivered, read_marks = client:made "delivered", client:made "read_marks"
    local waits = delivered and delivered:waits() or read_marks and read_marks:waits()
    if waits and tenancy.alive(client) then
      if delivered then delivered:write(dirty) end
      if read_marks then read_marks:write(dirty) end
    end
  end
end

--- Commits.
-- @treturn boolean whether there was anything to commit
-- @treturn ?table err it failed: memory is as the store is, the turn is gone
function Turn:commit()
  self.suspect:release()
  local store = open_store(self)
  if not store or not store:dirty() and #self.waiting == 0 then return false end
  write_marks(self, store:dirty())
  local waiting = self.waiting
  self.waiting = {}
  local ok, err = store:commit()
  for _, client in ipairs(ok and {} or { table.unpack(self.clients) }) do client:turn_lost(err, self.lost) end
  self.lost = not ok
  for _, client in ipairs(self.clients) do client.lids:settled() end
  for _, resume in ipairs(waiting) do resume(ok, err) end
  return true, err
end

--- The turn of a client's store, with the client on it.
return function(client)
  local identity = client.store:identity()
  local turn = turns[identity]
  if not turn or not open_store(turn) then
    turn = make(identity, client.store)
    turns[identity] = turn
  end
  turn.clients[#turn.clients + 1] = client
  return turn
end
