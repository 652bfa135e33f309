--- What waited at the server while this device was away (fact sheet 01 §7.6): announced by a preview, asked for in batches, ended
-- by a marker.
-- @module moonpost.client.backlog
local core = require "moonpost.core"
local stanza = require "moonpost.stanza"

local BATCH = 200
local NEXT_BATCH_SECONDS = 0.1 -- after the first stanza of a batch, as the official client's peers do

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
  if not node.attrs.offline or not self.asked or self.left <= 0 then return end
  self.asked = false
  self.timer = core.net.timer(NEXT_BATCH_SECONDS, function() ask(self) end)
end

--- `<offline>`, or the connection's end: nothing more is asked for.
function Backlog:finish()
  self.left = 0
  if self.timer then self.timer:stop() end
end

return function(connection) return setmetatable({ connection = connection, left = 0, asked = false }, Backlog) end
