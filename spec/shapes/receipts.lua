local node = require("moonpost.stanza").node

local function id() return node("id", nil, "\0\0\1") end
local function value() return node("value", nil, ("v"):rep(32)) end

local function receipt(attrs, content)
  return function()
    local all = { id = "3EB0A1", to = "100:5@lid" }
    for name, one in pairs(attrs or {}) do all[name] = one end
    return node("receipt", all, content and content())
  end
end

local function list()
  return node("list", nil, { node("item", { id = "3EB0A2" }), node("item", { id = "3EB0A3" }) })
end

local function asks_again()
  return {
    node("retry", { v = "1", count = "2", id = "3EB0A1", t = "1700000000", error = "7" }), node("registration", nil, "\0\0\1\2"),
    node("keys", nil, {
      node("type", nil, "\5"), node("identity", nil, ("i"):rep(32)), node("key", nil, { id(), value() }),
      node("skey", nil, { id(), value(), node("signature", nil, ("s"):rep(64)) }), node("device-identity", nil, "adv"),
    }),
  }
end

local function delivered(attrs, content)
  return function()
    local all = { id = "3EB0A1", from = "100:5@lid", t = 1700000000 }
    for name, one in pairs(attrs or {}) do all[name] = one end
    return node("receipt", all, content and content())
  end
end

local function broken()
  return {
    node("encrypt", nil, { node("enc_p", nil, "sealed"), node("enc_iv", nil, ("i"):rep(12)) }),
    node("rmr", { jid = "100@lid", from_me = "false" }),
  }
end

local function ack(class, attrs)
  return function()
    local all = { class = class, id = "1700000000-1", to = "100@lid" }
    for name, one in pairs(attrs or {}) do all[name] = one end
    return node("ack", all)
  end
end

local delivery, acked = "(10 §10.2, 04 §7.3, 08 S-503)", "(10 §10.3, 08 S-506)"
local retry, got_retry = "(10 §10.2, 04 §9.2, 08 S-505)", "(09 §3.3, 08 S-505)"
local got = "(09 §3.2, 08 S-501, S-503)"

return {
  { "to-server", "a delivery receipt", receipt(), {
    { "@type=seen", "receipt@type: expected 'inactive', got 'seen' " .. delivery },
    { "@to!", "receipt@to: missing, expected a JID " .. delivery },
    { "@type=delivery", "receipt@type: expected 'inactive', got 'delivery' " .. delivery },
    { "@offline=1", "receipt@offline: not an attribute of this stanza " .. delivery },
  } },
  { "to-server", "one delivery receipt for three messages", receipt({ type = "inactive" }, list), {
    { "list/item[2]@id!", "receipt/list/item[2]@id: missing, expected an id " .. delivery },
    { "list/item[1]+x", "receipt/list/item[1]: expected no content, got <x> " .. delivery },
  } },
  { "to-server", "that an own device has its copy", receipt { type = "sender", to = "200:5@lid", recipient = "100@lid" }, {
    { "@recipient=nobody", "receipt@recipient: expected a chat's JID, got 'nobody' " .. delivery },
    { "@to=1@g.us", "receipt@to: expected a person's JID, got '1@g.us' " .. delivery },
  } },
  { "to-server", "that a peer message came", receipt { type = "peer_msg", to = "15550002222@s.whatsapp.net" }, {
    { "@participant=100@lid", "receipt@participant: not an attribute of this stanza (10 §10.2, 04 §7.3, 08 S-306)" },
  } },
  { "to-server", "that a message was read", receipt { type = "read", t = "1700000000", to = "100@lid" }, {
    { "@t!", "receipt@t: missing, expected unix seconds (10 §10.2, 04 §7.4, 08 S-503)" },
  } },
  { "to-server", "the wish for a message once more", receipt({ type = "retry" }, asks_again), {
    { "retry@count=0", "receipt/retry@count: expected a number from 1 to 5, got '0' " .. retry },
    { "retry@error=99", "receipt/retry@error: expected a number from 0 to 13, got '99' " .. retry },
    { "retry@id=3EB0A2", "receipt: <retry id> must be the receipt's id " .. retry },
    { "registration!", "receipt/registration: missing " .. retry },
    { "registration#3", "receipt/registration: expected 4 bytes, got 3 " .. retry },
    { "keys/identity#33", "receipt/keys/identity: expected 32 bytes, got 33 " .. retry },
    { "keys/key/value#33", "receipt/keys/key/value: expected 32 bytes, got 33 " .. retry },
    { "keys/skey!", "receipt/keys/skey: missing " .. retry },
  } },

  { "to-server", "that a blob is broken", receipt({ type = "server-error", to = "15550002222@s.whatsapp.net" }, broken), {
    { "encrypt/enc_iv#16", "receipt/encrypt/enc_iv: expected 12 bytes, got 16 (10 §10.2, 05 §14.5, 08 S-503)" },
    { "rmr@from_me=1", "receipt/rmr@from_me: expected true or false, got '1' (10 §10.2, 05 §14.5, 08 S-503)" },
    { "@category=peer", "receipt/rmr: not a child of this stanza (10 §10.2, 04 §12.6, 08 S-503)" },
  } },

  { "to-client", "a delivery receipt", delivered(), {
    { "@t!", "receipt@t: missing, expected unix seconds " .. got },
    { "@type=hist_sync",
      "receipt@type: expected delivery, read, played, inactive, server-error, sender, read-self, played-self or peer_msg" },
    { "@type=view", "receipt@type: expected delivery, read, played, inactive, server-error, sender, read-self, played-self or peer_msg" },
    { "@recipient=100:5@lid", "receipt@recipient: expected a person's JID without device, got '100:5@lid' " .. got },
    { "+participants", "receipt/participants: must not be here " .. got },
  } },
  { "to-client", "a receipt for three messages", delivered({ type = "read" }, list), {
    { "list/item[2]@id!", "receipt/list/item[2]@id: missing, expected an id " .. got },
  } },
  { "to-client", "a member's receipt", delivered({
    from = "120363000000000001@g.us", participant = "100:5@lid", participant_pn = "15550001111@s.whatsapp.net",
  }), {
    { "@participant!", "receipt@from: expected a person's JID, got '120363000000000001@g.us' " .. got },
    { "@type=view", "receipt@type: expected delivery, read, played, inactive, sender, read-self or played-self, got 'view' " },
  } },
  { "to-client", "a member's wish for a message once more", delivered({
    from = "120363000000000001@g.us", participant = "100:5@lid", type = "retry",
  }, asks_again), {
    { "registration!", "receipt/registration: missing (09 §3.3, 08 S-504, S-505)" },
  } },
  { "to-client", "the wish for a message once more", delivered({ type = "retry" }, asks_again), {
    { "registration#5", "receipt/registration: expected 4 bytes, got 5 " .. got_retry },
    { "keys/skey/signature#63", "receipt/keys/skey/signature: expected 64 bytes, got 63 " .. got_retry },
    { "@t!", "receipt@t: missing, expected unix seconds " .. got_retry },
  } },
  { "to-client", "that a receipt was taken", function() return node("ack", { class = "receipt", id = "3EB0A1", from = "100:5@lid" }) end, {
    { "@readreceipts=some", "ack@readreceipts: expected all or none, got 'some' (09 §3.5, 08 S-500)" },
  } },

  { "to-server", "that a notification was taken", ack("notification", { type = "server_sync", to = "s.whatsapp.net" }), {
    { "@type=gossip", "ack@type: expected status, account_sync, business, " },
    { "@from=200@lid", "ack@from: not an attribute of this stanza " .. acked },
  } },
  { "to-server", "that a message was refused", ack("message", { error = "487", from = "15550002222:5@s.whatsapp.net" }), {
    { "@error=42", "ack@error: expected a number from 415 to 599, got '42' (10 §10.3, 04 §7.1, 08 S-506)" },
    { "@from=200:5@lid", "ack@from: expected a phone number's JID, got '200:5@lid' (10 §10.3, 04 §7.1, 08 S-506)" },
  } },
  { "to-server", "that a receipt was taken", ack("receipt", { type = "read" }), {
    { "@id!", "ack@id: missing, expected an id " .. acked },
  } },
  { "to-server", "that a call was taken", ack("call"), {
    { "@to!", "ack@to: missing, expected a JID " .. acked },
    { "@class=letter", 'no shape for ack class="letter" to-server (10 §10)' },
  } },
}
