--- Calls: the signalling this project knows of. What else a voice engine writes into it nobody here reads.
-- @module moonpost.shapes.calls
local t = require "moonpost.shapes.terms"

local baileys, device, either, int, maybe, node, open = t.baileys, t.device, t.either, t.int, t.maybe, t.node, t.open
local one_of, shape, text, time = t.one_of, t.shape, t.text, t.time

-- What a client that takes calls sends and hears: only who and which call it is counts here.
local function signal(tag, more)
  local attrs = { ["call-id"] = t.id, ["call-creator"] = device }
  for name, kind in pairs(more or {}) do attrs[name] = kind end
  return open(node(tag, attrs, t.anything))
end

local function signals()
  return either(
    signal "offer", signal "preaccept", signal "accept", signal "transport", signal "relaylatency", signal "heartbeat", signal "mute_v2",
    signal "video", signal "enc_rekey", signal "group_update", signal("terminate", { reason = maybe(text) }),
    signal("reject", { reason = maybe(text), count = maybe(int(0)) }),
    signal("offer_notice", { type = text, media = one_of("audio", "video") })
  )
end

local ringing = node("offer", { ["call-id"] = t.id, ["call-creator"] = device })

return {
  to_server = {
    shape("10 §10.4, 07 §7.2, 08 S-846", node("call", {
      id = t.id, to = t.jid, from = baileys("names itself, as whatsmeow does (07 §7.2)", device),
    }, { signals() })),
    shape("10 §10.2, 04 §13.3, 08 S-846", node("receipt", { id = t.id, to = device }, { ringing })),
  },

  to_client = {
    shape("09 §3.4, 07 §7.1, 08 S-846", node("call", {
      id = t.id, from = device, t = time, e = maybe(time), platform = maybe(text), version = maybe(text), notify = maybe(text),
      sender_lid = maybe(t.lid_device), offline = t.offline,
    }, { signals() })),
    shape("09 §3.4, 08 S-846", node("receipt", { id = t.id, from = device, type = t.never() }, { ringing })),
  },
}
