--- App state (fact sheet 08 §11): every account's `critical_block` holds its push name, written by the phone; the other collections
-- stand at version 0, empty.
-- @module moonpost.sandbox.appstate
local core = require "moonpost.core"
local stanza = require "moonpost.stanza"
local iq = require "moonpost.sandbox.iq"

local proto, syncd, crypto = core.proto, core.syncd, core.crypto

local PUSH_NAME_INDEX = '["setting_pushName"]'

local appstate = {}

--- The account's app-state key, made at first need (S-301).
-- @treturn string its id
-- @treturn string its data, 32 bytes
function appstate.key(sandbox, account)
  if not account.app_state_key then
    account.app_state_key = crypto.base64(crypto.random(6 + 32))
    sandbox.accounts:save(account)
  end
  local bytes = crypto.unbase64(account.app_state_key)
  return bytes:sub(1, 6), bytes:sub(7)
end

-- A patch with one SET, as the collection's first (fact sheet 06 §3, §4).
local function first_patch(sandbox, account, collection, index, action)
  local id, data = appstate.key(sandbox, account)
  local keys <close> = syncd.keys(data)
  local blob = assert(keys:seal("set", id, assert(proto.encode("SyncActionData", action))))
  local mac = blob:sub(-32)
  local snapshot_mac = keys:snapshot_mac(syncd.add(syncd.EMPTY, mac), 1, collection)
  return assert(proto.encode("SyncdPatch", {
    version = { version = 1 },
    mutations = { {
      operation = "SET", record = { index = { blob = keys:index_mac(index) }, value = { blob = blob }, keyId = { id = id } },
    } },
    snapshotMac = snapshot_mac, patchMac = keys:patch_mac(snapshot_mac, mac, 1, collection), keyId = { id = id },
  }))
end

-- The phone writes the name the account began with; made once, since a version never changes (S-325).
local function push_name_patch(sandbox, account)
  if not account.name_patch then
    account.name_patch = crypto.base64(first_patch(sandbox, account, "critical_block", PUSH_NAME_INDEX, {
      index = PUSH_NAME_INDEX, padding = "", version = 1,
      value = { timestamp = math.floor(core.net.time() * 1000), pushNameSetting = { name = account.name } },
    }))
    sandbox.accounts:save(account)
  end
  return crypto.unbase64(account.name_patch)
end

-- The patches of a collection, in order of their versions.
local function patches_of(conn, collection)
  if collection ~= "critical_block" then return {} end
  return { push_name_patch(conn.sandbox, conn.device.account) }
end

local function answer(conn, asked)
  local name = asked.attrs.name
  local patches, version_known = patches_of(conn, name), math.tointeger(tonumber(asked.attrs.version)) or 0
  local known = math.max(0, math.min(version_known, #patches))
  local attrs, content = { name = name, version = #patches }, {}
  if stanza.child(asked, "patch") then
    attrs.type = "error"
    content[1] = stanza.node("error", { code = "409", text = "conflict" })
  end
  local missing = {}
  for version = known + 1, #patches do missing[#missing + 1] = stanza.node("patch", nil, patches[version]) end
  if #missing > 0 then content[#content + 1] = stanza.node("patches", nil, missing) end
  return stanza.node("collection", attrs, #content > 0 and content or nil)
end

--- A fetch, or an upload, which is refused as a conflict with what is there (S-321, S-323).
function appstate.query(conn, node)
  local collections = {}
  for _, asked in stanza.children(stanza.child(node, "sync"), "collection") do collections[#collections + 1] = answer(conn, asked) end
  if #collections == 0 then return iq.error(conn, node, 400) end
  iq.result(conn, node, stanza.node("sync", nil, collections))
end

return appstate
