-- The admin calls of files: what phones send, have and lose, from outside.
local core = require "moonpost.core"
local http = require "moonpost.http"
local json = require "cjson.safe"
local media_host = require "spec.media_host"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"

-- A file handed in: its number.
local function hand_in(rig, bytes, headers)
  local response = assert(http.request {
    method = "POST", url = ("http://127.0.0.1:%d/admin/file"):format(rig.sandbox.port), body = bytes, headers = headers,
  })
  local body = media_host.read(response)
  return response.status == 200 and math.tointeger(json.decode(body).file) or nil, response.status
end

local function send(rig, value) return tap.admin(rig, "POST", "/admin/mock-phone/send", value) end

-- The file of a message, as the phone of a contact opens it.
local function open(rig, contact, id)
  local response = assert(http.request {
    url = ("http://127.0.0.1:%d/admin/mock-phone/file?jid=%s&id=%s"):format(rig.sandbox.port, contact.jid, id),
  })
  return response.status, (media_host.read(response))
end

local function scene()
  local rig = start()
  return rig, rig:contact "Ana", rig:contact "Ben"
end

describe("an admin call", function()
  it("has a phone send a text, and a file of any size", support.async(function()
    local rig <close>, ana, ben = scene()
    assert.equal(200, (send(rig, { from = ana.jid, to = ben.jid, text = "hello" })))
    assert.equal("hello", ben:next().text)
    local bytes = core.crypto.random(1000000):rep(3)
    local status, told = send(rig, {
      from = ana.jid, to = ben.jid, kind = "document", file = hand_in(rig, bytes), filename = "big.bin", caption = "all of it",
    })
    local m = ben:next()
    assert.same({ 200, m.id, "document", "big.bin", "all of it", #bytes }, {
      status, told.id, m.kind, m.media.filename, m.text, m.media.size,
    })
    local found, same = open(rig, ben, m.id)
    assert.is_true(found == 200 and same == bytes)
  end))

  it("has a phone send an album", support.async(function()
    local rig <close>, ana, ben = scene()
    local _, told = send(rig, { from = ana.jid, to = ben.jid, album = {
      { kind = "image", file = hand_in(rig, "1") }, { kind = "video", file = hand_in(rig, "2") },
    } })
    for i = 1, 3 do assert.equal(told.ids[i], ben:next().id) end
  end))

  it("tells what a phone has of a message", support.async(function()
    local rig <close>, ana, ben = scene()
    local _, told = send(rig, { from = ana.jid, to = ben.jid, kind = "voice", file = hand_in(rig, "Ogg") })
    local m = ben:next()
    local status, value = tap.admin(rig, "GET", ("/admin/mock-phone/message?jid=%s&id=%s"):format(ben.jid, told.id))
    assert.same({ 200, told.id, ana.lid, false, "voice", 3, core.crypto.base64(m.media.reference.fileEncSha256) }, {
      status, value.id, value.sender, value.from_me, value.media.kind, math.tointeger(value.media.size), value.media.object,
    })
    assert.equal(404, (tap.admin(rig, "GET", ("/admin/mock-phone/message?jid=%s&id=none"):format(ben.jid))))
    assert.equal(404, (tap.admin(rig, "GET", "/admin/mock-phone/message?jid=nobody&id=none")))
  end))

  it("takes a file off the host, and has a phone lose it", support.async(function()
    local rig <close>, ana, ben = scene()
    local _, told = send(rig, { from = ana.jid, to = ben.jid, kind = "image", file = hand_in(rig, "a photo") })
    local object = core.crypto.base64(ben:next().media.reference.fileEncSha256)
    rig:admin("media-gone", { object = object })
    assert.same({ 200, "a photo" }, { open(rig, ben, told.id) })
    rig:admin("mock-phone/lose-file", { jid = ben.jid, id = told.id })
    local status, body = open(rig, ben, told.id)
    assert.same({ 409, "media-gone" }, { status, json.decode(body).code })
    assert.equal(404, (tap.admin(rig, "POST", "/admin/mock-phone/lose-file", { jid = ben.jid, id = told.id })))
    assert.same({ 200, "a photo" }, { open(rig, ana, told.id) })
    rig:admin("mock-phone/lose-file", { jid = ana.jid, id = told.id })
    assert.equal(404, (tap.admin(rig, "POST", "/admin/media-gone", { object = object })))
  end))

  it("sets the media host, and tells how much it has", support.async(function()
    local rig <close>, ana, ben = scene()
    rig:admin("media", { max_bytes = 5000, image_mb = 3 })
    send(rig, { from = ana.jid, to = ben.jid, kind = "image", file = hand_in(rig, ("x"):rep(15)) })
    local _, told = tap.admin(rig, "GET", "/admin/media")
    assert.same({ 5000, 3, 16, 1, 26, rig.sandbox.media_address }, {
      told.max_bytes, told.image_mb, told.audio_mb, told.objects, told.bytes, told.address,
    })
  end))

  it("is told what is wrong", support.async(function()
    local rig <close>, ana, ben = scene()
    local file = hand_in(rig, "x")
    for _, wrong in ipairs {
      { { from = ana.jid, to = ben.jid }, 400, "kind is missing" },
      { { from = ana.jid, to = ben.jid, kind = "hologram", file = file }, 400, "kind is one of image" },
      { { from = ana.jid, to = ben.jid, kind = "image", file = 99 }, 400, "there is no file 99" },
      { { from = ana.jid, to = ben.jid, album = {} }, 400, "album is a list of 1 to 30 files" },
      { { from = ana.jid, to = ben.jid, album = { { kind = "voice", file = file } } }, 409, "an album is pictures and videos" },
      { { from = "nobody", to = ben.jid, text = "hello" }, 404, "no account 'nobody': its JID names it" },
      { { from = ana.jid, to = "nobody", text = "hello" }, 409, "nobody and no group is 'nobody'" },
    } do
      local status, answer = send(rig, wrong[1])
      assert.equal(wrong[2], status)
      assert.matches(wrong[3], answer.error)
    end
  end))

  it("of a page in a browser is refused, when its body streams too", support.async(function()
    local rig <close> = scene()
    local file, status = hand_in(rig, "x", { origin = "https://example.com" })
    assert.same({ nil, 403 }, { file, status })
  end))
end)
