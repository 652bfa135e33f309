--- LID and phone number: two names of one account (fact sheet 02 §9, 03 §3). Pairs are learnt from what passes by; sessions
-- under the phone number move to the LID when a pair is learnt.
-- @module moonpost.client.lid
local jid = require("moonpost.core").wire.jid

local Lids = {}
Lids.__index = Lids

--- The LID of a phone-number JID (device kept), or nil.
function Lids:lid_of(pn)
  local user, server, device = jid.parse(pn)
  if server ~= "s.whatsapp.net" or not user or user == "" then return nil end
  local lid = self.store:get("lid", "p" .. user)
  return lid and jid.make(lid, "lid", device)
end

--- The phone-number JID of a LID (device kept), or nil.
function Lids:pn_of(lid)
  local user, server, device = jid.parse(lid)
  if server ~= "lid" or not user then return nil end
  local pn = self.store:get("lid", "l" .. user)
  return pn and jid.make(pn, "s.whatsapp.net", device)
end

--- The form of a JID that stays the same over time: the LID when it is known.
function Lids:stable(any) return self:lid_of(any) or any end

--- The number of an account, digits only, or nil.
function Lids:phone(any)
  local user, server = jid.parse(any)
  if server == "s.whatsapp.net" then return user end
  local pn = self:pn_of(any)
  return pn and (jid.parse(pn))
end

local DEVICES = 100 -- device numbers are below

-- Sessions are kept where the LID has one already (fact sheet 02 §9.4).
local function migrate(self, pn_user, lid_user)
  for device = 0, DEVICES - 1 do
    self.account:migrate(jid.make(pn_user, "s.whatsapp.net", device), jid.make(lid_user, "lid", device))
  end
  self.store:delete("device-list", jid.make(pn_user, "s.whatsapp.net"))
end

-- A number has one LID and a LID one number: what either was paired with before is forgotten.
local function pair(self, pn_user, lid_user)
  local old_lid, old_pn = self.store:get("lid", "p" .. pn_user), self.store:get("lid", "l" .. lid_user)
  if old_lid then self.store:delete("lid", "l" .. old_lid) end
  if old_pn then self.store:delete("lid", "p" .. old_pn) end
  self.store:put("lid", "p" .. pn_user, lid_user)
  self.store:put("lid", "l" .. lid_user, pn_user)
end

--- Notes that two JIDs (either order, devices ignored) are one account; its sessions move to the LID.
-- Anything but a person's LID and a person's number is no pair, and ignored.
function Lids:learn(one, other)
  local a, a_server = jid.parse(one or "")
  local b, b_server = jid.parse(other or "")
  if a_server == "lid" and b_server == "s.whatsapp.net" then a, b = b, a
  elseif not (a_server == "s.whatsapp.net" and b_server == "lid") then return end
  if a == "" or b == "" or self.store:get("lid", "p" .. a) == b then return end
  self.store:atomic(function()
    pair(self, a, b)
    migrate(self, a, b)
  end)
end

return function(store, account) return setmetatable({ store = store, account = account }, Lids) end
