--- The simulated phone of an account (fact sheet 08 §10): device 0, with a Signal identity of its own.
-- @module moonpost.sandbox.phone
local core = require "moonpost.core"
local stanza = require "moonpost.stanza"
local appstate_phone = require "moonpost.sandbox.appstate_phone"
local mail = require "moonpost.sandbox.mail"
local crowd = require "moonpost.sandbox.crowd"
local history = require "moonpost.sandbox.history"
local recent = require "moonpost.sandbox.recent"
local retries = require "moonpost.sandbox.retries"

local proto, crypto = core.proto, core.crypto

local Phone = {}
Phone.__index = Phone

local phone = {}

-- The phone of an account, made at first need, with its mail unread.
local function open(sandbox, account)
  if account.phone then return account.phone end
  local signal = core.signal.account(sandbox.store, "phone " .. account.pn)
  if not signal:exists() then signal:create() end
  account.phone = setmetatable({
    sandbox = sandbox, account = account, signal = signal, told = recent.new(100), asked = recent.new(1000), kept = recent.new(1000),
  }, Phone)
  return account.phone
end

--- The key with which an account vouches for its devices.
function phone.identity(sandbox, account)
  if account.crowd then return crowd.identity(sandbox, account) end
  return phone.of(sandbox, account):identity()
end

local read_mail

--- The phone of an account, which has read all it was written: with each message its ratchet moves.
function phone.of(sandbox, account)
  local self = open(sandbox, account)
  mail.read(account, read_mail)
  return self
end

--- A phone forgets a companion that is unlinked: whoever has its address next has other keys.
function phone.forget(sandbox, device) phone.of(sandbox, device.account).signal:delete_session(device:jid "lid") end

--- A phone is set up anew: another identity, another registration id, no sessions. The account's companions were signed by the old one.
function phone.reinstall(sandbox, account)
  local old = phone.of(sandbox, account)
  old.signal:delete()
  old.signal:close()
  account.phone = nil
  account.raw_id = (">I4"):unpack(crypto.random(4)) & 0x7fffffff
  sandbox.accounts:save(account)
end

--- Its identity: also the key that vouches for the account's devices (S-025).
function Phone:identity() return self.signal:identity() end

--- Keys to open a session with it: one-time keys without end (S-204).
function Phone:bundle()
  local public = self.signal:public()
  local key = self.signal:new_prekeys(1)[1]
  self.signal:mark_uploaded(key.id, key.id)
  return {
    registration = (">I4"):pack(public.registration_id), identity = public.identity, skey_id = (">I3"):pack(public.signed_prekey.id),
    skey_value = public.signed_prekey.public, skey_signature = public.signed_prekey.signature, key = (">I3"):pack(key.id) .. key.public,
  }
end

local function ensure_session(self, address)
  if self.signal:has_session(address) then return true end
  local bundle = require("moonpost.sandbox.keys").bundle(self.sandbox, address)
  if not bundle then return nil, core.error("no-devices", address .. " has no keys") end
  return self.signal:process_bundle(address, {
    registration_id = (">I4"):unpack(bundle.registration), identity = bundle.identity,
    signed_prekey = { id = (">I3"):unpack(bundle.skey_id), public = bundle.skey_value, signature = bundle.skey_signature },
    prekey = bundle.key and { id = (">I3"):unpack(bundle.key), public = bundle.key:sub(4) } or nil,
  })
end

--- Sends a message to somebody's linked device.
-- @tparam table device
-- @tparam table attrs of the stanza: id, and whom it is shown as from
-- @tparam table message
-- @tparam ?int count of an answer to a retry receipt
function Phone:address(device, attrs, message, count)
  local address = device:jid "lid"
  local ok, err = ensure_session(self, address)
  local sealed = ok and self.signal:encrypt({ address }, assert(proto.encode("Message", message)))[1]
  if not ok or sealed.error then
    self.sandbox:note(("the phone of %s cannot write to %s: %s"):format(self.account.pn, address, tostring(err or sealed.error)))
    return
  end
  attrs.t, attrs.type = self.sandbox.time(), "text"
  device.queue:push(stanza.node("message", attrs, stanza.node("enc", { v = "2", type = sealed.type, count = count }, sealed.ciphertext)))
end

-- Sends a peer message to a companion under an id; `count` of an answer to a retry receipt.
local function write(self, device, id, message, count)
  self:address(device, { from = self.account:jid(), id = id, category = "peer" }, message, count)
end

--- Sends a peer message to a companion (S-300). It is remembered: the companion may ask for it again. Returns its id.
function Phone:tell(device, message)
  local id = crypto.hex(crypto.random(16)):upper()
  recent.put(self.told, device.number .. "\0" .. id, message)
  write(self, device, id, message)
  return id
end

--- A companion could not read what this phone told it: it gets that again, in a session it can read.
-- @tparam table device
-- @tparam table node its retry receipt
function phone.retry(sandbox, device, node)
  local self, request = phone.of(sandbox, device.account), retries.read(node)
  local message = request and recent.get(self.told, device.number .. "\0" .. request.id)
  if not message or request.count > retries.COUNTS then return end
  local address = device:jid "lid"
  if request.keys then
    local ok, err = self.signal:process_bundle(address, request.keys)
    if not ok then return sandbox:note(("the phone of %s takes no keys of %s: %s"):format(self.account.pn, address, tostring(err))) end
  elseif request.count > 1 or self.signal:registration_id(address) ~= request.registration then
    self.signal:delete_session(address)
  end
  write(self, device, request.id, message, request.count)
end

-- The account's app-state keys, the newest last; when ids are given, those alone, nil when there is none of them.
local function key_share(self, wanted)
  local account, indexes, list = self.account, { 0 }, {}
  for _, device in ipairs(self.sandbox.accounts:companions(account)) do indexes[#indexes + 1] = device.key_index end
  for _, key in ipairs(appstate_phone.keys(self.sandbox, account)) do
    if not wanted or wanted[key.id] then
      list[#list + 1] = { keyId = { keyId = key.id }, keyData = {
        keyData = key.data, fingerprint = { rawId = account.raw_id, currentIndex = indexes[#indexes], deviceIndexes = indexes },
        timestamp = math.floor(core.net.time() * 1000),
      } }
    end
  end
  if #list == 0 then return nil end
  return { protocolMessage = { type = "APP_STATE_SYNC_KEY_SHARE", appStateSyncKeyShare = { keys = list } } }
end

--- What a phone tells a companion right after its first login: the app-state key, then the history (S-300 to S-305).
function phone.greet(sandbox, device)
  local self = phone.of(sandbox, device.account)
  self.signal:delete_session(device:jid "lid") -- of one that had this number before
  self:tell(device, key_share(self))
  history.greet(self, device)
end

-- Requests of companions, by ProtocolMessage.type: fn(phone, device, protocol).
local requests = {}

-- A key the phone does not know is left out; with none left nothing is sent (S-310).
function requests.APP_STATE_SYNC_KEY_REQUEST(self, device, protocol)
  local wanted = {}
  for _, id in ipairs(protocol.appStateSyncKeyRequest and protocol.appStateSyncKeyRequest.keyIds or {}) do
    if id.keyId then wanted[id.keyId] = true end
  end
  local share = key_share(self, wanted)
  if share then self:tell(device, share) end
end

-- What the phone has of a message somebody's companion could not read; an empty result when it has nothing (S-310).
local function resend_results(self, request)
  local results = {}
  for _, one in ipairs(request.placeholderMessageResendRequest or {}) do
    local key = one.messageKey or {}
    local kept = recent.get(self.kept, tostring(key.id))
    local chat = self.sandbox.accounts:lookup(key.remoteJid)
    if kept and kept.chat == chat and kept.from_me == (key.fromMe or false) then
      results[#results + 1] = { placeholderMessageResendResponse = { webMessageInfoBytes = assert(proto.encode("WebMessageInfo", {
        key = { remoteJid = chat:jid(), fromMe = kept.from_me, id = key.id }, message = kept.message, messageTimestamp = kept.time,
        pushName = kept.name,
      })) } }
    end
  end
  return results
end

-- Messages the phone gives as far as it has read them; of everything else but history the result is empty.
function requests.PEER_DATA_OPERATION_REQUEST_MESSAGE(self, device, protocol, id)
  local request = protocol.peerDataOperationRequestMessage or {}
  local kind = request.peerDataOperationRequestType
  if kind == "HISTORY_SYNC_ON_DEMAND" then return history.on_demand(self, device, request.historySyncOnDemandRequest or {}, id) end
  self:tell(device, { protocolMessage = {
    type = "PEER_DATA_OPERATION_REQUEST_RESPONSE_MESSAGE",
    peerDataOperationRequestResponseMessage = {
      peerDataOperationRequestType = kind, stanzaId = id,
      peerDataOperationResult = kind == "PLACEHOLDER_MESSAGE_RESEND" and resend_results(self, request) or nil,
    },
  } })
end

-- Keeps a message of a chat: a companion may ask for it.
local function keep(self, device, node, chat, message)
  local from_me = device.account == self.account
  local inner = from_me and message.deviceSentMessage and message.deviceSentMessage.message or message
  recent.put(self.kept, node.attrs.id, {
    chat = from_me and chat or device.account, from_me = from_me, message = inner, time = self.sandbox.time(), name = device.account.name,
  })
end

-- Asks the sender for what cannot be read, as any device does (S-308).
local function ask_again(self, letter, err)
  local device = letter.device
  local key = ("%s:%d\0%s"):format(device.account.pn, device.number, letter.node.attrs.id)
  local count = (recent.get(self.asked, key) or 0) + 1
  local receipt = retries.receipt(self.signal, letter.node, count, err)
  if not receipt then return end
  recent.put(self.asked, key, count)
  receipt.attrs.from, receipt.attrs.t = self.account:jid(letter.server), self.sandbox.time()
  receipt.attrs.recipient = device.account == self.account and letter.chat:jid(letter.server) or nil
  device.queue:push(receipt)
end

-- Reads what a device wrote to a phone, in step with its ratchet (S-308). Returns the Message, or nil and what is wrong with it.
local function read(self, device, enc)
  local known = (enc.attrs.type == "msg" or enc.attrs.type == "pkmsg") and type(enc.content) == "string"
  local plaintext, err
  if known then plaintext, err = self.signal:decrypt(device:jid "lid", enc.attrs.type, enc.content) end
  if plaintext then return proto.decode("Message", plaintext) end
  self.sandbox:note(("the phone of %s cannot read a message of %s: %s"):format(
    self.account.pn, device:jid(), tostring(err or enc.attrs.type)))
  return nil, err
end

-- A message of a chat is kept, or asked for again; of a group's there is only a sender key to keep in step with.
function read_mail(sandbox, account, letter)
  local self = open(sandbox, account)
  local message, err = read(self, letter.device, letter.enc)
  if not letter.chat then return end
  if message then return keep(self, letter.device, letter.node, letter.chat, message) end
  if err then ask_again(self, letter, err) end
end

--- Takes a message to a phone. It is read when the phone is asked for something, or when there is time.
-- @tparam table account whose phone
-- @tparam table device the sender
-- @tparam table node the message
-- @tparam table enc the one for this phone
-- @tparam ?table chat the account it was written to; nil: not to a person
-- @tparam ?string server the namespace it was addressed in
function phone.take(sandbox, account, device, node, enc, chat, server)
  if account.crowd then return end
  mail.put(sandbox, account, { device = device, node = { attrs = node.attrs }, enc = enc, chat = chat, server = server }, read_mail)
end

--- Reads a peer message of a companion, and answers what it asks for (S-310).
function phone.receive(sandbox, device, node, enc)
  local self = phone.of(sandbox, device.account)
  local message = read(self, device, enc)
  if not message then return end
  message = message.deviceSentMessage and message.deviceSentMessage.message or message
  local protocol = message.protocolMessage
  local answer = protocol and requests[protocol.type]
  if answer then answer(self, device, protocol, node.attrs.id) end
end

return phone
