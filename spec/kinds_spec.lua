--- Kinds as tables, without a connection: what a Message says, and the Message of a spec.
local core = require "moonpost.core"
local kinds = require "moonpost.client.kinds"
local messages = require "moonpost.client.messages"

local function read(message) return kinds.read(message, { chat = "1@lid", sender = "1@lid", from_me = false, group = false }) end

local function build(spec, quote) return assert(kinds.build(spec, { chat = "1@lid", quote = quote })) end

local function wrong(spec)
  local message, text = kinds.build(spec, { chat = "1@lid" })
  assert.is_nil(message)
  return text
end

describe("a message that is read", function()
  it("has the kind of its content", function()
    local rows = {
      { { conversation = "hi" }, "text" }, { { extendedTextMessage = { text = "hi" } }, "text" },
      { { reactionMessage = { text = "👍" } }, "reaction" }, { { imageMessage = {} }, "image" },
      { { videoMessage = {} }, "video" }, { { videoMessage = { gifPlayback = true } }, "gif" }, { { ptvMessage = {} }, "round_video" },
      { { audioMessage = {} }, "audio" }, { { audioMessage = { ptt = true } }, "voice" }, { { stickerMessage = {} }, "sticker" },
      { { documentWithCaptionMessage = { message = { documentMessage = { caption = "x" } } } }, "document" },
      { { _unknown = "\xc2\x3e\x00" }, "unknown" }, { { placeholderMessage = {} }, "unknown" },
      { { messageContextInfo = {}, senderKeyDistributionMessage = {} } }, { {} },
    }
    for _, row in ipairs(rows) do assert.equal(row[2], read(row[1]).kind) end
  end)

  it("has its caption for a text", function()
    assert.equal("look", read({ viewOnceMessage = { message = { imageMessage = { caption = "look" } } } }).text)
  end)

  it("is to be seen once when its wrapper or its content says so", function()
    assert.is_true(read({ viewOnceMessageV2 = { message = { imageMessage = {} } } }).view_once)
    assert.is_true(read({ imageMessage = { viewOnce = true } }).view_once)
    assert.is_false(read({ ephemeralMessage = { message = { imageMessage = {} } } }).view_once)
  end)

  it("tells whom it mentions, what it quotes, how often it was forwarded and when it goes", function()
    local m = read { extendedTextMessage = { text = "@2 look", contextInfo = {
      mentionedJid = { "2@lid", "3:7@s.whatsapp.net", "nonsense", "2@lid" }, stanzaId = "AA", participant = "4:1@lid",
      quotedMessage = { locationMessage = { degreesLatitude = 1.5, degreesLongitude = 2.5, name = "Home", comment = "here" } },
      isForwarded = true, forwardingScore = 3, expiration = 86400,
    } } }
    assert.same({ "2@lid", "3@s.whatsapp.net" }, m.mentions)
    local quoted = m.quoted
    assert.same({ "AA", "4@lid", "1@lid", "location", "here" }, { quoted.id, quoted.sender, quoted.chat, quoted.kind, quoted.text })
    assert.equal(3, m.forwarded)
    assert.equal(86400, m.expires)
  end)

  it("that mentions nobody has no mentions", function() assert.same({}, read({ conversation = "hi" }).mentions) end)

  it("that mentions everyone mentions the own account", function()
    local mentions = read({ extendedTextMessage = { text = "all", contextInfo = { nonJidMentions = 1 } } }).mentions
    assert.same({ everyone = true, me = true }, mentions)
  end)
end)

describe("a text that is sent", function()
  local m = { id = "AAAA", chat = "1@lid", sender = "1@lid", from_me = false }

  it("is a conversation", function()
    assert.same({ conversation = "hi" }, build "hi")
    assert.same({ conversation = "hi" }, build { text = "hi" })
  end)

  it("that quotes names the message, its author and what it said", function()
    m.message = { conversation = "question" }
    assert.same({ extendedTextMessage = { text = "hi", contextInfo = {
      stanzaId = "AAAA", participant = "1@lid", quotedMessage = { conversation = "question" },
    } } }, build("hi", m))
  end)

  it("that quotes a message of another chat names that chat", function()
    local elsewhere = { id = "AAAA", chat = "9@g.us", sender = "1@lid", message = { conversation = "question" } }
    assert.equal("9@g.us", build({ text = "hi", quote = elsewhere }).extendedTextMessage.contextInfo.remoteJid)
  end)

  it("that quotes a quote carries neither the older quote nor a secret", function()
    m.message = {
      extendedTextMessage = { text = "question", contextInfo = { stanzaId = "BBBB", quotedMessage = { conversation = "older" } } },
      messageContextInfo = { messageSecret = ("s"):rep(32) },
    }
    local before = core.proto.encode("Message", m.message)
    local quoted = build("hi", m).extendedTextMessage.contextInfo.quotedMessage
    assert.same({ extendedTextMessage = { text = "question" } }, quoted)
    assert.equal(before, core.proto.encode("Message", m.message))
  end)

  it("that quotes a wrapped message quotes what is inside", function()
    m.message = { ephemeralMessage = { message = { conversation = "soon gone" } } }
    assert.same({ conversation = "soon gone" }, build("hi", m).extendedTextMessage.contextInfo.quotedMessage)
  end)

  it("that quotes what is no content quotes nothing", function()
    m.message = { protocolMessage = { type = "REVOKE" } }
    assert.same({ conversation = "" }, build("hi", m).extendedTextMessage.contextInfo.quotedMessage)
  end)
end)

describe("a spec", function()
  it("names what is wrong in it", function()
    local rows = {
      { { txt = "hi" }, "a message has no 'txt' (" }, { { text = "" }, "a text: 'text' is empty" },
      { { text = 5 }, "a text: 'text' is a string, not a number" }, { { text = "hi", colour = "red" }, "a text has no field 'colour'" },
      { { location = { 91, 0 } }, "a location: 'lat' is between -90 and 90, not 91" },
      { { location = { 5 } }, "a location needs 'lon'" }, { { location = { 1, 2 }, choices = 1 }, "a location has no field 'choices'" },
      { { location = { 1, 2 }, poll = "?" }, "a message is one thing: this has both 'location' and 'poll'" },
      { { location = { 1, 2, accuracy = 0.5 } }, "a location: 'accuracy' is a integer, not a number" },
      { { location = { 1, 2 }, live_location = { 1, 2 } }, "a message is one thing: this has both 'live_location' and 'location'" },
      { { text = "hi", quote = "AAAA" }, "a message: 'quote' is a table, not a string" },
    }
    for _, row in ipairs(rows) do
      local text = wrong(row[1])
      assert.is_truthy(text:find(row[2], 1, true), text)
    end
  end)

  it("may hold a Message, or be one", function()
    assert.same({ imageMessage = { caption = "x" } }, build { message = { imageMessage = { caption = "x" } } })
    assert.same({ imageMessage = { caption = "x" } }, build { imageMessage = { caption = "x" } })
  end)

  it("that is answered with gets its quote inside its wrapper", function()
    local quote = { id = "A", chat = "1@lid", sender = "1@lid", message = { conversation = "x" } }
    local message = build({ viewOnceMessage = { message = { imageMessage = {} } } }, quote)
    assert.equal("A", messages.unwrap(message).imageMessage.contextInfo.stanzaId)
  end)

  it("of a place becomes a location", function()
    local m = read(build { location = { 52.5, 13.25, name = "Lab", address = "Street 1", accuracy = 10 } })
    assert.equal("location", m.kind)
    assert.same({ lat = 52.5, lon = 13.25, name = "Lab", address = "Street 1", accuracy = 10 }, m.location)
    assert.equal("live_location", read(build { live_location = { lat = 1, lon = 2 } }).kind)
  end)
end)
