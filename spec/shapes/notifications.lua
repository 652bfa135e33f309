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

return {
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
