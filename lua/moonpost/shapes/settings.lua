--- The account's settings: server properties, blocklist, privacy, default timer, media hosts.
-- @module moonpost.shapes.settings
local t = require "moonpost.shapes.terms"

local either, int, many, maybe, node = t.either, t.int, t.many, t.maybe, t.node
local number, one_of, query, some, some_bytes, text, time = t.number, t.one_of, t.query, t.some, t.some_bytes, t.text, t.time

local prop = either(
  node("prop", { config_code = number, config_value = text, config_expo_key = maybe(number) }),
  node("prop", { event_code = number, sampling_weight = int(0, 10000) })
)

-- In a LID list each person carries one more name, or the list is lost (10 §6.3).
local function blocked_lid(more) more.jid = t.lid_user return node("item", more) end

local blocked_pn = node("item", { jid = t.pn_user, lid = maybe(t.lid_user), display_name = maybe(text) })
local blocked = either(
  blocked_lid { pn_jid = t.pn_user }, blocked_lid { username = text }, blocked_lid { display_name = text },
  blocked_lid { guest_name = text }, blocked_lid { unknown_identifier = "true" }
)
local blocklist = {
  node("list", { dhash = maybe(text), addressing_mode = maybe "pn" }, { many(blocked_pn) }),
  node("list", { dhash = maybe(text), addressing_mode = "lid" }, { many(blocked) }),
}

local audience = one_of("all", "contacts", "contact_blacklist", "none", "error")
local privacy_values = {
  readreceipts = one_of("all", "none", "error"), online = one_of("all", "match_last_seen", "error"),
  calladd = one_of("all", "known", "contacts", "error"), messages = one_of("all", "contacts"), defense = one_of("off", "on_standard"),
  last = audience, profile = audience, status = audience, groupadd = audience, pix = audience,
}
local other_name = t.kind("a name without fixed values", function(name) return privacy_values[name] == nil end)

local function categories(content)
  local list = { node("category", { name = other_name, value = text, dhash = maybe(text) }, content) }
  for name, value in pairs(privacy_values) do
    list[#list + 1] = node("category", { name = name, value = value, dhash = maybe(text) }, content)
  end
  return either(table.unpack(list))
end

local exceptions = { many(node("user", { action = one_of("add", "remove"), jid = t.user, pn_jid = maybe(t.pn_user) })) }

local duration = one_of("0", "86400", "604800", "7776000")

return {
  queries = {
    query("10 §1.2, 08 S-807", "get", "abt", {
      asks = { node("props", { protocol = "1", hash = maybe(text), refresh_id = maybe(number) }) },
      answers = { node("props", {
        protocol = "1", ab_key = maybe(text), hash = maybe(text), refresh = maybe(number), refresh_id = maybe(number),
        delta_update = maybe(one_of("true", "false")),
      }, { many(prop) }), maybe(node("erid", {}, some_bytes)) },
      errors = { 400, 500, 501 },
    }),

    query("10 §6.3, 08 S-843", "get", "blocklist", {
      answers = { either(table.unpack(blocklist)) }, errors = { 400, 429, 500, 501 },
    }),
    query("10 §6.3, 08 S-843", "get", "blocklist", {
      asks = { node("item", { dhash = text }) }, answers = { maybe(either(table.unpack(blocklist))) }, errors = { 400, 429, 500, 501 },
    }),
    query("10 §6.3, 07 §5.3, 08 S-843", "set", "blocklist", {
      asks = { node("item", {
        action = one_of("block", "unblock"), jid = t.user, pn_jid = maybe(t.pn_user), dhash = maybe(text),
      }) },
      answers = { either(
        t.closed(node("list", { matched = "true", dhash = text })),
        node("list", { matched = "false", c_dhash = maybe(text), dhash = text, addressing_mode = maybe "pn" }, { many(blocked_pn) }),
        node("list", { matched = "false", c_dhash = maybe(text), dhash = text, addressing_mode = "lid" }, { many(blocked) })
      ) },
      errors = "any",
    }),

    query("10 §6.1, 08 S-844", "get", "privacy", {
      asks = { node "privacy" }, answers = { node("privacy", {}, { many(categories()) }) }, errors = "any",
    }),
    query("10 §6.1, 08 S-844", "set", "privacy", {
      asks = { node("privacy", { addressing_mode = maybe "lid" }, { some(categories(exceptions)) }) },
      answers = { node("privacy", {}, { some(categories()) }) }, errors = "any",
    }),
    query("10 §6.1, 07 §5.5", "set", "privacy", {
      asks = { node("tokens", {}, { some(node("token", { jid = t.user, t = time, type = "trusted_contact" })) }) }, errors = "any",
    }),

    query("10 §6.2, 08 S-845", "get", "disappearing_mode", {
      answers = { node("disappearing_mode", { duration = number, t = number }) }, errors = "any",
    }),
    query("10 §6.2, 08 S-845", "set", "disappearing_mode", {
      asks = { node("disappearing_mode", { duration = duration }) }, errors = "any",
    }),

    query("10 §9, 05 §14.1, 08 S-820", "set", "w:m", {
      asks = { node "media_conn" },
      answers = { node("media_conn", {
        auth = text, auth_ttl = number, ttl = number, max_buckets = number, max_manual_retry = maybe(number),
        max_auto_download_retry = maybe(number),
      }, {
        some(node("host", {
          hostname = text, type = maybe(one_of("primary", "fallback")), fallback_hostname = maybe(text),
          maxContentLengthBytes = maybe(number),
        }, t.anything)),
      }) },
      errors = "any",
    }),
  },

}
