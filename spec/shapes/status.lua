local node = require("moonpost.stanza").node

local STATUS = "status@broadcast"

local function enc(type, attrs)
  local all = { v = "2", type = type }
  for name, value in pairs(attrs or {}) do all[name] = value end
  return node("enc", all, "sealed")
end

local function post()
  return node("message", { id = "3EB0", to = STATUS, type = "text" }, {
    node("participants", nil, { node("to", { jid = "200:1@lid" }, enc "pkmsg"), node("to", { jid = "300@lid" }) }), enc "skmsg",
    node("device-identity", nil, "signed"), node("meta", { status_setting = "contacts" }),
  })
end

local function reaction()
  return node("message", { id = "3EB0", to = STATUS, type = "reaction" }, {
    node("participants", nil, { node("to", { jid = "200:1@lid" }, enc("msg", { ["decrypt-fail"] = "hide" })) }),
  })
end

local function resend()
  return node("message", { id = "3EB0", to = STATUS, participant = "200:1@lid", type = "text" }, { enc("msg", { count = "1" }) })
end

local function received(tag)
  return function()
    return node(tag, {
      from = STATUS, participant = "100:1@lid", participant_pn = "15550001111@s.whatsapp.net", id = "3EB0", t = 1700000000, type = "text",
    }, { enc "pkmsg", enc "skmsg", node("device-identity", nil, "signed") })
  end
end

local function from_list()
  return node("message", {
    from = "1234567@broadcast", participant = "100@lid", participant_pn = "15550001111@s.whatsapp.net", id = "3EB0", t = 1700000000,
    type = "text", notify = "Ana",
  }, { enc "pkmsg" })
end

local function receipt()
  return node("receipt", {
    from = STATUS, participant = "200:1@lid", participant_pn = "15550002222@s.whatsapp.net", id = "3EB0", t = 1700000000,
  })
end

return {
  { "to-server", "a status post", post, {
    { "@addressing_mode=lid", "message@addressing_mode: must not be here, got 'lid' (10 §10.1, 03 §11.1, 08 S-423)" },
    { "meta@status_setting=friends", "message/meta@status_setting: expected contacts, allowlist, denylist, closefriends or customlist, "
      .. "got 'friends' (10 §10.1, 03 §11.1, 08 S-423)" },
    { "device-identity!", "message: a <device-identity> goes with a pkmsg, and only with one (03 §8)" },
  } },
  { "to-server", "a reaction to a status post", reaction, {
    { "participants/to/enc@decrypt-fail!", "message/enc: missing (10 §10.1, 03 §11.1, 08 S-423)" },
  } },
  { "to-server", "a status post brought again", resend, {
    { "enc@count=6", "message/enc@count: expected a number from 1 to 5, got '6' (10 §10.1, 08 S-422, S-423)" },
  } },
  { "to-client", "a status post", received "message", {
    { "@participant=15550001111@s.whatsapp.net",
      "message@participant: expected a LID, got '15550001111@s.whatsapp.net' (09 §3.1, 08 S-423)" },
  } },
  { "to-client", "a status post under its own tag", received "status", {
    { "@type=poll", "status@type: expected text, media or reaction, got 'poll' (09 §4.12)" },
    { "@notify=Ana", "status@notify: must not be here, got 'Ana' (09 §4.12)" },
  } },
  { "to-client", "a message to a list", from_list, {
    { "@participant!", "message@participant: missing, expected a LID (09 §3.1, 04 §2.4)" },
  } },
  { "to-client", "a receipt for a status post", receipt, {
    { "@type=hist_sync", "receipt@type: expected delivery, read, played, inactive or sender, got 'hist_sync' (09 §3.2, 08 S-504)" },
  } },
}
