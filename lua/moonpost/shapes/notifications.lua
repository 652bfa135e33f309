--- Notifications that belong to no other capability: collections that changed.
-- @module moonpost.shapes.notifications
local t = require "moonpost.shapes.terms"

local int, maybe, node, one_of, shape = t.int, t.maybe, t.node, t.one_of, t.shape

return {
  to_client = {
    -- `jid` is the holder's own; nobody reads it (08 S-800).
    shape("09 §2.13, 08 S-800", node("notification", {
      type = "privacy_token", id = t.server_id, from = t.user, sender_lid = maybe(t.lid_user), t = t.time, offline = t.offline,
    }, { node("tokens", {}, { t.some(node("token", { type = "trusted_contact", t = t.time, jid = maybe(t.user) }, t.some_bytes)) }) })),

    -- One collection each: Baileys reads the first only (08 S-324).
    shape("09 §2.17, 08 S-324", node("notification", {
      type = "server_sync", id = t.server_id, from = "s.whatsapp.net", t = t.time, offline = t.offline, participant = maybe(t.device),
    }, {
      node("collection", {
        name = one_of("critical_block", "critical_unblock_low", "regular_low", "regular_high", "regular"), version = int(0),
      }),
    })),
  },
}
