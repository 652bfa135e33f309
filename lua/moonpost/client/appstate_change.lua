--- Changing the app state (fact sheet 06 §7): a patch goes on top of all there is. Where another device was faster, what it wrote is taken
-- first, and the patch made anew.
-- @module moonpost.client.appstate_change
local answers = require "moonpost.client.appstate_answers"
local appstate_rows = require "moonpost.client.appstate_rows"
local core = require "moonpost.core"
local patches = require "moonpost.client.appstate_patch"
local stanza = require "moonpost.stanza"
local task = require "moonpost.task"

local proto = core.proto

local SENDS = 5        -- of one change (§7.3)
local KEY_SECONDS = 10 -- a key that is missing is waited for (§2.5)

-- Removals of what is filed under the same index by other keys: its name depends on the key (§7.2).
local function older(self, collection, index, key_id)
  local list = {}
  self.keys:each(function(id)
    local record = id ~= key_id and appstate_rows.record(self.client.store, collection, self.keys:get(id):index_mac(index))
    if record then list[#list + 1] = patches.seal(false, id, self.keys, index, record.data) end
  end)
  return list
end

-- Sends a change on top of what is known. Returns true, or nil and an error; code "conflict": another device was faster, and what it
-- wrote is known now.
local function send(self, collection, index, data)
  local client, key_id = self.client, self.keys:newest()
  local state = appstate_rows.state(self.client.store, collection)
  local mutations = older(self, collection, index, key_id)
  table.insert(mutations, 1, patches.seal(true, key_id, self.keys, index, data))
  local hash = appstate_rows.hash_after(client.store, collection, state.hash, mutations)
  local patch = patches.build(collection, state.version + 1, hash, key_id, self.keys, mutations)
  local answer, err = self:ask(stanza.node("collection", { name = collection, version = state.version, return_snapshot = "false" },
    stanza.node("patch", nil, assert(proto.encode("SyncdPatch", patch)))))
  if not answer then return nil, err end
  local node = answers.by_name(answer)[collection]
  local refused = node and node.attrs.type == "error"
  if refused and answers.code(node) ~= 409 or not node then return nil, answers.check(node) end
  if refused then return nil, core.error("conflict", "another device has changed it") end
  patch.version = { version = state.version + 1 }
  local more
  more, err = self:take(collection, stanza.node("collection", nil, stanza.node("patches", nil,
    stanza.node("patch", nil, assert(proto.encode("SyncdPatch", patch))))), { news = true, own = data })
  if more == nil then return nil, err end
  return true
end

-- Whether a change is there already: the server has taken it, and its answer was lost.
local function is_there(self, collection, index, data)
  local found = false
  self.keys:each(function(id)
    local record = appstate_rows.record(self.client.store, collection, self.keys:get(id):index_mac(index))
    found = found or record ~= nil and record.data == data
  end)
  return found
end

-- Until the phone shares keys, which it was asked for.
local function wait_for_keys(self)
  self.arrived = task.queue()
  local ok, err = pcall(self.arrived.pop, self.arrived, KEY_SECONDS)
  self.arrived = nil
  if not ok then error(err, 0) end
end

local passing = { conflict = true, closed = true, timeout = true, ["missing-key"] = true } -- errors after which a change is sent again

--- Writes a record on top of all there is; inside the lock of the app state. In a task.
-- @tparam table self moonpost.client.appstate
-- @string collection
-- @string index
-- @string data SyncActionData
-- @treturn ?boolean true
-- @treturn ?table err
return function(self, collection, index, data)
  for sends = 1, SENDS do
    local ok, err = self.client.connection:wait_online(self.client.reply_seconds)
    local state = appstate_rows.state(self.client.store, collection)
    if ok and (sends > 1 or not state or appstate_rows.is_stale(state)) then ok, err = self:fetch({ collection }, data) end
    if ok and is_there(self, collection, index, data) then return true end
    if ok then ok, err = send(self, collection, index, data) end
    if ok or not passing[err.code] or sends == SENDS then return ok, err end
    if err.code == "missing-key" then wait_for_keys(self) end
  end
end
