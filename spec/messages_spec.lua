-- Messages as tables, and what the stanza says of them: the pure parts.
local core = require "moonpost.core"
local labels = require "moonpost.client.labels"
local messages = require "moonpost.client.messages"

describe("a message", function()
  it("is unwrapped as deep as eight wrappers, and no deeper", function()
    local message = { conversation = "hi" }
    for _ = 1, 8 do message = { viewOnceMessage = { message = message } } end
    assert.equal("hi", messages.text_of(messages.unwrap(message)))
    assert.is_nil(messages.text_of(messages.unwrap { ephemeralMessage = { message = message } }))
  end)

  it("of another own device keeps the secret that only the wrapper carries", function()
    local inner = messages.from_own_device {
      deviceSentMessage = { destinationJid = "1@lid", message = { conversation = "hi" } }, messageContextInfo = { messageSecret = "s" },
    }
    assert.same({ conversation = "hi", messageContextInfo = { messageSecret = "s" } }, inner)
  end)

  it("of another own device takes what it lacks from beside the wrapper, and whether sharing is limited from there alone", function()
    local inner = messages.from_own_device {
      deviceSentMessage = { message = { conversation = "hi", messageContextInfo = {
        messageSecret = "inner", limitSharingV2 = { sharingLimited = true },
      } } },
      messageContextInfo = { messageSecret = "outer", botMetadata = { personaId = "p" } },
    }
    assert.same({ messageSecret = "inner", botMetadata = { personaId = "p" } }, inner.messageContextInfo)
  end)

  it("for own devices has the bytes other clients write", function()
    local secret = ""
    for i = 0, 31 do secret = secret .. string.char(i) end
    local bytes = core.proto.encode("Message", messages.for_own_devices("100000012345678@lid", {
      conversation = "Test", messageContextInfo = { messageSecret = secret },
    }))
    assert.equal(core.crypto.unhex "fa01420a13313030303030303132333435363738406c6964122b0a04546573749a02221a20" .. secret
      .. core.crypto.unhex "9a02221a20" .. secret, bytes)
  end)
end)

describe("a stanza's labels", function()
  local rows = {
    { "text", { conversation = "hi" }, { type = "text" }, {} },
    { "link with a preview", { extendedTextMessage = { text = "x", matchedText = "x" } }, { type = "media" }, { mediatype = "url" } },
    { "reaction", { reactionMessage = { text = "👍" } }, { type = "reaction" }, { ["decrypt-fail"] = "hide" } },
    { "reaction taken back", { reactionMessage = { text = "" } }, { type = "reaction", edit = "7" }, { ["decrypt-fail"] = "hide" } },
    { "image", { imageMessage = {} }, { type = "media" }, { mediatype = "image" } },
    { "gif", { videoMessage = { gifPlayback = true } }, { type = "media" }, { mediatype = "gif" } },
    { "voice message", { audioMessage = { ptt = true } }, { type = "media" }, { mediatype = "ptt" } },
    { "image to be seen once", { viewOnceMessage = { message = { imageMessage = {} } } }, { type = "media" }, { mediatype = "image" },
      { view_once = "true" } },
    { "text to be seen once", { extendedTextMessage = { text = "x", viewOnce = true } }, { type = "text" }, {}, { view_once = "true" } },
    { "location", { locationMessage = {} }, { type = "media" }, { mediatype = "location" } },
    { "live location", { liveLocationMessage = {} }, { type = "media" }, { mediatype = "livelocation" } },
    { "lottie sticker", { lottieStickerMessage = { message = { stickerMessage = {} } } }, { type = "media" }, { mediatype = "sticker" } },
    { "poll", { pollCreationMessageV3 = {} }, { type = "poll" }, {}, { polltype = "creation" } },
    { "poll in a wrapper", { pollCreationMessageV4 = { message = { pollCreationMessage = {} } } }, { type = "poll" }, {},
      { polltype = "creation" } },
    { "quiz", { pollCreationMessageV5 = { pollType = "QUIZ" } }, { type = "poll" }, {}, { polltype = "quiz_creation" } },
    { "vote", { pollUpdateMessage = {} }, { type = "poll" }, { ["decrypt-fail"] = "hide" }, { polltype = "vote" } },
    { "event", { eventMessage = {} }, { type = "event" }, {}, { event_type = "creation" } },
    { "answer to an event", { encEventResponseMessage = {} }, { type = "event" },
      { ["decrypt-fail"] = "hide" }, { event_type = "response" } },
    { "changed event", { secretEncryptedMessage = { secretEncType = "EVENT_EDIT" } }, { type = "event", edit = "1" },
      { ["decrypt-fail"] = "hide" }, { event_type = "edit" } },
    { "changed poll", { secretEncryptedMessage = { secretEncType = "POLL_EDIT" } }, { type = "poll" }, { ["decrypt-fail"] = "hide" },
      { polltype = "edit" } },
    { "encrypted edit", { secretEncryptedMessage = { secretEncType = "MESSAGE_EDIT" } }, { type = "text", edit = "1" },
      { ["decrypt-fail"] = "hide" } },
    { "comment", { encCommentMessage = { targetMessageKey = { id = "A", participant = "1@lid" } } }, { type = "text" }, {},
      { thread_msg_id = "A", thread_msg_sender_jid = "1@lid" } },
    { "member's label", { protocolMessage = { type = "GROUP_MEMBER_LABEL_CHANGE", memberLabel = { label = "cook" } } }, { type = "text" },
      { ["decrypt-fail"] = "hide" }, { appdata = "member_tag", tag_reason = "user_update" } },
    { "revoke", { protocolMessage = { type = "REVOKE", key = { fromMe = true } } }, { type = "text", edit = "7" }, {} },
    { "revoke by an admin", { protocolMessage = { type = "REVOKE", key = { fromMe = false } } }, { type = "text", edit = "8" }, {} },
    { "edit", { editedMessage = { message = {} } }, { type = "text", edit = "1" }, { ["decrypt-fail"] = "hide" } },
    { "pin", { pinInChatMessage = {} }, { type = "text", edit = "2" }, { ["decrypt-fail"] = "hide" } },
    { "keep taken back", { keepInChatMessage = { keepType = "UNDO_KEEP_FOR_ALL", key = { fromMe = true } } },
      { type = "text", edit = "7" }, { ["decrypt-fail"] = "hide" } },
    { "field nobody knows", { _unknown = "\xc2\x3e\x00" }, { type = "text" }, {} },
  }
  for _, row in ipairs(rows) do
    it("fit a " .. row[1], function()
      local attrs, enc, meta = labels(row[2])
      assert.same(row[3], attrs)
      assert.same(row[4], enc)
      assert.same(row[5], meta and meta.attrs)
    end)
  end
end)
