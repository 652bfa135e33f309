--- Being available, and typing.
-- @module moonpost.shapes.presence
local t = require "moonpost.shapes.terms"

local also, baileys, either, int, maybe, never, node, one_of = t.also, t.baileys, t.either, t.int, t.maybe, t.never, t.node, t.one_of
local shape, some_bytes, text, time = t.shape, t.some_bytes, t.text, t.time

local person = either(t.lid_user, also("the name the client subscribed or wrote to (08 S-621)", t.pn_user))

return {
  to_server = {
    shape("10 §10.5, 08 S-620", node("presence", { type = maybe(one_of("available", "unavailable")), name = maybe(t.id) })),
    shape("10 §10.5, 08 S-621", node("presence", {
      type = "subscribe", to = either(t.user, t.group), name = maybe(text), context = maybe(text),
      id = baileys("numbers it like a query (07 §6.2)", t.id),
    }, { maybe(node("tctoken", { t = baileys("says when it got the token (03 §15.2)", time) }, some_bytes)) })),
    shape("10 §10.5, 08 S-630", node("chatstate", {
      to = t.chat, from = baileys("names itself; the server ignores it (07 §6.3)", t.device),
    }, { either(node("composing", { media = maybe "audio" }), node "paused") })),
  },

  to_client = {
    shape("09 §4.4, 08 S-621", node("presence", { from = person, type = maybe "available", count = never() })),
    shape("09 §4.4, 08 S-621", node("presence", {
      from = person, type = "unavailable", last = maybe(either(one_of("deny", "error", "none"), time)), count = never(),
    })),
    shape("09 §4.4, 08 S-623", node("presence", { from = t.group, count = int(1, 1024), type = never() })),
    shape("09 §4.4, 08 S-623", node("presence", { from = t.group, type = "unavailable", count = never() })),
    -- Exactly one child, or W refuses it (08 S-630).
    shape("09 §4.5, 08 S-630", t.closed(node("chatstate", { from = person }, {
      either(node("composing", { media = maybe "audio" }), node "paused"),
    }))),
    shape("09 §4.5, 08 S-630", t.closed(node("chatstate", { from = t.group, participant = t.device, participant_pn = maybe(t.pn_user) }, {
      either(node("composing", { media = maybe "audio" }), node "paused"),
    }))),
  },
}
