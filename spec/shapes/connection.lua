local node = require("moonpost.stanza").node

local function ping() return node("iq", { id = "1.2-3", to = "s.whatsapp.net", type = "get", xmlns = "w:p" }) end
local function active() return node("iq", { id = "1.2-3", to = "s.whatsapp.net", type = "set", xmlns = "passive" }, node "active") end

local function clean()
  return node("iq", { id = "1.2-3", to = "s.whatsapp.net", type = "set", xmlns = "urn:xmpp:whatsapp:dirty" },
    node("clean", { type = "account_sync", timestamp = "1700000000" }))
end

local function statistics()
  return node("iq", { id = "1.2-3", to = "s.whatsapp.net", type = "set", xmlns = "w:stats" }, node("add", { t = "1700000000" }, "WAM"))
end

local function bulletin(child)
  return function() return node("ib", { from = "s.whatsapp.net" }, child()) end
end

return {
  { "to-server", "a ping", ping, {
    { "@to=15550001111@s.whatsapp.net", "iq@to: expected 's.whatsapp.net', got '15550001111@s.whatsapp.net' (10 §9, 08 S-120)" },
    { "@id!", "iq@id: missing, expected an id (10 §9, 08 S-120)" },
    { "@phash=x", "iq@phash: not an attribute of this stanza (10 §9, 08 S-120)" },
    { "+foo", 'no shape for iq type="get" xmlns="w:p" <foo/> to-server (08 S-901)' },
    { "@xmlns=urn:xmpp:ping", 'no shape for iq type="get" xmlns="urn:xmpp:ping"' },
  } },
  { "to-client", "a pong", function() return node("iq", { id = "1.2-3", from = "s.whatsapp.net", type = "result", t = "1700000000" }) end, {
    { "@t!", "iq@t: missing, expected unix seconds (10 §9, 08 S-120)" },
    { "@from=g.us", "iq@from: expected the request's address 's.whatsapp.net', got 'g.us' (10 §0.2)" },
    { "@id=1.2-4", "iq@id: expected the request's '1.2-3', got '1.2-4' (10 §0.2)" },
    { "@type=error", "iq/error: an error answer holds exactly one <error> (10 §0.2)" },
    { "+error", "iq/error: must not be here (10 §9, 08 S-120)" },
  }, request = ping },

  { "to-server", "that it is active", active, {
    { "active!", 'no shape for iq type="set" xmlns="passive"' },
    { "active@x=1", "iq/active@x: not an attribute of this stanza (10 §1.1, 08 S-102)" },
    { "active*", "iq/active: more than 1 (10 §1.1, 08 S-102)" },
  } },
  { "to-client", "the answer to that", function() return node("iq", { id = "1.2-3", from = "s.whatsapp.net", type = "result" }) end, {
    { "@from!", "iq@from: expected the request's address 's.whatsapp.net', got 'nil' (10 §0.2)" },
  }, request = active },

  { "to-server", "a cleaned dirty bit", clean, {
    { "clean@timestamp=soon", "iq/clean@timestamp: expected unix seconds, got 'soon' (10 §1.1, 08 S-333)" },
    { "clean@type!", "iq/clean@type: missing, expected a text (10 §1.1, 08 S-333)" },
  } },
  { "to-server", "statistics", statistics, {
    { "add#0", "iq/add: expected at least 1 bytes, got 0 (10 §9, 08 S-121)" },
    { "@type=get", "iq@type: expected 'set', got 'get' (10 §9, 08 S-121)" },
  } },
  { "to-server", "a session's id", function() return node("ib", nil, node("unified_session", { id = "604799999" })) end, {
    { "unified_session@id=604800000",
      "ib/unified_session@id: expected a number from 0 to 604799999, got '604800000' (01 §11.3, 08 S-121)" },
    { "@from=s.whatsapp.net", "ib@from: not an attribute of this stanza (01 §11.3, 08 S-121)" },
  } },
  { "to-server", "the wish for a batch of the backlog", function() return node("ib", nil, node("offline_batch", { count = "200" })) end, {
    { "offline_batch@count=0", "ib/offline_batch@count: expected a number from 1, got '0' (01 §7.6, 08 S-121)" },
  } },

  { "to-client", "a login", function()
    return node("success", { t = 1700000000, lid = "100:7@lid", creation = 1690000000, props = "27" })
  end, {
    { "@lid=15550001111:7@s.whatsapp.net", "success@lid: expected a LID, got '15550001111:7@s.whatsapp.net' (01 §7.2, 08 S-100)" },
    { "@t!", "success@t: missing, expected unix seconds (01 §7.2, 08 S-100)" },
  } },
  { "to-client", "a refused login", function() return node("failure", { reason = "402", code = "104", expire = "7200" }) end, {
    { "@reason=no", "failure@reason: expected a number from 400 to 599, got 'no' (01 §7.3, 08 S-118)" },
    { "@expire=7200.0", "failure@expire: expected a number, got '7200.0' (01 §7.3, 08 S-118)" },
  } },
  { "to-client", "that another login replaced this", function()
    return node("stream:error", {}, node("conflict", { type = "replaced" }))
  end, {
    { "conflict@type=other", "stream:error/conflict@type: expected replaced or device_removed, got 'other' (01 §7.4, 08 S-101, S-117)" },
  } },
  { "to-client", "that a stanza was malformed", function() return node("stream:error", {}, node "xml-not-well-formed") end, {
    { "xml-not-well-formed!", "stream:error/conflict: missing (01 §7.4, 08 S-101, S-117)" },
  } },
  { "to-client", "that a restart is due", function() return node("stream:error", { code = "515" }) end, {
    { "@code=200", "stream:error@code: expected 401, 409, 429, 500, 503, 515 or 516, got '200' (01 §7.4, 08 S-110)" },
  } },
  { "to-client", "what waits", bulletin(function()
    return node("offline_preview", { count = 3, message = 1, notification = 1, receipt = 1, appdata = 0 })
  end), {
    { "offline_preview@receipt!", "ib/offline_preview@receipt: missing, expected a number from 0 (01 §7.6, 04 §10.1, 08 S-601)" },
    { "+dirty", "ib/dirty: not a child of this stanza (01 §7.6, 04 §10.1, 08 S-601)" },
  } },
  { "to-client", "the end of what waited", bulletin(function()
    return node("offline", { count = 0 })
  end), {
    { "offline@count!", "ib/offline@count: missing, expected a number from 0 (01 §7.6, 08 S-103)" },
    { "@from=15550001111@s.whatsapp.net", "ib@from: expected 's.whatsapp.net', got '15550001111@s.whatsapp.net' (01 §7.6, 08 S-103)" },
  } },
  { "to-client", "a dirty bit", bulletin(function()
    return node("dirty", { type = "groups", timestamp = "1700000000" })
  end), {
    { "dirty@type=everything",
      "ib/dirty@type: expected groups, account_sync, syncd_app_state, newsletter_metadata or communities, got 'everything' (07 §10.2)" },
  } },
  { "to-client", "where to connect the next time", bulletin(function()
    return node("edge_routing", {}, { node("routing_info", nil, "\1\2") })
  end), {
    { "edge_routing/routing_info#0", "ib/edge_routing/routing_info: expected at least 1 bytes, got 0 (01 §11.1)" },
  } },
  { "to-client", "until when a version serves", bulletin(function()
    return node("client_expiration", { t = "1700000000" })
  end), {
    { "client_expiration@t=never", "ib/client_expiration@t: expected unix seconds, got 'never' (09 §4.3)" },
  } },
}
