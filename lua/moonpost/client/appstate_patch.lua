--- Patches of the app state (fact sheet 06 §3, §4): what the server hands out is checked and opened, what this device changes is sealed.
--
-- A patch that was read: { version, key_id, snapshot_mac, mutations = { { set (boolean), index_mac, value_mac, key_id, data (bytes of
-- the SyncActionData), index (bytes), value (SyncActionValue) }, … } }.
-- @module moonpost.client.appstate_patch
local core = require "moonpost.core"
local limits = require "moonpost.client.limits"

local proto, equal = core.proto, core.crypto.equal

local MAC = 32         -- bytes
local AT_ONCE = 100    -- mutations opened in a turn of the loop

local patches = {}

local function fail(code, text, ...) error(core.error(code, text:format(...)), 0) end

-- What a patch that is kept as a file changes: what it says itself does not count (§3.4).
local function load_mutations(patch, version, load)
  local bytes, err = load(patch.externalMutations)
  if not bytes then error(err, 0) end
  local held = proto.decode("SyncdMutations", bytes)
  if not held or #(held.mutations or {}) == 0 then fail("malformed", "the file patch %d is kept in holds no changes", version) end
  return held.mutations
end

-- The patch as a table, its version the one that is expected and its size modest.
local function decode(bytes, expected, load)
  if #bytes > limits.PATCH then fail("limit", "a patch of %d bytes is not read: at most %d are", #bytes, limits.PATCH) end
  local patch, err = proto.decode("SyncdPatch", bytes)
  if not patch then fail("malformed", "a patch cannot be decoded: %s", err.message) end
  local version = patch.version and patch.version.version
  if version ~= expected then fail("out-of-order", "a patch of version %s came where %d is next", tostring(version), expected) end
  if patch.exitCode then fail("ended", "patch %d says that the collection is broken: %s", version, tostring(patch.exitCode.text)) end
  local most = patch.externalMutations and limits.RECORDS or limits.MUTATIONS
  if patch.externalMutations then patch.mutations = load_mutations(patch, version, load) end
  local count = patch.mutations and #patch.mutations or 0
  if count > most then fail("limit", "patch %d of %d mutations is not read: at most %d are", version, count, most) end
  return patch, version
end

local function id_of(key) return key and key.id end

-- What mutations say, still sealed. Raises what lacks a part. `whose`: "patch 5", "the snapshot".
local function parts_of(patch, whose)
  local list = {}
  for i, mutation in ipairs(patch.mutations or {}) do
    local record = mutation.record or {}
    local index, blob, id = record.index and record.index.blob, record.value and record.value.blob, id_of(record.keyId)
    local operation = mutation.operation or "SET"
    if not (index and #index == MAC and blob and #blob > MAC and id) or operation ~= "SET" and operation ~= "REMOVE" then
      fail("malformed", "mutation %d of %s is incomplete", i, whose)
    end
    list[i] = { set = operation == "SET", index_mac = index, blob = blob, value_mac = blob:sub(-MAC), key_id = id }
  end
  return list
end

-- Raises which keys are missing, if any.
local function check_keys(patch, list, keys)
  local missing, seen = {}, {}
  local function need(id)
    if not id then fail("malformed", "a patch does not say under which key it is") end
    if not seen[id] and not keys:get(id) then missing[#missing + 1] = id end
    seen[id] = true
  end
  need(id_of(patch.keyId))
  for _, one in ipairs(list) do need(one.key_id) end
  if #missing == 0 then return end
  local err = core.error("missing-key", ("%d keys of the app state are not known"):format(#missing))
  err.ids = missing
  error(err, 0)
end

-- Opens a mutation; its index must be the one its MAC is of.
local function open(one, keys, whose, number)
  local key = keys:get(one.key_id)
  local data, err = key:open(one.set and "set" or "remove", one.key_id, one.blob)
  local action = data and proto.decode("SyncActionData", data)
  if not action then
    fail(err and err.code == "crypto" and "forged" or "malformed", "mutation %d of %s cannot be read: %s", number, whose,
      err and err.message or "it is no action")
  end
  one.data, one.index, one.value, one.blob = data, action.index or "", action.value or {}, nil
  if not equal(key:index_mac(one.index), one.index_mac) then
    fail("forged", "mutation %d of %s is filed under another index than its own", number, whose)
  end
end

-- Opens all, a few in a turn of the loop. No index stands twice.
local function open_all(list, keys, whose, pause)
  local seen = { [true] = {}, [false] = {} }
  for i, one in ipairs(list) do
    if seen[one.set][one.index_mac] then fail("malformed", "%s changes a record twice", whose) end
    seen[one.set][one.index_mac] = true
    open(one, keys, whose, i)
    if i % AT_ONCE == 0 and i < #list then pause() end
  end
end

local function read(bytes, collection, expected, keys, pause, load)
  local patch, version = decode(bytes, expected, load)
  local whose = ("patch %d"):format(version)
  local list = parts_of(patch, whose)
  check_keys(patch, list, keys)
  local macs = {}
  for i, one in ipairs(list) do macs[i] = one.value_mac end
  local key, snapshot = keys:get(patch.keyId.id), patch.snapshotMac or ""
  local right = #snapshot == MAC and key:patch_mac(snapshot, table.concat(macs), version, collection)
  if not right or not equal(right, patch.patchMac or "") then fail("forged", "the MAC of patch %d is wrong", version) end
  open_all(list, keys, whose, pause)
  return { version = version, key_id = patch.keyId.id, snapshot_mac = snapshot, mutations = list }
end

-- What fn returns, or nil and what it has raised.
local function caught(fn, ...)
  local ok, result = pcall(fn, ...)
  if ok then return result end
  if type(result) ~= "table" or result.code == "cancelled" then error(result, 0) end
  return nil, result
end

--- Reads a patch and checks all that does not depend on what came before it (§4.7).
-- @string bytes SyncdPatch
-- @string collection
-- @int expected its version
-- @tparam table keys moonpost.client.appstate_keys
-- @func pause called between slices
-- @func load fn(ExternalBlobReference) -> bytes | nil, err: loads what is kept as a file
-- @treturn ?table patch
-- @treturn ?table err code "limit", "malformed", "forged", "out-of-order", "ended"; those of `load`; "missing-key": with `ids`
function patches.read(bytes, collection, expected, keys, pause, load)
  return caught(read, bytes, collection, expected, keys, pause, load)
end

-- Like a patch that sets all of its records.
local function read_snapshot(bytes, keys, pause)
  local snapshot, err = proto.decode("SyncdSnapshot", bytes)
  if not snapshot then fail("malformed", "a snapshot cannot be decoded: %s", err.message) end
  local version, records = snapshot.version and snapshot.version.version, snapshot.records or {}
  if not version or version < 1 or #(snapshot.mac or "") ~= MAC then fail("malformed", "a snapshot without version or MAC") end
  if #records > limits.RECORDS then
    fail("limit", "a snapshot of %d records is not read: at most %d are", #records, limits.RECORDS)
  end
  for i, record in ipairs(records) do records[i] = { record = record } end
  local list = parts_of({ mutations = records }, "the snapshot")
  check_keys(snapshot, list, keys)
  open_all(list, keys, "the snapshot", pause)
  return { version = version, key_id = snapshot.keyId.id, mac = snapshot.mac, mutations = list }
end

--- Reads a snapshot; its MAC is still to be checked (§5.3).
-- @string bytes SyncdSnapshot
-- @tparam table keys moonpost.client.appstate_keys
-- @func pause called between slices
-- @treturn ?table version, key_id, mac, mutations: a set of each record
-- @treturn ?table err code "limit", "malformed", "forged"; "missing-key": with `ids`
function patches.read_snapshot(bytes, keys, pause) return caught(read_snapshot, bytes, keys, pause) end

--- Seals a mutation.
-- @bool set or a removal
-- @string key_id
-- @tparam table keys
-- @string index
-- @string data SyncActionData
-- @treturn table mutation, as `read` gives it, with its SyncdMutation as `sealed`
function patches.seal(set, key_id, keys, index, data)
  local key = keys:get(key_id)
  local blob, index_mac = assert(key:seal(set and "set" or "remove", key_id, data)), key:index_mac(index)
  return {
    set = set, index_mac = index_mac, value_mac = blob:sub(-MAC), key_id = key_id, data = data, index = index,
    sealed = { operation = set and "SET" or "REMOVE", record = {
      index = { blob = index_mac }, value = { blob = blob }, keyId = { id = key_id },
    } },
  }
end

--- The patch of sealed mutations, as it is sent: without its version (§7.1).
-- @string collection
-- @int version it leads to
-- @string hash of the collection then
-- @string key_id
-- @tparam table keys
-- @tparam table mutations
-- @treturn table SyncdPatch
function patches.build(collection, version, hash, key_id, keys, mutations)
  local key, sealed, macs = keys:get(key_id), {}, {}
  for i, one in ipairs(mutations) do sealed[i], macs[i] = one.sealed, one.value_mac end
  local snapshot = key:snapshot_mac(hash, version, collection)
  return {
    mutations = sealed, snapshotMac = snapshot, patchMac = key:patch_mac(snapshot, table.concat(macs), version, collection),
    keyId = { id = key_id },
  }
end

return patches
