--- Sending a message to a person (fact sheet 03 §1.1, §8): ids, devices of both sides, sessions, one ciphertext for each device,
-- outbox, and the server's ack.
-- @module moonpost.client.send
local core = require "moonpost.core"
local messages = require "moonpost.client.messages"
local stanza = require "moonpost.stanza"
local task = require "moonpost.task"

local crypto, proto, jid = core.crypto, core.proto, core.wire.jid

local Sender = {}
Sender.__index = Sender

local function to_id(bytes) return "3EB0" .. crypto.hex(bytes:sub(1, 9)):upper() end

-- The web client's form of an id (§2).
local function random_id(client)
  local user = jid.parse(client.me.jid)
  return to_id(crypto.sha256((">I8"):pack(math.floor(core.net.time())) .. user .. "@c.us" .. crypto.random(16)))
end

-- The id of a handler's n-th send: the same whenever the handler runs again.
local function caused_id(client, cause)
  local m, n = cause[1], cause[2]
  return to_id(client.account:derive(("%s|%s|%d"):format(m.chat, m.id, n)))
end

-- A copy with a secret of its own; one the caller set is kept (§13).
local function with_secret(message)
  local copy = {}
  for name, value in pairs(message) do copy[name] = value end
  local info = {}
  for name, value in pairs(message.messageContextInfo or {}) do info[name] = value end
  info.messageSecret = info.messageSecret or crypto.random(32)
  copy.messageContextInfo = info
  return copy
end

local function encode(message)
  local bytes, err = proto.encode("Message", message)
  if not bytes then error(err, 0) end
  return bytes
end

-- The devices a message goes to: those of the recipient, and the own ones but this.
local function addressees(self, to)
  local client = self.client
  local me = client.me
  local found, err = client.devices:of { to, me.lid or me.jid }
  if not found then return nil, err end
  local own_bare, this = client.lids:stable(me.jid), client.lids:stable(jid.make((jid.parse(me.jid)), "s.whatsapp.net", me.device))
  local theirs, own = {}, {}
  for _, one in ipairs(found[me.lid or me.jid]) do
    if one ~= this then own[#own + 1] = one end
  end
  if client.lids:stable(to) ~= own_bare then theirs = found[to] end
  return theirs, own, own_bare
end

local function append_encrypted(self, participants, jids, plaintext, attrs)
  local prekeyed, reached = false, 0
  for _, one in ipairs(self.client.account:encrypt(jids, plaintext)) do
    if one.ciphertext then
      local enc = { v = "2", type = one.type }
      for name, value in pairs(attrs) do enc[name] = value end
      participants[#participants + 1] = stanza.node("to", { jid = one.jid }, stanza.node("enc", enc, one.ciphertext))
      prekeyed = prekeyed or one.type == "pkmsg"
      reached = reached + 1
    end
  end
  return reached, prekeyed
end

-- Own devices get the message wrapped, so that they know whom it went to (§8).
local function for_own_devices(to, message)
  return { deviceSentMessage = { destinationJid = to, message = message }, messageContextInfo = message.messageContextInfo }
end

local function stanza_attrs(self, id, to, message)
  local attrs = { id = id, to = to, type = messages.stanza_type(message) }
  if select(2, jid.parse(to)) == "lid" then attrs.peer_recipient_pn = self.client.lids:pn_of(to) end
  local enc = {}
  if message.reactionMessage then
    enc["decrypt-fail"] = "hide"
    if message.reactionMessage.text == "" then attrs.edit = "7" end
  end
  return attrs, enc
end

-- The stanza with all its ciphertexts; nil and an error when nobody could be written to.
local function build(self, id, to, message, theirs, own)
  local attrs, enc = stanza_attrs(self, id, to, message)
  local participants = {}
  local reached, prekeyed = append_encrypted(self, participants, theirs, encode(message), enc)
  local own_reached, own_prekeyed = append_encrypted(self, participants, own, encode(for_own_devices(to, message)), enc)
  if reached == 0 and (#theirs > 0 or own_reached == 0) then
    return nil, core.error("no-devices", ("no device of %s can be written to"):format(to))
  end
  local content = { stanza.node("participants", nil, participants) }
  if prekeyed or own_prekeyed then content[2] = stanza.node("device-identity", nil, self.client.me.deviceIdentity) end
  return stanza.node("message", attrs, content)
end

-- Everything up to the bytes in the outbox and on the wire; returns whether it waits for an ack now.
local function post(self, id, wanted, message, cause)
  local client = self.client
  local held <close> = self:lock(wanted):hold()
  local ok, err = client.connection:wait_online()
  if not ok then return held and nil, err end
  local theirs, own, own_bare = addressees(self, wanted)
  if not theirs then return nil, own end
  local to = client.lids:stable(wanted)
  if #theirs == 0 and to ~= own_bare then
    return nil, core.error("no-devices", wanted .. " is not on WhatsApp, or has no device to write to")
  end
  ok, err = client.devices:ensure_sessions(theirs)
  if ok then ok, err = client.devices:ensure_sessions(own) end
  if not ok then return nil, err end
  local node
  node, err = build(self, id, to, message, theirs, own)
  if not node then return nil, err end
  local bytes = core.wire.encode(node)
  client.outbox:add(id, { to = to, stanza = bytes, cause = cause ~= nil, self = to == own_bare })
  client.store:after_commit(function() client.connection:send_encoded(bytes) end)
  return client:committed()
end

--- The lock that keeps the sends to one chat in order.
function Sender:lock(to)
  local stable = self.client.lids:stable(to)
  self.locks[stable] = self.locks[stable] or task.lock()
  return self.locks[stable]
end

--- Sends a message; see client:send.
-- @tparam table options quote = m; cause = {m, n}: the n-th send of the handler of m
function Sender:send(to, message, options)
  local client = self.client
  if not client.me then return nil, core.error("unlinked", "this store is not linked: pair first") end
  if not task.running() then error("client:send waits, so it must be called in a task (moonpost.task.spawn)", 3) end
  to = jid.bare(to)
  local user, server = jid.parse(to)
  if not user or user == "" or (server ~= "s.whatsapp.net" and server ~= "lid") then
    return nil, core.error("invalid", ("'%s' is no person's JID (digits@s.whatsapp.net or digits@lid)"):format(to))
  end
  if type(message) == "string" then message = messages.text(message, options.quote) end
  local id = options.cause and caused_id(client, options.cause) or random_id(client)
  local before = options.cause and client.outbox:sent(id)
  if before then return { id = id, time = before } end
  local ticket <close> = client.outbox:expect(id)
  if options.cause and client.outbox:holds(id) then return ticket:wait() end
  client.throttle:wait(client.lids:stable(to))
  if not message.reactionMessage then message = with_secret(message) end
  local ok, err = post(self, id, to, message, options.cause)
  if not ok then return nil, err end
  return ticket:wait()
end

--- Reacts; see client:react.
function Sender:react(m, emoji, options)
  return self:send(m.chat, messages.reaction(m, emoji, core.net.time()), options)
end

return function(client) return setmetatable({ client = client, locks = {} }, Sender) end
