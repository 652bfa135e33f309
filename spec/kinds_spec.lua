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
      { { _unknown = "\xc2\x3e\x00" }, "unknown" }, { { stickerSyncRmrMessage = {} }, "unknown" },
      { { messageContextInfo = {}, senderKeyDistributionMessage = {} } }, { {} },
    }
    for _, row in ipairs(rows) do assert.equal(row[2], read(row[1]).kind) end
  end)

  it("has the fields of its kind", function()
    for _, row in ipairs(require "spec.kinds") do
      local m = read(assert(core.proto.decode("Message", assert(core.proto.encode("Message", row[2])))))
      for name, value in pairs(row[3]) do assert.same({ row[1], value }, { row[1], m[name] }) end
    end
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
      { { location = { 1, 2, accuracy = 0.5 } }, "a location: 'accuracy' is an integer, not a number" },
      { { location = { 1, 2 }, live_location = { 1, 2 } }, "a message is one thing: this has both 'live_location' and 'location'" },
      { { text = "hi", quote = "AAAA" }, "a message: 'quote' is a table, not a string" },
      { { event = "Tea", starts = 1795745843000 }, "an event: 'starts' is a time in Unix seconds, not 1795745843000" },
      { { poll = "?", choices = { "A", "B" }, ends = 1795745843000 }, "a poll: 'ends' is a time in Unix seconds, not 1795745843000" },
      { { contact = { name = "Zoe", phone = "none" } }, "a contact: 'phone' has no digits: 'none'" },
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

describe("a text with mentions", function()
  it("has the digits of everybody it mentions, those it lacks before it", function()
    assert.same({ extendedTextMessage = { text = "@333 hello @222 and @2223", contextInfo = { mentionedJid = { "222@lid", "333@lid" } } } },
      build { text = "hello @222 and @2223", mentions = { "222:4@lid", "333@lid" } })
  end)

  it("can mention everyone", function()
    assert.equal(1, build({ text = "hi", mentions = "everyone" }).extendedTextMessage.contextInfo.nonJidMentions)
  end)

  it("names who cannot be mentioned", function()
    for _, nonsense in ipairs { "nobody", "120363@g.us", "x@lid", "@lid", "", 5 } do
      local text = wrong { text = "hi", mentions = { nonsense } }
      assert.is_truthy(text:find("a message: 'mentions' names " .. (nonsense == 5 and "a number" or "'" .. nonsense .. "'"), 1, true), text)
    end
    assert.is_truthy(wrong({ location = { 1, 2 }, mentions = { "2@lid" } }):find "a message that mentions somebody needs 'text'")
  end)
end)

describe("a link's preview", function()
  local page = { title = "A page", description = "About it", thumbnail = "jpeg" }

  it("is sent as it is given, of the first link in the text", function()
    assert.same({ extendedTextMessage = {
      text = "see https://a.example/b?c=1, then", matchedText = "https://a.example/b?c=1", title = "A page", description = "About it",
      jpegThumbnail = "jpeg", previewType = "NONE",
    } }, build { text = "see https://a.example/b?c=1, then", preview = page })
  end)

  it("is fetched by the user's function, which may find none", function()
    local asked = {}
    local function fetch(url)
      asked[#asked + 1] = url
      return url == "http://a.example/" and { title = "Found" } or nil
    end
    assert.equal("Found", build({ text = "http://a.example/", preview = fetch }).extendedTextMessage.title)
    assert.same({ conversation = "http://b.example" }, build { text = "http://b.example", preview = fetch })
    assert.same({ conversation = "no link" }, build { text = "no link", preview = fetch })
    assert.same({ "http://a.example/", "http://b.example" }, asked)
  end)

  it("is read as its sender says it", function()
    local m = read(build { text = "see https://a.example", preview = page })
    assert.same({ url = "https://a.example", title = "A page", description = "About it", thumbnail = "jpeg" }, m.preview)
  end)

  it("goes with a link that is in the text, and a title", function()
    assert.is_truthy(wrong({ text = "x", preview = page }):find "a preview needs a link in the text")
    assert.is_truthy(wrong({ text = "x", preview = { url = "http://a", title = "A" } }):find "its 'url' is not in the text")
    assert.is_truthy(wrong({ text = "http://a", preview = {} }):find "a preview needs 'title'")
  end)
end)

describe("a card", function()
  it("is written so that it reads the same", function()
    local card = { name = "Ada; Lovelace, \\ Countess\nof X", phones = { "+1 555 123 4567", "0171 22" }, organisation = "A, B; C" }
    local m = read(build { contact = { name = card.name, phones = card.phones, organisation = card.organisation } })
    card.jid, card.vcard = "15551234567@s.whatsapp.net", m.contacts[1].vcard
    assert.equal("contact", m.kind)
    assert.same({ card }, m.contacts)
  end)

  it("of several is an array of them", function()
    local m = read(build { contacts = { { name = "Ada", phone = "+1 555 123 4567" }, { name = "Bob", phone = 15550000002 } } })
    assert.equal("contacts", m.kind)
    assert.same({ "Ada", "Bob" }, { m.contacts[1].name, m.contacts[2].name })
    assert.equal("15550000002@s.whatsapp.net", m.contacts[2].jid)
  end)

  it("that is heard can be sent on", function()
    local m = read(build { contact = { name = "Ada", phone = "+1 555 123 4567" } })
    assert.same(m.message, build { contact = m.contacts })
  end)

  it("of any bytes is read without harm", function()
    for _, text in ipairs { "", ":", "FN", "TEL:", "\0\255", "FN;x=\"a:b\":real", " folded", "N:;;;;", "ORG:;;;;",
      ("TEL:1\n"):rep(1000) } do
      local card = read({ contactMessage = { vcard = text } }).contacts[1]
      assert.is_true(#card.phones <= 64)
    end
    assert.equal("real", read({ contactMessage = { vcard = "FN;x=\"a:b\":re\n al" } }).contacts[1].name)
  end)
end)

describe("an answer to a menu", function()
  it("is of the menu's kind, and reads as the choice", function()
    local menus = {
      { { buttonsMessage = {} }, "buttonsResponseMessage" }, { { listMessage = {} }, "listResponseMessage" },
      { { viewOnceMessage = { message = { interactiveMessage = {} } } }, "interactiveResponseMessage" },
      { { templateMessage = {} }, "templateButtonReplyMessage" },
    }
    for _, row in ipairs(menus) do
      local quote = { id = "A", chat = "1@lid", sender = "1@lid", message = row[1] }
      local message = build({ button = { id = "tea", text = "Tea" } }, quote)
      assert.equal(row[2], messages.content(message))
      local m = read(message)
      assert.same({ "button", "tea", "Tea", "Tea", "A" }, { m.kind, m.button.id, m.button.text, m.text, m.quoted.id })
    end
  end)

  it("needs a menu to answer", function()
    assert.is_truthy(wrong({ button = { id = "tea", text = "Tea" } }):find "it quotes the menu")
  end)
end)

describe("what may be seen once", function()
  it("is wrapped and marked", function()
    assert.same({ viewOnceMessage = { message = { extendedTextMessage = { text = "psst", viewOnce = true } } } },
      build { text = "psst", view_once = true })
  end)

  it("is no location", function()
    assert.is_truthy(wrong({ location = { 1, 2 }, view_once = true }):find "cannot be seen once only")
  end)
end)

describe("a message that is forwarded", function()
  local function forward(message, raw)
    local m = read(message)
    m.raw = raw or core.proto.encode("Message", message)
    return kinds.forward(m)
  end
  local function score(message) return forward(message).extendedTextMessage.contextInfo.forwardingScore end

  it("is marked, and counted as the official client counts", function()
    assert.same({ extendedTextMessage = { text = "hi", contextInfo = { isForwarded = true, forwardingScore = 0 } } },
      forward { conversation = "hi" })
    local function once_more(n) return { extendedTextMessage = { text = "hi", contextInfo = { isForwarded = true,
      forwardingScore = n } } } end
    assert.same({ 1, 4, 127, 127 }, { score(once_more(0)), score(once_more(3)), score(once_more(4)), score(once_more(127)) })
  end)

  it("leaves its quote, its mentions, its timer and its secret behind", function()
    assert.same({ extendedTextMessage = { text = "@2 hi", matchedText = "x", contextInfo = { isForwarded = true, forwardingScore = 0 } } },
      forward { ephemeralMessage = { message = { extendedTextMessage = { text = "@2 hi", matchedText = "x", contextInfo = {
        stanzaId = "A", participant = "1@lid", quotedMessage = { conversation = "x" }, mentionedJid = { "2@lid" }, expiration = 86400,
      } }, messageContextInfo = { messageSecret = ("s"):rep(32) } } } })
  end)

  it("keeps the wrapper of a document with its caption", function()
    local message = forward { documentWithCaptionMessage = { message = { documentMessage = { caption = "x" } } } }
    assert.equal("x", message.documentWithCaptionMessage.message.documentMessage.caption)
  end)

  it("that nobody can read goes on exactly as it came, but for its secret", function()
    local content = "\xc2\x3e\x05\x0a\x03abc" -- field 1000, and what is in it
    local raw = "\x9a\x02\x04\x1a\x02ss" .. content -- messageContextInfo first, as nobody here writes it
    local message = assert(core.proto.decode("Message", raw))
    assert.equal("unknown", read(message).kind)
    assert.equal(content, core.proto.encode("Message", forward(message, raw)))
  end)

  it("is no act on another message, and nothing to be seen once", function()
    local _, act = forward { reactionMessage = { text = "x", key = { id = "A" } } }
    local _, once = forward { viewOnceMessage = { message = { imageMessage = {} } } }
    assert.same({ "forward", "forward" }, { act.code, once.code })
  end)
end)
