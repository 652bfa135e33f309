-- The media host over raw HTTP: its rules (05 §17, 08 S-820 to S-826), whoever asks.
local core = require "moonpost.core"
local host = require "spec.media_host"
local process = require "spec.process"
local stanza = require "moonpost.stanza"
local support = require "spec.support"
local task = require "moonpost.task"

local scene = host.scene

describe("the media hosts", function()
  it("are told with a token, how long it and they are good, and what they take", support.async(function()
    local rig <close>, at = scene()
    local told = at.conn.attrs
    assert.same({ "300", "21600", "12" }, { told.ttl, told.auth_ttl, told.max_buckets })
    assert.matches("^%x+$", told.auth)
    local one = stanza.child(at.conn, "host")
    assert.same({ rig.sandbox.media_address, "primary", tostring(2 << 30) }, {
      one.attrs.hostname, one.attrs.type, one.attrs.maxContentLengthBytes,
    })
  end))

  it("are on the sandbox's own port when that speaks TLS", support.async(function()
    local rig <close>, at = scene { tls = true }
    assert.equal(("127.0.0.1:%d"):format(rig.sandbox.port), at.address)
    assert.equal(200, (at:upload "ciphertext"))
  end))

  it("have another token for each who asks", support.async(function()
    local _ <close>, at = scene()
    assert.are_not.equal(at.auth, host.ask(at.contact).attrs.auth)
  end))
end)

describe("an upload", function()
  it("is handed out by its link, and by its URL", support.async(function()
    local _ <close>, at = scene()
    local status, told = at:upload "ciphertext"
    assert.equal(200, status)
    assert.matches("^/v/t62%.7118%-24/%d+_%d+_%d+_n%.enc%?ccb=11%-4&oh=[%w_-]+&oe=%x+&_nc_sid=5e03e0$", told.direct_path)
    assert.equal(("https://%s%s&mms3=true"):format(at.address, told.direct_path), told.url)
    for _, target in ipairs { told.direct_path, told.direct_path .. "&mms3=true" } do
      local got, bytes, headers = at:ask("GET", target)
      assert.same({ 200, "ciphertext", "application/octet-stream", "bytes", "10" }, {
        got, bytes, headers["content-type"], headers["accept-ranges"], headers["content-length"],
      })
    end
  end))

  it("is found whatever clients put behind its link", support.async(function()
    local _ <close>, at = scene()
    local _, told = at:upload "ciphertext"
    for _, more in ipairs { "&hash=abc%3D&mms-type=image&__wa-mms=", "?auth=0123&token=abc", "&oh=again&oe=0", "&=&&?" } do
      assert.equal(200, (at:ask("GET", told.direct_path .. more)), more)
    end
  end))

  it("may be of any kind, under any of the paths", support.async(function()
    local _ <close>, at = scene()
    for _, place in ipairs { "/mms/image", "/mms/video", "/mms/audio", "/mms/document", "/mms/md-msg-hist", "/mms/md-app-state",
      "/mms/sticker-pack", "/mms/thumbnail-link", "/product/image", "/pps/biz-cover-photo", "/wa-msgr/mms/image", "" } do
      assert.equal(200, (at:upload("bytes for " .. place, { place = place })), place)
    end
  end))

  it("has a handle when it is for a newsletter", support.async(function()
    local _ <close>, at = scene()
    local _, told = at:upload("a post", { place = "/newsletter/newsletter-image" })
    assert.matches("^[%w_-]+$", told.handle)
    local _, other = at:upload "a photo"
    assert.is_nil(other.handle)
  end))

  it("is what a newsletter's post names by its handle", support.async(function()
    local rig <close>, at = scene()
    local news = assert(at.contact.client.newsletters:create { name = "Garden" })
    local _, told = at:upload("a picture", { place = "/newsletter/newsletter-image" })
    local content = assert(core.proto.encode("Message", { imageMessage = {
      url = told.url, directPath = told.direct_path, fileSha256 = core.crypto.sha256 "a picture",
    } }))
    local acks = task.queue()
    rig:tap(function(way, node) if way == "to-client" and node.tag == "ack" and node.attrs.class == "message" then acks:push(node) end end)
    local function post(id, handle)
      assert(at.contact.client.connection:send(stanza.node("message", {
        to = news.jid, type = "media", id = "3EB0" .. id, media_id = handle,
      }, stanza.node("plaintext", { mediatype = "image" }, content))))
      return assert(acks:pop(30)).attrs.error
    end
    assert.same({ 400, 400, nil }, { post("00000001", "none"), post "00000002", post("00000003", told.handle) })
  end))

  it("may have a padded token, escaped or not", support.async(function()
    local _ <close>, at = scene()
    local token = host.token "padded"
    assert.equal(200, (at:upload("padded", { token = token .. "=" })))
    assert.equal(200, (at:upload("padded", { token = token .. "%3D" })))
    assert.equal(200, (at:upload("padded", { token = token .. "=", path_token = token })))
  end))

  it("may come in chunks", support.async(function()
    local _ <close>, at = scene()
    local status, bytes = at:chunked { "one", ("two"):rep(30000), "three" }
    assert.equal(200, status)
    assert.equal("one" .. ("two"):rep(30000) .. "three", bytes)
  end))

  it("of what is there already leads to the same link", support.async(function()
    local _ <close>, at = scene()
    local _, first = at:upload "twice"
    local _, second = at:upload "twice"
    assert.equal(first.direct_path, second.direct_path)
  end))

  it("needs a token of the sandbox's, that is not too old", support.async(function()
    local rig <close>, at = scene()
    assert.equal(401, (at:upload("a", { auth = "0123" })))
    assert.equal(401, (at:upload("a", { auth = "" })))
    rig:admin("media", { forward = 21600 })
    assert.equal(401, (at:upload "a"))
    at.auth = host.ask(at.contact).attrs.auth
    assert.equal(200, (at:upload "a"))
  end))

  it("is refused when its bytes, the token and the token in its path are not of one hash", support.async(function()
    local _ <close>, at = scene()
    assert.equal(400, (at:upload("these bytes", { token = host.token "other bytes" })))
    assert.equal(400, (at:upload("these bytes", { path_token = host.token "other bytes" })))
    assert.equal(400, (at:upload("these bytes", { token = "short", path_token = "short" })))
    assert.equal(0, host.count(at))
  end))

  it("is refused when it is too large, as soon as that is known", support.async(function()
    local rig <close>, at = scene()
    rig:admin("media", { max_bytes = 100000 })
    assert.equal(413, (at:upload(("x"):rep(100001))))
    assert.equal(200, (at:upload(("x"):rep(100000))))
    assert.equal(413, (at:chunked { ("y"):rep(60000), ("y"):rep(60000) }))
    assert.equal("100000", stanza.child(host.ask(at.contact), "host").attrs.maxContentLengthBytes)
  end))

  it("is nothing a GET, a PUT or a strange path does", support.async(function()
    local _ <close>, at = scene()
    local target = ("/mms/image/%s?auth=%s&token=%s"):format(host.token "a", at.auth, host.token "a")
    assert.equal(405, (at:ask("PUT", target, "a")))
    assert.equal(404, (at:ask("GET", target)))
    assert.equal(200, (at:ask("GET", "/mm/image"))) -- what any other path says
  end))
end)

describe("an upload that broke off", function()
  it("goes on where it was", support.async(function()
    local _ <close>, at = scene()
    local bytes = core.crypto.random(300000)
    assert.equal("0", at:resume(bytes).resume)
    at:break_off(bytes, 200000)
    local held = tonumber(at:resume(bytes).resume)
    assert.is_true(held > 0 and held <= 200000)
    assert.equal(400, (at:upload(bytes:sub(held + 2), { of = bytes, offset = held + 1 })))
    local status, told = at:upload(bytes:sub(held + 1), { of = bytes, offset = held })
    assert.equal(200, status)
    local _, got = at:ask("GET", told.direct_path)
    assert.is_true(got == bytes)
  end))

  it("and is whole already needs nothing more", support.async(function()
    local _ <close>, at = scene()
    local _, told = at:upload "whole"
    local answer = at:resume "whole"
    assert.same({ "complete", told.direct_path, told.url }, { answer.resume, answer.direct_path, answer.url })
  end))

  it("is checked when its rest has come", support.async(function()
    local _ <close>, at = scene()
    local bytes = core.crypto.random(300000)
    at:break_off(bytes, 200000)
    local held = tonumber(at:resume(bytes).resume)
    assert.equal(400, (at:upload(("x"):rep(300000 - held), { of = bytes, offset = held })))
    assert.equal("0", at:resume(bytes).resume)
    assert.equal(200, (at:upload(bytes)))
  end))
end)

describe("a download", function()
  it("may be of a part", support.async(function()
    local _ <close>, at = scene()
    local _, told = at:upload "0123456789"
    for range, expected in pairs {
      ["bytes=2-4"] = { "234", "bytes 2-4/10" }, ["bytes=7-"] = { "789", "bytes 7-9/10" }, ["bytes=-3"] = { "789", "bytes 7-9/10" },
      ["bytes=0-0"] = { "0", "bytes 0-0/10" }, ["bytes=8-100"] = { "89", "bytes 8-9/10" },
      ["bytes=-100"] = { "0123456789", "bytes 0-9/10" },
    } do
      local status, bytes, headers = at:ask("GET", told.direct_path, nil, { range = range })
      assert.same({ 206, expected[1], expected[2] }, { status, bytes, headers["content-range"] })
    end
    for _, range in ipairs { "bytes=10-", "bytes=20-30", "bytes=-0" } do
      local status, _, headers = at:ask("GET", told.direct_path, nil, { range = range })
      assert.same({ 416, "bytes */10" }, { status, headers["content-range"] })
    end
    for _, range in ipairs { "bytes=4-2", "bytes=-", "lines=1-2", "bytes=0-1,3-4" } do
      assert.equal(200, (at:ask("GET", told.direct_path, nil, { range = range })), range)
    end
  end))

  it("may be of the head alone", support.async(function()
    local _ <close>, at = scene()
    local _, told = at:upload "0123456789"
    local status, bytes, headers = at:ask("HEAD", told.direct_path)
    assert.same({ 200, "", "10" }, { status, bytes, headers["content-length"] })
    status, _, headers = at:ask("HEAD", told.direct_path, nil, { range = "bytes=2-4" })
    assert.same({ 206, "3", "bytes 2-4/10" }, { status, headers["content-length"], headers["content-range"] })
  end))

  it("needs no token, and not that the one who uploaded is there", support.async(function()
    local _ <close>, at = scene()
    local _, told = at:upload "ciphertext"
    at.contact.client:close()
    assert.equal(200, (at:ask("GET", told.direct_path)))
  end))

  it("of what never was is 404, with a wrong signature or none 403", support.async(function()
    local _ <close>, at = scene()
    local _, told = at:upload "ciphertext"
    assert.equal(404, (at:ask("GET", (told.direct_path:gsub("%d+_", "1_", 1)))))
    assert.equal(403, (at:ask("GET", (told.direct_path:gsub("oh=....", "oh=xxxx")))))
    assert.equal(403, (at:ask("GET", (told.direct_path:gsub("oe=%x+", "oe=FFFFFFFF")))))
    assert.equal(403, (at:ask("GET", (told.direct_path:gsub("%?.*", "")))))
  end))

  it("by a link that has expired is 403", support.async(function()
    local rig <close>, at = scene()
    rig:admin("media", { link_seconds = 100 })
    local _, told = at:upload "ciphertext"
    rig:admin("media", { forward = 99 })
    assert.equal(200, (at:ask("GET", told.direct_path)))
    rig:admin("media", { forward = 1 })
    assert.equal(403, (at:ask("GET", told.direct_path)))
    at.auth = host.ask(at.contact).attrs.auth
    local _, again = at:upload "ciphertext"
    assert.equal(200, (at:ask("GET", again.direct_path)))
  end))

  it("is gone after 30 days", support.async(function()
    local rig <close>, at = scene()
    local _, told = at:upload "ciphertext"
    rig:admin("media", { forward = 30 * 86400 - 1 })
    assert.equal(200, (at:ask("GET", told.direct_path)))
    rig:admin("media", { forward = 1 })
    assert.equal(410, (at:ask("GET", told.direct_path)))
    assert.equal(0, host.count(at))
  end))

  it("is 404 once the object was deleted", support.async(function()
    local _ <close>, at = scene()
    local _, told = at:upload "ciphertext"
    local target = ("/mms/image/%s?token=%s&d_md=abc&auth="):format(host.token "ciphertext", host.token "ciphertext")
    assert.equal(401, (at:ask("DELETE", target .. "0123")))
    assert.equal(200, (at:ask("DELETE", target .. at.auth)))
    assert.equal(404, (at:ask("GET", told.direct_path)))
    assert.equal(0, host.count(at))
  end))

  it("is what it was when the sandbox starts again with its world", support.async(function()
    local folder = support.tmpdir() .. "/world"
    local small, large, links = "small", core.crypto.random(700000), {}
    do
      local rig <close>, at = scene { world = folder }
      for i, bytes in ipairs { small, large } do links[i] = select(2, at:upload(bytes)).direct_path end
      rig:admin("media-gone", { object = host.token(small) })
    end
    local rig <close>, at = scene { world = folder }
    assert.equal(1, host.count(at))
    assert.equal(410, (at:ask("GET", links[1])))
    local status, bytes = at:ask("GET", links[2])
    assert.is_true(status == 200 and bytes == large)
    assert.equal("complete", at:resume(large).resume)
    rig:admin("media", { forward = 30 * 86400 })
    assert.equal(410, (at:ask("GET", links[2])))
    assert.is_nil(core.system.stat(("%s/media-%s"):format(folder, core.crypto.hex(core.crypto.sha256(large)))))
  end))

  it("and uploads at the same time keep to themselves", support.async(function()
    local _ <close>, at = scene()
    local running = {}
    for i = 1, 12 do
      running[i] = task.spawn(function()
        local bytes = core.crypto.random(i % 2 == 0 and 400000 or i)
        local status, told = at:upload(bytes)
        local got, same = at:ask("GET", told.direct_path)
        return status == 200 and got == 200 and same == bytes
      end)
    end
    for _, one in ipairs(running) do assert.is_true(one:join(60)) end
  end))
end)

describe("a file of any size", function()
  local MIB = 1024 * 1024

  -- A figure of a process, in bytes.
  local function figure(pid, name)
    for line in io.lines(("/proc/%d/status"):format(pid)) do
      local kib = line:match("^" .. name .. ":%s+(%d+)")
      if kib then return tonumber(kib) * 1024 end
    end
  end

  it("passes the sandbox in constant memory, up and down", support.async(function()
    local folder = support.tmpdir() .. "/world"
    local sandbox <close> = process.start(("moonpost sandbox --world %s"):format(folder), {
      before = "export ASAN_OPTIONS=quarantine_size_mb=1", -- what was freed is free
    })
    local url = sandbox:wait "^sandbox (.*)"
    local port = tonumber(url:match ":(%d+)/")
    local function admin(name) return assert(support.http("GET", ("http://127.0.0.1:%d/admin/%s"):format(port, name))).body end
    local at = host.outside(url, core.crypto.unhex((admin "noise-root":gsub("%s", ""))), admin "certificate", port)
    assert.equal(200, (at:upload(("x"):rep(MIB))))
    local before = figure(sandbox.pid, "VmRSS")
    local size = 48 * MIB
    local status, told = at:stream_up(size)
    assert.equal(200, status)
    assert.equal(size, at:stream_down(told.direct_path))
    local grown = figure(sandbox.pid, "VmHWM") - before
    assert.is_true(grown < 12 * MIB, ("grown by %.1f MiB"):format(grown / MIB))
    at.contact.client:close()
  end))
end)
