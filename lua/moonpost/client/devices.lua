--- Which devices an account has (usync, fact sheet 03 §4), kept in the store, and sessions with them (§5).
-- @module moonpost.client.devices
local attributes = require "moonpost.client.attrs"
local bundle = require "moonpost.client.bundle"
local core = require "moonpost.core"
local limits = require "moonpost.client.limits"
local rows = require "moonpost.client.rows"
local stanza = require "moonpost.stanza"
local task = require "moonpost.task"
local vouch = require "moonpost.client.vouch"
local jid, proto = core.wire.jid, core.proto

local BUNDLES_PER_IQ = 48 -- (03 §5: 50)
local SESSIONS = 6         -- new ones in a turn of the loop: some 4 ms
local USERS_PER_IQ = 128   -- whose devices are asked for at once
local USERS_PER_TURN = 32  -- of an answer kept in one turn of the loop
local NOT_ACCEPTABLE = 406 -- none of the devices whose keys were asked for exists (02 §10.6)

local Devices = {}
Devices.__index = Devices

-- The phone's list of its devices' indexes; nil when the answer has none (02 §8.1).
local function read_indexes(user)
  local bytes = stanza.bytes(user, "devices", "key-index-list")
  local signed = bytes and proto.decode("ADVSignedKeyIndexList", bytes)
  return signed and signed.details and proto.decode("ADVKeyIndexList", signed.details) or nil
end

-- Which indexes the phone names as its devices': fn(index) -> boolean. One that is newer than the phone's list is a device the list
-- has not come to yet.
local function index_filter(list)
  if not list then return nil end
  local valid = {}
  for _, index in ipairs(list.validIndexes or {}) do valid[index] = true end
  return function(index) return index ~= nil and (valid[index] or index > (list.currentIndex or 0)) end
end

local function whole(text) return math.tointeger(tonumber(text)) end

local function read_devices(user, indexes)
  local list = stanza.path(user, "devices", "device-list")
  if not list then return nil end
  local name, server = jid.parse(user.attrs.jid)
  local jids, seen, is_valid = {}, {}, index_filter(indexes)
  for _, device in stanza.children(list, "device") do
    local id = whole(device.attrs.id)
    local named = id == 0 or not is_valid or is_valid(whole(device.attrs["key-index"]))
    if id and id >= 0 and id < limits.DEVICES and not seen[id] and named and device.attrs.is_hosted ~= "true" then
      jids[#jids + 1] = jid.make(name, server, id)
      seen[id] = true
    end
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

local function read_row(client, name) return rows.get(client.store, "device-list", name, "StoreDevices") end

-- An account's phone has been set up anew: sessions with the companions it had are worth nothing (§8.1).
local function forget_companions(client, jids)
  for _, one in ipairs(jids) do
    if select(3, jid.parse(one)) ~= 0 then client.account:delete_session(one) end
  end
end

-- What is in one list and not in the other.
local function beyond(list, other)
  local known, rest = {}, {}
  for _, one in ipairs(other) do known[one] = true end
  for _, one in ipairs(list) do
    if not known[one] then rest[#rest + 1] = one end
  end
  return rest
end

local function tell_changes(client, name, before, now)
  client.sender_keys:devices_changed(name, beyond(now, before), beyond(before, now))
end

-- Keeps what an answer says of one account; devices are filed under the LID once it is known. `asked`: it was asked for by this name.
local function keep_user(self, user, asked)
  local client, lid = self.client, stanza.child(user, "lid")
  if lid and asked then client.lids:learn_answer(user.attrs.jid, lid.attrs.val) end
  local indexes = read_indexes(user)
  local jids = read_devices(user, indexes)
  if not jids then return end
  for i, one in ipairs(jids) do jids[i] = client.lids:stable(one) end
  local name, raw_id = client.lids:stable(jid.bare(user.attrs.jid)), indexes and indexes.rawId
  local before = read_row(client, name)
  tell_changes(client, name, before and before.jids or {}, jids)
  if before and raw_id and before.rawId and before.rawId ~= raw_id then forget_companions(client, before.jids or {}) end
  rows.put(client.store, "device-list", name, "StoreDevices", {
    jids = jids, time = math.floor(core.net.time()), rawId = raw_id or before and before.rawId,
  })
end

-- Of an answer's users those that were asked for, under whichever of their names.
local function users_asked_for(self, list, jids)
  local asked, wanted, lids, found = {}, {}, self.client.lids, {}
  for _, one in ipairs(jids) do asked[one], wanted[lids:stable(one)] = true, true end
  for _, user in stanza.children(list, "user") do
    local name = user.attrs.jid
    if attributes.is_person(name) and (asked[name] or wanted[lids:stable(jid.bare(name))]) then
      found[#found + 1] = { user, asked[name] }
    end
  end
  return found
end

-- Keeps what an answer says of those that were asked for, so many in a turn of the loop.
local function keep(self, list, jids)
  local found = users_asked_for(self, list, jids)
  for first = 1, #found, USERS_PER_TURN do
    if first > 1 then task.sleep(0) end
    if self.client.over then return nil, core.error("closed", "the client is closed") end
    self.client.store:atomic(function()
      for i = first, math.min(first + USERS_PER_TURN - 1, #found) do keep_user(self, found[i][1], found[i][2]) end
    end)
  end
  return true
end

--- The devices of accounts; asks the server for those not known.
-- @tparam table bare JIDs
-- @treturn ?table bare JID as asked -> array of device JIDs (under the LID when there is one)
-- @treturn ?table err
function Devices:of(bare)
  local result, missing = {}, {}
  for _, one in ipairs(bare) do
    local row = read_row(self.client, self.client.lids:stable(one))
    if row and not row.stale then result[one] = row.jids or {} else missing[#missing + 1] = one end
  end
  for first = 1, #missing, USERS_PER_IQ do
    local some = table.move(missing, first, math.min(first + USERS_PER_IQ - 1, #missing), 1, {})
    local list, err = query(self, some)
    local kept = list
    if list then kept, err = keep(self, list, some) end
    if not kept then return nil, err end
  end
  for _, one in ipairs(missing) do
    local row = read_row(self.client, self.client.lids:stable(one))
    result[one] = row and not row.stale and row.jids or {}
  end
  return result
end

--- Forgets the devices of an account: they are asked for again before the next send.
function Devices:forget(bare)
  local store, name = self.client.store, self.client.lids:stable(bare)
  local row = read_row(self.client, name)
  self.client.fanout_group.audience:changed(name)
  if row and row.rawId then -- what it was is compared with what comes
    row.stale = true
    rows.put(store, "device-list", name, "StoreDevices", row)
  else
    store:delete("device-list", name)
  end
  if bare ~= name then store:delete("device-list", bare) end
end

local function is_vouched_for(client, device, identity, blob)
  local bare = jid.bare(device)
  if bare == client.me.jid or bare == client.me.lid then return vouch.own(client.me, device, identity, blob) end
  return vouch.other(client.account, device, identity, blob)
end

--- Starts a session with a device's keys (02 §10.6). Own devices must be vouched for by the own phone, others by theirs where they
-- show it; a new identity of others is taken over (02 §11).
-- @string device JID, stable
-- @tparam table keys as account:process_bundle takes them
-- @tparam ?string blob their `<device-identity>`
-- @treturn ?boolean true
-- @treturn ?table err
function Devices:install(device, keys, blob)
  local client = self.client
  local ok, err = is_vouched_for(client, device, keys.identity, blob)
  if not ok then return nil, core.error(err.code, ("the key bundle of %s is not taken: %s"):format(device, err.message)) end
  local before = client.account:remote_identity(device)
  ok, err = client.account:process_bundle(device, keys)
  if ok then client.identities:seen(device, before, keys.identity) end
  return ok, err
end

local function start_session(self, device, user)
  local called, keys = pcall(bundle.read, user, user)
  if not called then return nil, core.error("malformed", ("the key bundle of %s is malformed"):format(device)) end
  return self:install(device, keys, stanza.bytes(user, "device-identity"))
end

-- When the server knows none of the devices the lists they stand in are wrong: those are asked for again before the next send.
local function left_out(self, jids, err)
  if err.status ~= NOT_ACCEPTABLE then return nil, err end
  for _, one in ipairs(jids) do self:forget(jid.bare(one)) end
  return true
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
  if not answer then return left_out(self, jids, err) end
  for i, user in stanza.children(stanza.child(answer, "list"), "user") do
    if i % SESSIONS == 0 then task.sleep(0) end
    local one = user.attrs.jid
    if one and not asked[one] then one = self.client.lids:stable(one) end
    if one and asked[one] and not stanza.child(user, "error") then
      asked[one] = nil
      local ok, why = start_session(self, one, user)
      if not ok then self.client:emit("error", why) end
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

-- Both names of the account a notification is about, its `lid` attribute learnt first; nil when it is about no person.
local function names_of(self, node)
  local bare, lids = attributes.bare(node, "from"), self.client.lids
  if not attributes.is_person(bare) then return nil end
  lids:learn(bare, attributes.bare(node, "lid"))
  return lids:stable(bare), lids:pn_of(lids:stable(bare)) or bare
end

--- A `devices` notification: some account's list has changed (fact sheet 02 §8.2). The sessions with what was removed go.
function Devices:on_notification(node)
  local lids, name = self.client.lids, names_of(self, node)
  if not name then return end
  self:forget(name)
  local gone = {}
  for _, device in stanza.children(stanza.child(node, "remove"), "device") do
    local removed = attributes.jid(device, "jid")
    removed = removed and lids:stable(removed)
    if removed and jid.bare(removed) == name then
      self.client.account:delete_session(removed)
      gone[#gone + 1] = removed
    end
  end
  self.client.sender_keys:devices_changed(name, {}, gone)
end

--- An `encrypt` notification with `<identity/>`: an account's phone has new keys, and its companions are gone with the old ones: no
-- session with any of them is worth anything (§11). The new identity is taken from the next bundle or message.
function Devices:identity_changed(node)
  local lid, pn = names_of(self, node)
  if not lid or pn == self.client.me.jid or jid.bare(node.attrs.from) ~= node.attrs.from then return end -- the own, or a companion's
  self.client.identities:announced(lid)
end

return function(client) return setmetatable({ client = client }, Devices) end
