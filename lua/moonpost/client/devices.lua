--- Which devices an account has (usync, fact sheet 03 §4), kept in the store, and sessions with them (§5).
-- @module moonpost.client.devices
local core = require "moonpost.core"
local rows = require "moonpost.client.rows"
local stanza = require "moonpost.stanza"
local jid = core.wire.jid

local BUNDLES_PER_IQ = 32 -- one chunk of new sessions holds the loop for some 10 ms

local Devices = {}
Devices.__index = Devices

local function read_devices(user)
  local list = stanza.path(user, "devices", "device-list")
  if not list then return nil end
  local name, server = jid.parse(user.attrs.jid)
  local jids = {}
  for _, device in stanza.children(list, "device") do
    local id = math.tointeger(tonumber(device.attrs.id))
    if id and id >= 0 and id < 100 and device.attrs.is_hosted ~= "true" then jids[#jids + 1] = jid.make(name, server, id) end
  end
  return jids
end

local function query(self, jids)
  local users = {}
  for i, one in ipairs(jids) do users[i] = stanza.node("user", { jid = one }) end
  local answer, err = self.client:query(stanza.node("iq", { xmlns = "usync", type = "get", to = "s.whatsapp.net" }, {
    stanza.node("usync", { sid = self.client:next_id(), mode = "query", last = "true", index = "0", context = "message" }, {
      stanza.node("query", nil, { stanza.node("devices", { version = "2" }), stanza.node("lid") }),
      stanza.node("list", nil, users),
    }),
  }))
  if not answer then return nil, err end
  return stanza.path(answer, "usync", "list") or stanza.node "list"
end

-- Keeps what an answer says; devices are filed under the LID once it is known.
local function keep(self, list)
  local found = {}
  self.client.store:atomic(function()
    for _, user in stanza.children(list, "user") do
      local lid = stanza.child(user, "lid")
      if lid and user.attrs.jid then self.client.lids:learn(user.attrs.jid, lid.attrs.val) end
      local jids = user.attrs.jid and read_devices(user)
      if jids then
        local stable = self.client.lids:stable(jid.bare(user.attrs.jid))
        for i, one in ipairs(jids) do jids[i] = self.client.lids:stable(one) end
        rows.put(self.client.store, "device-list", stable, "StoreDevices", { jids = jids, time = math.floor(core.net.time()) })
        found[user.attrs.jid] = stable
      end
    end
  end)
  return found
end

--- The devices of accounts; asks the server for those not known.
-- @tparam table bare JIDs
-- @treturn ?table bare JID as asked -> array of device JIDs (under the LID when there is one)
-- @treturn ?table err
function Devices:of(bare)
  local result, missing = {}, {}
  for _, one in ipairs(bare) do
    local row = rows.get(self.client.store, "device-list", self.client.lids:stable(one), "StoreDevices")
    if row then result[one] = row.jids or {} else missing[#missing + 1] = one end
  end
  if #missing == 0 then return result end
  local list, err = query(self, missing)
  if not list then return nil, err end
  keep(self, list)
  for _, one in ipairs(missing) do
    local row = rows.get(self.client.store, "device-list", self.client.lids:stable(one), "StoreDevices")
    result[one] = row and row.jids or {}
  end
  return result
end

--- Forgets the devices of an account: they are asked for again before the next send.
function Devices:forget(bare)
  self.client.store:delete("device-list", self.client.lids:stable(bare))
  self.client.store:delete("device-list", bare)
end

local function read_bundle(user)
  local function id_of(node) return (">I3"):unpack(stanza.bytes(node, "id")) end
  local skey, key = stanza.child(user, "skey"), stanza.child(user, "key")
  return {
    registration_id = (">I4"):unpack(stanza.bytes(user, "registration")), identity = stanza.bytes(user, "identity"),
    signed_prekey = { id = id_of(skey), public = stanza.bytes(skey, "value"), signature = stanza.bytes(skey, "signature") },
    prekey = key and { id = id_of(key), public = stanza.bytes(key, "value") } or nil,
  }
end

local function fetch_chunk(self, jids)
  local users, asked = {}, {}
  for i, one in ipairs(jids) do
    users[i] = stanza.node("user", { jid = one })
    asked[one] = true
  end
  local answer, err = self.client:query(stanza.node("iq", { xmlns = "encrypt", type = "get", to = "s.whatsapp.net" }, {
    stanza.node("key", nil, users),
  }))
  if not answer then return nil, err end
  for _, user in stanza.children(stanza.child(answer, "list"), "user") do
    local one = user.attrs.jid
    if one and not asked[one] then one = self.client.lids:stable(one) end
    if one and asked[one] and not stanza.child(user, "error") then
      local ok, bundle = pcall(read_bundle, user)
      if ok then
        local started, why = self.client.account:process_bundle(one, bundle)
        if not started then self.client:emit("error", why) end
      else
        self.client:emit("error", core.error("malformed", ("the key bundle of %s is malformed"):format(one)))
      end
    end
  end
  return true
end

--- Makes sure there are sessions with devices; those that have no keys are left without one.
-- @treturn ?boolean true
-- @treturn ?table err
function Devices:ensure_sessions(jids)
  local missing = {}
  for _, one in ipairs(jids) do
    if not self.client.account:has_session(one) then missing[#missing + 1] = one end
  end
  for first = 1, #missing, BUNDLES_PER_IQ do
    local ok, err = fetch_chunk(self, table.move(missing, first, math.min(first + BUNDLES_PER_IQ - 1, #missing), 1, {}))
    if not ok then return nil, err end
  end
  return true
end

-- Both names of the account a notification is about, its `lid` attribute learnt first.
local function names_of(self, node)
  local bare, lids = jid.bare(node.attrs.from), self.client.lids
  if node.attrs.lid then lids:learn(bare, jid.bare(node.attrs.lid)) end
  return lids:stable(bare), lids:pn_of(lids:stable(bare)) or bare
end

--- A `devices` notification: some account's list has changed (fact sheet 02 §8.2). The sessions with what was removed go.
function Devices:on_notification(node)
  self:forget((names_of(self, node)))
  for _, device in stanza.children(stanza.child(node, "remove"), "device") do
    if device.attrs.jid then self.client.account:delete_session(self.client.lids:stable(device.attrs.jid)) end
  end
end

--- An `encrypt` notification with `<identity/>`: an account's phone has new keys, and its companions are gone with the old ones: no
-- session with any of them is worth anything (§11). The new identity is taken from the next bundle or message.
function Devices:identity_changed(node)
  local lid, pn = names_of(self, node)
  if pn == self.client.me.jid or jid.bare(node.attrs.from) ~= node.attrs.from then return end -- the own, or a companion's
  for device = 0, 99 do
    for _, bare in ipairs { lid, pn } do
      local user, server = jid.parse(bare)
      self.client.account:delete_session(jid.make(user, server, device))
    end
  end
  self:forget(lid)
end

return function(client) return setmetatable({ client = client }, Devices) end
