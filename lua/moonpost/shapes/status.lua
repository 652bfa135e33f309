--- Status posts, what answers them, and what people send to lists.
-- @module moonpost.shapes.status
local parts = require("moonpost.shapes.messages").parts
local t = require "moonpost.shapes.terms"

local baileys, device, int, maybe, never, node, one_of = t.baileys, t.device, t.int, t.maybe, t.never, t.node, t.one_of
local either, many, rule, shape, some, text, time = t.either, t.many, t.rule, t.shape, t.some, t.text, t.time

local STATUS = "status@broadcast"
local setting = one_of("contacts", "allowlist", "denylist", "closefriends", "customlist")
local session_scope = one_of("default", "status", "pq")
local pairwise = one_of("msg", "pkmsg")

local about = node("meta", { status_setting = maybe(setting), session_scope = maybe(session_scope) })

-- A device that gets the sender key, or a person whose devices all have it (03 §11.1, R).
local reader = either(parts.for_device, node("to", { jid = t.user }))

-- `addressing_mode` is answered with 479 by the real server, says R (03 §11.1).
local function to_status(attrs, content, ...)
  local all = {
    id = t.id, to = STATUS, type = parts.message_type, edit = maybe(one_of("1", "7", "8")), addressing_mode = never(), category = never(),
    phash = t.also("W hashes its list (03 §11.1)", text),
  }
  for name, kind in pairs(attrs) do all[name] = kind end
  return node("message", all, content, ...)
end

local post = to_status({ participant = never() }, parts.with_opaque {
  maybe(node("participants", {}, { some(reader) })), parts.enc "skmsg", maybe(parts.device_identity), maybe(about),
  baileys("has them reported, too (03 §15.1)", parts.reporting),
}, parts.vouched)

local function has(child_tag)
  return function(message)
    for _, child in ipairs(type(message.content) == "table" and message.content or {}) do
      if child.tag == child_tag then return true end
    end
    return false
  end
end

-- A reaction to a post goes to its author alone (03 §11.1).
local reaction = to_status({ type = "reaction", participant = never() }, {
  node("participants", {}, { some(parts.for_device) }), maybe(parts.device_identity),
}, parts.vouched, parts.quiet_reaction)

local resend = to_status({
  participant = device, t = t.also("W copies it from the receipt (03 §14.6)", time),
  device_fanout = baileys("says that one device is meant (03 §14.6)", "false"),
}, parts.with_opaque {
  parts.enc(pairwise, { count = maybe(int(1, 5)) }), maybe(parts.device_identity), maybe(about),
  baileys("encrypts a resend twice, once for <participants> (08 S-408)", node("participants", {}, { some(parts.for_device) })),
})

-- As devices get it: the author under its LID, its own ciphertext first.
local author = {
  participant = t.lid_device, participant_pn = t.pn_user, notify = maybe(text), recipient = never(), category = never(),
  sender_pn = never(), sender_lid = never(),
}

local function from(attrs)
  local all = {}
  for name, kind in pairs(author) do all[name] = kind end
  for name, kind in pairs(attrs) do all[name] = kind end
  return all
end

local received = parts.delivered(from { from = STATUS, addressing_mode = never() }, parts.readable, parts.own_first)

local received_apart = node("status", {
  id = t.id, t = time, offline = t.offline, type = one_of("text", "media", "reaction"), edit = maybe(one_of("1", "7")), from = STATUS,
  participant = t.lid_device, participant_pn = maybe(t.pn_user), notify = never(), count = maybe(int(0)),
}, {
  many(parts.received), maybe(parts.device_identity), maybe(t.open(node("meta", { status_setting = maybe(setting) }))),
  maybe(t.open(node("reporting"))), never "participants",
}, rule("one <enc>, or two of which one is the skmsg", has "enc"), parts.own_first)

local list = t.kind("a list's JID", function(value) return tostring(value):find "^%d+@broadcast$" ~= nil end)

local function receipt(attrs, content)
  local all = {
    id = t.id, from = STATUS, participant = device, participant_pn = maybe(t.pn_user), t = time, offline = t.offline, recipient = never(),
  }
  for name, kind in pairs(attrs) do all[name] = kind end
  return node("receipt", all, content)
end

return {
  to_server = {
    shape("10 §10.1, 03 §11.1, 08 S-423", post), shape("03 §11.1", reaction), shape("10 §10.1, 08 S-422, S-423", resend),
  },

  queries = {
    t.query("07 §5.4, 03 §11.1", "get", "status", {
      asks = { node "privacy" },
      answers = { node("privacy", {}, { many(node("list", {
        type = one_of("contacts", "blacklist", "whitelist"), default = maybe "true",
      }, { many(node("user", { jid = t.user })) })) }) },
      errors = "any",
    }),
  },

  to_client = {
    shape("09 §3.1, 08 S-423", received), shape("09 §4.12", received_apart),
    shape("09 §3.1, 04 §2.4", parts.delivered(from { from = list, addressing_mode = never() }, parts.readable)),
    shape("09 §3.2, 08 S-504", receipt({ type = maybe(one_of("delivery", "read", "played", "inactive", "sender")) }, {
      many(node("list", {}, { many(node("item", { id = t.id })) })), never "participants",
    })),
    shape("09 §3.3, 08 S-505", receipt({ type = "retry" }, {
      node("retry", { id = t.id, count = maybe(int(1)) }), node("registration", {}, t.bytes(4)),
      maybe(t.open(node("keys", {}, t.anything))),
    })),
  },
}
