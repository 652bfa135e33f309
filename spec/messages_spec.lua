-- Messages as tables, and what the stanza says of them: the pure parts.
local core = require "moonpost.core"
local labels = require "moonpost.client.labels"
local messages = require "moonpost.client.messages"

local m = { id = "AAAA", chat = "1@lid", sender = "1@lid", from_me = false }

describe("a text", function()
  it("is a conversation", function() assert.same({ conversation = "hi" }, messages.text("hi")) end)

  it("that quotes names the message, its author and what it said", function()
    m.message = { conversation = "question" }
    assert.same({ extendedTextMessage = { text = "hi", contextInfo = {
      stanzaId = "AAAA", participant = "1@lid", quotedMessage = { conversation = "question" },
    } } }, messages.text("hi", m))
  end)

  it("that quotes a quote carries neither the older quote nor a secret", function()
    m.message = {
      extendedTextMessage = { text = "question", contextInfo = { stanzaId = "BBBB", quotedMessage = { conversation = "older" } } },
      messageContextInfo = { messageSecret = ("s"):rep(32) },
    }
    local before = core.proto.encode("Message", m.message)
    local quoted = messages.text("hi", m).extendedTextMessage.contextInfo.quotedMessage
    assert.same({ extendedTextMessage = { text = "question" } }, quoted)
    assert.equal(before, core.proto.encode("Message", m.message))
  end)

  it("that quotes a wrapped message quotes what is inside", function()
    m.message = { ephemeralMessage = { message = { conversation = "soon gone" } } }
    assert.same({ conversation = "soon gone" }, messages.text("hi", m).extendedTextMessage.contextInfo.quotedMessage)
  end)
end)

describe("a message", function()
  it("is unwrapped as deep as eight wrappers, and no deeper", function()
    local message = { conversation = "hi" }
    for _ = 1, 8 do message = { viewOnceMessage = { message = message } } end
    assert.equal("hi", messages.text_of(messages.unwrap(message)))
    assert.is_nil(messages.text_of(messages.unwrap { ephemeralMessage = { message = message } }))
  end)

  it("has a kind named after its content", function()
    local kinds = {
      { { conversation = "hi" }, "text" }, { { extendedTextMessage = { text = "hi" } }, "text" },
      { { reactionMessage = { text = "👍" } }, "reaction" }, { { imageMessage = {} }, "image" },
      { { protocolMessage = {} }, "protocol" }, { { editedMessage = {} }, "edited" },
      { { messageContextInfo = {}, senderKeyDistributionMessage = {} } }, { {} },
    }
    for _, row in ipairs(kinds) do assert.equal(row[2], messages.kind(row[1])) end
  end)

  it("with two contents is always of the same kind", function()
    for _ = 1, 20 do assert.equal("image", messages.kind { videoMessage = {}, imageMessage = {}, stickerMessage = {} }) end
  end)

  it("of another own device keeps the secret that only the wrapper carries", function()
    local inner = messages.from_own_device {
      deviceSentMessage = { destinationJid = "1@lid", message = { conversation = "hi" } }, messageContextInfo = { messageSecret = "s" },
    }
    assert.same({ conversation = "hi", messageContextInfo = { messageSecret = "s" } }, inner)
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
    { "image to be seen once", { viewOnceMessage = { message = { imageMessage = {} } } }, { type = "media" }, { mediatype = "image" } },
    { "poll", { pollCreationMessageV3 = {} }, { type = "poll" }, {} },
    { "revoke", { protocolMessage = { type = "REVOKE" } }, { type = "text", edit = "7" }, {} },
    { "edit", { editedMessage = { message = {} } }, { type = "text", edit = "1" }, { ["decrypt-fail"] = "hide" } },
    { "pin", { pinInChatMessage = {} }, { type = "text", edit = "2" }, { ["decrypt-fail"] = "hide" } },
  }
  for _, row in ipairs(rows) do
    it("fit a " .. row[1], function()
      local attrs, enc = labels(row[2])
      assert.same(row[3], attrs)
      assert.same(row[4], enc)
    end)
  end
end)
