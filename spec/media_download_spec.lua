-- Downloads: what hosts answer, what they send, and what becomes of it. The hosts here are the spec's own.
local core = require "moonpost.core"
local media_hosts = require "spec.media_hosts"
local start = require("spec.rig").start
local support = require "spec.support"
local task = require "moonpost.task"

local download, give, hurry, open, seal, tell =
  media_hosts.download, media_hosts.give, media_hosts.hurry, media_hosts.open, media_hosts.seal, media_hosts.tell

local bytes = core.crypto.random(200000)

-- Ana, and hosts that answer so, in this order.
local function scene(...)
  local rig = start()
  local ana, hosts, names = rig:contact "Ana", {}, {}
  hurry(ana)
  for i, answer in ipairs { ... } do
    hosts[i] = open(rig, answer)
    names[i] = hosts[i].name
  end
  local told = tell(rig, names)
  local closing = setmetatable({}, { __close = function()
    for _, host in ipairs(hosts) do host.listener:close() end
    rig:__close()
  end })
  return closing, ana, hosts, told, rig
end

local function status(code, headers)
  return function(exchange) exchange:respond(code, headers or {}, "no") end
end

local function holds(blob)
  return function(exchange) give(exchange, blob) end
end

local function turned(blob, at) return blob:sub(1, at - 1) .. string.char(blob:byte(at) ~ 1) .. blob:sub(at + 1) end

local function asked(hosts)
  local counts = {}
  for i, host in ipairs(hosts) do counts[i] = #host.asked end
  return counts
end

describe("a file the hosts have no more", function()
  for _, code in ipairs { 404, 410 } do
    it(("is gone at the first host that says so (%d)"):format(code), support.async(function()
      local reference, blob = seal(bytes)
      local _ <close>, ana, hosts = scene(status(code), holds(blob))
      local _, err = download(ana, reference)
      assert.same({ "media-gone", code, { 1, 0 } }, { err.code, err.status, asked(hosts) })
    end))
  end

  for _, code in ipairs { 401, 403 } do
    it(("has expired when a link that is asked for anew is no better (%d)"):format(code), support.async(function()
      local reference = seal(bytes)
      local _ <close>, ana, hosts, told = scene(status(code))
      local _, err = download(ana, reference)
      assert.same({ "media-expired", code, { 2 }, 2 }, { err.code, err.status, asked(hosts), #told })
    end))
  end
end)

describe("a host", function()
  it("is asked with the hash and the type, and as the apps ask", support.async(function()
    local reference, blob = seal(bytes)
    local _ <close>, ana, hosts = scene(holds(blob))
    assert.equal(bytes, download(ana, reference))
    local head = hosts[1].asked[1]
    assert.same({ "GET", "/v/t62.7119-24/1_2_n.enc" }, { head.method, head.path })
    assert.equal(("ccb=11-4&oh=01_secret&oe=FFFFFFFF&hash=%s=&mms-type=document&__wa-mms="):format(
      core.crypto.base64(reference.fileEncSha256, "url")), head.query)
    assert.same({ "https://web.whatsapp.com", "https://web.whatsapp.com/" }, { head.headers.origin, head.headers.referer })
  end))

  it("that nobody is at, is followed by the next", support.async(function()
    local reference, blob = seal(bytes)
    local _ <close>, ana, hosts, _, rig = scene(holds(blob))
    tell(rig, { media_hosts.nobody(rig), hosts[1].name })
    assert.equal(bytes, download(ana, reference))
  end))

  it("that is busy is asked five times", support.async(function()
    local reference = seal(bytes)
    local _ <close>, ana, hosts = scene(status(503))
    local _, err = download(ana, reference)
    assert.same({ "media-refused", 503, { 5 } }, { err.code, err.status, asked(hosts) })
  end))

  it("is left alone as long as it asks for", support.async(function()
    local reference, blob = seal(bytes)
    local _ <close>, ana, hosts = scene(function(exchange, number)
      if number == 1 then return exchange:respond(429, { ["retry-after"] = "0" }, "") end
      give(exchange, blob)
    end)
    hurry(ana, { step = 1000 }) -- the pause it would make of its own
    assert.equal(bytes, download(ana, reference))
    assert.same({ 2 }, asked(hosts))
  end))

  it("that points elsewhere is not followed, and says where it points without what stands behind the ?", support.async(function()
    local reference, blob = seal(bytes)
    local _ <close>, ana, hosts, _, rig = scene(function() end, holds(blob))
    hosts[1].answer = status(302, { location = ("https://%s/v/x.enc?oh=secret"):format(hosts[2].name) })
    tell(rig, { hosts[1].name })
    local _, err = download(ana, reference)
    assert.same({ "media-redirect", 302, { 1, 0 } }, { err.code, err.status, asked(hosts) })
    assert.is_truthy(err.message:find(("it points to https://%s/v/x.enc, and nobody follows"):format(hosts[2].name), 1, true))
  end))

  it("that stalls is given up, and the next one goes on where it was", support.async(function()
    local reference, blob = seal(bytes)
    local held = task.queue()
    local _ <close>, ana, hosts = scene(function(exchange)
      exchange:start(200, {}, #blob)
      exchange:write(blob:sub(1, 100000))
      held:pop(60)
    end, holds(blob))
    hurry(ana, { stall = 0.3 })
    assert.equal(bytes, download(ana, reference))
    held:close()
    assert.equal("bytes=100000-", hosts[2].asked[1].headers.range)
  end))

  it("whose connection breaks is asked for the rest", support.async(function()
    local reference, blob = seal(bytes)
    local _ <close>, ana, hosts = scene(function(exchange, number)
      if number > 1 then return give(exchange, blob) end
      exchange:start(200, {}, #blob)
      exchange:write(blob:sub(1, 100000))
      exchange:cut()
    end)
    assert.equal(bytes, download(ana, reference))
    assert.matches("^bytes=[1-9]%d*%-$", hosts[1].asked[2].headers.range)
  end))

  it("that knows no parts sends all of it once more", support.async(function()
    local reference, blob = seal(bytes)
    for _, again in ipairs { function(exchange) exchange:respond(200, {}, blob) end, function(exchange)
      if exchange.headers.range then return exchange:respond(416, {}, "") end
      exchange:respond(200, {}, blob)
    end } do
      local _ <close>, ana = scene(function(exchange, number)
        if number > 1 then return again(exchange) end
        exchange:start(200, {}, #blob)
        exchange:write(blob:sub(1, 100000))
        exchange:cut()
      end)
      assert.equal(bytes, download(ana, reference))
    end
  end))

  it("that sends another part than was asked for is no use", support.async(function()
    local reference, blob = seal(bytes)
    local _ <close>, ana = scene(function(exchange)
      exchange:respond(206, { ["content-range"] = ("bytes 0-99/%d"):format(#blob) }, blob:sub(1, 100))
    end)
    local _, err = download(ana, reference, nil, { first = 64000 })
    assert.equal("media-refused", err.code)
  end))
end)

-- What is wrong, by code; fn(reference, blob) -> what the host sends.
local damages = {
  { "with a bit turned on the way", "media-enc-hash", 2, function(_, blob) return turned(blob, 1000) end },
  { "of another hash than was told", "media-enc-hash", 2, function(reference, blob)
    reference.fileEncSha256 = ("x"):rep(32)
    return blob
  end },
  { "of another MAC", "media-mac", 1, function(reference, blob)
    local other = turned(blob, #blob)
    reference.fileEncSha256 = core.crypto.sha256(other)
    return other
  end },
  { "under another key", "media-mac", 1, function(reference, blob)
    reference.mediaKey = ("k"):rep(32)
    return blob
  end },
  { "that is another when it is decrypted", "media-hash", 1, function(reference, blob)
    reference.fileSha256 = ("x"):rep(32)
    return blob
  end },
  { "longer than was told", "media-length", 2, function(reference, blob)
    reference.fileLength = 100000
    return blob
  end },
  { "shorter than was told", "media-length", 2, function(reference, blob)
    reference.fileLength = 300000
    return blob
  end },
  { "cut off by a host that does not say so", "media-length", 2, function(_, blob) return blob:sub(1, 100000) end },
  { "cut off, of which nobody knows the length", "media-truncated", 2, function(reference, blob)
    reference.fileLength = nil
    return blob:sub(1, 100000)
  end },
  { "cut off behind a block, of which nobody knows the length", "media-enc-hash", 2, function(reference, blob)
    reference.fileLength = nil
    return blob:sub(1, 16 * 1000 + 10)
  end },
  { "of no bytes", "media-length", 2, function() return "" end },
  { "of a few bytes, of which nobody knows the length", "media-truncated", 2, function(reference)
    reference.fileLength = nil
    return "few"
  end },
}

describe("a file", function()
  it("of each damage is refused with its reason, and nothing of it is seen", support.async(function()
    local _ <close>, ana, hosts = scene(status(500), status(500))
    for _, damage in ipairs(damages) do
      local reference, blob = seal(bytes)
      local sent, folder = damage[4](reference, blob), support.tmpdir()
      for _, host in ipairs(hosts) do host.answer, host.asked = holds(sent), {} end
      local _, err = download(ana, reference)
      local _, other = ana.client.media:save(reference, "document", folder .. "/file")
      assert.same({ damage[1], damage[2], damage[2], "" }, { damage[1], err.code, other.code, media_hosts.files_of(folder) })
      assert.same({ damage[1], 2, damage[3] == 2 and 2 or 0 }, { damage[1], #hosts[1].asked, #hosts[2].asked })
    end
  end))

  it("that one host has damaged is taken from the next", support.async(function()
    local reference, blob = seal(bytes)
    local _ <close>, ana = scene(holds(turned(blob, 5)), holds(blob:sub(1, -2)), holds(blob))
    assert.equal(bytes, download(ana, reference))
    local folder = support.tmpdir()
    assert(ana.client.media:save(reference, "document", folder .. "/file"))
    assert.equal("file\n", media_hosts.files_of(folder))
  end))

  it("without end ends where it must", support.async(function()
    local reference = seal(bytes)
    reference.fileLength = nil
    local written = 0
    local _ <close>, ana = scene(function(exchange)
      exchange:start(200, {}, 1 << 40)
      repeat
        written = written + 65536
      until not exchange:write(("x"):rep(65536))
    end)
    local _, err = download(ana, reference, nil, { limit = 1000000 })
    assert.equal("media-length", err.code)
    assert.is_true(written < 64 * 1024 * 1024, written)
  end))

  it("larger than the caller takes is not asked for", support.async(function()
    local reference = seal(bytes)
    local _ <close>, ana, hosts = scene(status(500))
    local _, err = download(ana, reference, nil, { limit = 1000 })
    assert.same({ "media-too-large", { 0 } }, { err.code, asked(hosts) })
    assert.equal("a file of 200000 bytes is too large: the caller takes 1000 bytes at most", err.message)
    reference.fileLength = math.maxinteger
    _, err = download(ana, reference)
    assert.same({ "media-too-large", { 0 } }, { err.code, asked(hosts) })
  end))

  it("that is not encrypted is checked by its hash", support.async(function()
    local plain = { directPath = "/v/x.enc", fileSha256 = core.crypto.sha256(bytes), fileLength = #bytes }
    local _ <close>, ana, hosts = scene(holds(bytes))
    assert.equal(bytes, download(ana, plain, "newsletter-image"))
    hosts[1].answer = holds(turned(bytes, 7))
    local _, err = download(ana, plain, "newsletter-image")
    assert.equal("media-hash", err.code)
  end))
end)

describe("a reference", function()
  local wrong = {
    { "without a place", function(reference) reference.directPath = nil end },
    { "whose path leads to another host", function(reference) reference.directPath = "//evil.example/v/x" end },
    { "whose path is no path", function(reference) reference.directPath = "@evil.example/v/x" end },
    { "whose path holds a line end", function(reference) reference.directPath = "/v/x\r\nX: y" end },
    { "with a key of another length", function(reference) reference.mediaKey = "short" end },
    { "with a hash of another length", function(reference) reference.fileSha256 = "short" end },
    { "with a length that is none", function(reference) reference.fileLength = -1 end },
    { "with nothing to check by", function(reference) reference.mediaKey, reference.fileSha256 = nil, nil end },
  }

  it("that is none is refused, and nobody is asked", support.async(function()
    local _ <close>, ana, hosts = scene(status(500))
    for _, one in ipairs(wrong) do
      local reference = seal(bytes)
      one[2](reference)
      local _, err = download(ana, reference)
      assert.same({ one[1], "media-reference", 0 }, { one[1], err and err.code, #hosts[1].asked })
    end
  end))

  it("by a url is followed to a media host, and to no other", support.async(function()
    local reference, blob = seal(bytes)
    local _ <close>, ana, hosts, _, rig = scene(holds(blob), holds(blob))
    tell(rig, { hosts[1].name })
    reference.directPath = nil
    reference.url = ("https://%s/v/x.enc?oh=1"):format(hosts[1].name)
    assert.equal(bytes, download(ana, reference))
    for _, url in ipairs {
      ("https://%s/v/x.enc"):format(hosts[2].name), ("http://%s/v/x.enc"):format(hosts[1].name),
      ("https://%s@%s/v/x.enc"):format(hosts[1].name, hosts[2].name), "https://mmg.whatsapp.net/v/x.enc",
    } do
      reference.url = url
      local _, err = download(ana, reference)
      assert.same({ "media-reference", { 1, 0 } }, { err and err.code, asked(hosts) })
    end
  end))
end)

describe("a part of a file", function()
  local parts = {
    { 0, 0 }, { 0, 15 }, { 1, 16 }, { 15, 17 }, { 65535, 65536 }, { 70000, 140000 }, { 199999, 199999 }, { 131072 }, { nil, 9 },
  }

  for _, type in ipairs { "document", "video" } do
    it(("is what stands there, and little more is asked for (%s)"):format(type), support.async(function()
      local reference, blob = seal(bytes, type)
      local _ <close>, ana, hosts = scene(holds(blob))
      for _, part in ipairs(parts) do
        local first, last = part[1], part[2]
        assert.equal(bytes:sub((first or 0) + 1, (last or #bytes - 1) + 1), download(ana, reference, type, { first = first, last = last }))
        local from, to = hosts[1].asked[#hosts[1].asked].headers.range:match "^bytes=(%d+)%-(%d+)$"
        assert.is_true(to - from < (last or #bytes) - (first or 0) + 3 * 65536)
      end
      hosts[1].answer = function(exchange) exchange:respond(200, {}, blob) end
      assert.equal(bytes:sub(101, 201), download(ana, reference, type, { first = 100, last = 200 }))
    end))
  end

  it("of a video is checked piece by piece, and asked of the next host when it is damaged", support.async(function()
    local reference, blob = seal(bytes, "video")
    local bad = turned(blob, 70010)
    local _ <close>, ana, hosts = scene(holds(bad), holds(blob))
    assert.equal(bytes:sub(70001, 80000), download(ana, reference, "video", { first = 70000, last = 79999 }))
    assert.same({ 1, 1 }, asked(hosts))
    hosts[2].answer = holds(bad)
    local _, err = download(ana, reference, "video", { first = 70000, last = 79999 })
    assert.equal("media-sidecar", err.code)
    assert.equal(bytes:sub(1, 100), download(ana, reference, "video", { last = 99 }))
  end))

  it("outside of it is told so", support.async(function()
    local reference = seal(bytes)
    local _ <close>, ana = scene(status(500))
    local _, err = download(ana, reference, nil, { first = 200000 })
    assert.equal("invalid", err.code)
    reference.fileLength = nil
    _, err = download(ana, reference, nil, { first = 1 })
    assert.equal("media-reference", err.code)
  end))
end)
