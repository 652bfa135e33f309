--- A connection's life: login, failures, stream errors, bulletins, keepalive, what tells the server that a client is ready.
-- @module moonpost.shapes.connection
local t = require "moonpost.shapes.terms"

local baileys, either, int, maybe, node, number, one_of = t.baileys, t.either, t.int, t.maybe, t.node, t.number, t.one_of
local query, shape, some, some_bytes, text, time = t.query, t.shape, t.some, t.some_bytes, t.text, t.time

local function ib(child) return node("ib", { from = "s.whatsapp.net" }, { child }) end

local WEEK_MS = 604800000

return {
  to_server = {
    shape("01 §11.3, 08 S-121", node("ib", {}, { node("unified_session", { id = int(0, WEEK_MS - 1) }) })),
    shape("01 §7.6, 08 S-121", node("ib", {}, { node("offline_batch", { count = int(1) }) })),
  },

  to_client = {
    shape("01 §7.2, 08 S-100", node("success", { t = time, lid = t.lid_device, creation = maybe(time) })),
    shape("01 §7.3, 08 S-118", node("failure", {
      reason = int(400, 599), t = maybe(time), code = maybe(number), expire = maybe(number), location = maybe(text),
    })),
    -- Clients know a conflict by its child; the code alone is another thing (01 §7.4).
    shape("01 §7.4, 08 S-101, S-117", node("stream:error", { code = maybe "401" }, {
      node("conflict", { type = one_of("replaced", "device_removed") }),
    })),
    shape("01 §7.4, 08 S-110", node("stream:error", { code = one_of("401", "409", "429", "500", "503", "515", "516") })),
    shape("01 §7.4, 08 S-110, S-902", node("stream:error", {}, {
      either(node "xml-not-well-formed", node("ack", { id = t.id, class = maybe(text) })),
    })),
    shape("01 §7.5", node "xmlstreamend"),
    -- One child each: Baileys looks at the first only (01 §7.6).
    shape("01 §7.6, 04 §10.1, 08 S-601", t.closed(ib(node("offline_preview", {
      count = int(1), message = int(0), notification = int(0), receipt = int(0), appdata = int(0), call = maybe(int(0)),
      status = maybe(int(0)),
    })))),
    shape("01 §7.6, 08 S-103", t.closed(ib(node("offline", { count = int(0) })))),
    shape("07 §10.2", t.closed(ib(node("dirty", {
      type = one_of("groups", "account_sync", "syncd_app_state", "newsletter_metadata", "communities"), timestamp = time,
    })))),
    shape("01 §11.1", t.closed(ib(node("edge_routing", {}, { node("routing_info", {}, some_bytes) })))),
    shape("09 §4.3", t.closed(ib(node("client_expiration", { t = maybe(time) })))),
    shape("01 §7.6", t.closed(ib(node "downgrade_webclient"))),
  },

  queries = {
    query("10 §9, 08 S-120", "get", "w:p", {
      asks = { baileys("pings with a child (01 §7.1)", node "ping") }, answer_attrs = { t = time },
    }),
    query("10 §1.1, 08 S-102", "set", "passive", { asks = { either(node "active", node "passive") } }),
    query("10 §1.1, 08 S-333", "set", "urn:xmpp:whatsapp:dirty", {
      asks = { some(node("clean", {
        type = text, timestamp = baileys("cleans groups without a time (07 §10.2)", time),
      })) },
      errors = "any",
    }),
    query("10 §9, 08 S-121", baileys("leaves the type out (07 §10.6)", "set"), "w:stats", {
      asks = { node("add", { t = time }, some_bytes) }, errors = { 400, 406, 501, 503 },
    }),
  },
}
