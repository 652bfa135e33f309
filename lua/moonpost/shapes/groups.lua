--- Groups: making and leaving them, asking about them, who is in them, what they are called and how they are set. Their messages stand
-- with all others, what their members are told in `group_notifications`, ways to come in in `group_joins`.
-- @module moonpost.shapes.groups
local t = require "moonpost.shapes.terms"
local words = require "moonpost.shapes.group_info"

local also, baileys, either, int, many, maybe, node = t.also, t.baileys, t.either, t.int, t.many, t.maybe, t.node
local one_of, query, some, text, text_bytes = t.one_of, t.query, t.some, t.text, t.text_bytes

local SERVER = "g.us"
local TRIGGER_MAX = 20

local AM = words.answer_attrs
local expiration = t.number

local body = node("body", {}, text_bytes)

-- What stands in a request for a new group besides its people: accepted, some of it without meaning here (10 §3.3).
local create_children = {
  many(words.named_with_token), maybe(node("description", { id = t.id }, { body })), maybe(node "locked"), maybe(node "announcement"),
  maybe(node("parent", { default_membership_approval_mode = maybe "request_required" })), maybe(node "no_frequently_forwarded"),
  maybe(node("ephemeral", { expiration = expiration, trigger = maybe(int(0, TRIGGER_MAX)) })), maybe(words.approval("on", "off")),
  maybe(node "breakout"), maybe(node "created_as_lid"), maybe(node("addressing_mode_override", { mode = words.mode })),
  maybe(node("linked_parent", { jid = t.group })), maybe(node "hidden_group"), maybe(node "allow_non_admin_sub_group_creation"),
  maybe(node "create_general_chat"), maybe(node "capi"),
  also("W and R say who may add (07 §1.1)", node("member_add_mode", {}, text_bytes)),
  also("R says who may see the link (07 §1.1)", node("member_link_mode", {}, text_bytes)),
}

local function create()
  return query("10 §3.3, 08 S-701", "set", "w:g2", {
    to = SERVER,
    asks = { node("create", { subject = maybe(text), key = also("an id of its own (07 §1.1)", text) }, create_children) },
    answers = { words.new_group }, answer_attrs = AM, errors = "any",
  })
end

-- Who is done with, and who is not (10 §3.4): success is no error, and of adding and removing type="200" besides (08 S-706).
local function done(mode, type)
  local attrs = { jid = words.user(mode), type = type, error = t.never(), username = maybe(text), join_time = maybe(t.time) }
  if mode == "lid" then attrs.phone_number = maybe(t.pn_user) else attrs.lid = maybe(t.lid_user) end
  return node("participant", attrs)
end

local function failed(...)
  return node("participant", {
    jid = t.user, phone_number = maybe(t.pn_user), lid = maybe(t.lid_user), username = maybe(text), error = one_of(...),
  })
end

local done_200 = { done("lid", maybe "200"), done("pn", maybe "200") }
local done_admin = { done("lid", maybe "admin"), done("pn", maybe "admin") }

local function action(tag, asked, attrs, ...)
  return query("10 §3.4, 08 S-706", "set", "w:g2", {
    to = t.group, asks = { node(tag, attrs, { some(asked) }) }, answers = { node(tag, attrs, { many(either(...)) }) },
    answer_attrs = AM, errors = "any",
  })
end

local add = action("add", words.named_with_token, {}, done_200[1], done_200[2], table.unpack(words.not_added.choices))
local remove = action("remove", words.named, { linked_groups = maybe "true" }, done_200[1], done_200[2],
  failed("404", "405", "406", "500"))
local promote = action("promote", words.named, {}, done_admin[1], done_admin[2], failed("404", "419"))
local demote = action("demote", words.named, {}, done_admin[1], done_admin[2], failed("404", "419"))

local leave = query("10 §3.4, 08 S-707", "set", "w:g2", {
  to = SERVER,
  asks = { node("leave", {}, { some(either(
    node("group", { id = t.group }), baileys("leaves a community so (08 S-722)", node("community", { id = t.group }))
  )) }) },
  answers = { maybe(node("leave", {}, { many(either(
    node("group", { id = t.group, error = maybe(int(400, 599)) }), node("community", { id = t.group, error = maybe(int(400, 599)) })
  )) })) },
  errors = "any",
})

local subject = query("10 §3.6, 08 S-708", "set", "w:g2", {
  to = t.group, asks = { node("subject", {}, text_bytes) }, errors = "any",
})

local description = query("10 §3.6, 08 S-708", "set", "w:g2", {
  to = t.group,
  asks = { node("description", { id = maybe(t.id), prev = maybe(t.id), delete = maybe "true" }, { maybe(body) },
    t.rule('a text, or delete="true"', function(one)
      local has_body = type(one.content) == "table" and #one.content > 0
      return has_body ~= (one.attrs.delete ~= nil)
    end)) },
  answer_attrs = { t = maybe(t.time) }, errors = "any",
})

local flags = { "locked", "unlocked", "announcement", "not_announcement", "no_frequently_forwarded", "frequently_forwarded_ok",
  "not_ephemeral", "allow_admin_reports", "not_allow_admin_reports", "allow_non_admin_sub_group_creation",
  "not_allow_non_admin_sub_group_creation", "group_history", "no_group_history" }

-- Several in one request are lawful, and the answer may say them again (10 §3.6).
local function settings()
  local asked, mirrored = {}, {}
  for _, tag in ipairs(flags) do asked[#asked + 1], mirrored[#mirrored + 1] = node(tag), maybe(node(tag)) end
  local more = {
    node("ephemeral", { expiration = expiration, trigger = maybe(int(0, TRIGGER_MAX)) }), words.approval("on", "off"),
    also("set by all three; the official client does so by MEX (07 §1.10)", node("member_add_mode", {}, text_bytes)).occurs,
  }
  for _, one in ipairs(more) do asked[#asked + 1], mirrored[#mirrored + 1] = one, maybe(one) end
  return query("10 §3.6, 08 S-708", "set", "w:g2", {
    to = t.group, asks = { some(either(table.unpack(asked))) }, answers = mirrored, errors = "any",
  })
end

return {
  queries = {
    create(),
    query("10 §3.2, 08 S-704", "get", "w:g2", {
      to = t.group,
      asks = { node("query", { request = also("all but the official client say it (07 §1.3)", "interactive"), phash = maybe(text) }, {
        maybe(node("add_request", { code = t.id, expiration = expiration, admin = t.user })),
      }) },
      answers = { words.group }, answer_attrs = AM, errors = "any",
    }),
    query("10 §3.2, 08 S-704", "get", "w:g2", {
      to = SERVER, asks = { node("query", { context = maybe(text) }, { some(node("group", { jid = t.group })) }) },
      answers = { node("groups", {}, { many(words.listed_group) }) }, errors = "any",
    }),
    query("10 §3.2, 08 S-705", "get", "w:g2", {
      to = SERVER,
      asks = { node("participating", {}, { maybe(node "participants"), maybe(node "description") }) },
      answers = { node("groups", {}, { many(words.listed_group) }) }, errors = "any",
    }),
    add, remove, promote, demote, leave, subject, description, settings(),
  },
}
