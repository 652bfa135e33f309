--- Handing something to very many devices a few at a time, so that nobody else waits for all of them. What is pushed to a device
-- meanwhile waits behind it: each device gets everything in the order in which it was sent. What a sandbox that is killed has not got
-- to yet is lost, also of a world that is kept.
-- @module moonpost.sandbox.spread
local core = require "moonpost.core"

local MANY = 100 -- devices that are handed something at once
local SLICE = 0.004 -- seconds of a turn of the loop

local Spread = {}
Spread.__index = Spread

local function step(self)
  local entry = self.list[self.first]
  self.list[self.first] = nil
  self.first = self.first + 1
  local queue = entry.queue
  queue.waiting = queue.waiting - 1
  if queue.cleared ~= entry.cleared then return end -- the device was unlinked meanwhile
  local node = entry.make and entry.make(entry.device) or entry.node
  if node then queue:put(node) end
end

local function work(self)
  self.timer = nil
  local began = os.clock()
  while self.first <= self.last and os.clock() - began < SLICE do step(self) end
  if self.first <= self.last then self.timer = core.net.timer(0, function() work(self) end) end
end

local function add(self, entry)
  local queue = entry.queue
  queue.waiting, queue.spread, entry.cleared = queue.waiting + 1, self, queue.cleared
  self.last = self.last + 1
  self.list[self.last] = entry
  self.timer = self.timer or core.net.timer(0, function() work(self) end)
end

--- Puts a stanza behind what a queue still waits for.
function Spread:behind(queue, node) add(self, { queue = queue, node = node }) end

--- Hands each of some devices what fn(device) makes for it; nothing when that is nil.
-- @tparam table devices
-- @tparam func make
function Spread:hand_out(devices, make)
  local many = #devices > MANY
  for i = 1, #devices do
    local device = devices[i]
    if many then
      add(self, { queue = device.queue, device = device, make = make })
    else
      local node = make(device)
      if node then device.queue:push(node) end
    end
  end
end

--- Hands out what is left, at once.
function Spread:finish()
  if self.timer then self.timer:stop() end
  self.timer = nil
  while self.first <= self.last do step(self) end
end

--- One for a sandbox.
return function() return setmetatable({ list = {}, first = 1, last = 0 }, Spread) end
