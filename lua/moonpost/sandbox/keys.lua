--- The key service (fact sheet 08 §8): each device's public keys; every one-time key is given out exactly once.
-- @module moonpost.sandbox.keys
local core = require "moonpost.core"
local stanza = require "moonpost.stanza"
local crowd = require "moonpost.sandbox.crowd"
local iq = require "moonpost.sandbox.iq"
local phone = require "moonpost.sandbox.phone"

local LOW = 5 -- fewer one-time keys than this are few

local keys = {}

local function skey_node(id, value, signature)
  return stanza.node("skey", nil, {
    stanza.node("id", nil, id), stanza.node("value", nil, value), stanza.node("signature", nil, signature),
  })
end

local function key_node(key)
  return stanza.node("key", nil, { stanza.node("id", nil, key:sub(1, 3)), stanza.node("value", nil, key:sub(4)) })
end

local function bundle_node(conn, asked, bundle)
  local content = {
    stanza.node("registration", nil, bundle.registration), stanza.node("type", nil, "\5"), stanza.node("identity", nil, bundle.identity),
    skey_node(bundle.skey_id, bundle.skey_value, bundle.skey_signature),
  }
  if bundle.key then content[#content + 1] = key_node(bundle.key) end
  if bundle.identity_blob then content[#content + 1] = stanza.node("device-identity", nil, bundle.identity_blob) end
  return stanza.node("user", { jid = asked, t = conn.sandbox.time() }, content)
end

local function tell_count(sandbox, device)
  device.queue:push(stanza.node("notification", {
    type = "encrypt", from = "s.whatsapp.net", id = sandbox:next_id(), t = sandbox.time(),
  }, stanza.node("count", { value = device.one_time:count() })))
end

-- Asks a device for more keys when the last hand-out left few, and again when it left none (S-216).
local function check_low(sandbox, device)
  local count = device.one_time:count()
  if count == LOW - 1 or count == 0 then tell_count(sandbox, device) end
end

--- Asks a device that has logged in with few keys for more (02 §10.3).
function keys.remind(sandbox, device)
  if device.one_time:count() < LOW then tell_count(sandbox, device) end
end

--- The one-time keys of a device that were not given out are lost, and the device is told how many there are.
function keys.forget(sandbox, device)
  device.one_time:forget()
  tell_count(sandbox, device)
end

--- The keys to open a session with a device, one of its one-time keys consumed; nil when there is no such device.
-- @string jid device JID, either namespace
-- @treturn ?table registration, identity, skey_id, skey_value, skey_signature, key (id 3, value 32) or nil, identity_blob or nil
function keys.bundle(sandbox, jid)
  local account, number = sandbox.accounts:lookup(jid)
  if not account then return nil end
  if number == 0 then return account.crowd and crowd.bundle(sandbox, account) or phone.of(sandbox, account):bundle() end
  local device = account.devices[number]
  if not device or not device.active then return nil end
  if device.crowd then crowd.equip(sandbox, device) end
  local key = device.one_time:take()
  if key then check_low(sandbox, device) end
  return setmetatable({ key = key }, { __index = device })
end

local function fetch(conn, node)
  local users, seen = {}, {}
  for _, user in stanza.children(stanza.child(node, "key"), "user") do
    local asked = user.attrs.jid
    if asked and not seen[asked] then
      seen[asked] = true
      local bundle = keys.bundle(conn.sandbox, asked)
      if bundle then users[#users + 1] = bundle_node(conn, asked, bundle) end
    end
  end
  if #users == 0 then return iq.error(conn, node, 406) end
  iq.result(conn, node, stanza.node("list", nil, users))
end

local function read_skey(node)
  local skey = stanza.child(node, "skey")
  local id, value = stanza.bytes(node, "skey", "id"), stanza.bytes(node, "skey", "value")
  local signature = stanza.bytes(node, "skey", "signature")
  if not skey or #(id or "") ~= 3 or #(value or "") ~= 32 or #(signature or "") ~= 64 then return nil end
  return id, value, signature
end

local function set_skey(conn, id, value, signature)
  local device = conn.device
  if not core.crypto.verify(device.identity, "\5" .. value, signature) then return false end
  device.skey_id, device.skey_value, device.skey_signature = id, value, signature
  conn.sandbox.accounts:save(device.account)
  return true
end

local function rotate(conn, node)
  local id, value, signature = read_skey(stanza.child(node, "rotate"))
  if not id or not set_skey(conn, id, value, signature) then return iq.error(conn, node, 406) end
  iq.result(conn, node)
end

-- One-time keys as strings of id 3, value 32; nil when one is malformed.
local function read_keys(node)
  local list = {}
  for _, key in stanza.children(stanza.child(node, "list"), "key") do
    local id, public = stanza.bytes(key, "id"), stanza.bytes(key, "value")
    if #(id or "") ~= 3 or #(public or "") ~= 32 then return nil end
    list[#list + 1] = id .. public
  end
  return list
end

local function upload(conn, node)
  local device = conn.device
  local id, value, signature = read_skey(node)
  local list = read_keys(node)
  if not id or not list or stanza.bytes(node, "identity") ~= device.identity or not set_skey(conn, id, value, signature) then
    return iq.error(conn, node, 406)
  end
  device.one_time:add(list)
  iq.result(conn, node)
end

--- The hash of a digest (02 §10.4).
-- @string identity
-- @string value of the signed prekey
-- @string signature of the signed prekey
-- @tparam table one_time the public halves, in order
-- @treturn string 20 bytes
function keys.digest_hash(identity, value, signature, one_time)
  return core.crypto.sha1(identity .. value .. signature .. table.concat(one_time))
end

local function digest(conn, node)
  local device = conn.device
  local ids, publics = {}, {}
  for i, key in ipairs(device.one_time:list()) do
    ids[i], publics[i] = stanza.node("id", nil, key:sub(1, 3)), key:sub(4)
  end
  if #ids == 0 then return iq.error(conn, node, 404) end
  iq.result(conn, node, stanza.node("digest", nil, {
    stanza.node("registration", nil, device.registration), stanza.node("type", nil, "\5"), stanza.node("identity", nil, device.identity),
    skey_node(device.skey_id, device.skey_value, device.skey_signature), stanza.node("list", nil, ids),
    stanza.node("hash", nil, keys.digest_hash(device.identity, device.skey_value, device.skey_signature, publics)),
  }))
end

--- Any query of the namespace "encrypt".
function keys.query(conn, node)
  local child = stanza.child(node)
  local tag = child and child.tag
  if node.attrs.type == "set" then
    if stanza.child(node, "rotate") then return rotate(conn, node) end
    return upload(conn, node)
  elseif tag == "count" then
    return iq.result(conn, node, stanza.node("count", { value = conn.device.one_time:count() }))
  elseif tag == "key" then
    return fetch(conn, node)
  elseif tag == "digest" then
    return digest(conn, node)
  end
  iq.error(conn, node, 501)
end

return keys
