--- What the members of a group are told (fact sheets 09 §2.21, 07 §3).
-- @module moonpost.shapes.group_notifications
local t = require "moonpost.shapes.terms"
local words = require "moonpost.shapes.group_info"

local either, int, many, maybe, node, number = t.either, t.int, t.many, t.maybe, t.node, t.number
local one_of, shape, some, text, text_bytes, time = t.one_of, t.shape, t.some, t.text, t.text_bytes, t.time

local request_method = one_of("invite_link", "linked_group_join", "non_admin_add")
local link_type = one_of("parent_group", "sub_group", "sibling_group")
local created_because = one_of("invite", "linked_group_join", "auto_add", "default_sub_group_admin_add", "default_sub_group_promote",
  "invite_auto_add", "general_chat_auto_add")

-- Attributes any of them may have, and versions that only W reads.
local function attributes(more)
  local all = { suppress_sys_msg = maybe(text), v_id = maybe(text), prev_v_id = maybe(text) }
  for name, kind in pairs(more or {}) do all[name] = kind end
  return all
end

local flags = { "locked", "unlocked", "not_announcement", "no_frequently_forwarded", "frequently_forwarded_ok", "not_ephemeral",
  "suspended", "unsuspended", "growth_unlocked", "allow_admin_reports", "not_allow_admin_reports", "reports", "group_history",
  "no_group_history", "allow_non_admin_sub_group_creation", "not_allow_non_admin_sub_group_creation", "auto_add_disabled",
  "group_safety_check", "missing_participant_identification" }

local linked = some(node("group", { jid = t.group, subject = text, s_t = time, id = t.never() }, { maybe(node "default_sub_group") }))

-- The people a kind is about, in the group's mode.
local function people(mode, tag, more)
  return node(tag, attributes(more), { some(words.person(mode)) })
end

local function described()
  return node("description", attributes { id = t.id }, { either(node("body", {}, text_bytes), node "delete") })
end

-- What happened. Baileys reads the first child only, so there is one (08 S-702).
local function kinds(mode)
  local user = words.user(mode)
  local list = {
    node("create", attributes {
      type = maybe "new", key = maybe(text), reason = maybe(created_because), context_group_jid = maybe(t.group),
    }, { words.group_of(mode) }),
    people(mode, "add", { reason = maybe(text) }), people(mode, "remove", { reason = maybe(text) }), people(mode, "promote"),
    people(mode, "demote"), people(mode, "modify"), people(mode, "linked_group_promote", { jid = maybe(t.group) }),
    people(mode, "linked_group_demote", { jid = maybe(t.group) }),
    node("delete", attributes { reason = text }), -- W needs it
    node("subject", attributes { subject = text, s_t = time, s_o = maybe(user), s_o_pn = maybe(t.pn_user), s_o_username = maybe(text) }),
    described(), node("announcement", attributes { v_id = text }), -- W drops it without
    words.ephemeral(), node("invite", attributes { code = t.id }),
    node("revoke", attributes(), { some(node("participant", { jid = user, expiration = number })) }),
    node("growth_locked", attributes { type = "invite", expiration = number }),
    node("link", attributes { link_type = link_type }, { linked }),
    node("unlink", attributes { unlink_type = link_type, unlink_reason = maybe(text) }, { linked }),
    words.approval("on", "off"), node("member_add_mode", attributes(), text_bytes),
    node("membership_approval_request", attributes { request_method = maybe(request_method), parent_group_jid = maybe(t.group) }),
    node("created_membership_requests", attributes { request_method = request_method, parent_group_jid = maybe(t.group) }, {
      some(node("requested_user", { jid = user, username = maybe(text), phone_number = maybe(t.pn_user) })),
    }),
    node("revoked_membership_requests", attributes(), { some(node("participant", { jid = user })) }),
    node("limit_sharing_enabled", attributes { trigger = maybe(int(0, 20)) }),
  }
  for _, tag in ipairs(flags) do list[#list + 1] = node(tag, attributes()) end
  return either(table.unpack(list))
end

local function notification(mode)
  return node("notification", {
    type = "w:gp2", id = t.server_id, from = t.group, to = t.device, t = time, participant = words.user(mode),
    participant_pn = maybe(t.pn_user), participant_username = maybe(text), notify = maybe(text),
    addressing_mode = mode == "lid" and "lid" or maybe "pn", offline = t.offline,
  }, { kinds(mode) })
end

return {
  to_client = {
    shape("09 §2.21, 08 S-702", notification "lid"), shape("09 §2.21, 08 S-702", notification "pn"),
    -- From the server of all groups: ask for these again (09 §4.6).
    shape("09 §4.6", node("notification", { type = "w:gp2", id = t.server_id, from = "g.us", t = time, offline = t.offline }, {
      node("groups_dirty", {}, { many(node("group", { jid = t.group })) }),
    })),
  },
}
