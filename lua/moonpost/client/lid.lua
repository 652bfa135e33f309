--- LID and phone number: two names of one account (fact sheet 02 §9, 03 §3). Pairs are learnt from what passes by; sessions
-- under the phone number move to the LID when a pair is learnt.
-- @module moonpost.client.lid
local limits = require "moonpost.client.limits"
local new_memory = require "moonpost.client.memory"
local jid = require("moonpost.core").wire.jid

local NAMES = 4096 -- so many names are remembered with their other one, and as many without one

local Lids = {}
Lids.__index = Lids

local function read_lid(self, pn)
  local user, server, device = jid.parse(pn)
  if server ~= "s.whatsapp.net" or not user or user == "" then return nil end
  local lid = self.store:get("lid", "p" .. user)
  return lid and jid.make(lid, "lid", device)
end

local function read_pn(self, lid)
  local user, server, device = jid.parse(lid)
  if server ~= "lid" or not user then return nil end
  local pn = self.store:get("lid", "l" .. user)
  return pn and jid.make(pn, "s.whatsapp.net", device)
end

-- A name's other one, remembered: each message asks for the same few many times.
local function remembered(self, memory, read, name)
  local known = memory:get(name)
  if known ~= nil then return known or nil end
  known = read(self, name)
  if not self.changing then memory:put(name, known or false) end
  return known
end

--- The LID of a phone-number JID (device kept), or nil.
function Lids:lid_of(pn) return remembered(self, self.lids, read_lid, pn) end

--- The phone-number JID of a LID (device kept), or nil.
function Lids:pn_of(lid) return remembered(self, self.pns, read_pn, lid) end

--- Rows have changed in this turn. That may still be undone: until the turn's end nothing is remembered.
function Lids:changed() self.changing, self.lids, self.pns = true, new_memory(NAMES), new_memory(NAMES) end

--- The turn has ended.
function Lids:settled() self.changing = false end

--- The form of a JID that stays the same over time: the LID when it is known.
function Lids:stable(any) return self:lid_of(any) or any end

--- The number of an account, digits only, or nil.
function Lids:phone(any)
  local user, server = jid.parse(any)
  if server == "s.whatsapp.net" then return user end
  local pn = self:pn_of(any)
  return pn and (jid.parse(pn))
end

-- Sessions are kept where the LID has one already (fact sheet 02 §9.4). Whether one has moved.
local function migrate(self, pn_user, lid_user)
  local moved = false
  for _, name in ipairs(self.account:sessions(pn_user)) do
    local _, server, device = jid.parse(name)
    if server == "s.whatsapp.net" then moved = self.account:migrate(name, jid.make(lid_user, "lid", device)) or moved end
  end
  self.store:delete("device-list", jid.make(pn_user, "s.whatsapp.net"))
  return moved
end

-- A number has one LID and a LID one number: what either was paired with before is forgotten.
local function pair(self, pn_user, lid_user)
  self:changed()
  local old_lid, old_pn = self.store:get("lid", "p" .. pn_user), self.store:get("lid", "l" .. lid_user)
  if old_lid then self.store:delete("lid", "l" .. old_lid) end
  if old_pn then self.store:delete("lid", "p" .. old_pn) end
  self.store:put("lid", "p" .. pn_user, lid_user)
  self.store:put("lid", "l" .. lid_user, pn_user)
end

-- The users of a number and a LID, given in either order; nil when they are anything but a person's.
local function users_of(one, other)
  local a, a_server = jid.parse(one or "")
  local b, b_server = jid.parse(other or "")
  if a_server == "lid" and b_server == "s.whatsapp.net" then a, b = b, a
  elseif not (a_server == "s.whatsapp.net" and b_server == "lid") then return nil end
  if a ~= "" and b ~= "" then return a, b end
end

local function learn(self, pn_user, lid_user)
  if self.store:get("lid", "p" .. pn_user) == lid_user then return end
  self.store:atomic(function()
    pair(self, pn_user, lid_user)
    local moved = migrate(self, pn_user, lid_user)
    if self.learnt then self.learnt(jid.make(pn_user, "s.whatsapp.net"), moved) end
  end)
end

-- Who this account is, is known from the login alone.
local function is_own(self, pn_user, lid_user)
  local me = self.me()
  return me ~= nil and (jid.parse(me.jid) == pn_user or me.lid ~= nil and jid.parse(me.lid) == lid_user)
end

-- Whether the other name of a JID is known.
local function has_other(self, any) return any ~= nil and (self:lid_of(any) or self:pn_of(any)) ~= nil end

--- Notes that two JIDs (either order, devices ignored) are one account, as something that came says; sessions move to the LID.
-- Anything but a person's LID and a person's number is no pair, and ignored. So is a pair of which either half is known as
-- somebody else's, or is the own account's.
function Lids:learn(one, other)
  if has_other(self, one) or has_other(self, other) then return end -- nearly always
  local pn_user, lid_user = users_of(one, other)
  if not pn_user or is_own(self, pn_user, lid_user) then return end
  if self.store:get("lid", "p" .. pn_user) or self.store:get("lid", "l" .. lid_user) then return end
  learn(self, pn_user, lid_user)
end

--- The same as the server's answer to a question for just this account: it replaces what was known.
function Lids:learn_answer(one, other)
  local pn_user, lid_user = users_of(one, other)
  if pn_user and not is_own(self, pn_user, lid_user) then learn(self, pn_user, lid_user) end
end

--- Notes the own two names, as linking or a login told them. Under a LID that is new, sessions are somebody else's: what comes in
-- the own name has to be vouched for.
-- @tparam table me own identity
function Lids:learn_own(me)
  local pn_user, lid_user = users_of(me.jid, me.lid)
  if not pn_user or self.store:get("lid", "p" .. pn_user) == lid_user then return end
  for device = 0, limits.DEVICES - 1 do self.account:delete_session(jid.make(lid_user, "lid", device)) end
  learn(self, pn_user, lid_user)
end

--- Whether a text is a person's LID, or the LID of a person's device.
function Lids.is_lid(text)
  local user, server = jid.parse(text)
  return server == "lid" and user ~= ""
end

--- Its field `learnt` is called, in a transaction, with the bare number whose LID has become known, or has changed, and whether there
-- were sessions under the number.
-- @tparam table store
-- @param account
-- @func me fn() -> own identity, nil before the linking
return function(store, account, me)
  return setmetatable({ store = store, account = account, me = me, lids = new_memory(NAMES), pns = new_memory(NAMES) }, Lids)
end
