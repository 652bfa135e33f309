local node = require("moonpost.stanza").node

local function changed()
  return node("notification", { type = "server_sync", id = "1700000000-1", from = "s.whatsapp.net", t = 1700000000 },
    node("collection", { name = "regular", version = 4 }))
end

local function token()
  return node("notification", {
    type = "privacy_token", id = "1700000000-1", from = "15550001111@s.whatsapp.net", sender_lid = "100@lid", t = 1700000000,
  }, node("tokens", nil, node("token", { type = "trusted_contact", t = 1700000000, jid = "200@lid" }, "opaque")))
end

local function again(content, participant)
  return node("notification", {
    type = "mediaretry", id = "3EB0ABCDEF0123456789", from = "15550001111@s.whatsapp.net", t = 1700000000, participant = participant,
  }, content)
end

local function found()
  return again({
    node("rmr", { jid = "1-2@g.us", from_me = "false", participant = "100@lid" }),
    node("encrypt", nil, { node("enc_p", nil, ("s"):rep(40)), node("enc_iv", nil, ("i"):rep(12)) }),
  }, "100@lid")
end

local function gone() return again { node("error", { code = 2 }) } end

return {
  { "to-client", "where a file is again", found, {
    { "encrypt/enc_iv#5", "notification/encrypt/enc_iv: expected 12 bytes, got 5 (09 §2.10, 05 §14.5, 08 S-836)" },
    { "rmr@from_me=yes", "notification/rmr@from_me: expected true or false, got 'yes' (09 §2.10, 05 §14.5, 08 S-836)" },
  } },
  { "to-client", "that the phone has not got a file", gone, {
    { "error@code!", "notification/error@code: missing, expected a number from 0 (09 §2.10, 05 §14.5, 08 S-836)" },
  } },
  { "to-client", "a token of somebody", token, {
    { "@from=15550001111:1@s.whatsapp.net", "notification@from: expected a person's JID without device, "
      .. "got '15550001111:1@s.whatsapp.net' (09 §2.13, 08 S-800)" },
    { "tokens/token@t!", "notification/tokens/token@t: missing, expected unix seconds (09 §2.13, 08 S-800)" },
  } },
  { "to-client", "a collection that changed", changed, {
    { "collection@version!", "notification/collection@version: missing, expected a number from 0 (09 §2.17, 08 S-324)" },
    { "collection@name=irregular", "notification/collection@name: expected critical_block, critical_unblock_low, " },
    { "collection*", "notification/collection: more than 1 (09 §2.17, 08 S-324)" },
    { "@type=gossip", 'no shape for notification type="gossip" <collection/> to-client (09 §1)' },
  } },
}
