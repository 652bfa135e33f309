-- Files of simulated phones: what their owners send, what they open, and what they find again for a companion (05 §14.5, §17, S-836).
local core = require "moonpost.core"
local scene = require "spec.group_scene"
local stanza = require "moonpost.stanza"
local start = require("spec.rig").start
local support = require "spec.support"
local task = require "moonpost.task"

local crypto, media, proto = core.crypto, core.media, core.proto
local node = stanza.node

-- The queue of notifications about files a contact's client is told.
local function told_of_files(rig, contact)
  local heard = task.queue()
  rig:tap(function(way, one, conn)
    local mine = conn.device and conn.device.account:jid() == contact.jid
    if way == "to-client" and mine and one.tag == "notification" and one.attrs.type == "mediaretry" then heard:push(one) end
  end)
  return heard
end

-- Asks the phone of a contact for the file of a message, as its companion does; what it is told.
local function ask_again(heard, contact, m, more)
  more = more or {}
  local key, id = m.media.reference.mediaKey, more.id or m.id
  local plaintext = assert(proto.encode("ServerErrorReceipt", { stanzaId = more.inner or id }))
  local enc_p, enc_iv = assert(media.retry_seal(more.key or key, id, plaintext))
  local children = {
    node("encrypt", nil, { node("enc_p", nil, enc_p), node("enc_iv", nil, enc_iv) }),
    node("rmr", { jid = m.chat, from_me = m.from_me and "true" or "false", participant = more.participant }),
  }
  if more.bare then table.remove(children, 1) end
  assert(contact.client.connection:send(node("receipt", { id = id, to = contact.jid, type = "server-error" }, children)))
  local answer = assert(heard:pop(30))
  local sealed = stanza.child(answer, "encrypt")
  if not sealed then return answer end
  local bytes = assert(media.retry_open(key, id, stanza.bytes(sealed, "enc_iv"), stanza.bytes(sealed, "enc_p")))
  return answer, assert(proto.decode("MediaRetryNotification", bytes))
end

-- Two people, and a photo of Ana's phone that Ben's client has heard of.
local function photo(options)
  local rig = start(options)
  local ana, ben = rig:contact "Ana", rig:contact "Ben"
  local phone = rig:phone(ana)
  local id = phone:send(ben, { image = { bytes = "a photo" }, caption = "look" })
  local m = ben:next()
  assert(m.id == id)
  return rig, ben, m, phone
end

describe("a phone's owner", function()
  it("sends files of every kind, which the other phone can open", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local from, to = rig:phone(ana), rig:phone(ben)
    for word, type in pairs {
      image = "image", video = "video", gif = "video", round_video = "video", audio = "audio", voice = "audio", document = "document",
      sticker = "sticker",
    } do
      local id = from:send(ben, { [word] = { bytes = "this is a " .. word } })
      local m = ben:next()
      assert.same({ id, word, word, type }, { m.id, m.kind, m.media.kind, m.media.type })
      assert.equal("this is a " .. word, (to:message(id).media.bytes()))
      assert.equal("this is a " .. word, (from:message(id).media.bytes()))
    end
  end))

  it("says with a file what a spec says of it", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    rig:phone(ana):send(ben, {
      document = { bytes = "%PDF" }, mime = "application/pdf", filename = "report.pdf", caption = "read it", pages = 3,
    })
    local m = ben:next()
    assert.same({ "document", "read it", "application/pdf", "report.pdf", 3 }, {
      m.kind, m.text, m.media.mime, m.media.filename, m.media.pages,
    })
  end))

  it("takes a file from a path, or piece by piece", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local phone, pieces = rig:phone(ana), { "one", "two", "three" }
    local path = support.tmpdir() .. "/cat.jpg"
    local file <close> = assert(io.open(path, "wb"))
    file:write "a cat"
    file:close()
    local first = phone:send(ben, { image = path })
    local second = phone:send(ben, { audio = function() return table.remove(pieces, 1) end })
    assert.equal("a cat", (phone:message(first).media.bytes()))
    assert.equal("onetwothree", (phone:message(second).media.bytes()))
  end))

  it("has the own companions told as well", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact("Ana", { own = true }), rig:contact "Ben"
    local id = rig:phone(ana):send(ben, { image = { bytes = "mine" } })
    local m = ana:next()
    assert.same({ id, true, ben.lid }, { m.id, m.from_me, m.chat })
    ben:next()
  end))

  it("sends an album: first how much it is, then each picture as one of it", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local phone = rig:phone(ana)
    local _, ids = phone:send(ben, { album = { { image = { bytes = "1" } }, { video = { bytes = "2" } } } })
    local heard = {}
    for i = 1, 3 do heard[i] = ben:next() end
    assert.same(ids, { heard[1].id, heard[2].id, heard[3].id })
    assert.same({ "album", "image", "video" }, { heard[1].kind, heard[2].kind, heard[3].kind })
    assert.same({ ids[1], ids[1] }, { heard[2].album.id, heard[3].album.id })
  end))

  it("sends to a group", support.async(function()
    local rig <close> = start()
    local ana, ben, cleo = rig:contact "Ana", rig:contact "Ben", rig:contact "Cleo"
    local group = scene.group(rig, ana, { ben, cleo })
    local id = rig:phone(ana):send(group, { image = { bytes = "all of us" } })
    for _, one in ipairs { ben, cleo } do
      local m = one:next()
      assert.same({ id, group, ana.lid, "image" }, { m.id, m.chat, m.sender, m.kind })
      assert.equal("all of us", (rig:phone(one):message(id).media.bytes()))
    end
  end))

  it("shows what may be seen once to phones alone: linked devices are told that it is there", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local shown = rig:record("to-client", function(one) return one.tag == "message" and stanza.child(one, "unavailable") ~= nil end)
    local id = rig:phone(ana):send(ben, { image = { bytes = "once" }, view_once = true })
    rig:phone(ana):send(ben, "after it")
    repeat until ben:next().text == "after it"
    local one = shown[1]
    assert.same({ id, "view_once", nil }, { one.attrs.id, stanza.child(one, "unavailable").attrs.type, stanza.child(one, "enc") })
    local kept = rig:phone(ben):message(id)
    assert.same({ true, "once" }, { kept.media.view_once, (kept.media.bytes()) })
  end))
end)

describe("a phone", function()
  it("opens what a linked device has sent, and keeps its messages in order", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local reference = assert(require("moonpost.sandbox.phone_files").upload(rig.sandbox, { bytes = "a song" }, "audio"))
    reference.mimetype = "audio/mpeg"
    local sent = assert(ana.client:send(ben.jid, { audioMessage = reference }))
    assert(ana.client:send(ben.jid, "like it?"))
    ben:next()
    ben:next()
    local list = rig:phone(ben):messages()
    assert.same({ sent.id, "audio", "like it?" }, { list[1].id, list[1].media.kind, list[2].message.conversation })
    assert.equal("a song", (list[1].media.bytes()))
  end))

  it("opens what a linked device has sent to a group", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local group = scene.group(rig, ana, { ben })
    local reference = assert(require("moonpost.sandbox.phone_files").upload(rig.sandbox, { bytes = "us" }, "image"))
    assert(ana.client:send(group, "first a text"))
    local sent = assert(ana.client:send(group, { imageMessage = reference }))
    assert.equal("us", (rig:phone(ben):message(sent.id).media.bytes()))
    assert.equal("us", (rig:phone(ana):message(sent.id).media.bytes()))
  end))

  it("opens what a linked device shows as its status", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local sent = assert(ana.client:send("status@broadcast", { video = { bytes = "my day" } }, { to = { ben.jid } }))
    assert.equal(sent.id, ben:next().id)
    local kept = rig:phone(ben):message(sent.id)
    assert.same({ "status@broadcast", ana.lid, "my day" }, { kept.chat, kept.sender, (kept.media.bytes()) })
  end))

  it("alone is shown what a linked device sends to be seen once, to a person and to a group", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local group = scene.group(rig, ana, { ben })
    local placeholders = rig:record("to-client", function(one) return one.tag == "message" and stanza.child(one, "unavailable") ~= nil end)
    for i, chat in ipairs { ben.jid, group } do
      assert(ana.client:send(chat, "before it"))
      local sent = assert(ana.client:send(chat, { video = { bytes = "once" }, view_once = true }))
      assert(ana.client:send(chat, "after it"))
      repeat until ben:next().text == "after it"
      assert.same({ sent.id, nil }, { placeholders[i].attrs.id, stanza.child(placeholders[i], "enc") })
      local kept = rig:phone(ben):message(sent.id)
      assert.same({ "video", true, "once" }, { kept.media.kind, kept.media.view_once, (kept.media.bytes()) })
    end
  end))

  it("refuses a file whose bytes are not those its sender says", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local files = require "moonpost.sandbox.phone_files"
    for name, code in pairs { fileSha256 = "media-hash", mediaKey = "media-mac", fileLength = "media-length" } do
      local reference = assert(files.upload(rig.sandbox, { bytes = "a photo" }, "image"))
      reference[name] = name == "fileLength" and 8 or crypto.random(32)
      local sent = assert(ana.client:send(ben.jid, { imageMessage = reference }))
      local bytes, err = rig:phone(ben):message(sent.id).media.bytes()
      assert.same({ nil, code }, { bytes, err.code })
    end
  end))

  it("answers a device that could not read what it was sent", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    rig:fault { what = "damage", jid = ben.jid, tag = "message" }
    rig:phone(ana):send(ben, { image = { bytes = "a photo" }, caption = "at last" })
    assert.equal("at last", ben:next().text)
  end))
end)

describe("a companion that cannot get a file", function()
  it("is told by its phone where it is again", support.async(function()
    local rig <close>, ben, m = photo()
    local heard = told_of_files(rig, ben)
    local old = m.media.reference.directPath
    rig.sandbox.media:withdraw(rig.sandbox.media:object(m.media.reference.fileEncSha256))
    local answer, told = ask_again(heard, ben, m)
    assert.same({ m.id, ben.jid, nil }, { answer.attrs.id, answer.attrs.from, answer.attrs.participant })
    assert.same({ m.chat, "false" }, { stanza.child(answer, "rmr").attrs.jid, stanza.child(answer, "rmr").attrs.from_me })
    assert.same({ "SUCCESS", m.id }, { told.result, told.stanzaId })
    assert.are_not.equal(old, told.directPath)
    assert.equal("a photo", (rig:phone(ben):message(m.id).media.bytes()))
  end))

  it("names in a group whose message it is, and is told so", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local group = scene.group(rig, ana, { ben })
    rig:phone(ana):send(group, { image = { bytes = "us" } })
    local m, heard = ben:next(), told_of_files(rig, ben)
    local answer, told = ask_again(heard, ben, m, { participant = ana.lid })
    assert.same({ ana.lid, ana.lid }, { answer.attrs.participant, stanza.child(answer, "rmr").attrs.participant })
    assert.equal("SUCCESS", told.result)
  end))

  it("is told that the phone has lost it", support.async(function()
    local rig <close>, ben, m = photo()
    local heard = told_of_files(rig, ben)
    rig:phone(ben):lose(m.id)
    local _, told = ask_again(heard, ben, m)
    assert.equal("NOT_FOUND", told.result)
  end))

  it("is told that the phone knows no such message", support.async(function()
    local rig <close>, ben, m = photo()
    local answer = ask_again(told_of_files(rig, ben), ben, m, { id = "3EB0000000000000000000" })
    assert.equal("2", stanza.child(answer, "error").attrs.code)
  end))

  it("is told when its request cannot be read, or is for another message", support.async(function()
    local rig <close>, ben, m = photo()
    local heard = told_of_files(rig, ben)
    local _, told = ask_again(heard, ben, m, { inner = "3EB0000000000000000000" })
    assert.equal("DECRYPTION_ERROR", told.result)
    _, told = ask_again(heard, ben, m, { key = crypto.random(32) })
    assert.equal("DECRYPTION_ERROR", told.result)
  end))
end)
