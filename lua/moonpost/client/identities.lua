--- Contacts who come back with new keys (fact sheet 02 §11): the new identity is taken over, what was made with the old one goes, and it
-- is told. The own phone's identity never changes: what claims so is not believed (moonpost.client.vouch).
-- @module moonpost.client.identities
local core = require "moonpost.core"
local limits = require "moonpost.client.limits"
local new_memory = require "moonpost.client.memory"
local jid = core.wire.jid

local TOLD_SECONDS = 600 -- what is noticed in several ways in that time is told once

local Identities = {}
Identities.__index = Identities

local function is_own(self, bare) return bare == self.client.me.jid or bare == self.client.me.lid end

-- Tells once, when it is durable.
local function tell(self, bare)
  local client, now = self.client, core.net.now()
  if now - (self.told:get(bare) or -math.huge) < TOLD_SECONDS then return end
  self.told:put(bare, now)
  client.store:after_commit(function()
    client.log:info(("%s has new keys: its phone was set up anew, or a device was linked again"):format(bare))
    client:emit("identity", { jid = bare, phone = client.lids:phone(bare) })
    client.privacy_tokens:identity_changed(bare)
  end)
end

--- The sessions with an account's devices go, under both its names, and the list of its devices.
-- @string bare JID, stable
-- @int first device number
function Identities:forget(bare, first)
  local account = self.client.account
  for _, name in ipairs { bare, self.client.lids:pn_of(bare) } do
    local user, server = jid.parse(name)
    for device = first, limits.DEVICES - 1 do account:delete_session(jid.make(user, server, device)) end
  end
  self.client.devices:forget(bare)
  self.client.sender_keys:forget(bare, first)
end

--- The server says that an account's phone has new keys.
-- @string bare JID, stable
function Identities:announced(bare)
  self:forget(bare, 0)
  tell(self, bare)
end

--- A device has shown its identity, in a message or in its keys. A phone's that is new ends what its companions had.
-- @string device JID, stable
-- @tparam ?string before the identity it had; nil when none is known
-- @string now the identity it has
function Identities:seen(device, before, now)
  local bare = jid.bare(device)
  if not before or before == now or is_own(self, bare) then return end
  if select(3, jid.parse(device)) == 0 then self:forget(bare, 1) end
  self.client.sender_keys:forget(bare, 0)
  tell(self, bare)
end

return function(client) return setmetatable({ client = client, told = new_memory() }, Identities) end
