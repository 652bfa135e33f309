--- The simulated phone of an account (fact sheet 08 §10): device 0, with a Signal identity of its own.
-- @module moonpost.sandbox.phone
local core = require "moonpost.core"
local stanza = require "moonpost.stanza"
local appstate_phone = require "moonpost.sandbox.appstate_phone"
local mail = require "moonpost.sandbox.mail"
local phone_files = require "moonpost.sandbox.phone_files"
local phone_mail = require "moonpost.sandbox.phone_mail"
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

--- All phones read what they were written: what is about to be deleted, they have then.
function phone.read_all(sandbox)
  for account in pairs(sandbox.mailed) do mail.read(account, read_mail) end
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
-- @tparam ?table how type and mediatype where it is no text; once: only phones are shown it (05 §17); count of an answer to a retry receipt
function Phone:address(device, attrs, message, how)
  how = how or {}
  attrs.t, attrs.type = self.sandbox.time(), how.type or "text"
  if how.once then
    return device.queue:push(stanza.node("message", attrs, stanza.node("unavailable", { type = "view_once" })))
  end
  local address = device:jid "lid"
  local ok, err = ensure_session(self, address)
  local sealed = ok and self.signal:encrypt({ address }, assert(proto.encode("Message", message)))[1]
  if not ok or sealed.error then
    self.sandbox:note(("the phone of %s cannot write to %s: %s"):format(self.account.pn, address, tostring(err or sealed.error)))
    return
  end
  device.queue:push(stanza.node("message", attrs, stanza.node("enc", {
    v = "2", type = sealed.type, count = how.count, mediatype = how.mediatype,
  }, sealed.ciphertext)))
end

local function told_key(device, id) return device:jid "lid" .. "\0" .. id end

--- Does the same, and remembers it: the device may ask for it again.
function Phone:write_to(device, attrs, message, how)
  recent.put(self.told, told_key(device, attrs.id), { attrs = attrs, message = message, how = how })
  self:address(device, attrs, message, how)
end

--- Sends a peer message to a companion (S-300).
-- @treturn string its id
function Phone:tell(device, message)
  local id = crypto.hex(crypto.random(16)):upper()
  self:write_to(device, { from = self.account:jid(), id = id, category = "peer" }, message, {})
  return id
end

--- Somebody's device could not read what a phone sent it: it gets that again, in a session it can read.
-- @tparam table account whose phone
-- @tparam table device
-- @tparam table node its retry receipt
function phone.retry(sandbox, account, device, node)
  local self, request = phone.of(sandbox, account), retries.read(node)
  local told = request and recent.get(self.told, told_key(device, request.id))
  if not told or request.count > retries.COUNTS then return end
  local address = device:jid "lid"
  if request.keys then
    local ok, err = self.signal:process_bundle(address, request.keys)
    if not ok then return sandbox:note(("the phone of %s takes no keys of %s: %s"):format(self.account.pn, address, tostring(err))) end
  elseif request.count > 1 or self.signal:registration_id(address) ~= request.registration then
    self.signal:delete_session(address)
  end
  local how = { count = request.count }
  for name, value in pairs(told.how) do how[name] = value end
  self:address(device, told.attrs, told.message, how)
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

-- Messages the phone gives as far as it has read them; of everything else but history the result is empty.
function requests.PEER_DATA_OPERATION_REQUEST_MESSAGE(self, device, protocol, id)
  local request = protocol.peerDataOperationRequestMessage or {}
  local kind = request.peerDataOperationRequestType
  if kind == "HISTORY_SYNC_ON_DEMAND" then return history.on_demand(self, device, request.historySyncOnDemandRequest or {}, id) end
  self:tell(device, { protocolMessage = {
    type = "PEER_DATA_OPERATION_REQUEST_RESPONSE_MESSAGE",
    peerDataOperationRequestResponseMessage = {
      peerDataOperationRequestType = kind, stanzaId = id,
      peerDataOperationResult = kind == "PLACEHOLDER_MESSAGE_RESEND" and phone_mail.resend(self, request) or nil,
    },
  } })
end

function read_mail(sandbox, account, letter) phone_mail.open(open(sandbox, account), letter) end

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

--- Takes a group's message to the phone of a member: its sender key, and, where it may have a file, what is under that.
-- @string group JID
-- @tparam ?table enc the one for this phone
-- @tparam ?table shared the one for everybody
function phone.take_group(sandbox, account, device, node, group, enc, shared)
  if account.crowd or not enc and (not shared or node.attrs.type ~= "media") then return end
  mail.put(sandbox, account, {
    device = device, node = { attrs = node.attrs }, enc = enc, group = group, shared = node.attrs.type == "media" and shared or nil,
  }, read_mail)
end

--- The phones of all who are in a chat have what one of them has sent from it.
-- @tparam table self the sender's
-- @tparam table out id, message
-- @tparam table accounts who is in the chat
-- @tparam table where chat (the account it was sent to), or group
function phone.keep_sent(self, out, accounts, where)
  local function keep(account, chat)
    local own = phone.of(self.sandbox, account)
    phone_mail.keep(own, out.id, { chat = chat, group = where.group, author = self.account, message = out.message })
  end
  keep(self.account, where.chat)
  for _, account in ipairs(accounts) do
    if account ~= self.account and not account.crowd then keep(account, where.chat and self.account) end
  end
end

--- A companion cannot get a file (S-836).
function phone.find_file(sandbox, device, node) phone_files.retry(phone.of(sandbox, device.account), device, node) end

--- Reads a peer message of a companion, and answers what it asks for (S-310).
function phone.receive(sandbox, device, node, enc)
  local self = phone.of(sandbox, device.account)
  local message = phone_mail.read(self, device, enc)
  if not message then return end
  message = message.deviceSentMessage and message.deviceSentMessage.message or message
  local protocol = message.protocolMessage
  local answer = protocol and requests[protocol.type]
  if answer then answer(self, device, protocol, node.attrs.id) end
end

return phone
