--- Communities: a parent group, and the groups that belong to it (fact sheets 10 §4, 07 §2).
-- @module moonpost.shapes.communities
local t = require "moonpost.shapes.terms"
local words = require "moonpost.shapes.group_info"

local also, either, int, many, maybe, node = t.also, t.either, t.int, t.many, t.maybe, t.node
local one_of, query, some, text, time = t.one_of, t.query, t.some, t.text, t.time

local AM = words.answer_attrs
local SIZE_MAX = 19999

local refused = { "401", "403", "404", "406", "409", "419", "433", "500" }
local hidden = maybe(node "hidden_group")

local function link(group)
  return { node("links", {}, { node("link", { link_type = "sub_group" }, { group }) }) }
end

-- The group's number is its id in the answer, and the JID is on the node around it (10 §3.2).
local function linked_group() return node("linked_group", { jid = maybe(t.group) }, { words.group }) end

local waiting = node("membership_approval_request", { jid = maybe(t.group) })

local sub_group = node("group", {
  id = words.id, subject = text, s_t = time, size = maybe(int(0, SIZE_MAX)), creation = maybe(time), creator = maybe(t.user),
}, { maybe(node "default_sub_group"), maybe(node "general_chat") })

-- Who is made an admin of the whole community, or no longer is.
local function admins(tag, answered)
  local errors = answered and maybe(one_of("404", "419")) or nil
  return node(tag, {}, { some(node("participant", {
    jid = t.user, error = errors, phone_number = maybe(t.pn_user), lid = answered and maybe(t.lid_user) or nil,
    type = answered and maybe "admin" or nil,
  })) })
end

return {
  queries = {
    query("10 §4, 08 S-721", "set", "w:g2", {
      to = t.group, asks = link(some(node("group", { jid = t.group }, { hidden }))),
      answers = link(many(node("group", { jid = t.group, error = maybe(one_of(table.unpack(refused))) }, {
        hidden, many(node("participant", { jid = t.user, error = "403" })),
      }))), answer_attrs = AM, errors = "any",
    }),
    query("10 §4, 08 S-721", "set", "w:g2", {
      to = t.group,
      asks = { node("unlink", { unlink_type = "sub_group" }, {
        some(node("group", { jid = t.group, remove_orphaned_members = maybe "true" })),
      }) },
      answers = { node("unlink", { unlink_type = "sub_group" }, { many(node("group", {
        jid = t.group, remove_orphaned_members = maybe "true", error = maybe(one_of("400", "401", "404", "406", "500", "530")),
      })) }) },
      errors = "any",
    }),
    query("10 §4, 08 S-721", "set", "w:g2", { to = t.group, asks = { node "delete_parent" }, errors = "any" }),
    query("10 §4, 08 S-722", "set", "w:g2", {
      to = t.group, asks = { node("join_linked_group", { jid = t.group, type = maybe(text) }) },
      answers = { maybe(either(linked_group(), waiting)) }, answer_attrs = AM, errors = "any",
    }),
    query("10 §3.4", "set", "w:g2", {
      to = t.group, asks = { node("admin", {}, { either(admins "promote", admins "demote") }) },
      answers = { node("admin", {}, { either(admins("promote", true), admins("demote", true)) }) }, answer_attrs = AM, errors = "any",
    }),
    query("10 §3.2, 08 S-722", "get", "w:g2", {
      to = t.group, asks = { node("query_linked", { type = "sub_group", jid = t.group }) },
      answers = { linked_group() }, answer_attrs = AM, errors = "any",
    }),
    query("10 §3.2, 08 S-722", "get", "w:g2", {
      to = t.group, asks = { node "linked_groups_participants" },
      answers = { node("linked_groups_participants", {}, {
        many(node("participant", { jid = t.user, phone_number = maybe(t.pn_user), lid = maybe(t.lid_user) })),
      }) },
      answer_attrs = AM, errors = "any",
    }),
    query("07 §2, 08 S-722", "get", "w:g2", {
      to = t.group, asks = { also("asked by W and Baileys (10 §11.1 row 40)", node "sub_groups").occurs },
      answers = { node("sub_groups", {}, { many(sub_group) }) }, answer_attrs = AM, errors = "any",
    }),
  },
}
