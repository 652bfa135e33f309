--- Newsletters: posts in both directions, what is counted of them, and the queries about them; GraphQL.
-- @module moonpost.shapes.newsletters
local t = require "moonpost.shapes.terms"

local also, baileys, bytes, either, int, many, maybe = t.also, t.baileys, t.bytes, t.either, t.int, t.many, t.maybe
local never, node, one_of, query, rule, shape = t.never, t.node, t.one_of, t.query, t.rule, t.shape
local some, some_bytes, text, time = t.some, t.some_bytes, t.text, t.time

local channel = t.kind("a newsletter's JID", function(value) return tostring(value):find "^%d+@newsletter$" ~= nil end)
local server_id = int(99, 2147476647)
local MESSAGE_MAX = 1048576

local mediatype = one_of("1p_sticker", "audio", "avatar_sticker", "cataloglink", "collection", "document", "genai_sticker", "gif",
  "image", "motion_photo", "motion_video", "productlink", "ptt", "ptv", "sticker", "sticker_pack", "url", "user_created_sticker", "vcard",
  "video")

local polltype = one_of("creation", "quiz_creation", "result_snapshot")

local function plaintext(attrs) return node("plaintext", attrs, bytes(1, MESSAGE_MAX)) end

local function written(attrs, content, ...)
  local all = { id = t.id, to = channel, edit = never(), server_id = never(), media_id = maybe(text) }
  for name, kind in pairs(attrs) do all[name] = kind end
  return node("message", all, content, ...)
end

local text_body = plaintext { mediatype = maybe "url" }
local media_body = plaintext { mediatype = also("Baileys names none (03 §12)", mediatype) }
local poll_meta = node("meta", { polltype = one_of("creation", "quiz_creation"), contenttype = maybe(text) })
local empty = node("plaintext", {}, t.text_bytes)

local function empty_plaintext(message) return (message.content[1].content or "") == "" end

local posted = {
  written({ type = "text" }, { text_body }),
  written({ type = "media" }, { media_body }),
  written({ type = "poll" }, { plaintext {}, baileys("says nothing of polls in newsletters (03 §12)", poll_meta) }),
  written({ type = one_of("text", "media"), edit = "3" }, { plaintext { mediatype = maybe(mediatype) } }),
  written({ type = "text", edit = "8" }, { empty }, rule("a revoke holds an empty <plaintext/>", empty_plaintext, "03 §12")),
  written({ type = "reaction", server_id = server_id }, { node("reaction", { code = t.id }) }),
  written({ type = "reaction", server_id = server_id, edit = "7" }, { node "reaction" }),
}

-- What is counted of a post.
local counters = {
  maybe(node("reactions", {}, { many(node("reaction", { code = text, count = int(0) })) })),
  maybe(node("votes", {}, { many(node("vote", { count = int(0) }, bytes(32))) })), maybe(node("responses_count", { count = int(0) })),
  maybe(node("forwards_count", { count = int(0) })), many(node("views_count", { type = maybe "views", count = int(0) })),
}

local function with_counters(...)
  local list = { ... }
  table.move(counters, 1, #counters, #list + 1, list)
  return list
end

-- `original_msg_t` is in seconds, `msg_edit_t` in milliseconds.
local meta = t.open(node("meta", {
  original_msg_t = maybe(time), msg_edit_t = maybe(int(1000000000000)), polltype = maybe(polltype), questiontype = maybe(text),
}))

local function received(attrs, content, ...)
  local all = {
    from = channel, id = t.id, server_id = server_id, t = time, offline = t.offline, is_sender = maybe "true", edit = never(),
    participant = never(), recipient = never(),
  }
  for name, kind in pairs(attrs) do all[name] = kind end
  return node("message", all, content, ...)
end

local delivered = {
  received({ type = "text" }, with_counters(plaintext { mediatype = maybe "url" }, maybe(meta))),
  received({ type = "media" }, with_counters(plaintext { mediatype = also("Baileys names none (03 §12)", mediatype) }, maybe(meta))),
  received({ type = "poll" }, with_counters(plaintext {}, baileys("says nothing of polls (03 §12)", meta))),
  received({ type = one_of("text", "media"), edit = "3" }, with_counters(plaintext { mediatype = maybe(mediatype) }, maybe(meta))),
  received({ type = "text", edit = "8" }, { empty, maybe(meta) }, rule("a revoke holds an empty <plaintext/>", empty_plaintext,
    "09 §4.11")),
}

-- Of an answer, and of live updates: with content, or with counters alone.
local told = node("message", {
  id = maybe(t.id), server_id = server_id, t = maybe(time), is_sender = maybe "true", type = maybe(one_of("text", "media", "poll")),
  edit = maybe(one_of("3", "8")),
}, with_counters(maybe(plaintext { mediatype = maybe(mediatype) }), maybe(meta)))

local told_all = node("messages", { jid = maybe(channel), t = maybe(time) }, { many(told) })

local range = { count = int(1), before = maybe(server_id), after = maybe(server_id) }

local function ranged(more)
  local attrs = {}
  for name, kind in pairs(range) do attrs[name] = kind end
  for name, kind in pairs(more) do attrs[name] = kind end
  return attrs
end

local function refused(class)
  return node("ack", { class = class, id = t.id, to = channel, error = "406", from = maybe(t.pn_device) })
end

local not_open = { 400, 404, 423, 429, 451, 500 }

return {
  to_server = {
    shape("10 §10.1, 03 §12, 08 S-752", posted[1]), shape("10 §10.1, 03 §12, 08 S-752", posted[2]),
    shape("10 §10.1, 03 §12, 08 S-752", posted[3]), shape("10 §10.1, 03 §12, 08 S-752", posted[4]),
    shape("10 §10.1, 03 §12, 08 S-752", posted[5]), shape("10 §10.1, 03 §12, 08 S-756", posted[6]),
    shape("10 §10.1, 03 §12, 08 S-756", posted[7]),
    -- A post that cannot be read (10 §10.3).
    shape("10 §10.3", refused "message"), shape("10 §10.3", refused "status"),
    shape("10 §10.2, 07 §9.5, 08 S-757", node("receipt", { id = t.id, to = channel, type = "view", class = maybe "status" }, {
      node("list", {}, { some(node("item", { server_id = server_id })) }),
    })),
  },

  to_client = {
    shape("09 §4.11, 08 S-752", delivered[1]), shape("09 §4.11, 08 S-752", delivered[2]), shape("09 §4.11, 08 S-752", delivered[3]),
    shape("09 §4.11, 08 S-752", delivered[4]), shape("09 §4.11, 08 S-752", delivered[5]),
    -- The second copy of each is for whatsmeow, which looks there (08 S-756).
    shape("09 §4.10, 08 S-756", node("notification", {
      type = "newsletter", id = t.server_id, from = channel, t = time, offline = t.offline,
    }, { node("live_updates", {}, { told_all, many(told) }) })),
    shape("09 §2.11, 08 S-758", node("notification", { type = "mex", id = t.server_id, from = t.jid, t = time, offline = t.offline }, {
      node("update", { op_name = t.id }, some_bytes),
    })),
    shape("09 §3.5, 08 S-752", node("ack", {
      class = "message", id = t.id, from = channel, t = time, server_id = maybe(server_id), edit = maybe(one_of("3", "7", "8")),
      error = maybe(int(400, 599)),
    })),
  },

  queries = {
    query("10 §7.1, 08 S-753", "get", "newsletter", {
      asks = { either(
        node("messages", ranged { type = "jid", jid = channel, view_role = maybe(text) }),
        node("messages", ranged { type = "invite", key = t.id, view_role = maybe(text) })
      ) },
      answers = { told_all }, errors = "any",
    }),
    query("07 §9.2, 08 S-753", "get", "newsletter", {
      to = channel, asks = { node("messages", range) }, answers = { told_all }, errors = "any",
    }),
    query("10 §7.1, 08 S-754", "get", "newsletter", {
      to = channel,
      asks = { node("message_updates", {
        count = int(1), since = maybe(either(time, also("W and Baileys ask from the start (07 §9.3)", "0"))),
        after = also("W and Baileys (07 §9.3)", server_id),
      }) },
      answers = { node("message_updates", {}, { told_all }) }, errors = not_open,
    }),
    query("10 §7.1, 08 S-755", "set", "newsletter", {
      to = channel, asks = { node "live_updates" }, answers = { node("live_updates", { duration = int(30, 600) }) },
      errors = { 400, 404, 423, 429, 451, "5xx" },
    }),
    query("10 §9, 07 §8.1, 08 S-750", "get", "w:mex", {
      asks = { node("query", { query_id = t.number }, some_bytes) }, answers = { node("result", {}, some_bytes) }, errors = "any",
    }),
  },
}
