--- The key service: upload, count, check and hand-out of keys.
-- @module moonpost.shapes.keys
local t = require "moonpost.shapes.terms"

local also, bytes, device, either, int, many, maybe, node = t.also, t.bytes, t.device, t.either, t.int, t.many, t.maybe, t.node
local query, rule, shape, some, some_bytes, text, time = t.query, t.rule, t.shape, t.some, t.some_bytes, t.text, t.time

local id, value, signature = node("id", {}, bytes(3)), node("value", {}, bytes(32)), node("signature", {}, bytes(64))
local registration, key_type, identity = node("registration", {}, bytes(4)), node("type", {}, bytes(1)), node("identity", {}, bytes(32))
local skey, key = node("skey", {}, { id, value, signature }), node("key", {}, { id, value })

local bundle = node("user", { jid = device, t = maybe(time), is_cloud_api = maybe "true" }, {
  registration, maybe(key_type), identity, skey, maybe(key), maybe(node("device-identity", {}, some_bytes)),
  maybe(node("pqkey", {}, { id, node("value", {}, bytes(1568)), signature })),
})
local no_bundle = node("user", { jid = device }, { node("error", { code = int(500, 599), text = text }) })

local function kind_first(tag)
  return rule(("<%s> must be the first child"):format(tag), function(one) return one.content[1].tag == tag end)
end

local function notification(from, child, attrs)
  local all = { type = "encrypt", id = t.server_id, from = from, t = time, offline = t.offline }
  for name, kind in pairs(attrs or {}) do all[name] = kind end
  return node("notification", all, { child }, kind_first(child.tag))
end

return {
  to_client = {
    shape("09 §2.9, 02 §10.3, 08 S-216", notification("s.whatsapp.net", node("count", { value = int(0) }))),
    shape("09 §2.9, 02 §10.3", notification("s.whatsapp.net", node "digest")),
    shape("09 §2.9, 03 §4.8, 08 S-217", notification(t.user, node "identity", { lid = maybe(t.lid_user) })),
  },

  queries = {
    query("02 §10.1, 08 S-201", "get", "encrypt", {
      asks = { also("the official client learns the level otherwise; W and Baileys ask (10 §11.1 row 9)", node "count") },
      answers = { node("count", { value = int(0) }) }, errors = "any",
    }),
    query("10 §2, 08 S-204", "get", "encrypt", {
      asks = { node("key", { pqsupport = maybe(text), context_jid = maybe(t.jid) }, {
        some(node("user", { jid = device, reason = maybe(text) })),
      }) },
      answers = { maybe(node("padding", {}, bytes(0, 524288))), node("list", {}, { many(either(bundle, no_bundle)) }) },
      errors = { 400, 406, "4xx", 503, "5xx" },
    }),
    query("10 §2, 08 S-203", "set", "encrypt", {
      asks = { registration, key_type, identity, node("list", {}, { many(key) }), skey }, errors = "any",
    }),
    query("10 §2, 08 S-205", "set", "encrypt", { asks = { node("rotate", {}, { skey }) }, errors = "any" }),
    query("10 §2, 08 S-206", "get", "encrypt", {
      asks = { node "digest" },
      answers = { node("digest", {}, {
        registration, key_type, identity, skey, node("list", {}, { many(id) }), node("hash", {}, bytes(20)),
      }) },
      errors = "any",
    }),
  },
}
