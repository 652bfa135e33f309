--- Snapshots of the app state: all there is of a collection, in place of the patches that led there (fact sheet 06 §5.3).
-- @module moonpost.client.appstate_snapshot
local appstate_rows = require "moonpost.client.appstate_rows"
local core = require "moonpost.core"
local load_blob = require "moonpost.client.appstate_blob"
local patches = require "moonpost.client.appstate_patch"

local proto, syncd = core.proto, core.syncd

local AT_ONCE = 100 -- records written, or summed, in a turn of the loop

local function malformed(text) return nil, core.error("malformed", text) end

-- The collection's hash when it holds these records and no others.
local function hash_of(mutations, pause)
  local hash = syncd.EMPTY
  for i, one in ipairs(mutations) do
    hash = syncd.add(hash, one.value_mac)
    if i % AT_ONCE == 0 then pause() end
  end
  return hash
end

local function load(self, node, name, pause)
  local reference = type(node.content) == "string" and proto.decode("ExternalBlobReference", node.content)
  if not reference then return malformed "a snapshot cannot be decoded" end
  local bytes, err = load_blob(self.client, reference)
  if not bytes then return nil, err end
  local snapshot
  snapshot, err = patches.read_snapshot(bytes, self.keys, pause)
  if not snapshot then return nil, err end
  local hash = hash_of(snapshot.mutations, pause)
  if not core.crypto.equal(self.keys:get(snapshot.key_id):snapshot_mac(hash, snapshot.version, name), snapshot.mac) then
    return nil, core.error("forged", "the MAC of a snapshot is wrong")
  end
  return snapshot, hash
end

-- Writes a few records, and has them heard.
local function write(self, name, some, about, hear)
  appstate_rows.change(self.client.store, name, some)
  hear(self, some, about)
end

--- Takes a snapshot in place of what is known of a collection; inside the lock. It was asked for as nothing is known. Until all of it
-- is written nothing is known still, so that a crash has it asked for again.
-- @tparam table self moonpost.client.appstate
-- @string name of the collection
-- @tparam table node `<snapshot>`
-- @tparam table about as moonpost.client.appstate's
-- @func pause called between slices
-- @func hear fn(self, mutations, about)
-- @treturn ?table what is known then
-- @treturn ?table err
return function(self, name, node, about, pause, hear)
  local store = self.client.store
  local before = appstate_rows.state(store, name)
  if before and before.version > 0 then return malformed "a snapshot came that nobody has asked for" end
  local snapshot, hash = load(self, node, name, pause)
  if not snapshot then return nil, hash end
  store:atomic(appstate_rows.drop, store, name)
  for first = 1, #snapshot.mutations, AT_ONCE do
    local some = table.move(snapshot.mutations, first, math.min(first + AT_ONCE - 1, #snapshot.mutations), 1, {})
    store:atomic(write, self, name, some, about, hear)
    pause()
  end
  local state = { version = snapshot.version, hash = hash }
  store:atomic(appstate_rows.keep, store, name, state)
  return state
end
