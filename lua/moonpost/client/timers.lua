--- The timers of chats of two people, after which their messages disappear (fact sheet 05 §5.4): set by either side, or learnt from
-- what comes. Those of groups are the groups' own. In table "message": "t" chat -> seconds, when it was set (u32, u64 BE), time.
-- @module moonpost.client.timers
local core = require "moonpost.core"
local archive_rows = require "moonpost.client.archive_rows"
local rows = require "moonpost.client.rows"

local FORM = ">I4I8"
local LONGEST = 0xffffffff

local Timers = {}
Timers.__index = Timers

local function key_of(chat) return "t" .. archive_rows.part(chat) end

local function read(self, chat)
  local value = self.client.store:get("message", key_of(chat))
  if value and #value == FORM:packsize() + 8 then return FORM:unpack(value) end
end

--- The timer of a chat: seconds, and when it was set (Unix seconds; nil when that is not known). Nil where none is known, or it is off.
-- @string chat bare JID
function Timers:of(chat)
  local stable = self.client.lids:stable(chat)
  local seconds, since = read(self, stable)
  local before = not seconds and self.client.lids:pn_of(stable)
  if before then seconds, since = read(self, before) end
  if not seconds or seconds == 0 then return nil end
  return seconds, since > 0 and since or nil
end

--- Notes a timer, unless one that was set later is known; inside a transaction.
-- @string chat bare JID, stable
-- @int seconds 0: off
-- @int since Unix seconds; 0: not known
-- @treturn boolean whether it is the newest
function Timers:set(chat, seconds, since)
  local _, before = read(self, chat)
  if before and since < before then return false end
  if seconds < 0 or seconds > LONGEST or since < 0 then return false end
  self.client.store:put("message", key_of(chat), FORM:pack(seconds, since) .. rows.time(core.net.time()))
  return true
end

--- Learns a timer from a content that came; inside its transaction.
-- @string chat bare JID, stable
-- @int seconds
-- @int since Unix seconds: when it was set; 0: not known
function Timers:learn(chat, seconds, since)
  if seconds > 0 and seconds ~= self:of(chat) then self:set(chat, seconds, since) end
end

return function(client) return setmetatable({ client = client }, Timers) end
