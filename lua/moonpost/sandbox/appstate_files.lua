--- App state that the phone keeps as files on the media host (fact sheet 06 §3.4, §7.4, 08 S-331): a patch of many changes, and a
-- snapshot of a collection that it was told to compact. Rows of the world:
--
--     "Y" number 00 collection -> version (u64) hash of the file (32 bytes) ExternalBlobReference
-- @module moonpost.sandbox.appstate_files
local core = require "moonpost.core"
local appstate_phone = require "moonpost.sandbox.appstate_phone"

local media, proto, crypto, syncd = core.media, core.proto, core.crypto, core.syncd

local INLINE = 100 -- changes a patch has at most before it is kept as a file (06 §7.4)
local TYPE = "md-app-state"

local files = {}

-- Puts bytes on the media host, encrypted; returns what leads to them.
local function upload(sandbox, bytes)
  local key = crypto.random(32)
  local encryptor = media.encryptor(key, TYPE)
  local sealed = assert(encryptor:update(bytes))
  local last, told = assert(encryptor:finish())
  local object = assert(sandbox.media:add(sealed .. last))
  return {
    mediaKey = key, directPath = sandbox.media:link(object, TYPE), fileSizeBytes = #bytes, fileSha256 = told.fileSha256,
    fileEncSha256 = told.fileEncSha256,
  }
end

local function is_on_host(sandbox, hash)
  local object = sandbox.media:object(hash)
  return object ~= nil and next(object.links) ~= nil
end

-- The file of a patch's changes, which is made once.
local function file_of(sandbox, patch)
  local known = sandbox.appstate_files[patch.patchMac]
  if not known or not is_on_host(sandbox, known.fileEncSha256) then
    known = upload(sandbox, assert(proto.encode("SyncdMutations", { mutations = patch.mutations })))
    sandbox.appstate_files[patch.patchMac] = known
  end
  return known
end

--- A patch as it is handed out: one of many changes, as only the phone writes them, without these, and with the file that has them.
-- @string bytes SyncdPatch
-- @treturn string SyncdPatch
function files.hand_out(sandbox, bytes)
  if #bytes < INLINE * 100 then return bytes end -- a change has more than 100 bytes
  local patch = assert(proto.decode("SyncdPatch", bytes))
  if #(patch.mutations or {}) <= INLINE then return bytes end
  patch.externalMutations, patch.mutations = file_of(sandbox, patch), nil
  return assert(proto.encode("SyncdPatch", patch))
end

local function row_key(account, collection) return ("Y%s\0%s"):format(account.pn, collection) end

-- The records that patches leave behind, in the order they came.
local function records_of(patches)
  local records, order = {}, {}
  for _, bytes in ipairs(patches) do
    for _, one in ipairs(assert(proto.decode("SyncdPatch", bytes)).mutations or {}) do
      local index = one.record.index.blob
      if not records[index] then order[#order + 1] = index end
      records[index] = one.operation ~= "REMOVE" and one.record or false
    end
  end
  local list, taken = {}, {}
  for _, index in ipairs(order) do
    if records[index] and not taken[index] then list[#list + 1] = records[index] end
    taken[index] = true
  end
  return list
end

--- The phone makes a snapshot of a collection, which a device that knows nothing of it is given from then on.
-- @tparam table state moonpost.sandbox.appstate_phone's
-- @tparam table patches bytes of all of them
-- @treturn int how many records it holds
function files.compact(sandbox, account, collection, state, patches)
  local id, data = appstate_phone.key(sandbox, account)
  local keys <close> = syncd.keys(data)
  local records = records_of(patches)
  local reference = upload(sandbox, assert(proto.encode("SyncdSnapshot", {
    version = { version = state.version }, records = records, keyId = { id = id },
    mac = keys:snapshot_mac(state.hash, state.version, collection),
  })))
  sandbox.store:put("world", row_key(account, collection), (">I8"):pack(state.version) .. reference.fileEncSha256
    .. assert(proto.encode("ExternalBlobReference", reference)))
  return #records
end

--- The snapshot of a collection; nil without one, or when the host has it no more.
-- @treturn ?int its version
-- @treturn ?string ExternalBlobReference
function files.snapshot(sandbox, account, collection)
  local row = sandbox.store:get("world", row_key(account, collection))
  if not row or not is_on_host(sandbox, row:sub(9, 40)) then return nil end
  return (">I8"):unpack(row), row:sub(41)
end

return files
