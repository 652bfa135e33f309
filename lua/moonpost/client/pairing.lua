--- Linking (fact sheet 02 §2, §3): registration connections are made until the phone, shown a QR or told a code, vouches for this
-- device, which vouches back.
-- @module moonpost.client.pairing
local core = require "moonpost.core"
local endings = require "moonpost.client.endings"
local new_registration = require "moonpost.client.registration"
local phone_code = require "moonpost.client.phone_code"
local qr_codes = require "moonpost.client.qr_codes"
local stanza = require "moonpost.stanza"
local task = require "moonpost.task"

local crypto, proto, jid = core.crypto, core.proto, core.wire.jid

-- Seconds: the first QR, each next one, a linking code (§3.2), the phone's word after the code was typed (§3.4), an answer about a
-- code, between pings, and how long the server may take to end a connection that is done with. After a connection that was lost the
-- next one waits, from `pause` up to `longest_pause`.
local PACE = { first = 60, next = 20, code = 180, word = 60, answer = 30, ping = 25, ending = 5, pause = 1, longest_pause = 60 }

local ACCOUNT, DEVICE, HOSTED = "\6\0", "\6\1", "\6\5"

local Pairing = {}
Pairing.__index = Pairing

-- An error that ends the pairing; the server is told {code, text}.
local function refusal(code, text, message)
  local err = core.error("pairing", message)
  err.reply, err.final = { code = code, text = text }, true
  return err
end

local function malformed() return refusal(500, "internal-error", "the pairing's device identity is malformed") end

--- Checks what the phone says of this device (§2.5, §2.6); returns the signed identity as a table and its inner details.
function Pairing:verify(bytes)
  local account = self.client.account
  local outer = bytes and proto.decode("ADVSignedDeviceIdentityHMAC", bytes)
  if not outer or not outer.details or not outer.hmac then return nil, malformed() end
  local prefix = outer.accountType == "HOSTED" and HOSTED or ""
  if not account:adv_hmac_ok(prefix .. outer.details, outer.hmac) then
    return nil, refusal(401, "hmac-mismatch", "the pairing does not come from the phone that scanned the QR (HMAC mismatch)")
  end
  local signed = proto.decode("ADVSignedDeviceIdentity", outer.details)
  local inner = signed and signed.details and proto.decode("ADVDeviceIdentity", signed.details)
  if not inner then return nil, malformed() end
  local key, signature = signed.accountSignatureKey or "", signed.accountSignature or ""
  local message = (inner.deviceType == "HOSTED" and HOSTED or ACCOUNT) .. signed.details .. account:public().identity
  if #key ~= 32 or #signature ~= 64 or not crypto.verify(key, message, signature) then
    return nil, refusal(401, "signature-mismatch", "the phone's signature of this device is wrong")
  end
  return signed, inner
end

--- This device's word back: the signed identity with its own signature.
function Pairing:sign(signed)
  local identity = self.client.account:identity()
  signed.deviceSignature = identity:sign(DEVICE .. signed.details .. identity:public() .. signed.accountSignatureKey)
  return signed
end

-- Files who this device is now; the reply that follows may be the last the server hears of this connection.
local function keep(self, node, signed)
  local client = self.client
  local device = stanza.path(node, "pair-success", "device")
  local user, server, number = jid.parse(device and device.attrs.jid or "")
  if (user or "") == "" or server ~= "s.whatsapp.net" or number == 0 then -- 0 is the phone
    return nil, refusal(500, "internal-error", "the pairing names no device")
  end
  if device.attrs.lid and not client.lids.is_lid(device.attrs.lid) then
    return nil, refusal(500, "internal-error", "the pairing's name for the account is no LID")
  end
  local me = {
    jid = jid.make(user, server), lid = device.attrs.lid and jid.bare(device.attrs.lid), device = number, name = client.name,
    deviceIdentity = assert(proto.encode("ADVSignedDeviceIdentity", signed)), linkedAt = math.floor(core.net.time()),
  }
  client.lids:learn_own(me)
  client.account:trust_identity(me.lid or me.jid, signed.accountSignatureKey)
  client:set_me(me)
  local _, err = client:commit()
  if not err then
    client.log:debug("linked as %s, device %d", me.jid, me.device)
    return me
  end
  client:set_me(nil)
  return nil, refusal(500, "internal-error", "the linked account cannot be stored: " .. tostring(err))
end

local function answer(node, signed, inner)
  return stanza.node("iq", { to = "s.whatsapp.net", type = "result", id = node.attrs.id }, stanza.node("pair-device-sign", nil,
    stanza.node("device-identity", { ["key-index"] = inner.keyIndex or 0 }, assert(proto.encode("ADVSignedDeviceIdentity", {
      details = signed.details, accountSignature = signed.accountSignature, deviceSignature = signed.deviceSignature,
    })))))
end

--- The phone's word for this device came: it is checked, and everything a login needs is stored.
-- @tparam table node the iq with the <pair-success>
-- @treturn ?table this device's word, to be sent
-- @treturn ?table err with `reply` = {code=, text=} for the server
function Pairing:accept(node)
  local signed, inner = self:verify(stanza.bytes(node, "pair-success", "device-identity"))
  if not signed then return nil, inner end
  local kept, me, err = pcall(keep, self, node, self:sign(signed))
  if not kept then me, err = nil, refusal(500, "internal-error", "the linked account cannot be stored: " .. tostring(me)) end
  if not me then return nil, err end
  return answer(node, signed, inner)
end

local function pause(self, failures, err)
  local seconds = math.min(self.pace.longest_pause, self.pace.pause * 1.6 ^ (failures - 1)) * (0.8 + 0.4 * math.random())
  self.stopping:pop(math.max(seconds, err.penalty or 0))
end

local function new_way(client, options)
  if options.qr then return qr_codes(client, options.qr) end
  return phone_code(client, options.phone, options.code)
end

--- Links the account. A server that cannot be reached at all is an error; once a QR or a code was shown the connection is made
-- again, and the codes are fresh, until the phone has taken one.
-- @tparam table options qr = fn(text, seconds): shows a QR; or phone = digits and code = fn(code, seconds): shows a code
-- @treturn ?table me
-- @treturn ?table err
function Pairing:pair(options)
  local client, failures = self.client, 0
  if self.busy then return nil, core.error("busy", "this client is being linked already") end
  self.busy = true
  local guard <close> = setmetatable({}, { __close = function() self.busy = false end })
  if client.account:exists() then client.account:renew_adv_secret() else client.account:create() end
  local way = new_way(client, options)
  while guard and not self.stopped do
    self.current = new_registration(self, way)
    local me, err = self.current:run()
    if me then return me end
    if err and (err.final or not way.shown and err.code ~= "restart") then
      local advice = endings.advice(err, client.root, client.url)
      if advice then err.message = err.message .. "; " .. advice end
      return nil, err
    end
    failures = err and failures + 1 or 0 -- no error: the codes had run out
    if err then pause(self, failures, err) end
  end
  return nil, core.error("closed", "the client is closed")
end

--- Ends a pairing that is under way.
function Pairing:stop()
  self.stopped = true
  self.stopping:close()
  if self.current then self.current:abort() end
end

return function(client) return setmetatable({ client = client, pace = PACE, stopping = task.queue() }, Pairing) end
