--- The signed prekey, replaced by itself once in a while (fact sheet 02 §10.5). The next one is stored before the server hears of it
-- and offered again until it has an answer; messages that use the former ones are read for 60 days.
-- @module moonpost.client.signed_prekey
local core = require "moonpost.core"
local stanza = require "moonpost.stanza"
local task = require "moonpost.task"

local DAY = 24 * 3600
local INTERVAL, RETRY = 27 * DAY, DAY -- seconds until the next rotation, and after one the server could not take
local BAD_KEY, NOT_VALID = 406, 409   -- refusals of the key itself

local SignedPrekey = {}
SignedPrekey.__index = SignedPrekey

-- When the next rotation is due. The first time, and when the clock has been far ahead, the interval begins now.
local function due(self, now)
  local at = self.client.me.rotateAt
  if not at or at > now + INTERVAL then
    at = now + INTERVAL
    self:put_off(at)
  end
  return at
end

function SignedPrekey:put_off(at)
  local me = self.client.me
  if not me then return end
  me.rotateAt = at
  self.client:set_me(me)
end

--- The key's node in uploads, rotations and key bundles.
function SignedPrekey.node(key)
  return stanza.node("skey", nil, {
    stanza.node("id", nil, (">I3"):pack(key.id)), stanza.node("value", nil, key.public), stanza.node("signature", nil, key.signature),
  })
end

--- Has the server take a key in place of the one it has.
-- @treturn ?table the answer
-- @treturn ?table err
function SignedPrekey:offer(key)
  return self.client:query(stanza.node("iq", { xmlns = "encrypt", type = "set", to = "s.whatsapp.net" },
    stanza.node("rotate", nil, self.node(key))))
end

local function refused(self, err, now)
  if err.code == "closed" then return end -- at the next login
  local final = err.code == "iq" and err.status < 500
  if final and (err.status == BAD_KEY or err.status == NOT_VALID) then self.client.account:drop_next_signed_prekey() end
  self:put_off(now + (final and INTERVAL or RETRY))
  self.client:emit("error", core.error(err.code,
    ("the server did not take a new signed prekey, the old one stays: %s"):format(err.message)))
end

--- Replaces the key now. In a task.
function SignedPrekey:rotate()
  if self.busy then return end
  self.busy = true
  local guard <close> = setmetatable({}, { __close = function() self.busy = false end })
  local account = self.client.account
  local answer, err = self:offer(account:next_signed_prekey())
  local now = math.floor(core.net.time())
  if not guard or not self.client.me then return end -- unlinked meanwhile
  if not answer then return refused(self, err, now) end
  account:adopt_signed_prekey(now)
  self:put_off(now + INTERVAL)
end

--- Replaces it when it is time; beside whatever the caller does.
function SignedPrekey:check()
  if not self.client.me or core.net.time() < due(self, math.floor(core.net.time())) then return end
  task.spawn(self.rotate, self)
end

return function(client) return setmetatable({ client = client }, SignedPrekey) end
