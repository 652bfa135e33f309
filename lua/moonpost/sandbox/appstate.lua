--- App state (fact sheet 08 §11): for each account five collections, each a list of patches in the order of their versions. The server
-- cannot read them; it gives each its version, hands them out, and tells the other devices. Rows of the world:
--
--     "y" number 00 collection 00 version (u64) -> SyncdPatch with its version
-- @module moonpost.sandbox.appstate
local core = require "moonpost.core"
local stanza = require "moonpost.stanza"
local appstate_files = require "moonpost.sandbox.appstate_files"
local appstate_phone = require "moonpost.sandbox.appstate_phone"
local iq = require "moonpost.sandbox.iq"

local proto = core.proto

local PAGE = 100            -- patches of one answer (06 §14)
local PATCH_MAX = 64 * 1024 -- bytes of an uploaded patch (06 §14)

local appstate = {
  COLLECTIONS = { "critical_block", "critical_unblock_low", "regular_low", "regular_high", "regular" },
}

local collections = {}
for _, name in ipairs(appstate.COLLECTIONS) do collections[name] = true end

local function prefix(account, collection) return ("y%s\0%s\0"):format(account.pn, collection) end

local function row_key(account, collection, version) return prefix(account, collection) .. (">I8"):pack(version) end

-- Patches from a version on, as bytes.
local function patches_after(sandbox, account, collection, version, most)
  local after, list = version > 0 and row_key(account, collection, version) or nil, {}
  for i, row in ipairs(sandbox.store:range("world", prefix(account, collection), most, after)) do list[i] = row[2] end
  return list
end

-- Gives a patch its version and keeps it.
local function append(sandbox, account, collection, state, patch)
  patch.version = { version = state.version + 1 }
  sandbox.store:put("world", row_key(account, collection, state.version + 1), assert(proto.encode("SyncdPatch", patch)))
  appstate_phone.apply(state, patch)
end

-- What the phone makes of a collection; its push name is there from the start (S-325).
local function state_of(sandbox, account, collection)
  account.app_state = account.app_state or {}
  local state = account.app_state[collection]
  if state then return state end
  state = appstate_phone.state()
  account.app_state[collection] = state
  local last = 0
  repeat
    local page = patches_after(sandbox, account, collection, last, PAGE)
    for _, bytes in ipairs(page) do appstate_phone.apply(state, assert(proto.decode("SyncdPatch", bytes))) end
    last = state.version
  until #page < PAGE
  if collection == "critical_block" and state.version == 0 then
    append(sandbox, account, collection, state, appstate_phone.build(sandbox, account, collection, state, { "setting_pushName" }, 1, {
      pushNameSetting = { name = account.name },
    }))
  end
  return state
end

-- Tells devices of an account of a version; of what waits for one that is away the newest is enough (S-324).
local function notify(sandbox, account, collection, version, except)
  for _, device in ipairs(sandbox.accounts:reachable(account)) do
    local older = {}
    for node in (device.connection and function() end or device.queue:each()) do
      local about = node.attrs.type == "server_sync" and stanza.child(node, "collection")
      if about and about.attrs.name == collection then older[#older + 1] = node end
    end
    for _, node in ipairs(older) do device.queue:confirm("notification", node.attrs.id) end
    if device ~= except then
      device.queue:push(stanza.node("notification", {
        type = "server_sync", from = "s.whatsapp.net", id = sandbox:next_id(), t = sandbox.time(),
      }, stanza.node("collection", { name = collection, version = version })))
    end
  end
end

--- Adds a patch to a collection: it gets its version, and the other devices hear of it (S-322, S-324).
-- @tparam table patch SyncdPatch
-- @tparam ?table from the device that has sent it; nil: the phone
-- @treturn int its version
function appstate.add(sandbox, account, collection, patch, from)
  local state = state_of(sandbox, account, collection)
  append(sandbox, account, collection, state, patch)
  notify(sandbox, account, collection, state.version, from)
  return state.version
end

--- The phone of an account sets a record.
-- @string collection
-- @tparam table parts of its index
-- @int version of the action
-- @tparam table value SyncActionValue
function appstate.set(sandbox, account, collection, parts, version, value)
  local state = state_of(sandbox, account, collection)
  return appstate.add(sandbox, account, collection, appstate_phone.build(sandbox, account, collection, state, parts, version, value))
end

--- The phone of an account sets many records of a collection at once.
-- @tparam table list array of { parts, version, value }, as `set` takes them
function appstate.set_all(sandbox, account, collection, list)
  local state = state_of(sandbox, account, collection)
  return appstate.add(sandbox, account, collection, appstate_phone.build_all(sandbox, account, collection, state, list))
end

--- The phone of an account makes a snapshot of a collection (S-331).
-- @treturn int its version
-- @treturn int how many records it holds
function appstate.compact(sandbox, account, collection)
  local state, all = state_of(sandbox, account, collection), {}
  repeat
    local page = patches_after(sandbox, account, collection, #all, PAGE)
    table.move(page, 1, #page, #all + 1, all)
  until #page < PAGE
  return state.version, appstate_files.compact(sandbox, account, collection, state, all)
end

--- Forgets what the phone makes of an account's collections: it is worked out anew from their patches.
function appstate.forget(account) account.app_state = nil end

local function collection_node(name, version, content, attrs)
  local all = { name = name, version = version }
  for key, value in pairs(attrs or {}) do all[key] = value end
  return stanza.node("collection", all, #content > 0 and content or nil)
end

-- Nodes of the patches from a version on, and whether there are more.
local function page_of(conn, name, since)
  local list = patches_after(conn.sandbox, conn.device.account, name, since, PAGE + 1)
  local more = #list > PAGE
  list[PAGE + 1] = nil
  for i, bytes in ipairs(list) do list[i] = stanza.node("patch", nil, appstate_files.hand_out(conn.sandbox, bytes)) end
  return #list > 0 and stanza.node("patches", nil, list) or nil, more
end

local function fetch(conn, asked, since)
  local name = asked.attrs.name
  local current = state_of(conn.sandbox, conn.device.account, name).version
  local version, reference
  if asked.attrs.return_snapshot == "true" then version, reference = appstate_files.snapshot(conn.sandbox, conn.device.account, name) end
  local content = { version and stanza.node("snapshot", nil, reference) }
  local patches, more = page_of(conn, name, version or math.max(0, math.min(since, current)))
  content[#content + 1] = patches
  return collection_node(name, current, content, { has_more_patches = more and "true" or nil })
end

local function refuse(name, version, code, patches, more)
  return collection_node(name, version, { stanza.node("error", { code = code, text = iq.texts[code] }), patches }, {
    type = "error", has_more_patches = more and "true" or nil,
  })
end

-- An upload (S-323): taken when it goes on top of all there is. What the phone has against it fails whoever looks at the violations, and
-- is taken all the same: the server cannot read it (06 §14).
local function upload(conn, node, asked, since)
  local sandbox, account, name, bytes = conn.sandbox, conn.device.account, asked.attrs.name, stanza.bytes(asked, "patch")
  local state = state_of(sandbox, account, name)
  local patch = bytes and #bytes <= PATCH_MAX and proto.decode("SyncdPatch", bytes)
  if not patch or patch.version then return refuse(name, state.version, 400) end
  if since ~= state.version then
    return refuse(name, state.version, 409, page_of(conn, name, math.min(since, state.version)))
  end
  local wrong = appstate_phone.check(sandbox, account, name, state, patch)
  if wrong then sandbox:violation(conn, "to-server", node, core.error("syncd", wrong .. " (06 §4.7)")) end
  return collection_node(name, appstate.add(sandbox, account, name, patch, conn.device), {})
end

--- A fetch, or an upload (S-321, S-323).
function appstate.query(conn, node)
  local answers = {}
  for _, asked in stanza.children(stanza.child(node, "sync"), "collection") do
    local name, since = asked.attrs.name, math.tointeger(tonumber(asked.attrs.version)) or 0
    if not collections[name] then return iq.error(conn, node, 400) end
    answers[#answers + 1] = stanza.child(asked, "patch") and upload(conn, node, asked, since) or fetch(conn, asked, since)
  end
  if #answers == 0 then return iq.error(conn, node, 400) end
  iq.result(conn, node, stanza.node("sync", nil, answers))
end

return appstate
