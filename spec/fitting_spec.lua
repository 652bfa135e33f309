--- Messages that could be read and are refused all the same (09 §5.5, §5.6): each with its reason, and none stops the next.
local core = require "moonpost.core"
local fitting = require "moonpost.client.kinds.fitting"
local labels = require "moonpost.client.labels"
local start = require("spec.rig").start
local stanza = require "moonpost.stanza"
local support = require "spec.support"
local tap = require "spec.tap"

local KEY = { remoteJid = "1@lid", fromMe = true, id = "AAAA" }
local SEALED = { encIv = ("i"):rep(12), encPayload = ("p"):rep(20) }

local function sealed(key, more)
  local content = { [key] = KEY }
  for name, value in pairs(SEALED) do content[name] = value end
  for name, value in pairs(more or {}) do content[name] = value end
  return content
end

local function edited(more)
  local protocol = { key = KEY, type = "MESSAGE_EDIT", editedMessage = { conversation = "new" }, timestampMs = 1 }
  for name, value in pairs(more or {}) do protocol[name] = value or nil end
  return { protocolMessage = protocol }
end

local right = {
  reaction = { reactionMessage = { key = KEY, text = "👍", senderTimestampMs = 1 } },
  ["encrypted reaction"] = { encReactionMessage = sealed "targetMessageKey" },
  vote = { pollUpdateMessage = { pollCreationMessageKey = KEY } },
  pin = { pinInChatMessage = { key = KEY, type = "PIN_FOR_ALL", senderTimestampMs = 1 },
    messageContextInfo = { messageAddOnDurationInSecs = 86400 } },
  edit = { editedMessage = { message = edited() } },
  ["bare edit"] = edited(),
  ["encrypted edit"] = { secretEncryptedMessage = sealed("targetMessageKey", { secretEncType = "MESSAGE_EDIT" }) },
  ["event's edit"] = { secretEncryptedMessage = sealed("targetMessageKey", { secretEncType = "EVENT_EDIT" }) },
  ["poll's edit"] = { secretEncryptedMessage = sealed("targetMessageKey", { secretEncType = "POLL_EDIT" }) },
  response = { encEventResponseMessage = sealed "eventCreationMessageKey" },
  comment = { encCommentMessage = sealed "targetMessageKey" },
  label = { protocolMessage = { type = "GROUP_MEMBER_LABEL_CHANGE", memberLabel = { label = "cook" } } },
  event = { eventMessage = { name = "Tea", startTime = 1 } },
  contacts = { contactsArrayMessage = { contacts = { { vcard = "x" } } } },
  ["channel's invite"] = { newsletterAdminInviteMessage = { newsletterJid = "1@newsletter", newsletterName = "N", inviteExpiration = 1 } },
  text = { conversation = "hi" },
}

local function node_of(message, change)
  local attrs, _, meta = labels(message)
  for name, value in pairs(change or {}) do attrs[name] = value or nil end
  return stanza.node("message", attrs, { not (change and change.meta == false) and meta or nil })
end

describe("a message with the labels of its content", function()
  for name, message in pairs(right) do
    it("is taken: " .. name, function() assert.is_nil(fitting(node_of(message), message)) end)
  end
end)

describe("a message whose stanza says something else", function()
  local rows = {
    { "reaction", { type = "text" }, "stanza's type" }, { "vote", { type = "text" }, "stanza's type" },
    { "vote", { meta = false }, "stanza lacks polltype" }, { "pin", { edit = false }, "stanza lacks edit" },
    { "pin", { edit = "1" }, "stanza's edit" }, { "edit", { edit = false }, "stanza lacks edit" },
    { "bare edit", { edit = "7" }, "stanza's edit" }, { "encrypted edit", { edit = false }, "stanza lacks edit" },
    { "event's edit", { meta = false }, "stanza lacks event_type" }, { "poll's edit", { type = "text" }, "stanza's type" },
    { "response", { meta = false }, "stanza lacks event_type" }, { "label", { meta = false }, "stanza lacks appdata" },
  }
  for _, row in ipairs(rows) do
    it(("is refused: %s, %s"):format(row[1], row[3]), function()
      assert.matches("^the " .. row[3] .. "=", fitting(node_of(right[row[1]], row[2]), right[row[1]]))
    end)
  end

  it("is taken when it was brought again without what it said of it", function()
    assert.is_nil(fitting(node_of(right.pin, { edit = false }), right.pin, true))
    assert.is_string(fitting(node_of(right.pin, { edit = "1" }), right.pin, true))
  end)
end)

describe("a content that lacks what makes it one", function()
  local rows = {
    { { reactionMessage = { text = "x", senderTimestampMs = 1 } }, "it does not say which message it is about" },
    { { reactionMessage = { key = KEY, text = ("x"):rep(129), senderTimestampMs = 1 } }, "its text has 129 bytes" },
    { { reactionMessage = { key = KEY, text = "x" } }, "it has no time" },
    { { pinInChatMessage = { key = KEY, senderTimestampMs = 1 } }, "it neither pins nor unpins" },
    { { pinInChatMessage = { key = KEY, type = "PIN_FOR_ALL", senderTimestampMs = 1 },
      messageContextInfo = { messageAddOnDurationInSecs = 5 } }, "nothing is pinned for 5 seconds" },
    { { editedMessage = { message = { conversation = "x" } } }, "it holds no edit" },
    { edited { editedMessage = false }, "it has no new content" }, { edited { timestampMs = false }, "it has no time" },
    { edited { key = false }, "it does not say which message it is about" },
    { { encReactionMessage = sealed("targetMessageKey", { encIv = "short" }) }, "its IV has 5 bytes" },
    { { encEventResponseMessage = sealed("eventCreationMessageKey", { encPayload = "short" }) }, "it holds nothing" },
    { { eventMessage = { startTime = 1 } }, "the event has no name" }, { { eventMessage = { name = "Tea" } }, "the event has no time" },
    { { contactsArrayMessage = {} }, "it has 0 contacts" },
    { { newsletterFollowerInviteMessageV2 = { newsletterJid = "1@g.us", newsletterName = "N" } }, "it names no channel" },
    { { newsletterAdminInviteMessage = { newsletterJid = "1@newsletter", newsletterName = "N" } }, "it does not say until when" },
  }
  for _, row in ipairs(rows) do
    it("is refused: " .. row[2], function() assert.equal(row[2], fitting(node_of(row[1]), row[1])) end)
  end

  it("is told with its reason, refused at the server, and the next one is heard", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local errors, acks = tap.event(ben.client, "error"), rig:record("to-server", function(node)
      return node.tag == "ack" and node.attrs.class == "message"
    end)
    local sent = assert(ana.client:send(ben.jid, { reactionMessage = { text = "👍", senderTimestampMs = 1 } }))
    local err = errors:pop(30)
    assert.equal("refused", err.code)
    assert.matches(sent.id .. ".*: it does not say which message it is about$", err.message)
    local told = ben:next()
    assert.same({ "undecryptable", "refused", sent.id }, { told.kind, told.reason, told.id })
    assert(ana.client:send(ben.jid, "next"))
    assert.equal("next", ben:next().text)
    assert.same({ sent.id, "491" }, { acks[1].attrs.id, tostring(acks[1].attrs.error) })
  end))

  it("of a stanza that lies about it reaches no handler either", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local errors = tap.event(ben.client, "error")
    local said = ben:hears(ana, "hello")
    tap.on(rig, function(direction, node)
      if direction == "to-client" and node.tag == "message" then node.attrs.edit = "1" end
    end)
    assert(ana.client:send(ben.jid, { pinInChatMessage = {
      key = { remoteJid = ben.lid, fromMe = true, id = said.id }, type = "PIN_FOR_ALL", senderTimestampMs = 1,
    } }))
    assert.matches('edit="1" does not go with it$', errors:pop(30).message)
    assert.equal("undecryptable", ben:next().kind)
  end))
end)

describe("the schema", function()
  it("has every field the checks look at", function()
    for _, message in pairs(right) do assert(core.proto.encode("Message", message)) end
  end)
end)
