--- The app state: what the devices of an account keep among themselves, in five collections of encrypted records (fact sheet 06).
-- Collections are asked for when a key comes first, when the server says that there is more, and before anything is changed; one at a
-- time does so. Each patch is checked, applied and heard in one transaction. What is written goes on top of all there is.
-- @module moonpost.client.appstate
local appstate_rows = require "moonpost.client.appstate_rows"
local core = require "moonpost.core"
local lazy = require "moonpost.lazy"
local new_keys = require "moonpost.client.appstate_keys"
local room = require "moonpost.client.room"
local stanza = require "moonpost.stanza"
local task = require "moonpost.task"

local actions = lazy "moonpost.client.appstate_actions"
local answers = lazy "moonpost.client.appstate_answers"
local change = lazy "moonpost.client.appstate_change"
local indexes = lazy "moonpost.client.appstate_index"
local load_blob = lazy "moonpost.client.appstate_blob"
local patches = lazy "moonpost.client.appstate_patch"
local take_snapshot = lazy "moonpost.client.appstate_snapshot"
local proto = core.proto

-- In the order they are asked for (§1).
local COLLECTIONS = { "critical_block", "critical_unblock_low", "regular_high", "regular", "regular_low" }
local known = {}
for _, name in ipairs(COLLECTIONS) do known[name] = true end

local PACE = { first = 1, longest = 60, times = 5 } -- seconds before a fetch that was not answered is tried again, and how often

local AppState = {}
AppState.__index = AppState

local function state_of(self, name) return appstate_rows.state(self.client.store, name) end

-- Between two slices of work. A client that was closed meanwhile goes on with nothing.
local function pause(self)
  return function()
    task.sleep(0)
    if self.client.over then error(core.error("closed", "the client is closed"), 0) end
  end
end

-- Has the actions of a patch heard.
local function hear(self, mutations, about)
  for _, one in ipairs(mutations) do
    local name, parts = indexes.read(one.index)
    local action = name and actions[name]
    local value = action and one.value[action.field]
    if one.set and value then
      action.heard(self.client, parts, value, {
        time = math.max(0, one.value.timestamp or 0) // 1000, index = one.index, news = about.news, own = one.data == about.own,
      })
    elseif not action then
      self.client.log:debug("the app state's record '%s' is not heard yet", tostring(name))
    end
  end
end

-- Applies a patch that was read, and after which the collection has this hash; inside a transaction. A hash that is not the one of who
-- wrote the patch is told once: what he wrote is his all the same, by its own MAC (§4.8).
local function apply(self, name, state, hash, patch, about)
  local store, key = self.client.store, self.keys:get(patch.key_id)
  state.hash = hash
  local right = key:snapshot_mac(state.hash, patch.version, name) == patch.snapshot_mac
  if not right and not state.diverged then
    state.diverged = true
    local err = core.error("diverged", ("app state %s: from version %d on another device counts other records"):format(name, patch.version))
    store:after_commit(function() self.client:emit("error", err) end)
  end
  state.version = patch.version
  appstate_rows.change(store, name, patch.mutations)
  appstate_rows.keep(store, name, state)
  hear(self, patch.mutations, about)
end

--- Takes what the server hands out of a collection; inside the lock.
-- @string name
-- @tparam table node `<collection>`
-- @tparam table about news: whether it has happened since this device knows the collection; own: the SyncActionData this device has set
-- @treturn ?boolean whether it is to be asked again
-- @treturn ?table err something of it is not taken; what came before that stays
function AppState:take(name, node, about)
  local state, wait = state_of(self, name) or appstate_rows.empty(), pause(self)
  local snapshot = stanza.child(node, "snapshot")
  if snapshot then
    local err
    state, err = take_snapshot(self, name, snapshot, about, wait, hear)
    if not state then return nil, err end
  end
  local function load(reference) return load_blob(self.client, reference) end
  for _, one in stanza.children(stanza.child(node, "patches"), "patch") do
    local patch, err = patches.read(type(one.content) == "string" and one.content or "", name, state.version + 1, self.keys, wait, load)
    if not patch then return nil, err end
    local hash = appstate_rows.hash_after(self.client.store, name, state.hash, patch.mutations, wait)
    self.client.store:atomic(apply, self, name, state, hash, patch, about)
  end
  appstate_rows.keep(self.client.store, name, state)
  return node.attrs.has_more_patches == "true"
end

-- Errors of a query, and of a file, that may be gone in a moment: it is tried again, and told in the end.
local lasting = { iq = true, timeout = true, ["media-network"] = true, ["media-stalled"] = true, ["media-refused"] = true }

-- Tells what was not taken; where something is being changed, who does so gets the error. A key that is missing is asked for; when it
-- comes, so is the collection. Returns the error as it is told.
local function report(self, name, err, own)
  if err.code == "missing-key" then
    self.keyless[name] = true
    self.client.log:debug("app state %s waits for a key", name)
    self.keys:ask(err.ids)
  end
  local told = core.error(err.code, ("app state %s: %s"):format(name, err.message))
  told.status = err.status
  if not own and err.code ~= "missing-key" and err.code ~= "closed" and not lasting[err.code] then self.client:emit("error", told) end
  return told
end

--- Sends a query about collections; inside the lock.
-- @tparam table content its `<collection>`s
function AppState:ask(content)
  return self.client.connection:query(stanza.node("iq", { xmlns = "w:sync:app:state", type = "set", to = "s.whatsapp.net" },
    stanza.node("sync", nil, content)))
end

-- What the server had told of a collection is asked for, whatever came of it: a number that is not true is not believed for ever.
local function asked_for(self, name, told)
  local state = state_of(self, name)
  if told and state.told == told then appstate_rows.tell(self.client.store, name, state, nil) end
end

--- Asks for what is new in collections, page by page; inside the lock.
-- @tparam table names
-- @tparam ?string own the SyncActionData this device is setting
-- @treturn ?boolean true
-- @treturn ?table err there is no answer, or not all of it is taken
function AppState:fetch(names, own)
  local failed, since = nil, {}
  for _, name in ipairs(names) do since[name] = state_of(self, name) or false end
  while #names > 0 do
    local asked = {}
    for i, name in ipairs(names) do
      local version = (state_of(self, name) or appstate_rows.empty()).version
      asked[i] = stanza.node("collection", { name = name, version = version, return_snapshot = version == 0 and "true" or "false" })
    end
    local answer, err = self:ask(asked)
    if not answer then return nil, err end
    local found, again = answers.by_name(answer), {}
    for _, name in ipairs(names) do
      local before = (state_of(self, name) or appstate_rows.empty()).version
      local wrong, more = answers.check(found[name]), nil
      if not wrong then more, wrong = self:take(name, found[name], { news = since[name] ~= false, own = own }) end
      if wrong then
        local told = report(self, name, wrong, own)
        if not failed or lasting[told.code] then failed = told end
      elseif more and state_of(self, name).version > before then
        again[#again + 1] = name
      else
        asked_for(self, name, since[name] and since[name].told)
      end
    end
    names = again
  end
  if failed then return nil, failed end
  return true
end

-- What is wanted, in order; wanted no more.
local function take_wanted(self)
  local names = {}
  for _, name in ipairs(COLLECTIONS) do
    if self.wanted[name] then names[#names + 1] = name end
  end
  self.wanted = {}
  return names
end

-- Takes the server's mark off that the app state has changed unheard (07 §10.2).
local function clean(self)
  local timestamp = self.unclean
  self.unclean = nil
  return self.client.connection:query(stanza.node("iq", { xmlns = "urn:xmpp:whatsapp:dirty", type = "set", to = "s.whatsapp.net" },
    stanza.node("clean", { type = "syncd_app_state", timestamp = timestamp })))
end

-- Calls fn while nobody else asks for collections or changes them.
local function alone(self, fn, ...)
  local _ <close> = self.lock:hold()
  local ok, err = fn(self, ...)
  return ok, err
end

local function run(self)
  local wait, left = PACE.first, PACE.times
  while next(self.wanted) do
    if not self.client.connection:wait_online() then return end
    local names = take_wanted(self)
    local ok, err = alone(self, self.fetch, names)
    if ok and self.unclean then clean(self) end
    if not ok and (err.code == "closed" or lasting[err.code]) then
      for _, name in ipairs(names) do self.wanted[name] = true end
    end
    if not ok and err.code == "closed" then self.client.connection:wait_ended() end
    if not ok and lasting[err.code] then
      left = left - 1
      if left == 0 then return self.client:emit("error", core.error(err.code, "the app state could not be asked for: " .. err.message)) end
      task.sleep(wait)
      wait = math.min(2 * wait, PACE.longest)
    end
  end
end

-- Has collections brought up to date, beside whatever happens.
local function want(self, names)
  for _, name in ipairs(names) do self.wanted[name] = true end
  if self.busy or next(self.wanted) == nil or not self.keys:newest() then return end
  self.busy = true
  self.running = task.spawn(function()
    local ok, err = xpcall(run, room.placed, self)
    self.busy, self.wanted = false, {}
    local ended = not ok and type(err) == "table" and (err.code == "cancelled" or err.code == "closed")
    if not ok and not ended then self.client:emit("error", err) end
    if ended then error(err, 0) end
  end)
end

-- Those that were never asked for, or are known to have changed.
local function unsettled(self)
  local names = {}
  for _, name in ipairs(COLLECTIONS) do
    local state = state_of(self, name)
    if not state or appstate_rows.is_stale(state) then names[#names + 1] = name end
  end
  return names
end

--- The client is online: goes on with what an earlier connection, or run, has left.
function AppState:go() want(self, unsettled(self)) end

--- The phone has shared keys: what waits for them goes on. Inside the message's transaction.
function AppState:keys_came(share)
  self.keys:learn(share)
  self.client.store:after_commit(function()
    local names = unsettled(self)
    for name in pairs(self.keyless) do names[#names + 1] = name end
    self.keyless = {}
    if self.arrived then self.arrived:push(true) end
    want(self, names)
  end)
end

-- Notes that there is more of a collection, so that no crash loses it; inside a transaction.
local function note_version(self, name, version)
  local state = state_of(self, name)
  if state and version > math.max(state.version, state.told or 0) then appstate_rows.tell(self.client.store, name, state, version) end
end

--- Another device has changed something: a notification `server_sync`; inside its transaction.
function AppState:notification(node)
  for _, one in stanza.children(node, "collection") do
    local name, version = one.attrs.name, math.tointeger(tonumber(one.attrs.version))
    if known[name] and version then note_version(self, name, version) end
  end
  self.client.store:after_commit(function() want(self, unsettled(self)) end)
end

--- The server says that the app state has changed unheard (07 §10.2).
-- @tparam table dirty node `<dirty type="syncd_app_state" timestamp>`
function AppState:dirty(dirty)
  self.unclean = dirty.attrs.timestamp
  want(self, COLLECTIONS)
end

--- Sets a record, for all own devices; waits until the server has it. In a task. What is set is heard here as well, as own.
-- @string name of the action: moonpost.client.appstate_actions
-- @tparam table parts what follows the name in the index, texts
-- @tparam table value of the action
-- @treturn ?boolean true
-- @treturn ?table err code "no-key": the phone has shared no key; "conflict"; those of a query; those of a patch when the collection
--   cannot be read
function AppState:set(name, parts, value)
  local action = assert(actions[name], "no such action")
  if not self.keys:newest() then
    return nil, core.error("no-key", "the phone has not shared a key of the app state with this device yet")
  end
  local index = indexes.write(name, parts)
  local data = assert(proto.encode("SyncActionData", {
    index = index, padding = "", version = action.version,
    value = { timestamp = math.floor(core.net.time() * 1000), [action.field] = value },
  }))
  return alone(self, change, action.collection, index, data)
end

--- The client is closed.
function AppState:stop()
  if self.running then self.running:cancel() end
end

--- The account is forgotten.
function AppState:forget()
  self.wanted, self.keyless, self.unclean = {}, {}, nil
  self.keys:forget()
end

return function(client)
  return setmetatable({ client = client, keys = new_keys(client), lock = task.lock(), wanted = {}, keyless = {} }, AppState)
end
