--- Groups: making one, asking about one, and what their members are told. Their messages stand with all others.
-- @module moonpost.shapes.groups
local t = require "moonpost.shapes.terms"

local also, int, many, maybe, node, one_of = t.also, t.int, t.many, t.maybe, t.node, t.one_of
local query, shape, some, some_bytes, text, time = t.query, t.shape, t.some, t.some_bytes, t.text, t.time

local SERVER = "g.us"
local MEMBERS_MAX = 19999

-- A member of a group whose mode is LID; one the server did not take has an error (08 S-701).
local participant = node("participant", {
  jid = t.user, phone_number = maybe(t.pn_user), type = maybe(one_of("admin", "superadmin")), error = maybe(int(400, 599)),
})

local function group(attrs)
  local all = {
    id = t.kind("a group's number, without server", function(value) return tostring(value):find "^[%d-]+$" ~= nil end),
    subject = text, creation = time, creator = t.lid_user, creator_pn = maybe(t.pn_user), s_t = time, s_o = maybe(t.lid_user),
    s_o_pn = maybe(t.pn_user), size = int(0, MEMBERS_MAX), addressing_mode = "lid",
  }
  for name, kind in pairs(attrs or {}) do all[name] = kind end
  return node("group", all, { many(participant) })
end

local AM = { addressing_mode = maybe(one_of("lid", "pn")) }

return {
  to_client = {
    shape("09 §2.21, 08 S-702", node("notification", {
      type = "w:gp2", id = t.server_id, from = t.group, to = t.device, t = time, participant = t.user, participant_pn = maybe(t.pn_user),
      notify = maybe(text), addressing_mode = maybe(one_of("lid", "pn")), offline = t.offline,
    }, {
      node("create", { type = maybe "new", key = maybe(text), reason = maybe "invite" }, { group() }),
    })),
  },

  queries = {
    query("10 §3.3, 08 S-701", "set", "w:g2", {
      to = SERVER,
      asks = { node("create", { subject = maybe(text), key = also("an id of its own (08 S-701)", text) }, {
        some(node("participant", { jid = t.user, phone_number = maybe(t.pn_user) }, { maybe(node("privacy", {}, some_bytes)) })),
      }) },
      answers = { group() }, answer_attrs = AM, errors = "any",
    }),
    query("10 §3.2, 08 S-704", "get", "w:g2", {
      to = t.group,
      asks = { node("query", { request = also("all but the official client say it (07 §1.3)", "interactive"), phash = maybe(text) }) },
      answers = { group() }, answer_attrs = AM, errors = "any",
    }),
    query("10 §3.2, 08 S-705", "get", "w:g2", {
      to = SERVER,
      asks = { node("participating", {}, { maybe(node "participants"), maybe(node "description") }) },
      answers = { node("groups", {}, { many(group()) }) }, errors = "any",
    }),
  },
}
