--- Notifications that belong to no other capability: collections that changed.
-- @module moonpost.shapes.notifications
local t = require "moonpost.shapes.terms"

local int, maybe, node, one_of, shape = t.int, t.maybe, t.node, t.one_of, t.shape

-- What the phone says of a file it was asked for again: sealed with the file's key, or that it has none (05 §14.5).
local told = t.either(
  node("encrypt", {}, { node("enc_p", {}, t.some_bytes), node("enc_iv", {}, t.bytes(12)) }), node("error", { code = int(0) })
)

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

    -- The id is the message's, the author of one in a group stands on the notification too: the official client reads no <rmr>. A
    -- history blob is no message and has none.
    shape("09 §2.10, 05 §14.5, 08 S-836", node("notification", {
      type = "mediaretry", id = t.id, from = t.user, t = t.time, offline = t.offline, participant = maybe(t.device),
    }, {
      told, maybe(node("rmr", { jid = t.chat, from_me = one_of("true", "false"), participant = maybe(t.device) })),
    })),
  },
}
