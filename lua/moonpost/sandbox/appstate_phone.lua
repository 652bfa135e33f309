--- What the phone, which holds the key, makes of the app state (fact sheet 06 §4, §14, 08 S-325, S-332): the records of each collection,
-- whether what companions upload is right, and what it writes itself.
-- @module moonpost.sandbox.appstate_phone
local core = require "moonpost.core"
local json = require "cjson.safe"

local proto, syncd, crypto = core.proto, core.syncd, core.crypto

local FIRST_KEY = (">I2I4"):pack(0, 20001) -- device 0, a first epoch (06 §2.2)
local MAC = 32                             -- bytes

local appstate_phone = {}

--- The account's app-state key, made at first need (S-301).
-- @treturn string its id
-- @treturn string its data, 32 bytes
function appstate_phone.key(sandbox, account)
  if not account.app_state_key then
    account.app_state_key = crypto.base64(FIRST_KEY .. crypto.random(32))
    sandbox.accounts:save(account)
  end
  local bytes = crypto.unbase64(account.app_state_key)
  return bytes:sub(1, 6), bytes:sub(7)
end

-- By id, all keys the account has had: their data.
local function keys_of(sandbox, account)
  local id, data = appstate_phone.key(sandbox, account)
  local found = { [id] = data }
  for _, old in ipairs(account.app_state_old) do
    local bytes = crypto.unbase64(old)
    found[bytes:sub(1, 6)] = bytes:sub(7)
  end
  return found
end

--- The account's keys in the order they were made: array of { id, data }.
function appstate_phone.keys(sandbox, account)
  local list = {}
  for id, data in pairs(keys_of(sandbox, account)) do list[#list + 1] = { id = id, data = data } end
  table.sort(list, function(a, b) return a.id < b.id end)
  return list
end

--- The phone takes a new key (06 §2.6): what it writes from now on is under that.
function appstate_phone.renew(sandbox, account)
  local id = appstate_phone.key(sandbox, account)
  local device, epoch = (">I2I4"):unpack(id)
  table.insert(account.app_state_old, account.app_state_key)
  account.app_state_key = crypto.base64((">I2I4"):pack(device, epoch + 1) .. crypto.random(32))
  sandbox.accounts:save(account)
end

--- A collection of which there is nothing: `version`, `hash`, `macs` (value MACs by index MAC).
function appstate_phone.state() return { version = 0, hash = syncd.EMPTY, macs = {} } end

local function value_mac(mutation) return mutation.record.value.blob:sub(-MAC) end

-- The hash once mutations are done, and the value MACs they leave behind; the collection stays as it is.
local function after(state, mutations)
  local hash, macs = state.hash, setmetatable({}, { __index = state.macs })
  for _, one in ipairs(mutations) do
    local index, set = one.record.index.blob, one.operation ~= "REMOVE"
    if macs[index] then hash = syncd.subtract(hash, macs[index]) end
    if set then hash = syncd.add(hash, value_mac(one)) end
    macs[index] = set and value_mac(one)
  end
  return hash, macs
end

-- Whether mutations have all their parts.
local function is_whole(mutations)
  for _, one in ipairs(mutations) do
    local record = one.record or {}
    local index, blob = record.index and record.index.blob, record.value and record.value.blob
    if not index or #index ~= MAC or not blob or #blob < MAC or not (record.keyId and record.keyId.id) then return false end
  end
  return true
end

--- Does to a collection what a patch says.
function appstate_phone.apply(state, patch)
  local mutations = patch.mutations or {}
  state.version = patch.version.version
  if not is_whole(mutations) then return end
  local hash, macs = after(state, mutations)
  state.hash = hash
  for index, mac in pairs(macs) do state.macs[index] = mac or nil end
end

-- Reads a mutation; its index and value, or nil and what is wrong.
local function open(known, one)
  local id = one.record.keyId.id
  if not known[id] then return nil, "a record is under a key the phone has not made" end
  local keys <close> = syncd.keys(known[id])
  local data, err = keys:open(one.operation == "REMOVE" and "remove" or "set", id, one.record.value.blob)
  local action = data and proto.decode("SyncActionData", data)
  if not action then return nil, "a record cannot be read: " .. (err and err.message or "it is no SyncActionData") end
  if keys:index_mac(action.index or "") ~= one.record.index.blob then return nil, "a record's index MAC is wrong" end
  if not json.decode(action.index or "") then return nil, "a record's index is no JSON" end
  return json.decode(action.index), action.value
end

-- What the phone takes over from a companion (S-332).
local function heed(sandbox, account, index, value)
  local setting = index[1] == "setting_pushName" and value and value.pushNameSetting
  if not setting or (setting.name or "") == "" then return end
  account.name = setting.name
  sandbox.accounts:save(account)
end

--- Reads what a companion uploads, and checks it as every device will (06 §4.7).
-- @tparam table patch SyncdPatch without its version
-- @treturn ?string what is wrong with it, a sentence; nil when nothing is
function appstate_phone.check(sandbox, account, collection, state, patch)
  local mutations, version = patch.mutations or {}, state.version + 1
  if #mutations == 0 or not is_whole(mutations) then return "a patch has no mutations, or incomplete ones" end
  local known, macs, seen = keys_of(sandbox, account), {}, {}
  if not (patch.keyId and known[patch.keyId.id]) then return "a patch is under a key the phone has not made" end
  local keys <close> = syncd.keys(known[patch.keyId.id])
  for i, one in ipairs(mutations) do
    local index, value = open(known, one)
    if not index then return value end
    local name = (one.operation or "SET") .. one.record.index.blob
    if seen[name] then return "a record stands in a patch twice" end
    seen[name], macs[i] = true, value_mac(one)
    heed(sandbox, account, index, value)
  end
  local snapshot = keys:snapshot_mac((after(state, mutations)), version, collection)
  if patch.snapshotMac ~= snapshot then return "a patch's snapshot MAC is wrong" end
  if patch.patchMac ~= keys:patch_mac(patch.snapshotMac, table.concat(macs), version, collection) then return "a patch's MAC is wrong" end
end

-- A SET that is sealed.
local function seal(keys, id, parts, version, value)
  local index = json.encode(parts):gsub("\\/", "/")
  value.timestamp = math.floor(core.net.time() * 1000)
  local blob = assert(keys:seal("set", id, assert(proto.encode("SyncActionData", {
    index = index, value = value, padding = "", version = version,
  }))))
  return { operation = "SET", record = { index = { blob = keys:index_mac(index) }, value = { blob = blob }, keyId = { id = id } } }
end

--- A patch of the phone that sets records.
-- @tparam table list array of { parts of the record's index (texts), version of the action, SyncActionValue }; its timestamp is now
-- @treturn table SyncdPatch without its version
function appstate_phone.build_all(sandbox, account, collection, state, list)
  local id, data = appstate_phone.key(sandbox, account)
  local keys <close> = syncd.keys(data)
  local mutations, macs = {}, {}
  for i, one in ipairs(list) do
    mutations[i] = seal(keys, id, one[1], one[2], one[3])
    macs[i] = value_mac(mutations[i])
  end
  local snapshot = keys:snapshot_mac((after(state, mutations)), state.version + 1, collection)
  return {
    mutations = mutations, snapshotMac = snapshot, keyId = { id = id },
    patchMac = keys:patch_mac(snapshot, table.concat(macs), state.version + 1, collection),
  }
end

--- A patch of the phone with one SET.
-- @tparam table parts of the record's index, texts
-- @int version of the action
-- @tparam table value SyncActionValue
-- @treturn table SyncdPatch without its version
function appstate_phone.build(sandbox, account, collection, state, parts, version, value)
  return appstate_phone.build_all(sandbox, account, collection, state, { { parts, version, value } })
end

return appstate_phone
