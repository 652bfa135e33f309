local node = require("moonpost.stanza").node
local samples = require "spec.shapes.group_samples"

local GROUP, ANA, BEN = samples.GROUP, samples.ANA, samples.BEN
local ask, answer, person = samples.ask, samples.answer, samples.person

local create = ask("set", "g.us", function()
  return node("create", { subject = "Tea", key = "3EB0" }, node("participant", { jid = "200@lid" }))
end)
local create_all = ask("set", "g.us", function()
  return node("create", { subject = "Tea" }, {
    node("participant", { jid = "200@lid", phone_number = BEN.pn }, node("privacy", nil, "token")),
    node("description", { id = "D1" }, node("body", nil, "Green or black")), node("member_add_mode", nil, "all_member_add"),
    node("member_link_mode", nil, "admin_link"), node("ephemeral", { expiration = "0" }), node "locked", node "announcement",
    node("membership_approval_mode", nil, node("group_join", { state = "off" })), node("addressing_mode_override", { mode = "pn" }),
  })
end)
local query = ask("get", GROUP, function() return node("query", { request = "interactive" }) end)
local preview = ask("get", GROUP, function()
  return node("query", nil, node("add_request", { code = "abcdEFGH", expiration = "1700000000", admin = ANA.lid }))
end)
local batch = ask("get", "g.us", function() return node("query", nil, node("group", { jid = GROUP })) end)
local participating = ask("get", "g.us", function() return node("participating", nil, { node "participants", node "description" }) end)

local function action(tag)
  return ask("set", GROUP, function() return node(tag, nil, node("participant", { jid = "200@lid" })) end)
end

local leave = ask("set", "g.us", function() return node("leave", nil, node("group", { id = GROUP })) end)
local subject = ask("set", GROUP, function() return node("subject", nil, "Coffee") end)
local description = ask("set", GROUP, function() return node("description", { id = "D2", prev = "D1" }, node("body", nil, "Black")) end)
local settings = ask("set", GROUP, function() return { node "locked", node("ephemeral", { expiration = "86400" }) } end)

local function empty(from) return answer(from) end

return {
  { "to-server", "a new group", create, {
    { "create/participant@jid=200:5@lid",
      "iq/create/participant@jid: expected a person's JID without device, got '200:5@lid' (10 §3.3, 08 S-701)" },
  } },
  { "to-server", "a new group with all that can be said of it", create_all, {
    { "create+colour", "iq/create/colour: not a child of this stanza (10 §3.3, 08 S-701)" },
  } },
  { "to-client", "the group that was made", answer("g.us", samples.group), {
    { "group@creator!", "iq/group@creator: missing, expected a LID without device (10 §3.3, 08 S-701)" },
    { "group@size=20000", "iq/group@size: expected a number from 0 to 19999, got '20000' (10 §3.3, 08 S-701)" },
    { "@from=s.whatsapp.net", "iq@from: expected the request's address 'g.us', got 's.whatsapp.net' (10 §0.2)" },
  }, request = create },
  { "to-client", "the group that was made without somebody who is not to be had", answer("g.us", function()
    local group = samples.group()
    table.insert(group.content, node("participant", { jid = "300@lid", error = 404 }))
    return group
  end), {
    { "group/participant[3]@error=200", "iq/group/participant[3]@error: " },
  }, request = create },
  { "to-server", "the question about a group", query, {
    { "@to=100@lid", "iq@to: expected a group's JID, got '100@lid' (10 §3.2, 08 S-704)" },
    { "query@request=idle", "iq/query@request: expected 'interactive', got 'idle' (10 §3.2, 08 S-704)" },
  } },
  { "to-server", "the question about a group one is invited to", preview, {
    { "query/add_request@admin!", "iq/query/add_request@admin: missing, expected a person's JID without device (10 §3.2, 08 S-704)" },
  } },
  { "to-client", "a group", answer(GROUP, samples.group, { addressing_mode = "lid" }), {
    { "group@id=120363000000000001@g.us",
      "iq/group@id: expected a group's number, without server, got '120363000000000001@g.us' (10 §3.2, 08 S-704)" },
    { "group/participant[1]@type=owner",
      "iq/group/participant[1]@type: expected admin or superadmin, got 'owner' (10 §3.2, 08 S-704)" },
    { "group/participant[2]@jid=15550002222@s.whatsapp.net",
      "iq/group/participant[2]@jid: expected a LID without device, got '15550002222@s.whatsapp.net' (10 §3.2, 08 S-704)" },
    { "group/description@t!", "iq/group/description@t: missing, expected unix seconds (10 §3.2, 08 S-704)" },
    { "group/ephemeral@expiration=0",
      "iq/group/ephemeral@expiration: expected a number from 1 to 2147483647, got '0' (10 §3.2, 08 S-704)" },
    { "group/membership_approval_mode/group_join@state=off",
      "iq/group/membership_approval_mode/group_join@state: expected 'on', got 'off' (10 §3.2, 08 S-704)" },
  }, request = query },
  { "to-client", "a group of phone numbers", answer(GROUP, function() return samples.group "pn" end), {
    { "group/participant[2]@lid=15550002222@s.whatsapp.net",
      "iq/group/participant[2]@lid: expected a LID without device, got '15550002222@s.whatsapp.net' (10 §3.2, 08 S-704)" },
  }, request = query },
  { "to-server", "the question about several groups", batch, { { "query/group@jid!", "iq/query/group@jid: missing" } } },
  { "to-client", "several groups, one of them closed", answer("g.us", function()
    return node("groups", nil, { samples.group(), node("group", { id = "120363000000000002", error = 403 }) })
  end), {
    { "groups/group[2]@error=500", "iq/groups/group[2]@error: expected 403 or 404, got '500' (10 §3.2, 08 S-704)" },
  }, request = batch },
  { "to-server", "the question for one's groups", participating, {
    { "participating+members", "iq/participating/members: not a child of this stanza (10 §3.2, 08 S-705)" },
  } },
  { "to-client", "one's groups", answer("g.us", function() return node("groups", nil, samples.group()) end), {
    { "groups!", "iq/groups: missing (10 §3.2, 08 S-705)" },
  }, request = participating },

  { "to-server", "somebody added", action "add", { { "add/participant!", "iq/add/participant: missing (10 §3.4, 08 S-706)" } } },
  { "to-client", "who was added, and who was not", answer(GROUP, function()
    return node("add", nil, {
      person("lid", BEN, { type = 200 }),
      node("participant", { jid = "300@lid", error = 403 }, node("add_request", { code = "abcd", expiration = 1700000000 })),
      node("participant", { jid = "400@lid", error = 421 }, node "membership_approval_request"),
      node("participant", { jid = "500@lid", error = 409 }),
    })
  end, { addressing_mode = "lid" }), {
    { "add/participant[1]@jid!", "iq/add/participant[1]@jid: missing" },
    { "add/participant[4]@error=405", "iq/add/participant[4]@error: must not be here, got '405' (10 §3.4, 08 S-706)" },
    { "add/participant[1]@type=403", "iq/add/participant[1]@type: expected '200', got '403' (10 §3.4, 08 S-706)" },
  }, request = action "add" },
  { "to-server", "somebody removed", action "remove", { { "remove@reason=x", "iq/remove@reason: not an attribute of this stanza" } } },
  { "to-client", "who was removed, and who was not there", answer(GROUP, function()
    return node("remove", nil, { person("lid", BEN, { type = 200 }), node("participant", { jid = "300@lid", error = 404 }) })
  end), {
    { "remove/participant[2]@error=409",
      "iq/remove/participant[2]@error: must not be here, got '409' (10 §3.4, 08 S-706)" },
  }, request = action "remove" },
  { "to-server", "somebody made an admin", action "promote", { { "promote/participant!", "iq/promote/participant: missing" } } },
  { "to-client", "who was made an admin", answer(GROUP, function()
    return node("promote", nil, { person("pn", BEN), node("participant", { jid = "300@lid", error = 404 }) })
  end), {
    { "promote/participant[1]@type=200", "iq/promote/participant[1]@type: expected 'admin', got '200' (10 §3.4, 08 S-706)" },
    { "promote/participant[2]@error=409", "iq/promote/participant[2]@error: must not be here, got '409' (10 §3.4, 08 S-706)" },
  }, request = action "promote" },
  { "to-server", "an admin made a member", action "demote", { { "demote/participant!", "iq/demote/participant: missing" } } },
  { "to-client", "who is no longer an admin", answer(GROUP, function() return node("demote", nil, person("lid", BEN)) end), {
    { "demote!", "iq/demote: missing (10 §3.4, 08 S-706)" },
  }, request = action "demote" },
  { "to-server", "a group left", leave, {
    { "leave/group@id=1", "iq/leave/group@id: expected a group's JID, got '1' (10 §3.4, 08 S-707)" },
  } },
  { "to-client", "the group that was left", answer("g.us", function() return node("leave", nil, node("group", { id = GROUP })) end), {
    { "leave/group@id!", "iq/leave/group@id: missing, expected a group's JID (10 §3.4, 08 S-707)" },
  }, request = leave },

  { "to-server", "another subject", subject, {
    { "subject@subject=Coffee", "iq/subject@subject: not an attribute of this stanza (10 §3.6, 08 S-708)" },
  } },
  { "to-client", "that the subject is another", empty(GROUP), { { "@from=g.us", "iq@from: expected the request's address" } },
    request = subject },
  { "to-server", "another description", description, {
    { "description@delete=true", 'iq/description: a text, or delete="true" (10 §3.6, 08 S-708)' },
  } },
  { "to-client", "when the description was taken", answer(GROUP, nil, { t = 1700000000 }), {
    { "@t=now", "iq@t: expected unix seconds, got 'now' (10 §3.6, 08 S-708)" },
  }, request = description },
  { "to-server", "several settings", settings, { { "locked@by=100@lid", "iq/locked@by: not an attribute of this stanza" } } },
  { "to-client", "that the settings are taken", empty(GROUP), {
    { "@id=2", "iq@id: expected the request's '1.2-3'" },
  }, request = settings },
}
