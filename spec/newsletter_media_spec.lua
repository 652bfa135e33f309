-- Files in newsletters (fact sheets 05 §14.3, 08 S-752): not encrypted, called by the handle of their upload.
local files = require "spec.files"
local start = require("spec.rig").start
local stanza = require "moonpost.stanza"
local support = require "spec.support"

-- Ana's newsletter, which Ben follows.
local function channel(rig)
  local ana, ben = rig:contact "Ana", rig:contact "Ben"
  local news = assert(ana.client.newsletters:create { name = "Garden news" })
  assert(ben.client.newsletters:follow(news.jid))
  return news.jid, ana, ben
end

local function posts(rig) return rig:record("to-server", function(node) return node.tag == "message" end) end

-- Word, ending, mediatype of the post, field of the Message.
local kinds = {
  { "image", "jpg", "image", "imageMessage" }, { "video", "mp4", "video", "videoMessage" }, { "gif", "mp4", "gif", "videoMessage" },
  { "round_video", "mp4", "ptv", "ptvMessage" }, { "audio", "mp3", "audio", "audioMessage" }, { "voice", "ogg", "ptt", "audioMessage" },
  { "document", "pdf", "document", "documentMessage" }, { "sticker", "webp", "sticker", "stickerMessage" },
}

describe("a file in a newsletter", function()
  it("of each kind is posted as it is, heard and loaded by who follows", support.async(function()
    local without <close> = files.without_tools()
    local rig <close> = start()
    local news, ana, ben = channel(rig)
    local sent = posts(rig)
    for i, row in ipairs(kinds) do
      local word, ending, mediatype, field = table.unpack(row)
      local bytes = files.bytes(ending)
      assert(without and ana.client:send(news, { [word] = { bytes = bytes } }))
      local m = ben:next()
      assert.same({ i, word, #bytes, "newsletter" }, { i, m.kind, m.media.size, m.place })
      assert.is_true(files.load(ben.client, m.media) == bytes)
      local content, post = m.message[field], sent[i]
      assert.same({ i, nil, nil, nil }, { i, content.mediaKey, content.fileEncSha256, content.handle })
      assert.same({ i, "media", mediatype }, { i, post.attrs.type, stanza.child(post, "plaintext").attrs.mediatype })
      assert.is_truthy(rig.sandbox.media:of_handle(post.attrs.media_id))
    end
  end))

  it("is had from what was posted before, and has another caption when its author edits it", support.async(function()
    local rig <close> = start()
    local news, ana, ben = channel(rig)
    local bytes = files.bytes "jpg"
    local sent = assert(ana.client:send(news, { image = { bytes = bytes }, caption = "ripe" }))
    assert.equal("ripe", ben:next().text)
    assert(ana.client:edit(ana.client:message(news, sent.id), "very ripe"))
    local edit = ben:next()
    assert.same({ "edit", "very ripe" }, { edit.kind, edit.text })
    local found = assert(ben.client.newsletters:messages(news))[1]
    assert.same({ "image", "very ripe" }, { found.kind, found.text })
    assert.is_true(files.load(ben.client, found.media) == bytes)
  end))

  it("goes from a chat into it, and from it into a chat, as each has it", support.async(function()
    local without <close> = files.without_tools()
    local rig <close> = start()
    local news, ana, ben = channel(rig)
    local bytes = files.bytes "jpg"
    assert(without and ben.client:send(ana.jid, { image = { bytes = bytes }, caption = "look" }))
    local seen = ana:next()
    assert.is_truthy(seen.message.imageMessage.mediaKey)
    for i, send in ipairs { function() return ana.client:send(news, { image = seen.media }) end,
      function() return ana.client:forward(seen, news) end } do
      assert(send())
      local post = ben:next()
      assert.same({ i, "image", nil }, { i, post.kind, post.message.imageMessage.mediaKey })
      assert.is_true(files.load(ben.client, post.media) == bytes)
      assert(ben.client[i == 1 and "send" or "forward"](ben.client, i == 1 and ana.jid or post,
        i == 1 and { image = post.media } or ana.jid))
      local back = ana:next()
      assert.same({ i, "image", i == 2 and 2 or nil, "string" },
        { i, back.kind, back.forwarded and back.forwarded + 1, type(back.message.imageMessage.mediaKey) })
      assert.is_true(files.load(ana.client, back.media) == bytes)
    end
  end))

  it("of a pack of stickers that is forwarded is uploaded anew, either way, and its small picture stays behind", support.async(function()
    local rig <close> = start()
    local news, ana, ben = channel(rig)
    local zip = "PK\3\4" .. ("a pack"):rep(100)
    local pack = { stickerPackId = "p", name = "Cats", thumbnailDirectPath = "/v/t/x.enc", thumbnailSha256 = ("h"):rep(32) }
    for name, value in pairs(assert(ben.client.media:upload({ bytes = zip }, "sticker-pack"))) do pack[name] = value end
    pack.url = nil
    assert(ben.client:send(ana.jid, { message = { stickerPackMessage = pack } }))
    assert(ana.client:forward(ana:next(), news))
    local post = ben:next()
    local there = post.message.stickerPackMessage
    assert.same({ "sticker_pack", "Cats", nil, nil, nil },
      { post.kind, post.pack.name, there.mediaKey, there.fileEncSha256, there.thumbnailDirectPath })
    assert.is_true(files.load(ben.client, post.media) == zip)
    assert(ben.client:forward(post, ana.jid))
    local back = ana:next()
    assert.same({ "sticker_pack", 32 }, { back.kind, #back.message.stickerPackMessage.mediaKey })
    assert.is_true(files.load(ana.client, back.media) == zip)
  end))

  it("of a link's preview stays behind when the text is forwarded into it", support.async(function()
    local without <close> = files.without_tools()
    local rig <close> = start()
    local news, ana, ben = channel(rig)
    local preview = { url = "https://example.org/", title = "a page", picture = { bytes = files.bytes "jpg" } }
    assert(without and ben.client:send(ana.jid, { text = "see https://example.org/", preview = preview }))
    local seen = ana:next()
    assert.is_truthy(seen.preview.picture)
    assert(ana.client:forward(seen, news))
    local text = ben:next().message.extendedTextMessage
    assert.same({ "a page", nil, nil }, { text.title, text.mediaKey, text.thumbnailDirectPath })
    assert.is_truthy(seen.message.extendedTextMessage.mediaKey)
  end))

  it("is not taken under the handle of another", support.async(function()
    local rig <close> = start()
    local news, ana, ben = channel(rig)
    local other = assert(ana.client.media:upload({ bytes = "another" }, "newsletter-image")).handle
    rig:tap(function(direction, node)
      if direction == "to-server" and node.attrs.media_id then node.attrs.media_id = other end
    end)
    local sent, err = ana.client:send(news, { image = { bytes = files.bytes "jpg" } })
    assert.same({ nil, 400 }, { sent, err.status })
    assert(ana.client:send(news, "but this"))
    assert.equal("but this", ben:next().text)
  end))
end)
