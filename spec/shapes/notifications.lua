local node = require("moonpost.stanza").node

local function changed()
  return node("notification", { type = "server_sync", id = "1700000000-1", from = "s.whatsapp.net", t = 1700000000 },
    node("collection", { name = "regular", version = 4 }))
end

return {
  { "to-client", "a collection that changed", changed, {
    { "collection@version!", "notification/collection@version: missing, expected a number from 0 (09 §2.17, 08 S-324)" },
    { "collection@name=irregular", "notification/collection@name: expected critical_block, critical_unblock_low, " },
    { "collection*", "notification/collection: more than 1 (09 §2.17, 08 S-324)" },
    { "@type=gossip", 'no shape for notification type="gossip" <collection/> to-client (09 §1)' },
  } },
}
