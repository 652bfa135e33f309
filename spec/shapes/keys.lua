local node = require("moonpost.stanza").node

local function id() return node("id", nil, "\0\0\1") end
local function value() return node("value", nil, ("v"):rep(32)) end
local function key() return node("key", nil, { id(), value() }) end
local function skey() return node("skey", nil, { id(), value(), node("signature", nil, ("s"):rep(64)) }) end
local function identity() return node("identity", nil, ("i"):rep(32)) end
local function registration() return node("registration", nil, "\0\0\1\2") end
local function key_type() return node("type", nil, "\5") end

local function ask(type, content)
  return function() return node("iq", { id = "1.2-3", to = "s.whatsapp.net", type = type, xmlns = "encrypt" }, content()) end
end

local function answer(content)
  return function() return node("iq", { id = "1.2-3", from = "s.whatsapp.net", type = "result" }, content()) end
end

local function notification(from, child)
  return function() return node("notification", { type = "encrypt", id = "1700000000-1", from = from, t = "1700000000" }, child()) end
end

local count = ask("get", function() return node "count" end)
local digest = ask("get", function() return node "digest" end)
local rotate = ask("set", function() return node("rotate", nil, { skey() }) end)
local upload = ask("set", function() return { registration(), key_type(), identity(), node("list", nil, { key(), key() }), skey() } end)

local fetch = ask("get", function()
  return node("key", nil, { node("user", { jid = "100:3@lid", reason = "identity" }), node("user", { jid = "200@lid" }) })
end)

local bundles = answer(function()
  return node("list", nil, {
    node("user", { jid = "100:3@lid", t = "1700000000" }, {
      registration(), key_type(), identity(), skey(), key(), node("device-identity", nil, "adv"),
    }),
    node("user", { jid = "200@lid" }, node("error", { code = "500", text = "internal-server-error" })),
  })
end)

local known = answer(function()
  return node("digest", nil, {
    registration(), key_type(), identity(), skey(), node("list", nil, { id() }), node("hash", nil, ("h"):rep(20)),
  })
end)

return {
  { "to-server", "the question how many keys there are", count, {
    { "count@value=1", "iq/count@value: not an attribute of this stanza (02 §10.1, 08 S-201)" },
  } },
  { "to-client", "how many keys there are", answer(function() return node("count", { value = 812 }) end), {
    { "count@value=many", "iq/count@value: expected a number from 0, got 'many' (02 §10.1, 08 S-201)" },
    { "count!", "iq/count: missing (02 §10.1, 08 S-201)" },
  }, request = count },

  { "to-server", "a wish for keys of devices", fetch, {
    { "key/user[2]@jid=200@g.us", "iq/key/user[2]@jid: expected a person's JID, got '200@g.us' (10 §2, 08 S-204)" },
    { "key/user[1]+device", "iq/key/user[1]: expected no content, got <device> (10 §2, 08 S-204)" },
  } },
  { "to-client", "keys of devices", bundles, {
    { "list/user[1]/registration#3", "iq/list/user[1]/registration: expected 4 bytes, got 3 (10 §2, 08 S-204)" },
    { "list/user[1]/identity#33", "iq/list/user[1]/identity: expected 32 bytes, got 33 (10 §2, 08 S-204)" },
    { "list/user[1]/skey/signature#63", "iq/list/user[1]/skey/signature: expected 64 bytes, got 63 (10 §2, 08 S-204)" },
    { "list/user[1]/skey!", "iq/list/user[1]/skey: missing (10 §2, 08 S-204)" },
    { "list/user[1]/key/id#1", "iq/list/user[1]/key/id: expected 3 bytes, got 1 (10 §2, 08 S-204)" },
    { "list/user[2]/error@code=404", "iq/list/user[2]/error@code: expected a number from 500 to 599, got '404' (10 §2, 08 S-204)" },
  }, request = fetch },
  { "to-client", "that nobody has keys", function()
    return node("iq", { id = "1.2-3", from = "s.whatsapp.net", type = "error" }, node("error", { code = "406", text = "not-acceptable" }))
  end, {
    { "error@text=nope", "iq/error@text: code 406 and text 'nope' are no pair the official client knows (10 §0.3, 08 S-900)" },
    { "error@text!", "iq/error@text: code 406 and text 'nil' are no pair the official client knows (10 §0.3, 08 S-900)" },
    { "error*", "iq/error: an error answer holds exactly one <error> (10 §0.2)" },
  }, request = fetch },

  { "to-server", "an upload", upload, {
    { "list/key[2]/value#33", "iq/list/key[2]/value: expected 32 bytes, got 33 (10 §2, 08 S-203)" },
    { "list/key[1]/id#4", "iq/list/key[1]/id: expected 3 bytes, got 4 (10 §2, 08 S-203)" },
    { "type!", "iq/type: missing (10 §2, 08 S-203)" },
    { "skey/signature!", "iq/skey/signature: missing (10 §2, 08 S-203)" },
    { "+foo", "iq/foo: not a child of this stanza (10 §2, 08 S-203)" },
  } },
  { "to-server", "a new signed key", rotate, {
    { "rotate/skey/id#2", "iq/rotate/skey/id: expected 3 bytes, got 2 (10 §2, 08 S-205)" },
  } },
  { "to-server", "the question what the server holds", digest, {
    { "digest@x=1", "iq/digest@x: not an attribute of this stanza (10 §2, 08 S-206)" },
  } },
  { "to-client", "what the server holds", known, {
    { "digest/hash#32", "iq/digest/hash: expected 20 bytes, got 32 (10 §2, 08 S-206)" },
    { "digest/list!", "iq/digest/list: missing (10 §2, 08 S-206)" },
  }, request = digest },

  { "to-client", "that keys run out", notification("s.whatsapp.net", function() return node("count", { value = 4 }) end), {
    { "count@value!", "notification/count@value: missing, expected a number from 0 (09 §2.9, 02 §10.3, 08 S-216)" },
    { "@id=1.2-3", "notification@id: expected an id of the server's own, without a dot, got '1.2-3' (09 §2.9, 02 §10.3, 08 S-216)" },
    { "@offline=13", "notification@offline: expected a number from 0 to 12, got '13' (09 §2.9, 02 §10.3, 08 S-216)" },
  } },
  { "to-client", "that somebody has new keys", notification("100@lid", function() return node "identity" end), {
    { "@from=100:3@lid", "notification@from: expected a person's JID without device, got '100:3@lid' (09 §2.9, 03 §4.8, 08 S-217)" },
    { "@t!", "notification@t: missing, expected unix seconds (09 §2.9, 03 §4.8, 08 S-217)" },
  } },
}
