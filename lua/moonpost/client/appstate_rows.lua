--- The app state as it is kept (fact sheet 06 §1.1): how far each collection is known, and its records. Table "appstate":
--   "c" collection              -> StoreCollection
--   "r" collection 00 index MAC -> StoreRecord
-- @module moonpost.client.appstate_rows
local core = require "moonpost.core"
local rows = require "moonpost.client.rows"

local syncd = core.syncd

local AT_ONCE = 100 -- mutations summed in a turn of the loop

local appstate_rows = {}

--- How far a collection is known; nil when it was never asked for. A damaged row is asked for anew.
-- @treturn ?table version, hash, diverged, told
function appstate_rows.state(store, collection)
  local bytes = store:get("appstate", "c" .. collection)
  local row = bytes and core.proto.decode("StoreCollection", bytes)
  if not row or #(row.hash or "") ~= #syncd.EMPTY then return nil end
  row.version = row.version or 0
  return row
end

--- Whether the server has told of more than is known of a collection.
function appstate_rows.is_stale(state) return state.told ~= nil and state.told > state.version end

--- A collection of which nothing is known.
function appstate_rows.empty() return { version = 0, hash = syncd.EMPTY } end

--- Writes how far a collection is known. What the server has told meanwhile stays.
function appstate_rows.keep(store, collection, state)
  local before = appstate_rows.state(store, collection)
  state.told = before and before.told
  rows.put(store, "appstate", "c" .. collection, "StoreCollection", state)
end

--- Notes the version of a collection the server has told of; nil: what it has told was asked for.
function appstate_rows.tell(store, collection, state, told)
  state.told = told
  rows.put(store, "appstate", "c" .. collection, "StoreCollection", state)
end

local function record_key(collection, index_mac) return ("r%s\0%s"):format(collection, index_mac) end

--- A record; nil when there is none.
-- @treturn ?table valueMac, keyId, data
function appstate_rows.record(store, collection, index_mac)
  return rows.get(store, "appstate", record_key(collection, index_mac), "StoreRecord")
end

--- The hash of a collection once mutations are done; reads only (§4.4).
-- @string hash as it is now
-- @tparam table mutations moonpost.client.appstate_patch's
-- @tparam ?func pause called between slices of many
function appstate_rows.hash_after(store, collection, hash, mutations, pause)
  local now = {} -- value MACs by index MAC, of records these mutations change; false: removed
  for i, one in ipairs(mutations) do
    if pause and i % AT_ONCE == 0 then pause() end
    local before = now[one.index_mac]
    if before == nil then
      local record = appstate_rows.record(store, collection, one.index_mac)
      before = record and record.valueMac or false
    end
    if before then hash = syncd.subtract(hash, before) end
    if one.set then hash = syncd.add(hash, one.value_mac) end
    now[one.index_mac] = one.set and one.value_mac
  end
  return hash
end

--- Keeps what mutations do to records.
function appstate_rows.change(store, collection, mutations)
  for _, one in ipairs(mutations) do
    local key = record_key(collection, one.index_mac)
    if one.set then
      rows.put(store, "appstate", key, "StoreRecord", { valueMac = one.value_mac, keyId = one.key_id, data = one.data })
    else
      store:delete("appstate", key)
    end
  end
end

--- Forgets a collection.
function appstate_rows.drop(store, collection)
  rows.each(store, "appstate", "r" .. collection .. "\0", function(key) store:delete("appstate", key) end)
  store:delete("appstate", "c" .. collection)
end

return appstate_rows
