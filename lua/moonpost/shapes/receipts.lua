--- Receipts and acks: what confirms a stanza, and what became of a message.
-- @module moonpost.shapes.receipts
local t = require "moonpost.shapes.terms"

local baileys, bytes, device, either, int, maybe, never = t.baileys, t.bytes, t.device, t.either, t.int, t.maybe, t.never
local node, number, one_of, rule, shape, some = t.node, t.number, t.one_of, t.rule, t.shape, t.some
local some_bytes, text, time = t.some_bytes, t.text, t.time

local IDS_MAX = 256 -- R's limit, the only one known (04 §7.3)

local rest = node("list", {}, { some(node("item", { id = t.id })) })
local mode = node("meta", { mode = int(0, 7) })

local not_too_many = rule(("at most %d ids"):format(IDS_MAX), function(receipt)
  for _, child in ipairs(receipt.content or {}) do
    if child.tag == "list" and #child.content >= IDS_MAX then return false end
  end
  return true
end)

local function receipt(attrs, content, ...)
  local all = { id = t.id, to = t.jid, class = maybe(text) }
  for name, kind in pairs(attrs) do all[name] = kind end
  return node("receipt", all, content or { maybe(rest), maybe(mode) }, ...)
end

local id, value = node("id", {}, bytes(3)), node("value", {}, bytes(32))
local keys = node("keys", {}, {
  maybe(node("type", {}, bytes(1))), node("identity", {}, bytes(32)), maybe(node("key", {}, { id, value })),
  node("skey", {}, { id, value, node("signature", {}, bytes(64)) }), maybe(node("device-identity", {}, some_bytes)),
})

-- A broken blob: the phone is asked to upload it again (05 §14.5).
local broken = node("encrypt", {}, { node("enc_p", {}, some_bytes), node("enc_iv", {}, bytes(12)) })
local which = node("rmr", { jid = t.chat, from_me = one_of("true", "false"), participant = maybe(device) })

local asks_for_itself = rule("<retry id> must be the receipt's id", function(one)
  for _, child in ipairs(one.content or {}) do
    if child.tag == "retry" then return child.attrs.id == one.attrs.id end
  end
end)

-- Acks of notifications: the types the official client writes (10 §10.3).
local acked_types = one_of("status", "account_sync", "business", "companion_reg_refresh", "contacts", "registration",
  "digital_commerce_subscription", "disappearing_mode", "w:gp2", "mediaretry", "mex", "privacy_token", "picture", "psa", "server",
  "server_sync", "pay", "newsletter", "link_code_companion_reg", "passkey_prologue_request")

local nack = int(415, 599)

local function ack(class, attrs, content)
  local all = {
    class = class, id = t.id, to = t.jid, participant = maybe(device), error = maybe(nack),
    recipient = t.also("copied by all; without it the real server ends the stream (04 §7.1)", t.chat),
  }
  for name, kind in pairs(attrs) do all[name] = kind end
  return node("ack", all, content)
end

return {
  to_server = {
    shape("10 §10.2, 04 §7.3, 08 S-503", receipt({
      type = maybe "inactive", participant = maybe(device), t = maybe(time), recipient = never(),
    }, nil, not_too_many)),
    shape("10 §10.2, 04 §7.3, 08 S-503", receipt({
      type = "sender", to = baileys("has none when it knows no LID of the chat (04 §7.3, 08 S-500)", device),
      participant = maybe(device), recipient = maybe(t.chat),
    }, nil, not_too_many)),
    shape("10 §10.2, 04 §7.3, 08 S-306", receipt({ type = one_of("peer_msg", "hist_sync"), to = device }, nil, not_too_many)),
    shape("10 §10.2, 04 §7.4, 08 S-503", receipt({
      type = one_of("read", "read-self"), participant = maybe(device), t = time, peer_participant_pn = maybe(t.pn_user),
      recipient = maybe(t.chat),
    }, nil, not_too_many)),
    shape("10 §10.2, 04 §7.4, 08 S-503", receipt({
      type = one_of("played", "played-self"), participant = maybe(device), peer_participant_pn = maybe(t.pn_user),
      recipient = maybe(t.chat), t = baileys("tells no time of what was played (04 §7.4)", time),
    }, nil, not_too_many)),
    shape("10 §10.2, 04 §9.2, 08 S-505", receipt({
      type = "retry", participant = maybe(device), recipient = maybe(t.chat), category = maybe "peer",
    }, {
      node("retry", { v = "1", count = int(1, 5), id = t.id, t = time, error = maybe(int(0, 13)) }),
      node("registration", {}, bytes(4)), maybe(keys), maybe(mode),
    }, asks_for_itself)),
    shape("10 §10.2, 05 §14.5, 08 S-503", receipt({ type = "server-error", to = t.user }, { broken, which })),
    shape("10 §10.2, 04 §12.6, 08 S-503", receipt({ type = "server-error", to = t.user, category = "peer" }, { broken })),

    shape("10 §10.3, 08 S-506", ack("notification", {
      type = maybe(either(acked_types, baileys("copies the type of every notification (01 §10.1)", one_of("devices", "encrypt")))),
    }, { maybe(node("user", { side_list = "out" })) })),
    shape("10 §10.3, 04 §7.1, 08 S-506", ack("message", {
      type = maybe(text), from = t.also("R and Baileys name themselves on acks of messages (01 §10.1)", t.pn_device),
    }, { maybe(node("meta", { failure_reason = number })) })),
    shape("10 §10.3, 08 S-506", ack("receipt", { type = maybe(text) })),
    shape("10 §10.3, 08 S-506", ack("call", { type = maybe(text) })),
    shape("01 §10.1, 08 S-506", ack("status", { type = maybe(text), from = maybe(t.pn_device) })),
  },

  to_client = {
    shape("09 §3.2, 08 S-501, S-503", node("receipt", {
      id = t.id, from = device, t = time, offline = t.offline, recipient = maybe(t.user), participant = maybe(device),
      type = maybe(one_of("delivery", "read", "played", "inactive", "server-error", "sender", "read-self", "played-self", "peer_msg")),
    }, { maybe(rest), never "participants" })), -- Baileys ignores the aggregated form (08 S-501)
    shape("09 §3.2, 08 S-503, S-504", node("receipt", {
      id = t.id, from = t.group, participant = device, participant_pn = maybe(t.pn_user), t = time, offline = t.offline,
      recipient = never(), type = maybe(one_of("delivery", "read", "played", "inactive", "sender", "read-self", "played-self")),
    }, { maybe(rest), never "participants" })),
    shape("09 §3.3, 08 S-504, S-505", node("receipt", {
      id = t.id, type = "retry", from = t.group, participant = device, participant_pn = maybe(t.pn_user), t = time, offline = t.offline,
      recipient = never(),
    }, { node("retry", { id = t.id, count = maybe(int(1)) }), node("registration", {}, bytes(4)), maybe(keys) })),
    shape("09 §3.3, 08 S-505", node("receipt", {
      id = t.id, type = "retry", from = device, t = time, offline = t.offline, recipient = maybe(device), participant = maybe(device),
    }, { node("retry", { id = t.id, count = maybe(int(1)) }), node("registration", {}, bytes(4)), maybe(keys) })),

    shape("09 §3.5, 08 S-500", node("ack", {
      class = "receipt", id = t.id, from = t.jid, type = maybe(text), participant = maybe(device),
      readreceipts = maybe(one_of("all", "none")),
    })),
    shape("01 §10.2", node("ack", { class = "call", id = t.id, from = t.jid, type = maybe(text) })),
  },
}
