--- The one-time keys in our retry receipts (fact sheet 04 §9.2): one for each message of a device that is asked for, the same until it
-- is used. So many only: whoever sends what cannot be read, again and again, has no new key made each time.
-- @module moonpost.client.retry_keys
local core = require "moonpost.core"
local limits = require "moonpost.client.limits"
local new_ring = require "moonpost.client.ring"
local rows = require "moonpost.client.rows"

local SECONDS = 7 * 24 * 3600 -- a key that nobody has used by then is dropped

local RetryKeys = {}
RetryKeys.__index = RetryKeys

local function pack(id) return (">I4"):pack(id) end

-- The message whose key is given for one more of a device that has enough of them.
local function shared_name(self, device, name)
  local names = self.ring:names(device .. "\0", limits.RETRY_KEYS_EACH)
  return #names < limits.RETRY_KEYS_EACH and name or names[1]
end

--- The key for a message of a device.
-- @string device JID, stable
-- @string id of the message
-- @treturn table {id=, public=}
function RetryKeys:of(device, id)
  local account = self.client.account
  local name = rows.short(device .. "\0" .. id)
  local value = self.ring:get(name)
  if not value then
    name = shared_name(self, device, name)
    value = self.ring:get(name)
  end
  local key = value and account:prekey((">I4"):unpack(value))
  if not key then
    key = account:new_prekeys(1)[1]
    account:mark_uploaded(key.id, key.id) -- it is offered to nobody else
  end
  self.ring:put(name, pack(key.id), core.net.time())
  return key
end

--- Drops some of what is too old; whether there may be more.
function RetryKeys:sweep(now) return self.ring:sweep(now - SECONDS) end

--- The rows are not what they were.
function RetryKeys:recount() self.ring:recount() end

return function(client)
  return setmetatable({
    client = client,
    ring = new_ring {
      store = client.store, kind = "k", most = limits.RETRY_KEYS, most_bytes = math.huge,
      dropped = function(_, value) client.account:drop_prekey((">I4"):unpack(value)) end,
    },
  }, RetryKeys)
end
