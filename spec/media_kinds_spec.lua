--- Files as messages, through real sockets (fact sheet 05 §4.2 to §4.6, §8.4, §12.1, §18): each kind said by one client, heard by another.
local core = require "moonpost.core"
local files = require "spec.files"
local mimes = require "moonpost.client.mimes"
local start = require("spec.rig").start
local stanza = require "moonpost.stanza"
local support = require "spec.support"
local writer = require "spec.group_writer"

local function is_message(node) return node.tag == "message" end

local thumbnail = files.bytes("jpg", 700)

-- Kinds: the word, the ending of its file, more of the spec; the field that holds it, the stanza's mediatype, what is heard of it.
local kinds = {
  { "image", "jpg", { caption = "look", width = 640, height = 480, thumbnail = thumbnail }, "imageMessage", "image",
    { mime = "image/jpeg", width = 640, height = 480, thumbnail = thumbnail }, "look" },
  { "image", "png", {}, "imageMessage", "image", { mime = "image/png" } },
  { "video", "mp4", { caption = "see", duration = 12.9 }, "videoMessage", "video", { mime = "video/mp4", duration = 12 }, "see" },
  { "gif", "mp4", { caption = "ha" }, "videoMessage", "gif", { mime = "video/mp4" }, "ha" },
  { "round_video", "mp4", { duration = 3 }, "ptvMessage", "ptv", { mime = "video/mp4", duration = 3 } },
  { "audio", "mp3", { duration = 200 }, "audioMessage", "audio", { mime = "audio/mpeg", duration = 200 } },
  { "voice", "ogg", { duration = 2, waveform = "\0\50\100" }, "audioMessage", "ptt",
    { mime = mimes.OPUS, duration = 2, waveform = "\0\50\100" } },
  { "document", "pdf", { pages = 3, title = "Plan" }, "documentMessage", "document",
    { mime = "application/pdf", pages = 3, title = "Plan", filename = "file.pdf" } },
  { "document", "pdf", { caption = "read", filename = "Plan B.txt" }, "documentMessage", "document",
    { mime = "text/plain", filename = "Plan B.txt", title = "Plan B.txt" }, "read" },
  { "document", "pdf", { mime = "x/y" }, "documentMessage", "document", { mime = "x/y", filename = "file.pdf" } },
  { "sticker", "webp", { label = "smile" }, "stickerMessage", "sticker", { mime = "image/webp", animated = false, label = "smile" } },
}

local function spec_of(word, source, more)
  local spec = { [word] = source }
  for name, value in pairs(more or {}) do spec[name] = value end
  return spec
end

-- The stanza's labels: type, and the mediatype on each <enc> for a device.
local function labels(node)
  local list = { node.attrs.type }
  for _, to in stanza.children(stanza.child(node, "participants"), "to") do list[#list + 1] = stanza.child(to, "enc").attrs.mediatype end
  return list
end

describe("a file", function()
  it("of each kind is heard as it was sent, labelled as the official client does, and loads", support.async(function()
    local without <close> = files.without_tools()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local sent = rig:record("to-server", is_message)
    for i, row in ipairs(kinds) do
      local word, ending, more, field, mediatype, told, caption = table.unpack(row, 1, 7)
      local path, bytes = files.write("file." .. ending)
      assert(without and ana.client:send(ben.jid, spec_of(word, path, more)))
      local m = ben:next()
      assert.same({ i, word, word, caption, #bytes }, { i, m.kind, m.media.kind, m.text, m.media.size })
      for name, value in pairs(told) do assert.same({ i, name, value }, { i, name, m.media[name] }) end
      assert.is_true(files.load(ben.client, m.media) == bytes)
      local content = m.message[field] or m.message.documentWithCaptionMessage.message[field]
      assert.same({ i, core.crypto.sha256(bytes), 32, true }, { i, content.fileSha256, #content.mediaKey, content.mediaKeyTimestamp > 0 })
      for n, label in ipairs(labels(sent[i])) do assert.same({ i, n == 1 and "media" or mediatype }, { i, label }) end
    end
  end))

  it("is an iterator that ends at once, and is not asked again", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    assert(ana.client:send(ben.jid, { document = coroutine.wrap(function() end), filename = "none.txt" }))
    assert.equal(0, ben:next().media.size)
  end))

  it("is a path, bytes, an iterator, or what somebody else has sent", support.async(function()
    local without <close> = files.without_tools()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local path, bytes = files.write("cat.png", files.bytes("png", 200000))
    local others = { path, { bytes = bytes }, files.pieces(bytes, 777), io.lines(path, 65536) }
    for i, source in ipairs(others) do
      assert(without and ana.client:send(ben.jid, { image = source }))
      local m = ben:next()
      assert.same({ i, "image/png", #bytes }, { i, m.media.mime, m.media.size })
      assert.is_true(files.load(ben.client, m.media) == bytes)
    end
  end))

  it("tells how far its upload is, and is not sent when it is told to stop", support.async(function()
    local without <close> = files.without_tools()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local bytes, told = core.crypto.random(300000), {}
    local function progress(done, total) told[#told + 1] = { done, total } end
    assert(without and ana.client:send(ben.jid, { document = { bytes = bytes }, filename = "a.bin", progress = progress }))
    assert.is_true(files.load(ben.client, ben:next().media) == bytes)
    local first, last = told[1], told[#told]
    assert.is_true(#told > 1 and first[1] < last[1] and last[1] == last[2] and last[2] >= #bytes)
    local sent, err = ana.client:send(ben.jid, { image = { bytes = files.bytes "jpg" }, progress = function() return false end })
    assert.same({ nil, "media-cancelled" }, { sent, err.code })
    assert(ana.client:send(ben.jid, "next"))
    assert.equal("next", ben:next().text)
  end))

  it("that came is sent on by reference, and nothing is uploaded again", support.async(function()
    local without <close> = files.without_tools()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local uploads = 0
    local upload = ben.client.media.upload
    ben.client.media.upload = function(...)
      uploads = uploads + 1
      return upload(...)
    end
    local bytes = files.bytes "jpg"
    assert(without and ana.client:send(ben.jid, { image = { bytes = bytes }, width = 5, height = 7, thumbnail = thumbnail }))
    local m = ben:next()
    assert(ben.client:send(ana.jid, { image = m.media, caption = "yours" }))
    local back = ana:next()
    assert.same({ "image", "yours", 5, 7, thumbnail }, { back.kind, back.text, back.media.width, back.media.height, back.media.thumbnail })
    assert.same({ m.media.reference.directPath, m.media.reference.mediaKey },
      { back.media.reference.directPath, back.media.reference.mediaKey })
    assert.equal(0, uploads)
    assert(ben.client:send(ana.jid, { document = m.media, filename = "cat.jpg" })) -- under another sort of key
    local document = ana:next()
    assert.same({ "document", "image/jpeg", 1 }, { document.kind, document.media.mime, uploads })
    assert.is_true(files.load(ana.client, document.media) == bytes)
  end))

  it("of 0, 1, 15, 16 and 17 bytes, and around 64 KiB, arrives whole", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    for _, size in ipairs { 0, 1, 15, 16, 17, 65535, 65536, 65537 } do
      local bytes = core.crypto.random(size)
      assert(ana.client:send(ben.jid, { document = { bytes = bytes }, filename = "a.bin" }))
      local m = ben:next()
      assert.same({ size, "application/octet-stream", "a.bin" }, { m.media.size, m.media.mime, m.media.filename })
      assert.is_true(files.load(ben.client, m.media) == bytes)
    end
  end))

  it("to a group is labelled on what all can read, and on it alone", support.async(function()
    local without <close> = files.without_tools()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local group, sent = writer.make(rig, ana, ben), rig:record("to-server", is_message)
    local bytes = files.bytes "ogg"
    assert(without and ana.client:send(group, { voice = { bytes = bytes } }))
    local m = ben:next()
    assert.same({ "voice", group, true }, { m.kind, m.chat, files.load(ben.client, m.media) == bytes })
    assert.same({ "media", "ptt" }, { sent[1].attrs.type, stanza.child(sent[1], "enc").attrs.mediatype })
    for _, to in stanza.children(stanza.child(sent[1], "participants"), "to") do
      assert.is_nil(stanza.child(to, "enc").attrs.mediatype)
    end
  end))

  it("can quote, be quoted, and be forwarded with its caption", support.async(function()
    local without <close> = files.without_tools()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local asked, bytes = ben:hears(ana, "which one?"), files.bytes "jpg"
    assert(without and ben.client:send(ana.jid, { image = { bytes = bytes }, caption = "this", quote = asked }))
    local picture = ana:next()
    assert.same({ "image", "this", asked.id, "which one?" }, { picture.kind, picture.text, picture.quoted.id, picture.quoted.text })
    assert(ana.client:send(ben.jid, { text = "nice", quote = picture }))
    local answer = ben:next()
    assert.same({ "nice", "image", "this", "image" }, { answer.text, answer.quoted.kind, answer.quoted.text, answer.quoted.media.kind })
    assert.is_true(files.load(ben.client, answer.quoted.media) == bytes)
    assert(ana.client:send(ben.jid, { document = { bytes = "x" }, filename = "a.txt", caption = "read" }))
    assert(ben.client:forward(ben:next(), ana.jid))
    local forwarded = ana:next()
    assert.same({ "document", "read", 0, "a.txt" }, { forwarded.kind, forwarded.text, forwarded.forwarded, forwarded.media.filename })
    assert.equal("x", files.load(ana.client, forwarded.media))
  end))

  it("may mention people in its caption, and be edited there", support.async(function()
    local without <close> = files.without_tools()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local sent = assert(without and ana.client:send(ben.jid, { image = { bytes = files.bytes "jpg" }, caption = "for you",
      mentions = { ben.lid } }))
    local m = ben:next()
    assert.same({ "@" .. ben.lid:match "^%d+" .. " for you", true }, { m.text, m.mentions.me })
    assert(ana.client:edit(ana.client:message(ben.lid, sent.id), "for all"))
    local edit = ben:next()
    assert.same({ "edit", "for all", sent.id }, { edit.kind, edit.text, edit.target.id })
    assert.equal("for all", ben.client:message(m.chat, m.id).text)
    local ok, err = pcall(ana.client.edit, ana.client, ana.client:message(ben.lid, sent.id), { image = "/tmp/cat.jpg" })
    assert.same({ false, "client:edit: an image: a file is sent with a message of its own" }, { ok, err })
  end))

  it("to be seen once is marked so inside and out", support.async(function()
    local without <close> = files.without_tools()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local sent = rig:record("to-server", is_message)
    for i, row in ipairs { { "image", "jpg", "viewOnceMessage" }, { "video", "mp4", "viewOnceMessage" },
      { "voice", "ogg", "viewOnceMessageV2Extension" } } do
      local id = assert(without and ana.client:send(ben.jid, spec_of(row[1], { bytes = files.bytes(row[2]) }, { view_once = true }))).id
      assert.same({ "media", "true" }, { sent[i].attrs.type, stanza.child(sent[i], "meta").attrs.view_once })
      local kept = ana.client:message(ben.lid, id)
      assert.same({ row[1], true, true }, { kept.kind, kept.view_once, kept.message[row[3]] ~= nil })
    end
    local wrong = { { sticker = { bytes = files.bytes "webp" }, view_once = true }, { document = { bytes = "x" }, view_once = true } }
    for _, spec in ipairs(wrong) do
      local ok, err = pcall(ana.client.send, ana.client, ben.jid, spec)
      assert.is_false(ok)
      assert.matches("a message of this kind cannot be seen once only", err)
    end
  end))
end)

describe("between a client and phones", function()
  it("each kind is heard of a phone, and read by one", support.async(function()
    local without <close> = files.without_tools()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local phone = rig:phone(ben)
    for i, row in ipairs(kinds) do
      local word, ending = row[1], row[2]
      local bytes = files.bytes(ending)
      local id = phone:send(ana, { [word] = { bytes = bytes }, caption = row[7], filename = "a." .. ending })
      local m = ana:next()
      assert.same({ i, id, word, row[7] }, { i, m.id, m.kind, m.text })
      assert.is_true(files.load(ana.client, m.media) == bytes)
      local sent = assert(without and ana.client:send(ben.jid, spec_of(word, { bytes = bytes }, row[3])))
      local kept = phone:message(sent.id)
      assert.same({ i, word, true }, { i, kept.media.kind, kept.media.bytes() == bytes })
      ben:next()
    end
  end))

  it("what may be seen once is for phones: one loads it, a linked device is told that it is there", support.async(function()
    local without <close> = files.without_tools()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local bytes = files.bytes "jpg"
    local sent = assert(without and ana.client:send(ben.jid, { image = { bytes = bytes }, view_once = true }))
    local m, kept = ben:next(), rig:phone(ben):message(sent.id)
    assert.same({ sent.id, "undecryptable", "unavailable: view_once", true }, { m.id, m.kind, m.reason, m.view_once })
    assert.is_nil(m.media)
    assert.same({ "image", true, true }, { kept.media.kind, kept.media.view_once, kept.media.bytes() == bytes })
    local id = rig:phone(ben):send(ana, { image = { bytes = bytes }, view_once = true })
    local seen = ana:next()
    assert.same({ id, "undecryptable", true }, { seen.id, seen.kind, seen.view_once })
  end))

  it("a phone's album is heard as one", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local album = { { image = { bytes = files.bytes "jpg" } }, { video = { bytes = files.bytes "mp4" } } }
    local id, ids = rig:phone(ben):send(ana, { album = album })
    local head, one, two = ana:next(), ana:next(), ana:next()
    assert.same({ id, "album", { images = 1, videos = 1 } }, { head.id, head.kind, head.album })
    assert.same({ "image", ids[2], id }, { one.kind, one.id, one.album.id })
    assert.same({ "video", ids[3], id }, { two.kind, two.id, two.album.id })
  end))
end)

describe("an album", function()
  it("is a head and its pictures and videos, each a message that names the head", support.async(function()
    local without <close> = files.without_tools()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local one, two = files.bytes "jpg", files.bytes "mp4"
    local sent = assert(without and ana.client:send(ben.jid, { album = {
      { image = { bytes = one }, caption = "first" }, { video = { bytes = two }, duration = 4 }, { image = { bytes = one } },
    } }))
    local head = ben:next()
    assert.same({ "album", { images = 2, videos = 1 }, sent.id }, { head.kind, head.album, head.id })
    for i, row in ipairs { { "image", one, "first" }, { "video", two }, { "image", one } } do
      local m = ben:next()
      assert.same({ i, row[1], row[3], sent.parts[i].id }, { i, m.kind, m.text, m.id })
      assert.same({ chat = ana.lid, id = sent.id, sender = ana.lid, from_me = false }, m.album)
      assert.is_true(files.load(ben.client, m.media) == row[2])
    end
  end))

  it("goes to a group, and may quote", support.async(function()
    local without <close> = files.without_tools()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local group = writer.make(rig, ana, ben)
    assert(ben.client:send(group, "show me"))
    local asked = ana:next()
    assert(without and ana.client:send(group, { quote = asked, album = {
      { image = { bytes = files.bytes "jpg" } }, { image = { bytes = files.bytes "jpg" } } } }))
    local head, one = ben:next(), ben:next()
    assert.same({ "album", asked.id, "image", head.id }, { head.kind, head.quoted.id, one.kind, one.album.id })
  end))

  it("of what is no picture or video is refused, and so is one in a channel or status", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local rows = {
      { {}, "an album has 2 to 100 pictures and videos, not 0" }, { { { image = "x" } }, "2 to 100 pictures and videos, not 1" },
      { { { image = "x" }, "y" }, "an album: 'album%[2%]' is a table, not a string" },
      { { { image = "x" }, { voice = "y" } }, "an album: 'album%[2%]' is neither a picture nor a video" },
      { { { image = "x" }, { image = "y", view_once = true } }, "an album: 'album%[2%]' is neither to be seen once" },
      { { { image = "x" }, { image = "y" }, more = 1 }, "an album: 'album' is an array" },
    }
    for _, row in ipairs(rows) do
      local ok, err = pcall(ana.client.send, ana.client, ana.jid, { album = row[1] })
      assert.is_false(ok)
      assert.matches(row[2], err)
    end
    local sent, err = ana.client:send("status@broadcast", { album = { { image = "x" }, { image = "y" } } })
    assert.same({ nil, "unsupported" }, { sent, err.code })
  end))
end)

describe("what is wrong with a file is named at the caller's line", function()
  local folder, missing = support.tmpdir(), support.tmpdir() .. "/none.jpg"

  local function wrong(rows)
    return support.async(function()
      local without <close> = files.without_tools()
      local rig <close> = start()
      local ana = rig:contact "Ana"
      local stanzas = rig:record("to-server", function(node) return node.tag ~= "iq" and node.tag ~= "ack" and node.tag ~= "receipt" end)
      for _, row in ipairs(rows) do
        local ok, err = pcall(function()
          local sent, why = ana.client:send(ana.jid, row[1])
          return without and sent, why
        end)
        assert.same({ row[2], false }, { row[2], ok })
        assert.matches("media_kinds_spec.lua:%d+: client:send: " .. row[2], err)
      end
      assert.same({}, stanzas)
    end)
  end

  it("when there is none to read", wrong {
    { { image = missing }, "an image: the file of 'image' cannot be read: .*none%.jpg: No such file" },
    { { video = folder }, "a video: 'video' is a folder, not a file: " }, { { document = "" }, "a document: 'document' is an empty path" },
    { { voice = "a\0b" }, "a voice message: 'voice' is no path: it holds a NUL" }, { { image = 5 }, "an image: 'image' is a string or a " },
    { { image = {} }, "an image: 'image' needs 'bytes'" }, { { image = { bytes = 5 } }, "an image: 'image': 'bytes' is a string, not a n" },
    { { image = { file = "x" } }, "an image: 'image' has no field 'file'" },
    { { image = "/dev/null" }, "an image: the file of 'image' cannot be read: /dev/null: Invalid argument" },
  })

  it("when it is of another kind", wrong {
    { { image = { bytes = files.bytes "mp3" } }, "an image: 'image' is a file of type audio/mpeg, not a picture" },
    { { voice = { bytes = files.bytes "jpg" } }, "a voice message: 'voice' is a file of type image/jpeg, not a sound" },
    { { video = (files.write "song.ogg") }, "a video: 'video' is a file of type audio/ogg; codecs=opus, not a video" },
    { { gif = { bytes = files.bytes "gif" } }, "a gif: 'gif' is a file of type image/gif, not a video %(ffmpeg, if it were here" },
    { { sticker = { bytes = files.bytes "mp4" } }, "a sticker: 'sticker' is a file of type video/mp4, not a picture %(ffmpeg" },
    { { image = (files.write("notes.txt", "hello")) }, "an image: 'image' is a file of type text/plain, not a picture" },
  })

  it("when something around it is wrong", wrong {
    { { image = { bytes = "" }, captoin = "x" }, "an image has no field 'captoin' %(caption, height, image, progress, thu" },
    { { image = { bytes = "" }, thumbnail = "GIF89a" }, "an image: 'thumbnail' is no JPEG" },
    { { image = { bytes = "" }, thumbnail = files.bytes("jpg", 65537) }, "an image: 'thumbnail' has 65537 bytes, and 65536 at most" },
    { { image = { bytes = "" }, width = 1.5 }, "an image: 'width' is an integer" },
    { { image = { bytes = "" }, progress = 5 }, "an image: 'progress' is a function, not a number" },
    { { image = { bytes = "" }, width = -1 }, "an image: 'width' is between 0 and" },
    { { voice = { bytes = "" }, waveform = "\101" }, "a voice message: 'waveform' is up to 256 bytes of 0 to 100 each" },
    { { voice = { bytes = "" }, waveform = "" }, "a voice message: 'waveform' is up to 256" },
    { { round_video = { bytes = "" }, caption = "x" }, "a round video has no field 'caption'" },
    { { document = { bytes = "" }, filename = "" }, "a document: 'filename' is empty" },
    { { image = { bytes = "" }, voice = { bytes = "" } }, "a message is one thing: this has both 'image' and 'voice'" },
    { { image = { bytes = "" }, mentions = "everyone" }, "a message that mentions somebody needs 'text'" },
  })

  it("when it shows only while it is read", support.async(function()
    local without <close> = files.without_tools()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local rows = {
      { files.pieces(files.bytes "mp3", 50), "an image: 'image' is a file of type audio/mpeg, not a picture" },
      { function() return 5 end, "an image: the iterator of 'image' gives a number, not a text" },
    }
    for _, row in ipairs(rows) do
      local sent, err = ana.client:send(ana.jid, { image = row[1] })
      assert.same({ nil, "media-source", row[2] }, { without and sent, err.code, err.message })
    end
    local ok, err = pcall(ana.client.send, ana.client, ana.jid, { image = function() error "no more" end })
    assert.is_false(ok)
    assert.matches("no more", err)
  end))
end)
