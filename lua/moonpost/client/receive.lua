--- Receiving a message (fact sheet 04 §1): names, decryption, effects and journal in one transaction; then, when it is durable,
-- one confirmation and the handlers. The server repeats what was not confirmed, so nothing is confirmed before it is safe.
-- @module moonpost.client.receive
local core = require "moonpost.core"
local envelopes = require "moonpost.client.envelope"
local fitting = require "moonpost.client.kinds.fitting"
local kinds = require "moonpost.client.kinds"
local limits = require "moonpost.client.limits"
local messages = require "moonpost.client.messages"
local rows = require "moonpost.client.rows"
local stanza = require "moonpost.stanza"
local vouch = require "moonpost.client.vouch"

local proto, jid = core.proto, core.wire.jid

local MALFORMED, UNRECOGNISED, NO_MESSAGE, NO_SECRET = 487, 488, 491, 495 -- refusals (§14.1)

local Receive = {}
Receive.__index = Receive

-- The reason of a retry receipt (§9.3), by the code of what went wrong.
local retry_reasons = {
  ["no-session"] = 1, untrusted = 2, ["invalid-key-id"] = 3, ahead = 4, signature = 5, crypto = 7, unvouched = 12,
}

-- What nobody can mend by sending it again, and the number it is refused by.
local refusals = { padding = NO_MESSAGE, malformed = MALFORMED, ["no-secret"] = NO_SECRET }

-- Gives people their stable names. What the stanza says of their other ones is taken as true for its decryption.
local function settle_names(self, envelope)
  local lids = self.client.lids
  if envelope.sender_other then lids:learn(jid.bare(envelope.sender), envelope.sender_other) end
  if envelope.chat_other then lids:learn(envelope.chat, envelope.chat_other) end
  envelope.chat = lids:stable(envelope.chat)
  envelope.address = lids:stable(envelope.sender)
  envelope.author = jid.bare(envelope.address)
end

local function key_of(envelope) return rows.message_key(envelope.chat, envelope.author, envelope.id) end

-- The first ciphertext of these types.
local function find_enc(node, types)
  for _, enc in stanza.children(node, "enc") do
    if types[enc.attrs.type] and type(enc.content) == "string" then return enc end
  end
end

local pairwise, for_group = { msg = true, pkmsg = true, msmsg = true }, { skmsg = true }

-- A new session in the own account's name is the own phone's, or that of a device the phone vouches for; in somebody else's name the
-- word of their phone must hold where there is one (§3.4, §3.5).
local function check_identity(self, envelope, identity)
  if not identity then return end
  local ok, err
  local blob = stanza.bytes(envelope.node, "device-identity")
  if envelope.from_me then
    ok, err = vouch.own(self.client.me, envelope.sender, identity, blob)
  else
    ok, err = vouch.other(self.client.account, envelope.address, identity, blob)
  end
  if not ok then error(err, 0) end
end

-- Tells an error when the transaction is over.
local function report(self, err)
  self.client.store:after_commit(function() self.client:emit("error", err) end)
end

-- The Message inside a plaintext. A stranger who claims to be an own device is not listened to (§3.7).
local function open_plaintext(self, envelope, plaintext)
  local message, err = proto.decode("Message", plaintext)
  if not message then return nil, err end
  if envelope.from_me then message = messages.from_own_device(message) end
  local content, _, deeper = messages.unwrap(message)
  if deeper then return nil, core.error("limit", ("it is wrapped more than %d times"):format(limits.WRAPPERS)) end
  if envelope.from_me then return message end
  if not message.deviceSentMessage and not content.deviceSentMessage then return message end
  report(self, core.error("forged", ("message %s: %s claims to be an own device"):format(envelope.id, envelope.sender)))
  return {}
end

local function keep(self, envelope, message, plaintext)
  self.client.archive:put {
    chat = envelope.chat, id = envelope.id, sender = envelope.author, from_me = envelope.from_me, name = envelope.name,
    time = envelope.time, bytes = plaintext, message = message,
  }
end

local function decrypt(self, envelope, enc)
  local client = self.client
  if for_group[enc.attrs.type] then
    local plaintext, err = client.sender_keys:decrypt(envelope, enc.content)
    return plaintext or error(err, 0)
  end
  if enc.attrs.type == "msmsg" then return client.assistants:decrypt(envelope, enc.content) end
  local before = enc.attrs.type == "pkmsg" and client.account:remote_identity(envelope.address) or nil
  local plaintext, identity = client.account:decrypt(envelope.address, enc.attrs.type, enc.content)
  if not plaintext then error(identity, 0) end
  check_identity(self, envelope, identity)
  if identity then client.identities:seen(envelope.address, before, identity) end
  return plaintext
end

-- A sender key that came with a group message. One that is not taken leaves the message as it is.
local function keep_sender_key(self, envelope, message)
  local told = envelope.shared and message.senderKeyDistributionMessage
  if not told then return end
  local ok, err = self.client.sender_keys:learn(envelope, told)
  if ok then return end
  if err.code ~= "forged" and err.code ~= "malformed" then error(err, 0) end
  report(self, err)
end

-- Reads the pairwise message beside a group's: it only brings the sender key, which stays whatever becomes of the other.
local function introduce(self, envelope, enc)
  settle_names(self, envelope)
  local message = open_plaintext(self, envelope, decrypt(self, envelope, enc))
  if message then keep_sender_key(self, envelope, message) end
  return "confirm"
end

--- Files a message that was read; inside its transaction. What is for people is journalled for the handlers, the rest kept as it came.
-- @tparam table envelope
-- @tparam table message
-- @string plaintext its bytes
function Receive:file(envelope, message, plaintext)
  local client = self.client
  if envelope.kind == "peer" then return client.peer:message(envelope, message, plaintext) end
  local opened, done
  message, opened = client.assistants:stands_for(envelope, message)
  local content = messages.unwrap(message)
  if not messages.content(content) or client.archive:was_deleted(envelope.chat, envelope.id, envelope.author) then return end
  keep(self, envelope, message, plaintext)
  if client.answers.field(content) then
    local edit = content.secretEncryptedMessage
    done = edit and edit.secretEncType ~= "MESSAGE_EDIT" -- of polls and events: it has been done
    opened, message = client.answers:take(envelope, message, plaintext)
    if not opened then return end
    content = messages.unwrap(message)
  end
  local heard = done or client.effects:apply(envelope, message, content)
  if not kinds.is_event(content) then return client.journal:keep_raw(envelope.node, plaintext) end
  if heard and (client.own or not envelope.from_me) then
    client.journal:add(envelope, plaintext, message, nil, { opened = opened, asks = heard == "ask" or nil })
  end
  client.answers:arrived(envelope, content)
end

-- Decrypts and files; inside the transaction. Returns what is to be done after the commit, "confirm" or "refuse"; what keeps the
-- message from being read is raised, so that nothing it has brought with it stays.
local function take(self, envelope, enc)
  local client = self.client
  settle_names(self, envelope)
  local key, hash = "r" .. key_of(envelope), core.crypto.sha256(enc.content)
  local seen = client.store:get("dedupe", key)
  if seen and seen:sub(1, 32) == hash then error(core.error("duplicate", "received before"), 0) end
  local plaintext = decrypt(self, envelope, enc)
  local message, err = open_plaintext(self, envelope, plaintext)
  local wrong = message and fitting(envelope.node, messages.unwrap(message), enc.attrs.count ~= nil or enc.attrs.type == "msmsg")
  if wrong then message, err = nil, core.error("refused", wrong) end
  if not message then client.missing:lost(envelope, err.code) end
  client.store:put("dedupe", key, hash .. rows.time(core.net.time()))
  if not message then
    report(self, core.error(err.code, ("message %s from %s: %s"):format(envelope.id, envelope.sender, err.message)))
    return "refuse"
  end
  client.missing:read(envelope)
  if not for_group[enc.attrs.type] then keep_sender_key(self, envelope, message) end
  if seen then return "confirm" end -- sent again under the same id: the ratchet moves, nobody hears it twice
  self:file(envelope, message, plaintext)
  return "confirm"
end

-- Runs `take` or `introduce` in a transaction of its own. Returns nil and the failure when the ciphertext cannot be read; what else
-- goes wrong, in the store say, is raised.
local function atomically(self, fn, envelope, enc)
  local done, verdict = pcall(self.client.store.atomic, self.client.store, fn, self, envelope, enc)
  if done then return verdict end
  local code = type(verdict) == "table" and verdict.code
  if code == "duplicate" then return "confirm" end
  if refusals[code] or retry_reasons[code] then return nil, verdict end
  error(verdict, 0)
end

-- A message that cannot be read is asked for again, then done with: an own copy by its receipt, others by an ack (§3.6, §9.1).
local function ask_again(self, envelope, enc, err, reason)
  local client = self.client
  local time = client.missing:failed(envelope, enc, err.code)
  if time then client.receipts:retry(envelope, time, reason) end
  report(self, core.error("undecryptable", ("message %s from %s cannot be read (%s); %s"):format(envelope.id, envelope.sender,
    err.message, time and ("asked for it again, time %d"):format(time) or "given up")))
  client.store:after_commit(function()
    if envelope.from_me and envelope.kind == "direct" then return client.receipts:confirm(envelope) end
    client.receipts:ack(envelope.node)
  end)
end

-- What nobody can mend is refused.
local function refuse(self, envelope, err)
  report(self, core.error(err.code, ("message %s from %s: %s"):format(envelope.id, envelope.sender, err.message)))
  self.client.missing:lost(envelope, err.code)
  self.client.store:after_commit(function()
    self.client.receipts:ack(envelope.node, refusals[err.code])
  end)
end

-- In a transaction of its own: where it cannot be told, in a full journal say, it did not come, and comes again.
local function failed(self, envelope, enc, err)
  local reason, store = retry_reasons[err.code], self.client.store
  if reason then return store:atomic(ask_again, self, envelope, enc, err, reason) end
  store:atomic(refuse, self, envelope, err)
end

-- A message without content: `<unavailable/>` in its place (§6.1).
local function take_unavailable(self, envelope)
  self.client.store:atomic(function()
    settle_names(self, envelope)
    self.client.missing:unavailable(envelope)
  end)
  self.client.store:after_commit(function() self.client.receipts:ack(envelope.node) end)
end

-- What confirms a message that is only kept (§7.2): an ack where nothing was there to decrypt, else the receipt of its kind.
local function confirm_unread(self, envelope)
  local node, receipts = envelope.node, self.client.receipts
  local enc = stanza.child(node, "enc")
  if stanza.child(node, "unavailable") then return receipts:ack(node) end
  if not enc then return receipts:ack(node, UNRECOGNISED) end
  if envelope.kind == "group" then return receipts:confirm(envelope) end
  receipts:ack(node)
end

-- Forms this client does not read yet: kept as they came, and confirmed.
local function keep_unread(self, envelope)
  local client = self.client
  client.journal:keep_raw(envelope.node)
  client.store:after_commit(function() confirm_unread(self, envelope) end)
end

--- A message stanza that came.
-- @raise "malformed": it is to be refused
function Receive:message(node)
  local client = self.client
  local envelope = envelopes(client.me, node)
  if client.lids:stable(envelope.sender) == client.fanout:this() then return client.receipts:ack(node) end -- our own words
  if envelope.kind == "newsletter" then return client.newsletters:message(envelope) end
  local enc, group_enc = find_enc(node, pairwise), envelope.shared and find_enc(node, for_group)
  local empty = envelope.kind ~= "peer" and not stanza.child(node, "enc") and stanza.child(node, "unavailable")
  if empty then return take_unavailable(self, envelope) end
  if not (enc or group_enc) then return keep_unread(self, envelope) end
  local verdict, why
  if enc and group_enc then -- when the key cannot be read, one retry recovers both (§3.1)
    verdict, why = atomically(self, introduce, envelope, enc)
    if not verdict then return failed(self, envelope, enc, why) end
  end
  enc = group_enc or enc
  verdict, why = atomically(self, take, envelope, enc)
  if not verdict then return failed(self, envelope, enc, why) end
  if verdict == "confirm" then return client.receipts:confirm_safe(envelope) end
  client.store:after_commit(function() client.receipts:ack(node, NO_MESSAGE) end)
end

return function(client) return setmetatable({ client = client }, Receive) end
