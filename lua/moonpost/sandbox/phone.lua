--- The simulated phone of an account (fact sheet 08 §10): device 0, with a Signal identity of its own.
-- @module moonpost.sandbox.phone
local core = require "moonpost.core"
local stanza = require "moonpost.stanza"
local appstate = require "moonpost.sandbox.appstate"

local proto, crypto = core.proto, core.crypto

local Phone = {}
Phone.__index = Phone

local phone = {}

--- The phone of an account, made at first need.
function phone.of(sandbox, account)
  if account.phone then return account.phone end
  local signal = core.signal.account(sandbox.store, "phone " .. account.pn)
  if not signal:exists() then signal:create() end
  account.phone = setmetatable({ sandbox = sandbox, account = account, signal = signal }, Phone)
  return account.phone
end

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

--- Sends a peer message to a companion (S-300).
function Phone:tell(device, message)
  local address = device:jid "lid"
  local ok, err = ensure_session(self, address)
  local sealed = ok and self.signal:encrypt({ address }, assert(proto.encode("Message", message)))[1]
  if not ok or sealed.error then
    self.sandbox:note(("the phone of %s cannot write to %s: %s"):format(self.account.pn, address, tostring(err or sealed.error)))
    return
  end
  device.queue:push(stanza.node("message", {
    from = self.account:jid(), id = crypto.hex(crypto.random(16)):upper(), t = self.sandbox.time(), type = "text", category = "peer",
  }, stanza.node("enc", { v = "2", type = sealed.type }, sealed.ciphertext)))
end

-- The account's app-state key; when ids are given, only if it is one of them.
local function key_share(self, wanted)
  local account = self.account
  local id, data = appstate.key(self.sandbox, account)
  if wanted and not wanted[id] then return nil end
  local indexes = { 0 }
  for _, device in ipairs(self.sandbox.accounts:companions(account)) do indexes[#indexes + 1] = device.key_index end
  return { protocolMessage = { type = "APP_STATE_SYNC_KEY_SHARE", appStateSyncKeyShare = { keys = { {
    keyId = { keyId = id },
    keyData = {
      keyData = data, fingerprint = { rawId = account.raw_id, currentIndex = indexes[#indexes], deviceIndexes = indexes },
      timestamp = math.floor(core.net.time() * 1000),
    },
  } } } } }
end

local function history(self, kind)
  local account = self.account
  local mappings = {}
  for pn in pairs(account.contacts) do
    local contact = self.sandbox.accounts.by_pn[pn]
    if contact then mappings[#mappings + 1] = { pnJid = contact:jid(), lidJid = contact:jid "lid" } end
  end
  local payload = assert(proto.encode("HistorySync", {
    syncType = kind, chunkOrder = 1, progress = 100,
    pushnames = { { id = account:jid(), pushname = account.name } }, phoneNumberToLidMappings = mappings,
  }))
  return { protocolMessage = { type = "HISTORY_SYNC_NOTIFICATION", historySyncNotification = {
    syncType = kind, chunkOrder = 1, progress = 100, initialHistBootstrapInlinePayload = assert(core.wire.deflate(payload)),
  } } }
end

--- What a phone tells a companion right after its first login: the app-state key, then the history (S-300 to S-305).
function phone.greet(sandbox, device)
  local self = phone.of(sandbox, device.account)
  self:tell(device, key_share(self))
  self:tell(device, history(self, "INITIAL_BOOTSTRAP"))
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

-- More history than there is at the start the phone does not have; of everything else the result is empty.
function requests.PEER_DATA_OPERATION_REQUEST_MESSAGE(self, device, protocol, id)
  local request = protocol.peerDataOperationRequestMessage
  if request and request.peerDataOperationRequestType == "HISTORY_SYNC_ON_DEMAND" then
    return self:tell(device, history(self, "ON_DEMAND"))
  end
  self:tell(device, { protocolMessage = {
    type = "PEER_DATA_OPERATION_REQUEST_RESPONSE_MESSAGE",
    peerDataOperationRequestResponseMessage = {
      peerDataOperationRequestType = request and request.peerDataOperationRequestType, stanzaId = id,
    },
  } })
end

--- Reads what is meant for a phone, in step with the sender's ratchet (S-308). What it cannot read it lets pass, as phones do here.
-- @tparam table account whose phone
-- @tparam table device the sender
-- @tparam table enc
-- @treturn ?table Message
function phone.read(sandbox, account, device, enc)
  local self = phone.of(sandbox, account)
  local known = enc.attrs.type == "msg" or enc.attrs.type == "pkmsg"
  local plaintext, err
  if known then plaintext, err = self.signal:decrypt(device:jid "lid", enc.attrs.type, enc.content) end
  if plaintext then return proto.decode("Message", plaintext) end
  sandbox:note(("the phone of %s cannot read a message of %s: %s"):format(account.pn, device:jid(), tostring(err or enc.attrs.type)))
end

--- Reads a peer message of a companion, and answers what it asks for (S-310).
function phone.receive(sandbox, device, node, enc)
  local self = phone.of(sandbox, device.account)
  local message = phone.read(sandbox, device.account, device, enc)
  if not message then return end
  message = message.deviceSentMessage and message.deviceSentMessage.message or message
  local protocol = message.protocolMessage
  local answer = protocol and requests[protocol.type]
  if answer then answer(self, device, protocol, node.attrs.id) end
end

return phone
