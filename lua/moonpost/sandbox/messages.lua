--- Messages between people (fact sheet 08 §12.1): each device gets its own ciphertext, the author's other devices their copies.
-- @module moonpost.sandbox.messages
local core = require "moonpost.core"
local stanza = require "moonpost.stanza"
local phone = require "moonpost.sandbox.phone"

local crypto = core.crypto

local REMEMBERED = 512 -- ids of a device kept to recognise a stanza sent again (S-409)

local messages = {}

local function ack(conn, node, error_code)
  local sandbox = conn.sandbox
  local answer = stanza.node("ack", {
    class = "message", from = node.attrs.to, id = node.attrs.id, t = sandbox.time(), participant = node.attrs.participant,
    error = error_code,
  })
  sandbox:durable(function() conn:send(answer) end)
end

local function ciphertext_hash(node)
  local parts = {}
  local function collect(one)
    for _, child in stanza.children(one) do
      if child.tag == "enc" then parts[#parts + 1] = child.content else collect(child) end
    end
  end
  collect(node)
  return crypto.sha256(table.concat(parts))
end

-- Whether this very stanza came before: the same id with the same ciphertexts (S-409).
local function is_repeated(device, node)
  local recent = device.recent or { first = 1, last = 0, hashes = {} }
  device.recent = recent
  local id, hash = node.attrs.id, ciphertext_hash(node)
  if recent.hashes[id] == hash then return true end
  if not recent.hashes[id] then
    recent.last = recent.last + 1
    recent[recent.last] = id
    if recent.last - recent.first >= REMEMBERED then
      recent.hashes[recent[recent.first]] = nil
      recent[recent.first] = nil
      recent.first = recent.first + 1
    end
  end
  recent.hashes[id] = hash
  return false
end

-- What of a message every copy carries on: its children but the addressing, its attributes but the sender's view.
local function shared_children(node, with_identity)
  local list = {}
  for _, child in stanza.children(node) do
    local tag = child.tag
    local private = tag == "participants" or tag == "enc" or tag == "tctoken" or tag == "cstoken"
    if not private and (tag ~= "device-identity" or with_identity) then list[#list + 1] = child end
  end
  return list
end

local function copy_attrs(conn, node, from)
  return { from = from, id = node.attrs.id, t = conn.sandbox.time(), type = node.attrs.type, edit = node.attrs.edit }
end

-- For a device of somebody else: in the namespace it was addressed in, the author's other name beside it (S-401).
local function for_other(conn, node, server)
  local device = conn.device
  local attrs = copy_attrs(conn, node, device:jid(server))
  attrs.notify = device.account.name
  if server == "lid" then attrs.sender_pn = device.account:jid() else attrs.sender_lid = device.account:jid "lid" end
  return attrs
end

-- For another device of the author: the chat beside it, under both names (S-402).
local function for_sibling(conn, node, target, server)
  local attrs = copy_attrs(conn, node, conn.device:jid(server))
  attrs.recipient = target:jid(server)
  if target == conn.device.account then return attrs end
  if server == "lid" then attrs.peer_recipient_pn = target:jid() else attrs.peer_recipient_lid = target:jid "lid" end
  return attrs
end

local function deliver(conn, node, device, enc, target, server)
  local attrs = device.account == conn.device.account and for_sibling(conn, node, target, server) or for_other(conn, node, server)
  local content = shared_children(node, enc.attrs.type == "pkmsg")
  table.insert(content, 1, enc)
  device.queue:push(stanza.node("message", attrs, content))
end

-- The enc meant for each device: the top-level one before those under <participants>, of several the first (S-401, S-408).
local function addressed(conn, node, target, number)
  local list, seen = {}, {}
  local function add(account, device_number, enc)
    local key = account and enc and type(enc.content) == "string" and account.pn .. ":" .. device_number
    if not key or seen[key] then return end
    seen[key] = true
    list[#list + 1] = { account = account, number = device_number, enc = enc }
  end
  add(target, number, stanza.child(node, "enc"))
  for _, to in stanza.children(stanza.child(node, "participants"), "to") do
    local account, device_number = conn.sandbox.accounts:lookup(to.attrs.jid)
    add(account, device_number, stanza.child(to, "enc"))
  end
  return list
end

local function peer_message(conn, node, target, number, server)
  local enc = stanza.child(node, "enc") or stanza.path(node, "participants", "to", "enc")
  if target ~= conn.device.account or not enc then return ack(conn, node, 404) end
  ack(conn, node)
  if number == 0 then return phone.receive(conn.sandbox, conn.device, node, enc) end
  local device = target.devices[number]
  if not device or not device.active or device == conn.device then return end
  local attrs = copy_attrs(conn, node, conn.device:jid(server))
  attrs.category = "peer"
  local content = shared_children(node, true)
  table.insert(content, 1, enc)
  device.queue:push(stanza.node("message", attrs, content))
end

--- A message of a client.
function messages.message(conn, node)
  local sandbox, own = conn.sandbox, conn.device
  if not node.attrs.id or not node.attrs.to then return conn:refuse() end
  local target, number, server = sandbox.accounts:lookup(node.attrs.to)
  if not target then return ack(conn, node, 404) end
  if is_repeated(own, node) then return ack(conn, node) end
  if node.attrs.category == "peer" then return peer_message(conn, node, target, number, server) end
  sandbox.accounts:acquaint(own.account, target)
  for _, one in ipairs(addressed(conn, node, target, number)) do
    local device = one.account.devices[one.number]
    local involved = one.account == target or one.account == own.account
    if involved and device and device.active and device ~= own then deliver(conn, node, device, one.enc, target, server) end
  end
  ack(conn, node)
end

return messages
