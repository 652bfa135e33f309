--- Words for the shapes of groups: the `<group>` node and the people in it (fact sheet 10 §3.1, §3.4). No shapes of its own.
--
-- A group names its people by LID, their phone numbers beside it, or by phone number, their LIDs beside it, for ever: each word for
-- people is a function of the mode, "lid" or "pn".
-- @module moonpost.shapes.group_info
local t = require "moonpost.shapes.terms"

local either, int, many, maybe, node, number = t.either, t.int, t.many, t.maybe, t.node, t.number
local one_of, some, text, text_bytes, time = t.one_of, t.some, t.text, t.text_bytes, t.time

local MEMBERS_MAX = 19999
local TRIGGER_MAX, EVOLUTION_MAX = 20, 100
local SECONDS_MAX = 2147483647

local words = {}

--- The modes of a group.
words.mode = one_of("lid", "pn")

--- What an answer that lists people says of itself (10 §3: `AM`).
words.answer_attrs = { addressing_mode = maybe(words.mode) }

--- A person as a group of this mode names him.
function words.user(mode) return mode == "lid" and t.lid_user or t.pn_user end

-- The person's other name, beside the first.
local function with_other_name(mode, attrs)
  if mode == "lid" then attrs.phone_number = maybe(t.pn_user) else attrs.lid = maybe(t.lid_user) end
  return attrs
end

--- Somebody in a group.
function words.member(mode)
  return node("participant", with_other_name(mode, {
    jid = words.user(mode), type = maybe(one_of("admin", "superadmin")), error = t.never(), display_name = maybe(text),
    username = maybe(text), join_time = maybe(time), participant_label = maybe(text), participant_label_mtime = maybe(time),
    group_history_sent = maybe(one_of("true", "false")),
  }))
end

--- Somebody that an action is about; nothing is said of his rank.
function words.person(mode)
  return node("participant", with_other_name(mode, { jid = words.user(mode), username = maybe(text), display_name = maybe(text) }))
end

--- An invitation of one's own for somebody who lets nobody add him.
local add_request = node("add_request", { code = maybe(text), expiration = maybe(time) })

--- Somebody who could not be added, and why (10 §3.4).
words.not_added = either(
  node("participant", { jid = t.user, phone_number = maybe(t.pn_user), lid = maybe(t.lid_user), error = "403",
    addressable = maybe "false" }, { maybe(add_request) }),
  node("participant", { jid = t.user, phone_number = maybe(t.pn_user), lid = maybe(t.lid_user), error = "421" }, {
    maybe(node("membership_approval_request", { error = maybe(one_of("304", "419")) })),
  }),
  node("participant", { jid = t.user, phone_number = maybe(t.pn_user), lid = maybe(t.lid_user),
    error = one_of("401", "402", "404", "406", "408", "409", "417", "419", "431", "432", "451", "500") })
)

--- The description: id, time and text together (10 §11.1 row 23).
local function description(mode)
  return node("description", {
    id = t.id, t = time, participant = maybe(words.user(mode)), participant_pn = maybe(t.pn_user), participant_username = maybe(text),
  }, { node("body", {}, text_bytes) })
end

--- Whose consent joining takes.
function words.approval(...) return node("membership_approval_mode", {}, { node("group_join", { state = one_of(...) }) }) end

words.approval_on = node("membership_approval_mode", {}, { node("group_join", { state = "on" }) })

--- A timer of seconds, never 0: no timer is no child.
function words.ephemeral() return node("ephemeral", { expiration = int(1, SECONDS_MAX), trigger = maybe(int(0, TRIGGER_MAX)) }) end

--- A group's number, as `id` has it.
words.id = t.kind("a group's number, without server", function(value) return tostring(value):find "^[%d-]+$" ~= nil end)

local flags = { "missing_participant_identification", "locked", "announcement", "no_frequently_forwarded", "support",
  "default_sub_group", "incognito", "allow_admin_reports", "allow_non_admin_sub_group_creation", "general_chat", "auto_add_disabled",
  "group_history", "hidden_group", "capi", "group_safety_check", "participant_label_enabled" }

local function children(mode)
  local list = {
    maybe(node("member_add_mode", {}, text_bytes)), maybe(node("member_link_mode", {}, text_bytes)),
    maybe(node("member_share_group_history_mode", {}, text_bytes)), maybe(description(mode)),
    maybe(node("parent", { default_membership_approval_mode = maybe "request_required" })), maybe(words.ephemeral()),
    maybe(node("suspended", { can_auto_file = maybe "true" })), maybe(words.approval_on),
    maybe(node("appeal_status", { type = one_of("approved", "in_review", "none", "rejected") })),
    maybe(node("appeal_update_time", { value = number })), maybe(node("growth_locked", { type = "invite", expiration = number })),
    maybe(node("linked_parent", { jid = t.group })), maybe(node("evolution_version", { value = int(0, EVOLUTION_MAX) })),
    maybe(node("limit_sharing_enabled", { trigger = maybe(int(0, TRIGGER_MAX)) })),
    maybe(node("membership_approval_request", { error = maybe "304" })), maybe(node "group_join_context"),
  }
  for _, tag in ipairs(flags) do list[#list + 1] = maybe(node(tag)) end
  return list
end

local function attributes(mode, size)
  local user = words.user(mode)
  return {
    id = words.id, subject = maybe(text), creation = time, creator = user, creator_pn = maybe(t.pn_user), s_t = time, s_o = maybe(user),
    s_o_pn = maybe(t.pn_user), size = size, addressing_mode = mode == "lid" and "lid" or maybe "pn", ack = maybe "false",
    p_v_id = maybe(text), a_v_id = maybe(text), open_thread_id = maybe(text), key = maybe(text), error = t.never(),
    create_ctx = maybe(one_of("e2ee_migration", "regular", "rtc")), creator_username = maybe(text), s_o_username = maybe(text),
    creator_country_code = maybe(text),
  }
end

local function of_mode(mode, people)
  local list = children(mode)
  list[#list + 1] = many(people)
  return node("group", attributes(mode, int(0, MEMBERS_MAX)), list)
end

--- A group of this mode, in full.
function words.group_of(mode) return of_mode(mode, words.member(mode)) end

--- A group, in full, whatever its mode.
words.group = either(of_mode("lid", words.member "lid"), of_mode("pn", words.member "pn"))

-- The member of this mode, or one of those who could not be added.
local function new_member(mode) return either(words.member(mode), table.unpack(words.not_added.choices)) end

--- A group that was just made: those who could not be added stand in it with their errors (08 S-701).
words.new_group = either(of_mode("lid", new_member "lid"), of_mode("pn", new_member "pn"))

--- A group in a list of several: in full, cut short, or not to be had (07 §1.4).
words.listed_group = either(
  of_mode("lid", words.member "lid"), of_mode("pn", words.member "pn"),
  node("group", { id = words.id, size = int(0, MEMBERS_MAX), truncated = "true" }),
  node("group", { id = words.id, error = one_of("403", "404") })
)

--- People as a client names them, in either form.
words.named = node("participant", { jid = t.user, phone_number = maybe(t.pn_user), username = maybe(text) })

--- The same with a token that lets one add somebody who lets only contacts do that.
words.named_with_token = node("participant", { jid = t.user, phone_number = maybe(t.pn_user), username = maybe(text) }, {
  maybe(node("privacy", {}, t.some_bytes)),
})

--- At least one person as a client names him.
function words.people() return some(words.named) end

return words
