local node = require("moonpost.stanza").node

local GROUP = "120363000000000001@g.us"

local function ask(type, to, content)
  return function() return node("iq", { id = "1.2-3", to = to, type = type, xmlns = "w:g2" }, content()) end
end

local function answer(from, content)
  return function() return node("iq", { id = "1.2-3", from = from, type = "result" }, content()) end
end

local function group()
  return node("group", {
    id = "120363000000000001", subject = "Tea", creation = 1700000000, creator = "100@lid", creator_pn = "15550001111@s.whatsapp.net",
    s_t = 1700000000, s_o = "100@lid", s_o_pn = "15550001111@s.whatsapp.net", size = 2, addressing_mode = "lid",
  }, {
    node("participant", { jid = "100@lid", phone_number = "15550001111@s.whatsapp.net", type = "superadmin" }),
    node("participant", { jid = "200@lid", phone_number = "15550002222@s.whatsapp.net" }),
  })
end

local create = ask("set", "g.us", function()
  return node("create", { subject = "Tea", key = "3EB0" }, node("participant", { jid = "200@lid" }))
end)
local query = ask("get", GROUP, function() return node("query", { request = "interactive" }) end)
local participating = ask("get", "g.us", function() return node("participating", nil, { node "participants", node "description" }) end)

local function told()
  return node("notification", {
    type = "w:gp2", id = "1700000000-1", from = GROUP, to = "200:1@lid", t = 1700000000, participant = "100@lid",
    participant_pn = "15550001111@s.whatsapp.net", notify = "Ana", addressing_mode = "lid",
  }, node("create", { type = "new", key = "3EB0" }, group()))
end

return {
  { "to-server", "a new group", create, {
    { "create/participant!", "iq/create/participant: missing (10 §3.3, 08 S-701)" },
    { "create/participant@jid=200:5@lid",
      "iq/create/participant@jid: expected a person's JID without device, got '200:5@lid' (10 §3.3, 08 S-701)" },
  } },
  { "to-client", "the group that was made", answer("g.us", group), {
    { "group@creator!", "iq/group@creator: missing, expected a LID without device (10 §3.3, 08 S-701)" },
    { "group@size=20000", "iq/group@size: expected a number from 0 to 19999, got '20000' (10 §3.3, 08 S-701)" },
    { "@from=s.whatsapp.net", "iq@from: expected the request's address 'g.us', got 's.whatsapp.net' (10 §0.2)" },
  }, request = create },
  { "to-server", "the question about a group", query, {
    { "@to=100@lid", "iq@to: expected a group's JID, got '100@lid' (10 §3.2, 08 S-704)" },
    { "query@request=idle", "iq/query@request: expected 'interactive', got 'idle' (10 §3.2, 08 S-704)" },
  } },
  { "to-client", "a group", answer(GROUP, group), {
    { "group@id=120363000000000001@g.us",
      "iq/group@id: expected a group's number, without server, got '120363000000000001@g.us' (10 §3.2, 08 S-704)" },
    { "group/participant[1]@type=owner",
      "iq/group/participant[1]@type: expected admin or superadmin, got 'owner' (10 §3.2, 08 S-704)" },
  }, request = query },
  { "to-server", "the question for one's groups", participating, {
    { "participating+members", "iq/participating/members: not a child of this stanza (10 §3.2, 08 S-705)" },
  } },
  { "to-client", "one's groups", answer("g.us", function() return node("groups", nil, group()) end), {
    { "groups!", "iq/groups: missing (10 §3.2, 08 S-705)" },
  }, request = participating },
  { "to-client", "that a group was made", told, {
    { "@participant!", "notification@participant: missing, expected a person's JID without device (09 §2.21, 08 S-702)" },
    { "@to!", "notification@to: missing, expected a person's JID (09 §2.21, 08 S-702)" },
    { "@id=1.2", "notification@id: expected an id of the server's own, without a dot, got '1.2' (09 §2.21, 08 S-702)" },
    { "create/group!", "notification/create/group: missing (09 §2.21, 08 S-702)" },
  } },
}
