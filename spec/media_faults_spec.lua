-- What goes wrong with files on request (docs/sandbox.md), as a client of HTTP sees it.
local core = require "moonpost.core"
local host = require "spec.media_host"
local stanza = require "moonpost.stanza"
local support = require "spec.support"
local tap = require "spec.tap"

local scene = host.scene

-- A host, and the link of what was uploaded to it.
local function uploaded(bytes, options)
  local rig, at = scene(options)
  local status, told = at:upload(bytes)
  assert(status == 200)
  return rig, at, told.direct_path
end

describe("a fault of the media host", function()
  it("answers with a status, and says when to come again", support.async(function()
    local rig <close>, at, link = uploaded "ciphertext"
    for _, code in ipairs { 404, 410, 403, 500, 429 } do
      rig:fault { what = "media-status", code = code, request = "download", retry_after = code == 429 and 7 or nil }
      local status, _, headers = at:ask("GET", link)
      assert.same({ code, code == 429 and "7" or nil }, { status, headers["retry-after"] })
      assert.equal(200, (at:ask("GET", link)))
    end
  end))

  it("is for the next requests of a kind, for one object, or for what an account uploads", support.async(function()
    local rig <close>, at, link = uploaded "one"
    local other = select(2, at:upload "other").direct_path
    rig:fault { what = "media-status", code = 500, object = host.token "one", request = "download", times = 2 }
    local seen = {}
    for i, one in ipairs { other, link, link, link } do seen[i] = at:ask("GET", one) end
    assert.same({ 200, 500, 500, 200 }, seen)
    rig:fault { what = "media-status", code = 503, request = "upload", jid = at.contact.jid, nth = 2 }
    assert.same({ 200, 503, 200 }, { (at:upload "a"), (at:upload "b"), (at:upload "c") })
  end))

  it("cuts a download short", support.async(function()
    local rig <close>, at, link = uploaded(("x"):rep(200000))
    rig:fault { what = "media-cut", after = 100000 }
    local response = assert(at:open("GET", link))
    local bytes, err = host.read(response)
    assert.same({ 200, 200000, "network" }, { response.status, response.length, err and err.code })
    assert.is_true(#bytes <= 100000)
  end))

  it("cuts an upload short, of which a part is there then", support.async(function()
    local rig <close>, at = scene()
    local bytes = core.crypto.random(500000)
    rig:fault { what = "media-cut", after = 100000, request = "upload" }
    local response, err = at:open("POST", at:target(bytes), bytes)
    assert.same({ nil, "network" }, { response, err.code })
    assert.equal("100000", at:resume(bytes).resume)
  end))

  it("turns a bit over", support.async(function()
    local rig <close>, at, link = uploaded "ciphertext"
    rig:fault { what = "media-flip", byte = 1 }
    local status, bytes = at:ask("GET", link)
    assert.same({ 200, "chphertext" }, { status, bytes })
  end))

  it("lies about the length", support.async(function()
    local rig <close>, at, link = uploaded "ciphertext"
    rig:fault { what = "media-length", by = 5 }
    local response = assert(at:open("GET", link))
    local bytes, err = host.read(response)
    assert.same({ 15, "ciphertext", "network" }, { response.length, bytes, err.code })
    rig:fault { what = "media-length", by = -4 }
    response = assert(at:open("GET", link))
    assert.same({ 6, "cipher" }, { response.length, (host.read(response)) })
  end))

  it("goes on without end", support.async(function()
    local rig <close>, at, link = uploaded "ciphertext"
    rig:fault { what = "media-endless" }
    local response, size = assert(at:open("GET", link)), 0
    while size < 1000000 do size = size + #assert(response:read()) end
    response:close()
  end))

  it("falls silent", support.async(function()
    local rig <close>, at, link = uploaded(("x"):rep(1000))
    rig:fault { what = "media-stall", after = 10 }
    local response = assert(at:open("GET", link, nil, nil, { stall = 0.3 }))
    local bytes, err = host.read(response)
    assert.same({ 10, "stalled" }, { #bytes, err.code })
    rig:fault { what = "media-stall", request = "upload" }
    local none
    none, err = at:open("POST", at:target "abc", "abc", nil, { stall = 0.3 })
    assert.same({ nil, "stalled" }, { none, err.code })
  end))

  it("drips", support.async(function()
    local rig <close>, at, link = uploaded(("x"):rep(40))
    rig:fault { what = "media-drip", rate = 100 }
    local response, count = assert(at:open("GET", link)), 0
    while true do
      local bytes, err = response:read()
      if not bytes then
        assert.is_nil(err)
        break
      end
      assert.is_true(#bytes <= 10)
      count = count + #bytes
    end
    assert.equal(40, count)
  end))

  it("leads elsewhere", support.async(function()
    local rig <close>, at, link = uploaded "ciphertext"
    rig:fault { what = "media-redirect", location = "https://127.0.0.1:1/elsewhere" }
    local status, _, headers = at:ask("GET", link)
    assert.same({ 302, "https://127.0.0.1:1/elsewhere" }, { status, headers.location })
  end))

  it("takes the tokens of an account away", support.async(function()
    local rig <close>, at = scene()
    rig:fault { what = "expire-tokens", jid = at.contact.jid }
    assert.equal(401, (at:upload "a"))
    at.auth = host.ask(at.contact).attrs.auth
    assert.equal(200, (at:upload "a"))
  end))

  it("names a dead host before the one there is", support.async(function()
    local rig <close>, at = scene()
    rig:fault { what = "dead-host" }
    local hosts = host.ask(at.contact).content
    assert.same({ "127.0.0.1:1", "primary", at.address, "fallback" }, {
      hosts[1].attrs.hostname, hosts[1].attrs.type, hosts[2].attrs.hostname, hosts[2].attrs.type,
    })
    assert.equal(1, #host.ask(at.contact).content)
  end))

  it("leaves out how long a token is good", support.async(function()
    local rig <close>, at = scene()
    rig:fault { what = "no-auth-ttl" }
    local told = host.ask(at.contact)
    assert.same({ nil, "300", "primary" }, { told.attrs.auth_ttl, told.attrs.ttl, stanza.child(told, "host").attrs.type })
  end))

  it("is told as it is armed, and has to make sense", support.async(function()
    local rig <close> = scene()
    local told = rig:fault { what = "media-cut", after = 5, object = host.token "x" }
    assert.same({ "media", 5, core.crypto.base64(core.crypto.sha256 "x") }, { told.at, told.after, told.object })
    for _, wrong in ipairs {
      { { what = "media-status" }, "code is missing" }, { { what = "media-flip", request = "upload" }, "it is done to each download" },
      { { what = "media-cut", tag = "message" }, "tells of a stanza" }, { { what = "media-cut", at = "now" }, "is done at: media" },
      { { what = "media-cut", object = "abc" }, "object is the SHA%-256" }, { { what = "drop", at = "media" }, "is done at" },
      { { what = "dead-host", tag = "message", direction = "to-server" }, "is done to what goes to%-client" },
    } do
      local status, answer = tap.admin(rig, "POST", "/admin/fault", wrong[1])
      assert.equal(400, status)
      assert.matches(wrong[2], answer.error)
    end
  end))
end)
