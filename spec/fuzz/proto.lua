-- Protobuf: decode, encode and decode agree, and protobuf-c reads the same message before and after. Returns
-- fn(bytes, same); same is proto_fuzz.c's.
local proto = require("moonpost.core").proto
local compare = require "spec.fuzz.compare"

local names = {
  "Message", "ClientPayload", "HandshakeMessage", "CertChain", "NoiseCertificate", "ADVSignedDeviceIdentityHMAC",
  "ADVSignedDeviceIdentity", "ADVKeyIndexList", "DeviceProps", "HistorySync", "SyncActionValue", "SyncdPatch", "WebMessageInfo",
  "SenderKeyDistributionMessage", "VerifiedNameCertificate", "StoreMe", "StoreOutbox", "ContextInfo", "MessageContextInfo",
}
for _, name in ipairs(names) do assert(proto.fields(name), name) end

return function(bytes, same)
  if #bytes == 0 then return end
  local name = names[bytes:byte() % #names + 1]
  bytes = bytes:sub(2)
  local message, err = proto.decode(name, bytes)
  if not message then
    assert(#err.code > 0 and err.message:sub(1, #name) == name, "an error that does not say where")
    return
  end
  local encoded = assert(proto.encode(name, message))
  local again = assert(proto.decode(name, encoded))
  compare(message, again)
  assert(proto.encode(name, again) == encoded, "the second encoding differs")
  assert(same(name, bytes, encoded) ~= false, "protobuf-c sees another message")
end
