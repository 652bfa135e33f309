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

local function about_code(id, type, attrs, children)
  return node("iq", { id = id, to = "s.whatsapp.net", type = type, xmlns = "md" }, node("link_code_companion_reg", attrs, children))
end

local function code_ref() return node("link_code_pairing_ref", nil, "ref") end

local function hello()
  local attrs = { jid = "15550001111@s.whatsapp.net", stage = "companion_hello", should_show_push_notification = "true" }
  return about_code("1.2-3", "set", attrs, {
    node("link_code_pairing_wrapped_companion_ephemeral_pub", nil, ("w"):rep(80)),
    node("companion_server_auth_key_pub", nil, ("n"):rep(32)), node("companion_platform_id", nil, "1"),
    node("companion_platform_display", nil, "Chrome (Linux)"), node("link_code_pairing_nonce", nil, "\0"),
  })
end

local function hello_answer()
  return node("iq", { id = "1.2-3", from = "s.whatsapp.net", type = "result" },
    node("link_code_companion_reg", { stage = "companion_hello" }, code_ref()))
end

local function finish()
  return about_code("1.2-3", "set", { jid = "15550001111@s.whatsapp.net", stage = "companion_finish" }, {
    node("link_code_pairing_wrapped_key_bundle", nil, ("b"):rep(156)), node("companion_identity_public", nil, ("i"):rep(32)), code_ref(),
  })
end

local function country() return about_code("1.2-3", "get", { stage = "get_country_code" }) end

local function told(type, child)
  return node("notification", { type = type, id = "1700000000-1", from = "s.whatsapp.net", t = "1700000000" }, child)
end

local function typed()
  return told("link_code_companion_reg", node("link_code_companion_reg", { stage = "primary_hello" }, {
    node("link_code_pairing_wrapped_primary_ephemeral_pub", nil, ("w"):rep(80)), node("primary_identity_pub", nil, ("i"):rep(32)),
    code_ref(),
  }))
end

local function refresh()
  return told("link_code_companion_reg",
    node("link_code_companion_reg", { stage = "refresh_code", force_manual_refresh = "true" }, code_ref()))
end

return {
  { "to-server", "a wish for a linking code", hello, {
    { "link_code_companion_reg@jid=100@lid",
      "iq/link_code_companion_reg@jid: expected a phone number's JID without device, got '100@lid' (10 §1.3, 08 S-060)" },
    { "link_code_companion_reg/companion_server_auth_key_pub#31",
      "iq/link_code_companion_reg/companion_server_auth_key_pub: expected 32 bytes, got 31 (10 §1.3, 08 S-060)" },
    { "link_code_companion_reg/link_code_pairing_wrapped_companion_ephemeral_pub#79",
      "iq/link_code_companion_reg/link_code_pairing_wrapped_companion_ephemeral_pub: expected 80 bytes, got 79 (10 §1.3, 08 S-060)" },
  } },
  { "to-client", "a linking code's ref", hello_answer, {
    { "link_code_companion_reg@stage!",
      "iq/link_code_companion_reg@stage: missing, expected 'companion_hello' (10 §1.3, 08 S-060)" },
  }, request = hello },
  { "to-client", "that an account has no linking by code", function()
    return node("iq", { id = "1.2-3", from = "s.whatsapp.net", type = "error" },
      node("error", { code = "452", text = "feature-not-available" }))
  end, {
    { "error@code=404",
      "iq/error@text: code 404 and text 'feature-not-available' are no pair the official client knows (10 §0.3, 08 S-900)" },
  }, request = hello },
  { "to-server", "the keys that end a linking by code", finish, {
    { "link_code_companion_reg/link_code_pairing_wrapped_key_bundle#155",
      "iq/link_code_companion_reg/link_code_pairing_wrapped_key_bundle: expected 156 bytes, got 155 (10 §1.3, 08 S-062)" },
    { "link_code_companion_reg/link_code_pairing_ref!",
      "iq/link_code_companion_reg/link_code_pairing_ref: missing (10 §1.3, 08 S-062)" },
  } },
  { "to-server", "the question for a country", country, {
    { "link_code_companion_reg@jid=1",
      "iq/link_code_companion_reg@jid: not an attribute of this stanza (10 §1.3, 08 S-060)" },
  } },
  { "to-client", "a country", function()
    return node("iq", { id = "1.2-3", from = "s.whatsapp.net", type = "result" }, node("country_code", { iso = "US" }))
  end, {
    { "country_code@iso!", "iq/country_code@iso: missing, expected a text (10 §1.3, 08 S-060)" },
  }, request = country },
  { "to-client", "that the phone has a linking code", typed, {
    { "link_code_companion_reg/primary_identity_pub#33",
      "notification/link_code_companion_reg/primary_identity_pub: expected 32 bytes, got 33 (09 §4.2, 08 S-061)" },
    { "@t!", "notification@t: missing, expected unix seconds (09 §4.2, 08 S-061)" },
  } },
  { "to-client", "that a linking code is void", refresh, {
    { "link_code_companion_reg@force_manual_refresh=yes",
      "notification/link_code_companion_reg@force_manual_refresh: expected true or false, got 'yes' (09 §4.2, 08 S-063)" },
  } },
  { "to-client", "that the secrets of QRs are retired", function()
    return told("companion_reg_refresh", node "companion_reg_refresh")
  end, {
    { "@from=100@lid", "notification@from: expected 's.whatsapp.net', got '100@lid' (09 §2.3, 08 S-063)" },
  } },
  { "to-client", "that QRs are to be turned", function() return told("companion_reg_refresh", node "pair-device-rotate-qr") end, {
    { "@id=1.2-3", "notification@id: expected an id of the server's own, without a dot, got '1.2-3' (09 §2.3, 08 S-063)" },
  } },
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
