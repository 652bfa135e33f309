local node = require("moonpost.stanza").node
local samples = require "spec.shapes.group_samples"

local GROUP, BEN = samples.GROUP, samples.BEN
local person, told = samples.person, samples.told

local function people(tag, attrs) return function(mode) return node(tag, attrs, person(mode, BEN)) end end
local function bare(tag, attrs, content) return function() return node(tag, attrs, content) end end
local function linked(tag, attrs) return bare(tag, attrs, node("group", { jid = GROUP, subject = "Tea", s_t = 1700000000 })) end

local function create(mode) return node("create", { type = "new", key = "3EB0" }, samples.group(mode)) end

return {
  { "to-client", "that a group was made", told("lid", create), {
    { "@participant!", "notification@participant: missing, expected a LID without device (09 §2.21, 08 S-702)" },
    { "@participant=100:1@lid", "notification@participant: expected a LID without device, got '100:1@lid' (09 §2.21, 08 S-702)" },
    { "@to!", "notification@to: missing, expected a person's JID (09 §2.21, 08 S-702)" },
    { "@t!", "notification@t: missing, expected unix seconds (09 §2.21, 08 S-702)" },
    { "@id=1.2", "notification@id: expected an id of the server's own, without a dot, got '1.2' (09 §2.21, 08 S-702)" },
    { "create/group!", "notification/create/group: missing (09 §2.21, 08 S-702)" },
    { "create/group/participant[2]@error=409", "notification/create/group/participant[2]@error: must not be here, got '409'" },
    { "create@reason=curiosity", "notification/create@reason: expected" },
    { "create*", "notification/create: more than 1 (09 §2.21, 08 S-702)" },
  } },
  { "to-client", "that a group of phone numbers was made", told("pn", create), {
    { "@participant=100@lid", "notification@participant: expected a phone number's JID without device, got '100@lid'" },
    { "create/group@addressing_mode=lid", "notification/create/group@addressing_mode: expected 'pn', got 'lid'" },
  } },
  { "to-client", "that somebody came", told("lid", people("add", { reason = "invite" })), {
    { "add/participant!", "notification/add/participant: missing" },
    { "add/participant@jid=15550002222@s.whatsapp.net",
      "notification/add/participant@jid: expected a LID without device, got '15550002222@s.whatsapp.net'" },
  } },
  { "to-client", "that somebody went", told("pn", people "remove"), {
    { "remove/participant@jid=200@lid", "notification/remove/participant@jid: expected a phone number's JID without device" },
  } },
  { "to-client", "that somebody is an admin", told("lid", people "promote"), {
    { "promote/participant!", "notification/promote/participant" },
  } },
  { "to-client", "that somebody no longer is", told("lid", people "demote"), {
    { "demote/participant!", "notification/demote/participant" },
  } },
  { "to-client", "another subject", told("lid", bare("subject", { subject = "Coffee", s_t = 1700000000, s_o = "100@lid" })), {
    { "subject@subject!", "notification/subject@subject: missing, expected a text (09 §2.21, 08 S-702)" },
    { "subject@s_t!", "notification/subject@s_t: missing, expected unix seconds (09 §2.21, 08 S-702)" },
  } },
  { "to-client", "another description", told("lid", bare("description", { id = "D1" }, node("body", nil, "Black"))), {
    { "description@id!", "notification/description@id: missing, expected an id (09 §2.21, 08 S-702)" },
  } },
  { "to-client", "a description that is gone", told("lid", bare("description", { id = "D1" }, node "delete")), {
    { "description/delete!", "notification/description/body|delete: missing (09 §2.21, 08 S-702)" },
  } },
  { "to-client", "that only admins write", told("lid", bare("announcement", { v_id = "7" })), {
    { "announcement@v_id!", "notification/announcement@v_id: missing, expected a text (09 §2.21, 08 S-702)" },
  } },
  { "to-client", "that all write again", told("lid", bare "not_announcement"), {
    { "not_announcement!", 'no shape for notification type="w:gp2" to-client' },
  } },
  { "to-client", "a timer", told("lid", bare("ephemeral", { expiration = 86400 })), {
    { "ephemeral@expiration=0", "notification/ephemeral@expiration: expected a number from 1 to 2147483647, got '0'" },
  } },
  { "to-client", "another link", told("lid", bare("invite", { code = "AbCd" })), {
    { "invite@code!", "notification/invite@code: missing" },
  } },
  { "to-client", "an invitation taken back",
    told("lid", bare("revoke", nil, node("participant", { jid = BEN.lid, expiration = 1700000000 }))), {
      { "revoke/participant@expiration!", "notification/revoke/participant@expiration: missing" },
    } },
  { "to-client", "who may add", told("lid", bare("member_add_mode", nil, "all_member_add")), {
    { "member_add_mode!", 'no shape for notification type="w:gp2" to-client' },
  } },
  { "to-client", "whether admins say who comes in",
    told("lid", bare("membership_approval_mode", nil, node("group_join", { state = "off" }))), {
      { "membership_approval_mode/group_join@state=maybe",
        "notification/membership_approval_mode/group_join@state: expected on or off, got 'maybe'" },
    } },
  { "to-client", "who wants to come in", told("lid", bare("created_membership_requests", { request_method = "invite_link" },
    node("requested_user", { jid = BEN.lid, phone_number = BEN.pn }))), {
    { "created_membership_requests/requested_user!", "notification/created_membership_requests/requested_user: missing" },
  } },
  { "to-client", "who no longer wants to", told("lid", bare("revoked_membership_requests", nil, node("participant", { jid = BEN.lid }))), {
    { "revoked_membership_requests/participant@jid!", "notification/revoked_membership_requests/participant@jid: missing" },
  } },
  { "to-client", "a group that belongs to a community", told("lid", linked("link", { link_type = "sub_group" })), {
    { "link/group@s_t!", "notification/link/group@s_t: missing" },
    { "link/group@id=1", "notification/link/group@id: must not be here, got '1'" },
  } },
  { "to-client", "one that no longer does", told("lid", linked("unlink", { unlink_type = "sub_group", unlink_reason = "unlink_group" })), {
    { "unlink@unlink_type!", "notification/unlink@unlink_type: missing" },
  } },
  { "to-client", "that a group is no more", told("lid", bare("delete", { reason = "delete_parent" })), {
    { "delete@reason!", "notification/delete@reason: missing" },
  } },
  { "to-client", "that groups are to be asked for again", function()
    return node("notification", { type = "w:gp2", id = "1700000000-1", from = "g.us", t = 1700000000 },
      node("groups_dirty", nil, node("group", { jid = GROUP })))
  end, {
    { "groups_dirty/group@jid!", "notification/groups_dirty/group@jid: missing, expected a group's JID (09 §4.6)" },
  } },
}
