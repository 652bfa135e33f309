--- Pacing of sends: a token bucket for each chat and one for the account. A bot that answers people never notices it; one that
-- floods is slowed down.
-- @module moonpost.client.throttle
local net = require("moonpost.core").net
local task = require "moonpost.task"

local Throttle = {}
Throttle.__index = Throttle

--- Defaults: how many messages at once, and how many a second after that.
local CHAT, ACCOUNT = { burst = 20, rate = 1 }, { burst = 60, rate = 5 }

-- Seconds until the bucket gives a token; it is taken at once.
local function take(bucket, now)
  bucket.tokens = math.min(bucket.burst, bucket.tokens + (now - bucket.at) * bucket.rate)
  bucket.at = now
  bucket.tokens = bucket.tokens - 1
  return bucket.tokens < 0 and -bucket.tokens / bucket.rate or 0
end

local function new_bucket(kind, now) return { burst = kind.burst, rate = kind.rate, tokens = kind.burst, at = now } end

--- How long a send to a chat has to wait, in seconds; the send is counted.
function Throttle:delay(chat, now)
  self.account = self.account or new_bucket(ACCOUNT, now)
  self.chats[chat] = self.chats[chat] or new_bucket(CHAT, now)
  return math.max(take(self.account, now), take(self.chats[chat], now))
end

--- Waits as long as a send to a chat has to.
function Throttle:wait(chat)
  if not self.enabled then return end
  local seconds = self:delay(chat, net.now())
  if seconds > 0 then task.sleep(seconds) end
end

--- @bool enabled false on loopback, where nobody is bothered
return function(enabled) return setmetatable({ enabled = enabled, chats = {} }, Throttle) end
