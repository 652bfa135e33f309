--- Ways into a group: links, invitations of one's own (v4), requests that wait for an admin (fact sheet 10 §3.5).
-- @module moonpost.shapes.group_joins
local t = require "moonpost.shapes.terms"
local words = require "moonpost.shapes.group_info"

local either, many, maybe, node, one_of, query, some, text = t.either, t.many, t.maybe, t.node, t.one_of, t.query, t.some, t.text

local SERVER = "g.us"
local AM = words.answer_attrs

local invite = node("invite", { code = t.id })
local joined = node("group", { jid = t.group })
local waiting = node("membership_approval_request", { jid = maybe(t.group) })

-- People in an answer: done with, or not, and why.
local function people(errors)
  local function one(mode)
    local attrs = { jid = words.user(mode), username = maybe(text), error = maybe(errors) }
    if mode == "lid" then attrs.phone_number = maybe(t.pn_user) else attrs.lid = maybe(t.lid_user) end
    return node("participant", attrs)
  end
  return many(either(one "lid", one "pn"))
end

local request = node("membership_approval_request", {
  jid = t.user, requestor = maybe(t.user), requestor_pn = maybe(t.pn_user), requestor_username = maybe(text),
  parent_group_jid = maybe(t.group), request_time = t.time, request_method = one_of("invite_link", "linked_group_join", "non_admin_add"),
  phone_number = maybe(t.pn_user), lid = maybe(t.lid_user), username = maybe(text),
})

local refused = one_of("400", "401", "403", "404", "408", "409", "412", "500")

return {
  queries = {
    query("07 §1.8, 08 S-709", "get", "w:g2", { to = t.group, asks = { node "invite" }, answers = { invite }, errors = "any" }),
    query("10 §3.5, 08 S-709", "set", "w:g2", { to = t.group, asks = { node "invite" }, answers = { invite }, errors = "any" }),
    query("10 §3.2, 07 §1.8, 08 S-709", "get", "w:g2", {
      to = SERVER, asks = { invite }, answers = { words.group }, errors = "any",
    }),
    query("10 §3.5, 07 §1.8, 08 S-709", "set", "w:g2", {
      to = SERVER, asks = { invite }, answers = { either(joined, waiting) }, errors = "any",
    }),

    query("10 §3.5, 07 §1.9, 08 S-709", "set", "w:g2", {
      to = t.group, asks = { node("accept", { code = t.id, expiration = t.number, admin = t.user }) },
      answers = { maybe(either(joined, waiting)) }, errors = "any",
    }),
    query("10 §3.5, 07 §1.9, 08 S-709", "set", "w:g2", {
      to = t.group, asks = { node("revoke", {}, { words.people() }) }, answers = { node("revoke", {}, { people "404" }) },
      answer_attrs = AM, errors = "any",
    }),

    query("10 §3.2, 07 §1.11, 08 S-710", "get", "w:g2", {
      to = t.group, asks = { node "membership_approval_requests" },
      answers = { node("membership_approval_requests", { requestor_fetch = maybe "true" }, { many(request) }) },
      answer_attrs = AM, errors = "any",
    }),
    query("10 §3.5, 07 §1.11, 08 S-710", "set", "w:g2", {
      to = t.group,
      asks = { node("membership_requests_action", {}, {
        some(either(node("approve", {}, { words.people() }), node("reject", {}, { words.people() }))),
      }) },
      answers = { node("membership_requests_action", {}, {
        maybe(node("approve", {}, { people(refused) })), maybe(node("reject", {}, { people(refused) })),
      }) },
      answer_attrs = AM, errors = "any",
    }),
    query("10 §3.5, 07 §1.11", "set", "w:g2", {
      to = t.group, asks = { node("cancel_membership_requests", {}, { words.people() }) },
      answers = { node("cancel_membership_requests", {}, { people(one_of("401", "404")) }) }, answer_attrs = AM, errors = "any",
    }),

    query("10 §3.5, 08 S-713", "set", "w:g2", { to = t.group, asks = { node "ack" }, errors = "any" }),
  },
}
