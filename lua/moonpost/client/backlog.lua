--- What waited at the server while this device was away (fact sheets 01 §7.6, 04 §10.1): announced by a preview, asked for in batches,
-- ended by a marker, or by a minute in which nothing of it comes. One for each session; the client is told of the end as
-- moonpost.client.caught_up has it.
-- @module moonpost.client.backlog
local core = require "moonpost.core"
local stanza = require "moonpost.stanza"

local net = core.net

local BATCH = 200
local NEXT_BATCH_SECONDS = 0.1 -- after the first stanza of a batch, as the official client has it
local SILENCE_SECONDS = 60     -- without a stanza that waited: nothing more comes

local Backlog = {}
Backlog.__index = Backlog

local function ask(self)
  self.left = self.left - BATCH
  self.asked = true
  self.connection:send(stanza.node("ib", nil, stanza.node("offline_batch", { count = BATCH })))
end

--- `<offline_preview>`: the server says how much waits, and for the asking.
function Backlog:preview(node)
  self.left = math.tointeger(tonumber(node.attrs.count)) or 0
  if self.left > 0 then ask(self) end
end

--- A stanza came; the first of a batch has the next one asked for.
function Backlog:stanza(node)
  if not node.attrs.offline then return end
  self.heard_at = net.now()
  if not self.asked or self.left <= 0 then return end
  self.asked = false
  self.timer = net.timer(NEXT_BATCH_SECONDS, function() ask(self) end)
end

-- Looks whether anything comes. While this client reads nothing itself, nothing can.
local function watch(self, seconds)
  self.watching = net.timer(seconds, function()
    if self.connection.paused then self.heard_at = net.now() end
    local left = self.heard_at + self.silence - net.now()
    if left > 0 then return watch(self, left) end
    self.connection.client.log:warn("the server has not said within %g s whether more messages wait", self.silence)
    self:ended(false)
  end)
end

--- The client is online: what waited comes from now on.
function Backlog:begin()
  if self.told then return end
  self.heard_at = net.now()
  watch(self, self.silence)
end

--- Nothing more comes that waited.
-- @bool complete whether the server has said so, by `<offline>`
function Backlog:ended(complete)
  self:finish()
  if self.told then return end
  self.told = true
  self.connection.client.caught_up:reached(complete)
end

--- The connection's end: nothing more is asked for.
function Backlog:finish()
  self.left = 0
  if self.timer then self.timer:stop() end
  if self.watching then self.watching:stop() end
end

return function(connection)
  return setmetatable({
    connection = connection, left = 0, asked = false, told = false, silence = connection.pace.silence or SILENCE_SECONDS,
  }, Backlog)
end
