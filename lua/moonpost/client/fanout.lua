--- Whom a message goes to, and its stanza (fact sheet 03 §4.4, §7, §8): every device of the recipient and every other own one gets a
-- ciphertext of its own.
-- @module moonpost.client.fanout
local biz_of = require "moonpost.client.biz"
local core = require "moonpost.core"
local labels = require "moonpost.client.labels"
local limits = require "moonpost.client.limits"
local messages = require "moonpost.client.messages"
local reporting = require "moonpost.client.reporting"
local stanza = require "moonpost.stanza"

local proto, jid, crypto = core.proto, core.wire.jid, core.crypto

local Fanout = {}
Fanout.__index = Fanout

local function encode(message)
  local bytes, err = proto.encode("Message", message)
  if not bytes then error(err, 0) end
  return bytes
end

--- This device, by the name its sessions have.
function Fanout:this()
  local me = self.client.me
  return self.client.lids:stable(jid.make((jid.parse(me.jid)), "s.whatsapp.net", me.device))
end

local function without(list, one)
  local rest = {}
  for _, device in ipairs(list) do
    if device ~= one then rest[#rest + 1] = device end
  end
  return rest
end

--- The devices a message to a person goes to, with sessions where keys were to be had. Asks the server for what is not known.
-- @string wanted bare JID
-- @bool by_pn whether the stanza names everybody by phone number
-- @treturn ?table {to = the stanza's `to`, chat, theirs, own = arrays of device JIDs as their sessions are named}
-- @treturn ?table err
function Fanout:address(wanted, by_pn)
  local client = self.client
  local me = client.me.lid or client.me.jid
  local self_chat = client.lids:stable(wanted) == me
  local found, err = client.devices:of(self_chat and { me } or { wanted, me })
  if not found then return nil, err end
  local chat = client.lids:stable(wanted)
  local address = {
    to = by_pn and client.lids:pn_of(chat) or chat, chat = chat, theirs = self_chat and {} or found[wanted],
    own = without(found[me], self:this()),
  }
  if not self_chat and #address.theirs == 0 then
    return nil, core.error("no-devices", wanted .. " is not on WhatsApp, or has no device to write to")
  end
  local ok
  ok, err = client.devices:ensure_sessions(address.theirs)
  if ok then ok, err = client.devices:ensure_sessions(address.own) end
  if not ok then return nil, err end
  return address
end

-- Devices on the wire are named in the namespace of `to`, whatever their sessions are called (§3.1).
local function wire_name(self, device, to)
  if select(2, jid.parse(to)) == "lid" then return device end
  return self.client.lids:pn_of(device) or device
end

local function enc_node(one, attrs)
  local enc = { v = "2", type = one.type }
  for name, value in pairs(attrs) do enc[name] = value end
  return stanza.node("enc", enc, one.ciphertext)
end

-- Adds a `<to>` for each device that could be encrypted for; returns how many, and whether one began a session.
local function add_encrypted(self, participants, to, devices, plaintext, enc_attrs)
  local reached, prekeyed = 0, false
  for _, one in ipairs(self.client.account:encrypt(devices, plaintext)) do
    if one.ciphertext then
      participants[#participants + 1] = stanza.node("to", { jid = wire_name(self, one.jid, to) }, enc_node(one, enc_attrs))
      reached = reached + 1
      prekeyed = prekeyed or one.type == "pkmsg"
    end
  end
  return reached, prekeyed
end

-- The children that are there: none is nil in what this gives.
local function children(...)
  local list = {}
  for i = 1, select("#", ...) do list[#list + 1] = (select(i, ...)) or nil end
  return list
end

local function device_identity(self) return stanza.node("device-identity", nil, self.client.me.deviceIdentity) end

-- Bytes the ciphertext for one device has around the plaintext, with its nodes: more than any real one (some 250).
local ENVELOPE = 512

-- Whether the stanza will fit, before any ratchet moves.
local function check_size(id, for_theirs, theirs, for_own, own)
  local size = (#for_theirs + ENVELOPE) * #theirs + (#for_own + ENVELOPE) * #own + ENVELOPE
  if size <= limits.STANZA then return true end
  return nil, limits.exceeded(("message %s to %d devices"):format(id, #theirs + #own), size, limits.STANZA, "bytes")
end

--- The stanza of a message; ratchets move, so it belongs into a transaction with the outbox row.
-- @string id
-- @tparam table address as `address` gives it; outer: the stanza's `to` where that is another, of a reaction to a status post
-- @tparam table message
-- @string bytes the same, encoded
-- @treturn ?table node
-- @treturn ?table err when nobody could be written to; code "limit", before any ratchet moved, when it is too large
function Fanout:build(id, address, message, bytes)
  local to, named = address.to, address.outer or address.to
  local for_own = encode(messages.for_own_devices(named, message))
  local fits, err = check_size(id, bytes, address.theirs, for_own, address.own)
  if not fits then return nil, err end
  local attrs, enc_attrs, meta = labels(message)
  attrs.id, attrs.to = id, named
  if select(2, jid.parse(named)) == "lid" then attrs.peer_recipient_pn = self.client.lids:pn_of(to) end
  local participants = {}
  local reached, prekeyed = add_encrypted(self, participants, to, address.theirs, bytes, enc_attrs)
  if reached == 0 and #address.theirs > 0 then
    return nil, core.error("no-devices", ("no device of %s can be written to"):format(to))
  end
  local bot, biz = table.unpack(biz_of(message, false, core.net.time()))
  local _, own_prekeyed = add_encrypted(self, participants, to, address.own, for_own, enc_attrs)
  return stanza.node("message", attrs, children(
    stanza.node("participants", nil, participants), (prekeyed or own_prekeyed) and device_identity(self), meta, bot, biz,
    not address.outer and reporting.node(message, bytes, id, self.client.secrets:own_name(to), to),
    self.client.privacy_tokens:shown_to(named, true)
  ))
end

--- The stanza that brings a message to one device alone, which a stanza before has missed (10 §10.1: a resend to one device).
-- @string id of the message
-- @tparam table address as `address` gives it
-- @tparam table message
-- @string device
-- @bool own whether it is an own one
-- @tparam ?table again of an answer to a retry receipt: to, the device as the receipt names it, and its count
-- @treturn ?table node; nil when the device cannot be encrypted for
function Fanout:build_for(id, address, message, device, own, again)
  local attrs, enc_attrs, meta = labels(message)
  attrs.id, attrs.to = id, again and again.to or wire_name(self, device, address.to)
  enc_attrs.count = again and again.count
  if own then attrs.recipient = address.to end
  local plaintext = encode(own and messages.for_own_devices(address.to, message) or message)
  local one = self.client.account:encrypt({ device }, plaintext)[1]
  if not one.ciphertext then return nil end
  return stanza.node("message", attrs, children(enc_node(one, enc_attrs), one.type == "pkmsg" and device_identity(self), meta))
end

--- The devices a stanza of ours went to, as their sessions are named: set of device JIDs.
function Fanout:reached(node)
  local reached = {}
  for _, to in stanza.children(stanza.child(node, "participants"), "to") do reached[self.client.lids:stable(to.attrs.jid)] = true end
  return reached
end

--- The hash over device JIDs by which server and client compare their lists (§7).
-- @tparam table devices array
-- @treturn string "2:" and 8 characters
function Fanout.phash(devices)
  local names = {}
  for i, one in ipairs(devices) do
    local user, server, device = jid.parse(one)
    names[i] = ("%s.0:%d@%s"):format(user, device, server)
  end
  table.sort(names)
  return "2:" .. crypto.base64(crypto.sha256(table.concat(names)):sub(1, 6))
end

-- Both base64 alphabets are in use.
local function plain(phash) return (phash:gsub("[-_]", { ["-"] = "+", _ = "/" })) end

--- Whether two hashes are the same, in whichever alphabet.
function Fanout.same(one, other) return plain(one) == plain(other) end

--- Whether the server's hash stands for just the devices a stanza of ours went to; this device may be counted or not (§7, §23).
function Fanout:agrees(node, phash)
  local devices = {}
  for _, to in stanza.children(stanza.child(node, "participants"), "to") do devices[#devices + 1] = to.attrs.jid end
  if plain(self.phash(devices)) == plain(phash) then return true end
  devices[#devices + 1] = wire_name(self, self:this(), node.attrs.to)
  return plain(self.phash(devices)) == plain(phash)
end

return function(client) return setmetatable({ client = client }, Fanout) end
