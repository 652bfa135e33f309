local node = require("moonpost.stanza").node

local function enc(type, more)
  local attrs = { v = "2", type = type }
  for name, value in pairs(more or {}) do attrs[name] = value end
  return node("enc", attrs, "ciphertext")
end

local function to(jid, type) return node("to", { jid = jid }, enc(type)) end

local function fanout()
  return node("message", { id = "3EB0A1", to = "100@lid", type = "text", peer_recipient_pn = "15550001111@s.whatsapp.net" }, {
    node("participants", nil, { to("100@lid", "pkmsg"), to("100:5@lid", "msg"), to("200@lid", "msg") }),
    node("device-identity", nil, "adv"),
  })
end

local function resend()
  return node("message", { id = "3EB0A1", to = "100:5@lid", type = "text", device_fanout = "false", t = "1700000000" }, {
    enc("pkmsg", { count = "1" }), node("device-identity", nil, "adv"),
  })
end

local function peer()
  return node("message", { id = "3EB0A2", to = "15550002222@s.whatsapp.net", type = "text", category = "peer", push_priority = "high" }, {
    enc "msg", node("meta", { appdata = "default" }),
  })
end

local GROUP = "120363000000000001@g.us"

local function to_group()
  return node("message", { id = "3EB0A3", to = GROUP, type = "text", addressing_mode = "lid", phash = "2:AAAAAAAA" }, {
    node("participants", nil, { to("100@lid", "pkmsg"), to("100:5@lid", "msg") }), enc "skmsg", node("device-identity", nil, "adv"),
  })
end

local function group_resend()
  return node("message", { id = "3EB0A3", to = GROUP, participant = "100:5@lid", type = "text", addressing_mode = "lid" }, {
    enc("msg", { count = "1" }),
  })
end

local function delivered(attrs, content)
  return function()
    local all = { id = "3EB0A1", t = "1700000000", type = "text" }
    for name, value in pairs(attrs) do all[name] = value end
    return node("message", all, content and content() or enc "msg")
  end
end

local from_other = delivered { from = "100:5@lid", sender_pn = "15550001111@s.whatsapp.net", notify = "Ana" }
local own_copy = delivered { from = "200:5@lid", recipient = "100@lid", peer_recipient_pn = "15550001111@s.whatsapp.net" }
local to_self = delivered { from = "200:5@lid", recipient = "200@lid" }
local in_group = delivered({
  from = GROUP, participant = "100:5@lid", participant_pn = "15550001111@s.whatsapp.net", addressing_mode = "lid", notify = "Ana",
}, function() return { enc "msg", enc "skmsg" } end)
local from_phone = delivered { from = "15550002222@s.whatsapp.net", category = "peer" }

local function poll()
  return { enc "msg", node("meta", { polltype = "creation" }) }
end

local function ack() return node("ack", { class = "message", id = "3EB0A1", from = "100@lid", t = 1700000000 }) end

local grouped, group_taken = "(10 §10.1, 03 §10.2, 08 S-420)", "(09 §3.1, 08 S-420)"
local sent, taken = "(10 §10.1, 08 S-400)", "(09 §3.1, 08 S-401)"

return {
  { "to-server", "a message to all devices of two people", fanout, {
    { "participants/to[3]/enc@type=x", "message/participants/to[3]/enc@type: expected msg or pkmsg, got 'x' (10 §10.1, 03 §8)" },
    { "participants/to[2]/enc@v=3", "message/participants/to[2]/enc@v: expected '2', got '3' (10 §10.1, 03 §8)" },
    { "participants/to[2]/enc#0", "message/participants/to[2]/enc: expected 1 to 1048576 bytes, got 0 (10 §10.1, 03 §8)" },
    { "participants/to[1]@jid=1@g.us", "message/participants/to[1]@jid: expected a person's JID, got '1@g.us' (10 §10.1, 03 §8)" },
    { "participants/to[1]/enc@phash=2:x", "message/participants/to[1]/enc@phash: not an attribute of this stanza (10 §10.1, 03 §8)" },
    { "participants/to[1]/enc@mediatype=hologram", "message/participants/to[1]/enc@mediatype: expected image, video, " },
    { "participants/to[1]/enc@decrypt-fail=show",
      "message/participants/to[1]/enc@decrypt-fail: expected 'hide', got 'show' (10 §10.1, 03 §8)" },
    { "device-identity!", "message: a <device-identity> goes with a pkmsg, and only with one (03 §8)" },
    { "participants/to[1]!", "message: a <device-identity> goes with a pkmsg, and only with one (03 §8)" },
    { "@type=telegram", "message@type: expected text, media, medianotify, pay, poll, reaction or event, got 'telegram' " .. sent },
    { "participants/to[1]/enc@mediatype=image", "message: a mediatype stands on every enc, or on none (03 §14.2)" },
    { "@type=reaction", 'message: type="reaction" goes with decrypt-fail="hide" on every enc (03 §14.4)' },
    { "@id=", "message@id: expected an id, got '' " .. sent },
    { "@to=status@broadcast", "message@to: expected a person's JID without device, got 'status@broadcast' " .. sent },
    { "@peer_recipient_pn=100@lid", "message@peer_recipient_pn: expected a phone number's JID without device, got '100@lid' " .. sent },
    { "@edit=9", "message@edit: expected 1, 2, 7 or 8, got '9' " .. sent },
    { "@category=peer", "message@category: must not be here, got 'peer' " .. sent },
    { "+participants", "message/participants: more than 1 " .. sent },
    { "+plaintext", "message/plaintext: not a child of this stanza " .. sent },
  } },
  { "to-server", "a message to one person's single device", function()
    return node("message", { id = "3EB0A1", to = "100@lid", type = "text" }, enc "msg")
  end, {
    { "enc!", "message: at least one <enc> " .. sent },
    { "enc@type=skmsg", "message/enc@type: expected msg or pkmsg, got 'skmsg' " .. sent },
  } },
  { "to-server", "a message sent again to one device", resend, {
    { "enc@count=6", "message/enc@count: expected a number from 1 to 5, got '6' (10 §10.1, 08 S-408)" },
    { "@device_fanout=true", "message@device_fanout: expected 'false', got 'true' (10 §10.1, 08 S-408)" },
    { "@t=yesterday", "message@t: expected unix seconds, got 'yesterday' (10 §10.1, 08 S-408)" },
    { "device-identity!", "message: a pkmsg goes with a <device-identity> (03 §8)" },
  } },
  { "to-server", "a peer message", peer, {
    { "@push_priority=low", "message@push_priority: expected high or high_force, got 'low' (10 §10.1, 03 §9, 08 S-411)" },
    { "@type=media", "message@type: expected 'text', got 'media' (10 §10.1, 03 §9, 08 S-411)" },
    { "meta@appdata=x", "message/meta@appdata: expected default, member_tag or group_history, got 'x' (10 §10.1, 03 §14.7)" },
    { "+tctoken", "message/tctoken: not a child of this stanza (10 §10.1, 03 §9, 08 S-411)" },
  } },

  { "to-server", "a message to a group", to_group, {
    { "@addressing_mode!", "message@addressing_mode: missing, expected pn or lid " .. grouped },
    { "@phash=3:x", "message@phash: expected a hash of devices, '2:' and base64, got '3:x' " .. grouped },
    { "enc!", "message/enc: missing " .. grouped },
    { "enc@type=msg", "message/enc@type: expected 'skmsg', got 'msg' " .. grouped },
    { "participants/to[1]/enc@type=skmsg",
      "message/participants/to[1]/enc@type: expected msg or pkmsg, got 'skmsg' (10 §10.1, 03 §8)" },
    { "device-identity!", "message: a <device-identity> goes with a pkmsg, and only with one (03 §8)" },
    { "participants/to[1]/enc@mediatype=image", "message: a mediatype stands on the skmsg (03 §14.2)" },
  } },
  { "to-server", "a group message sent again to one device", group_resend, {
    { "@participant=1@g.us", "message@participant: expected a person's JID, got '1@g.us' (10 §10.1, 08 S-422)" },
    { "enc@type=skmsg", "message/enc@type: expected msg or pkmsg, got 'skmsg' (10 §10.1, 08 S-422)" },
  } },

  { "to-client", "a message in a group", in_group, {
    { "@participant!", "message@participant: missing, expected a LID " .. group_taken },
    { "@addressing_mode!", "message@addressing_mode: missing, expected 'lid' " .. group_taken },
    { "@participant_pn!", "message@participant_pn: missing, expected a phone number's JID without device " .. group_taken },
    { "@sender_pn=15550001111@s.whatsapp.net", "message@sender_pn: must not be here, got '15550001111@s.whatsapp.net' " .. group_taken },
    { "+participants", "message/participants: must not be here " .. group_taken },
  } },
  { "to-client", "a message in a group of phone numbers", delivered({
    from = GROUP, participant = "15550001111:5@s.whatsapp.net", participant_lid = "100@lid", addressing_mode = "pn",
  }, function() return { enc "skmsg" } end), {
    { "@participant_lid!", "message@participant_lid: missing, expected a LID without device " .. group_taken },
    { "@participant=100:5@lid", "message@participant: expected a phone number's JID, got '100:5@lid' " .. group_taken },
    { "@participant_pn=15550001111@s.whatsapp.net", "message@participant_pn: must not be here" },
  } },
  { "to-client", "a group message whose sender key is known", delivered({
    from = GROUP, participant = "100:5@lid", participant_pn = "15550001111@s.whatsapp.net", addressing_mode = "lid",
  }, function() return { enc "skmsg", node("meta") } end), {
    { "+enc", "message/enc[2]@type: missing, expected msg, pkmsg, skmsg or msmsg " .. group_taken },
    { "enc!", "message: an <enc> or <unavailable/> " .. group_taken },
  } },
  { "to-client", "a message of somebody", from_other, {
    { "@t!", "message@t: missing, expected unix seconds " .. taken },
    { "@sender_pn!", "message@sender_pn: missing, expected a phone number's JID without device " .. taken },
    { "@type=telegram", "message@type: expected text, media, medianotify, pay, poll, reaction or event, got 'telegram' " .. taken },
    { "@offline=13", "message@offline: expected a number from 0 to 12, got '13' " .. taken },
    { "@device_fanout=false", "message@device_fanout: must not be here, got 'false' " .. taken },
    { "@phash=2:x", "message@phash: must not be here, got '2:x' " .. taken },
    { "@verified_level=great", "message@verified_level: expected high, low or unknown, got 'great' " .. taken },
    { "enc@type=none", "message/enc@type: expected msg, pkmsg, skmsg or msmsg, got 'none' " .. taken },
    { "enc#0", "message/enc: expected 1 to 1048576 bytes, got 0 " .. taken },
    { "enc!", "message: an <enc> or <unavailable/> " .. taken },
    { "+participants", "message/participants: must not be here " .. taken },
    { "+tctoken", "message/tctoken: must not be here " .. taken },
    { "@type=poll", 'message: type="poll" goes with <meta polltype> ' .. taken },
    { "@type=event", 'message: type="event" goes with <meta event_type> ' .. taken },
  } },
  { "to-client", "a message of somebody's phone number", delivered { from = "15550001111:5@s.whatsapp.net", sender_lid = "100@lid" }, {
    { "@sender_lid=100:5@lid", "message@sender_lid: expected a LID without device, got '100:5@lid' " .. taken },
  } },
  { "to-client", "a poll", delivered({ from = "100:5@lid", sender_pn = "15550001111@s.whatsapp.net", type = "poll" }, poll), {
    { "meta@appdata=other", "message/meta@appdata: expected default, member_tag or group_history, got 'other' " .. taken },
    { "meta@polltype!", 'message: type="poll" goes with <meta polltype> ' .. taken },
  } },
  { "to-client", "a copy of what another own device wrote", own_copy, {
    { "@sender_pn=15550002222@s.whatsapp.net",
      "message@sender_pn: must not be here, got '15550002222@s.whatsapp.net' (09 §3.1, 08 S-402)" },
    { "@recipient=100:5@lid", "message@recipient: expected a LID without device, got '100:5@lid' (09 §3.1, 08 S-402)" },
    { "@peer_recipient_pn!", "message@peer_recipient_pn: missing, expected a phone number's JID without device (09 §3.1, 08 S-402)" },
  } },
  { "to-client", "a copy of a note to oneself", to_self, {
    { "@recipient=300@lid", "message@peer_recipient_pn: missing, expected a phone number's JID without device (09 §3.1, 08 S-402)" },
    { "@sender_lid=200@lid", "message@sender_lid: must not be here, got '200@lid' (09 §3.1, 08 S-405)" },
  } },
  { "to-client", "a peer message of the phone", from_phone, {
    { "@recipient=100@lid", "message@recipient: must not be here, got '100@lid' (09 §3.1, 04 §2.4, 08 S-300, S-411)" },
    { "@sender_lid=200@lid", "message@sender_lid: must not be here, got '200@lid' (09 §3.1, 04 §2.4, 08 S-300, S-411)" },
  } },
  { "to-client", "that a message was taken", ack, {
    { "@t!", "ack@t: missing, expected unix seconds (09 §3.5, 03 §17.1, 08 S-404)" },
    { "@error=1000", "ack@error: expected a number from 400 to 599, got '1000' (09 §3.5, 03 §17.1, 08 S-404)" },
    { "@from!", "ack@from: missing, expected a JID (09 §3.5, 03 §17.1, 08 S-404)" },
    { "@class=letter", 'no shape for ack class="letter" to-client (09 §1)' },
  } },
}
