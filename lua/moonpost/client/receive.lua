--- Receiving a message (fact sheet 04 §1): names, decryption, effects and journal in one transaction; then, when it is durable,
-- one confirmation and the handlers. The server repeats what was not confirmed, so nothing is confirmed before it is safe.
-- @module moonpost.client.receive
local core = require "moonpost.core"
local envelopes = require "moonpost.client.envelope"
local messages = require "moonpost.client.messages"
local stanza = require "moonpost.stanza"

local proto = core.proto

local RETRIES = 4 -- senders refuse to send a message a fifth time (§9)

local Receive = {}
Receive.__index = Receive

-- What a failure to decrypt asks for (§3.6): nack number, or the reason of a retry receipt (§9.3).
local nacks = { malformed = 487 }
local retry_reasons = { ["no-session"] = 1, untrusted = 2, ["invalid-key-id"] = 3, crypto = 7 }

local function learn(self, envelope)
  local lids = self.client.lids
  if envelope.sender_other then lids:learn(core.wire.jid.bare(envelope.sender), envelope.sender_other) end
  if envelope.chat_other then lids:learn(envelope.chat, envelope.chat_other) end
  envelope.chat = lids:stable(envelope.chat)
  envelope.address = lids:stable(envelope.sender)
  envelope.author = core.wire.jid.bare(envelope.address)
end

local function dedupe_key(envelope) return ("r%s\0%s\0%s"):format(envelope.chat, envelope.author, envelope.id) end

local function pairwise(node)
  for _, enc in stanza.children(node, "enc") do
    if (enc.attrs.type == "msg" or enc.attrs.type == "pkmsg") and type(enc.content) == "string" then return enc end
  end
end

-- The Message inside a plaintext; the own devices' wrapper is taken off, with the context it carries.
local function open_plaintext(envelope, plaintext)
  local message, err = proto.decode("Message", plaintext)
  if not message then return nil, err end
  local wrapper = message.deviceSentMessage
  if wrapper and envelope.from_me then
    local inner = wrapper.message or {}
    inner.messageContextInfo = inner.messageContextInfo or message.messageContextInfo
    return inner
  elseif wrapper then
    return nil, core.error("malformed", "a stranger claims to be an own device")
  end
  return message
end

local function keep_secret(self, envelope, message)
  local secret = message.messageContextInfo and message.messageContextInfo.messageSecret
  if secret then self.client.store:put("secret", ("%s\0%s\0%s"):format(envelope.chat, envelope.author, envelope.id), secret) end
end

-- Messages for people are journalled for the handlers; the rest is kept as it came.
local function file(self, envelope, message)
  local client = self.client
  if envelope.kind == "peer" then return client.peer:message(envelope, message) end
  keep_secret(self, envelope, message)
  local kind = messages.kind(message)
  if kind == nil then return end
  if kind == "protocol" then return client.journal:keep_raw(envelope.node, envelope.plaintext) end
  if envelope.from_me and not client.own then return end
  client.journal:add(envelope, envelope.plaintext, message)
end

-- Decrypts and files; inside the transaction. Returns what is to be done after the commit: "confirm", or nil and the failure.
local function take(self, envelope, enc)
  local client = self.client
  learn(self, envelope)
  local key, hash = dedupe_key(envelope), core.crypto.sha256(enc.content)
  local seen = client.store:get("dedupe", key)
  if seen and seen:sub(1, 32) == hash then return "confirm" end
  local plaintext, err = client.account:decrypt(envelope.address, enc.attrs.type, enc.content)
  if not plaintext then
    if err.code == "duplicate" then return "confirm" end
    return nil, err
  end
  client.store:put("dedupe", key, hash .. (">I8"):pack(math.floor(core.net.time())))
  if seen then return "confirm" end -- sent again under the same id: the ratchet moves, nobody hears it twice
  envelope.plaintext = plaintext
  local message
  message, err = open_plaintext(envelope, plaintext)
  if not message then
    client:emit("error", err)
    return "refuse"
  end
  file(self, envelope, message)
  return "confirm"
end

local function count_retry(self, envelope, enc)
  local key = dedupe_key(envelope)
  local count = (self.retries[key] or math.tointeger(tonumber(enc.attrs.count)) or 0) + 1
  self.retries[key] = count
  return count
end

-- A message that could not be read: refused, or asked for again (§9).
local function failed(self, envelope, enc, err)
  local client = self.client
  if nacks[err.code] then
    client:emit("error", core.error(err.code, ("message %s from %s: %s"):format(envelope.id, envelope.sender, err.message)))
    return client.receipts:ack(envelope.node, nacks[err.code])
  end
  local reason = retry_reasons[err.code]
  if not reason then return client:emit("error", err) end -- the store failed: the server sends it again
  local count = count_retry(self, envelope, enc)
  if count <= RETRIES then client.receipts:retry(envelope, count, reason) end
  client:emit("error", core.error("undecryptable", ("message %s from %s cannot be read (%s); asked for it again, time %d"):format(
    envelope.id, envelope.sender, err.message, count)))
  client.store:after_commit(function() client.receipts:ack(envelope.node) end)
end

-- Group messages, channels and forms this client does not read yet: kept as they came, and confirmed.
local function keep_unread(self, envelope)
  local client = self.client
  client.store:atomic(function()
    learn(self, envelope)
    client.journal:keep_raw(envelope.node)
  end)
  client.store:after_commit(function()
    if envelope.kind == "newsletter" or stanza.child(envelope.node, "unavailable") then return client.receipts:ack(envelope.node) end
    client.receipts:confirm(envelope)
  end)
end

--- A message stanza that came.
function Receive:message(node)
  local client = self.client
  local envelope, err = envelopes(client.me, node)
  if not envelope then
    client:emit("error", err)
    if node.attrs.id and node.attrs.from then client.receipts:ack(node, 487) end
    return
  end
  local enc = pairwise(node)
  if envelope.kind == "group" or envelope.kind == "newsletter" or not enc then return keep_unread(self, envelope) end
  local verdict, why = client.store:atomic(take, self, envelope, enc)
  if not verdict then return failed(self, envelope, enc, why) end
  client.store:after_commit(function()
    if verdict == "refuse" then return client.receipts:ack(node, 491) end
    client.receipts:confirm(envelope)
  end)
end

return function(client) return setmetatable({ client = client, retries = {} }, Receive) end
