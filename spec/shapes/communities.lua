local node = require("moonpost.stanza").node
local samples = require "spec.shapes.group_samples"

local GROUP, COMMUNITY, BEN = samples.GROUP, samples.COMMUNITY, samples.BEN
local ask, answer, person = samples.ask, samples.answer, samples.person

local function links(attrs)
  return function()
    local all = { jid = GROUP }
    for name, value in pairs(attrs or {}) do all[name] = value end
    return node("links", nil, node("link", { link_type = "sub_group" }, node("group", all)))
  end
end

local function unlink(attrs)
  return function()
    local all = { jid = GROUP }
    for name, value in pairs(attrs or {}) do all[name] = value end
    return node("unlink", { unlink_type = "sub_group" }, node("group", all))
  end
end

local function admins() return node("admin", nil, node("promote", nil, node("participant", { jid = BEN.lid }))) end
local function of_jid(tag, attrs)
  return function()
    local all = { jid = GROUP }
    for name, value in pairs(attrs or {}) do all[name] = value end
    return node(tag, all)
  end
end
local function bare(tag) return function() return node(tag) end end
local function linked_group() return node("linked_group", { jid = GROUP }, samples.group()) end

local link, loosen = ask("set", COMMUNITY, links()), ask("set", COMMUNITY, unlink { remove_orphaned_members = "true" })
local join, promote = ask("set", COMMUNITY, of_jid "join_linked_group"), ask("set", COMMUNITY, admins)
local look = ask("get", COMMUNITY, of_jid("query_linked", { type = "sub_group" }))
local everybody, list = ask("get", COMMUNITY, bare "linked_groups_participants"), ask("get", COMMUNITY, bare "sub_groups")

return {
  { "to-server", "a group taken into a community", link, {
    { "links/link@link_type=sibling", "iq/links/link@link_type: expected 'sub_group', got 'sibling' (10 §4, 08 S-721)" },
  } },
  { "to-client", "whether it is in", answer(COMMUNITY, links { error = 403 }), {
    { "links/link/group@error=405", "iq/links/link/group@error: expected" },
  }, request = link },
  { "to-server", "a group let go", loosen, { { "unlink/group@jid!", "iq/unlink/group@jid: missing" } } },
  { "to-client", "that it is", answer(COMMUNITY, unlink()), {
    { "unlink@unlink_type!", "iq/unlink@unlink_type: missing" },
  }, request = loosen },
  { "to-server", "the end of a community", ask("set", COMMUNITY, bare "delete_parent"), {
    { "delete_parent@jid=1", "iq/delete_parent@jid: not an attribute of this stanza" },
  } },
  { "to-server", "coming into one of its groups", join, {
    { "join_linked_group@jid=1", "iq/join_linked_group@jid: expected a group's JID" },
  } },
  { "to-client", "the group one came into", answer(COMMUNITY, linked_group), {
    { "linked_group/group!", "iq/linked_group/group: missing" },
  }, request = join },
  { "to-server", "an admin of all its groups", promote, { { "admin/promote/participant!", "iq/admin/promote/participant: missing" } } },
  { "to-client", "who is one", answer(COMMUNITY, admins), {
    { "admin/promote/participant@error=409", "iq/admin/promote/participant@error: expected 404 or 419" },
  }, request = promote },
  { "to-server", "the question about one of its groups", look, { { "query_linked@type!", "iq/query_linked@type: missing" } } },
  { "to-client", "one of its groups", answer(COMMUNITY, linked_group), {
    { "linked_group!", "iq/linked_group: missing (10 §3.2, 08 S-722)" },
  }, request = look },
  { "to-server", "the question who is in its groups", everybody, {
    { "linked_groups_participants+x", "iq/linked_groups_participants: expected no content, got <x>" },
  } },
  { "to-client", "who is in its groups", answer(COMMUNITY, function()
    return node("linked_groups_participants", nil, person("lid", BEN))
  end), {
    { "linked_groups_participants/participant@jid!", "iq/linked_groups_participants/participant@jid: missing" },
  }, request = everybody },
  { "to-server", "the question which groups it has", list, { { "sub_groups@jid=1", "iq/sub_groups@jid: not an attribute" } } },
  { "to-client", "which groups it has", answer(COMMUNITY, function()
    return node("sub_groups", nil, node("group", { id = "120363000000000001", subject = "Tea", s_t = 1700000000, size = 2 },
      node "default_sub_group"))
  end), {
    { "sub_groups/group@subject!", "iq/sub_groups/group@subject: missing" },
  }, request = list },
}
