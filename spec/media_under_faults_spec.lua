-- What our client makes of a media host in trouble: the sandbox's own, by its faults (docs/sandbox.md).
local core = require "moonpost.core"
local start = require("spec.rig").start
local support = require "spec.support"

local PHOTO = core.crypto.random(150000)

-- A photo of Ana's phone that Ben's client has heard of.
local function scene(bytes)
  local rig = start()
  local ana, ben = rig:contact "Ana", rig:contact "Ben"
  rig:phone(ana):send(ben, { image = { bytes = bytes or PHOTO } })
  return rig, ben, ben:next()
end

-- What Ben gets of it, or nil and why.
local function load(ben, m, options)
  local pieces = {}
  options = options or {}
  options.message = { chat = m.chat, id = m.id, sender = m.sender, from_me = m.from_me }
  local ok, err = ben.client.media:download(m.media.reference, m.media.type, function(bytes) pieces[#pieces + 1] = bytes end, options)
  if ok then return table.concat(pieces) end
  return nil, err.code
end

describe("a client that downloads", function()
  it("comes again when a host is busy or in trouble, as soon as that says", support.async(function()
    local rig <close>, ben, m = scene()
    rig:fault { what = "media-status", code = 429, retry_after = 1 }
    rig:fault { what = "media-status", code = 500 }
    assert.is_true(load(ben, m) == PHOTO)
    assert.equal(2, #rig.sandbox.faults:list().struck)
  end))

  it("goes on where a connection was cut", support.async(function()
    local rig <close>, ben, m = scene()
    rig:fault { what = "media-cut", after = 70000 }
    assert.is_true(load(ben, m) == PHOTO)
  end))

  it("refuses what was damaged or ends too early, and shows nothing of it", support.async(function()
    local rig <close>, ben, m = scene()
    for _, fault in ipairs { { what = "media-flip", byte = 1000 }, { what = "media-length", by = -16 } } do
      fault.times = "always"
      local armed = rig:fault(fault)
      local bytes, code = load(ben, m)
      assert.is_nil(bytes)
      assert.matches("^media%-", code)
      rig.sandbox.faults:clear(armed.fault)
    end
    assert.is_true(load(ben, m) == PHOTO)
  end))

  it("takes no file without end", support.async(function()
    local rig <close>, ben, m = scene()
    rig:fault { what = "media-endless", times = "always" }
    local bytes, code = load(ben, m)
    assert.is_nil(bytes)
    assert.matches("^media%-", code)
  end))

  it("is patient with a slow host", support.async(function()
    local rig <close>, ben, m = scene "small"
    rig:fault { what = "media-drip", rate = 100 }
    assert.equal("small", (load(ben, m)))
  end))

  it("follows nobody elsewhere", support.async(function()
    local rig <close>, ben, m = scene()
    rig:fault { what = "media-redirect", location = "https://127.0.0.1:1/elsewhere", times = "always" }
    local bytes, code = load(ben, m)
    assert.is_nil(bytes)
    assert.matches("^media%-", code)
  end))

  it("has the phone bring what is gone from the host or unknown to it", support.async(function()
    local rig <close>, ben, m = scene()
    for _, unknown in ipairs { false, true } do
      rig:admin("media-gone", { object = core.crypto.base64(m.media.reference.fileEncSha256), unknown = unknown })
      assert.is_true(load(ben, m) == PHOTO)
    end
    rig:admin("media", { forward = 30 * 86400 })
    assert.is_true(load(ben, m) == PHOTO)
    rig:phone(ben):lose(m.id)
    rig:phone(m.sender):lose(m.id)
    rig:admin("media", { forward = 30 * 86400 })
    assert.same({ nil, "media-gone" }, { load(ben, m) })
  end))

  it("goes to the next host when nobody is at the first", support.async(function()
    local rig <close>, ben, m = scene()
    rig:fault { what = "dead-host" }
    assert.is_true(load(ben, m) == PHOTO)
  end))
end)

describe("a client that uploads", function()
  local function upload(ben, bytes)
    local reference, err = ben.client.media:upload({ bytes = bytes or PHOTO }, "image")
    return reference, err and err.code
  end

  it("asks for a new token when the old one is good no more", support.async(function()
    local rig <close> = start()
    local ben = rig:contact "Ben"
    assert(upload(ben))
    rig:fault { what = "expire-tokens", jid = ben.jid }
    assert(upload(ben, "another"))
  end))

  it("goes to the next host when nobody is at the first, and comes again when one is in trouble", support.async(function()
    local rig <close> = start()
    local ben = rig:contact "Ben"
    rig:fault { what = "dead-host" }
    rig:fault { what = "media-status", code = 503, request = "upload" }
    assert(upload(ben))
    assert.equal(2, #rig.sandbox.faults:list().struck)
  end))

  it("is told that a file is too large before it is sent", support.async(function()
    local rig <close> = start()
    rig:admin("media", { max_bytes = 1000 })
    local ben = rig:contact "Ben"
    assert.same({ nil, "media-too-large" }, { upload(ben) })
    assert.equal(0, (rig.sandbox.media:count()))
  end))
end)
