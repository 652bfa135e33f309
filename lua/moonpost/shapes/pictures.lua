--- Pictures of people, groups and communities (fact sheets 10 §5.2, 07 §4.4, §11.2).
-- @module moonpost.shapes.pictures
local t = require "moonpost.shapes.terms"

local also, baileys, either, maybe, node, number = t.also, t.baileys, t.either, t.maybe, t.node, t.number
local one_of, query, shape, some, some_bytes, text, time = t.one_of, t.query, t.shape, t.some, t.some_bytes, t.text, t.time

local size = one_of("image", "preview")
local errors = { 400, 401, 403, 404, 429, 500, 501, 503 }

local function picture(attrs)
  local all = { id = number, type = size, url = text, direct_path = text, hash = maybe(text) }
  for name, kind in pairs(attrs or {}) do all[name] = kind end
  return node("picture", all)
end

-- One of a community and its groups, named as it was asked for (10 §3.2).
local function asked_among(name)
  return node("picture", { [name] = t.group, type = maybe(size), query = maybe "url", id = maybe(number), invite = maybe(text) })
end
local function told_among(name)
  return picture { [name] = t.group }, node("picture", { [name] = t.group, status = one_of("304", "204", "500", "405") })
end

local parent, no_parent = told_among "parent_group_jid"
local sub_group, no_sub_group = told_among "sub_group_jid"

return {
  queries = {
    query("10 §5.2, 08 S-840", "get", "w:profile:picture", {
      target = t.jid,
      asks = { node("picture", {
        type = maybe(size), id = maybe(number), query = maybe "url", invite = maybe(text), persona_id = maybe(text),
        common_gid = maybe(t.group),
      }, { maybe(node("tctoken", { t = baileys("says when it got the token (03 §15.2)", time) }, some_bytes)) }) },
      answers = { maybe(picture()) }, errors = errors,
    }),
    query("10 §5.2, 08 S-840", "set", "w:profile:picture", {
      target = t.jid, asks = { node("picture", { type = "image" }, some_bytes) }, answers = { node("picture", { id = number }) },
      errors = "any",
    }),
    -- A picture taken away: the sheets of the official client have no form of it, its users have.
    query("07 §4.4, 08 S-840", "set", "w:profile:picture", {
      target = t.jid, asks = { also("an empty picture, as whatsapp-rust has it (07 §1.13)", node("picture", { type = "image" })).occurs },
      errors = "any",
    }),
    query("07 §4.4, 08 S-840", "set", "w:profile:picture", { target = t.jid, asks = {}, errors = "any" }),
    query("10 §3.2, 07 §2, 08 S-711", "get", "w:g2", {
      to = t.group,
      asks = { node("pictures", {}, { some(either(asked_among "parent_group_jid", asked_among "sub_group_jid")) }) },
      answers = { node("pictures", {}, { some(either(parent, no_parent, sub_group, no_sub_group)) }) },
      errors = { 400, 403, 404, 405, 429 },
    }),
  },

  to_client = {
    -- `author` and `jid` are not read by the official client; whatsmeow wants the latter (07 §11.2).
    shape("09 §2.12, 08 S-840", node("notification", { type = "picture", id = t.server_id, from = t.chat, t = time, offline = t.offline }, {
      either(
        node("set", { jid = t.chat, id = number, author = maybe(t.user) }), node("delete", { jid = t.chat, author = maybe(t.user) })
      ),
    })),
  },
}
