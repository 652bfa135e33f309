-- Uploads: what hosts answer, how large files may be, what is sent again and what is not. The hosts here are the spec's own.
local core = require "moonpost.core"
local json = require "cjson.safe"
local media_hosts = require "spec.media_hosts"
local stanza = require "moonpost.stanza"
local start = require("spec.rig").start
local support = require "spec.support"
local task = require "moonpost.task"

local body_of, hurry, open, tell = media_hosts.body, media_hosts.hurry, media_hosts.open, media_hosts.tell

local MIB = 1024 * 1024
local PLACE = { url = "https://mmg.whatsapp.net/v/t62/1.enc?oh=1", direct_path = "/v/t62/1.enc?oh=1" }

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

local function status(code)
  return function(exchange)
    body_of(exchange)
    exchange:respond(code, {}, "no")
  end
end

-- Takes it; what came stands in `taken`.
local function takes(taken, place)
  return function(exchange)
    local body = body_of(exchange)
    taken[#taken + 1] = body
    exchange:respond(200, { ["content-type"] = "application/json" }, json.encode(place or PLACE))
  end
end

local function asked(hosts)
  local counts = {}
  for i, host in ipairs(hosts) do counts[i] = #host.asked end
  return counts
end

local function upload(contact, source, type, options) return contact.client.media:upload(source, type or "document", options) end

describe("an upload", function()
  it("has the service asked once how large it may be, however many begin at a time", support.async(function()
    local taken, ended = {}, task.queue()
    local _ <close>, ana, _, _, rig = scene(takes(taken))
    local questions = rig:record("to-server", function(node) return node.attrs.xmlns == "abt" end)
    for _ = 1, 3 do task.spawn(function() ended:push { upload(ana, { bytes = "hello" }, "image") } end) end
    for _ = 1, 3 do assert(table.unpack(assert(ended:pop(20)))) end
    assert.same({ 3, 1 }, { #taken, #questions })
  end))

  it("goes to its type's path, under the hash of what is stored, with the token made safe for a URL", support.async(function()
    local taken = {}
    local _ <close>, ana, hosts, _, rig = scene(takes(taken))
    tell(rig, { hosts[1].name }, { auth = "a+b/c=&d?é" })
    local reference = assert(upload(ana, { bytes = "hello" }, "sticker"))
    assert.same({ PLACE.url, PLACE.direct_path, nil }, { reference.url, reference.directPath, reference.handle })
    assert.equal(core.crypto.sha256(taken[1]), reference.fileEncSha256)
    local head, token = hosts[1].asked[1], core.crypto.base64(reference.fileEncSha256, "url")
    assert.same({ "POST", "/mms/image/" .. token }, { head.method, head.path })
    assert.equal(("auth=a+b/c=&d?é&token=%s"):format(token), head.query)
    assert.same({ "https://web.whatsapp.com", "application/octet-stream", tostring(#taken[1]) },
      { head.headers.origin, head.headers["content-type"], head.headers["content-length"] })
  end))

  it("goes to the next host when one is not there, or takes it not, or says nothing of use", support.async(function()
    local taken = {}
    local function says(text)
      return function(exchange)
        body_of(exchange)
        exchange:respond(200, {}, text)
      end
    end
    local _ <close>, ana, hosts, _, rig = scene(status(400), says "no JSON", says '{"url":"https://mmg.whatsapp.net/v/1"}',
      says '{"url":"https://mmg.whatsapp.net/v/1","direct_path":"//evil.example/v/1"}', says(("x"):rep(100000)), takes(taken))
    local names = { media_hosts.nobody(rig) }
    for i, host in ipairs(hosts) do names[i + 1] = host.name end
    tell(rig, names)
    assert(upload(ana, { bytes = "hello" }))
    assert.same({ 1, 1, 1, 1, 1, 1 }, asked(hosts))
    tell(rig, { hosts[2].name })
    ana.client.media.hosts:forget()
    local _, err = upload(ana, { bytes = "hello" })
    assert.equal("media-answer", err.code)
  end))

  it("gets a new token when the old one is not taken any more, once", support.async(function()
    local taken = {}
    local answer = takes(taken)
    local _ <close>, ana, hosts, told = scene(function(exchange, number)
      if number == 1 then return status(401)(exchange) end
      answer(exchange)
    end)
    assert(upload(ana, { bytes = "hello" }))
    assert.same({ 2, 2 }, { #told, #hosts[1].asked })
    assert.is_false(told[1] == told[2])
    hosts[1].answer = status(403)
    local _, err = upload(ana, { bytes = "hello" })
    assert.same({ "media-expired", 3, 4 }, { err.code, #told, #hosts[1].asked })
  end))

  it("shares the question for hosts with others, and keeps the answer as long as it holds", support.async(function()
    local taken = {}
    local _ <close>, ana, hosts, told, rig = scene(takes(taken))
    local running = {}
    for i = 1, 10 do running[i] = task.spawn(upload, ana, { bytes = "file " .. i }) end
    for _, one in ipairs(running) do assert(one:join(30)) end
    assert.same({ 10, 1 }, { #taken, #told })
    tell(rig, { hosts[1].name }, { auth_ttl = "0" }) -- it holds no longer than the shorter of the two
    ana.client.media.hosts:forget()
    assert(upload(ana, { bytes = "one" }))
    assert(upload(ana, { bytes = "two" }))
    assert.equal(3, #told)
  end))

  it("has four under way at a time", support.async(function()
    local now, most, gate = 0, 0, task.queue()
    local answer = takes {}
    local _ <close>, ana = scene(function(exchange)
      now = now + 1
      most = math.max(most, now)
      gate:pop(30)
      now = now - 1
      answer(exchange)
    end)
    local running = {}
    for i = 1, 9 do running[i] = task.spawn(upload, ana, { bytes = "file " .. i }) end
    while now < 4 do task.sleep(0.001) end
    for _ = 1, 9 do gate:push(true) end
    for _, one in ipairs(running) do assert(one:join(30)) end
    assert.equal(4, most)
  end))

  it("is asked again where a host is busy, and goes to another meanwhile", support.async(function()
    local taken = {}
    local _ <close>, ana, hosts = scene(status(503), status(500))
    local _, err = upload(ana, { bytes = "hello" })
    assert.same({ "media-refused", 500, { 5, 5 } }, { err.code, err.status, asked(hosts) })
    hosts[2].answer = takes(taken)
    assert(upload(ana, { bytes = "hello" }))
    assert.same({ 6, 6 }, asked(hosts))
  end))

  it("that was redirected is not sent elsewhere", support.async(function()
    local _ <close>, ana, hosts, _, rig = scene(function() end, takes {})
    hosts[1].answer = function(exchange)
      body_of(exchange)
      exchange:respond(307, { location = ("https://%s/mms/image/x?auth=secret"):format(hosts[2].name) }, "")
    end
    tell(rig, { hosts[1].name })
    local _, err = upload(ana, { bytes = "hello" })
    assert.same({ "media-redirect", { 1, 0 } }, { err.code, asked(hosts) })
    assert.is_nil(err.message:find("secret", 1, true))
  end))
end)

describe("an upload of 5 MiB and more", function()
  local bytes = core.crypto.random(MIB):rep(6)

  -- A host that keeps what it has; it breaks off the first time.
  local function keeper(kept)
    return function(exchange, number)
      if exchange.query:find("resume=1", 1, true) then
        body_of(exchange)
        return exchange:respond(200, {}, json.encode { resume = tostring(#kept[1]) })
      end
      if number == 2 then
        while #kept[1] < MIB do kept[1] = kept[1] .. exchange:read() end
        return exchange:cut(true)
      end
      local from = math.tointeger(tonumber(exchange.query:match "&file_offset=(%d+)"))
      kept[1] = kept[1]:sub(1, from) .. body_of(exchange)
      exchange:respond(200, {}, json.encode(PLACE))
    end
  end

  it("goes on where it broke off", support.async(function()
    local kept = { "" }
    local _ <close>, ana, hosts = scene(keeper(kept))
    local reference = assert(upload(ana, { bytes = bytes }))
    assert.equal(reference.fileEncSha256, core.crypto.sha256(kept[1]))
    assert.equal(4, #hosts[1].asked)
    assert.is_true(tonumber(hosts[1].asked[4].headers["content-length"]) <= #kept[1] - MIB)
  end))

  it("is sent whole where what the host says it has is none", support.async(function()
    local offset, taken = nil, {}
    local answer = takes(taken)
    local _ <close>, ana, hosts = scene(function(exchange)
      if not exchange.query:find("resume=1", 1, true) then return answer(exchange) end
      body_of(exchange)
      exchange:respond(200, {}, json.encode { resume = offset })
    end)
    for i, text in ipairs { "-1", "99999999999", "half", "0" } do
      offset = text
      local reference = assert(upload(ana, { bytes = bytes }))
      assert.equal(reference.fileEncSha256, core.crypto.sha256(taken[i]))
      assert.same({ 2 * i, nil }, { #hosts[1].asked, (hosts[1].asked[2 * i].query:match "file_offset") })
    end
  end))

  it("is not sent at all to a host that has it", support.async(function()
    local _ <close>, ana, hosts = scene(function(exchange)
      body_of(exchange)
      exchange:respond(200, {}, json.encode { resume = "complete", url = PLACE.url, direct_path = PLACE.direct_path })
    end)
    local reference = assert(upload(ana, { bytes = bytes }))
    assert.same({ PLACE.direct_path, 1 }, { reference.directPath, #hosts[1].asked })
    assert.equal("0", hosts[1].asked[1].headers["content-length"])
  end))
end)

describe("the size of a file", function()
  local function sparse(size)
    local path = support.tmpdir() .. "/file"
    assert(os.execute(("truncate -s %d '%s'"):format(size, path)))
    return path
  end

  it("is looked at before anybody is asked for anything", support.async(function()
    local _ <close>, ana, hosts, told = scene(takes {})
    for _, one in ipairs { { "image", 16 }, { "sticker", 16 }, { "video", 16 }, { "audio", 16 }, { "document", 2048 } } do
      local _, err = upload(ana, { file = sparse(one[2] * MIB + 1) }, one[1])
      assert.same({ one[1], "media-too-large", 0, 0 }, { one[1], err.code, #hosts[1].asked, #told })
      assert.is_truthy(err.message:find(("the service takes %d bytes at most"):format(one[2] * MIB), 1, true), err.message)
    end
  end))

  it("is as the server's properties say", support.async(function()
    local _ <close>, ana, _, _, rig = scene(takes {})
    local asks = 0
    rig:tap(function(direction, node)
      local props = direction == "to-client" and stanza.child(node, "props")
      if not props then return end
      asks = asks + 1
      props.content = { stanza.node("prop", { config_code = "3660", config_value = "1" }), stanza.node("prop", {
        config_code = "3185", config_value = "20",
      }), stanza.node("prop", { config_code = "3657", config_value = "many" }) }
    end)
    assert(upload(ana, { bytes = ("x"):rep(MIB) }, "image"))
    local _, err = upload(ana, { bytes = ("x"):rep(MIB + 1) }, "image")
    assert.equal("media-too-large", err.code)
    _, err = upload(ana, { file = sparse(20 * MIB + 1) }, "video")
    assert.is_truthy(err.message:find(("takes %d bytes"):format(20 * MIB), 1, true), err.message)
    _, err = upload(ana, { file = sparse(16 * MIB + 1) }, "audio")
    assert.is_truthy(err.message:find(("takes %d bytes"):format(16 * MIB), 1, true), err.message)
    assert.equal(1, asks)
  end))

  it("is watched where it is not known from the start", support.async(function()
    local _ <close>, ana, hosts = scene(takes {})
    local given = 0
    local _, err = upload(ana, { reader = function()
      given = given + 1
      return ("x"):rep(100000)
    end }, "document", { limit = 1000000 })
    assert.same({ "media-too-large", 11, 0 }, { err.code, given, #hosts[1].asked })
  end))

  it("is what a host takes, or it goes to another", support.async(function()
    local taken = {}
    local _ <close>, ana, hosts, _, rig = scene(takes {}, takes(taken))
    local function list(second)
      return { { hostname = hosts[1].name, type = "primary", maxContentLengthBytes = "100" },
        { hostname = hosts[2].name, type = "fallback", maxContentLengthBytes = second } }
    end
    tell(rig, list "10000")
    assert(upload(ana, { bytes = ("x"):rep(1000) }))
    assert.same({ 0, 1 }, asked(hosts))
    tell(rig, list "200")
    ana.client.media.hosts:forget()
    local _, err = upload(ana, { bytes = ("x"):rep(1000) })
    assert.same({ "media-too-large", { 0, 1 } }, { err.code, asked(hosts) })
  end))

  it("that a host finds too large is asked of no other", support.async(function()
    local _ <close>, ana, hosts = scene(status(413), takes {})
    local _, err = upload(ana, { bytes = "hello" })
    assert.same({ "media-too-large", 413, { 1, 0 } }, { err.code, err.status, asked(hosts) })
  end))
end)

describe("what is to be uploaded", function()
  it("and cannot be read is told so, and nobody is asked", support.async(function()
    local _ <close>, ana, hosts = scene(takes {})
    local folder = support.tmpdir()
    assert(os.execute(("mkfifo '%s/pipe'"):format(folder)))
    for _, source in ipairs {
      { file = folder .. "/missing" }, { file = folder }, { file = folder .. "/pipe" }, {}, { reader = function() return 5 end },
      { reader = function() return nil, "the source has gone" end },
    } do
      local _, err = upload(ana, source)
      assert.equal("media-source", err and err.code)
    end
    assert.equal(0, #hosts[1].asked)
    assert.error_matches(function() upload(ana, { bytes = "x" }, "letter") end, "nothing is uploaded as 'letter'")
    assert.error_matches(function() upload(ana, { reader = function() error "a mistake in the reader" end }) end, "a mistake in the reader")
  end))
end)

describe("a file on the hosts", function()
  it("is deleted by its token", support.async(function()
    local _ <close>, ana, hosts = scene(function(exchange) exchange:respond(204, {}, "") end)
    local reference = { fileEncSha256 = ("h"):rep(32), directPath = "/v/t62/1.enc?oh=1", encHandle = "h/1" }
    assert.is_true(ana.client.media:delete(reference, "md-msg-hist"))
    local head, token = hosts[1].asked[1], core.crypto.base64(reference.fileEncSha256, "url")
    assert.same({ "DELETE", "/mms/md-msg-hist/" .. token }, { head.method, head.path })
    local rest = ("&token=%s&d_md=%s&e_handle=h/1"):format(token, core.crypto.base64("/v/t62/1.enc", "url"))
    assert.equal(rest, head.query:sub(-#rest))
    assert.is_nil(head.headers.companion_user_secret)
    ana.client.store:put("setting", "companion-nonce", "a secret")
    assert.is_true(ana.client.media:delete(reference, "md-msg-hist"))
    assert.equal("a secret", hosts[1].asked[2].headers.companion_user_secret)
    hosts[1].answer = status(404)
    local _, err = ana.client.media:delete(reference, "md-msg-hist")
    assert.equal("media-gone", err.code)
  end))
end)
