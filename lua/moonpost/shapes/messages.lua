--- Messages between people, copies for the author's other devices, peer messages with the own phone.
-- @module moonpost.shapes.messages
local jid = require("moonpost.core").wire.jid
local t = require "moonpost.shapes.terms"

local bytes, device, int, many, maybe, never, node = t.bytes, t.device, t.int, t.many, t.maybe, t.never, t.node
local number, one_of, rule, shape, some, some_bytes, text, time = t.number, t.one_of, t.rule, t.shape, t.some, t.some_bytes, t.text, t.time

local MESSAGE_MAX = 1048576

local message_type = one_of("text", "media", "medianotify", "pay", "poll", "reaction", "event")
local enc_type = one_of("msg", "pkmsg", "skmsg", "msmsg")
local pairwise = one_of("msg", "pkmsg")
local edit = one_of("1", "2", "7", "8")
local mode = one_of("pn", "lid")
local phash = t.kind("a hash of devices, '2:' and base64", function(value) return tostring(value):find "^2:[%w+/_-]+$" ~= nil end)

-- 09 §5.4, and `buttons_response` of 03 §14.2.
local mediatype = one_of("image", "video", "ptv", "audio", "ptt", "location", "vcard", "document", "url", "call", "gif", "future",
  "contact_array", "livelocation", "profile_pic", "sticker", "sticker_pack", "hsm", "product_image", "template", "md_app_state",
  "md_history_sync", "list", "list_response", "button", "button_response", "buttons_response", "order", "product",
  "native_flow_response", "group_history")

local function enc(type, more)
  local attrs = { v = "2", type = type, mediatype = maybe(mediatype), ["decrypt-fail"] = maybe "hide" }
  for name, kind in pairs(more or {}) do attrs[name] = kind end
  return node("enc", attrs, bytes(1, MESSAGE_MAX))
end

local meta = shape("10 §10.1, 03 §14.7", node("meta", {
  origin = maybe "ctwa", destination_id = maybe(text), sender_intent = maybe(text), tag_reason = maybe(text), view_once = maybe "true",
  polltype = maybe(one_of("creation", "quiz_creation", "vote", "result_snapshot", "edit")),
  event_type = maybe(one_of("creation", "response", "edit")), appdata = maybe(one_of("default", "member_tag", "group_history")),
  thread_msg_id = maybe(text), thread_msg_sender_jid = maybe(t.jid), conversation_thread_id = maybe(text), type = maybe(text),
  st = maybe(number),
}, { many(node("key", { rkid = maybe(text) }, t.text_bytes)) }))

local reporting = shape("03 §15.1", node("reporting", {}, { node("reporting_token", { v = number }, bytes(16)) }))
local device_identity = node("device-identity", {}, some_bytes)

local function children(one) return type(one.content) == "table" and one.content or {} end

-- Whether holds(enc) is true of any enc of a message, those for single devices included.
local function any_enc(message, holds)
  for _, one in ipairs(children(message)) do
    if one.tag == "enc" and holds(one) then return true end
    if one.tag == "participants" then
      for _, to in ipairs(children(one)) do
        if any_enc(to, holds) then return true end
      end
    end
  end
  return false
end

local function is_pkmsg(one) return one.attrs.type == "pkmsg" end
local function is_unnamed(one) return one.attrs.mediatype == nil end
local function is_there() return true end
local function shows(one) return one.attrs["decrypt-fail"] ~= "hide" end

local function child(message, tag)
  for _, one in ipairs(children(message)) do
    if one.tag == tag then return one end
  end
end

local vouched = rule("a <device-identity> goes with a pkmsg, and only with one", function(message)
  return any_enc(message, is_pkmsg) == (child(message, "device-identity") ~= nil)
end, "03 §8")

local function is_named(one) return one.attrs.mediatype ~= nil end

-- The official client leaves out what is empty (10 §10.1), and reads it as free text (09 §5.4). Baileys says type="media" of a document
-- with a caption, and no mediatype: it does not look into the wrapper (05 §12.1).
local named_media = rule("a mediatype stands on every enc, or on none", function(message)
  return not (any_enc(message, is_named) and any_enc(message, is_unnamed))
end, "03 §14.2")

local quiet_reaction = rule('type="reaction" goes with decrypt-fail="hide" on every enc', function(message)
  return message.attrs.type ~= "reaction" or not any_enc(message, shows)
end, "03 §14.4")

local encrypted = rule("at least one <enc>", function(message) return any_enc(message, is_there) end)

local poll_named = rule('type="poll" goes with <meta polltype>', function(message)
  local about = child(message, "meta")
  return message.attrs.type ~= "poll" or about ~= nil and about.attrs.polltype ~= nil
end)

local event_named = rule('type="event" goes with <meta event_type>', function(message)
  local about = child(message, "meta")
  return message.attrs.type ~= "event" or about ~= nil and about.attrs.event_type ~= nil
end)

local opaque = { maybe(node("biz", {}, t.anything)), maybe(node("bot", {}, t.anything)) }

local function with_opaque(list)
  for _, one in ipairs(opaque) do list[#list + 1] = one end
  return list
end

local for_device = shape("10 §10.1, 03 §8", node("to", { jid = device }, { enc(pairwise) }))

local to_people = node("message", {
  id = t.id, to = t.user, type = message_type, edit = maybe(edit), device_fanout = maybe(text), addressing_mode = maybe(mode),
  peer_recipient_lid = maybe(t.lid_user), peer_recipient_pn = maybe(t.pn_user), peer_recipient_username = maybe(text),
  recipient_pn = maybe(t.pn_user), category = never(),
}, with_opaque {
  maybe(node("participants", {}, { some(for_device) })), maybe(enc(pairwise)), maybe(device_identity), maybe(meta), maybe(reporting),
  maybe(node("tctoken", {}, some_bytes)), maybe(node("cstoken", {}, bytes(32))), maybe(node("sender_content_binding", {}, some_bytes)),
}, encrypted, vouched, named_media, quiet_reaction)

local resend = node("message", {
  id = t.id, to = device, type = message_type, edit = maybe(edit), participant = maybe(device), recipient = maybe(t.user),
  peer_recipient_lid = maybe(t.lid_user), peer_recipient_pn = maybe(t.pn_user), peer_recipient_username = maybe(text),
  addressing_mode = maybe(mode), category = never(),
  t = t.also("W copies it from the receipt (03 §14.6)", time),
  device_fanout = t.baileys("says that one device is meant (03 §14.6)", "false"),
}, with_opaque {
  enc(pairwise, { count = maybe(int(1, 5)), session_type = maybe "pq", state = maybe(one_of("true", "false")) }),
  maybe(device_identity), maybe(meta),
  t.baileys("encrypts a resend twice, once for <participants> (08 S-408)", node("participants", {}, { some(for_device) })),
}, rule("a pkmsg goes with a <device-identity>", function(message)
  return child(message, "device-identity") ~= nil or not any_enc(message, is_pkmsg)
end, "03 §8"), named_media)

local peer = node("message", {
  id = t.id, to = device, type = "text", category = "peer", push_priority = maybe(one_of("high", "high_force")),
  privacy_sensitive = maybe "1",
}, { enc(pairwise, { count = maybe(int(1, 5)) }), maybe(device_identity), maybe(meta) }, vouched)

-- To a group: the sender key to each device that needs it, the message once for all (10 §10.1, 03 §10.2).
local to_group = node("message", {
  id = t.id, to = t.group, type = message_type, edit = maybe(edit), addressing_mode = mode, phash = maybe(phash),
  participant = never(), category = never(), device_fanout = never(),
}, with_opaque {
  maybe(node("participants", {}, { some(for_device) })), enc "skmsg", maybe(device_identity), maybe(meta), maybe(reporting),
  maybe(node("sender_content_binding", {}, some_bytes)),
}, vouched, rule("a mediatype stands on the skmsg", function(message)
  local one = child(message, "enc")
  return not any_enc(message, is_named) or one ~= nil and is_named(one)
end, "03 §14.2"), quiet_reaction)

local group_resend = node("message", {
  id = t.id, to = t.group, participant = device, type = message_type, edit = maybe(edit), addressing_mode = maybe(mode),
  phash = never(), category = never(),
  t = t.also("W copies it from the receipt (03 §14.6)", time),
  device_fanout = t.baileys("says that one device is meant (03 §14.6)", "false"),
}, with_opaque {
  enc(pairwise, { count = maybe(int(1, 5)) }), maybe(device_identity), maybe(meta),
  t.baileys("encrypts a resend twice, once for <participants> (08 S-408)", node("participants", {}, { some(for_device) })),
}, named_media)

-- What the server hands to one device.

local received = enc(enc_type, {
  v = maybe(number), count = maybe(int(1)), mediatype = maybe(text), ["decrypt-fail"] = maybe(one_of("hide", "show")),
})

local received_meta = t.open(node("meta", {
  polltype = maybe(text), event_type = maybe(one_of("creation", "response", "edit")), origin = maybe "ctwa",
  appdata = maybe(one_of("default", "member_tag", "group_history")),
}))

local function delivered(attrs, ...)
  local all = {
    id = t.id, t = time, type = message_type, edit = maybe(one_of("1", "2", "3", "7", "8")), offline = t.offline, participant = never(),
    phash = never(), device_fanout = never(), verified_name = maybe(number), verified_level = maybe(one_of("high", "low", "unknown")),
  }
  for name, kind in pairs(attrs) do all[name] = kind end
  return node("message", all, {
    many(received), maybe(device_identity), maybe(received_meta), maybe(node("unavailable", { type = maybe(text) })),
    maybe(t.open(node("reporting"))), never "participants", never "tctoken", never "cstoken",
  }, ...)
end

local readable = rule("an <enc> or <unavailable/>", function(message)
  return child(message, "enc") ~= nil or child(message, "unavailable") ~= nil
end)

local to_self = rule("recipient must be the author's own account", function(message)
  return jid.parse(message.attrs.recipient) == jid.parse(message.attrs.from)
end)

-- From somebody else: under the name the author used, the other name beside it (08 S-401).
local function from_other(from, other_name, other)
  local attrs = {
    from = from, recipient = never(), category = never(), notify = maybe(text), sender_pn = never(), sender_lid = never(),
    peer_recipient_pn = never(), peer_recipient_lid = never(),
  }
  attrs[other_name] = other
  return delivered(attrs, readable, poll_named, event_named)
end

-- A copy of what another own device wrote: the chat under both names, never `sender_*` (08 S-402).
local function own_copy(recipient, other_name, other)
  local attrs = {
    from = device, recipient = recipient, category = never(), sender_pn = never(), sender_lid = never(),
    peer_recipient_pn = never(), peer_recipient_lid = never(),
  }
  if other_name then attrs[other_name] = other end
  if other then return delivered(attrs, readable, poll_named, event_named) end
  return delivered(attrs, readable, poll_named, event_named, to_self)
end

-- In a group: the device that wrote it under the name of the group's mode, the other beside it; its own ciphertext before everybody's
-- (08 S-420).
local own_first = rule("a pairwise <enc> must stand before the skmsg", function(message)
  local shared = false
  for _, one in ipairs(children(message)) do
    if one.tag == "enc" and one.attrs.type == "skmsg" then shared = true
    elseif one.tag == "enc" and shared then return false end
  end
  return true
end)

local function in_group(named)
  local lid = named == "lid"
  return delivered({
    from = t.group, participant = lid and t.lid_device or t.pn_device, participant_pn = lid and t.pn_user or never(),
    participant_lid = lid and never() or t.lid_user, addressing_mode = named, notify = maybe(text),
    recipient = never(), category = never(), sender_pn = never(), sender_lid = never(),
  }, readable, own_first)
end

local ack = node("ack", {
  class = "message", id = t.id, from = t.jid, t = time, participant = maybe(device), recipient = maybe(t.user),
  error = maybe(int(400, 599)), addressing_mode = maybe(mode), refresh_lid = maybe "true", server_id = maybe(int(99, 2147476647)),
})

return {
  -- what status posts and channels share with these
  parts = {
    message_type = message_type, enc = enc, for_device = for_device, device_identity = device_identity, with_opaque = with_opaque,
    delivered = delivered, own_first = own_first, readable = readable, vouched = vouched, quiet_reaction = quiet_reaction,
    named_media = named_media, received = received, received_meta = received_meta, encrypted = encrypted,
    reporting = reporting,
  },

  to_server = {
    shape("10 §10.1, 08 S-400", to_people), shape("10 §10.1, 08 S-408", resend), shape("10 §10.1, 03 §9, 08 S-411", peer),
    shape("10 §10.1, 03 §10.2, 08 S-420", to_group), shape("10 §10.1, 08 S-422", group_resend),
  },

  to_client = {
    shape("09 §3.1, 08 S-401", from_other(t.lid_device, "sender_pn", t.pn_user)),
    shape("09 §3.1, 08 S-401", from_other(t.pn_device, "sender_lid", t.lid_user)),
    shape("09 §3.1, 08 S-402", own_copy(t.lid_user, "peer_recipient_pn", t.pn_user)),
    shape("09 §3.1, 08 S-402", own_copy(t.pn_user, "peer_recipient_lid", t.lid_user)),
    shape("09 §3.1, 08 S-405", own_copy(t.user)),
    shape("09 §3.1, 08 S-420", in_group "lid"), shape("09 §3.1, 08 S-420", in_group "pn"),
    shape("09 §3.1, 04 §2.4, 08 S-300, S-411", delivered({
      from = device, category = "peer", recipient = never(), sender_pn = never(), sender_lid = never(), push_priority = maybe(text),
    }, readable)),
    shape("09 §3.5, 03 §17.1, 08 S-404", ack),
  },
}
