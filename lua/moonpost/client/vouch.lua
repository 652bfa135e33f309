--- Whether an account's phone vouches for a device (fact sheet 02 §2.5, 04 §3.5). The own phone's key was fixed when this device was
-- linked: whatever the server says, nobody speaks as an own device without that key's word. Of others the word must hold, if one
-- is shown; whose it is rests on the identities (02 §11).
-- @module moonpost.client.vouch
local core = require "moonpost.core"
local crypto, proto, jid = core.crypto, core.proto, core.wire.jid

local ACCOUNT, DEVICE = "\6\0", "\6\1"
local HOSTED_ACCOUNT, HOSTED_DEVICE = "\6\5", "\6\6"

local function distrust(text) return nil, core.error("unvouched", text) end

local function verified(key, message, signature) return #(signature or "") == 64 and crypto.verify(key, message, signature) end

-- The word of a phone's key for a device's identity, and the device's for the phone.
local function check_companion(key, identity, signed, inner)
  local hosted = inner.deviceType == "HOSTED"
  local said = signed.details .. identity
  if not verified(key, (hosted and HOSTED_ACCOUNT or ACCOUNT) .. said, signed.accountSignature) then
    return distrust "the phone does not vouch for a device in its account's name"
  end
  if not verified(identity, (hosted and HOSTED_DEVICE or DEVICE) .. said .. key, signed.deviceSignature) then
    return distrust "a device does not know the phone that vouches for it"
  end
  return true
end

local function read(blob)
  local signed = blob and proto.decode("ADVSignedDeviceIdentity", blob)
  local inner = signed and signed.details and proto.decode("ADVDeviceIdentity", signed.details)
  if inner then return signed, inner end
  return distrust "a device does not show who vouches for it"
end

local function is_phone(device) return select(3, jid.parse(device)) == 0 end

local vouch = {}

--- Checks an identity that is shown for one of the own devices.
-- @tparam table me own identity
-- @string device JID
-- @string identity 32 bytes
-- @tparam ?string blob its `<device-identity>`; the phone, device 0, has none
-- @treturn ?boolean true
-- @treturn ?table err code "untrusted" (not the phone's identity) or "unvouched" (not a device of the phone's)
function vouch.own(me, device, identity, blob)
  local key = assert(proto.decode("ADVSignedDeviceIdentity", me.deviceIdentity)).accountSignatureKey
  if is_phone(device) then
    if identity == key then return true end
    return nil, core.error("untrusted", "another identity is shown in the own phone's name")
  end
  local signed, inner = read(blob)
  if not signed then return nil, inner end
  return check_companion(key, identity, signed, inner)
end

--- Checks an identity that is shown for somebody else's device. Without a word of its phone, or a key to check it with, it is taken.
-- @param account core.signal account, which knows the phone's identity where the word does not say it
-- @string device JID, stable
-- @string identity 32 bytes
-- @tparam ?string blob its `<device-identity>`
-- @treturn ?boolean true
-- @treturn ?table err code "unvouched"
function vouch.other(account, device, identity, blob)
  if not blob or is_phone(device) then return true end
  local signed, inner = read(blob)
  if not signed then return nil, inner end
  local key = signed.accountSignatureKey or account:remote_identity(jid.bare(device))
  if not key then return true end
  if #key ~= 32 then return distrust "a device is vouched for by no key" end
  return check_companion(key, identity, signed, inner)
end

return vouch
