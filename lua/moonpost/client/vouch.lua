--- Whether the own phone vouches for a device in the own account's name (fact sheet 02 §2.5, 04 §3.5). The phone's key was fixed when
-- this device was linked; whatever the server says, nobody speaks as an own device without that key's word.
-- @module moonpost.client.vouch
local core = require "moonpost.core"
local crypto, proto, jid = core.crypto, core.proto, core.wire.jid

local ACCOUNT, DEVICE = "\6\0", "\6\1"
local HOSTED_ACCOUNT, HOSTED_DEVICE = "\6\5", "\6\6"

local function distrust(text) return nil, core.error("unvouched", text) end

local function verified(key, message, signature) return #(signature or "") == 64 and crypto.verify(key, message, signature) end

local function check_companion(key, identity, blob)
  local signed = blob and proto.decode("ADVSignedDeviceIdentity", blob)
  local inner = signed and signed.details and proto.decode("ADVDeviceIdentity", signed.details)
  if not inner then return distrust "an own device does not show who vouches for it" end
  local hosted = inner.deviceType == "HOSTED"
  local said = signed.details .. identity
  if not verified(key, (hosted and HOSTED_ACCOUNT or ACCOUNT) .. said, signed.accountSignature) then
    return distrust "the own phone does not vouch for a device in the account's name"
  end
  if not verified(identity, (hosted and HOSTED_DEVICE or DEVICE) .. said .. key, signed.deviceSignature) then
    return distrust "a device in the account's name does not know the phone that vouches for it"
  end
  return true
end

--- Checks an identity that is shown for one of the own devices.
-- @tparam table me own identity
-- @string device JID
-- @string identity 32 bytes
-- @tparam ?string blob its `<device-identity>`; the phone, device 0, has none
-- @treturn ?boolean true
-- @treturn ?table err code "untrusted" (not the phone's identity) or "unvouched" (not a device of the phone's)
return function(me, device, identity, blob)
  local key = assert(proto.decode("ADVSignedDeviceIdentity", me.deviceIdentity)).accountSignatureKey
  if select(3, jid.parse(device)) ~= 0 then return check_companion(key, identity, blob) end
  if identity == key then return true end
  return nil, core.error("untrusted", "another identity is shown in the own phone's name")
end
