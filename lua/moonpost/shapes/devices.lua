--- Which devices an account has: usync, and what is told unasked of devices that come and go.
-- @module moonpost.shapes.devices
local jid = require("moonpost.core").wire.jid
local t = require "moonpost.shapes.terms"

local also, either, int, many, maybe, node, one_of = t.also, t.either, t.int, t.many, t.maybe, t.node, t.one_of
local query, rule, shape, some, some_bytes, text, time = t.query, t.rule, t.shape, t.some, t.some_bytes, t.text, t.time

local DEVICE_MAX, KEY_INDEX = 99, int(1) -- clients drop companions without a key-index, Baileys those with 0 as well (03 §4.4)

local dhash = t.kind("a device hash, '2:' and base64", function(value) return tostring(value):find "^2:[%w+/]+$" ~= nil end)

local asked_for = {
  node("contact", { addressing_mode = maybe "lid" }), node("business", {}, { maybe(node "verified_name") }),
  node("devices", { version = "2" }), node "disappearing_mode", node "picture", node "status", node "text_status", node "features",
  node "lid", node("bot", {}, { node("profile", { v = maybe(text) }) }), node "username",
}

-- What a request says of a user, besides the JID.
local hints = {
  maybe(node("contact", { username = maybe(text), pin = maybe(text), lid = maybe(t.lid_user) }, t.text_bytes)),
  maybe(node("lid", { jid = t.lid_user })),
  maybe(node("devices", { device_hash = maybe(text), ts = maybe(time), expected_ts = maybe(time) })),
  maybe(node("tctoken", {}, some_bytes)), maybe(node("bot", {}, t.anything)),
}

local function optional(list)
  local result = {}
  for i, one in ipairs(list) do result[i] = maybe(one) end
  return result
end

local function companions_are_vouched_for(devices)
  local companions, vouched = false, false
  for _, child in ipairs(devices.content) do
    if child.tag == "key-index-list" then vouched = true end
    for _, one in ipairs(child.tag == "device-list" and child.content or {}) do companions = companions or tostring(one.attrs.id) ~= "0" end
  end
  return vouched or not companions
end

local devices = node("devices", {}, {
  node("device-list", { hash = maybe(text) }, { some(either(
    node("device", { id = "0", ["key-index"] = t.never() }),
    node("device", { id = int(1, DEVICE_MAX), ["key-index"] = KEY_INDEX, is_hosted = maybe "true" })
  )) }),
  maybe(node("key-index-list", { ts = time, expected_ts = maybe(time) }, some_bytes)),
}, rule("companions need a signed <key-index-list>", companions_are_vouched_for, "02 §8.1, 08 S-231"))

local answered = {
  maybe(devices), maybe(node("lid", { val = t.lid_user })), maybe(node("contact", { type = one_of("in", "out") }, t.text_bytes)),
  maybe(node("status", { t = maybe(t.number) }, t.text_bytes)), maybe(node("picture", { id = t.number })),
  maybe(node("disappearing_mode", { duration = t.number, t = t.number })),
}

local function same_number(device)
  local _, _, pn_number = jid.parse(device.attrs.jid)
  if not device.attrs.lid then return true end
  local _, _, lid_number = jid.parse(device.attrs.lid)
  return pn_number == lid_number
end

local changed = node("device", { jid = t.device, lid = maybe(t.lid_device), ["key-index"] = maybe(KEY_INDEX) }, nil,
  rule("jid and lid must be one device's", same_number))

local function notification(attrs, child)
  local all = { id = t.server_id, t = time, offline = t.offline }
  for name, kind in pairs(attrs) do all[name] = kind end
  return node("notification", all, { child })
end

local function change(child)
  return notification({ type = "devices", from = t.user, lid = maybe(t.lid_device) }, t.closed(child))
end

return {
  to_client = {
    shape("09 §2.7, 02 §8.2, 08 S-243", change(node("add", { device_hash = dhash, device_lid_hash = maybe(dhash) }, {
      some(changed), node("key-index-list", { ts = time }, some_bytes),
    }))),
    shape("09 §2.7, 02 §8.2, 08 S-243", change(node("remove", { device_hash = dhash, device_lid_hash = maybe(dhash) }, {
      some(changed), node("key-index-list", { ts = time }),
    }))),
    shape("09 §2.7, 03 §4.6, 08 S-243", change(node("update", { hash = text }))),
    shape("09 §2.1, 02 §8.3, 08 S-244", notification({ type = "account_sync", from = t.user }, node("devices", { dhash = dhash }, {
      some(node("device", { jid = t.device, ["key-index"] = maybe(KEY_INDEX) })),
      maybe(node("key-index-list", { ts = time }, t.text_bytes)),
    }))),
  },

  queries = {
    query("10 §5.1, 08 S-230", "get", "usync", {
      asks = { node("usync", {
        sid = t.id, index = "0", last = "true", mode = one_of("query", "full", "delta"),
        context = one_of("message", "interactive", "background", "notification"),
      }, {
        node("query", {}, optional(asked_for)),
        node("list", {}, { some(node("user", { jid = maybe(t.user), pn_jid = maybe(t.pn_user) }, hints)) }),
      }) },
      answers = { node("usync", {}, {
        also("an echo of the protocols asked for may come first (03 §4.1)", node("result", {}, t.anything)),
        node("list", {}, { many(node("user", { jid = maybe(t.device), pn_jid = maybe(t.device) }, answered)) }),
      }) },
      errors = "any",
    }),
  },
}
