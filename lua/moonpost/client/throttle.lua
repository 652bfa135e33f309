--- Pacing of sends: a token bucket for each chat and one for the account. A bot that answers people never notices it; one that
-- floods, or talks with another bot, is slowed down.
-- @module moonpost.client.throttle
local net = require("moonpost.core").net
local task = require "moonpost.task"

local Throttle = {}
Throttle.__index = Throttle

-- How many messages at once, and how many a second after that.
local CHAT, ACCOUNT = { burst = 20, rate = 1 }, { burst = 60, rate = 5 }

local CHATS_KEPT = 256 -- buckets, before the full ones are dropped: a new one is as full

local function refill(bucket, now)
  local kind = bucket.kind
  bucket.tokens = math.min(kind.burst, bucket.tokens + (now - bucket.at) * kind.rate)
  bucket.at = now
  return bucket.tokens
end

-- Takes a token, at once; returns the seconds until there is one.
local function take(bucket, now)
  bucket.tokens = refill(bucket, now) - 1
  return bucket.tokens < 0 and -bucket.tokens / bucket.kind.rate or 0
end

local function new_bucket(kind, now) return { kind = kind, tokens = kind.burst, at = now } end

local function drop_full(self, now)
  for chat, bucket in pairs(self.chats) do
    if refill(bucket, now) >= CHAT.burst then
      self.chats[chat] = nil
      self.count = self.count - 1
    end
  end
end

local function bucket_of(self, chat, now)
  if not self.chats[chat] then
    if self.count >= CHATS_KEPT then drop_full(self, now) end
    self.chats[chat] = new_bucket(CHAT, now)
    self.count = self.count + 1
  end
  return self.chats[chat]
end

--- How long a send to a chat has to wait; the send is counted.
-- @string chat
-- @number now seconds of any steady clock
-- @treturn number seconds
function Throttle:delay(chat, now)
  self.account = self.account or new_bucket(ACCOUNT, now)
  return math.max(take(self.account, now), take(bucket_of(self, chat, now), now))
end

--- Waits as long as a send to a chat has to. In a task.
function Throttle:wait(chat)
  if not self.enabled then return end
  local seconds = self:delay(chat, net.now())
  if seconds > 0 then task.sleep(seconds) end
end

--- @bool enabled: true on the service, which is known by its Noise root; nobody is bothered in a sandbox
return function(enabled) return setmetatable({ enabled = enabled, chats = {}, count = 0 }, Throttle) end
