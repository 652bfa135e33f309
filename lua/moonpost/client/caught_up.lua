--- Being caught up: the handlers have heard all that waited at the server while this device was away. Told once for each login, also
-- when nothing waited: when the server has said that nothing more comes (moonpost.client.backlog), and every message before that has had
-- its handlers, in this run or the one before. Handlers that wait for an answer (`ask`) are not waited for. A login whose connection
-- breaks before tells nothing: the next one goes on.
-- @module moonpost.client.caught_up
local core = require "moonpost.core"

local CaughtUp = {}
CaughtUp.__index = CaughtUp

local function begin(self) self.since, self.messages, self.late = nil, 0, 0 end

--- A login has begun; the time counts from the first since the client was caught up last.
function CaughtUp:login() self.since = self.since or core.net.now() end

--- Handlers are to hear a message now.
-- @tparam table m the event
function CaughtUp:heard(m)
  if not m.offline then return end
  self.messages = self.messages + 1
  if m.late then self.late = self.late + 1 end
end

local function tell(self, complete)
  local client = self.client
  local info = { messages = self.messages, late = self.late, seconds = core.net.now() - self.since, complete = complete }
  begin(self)
  self.since = core.net.now()
  client.log:debug("caught up: %d messages in %.1f s", info.messages, info.seconds)
  client:emit("caught_up", info)
end

--- The server has nothing more. What has come is safe at the end of the turn, and heard when each chat has come so far. What there was no
-- room for is still to come, over another connection: that login tells it.
-- @bool complete
function CaughtUp:reached(complete)
  local client = self.client
  client.turn:wait(function(ok)
    if not ok or client.journal.closing or client.journal.capacity:refuses() then return end
    client.journal.lanes:passed(function() tell(self, complete) end)
  end)
end

return function(client)
  local self = setmetatable({ client = client }, CaughtUp)
  begin(self)
  return self
end
