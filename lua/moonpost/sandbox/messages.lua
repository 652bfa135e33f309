--- Messages between people (fact sheet 08 §12.1): each device gets its own ciphertext, the author's other devices their copies.
-- @module moonpost.sandbox.messages
local core = require "moonpost.core"
local stanza = require "moonpost.stanza"
local devices = require "moonpost.sandbox.devices"
local phone = require "moonpost.sandbox.phone"
local privacy_tokens = require "moonpost.sandbox.privacy_tokens"
local repeats = require "moonpost.sandbox.repeats"
local sent = require "moonpost.sandbox.sent"

local crypto = core.crypto

local messages = {}

local nothing = {}

--- Answers a message (S-404).
-- @tparam ?table about t of the first answer when it is a repeated one, error, phash, addressing_mode
function messages.ack(conn, node, about)
  about = about or {}
  local answer = stanza.node("ack", {
    class = "message", from = node.attrs.to, id = node.attrs.id, t = about.t or conn.sandbox.time(), participant = node.attrs.participant,
    error = about.error, phash = about.phash, addressing_mode = about.addressing_mode,
  })
  conn:send(answer)
end

-- Appends the ciphertexts below a node, however deep.
local function collect(node, parts)
  local children = type(node.content) == "table" and node.content or nothing
  for i = 1, #children do
    local child = children[i]
    if child.tag ~= "enc" then
      collect(child, parts)
    elseif type(child.content) == "string" then
      parts[#parts + 1] = child.content
    end
  end
end

local function ciphertext_hash(node)
  local parts = {}
  collect(node, parts)
  return crypto.sha256(table.concat(parts))
end

-- A message brought again after a retry receipt: always relayed (S-408, S-409).
local function is_retry(node)
  local enc = stanza.child(node, "enc")
  return node.attrs.device_fanout == "false" or enc ~= nil and enc.attrs.count ~= nil
end

--- The time of the answer this very stanza had before, the same id with the same ciphertexts (S-409). Nil when it is new; it is
-- remembered then.
function messages.answered_before(device, node, now)
  if is_retry(node) then return nil end
  return repeats.before(device, node.attrs.id .. "\0" .. ciphertext_hash(node), now)
end

--- What of a message every copy carries on: its children but the addressing.
function messages.shared_children(node, with_identity)
  local list = {}
  for _, child in stanza.children(node) do
    local tag = child.tag
    local private = tag == "participants" or tag == "enc" or tag == "tctoken" or tag == "cstoken"
    if not private and (tag ~= "device-identity" or with_identity) then list[#list + 1] = child end
  end
  return list
end

--- The ciphertext that is the same for everybody, of a group message or a status post; nil when there is none.
function messages.shared_enc(node)
  for _, enc in stanza.children(node, "enc") do
    if enc.attrs.type == "skmsg" then return enc end
  end
end

--- What a linked device gets in place of what may be seen once only: that is for phones (05 §17). Nil when it is for all.
function messages.once(node)
  local meta = stanza.child(node, "meta")
  return meta and meta.attrs.view_once == "true" and stanza.node("unavailable", { type = "view_once" }) or nil
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
  if node.attrs.recipient then -- a message for one own device names its chat (S-408)
    local chat, _, chat_server = conn.sandbox.accounts:lookup(node.attrs.recipient)
    if not chat then return nil end
    target, server = chat, chat_server
  end
  attrs.recipient = target:jid(server)
  if server == "lid" then attrs.peer_recipient_pn = target:jid() else attrs.peer_recipient_lid = target:jid "lid" end
  return attrs
end

local function deliver(conn, node, device, enc, target, server)
  local own = device.account == conn.device.account
  local attrs
  if own then attrs = for_sibling(conn, node, target, server) else attrs = for_other(conn, node, server) end
  if not attrs then return end
  local once = messages.once(node)
  local content = once and { once } or messages.shared_children(node, enc.attrs.type == "pkmsg")
  if not once then table.insert(content, 1, enc) end
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
  if target ~= conn.device.account or not enc then return messages.ack(conn, node, { error = 404 }) end
  messages.ack(conn, node)
  if number == 0 then return phone.receive(conn.sandbox, conn.device, node, enc) end
  local device = target.devices[number]
  if not device or not device.active or device == conn.device then return end
  local attrs = copy_attrs(conn, node, conn.device:jid(server))
  attrs.category = "peer"
  local content = messages.shared_children(node, true)
  table.insert(content, 1, enc)
  device.queue:push(stanza.node("message", attrs, content))
end

-- The devices of accounts, as name -> JID in the namespace of a server part.
local function devices_of(sandbox, accounts, server)
  local found = {}
  for _, account in ipairs(accounts) do
    found[account.pn .. ":0"] = account:jid(server)
    for _, device in ipairs(sandbox.accounts:companions(account)) do
      found[("%s:%d"):format(account.pn, device.number)] = device:jid(server)
    end
  end
  return found
end

local function participant_hash(named)
  local list = {}
  for _, one in pairs(named) do list[#list + 1] = one end
  return devices.hash_of(list)
end

-- The hash over all devices of both sides, when a message to a person did not name just these (03 §7); nil when its lists are right.
local function stale_hash(conn, target, list, server)
  local own = conn.device
  local both = { target, own.account }
  local left = devices_of(conn.sandbox, both, server)
  left[("%s:%d"):format(own.account.pn, own.number)] = nil
  local strangers = 0
  for _, one in ipairs(list) do
    local name = ("%s:%d"):format(one.account.pn, one.number)
    if not left[name] then strangers = strangers + 1 end
    left[name] = nil
  end
  if strangers == 0 and not next(left) then return nil end
  return participant_hash(devices_of(conn.sandbox, both, server))
end

--- Refuses a message (S-404).
-- @int code
function messages.refuse(conn, node, code) messages.ack(conn, node, { error = code }) end

local function distribute(conn, node, list, target, server)
  for _, one in ipairs(list) do
    local device = one.account.devices[one.number]
    local involved = one.account == target or one.account == conn.device.account
    if involved and one.number == 0 then
      phone.take(conn.sandbox, one.account, conn.device, node, one.enc, target, server)
    elseif involved and device and device.active and device ~= conn.device then
      deliver(conn, node, device, one.enc, target, server)
    end
  end
end

--- A message of a client.
function messages.message(conn, node)
  local sandbox, own = conn.sandbox, conn.device
  if not node.attrs.id or not node.attrs.to then return conn:refuse() end
  local target, number, server = sandbox.accounts:lookup(node.attrs.to)
  if not target then return messages.refuse(conn, node, 404) end
  local now = sandbox.time()
  local answered = messages.answered_before(own, node, now)
  sandbox:count(answered and "repeated" or "messages")
  if node.attrs.category == "peer" then
    if answered then return messages.ack(conn, node, { t = answered }) end
    return peer_message(conn, node, target, number, server)
  end
  if not answered and not privacy_tokens.admits(sandbox, own.account, target, node) then return messages.refuse(conn, node, 463) end
  sandbox.accounts:introduce(own.account, target)
  sandbox.accounts:acquaint(own.account, target)
  sent.of(sandbox, own.account):add(node.attrs.id, target.pn)
  local list = addressed(conn, node, target, number)
  if not answered then distribute(conn, node, list, target, server) end
  messages.ack(conn, node, { t = answered or now, phash = stanza.child(node, "participants") and not is_retry(node)
    and stale_hash(conn, target, list, server) or nil })
end

return messages
