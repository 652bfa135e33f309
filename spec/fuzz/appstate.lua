-- Patches of the app state: whatever bytes come as one they are read or refused with a reason. So that the reader is reached behind the
-- MACs, the mutations of a patch that decodes are sealed again as its writer would seal them: what they hold is the input's. Returns
-- fn(bytes).
package.path = package.path:gsub("/%?%.lua", "/lua/?.lua;%0", 1)
local core = require "moonpost.core"
local indexes = require "moonpost.client.appstate_index"
local limits = require "moonpost.client.limits"
local patches = require "moonpost.client.appstate_patch"

local proto, syncd = core.proto, core.syncd

local COLLECTION, ID = "regular_high", "\0\0\0\0\78\33"
local key = syncd.keys(("k"):rep(32))
local keys = { get = function(_, id) return id == ID and key or nil end }

local codes = {
  limit = true, malformed = true, forged = true, ["out-of-order"] = true, ended = true, ["missing-key"] = true,
}

-- What is said to be kept as a file is the input again.
local function read(bytes, held)
  local patch, err = patches.read(bytes, COLLECTION, 1, keys, function() end, function() return held or bytes end)
  if not patch then assert(codes[err.code] and #err.message < 10000, tostring(err)) end
  return patch, err
end

local function check_index(bytes)
  local name, parts = indexes.read(bytes)
  if not name then return end
  assert(type(name) == "string", "an action's name")
  for _, part in ipairs(parts) do assert(type(part) == "string", "a part of an index") end
  local again, same = indexes.read(indexes.write(name, parts))
  assert(again == name and #same == #parts, "an index is read as it was written")
end

local function check(patch)
  assert(patch.version == 1 and patch.key_id == ID and #patch.mutations <= limits.RECORDS, "a patch")
  for _, one in ipairs(patch.mutations) do
    assert(#one.index_mac == 32 and #one.value_mac == 32 and type(one.set) == "boolean" and type(one.value) == "table", "a mutation")
    check_index(one.index)
  end
end

-- The patch with its mutations' values as the plaintexts of records, all MACs right; true when its reader must take it.
local function sealed(patch)
  local mutations, seen, sound = {}, {}, true
  for i, one in ipairs(patch.mutations or {}) do
    local data = one.record and one.record.value and one.record.value.blob or ""
    local action = proto.decode("SyncActionData", data)
    local set, index = one.operation ~= "REMOVE", action and action.index or ""
    mutations[i] = patches.seal(set, ID, keys, index, data)
    local name = tostring(set) .. index
    sound = sound and action ~= nil and not seen[name]
    seen[name] = true
  end
  local built = patches.build(COLLECTION, 1, syncd.EMPTY, ID, keys, mutations)
  built.version = { version = 1 }
  return assert(proto.encode("SyncdPatch", built)), sound and #mutations <= limits.MUTATIONS
end

-- The input as a snapshot.
local function check_snapshot(bytes)
  local snapshot, err = patches.read_snapshot(bytes, keys, function() end)
  if not snapshot then return assert(codes[err.code] and #err.message < 10000, tostring(err)) end
  assert(snapshot.version >= 1 and #snapshot.mac == 32, "a snapshot")
  check { version = 1, key_id = snapshot.key_id, mutations = snapshot.mutations }
end

return function(bytes)
  local plain = read(bytes)
  if plain then check(plain) end
  check_snapshot(bytes)
  check_index(bytes)
  local opened = key:open("set", ID, bytes)
  assert(opened == nil or #bytes >= 64, "a record that is too short")
  local patch = proto.decode("SyncdPatch", bytes)
  if not patch then return end
  local again, sound = sealed(patch)
  local result, err = read(again)
  if result then check(result) end
  assert((result ~= nil) == sound or err and err.code == "limit", "what is sound is read")
end
