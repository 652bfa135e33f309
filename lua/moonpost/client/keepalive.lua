--- Noticing that a connection is dead (fact sheet 01 §7.1): a ping when it has been quiet for a while, and sooner when something
-- that was sent has met silence.
-- @module moonpost.client.keepalive
local core = require "moonpost.core"
local stanza = require "moonpost.stanza"
local task = require "moonpost.task"

local net = core.net

local Keepalive = {}
Keepalive.__index = Keepalive

-- Seconds between pings, silence after a send until it is looked into, and how long the answer to a ping may take.
local PACE = { quiet = 20, jitter = 10, silence = 5, answer = 15 }

--- Something came: the connection lives.
function Keepalive:heard() self.heard_at, self.unanswered_at = net.now(), nil end

local function ping(self)
  if self.asking or self.stopped then return end
  local node = stanza.node("iq", { xmlns = "w:p", type = "get", to = "s.whatsapp.net", id = self.connection.client:next_id() })
  -- While nothing is read on purpose the server hears of us, and its answer waits unread behind all else.
  if self.connection.paused then return self.connection:send(node) end
  self.asking = true
  local asked_at = net.now()
  local answer, err = self.connection:query(node, self.pace.answer)
  self.asking = false
  if answer or self.stopped or self.heard_at >= asked_at then return end
  local dead = core.error("network", "the connection is dead: " .. tostring(err))
  dead.prompt = true
  self.connection:abort(dead)
end

local function watch(self, seconds)
  self.watching = net.timer(seconds, function()
    self.watching = nil
    if not self.unanswered_at or self.connection.paused then return end
    local left = self.unanswered_at + self.pace.silence - net.now()
    if left > 0 then watch(self, left) else task.spawn(ping, self) end
  end)
end

--- Something was sent: the first of it that nothing has followed since is watched.
function Keepalive:sent()
  self.unanswered_at = self.unanswered_at or net.now()
  if not self.watching then watch(self, self.pace.silence) end
end

local function run(self)
  while not self.stopped do
    task.sleep(self.pace.quiet + math.random() * self.pace.jitter)
    ping(self)
  end
end

--- Ends the watch; the connection is gone.
function Keepalive:stop()
  self.stopped = true
  if self.watching then self.watching:stop() end
  self.running:cancel()
end

--- Watches over a connection's session.
-- @param connection moonpost.client.connection
-- @tparam ?table pace seconds: quiet, jitter, silence, answer
return function(connection, pace)
  local self = setmetatable({ connection = connection, pace = pace or PACE, heard_at = net.now() }, Keepalive)
  self.running = task.spawn(run, self)
  return self
end
