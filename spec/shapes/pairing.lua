local node = require("moonpost.stanza").node

local function refs()
  return node("iq", { id = "1700000000-1", from = "s.whatsapp.net", type = "set", xmlns = "md" }, node("pair-device", nil, {
    node("ref", nil, "2@one"), node("ref", nil, "2@two"),
  }))
end

local function success()
  local word = node("pair-success", nil, {
    node("device-identity", nil, ("x"):rep(148)), node("device", { jid = "15550001111:7@s.whatsapp.net", lid = "100:7@lid" }),
    node("platform", { name = "android" }),
  })
  return node("iq", { id = "1700000000-2", from = "s.whatsapp.net", type = "set", xmlns = "md", t = "1700000000" }, word)
end

local function signed()
  return node("iq", { id = "1700000000-2", to = "s.whatsapp.net", type = "result" }, node("pair-device-sign", nil, {
    node("device-identity", { ["key-index"] = "1" }, ("x"):rep(150)),
  }))
end

local function refused()
  return node("iq", { id = "1700000000-2", to = "s.whatsapp.net", type = "error" }, node("error", { code = "401", text = "hmac-mismatch" }))
end

local function logout()
  return node("iq", { id = "1.2-3", to = "s.whatsapp.net", type = "set", xmlns = "md" },
    node("remove-companion-device", { jid = "15550001111:7@s.whatsapp.net", reason = "user_initiated" }))
end

return {
  { "to-client", "refs", refs, {
    { "pair-device/ref[2]#0", "iq/pair-device/ref[2]: expected at least 1 bytes, got 0 (09 §4.1, 08 S-041)" },
    { "@from=15550001111@s.whatsapp.net", "iq@from: expected 's.whatsapp.net', got '15550001111@s.whatsapp.net' (09 §4.1, 08 S-041)" },
    { "@id=1.2-3", "iq@id: expected an id of the server's own, without a dot, got '1.2-3' (09 §4.1, 08 S-041)" },
    { "+foo", "iq/foo: not a child of this stanza (09 §4.1, 08 S-041)" },
    { "@xmlns=w:p", 'no shape for iq type="set" xmlns="w:p" <pair-device/>' },
  } },
  { "to-client", "the phone's word for a device", success, {
    { "pair-success/device-identity#501", "iq/pair-success/device-identity: expected 1 to 500 bytes, got 501 (09 §4.1, 08 S-043)" },
    { "pair-success/platform!", "iq/pair-success/platform: missing (09 §4.1, 08 S-043)" },
    { "pair-success/device@jid=100:7@lid",
      "iq/pair-success/device@jid: expected a phone number's JID, got '100:7@lid' (09 §4.1, 08 S-043)" },
    { "pair-success/device@beta=1", "iq/pair-success/device@beta: expected true or false, got '1' (09 §4.1, 08 S-043)" },
  } },
  { "to-server", "that refs came", function() return node("iq", { id = "1700000000-1", to = "s.whatsapp.net", type = "result" }) end, {
    { "@to!", "iq@to: missing, expected 's.whatsapp.net' (02 §2.2, 08 S-041)" },
    { "+foo", 'no shape for iq type="result" <foo/>' },
  } },
  { "to-server", "the device's word", signed, {
    { "pair-device-sign/device-identity@key-index!",
      "iq/pair-device-sign/device-identity@key-index: missing, expected a number from 0 (02 §2.6, 08 S-044)" },
    { "pair-device-sign/device-identity#0", "iq/pair-device-sign/device-identity: expected 1 to 500 bytes, got 0 (02 §2.6, 08 S-044)" },
  } },
  { "to-server", "that the phone's word is false", refused, {
    { "error@text=signature", "iq/error@text: expected 'hmac-mismatch', got 'signature' (02 §2.6, 08 S-044)" },
    { "error@code=404", "iq/error@code: expected '401', got '404' (02 §2.6, 08 S-044)" },
  } },
  { "to-server", "a logout", logout, {
    { "remove-companion-device@reason!", "iq/remove-companion-device@reason: missing, expected a text (10 §1.3, 08 S-119)" },
    { "remove-companion-device@jid=g.us", "iq/remove-companion-device@jid: expected a person's JID, got 'g.us' (10 §1.3, 08 S-119)" },
  } },
}
