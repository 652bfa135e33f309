-- The admin calls over HTTP, beside the WebSocket and TLS on one port (fact sheet 08 §1, §4).
local core = require "moonpost.core"
local moonpost = require "moonpost"
local process = require "spec.process"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"
local task = require "moonpost.task"

-- Sends bytes over a TCP connection of their own; the status of the answer and all of it.
local function exchange(rig, bytes)
  local path = support.tmpdir() .. "/request"
  local file = assert(io.open(path, "wb"))
  file:write(bytes)
  file:close()
  local shell <close> = process.start(("bash -c 'exec 3<>/dev/tcp/127.0.0.1/%d; cat %s >&3; cat <&3'"):format(rig.sandbox.port, path))
  shell:wait_end()
  return tonumber(shell:text():match "^HTTP/1%.[01] (%d+)"), shell:text()
end

local function request(rig, line, headers, body)
  local lines = { line .. " HTTP/1.1" }
  for _, header in ipairs(headers) do lines[#lines + 1] = header end
  if body then lines[#lines + 1] = "Content-Length: " .. #body end
  return exchange(rig, table.concat(lines, "\r\n") .. "\r\n\r\n" .. (body or ""))
end

describe("the port", function()
  it("speaks ws and wss, http and https", support.async(function()
    local rig <close> = start { tls = true }
    assert.matches("^wss://127%.0%.0%.1:%d+/ws/chat$", rig.sandbox.url)
    local ana = rig:contact "Ana"
    local bob = rig:contact("Bob", { url = rig.sandbox.url:gsub("^wss", "ws") })
    assert(bob.client:send(ana.jid, "over TLS and without"))
    assert.equal("over TLS and without", ana:next().text)
    local root = core.crypto.hex(rig.sandbox.root) .. "\n"
    for _, scheme in ipairs { "http", "https" } do
      local url = ("%s://127.0.0.1:%d/admin/noise-root"):format(scheme, rig.sandbox.port)
      local response = assert(support.http("GET", url, nil, rig.sandbox.certificate))
      assert.same({ 200, root }, { response.status, response.body })
    end
  end))

  it("has a certificate that stands for nobody else", support.async(function()
    local rig <close> = start { tls = true }
    local other <close> = start { tls = true }
    local url = ("https://127.0.0.1:%d/"):format(rig.sandbox.port)
    local response, err = support.http("GET", url, nil, other.sandbox.certificate)
    assert.is_nil(response)
    assert.is_not_nil(err)
    local client = moonpost.client {
      store_handle = assert(core.store.open {}), url = rig.sandbox.url, root = rig.sandbox.root, ca = other.sandbox.certificate,
    }
    local me
    me, err = client:pair { qr = function() end }
    assert.is_nil(me)
    assert.equal("network", err.code)
    client:close()
  end))

  it("speaks no TLS unless told to, but on a port beside it", support.async(function()
    local rig <close> = start()
    assert.matches("^ws://", rig.sandbox.url)
    local _, certificate = tap.admin(rig, "GET", "/admin/certificate")
    assert.equal(rig.sandbox.certificate, certificate)
    assert.is_nil((support.http("GET", ("https://127.0.0.1:%d/"):format(rig.sandbox.port), nil, certificate)))
    assert.equal(200, assert(support.http("GET", ("https://%s/"):format(rig.sandbox.media_address), nil, certificate)).status)
  end))

  it("answers any path that is no call of its own", support.async(function()
    local rig <close> = start()
    for _, path in ipairs { "/", "/favicon.ico", "/admi", "/nobody/knows?this=1" } do
      local status, body = tap.admin(rig, "GET", path)
      assert.equal(200, status)
      assert.matches("sandbox", body)
    end
  end))

  it("is a WebSocket at any path with /ws, from any origin, and nowhere else", support.async(function()
    local rig <close> = start()
    local function opens(path)
      return task.await(function(resume)
        local conn = assert(core.net.connect {
          url = ("ws://127.0.0.1:%d%s"):format(rig.sandbox.port, path), origin = "https://web.whatsapp.com",
          open = function() resume(true) end, close = function() resume(false) end,
        })
        return conn
      end)
    end
    assert.is_true(opens "/ws/chat")
    assert.is_true(opens "/deep/down/ws?ED=AAAA")
    assert.is_false(opens "/chat")
  end))

  it("hangs up on a client at another path, which asks for the address", support.async(function()
    local rig <close> = start()
    local client = tap.client(rig, { url = rig.sandbox.url:gsub("/ws/chat$", "/wrong") })
    local me, err = client:pair(tap.scanner(rig))
    assert.is_nil(me)
    assert.matches("/wrong: the server hung up before it answered: is the address right%?$", tostring(err))
  end))

  it("is not open on any other address, not even of loopback", support.async(function()
    local rig <close> = start()
    for _, host in ipairs { "127.0.0.2", "127.1.1.1" } do
      local response, err = support.http("GET", ("http://%s:%d/"):format(host, rig.sandbox.port))
      assert.is_nil(response)
      assert.is_not_nil(err)
    end
  end))

  it("is of loopback only", function()
    for _, host in ipairs { "0.0.0.0", "192.168.1.1", "example.com", "128.0.0.1" } do
      local server, err = require("moonpost.sandbox").start { host = host }
      assert.is_nil(server)
      assert.matches("loopback", tostring(err))
    end
  end)
end)

describe("an admin call", function()
  it("tells the Noise root as text and as JSON", support.async(function()
    local rig <close> = start()
    local hex = core.crypto.hex(rig.sandbox.root)
    local _, text = tap.admin(rig, "GET", "/admin/noise-root")
    assert.equal(hex .. "\n", text)
    local _, value = tap.admin(rig, "GET", "/admin/noise-root?format=json")
    assert.same({ noise_root = hex, url = rig.sandbox.url }, value)
  end))

  it("nobody knows is not found, and one with another method is not allowed", support.async(function()
    local rig <close> = start()
    assert.equal(404, (tap.admin(rig, "GET", "/admin/nothing")))
    assert.equal(404, (tap.admin(rig, "POST", "/admin/")))
    local status, answer = tap.admin(rig, "GET", "/admin/mock-phone/scan-qr")
    assert.equal(405, status)
    assert.matches("is called with POST", answer.error)
    assert.equal(405, (tap.admin(rig, "POST", "/admin/state", "{}")))
    assert.equal(405, (request(rig, "PUT /admin/kick", { "Host: 127.0.0.1" }, "{}")))
    assert.equal(405, (request(rig, "DELETE /admin/state", { "Host: 127.0.0.1" })))
  end))

  it("is refused to a page of another origin, and to a name that was pointed here", support.async(function()
    local rig <close> = start()
    for _, headers in ipairs {
      { "Host: 127.0.0.1", "Origin: https://evil.example" }, { "Host: 127.0.0.1", "Origin: null" },
      { "Host: 127.0.0.1", "Origin: http://127.0.0.1.evil.example" }, { "Host: 127.0.0.1", "Origin: http://localhost.evil.example:80" },
      { "Host: 127.0.0.1", "Origin: file://" }, { "Host: evil.example" }, { "Host: 127.0.0.1.evil.example:80" },
      { "Host: localhost.evil.example" }, { "Host: [::2]:80" }, {},
    } do
      local status, answer = request(rig, "GET /admin/state", headers)
      assert.equal(403, status, table.concat(headers, " "))
      assert.is_nil(answer:match "accounts")
    end
    for _, headers in ipairs {
      { "Host: 127.0.0.1:" .. rig.sandbox.port }, { "Host: localhost" }, { "Host: LocalHost:80" }, { "Host: [::1]:80" },
      { "Host: 127.1.2.3" },
      { "Host: 127.0.0.1", "Origin: http://127.0.0.1:8000" }, { "Host: localhost", "Origin: https://localhost" },
    } do
      assert.equal(200, (request(rig, "GET /admin/state", headers)), table.concat(headers, " "))
    end
  end))

  it("is refused to what only begins like this machine's name", support.async(function()
    local rig <close> = start()
    local wrong = {
      "[::1].evil.example", "[::1", "[::1]evil:80", "localhost:80@evil.example", "localhost:evil", "localhost:", "localhost:65536",
      "127.999.1.1", "127.0.0.1@evil.example", "127.1", "127.0.0.0001", "localhost.",
    }
    for _, name in ipairs(wrong) do
      assert.equal(403, (request(rig, "GET /admin/state", { "Host: " .. name })), name)
      assert.equal(403, (request(rig, "GET /admin/state", { "Host: localhost", "Origin: http://" .. name })), name)
    end
    for _, origins in ipairs { { "http://localhost", "http://evil.example" }, { "http://evil.example", "http://localhost" } } do
      assert.equal(403, (request(rig, "GET /admin/state",
        { "Host: localhost", "Origin: " .. origins[1], "Origin: " .. origins[2] })))
    end
  end))

  it("is refused when its Origin or Host is there and too long or empty: it is not taken for absent", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local device = tap.device(rig, ana.client)
    local body = ('{"jid":"%s"}'):format(device:jid())
    local label = ("a"):rep(62) .. "."
    for _, size in ipairs { 255, 256, 257, 1000, 3000 } do
      local origin = "http://" .. label:rep(60):sub(1, size - #"http://.example") .. ".example"
      local status = request(rig, "POST /admin/mock-phone/unlink", { "Host: 127.0.0.1", "Origin: " .. origin }, body)
      assert.equal(size <= 255 and 403 or 400, status, size)
    end
    for _, headers in ipairs {
      { "Host: 127.0.0.1", "Origin:" }, { "Host: 127.0.0.1", "Origin: " }, { "Host:" },
      { "Host: 127.0.0.1." .. ("a"):rep(250) }, { "Host: 127.0.0.1", "Content-Type: " .. ("a"):rep(256) },
    } do
      assert.equal(400, (request(rig, "POST /admin/mock-phone/unlink", headers, body)), table.concat(headers, " "))
    end
    assert.equal(400, (request(rig, "GET /admin/" .. ("a"):rep(1100), { "Host: 127.0.0.1" })))
    assert.is_true(device.active)
  end))

  it("that is refused has no effect", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local device = tap.device(rig, ana.client)
    local body = ('{"jid":"%s","kind":"drop"}'):format(device:jid())
    assert.equal(403, (request(rig, "POST /admin/kick", { "Host: 127.0.0.1", "Origin: https://evil.example" }, body)))
    assert.equal(403, (request(rig, "POST /admin/mock-phone/unlink", { "Host: evil.example" }, body)))
    assert.is_true(device.connection ~= nil and device.active)
  end))

  it("takes a QR in a body that comes in chunks", support.async(function()
    local rig <close> = start()
    local client, shown = tap.client(rig), task.queue()
    local pairing = task.spawn(client.pair, client, { qr = function(text) shown:push(text) end })
    local text = shown:pop(30)
    local status, answer = exchange(rig, ("POST /admin/mock-phone/scan-qr HTTP/1.1\r\nHost: 127.0.0.1\r\n"
      .. "Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n"):format(10, text:sub(1, 10), #text - 10, text:sub(11)))
    assert.equal(200, status)
    assert.matches('"push_name":"Ana"', answer)
    assert(pairing:join(30))
  end))

  it("says what is wrong with its body", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local jid = tap.device(rig, ana.client):jid()
    local wrong = {
      { "/admin/kick", "", 400, "no JSON object" }, { "/admin/kick", "{", 400, "no JSON object" },
      { "/admin/kick", "7", 400, "no JSON object" },
      { "/admin/kick", "{}", 400, "jid is missing" }, { "/admin/kick", { jid = "7", kind = "drop" }, 404, "no linked device '7'" },
      { "/admin/kick", { jid = 7, kind = "drop" }, 400, "jid is a text" }, { "/admin/kick", { jid = jid }, 400, "kind is missing" },
      { "/admin/kick", { jid = jid, kind = "drop", why = "so" }, 400, "no field 'why' here" },
      { "/admin/kick", "[1]", 400, "no field '1'" },
      { "/admin/kick", { jid = jid, kind = "softly" }, 400, "kind is one of" },
      { "/admin/mock-phone/unlink", { jid = ana.jid }, 404, "no linked device" },
      { "/admin/mock-phone/unlink", "[]", 400, "jid is missing" },
      { "/admin/mock-phone/unlink", { jid = jid, now = true }, 400, "no field 'now' here" },
    }
    for _, case in ipairs(wrong) do
      local path, body, expected, sentence = table.unpack(case)
      local status, answer = tap.admin(rig, "POST", path, body)
      assert.equal(expected, status, path)
      assert.matches(sentence, answer.error)
    end
  end))

  it("says what is wrong with a fault", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local wrong = {
      { {}, 400, "what is one of ban, close, damage, " },
      { { what = "harm" }, 400, "what is one of" },
      { { what = 7 }, 400, "what is one of" },
      { { what = "drop" }, 400, "jid is missing" }, { { what = "drop", jid = { 1 } }, 400, "jid is a text" },
      { { what = "drop", jid = "1@lid" }, 404, "no linked device '1@lid'" },
      { { what = "drop", jid = ana.jid, at = "noon" }, 400, "at is one of" },
      { { what = "drop", jid = ana.jid, seconds = 1 }, 400, "no field 'seconds'" },
      { { what = "ban", at = "now" }, 400, "'ban' is done at: login" },
      { { what = "swallow", at = "login" }, 400, "'swallow' is done at: stanza" },
      { { what = "swallow", nth = 1.5 }, 400, "nth is a whole number" },
      { { what = "drop", at = "login", tag = "iq" }, 400, "'tag' tells of a stanza" },
      { { what = "delay", tag = "iq" }, 400, "seconds is missing" },
      { { what = "delay", seconds = -1 }, 400, "seconds is seconds, 0 to 3600" },
      { { what = "damage", enc = "xmsg" }, 400, "enc is one of" },
      { { what = "drop", jid = ana.jid, at = "now", times = 2 }, 400, "what is done now is done once" },
      { { what = "mute", at = "connect", jid = ana.jid }, 400, "no jid there" },
      { { what = "failure" }, 400, "reason is missing" },
      { { what = "failure", reason = "often" }, 400, "reason is a number of three digits" },
      { { what = "failure", reason = { 402 } }, 400, "reason is a number" }, { { what = "error" }, 400, "code is missing" },
      { { what = "error", code = 463 }, 400, "text is missing: code 463" },
      { { what = "stream-error", jid = ana.jid }, 400, "code or conflict" },
      { { what = "error", code = 500, direction = "to-client" }, 400, "'error' is done to what goes to%-server" },
      { { what = "swallow", times = 0 }, 400, "times is a whole number, 1 to 1000000, or one of always" }, { "[]", 400, "what is one of" },
      { { what = "ban", seconds = 5 }, 400, "jid is missing" },
      { { what = "unlink", jid = ana.jid, silent = true }, 400, "no field 'silent'" },
    }
    for _, case in ipairs(wrong) do
      local status, answer = tap.admin(rig, "POST", "/admin/fault", case[1])
      assert.equal(case[2], status, case[3])
      assert.matches(case[3], answer.error)
    end
    local _, told = tap.admin(rig, "GET", "/admin/faults")
    assert.same({ armed = {}, struck = {}, struck_total = 0 }, told)
  end))

  it("tells the faults that are armed and that have struck, and disarms them", support.async(function()
    local rig <close> = start()
    local ana = tap.quick(rig)
    local jid = ana.device:jid()
    assert.same({ fault = 1, what = "swallow", jid = jid, at = "stanza", tag = "call", times = "always", seen = 0, struck = 0 },
      rig:fault { what = "swallow", jid = jid, tag = "call", times = "always" })
    local other = rig:fault { what = "failure", jid = jid, reason = 503, times = 2 }
    rig:fault { what = "drop", jid = jid }
    for _ = 1, 3 do assert(ana.offline:pop(30)) end
    local _, told = tap.admin(rig, "GET", "/admin/faults")
    assert.equal(1, #told.armed)
    assert.same({ "drop", "failure", "failure" }, { told.struck[1].what, told.struck[2].what, told.struck[3].what })
    assert.same({ other.fault, jid, "login" }, { told.struck[2].fault, told.struck[2].where, told.struck[2].at })
    assert.equal(404, (tap.admin(rig, "DELETE", "/admin/faults?fault=" .. math.tointeger(other.fault))))
    assert.equal(400, (tap.admin(rig, "DELETE", "/admin/faults?fault=all")))
    local _, cleared = tap.admin(rig, "DELETE", "/admin/faults?fault=1")
    assert.equal(1, cleared.cleared)
    for i = 1, 100 do rig:fault { what = "swallow", id = "never " .. i } end
    local status, answer = tap.admin(rig, "POST", "/admin/fault", { what = "swallow" })
    assert.same({ 409, "100 faults are armed: enough" }, { status, answer.error })
    _, cleared = tap.admin(rig, "DELETE", "/admin/faults")
    assert.equal(100, cleared.cleared)
  end))

  it("is refused a body beyond all measure", support.async(function()
    local rig <close> = start()
    local status = tap.admin(rig, "POST", "/admin/mock-phone/scan-qr", ("x"):rep(2 * 1024 * 1024))
    assert.equal(413, status)
  end))

  it("about a device says which there are when it is given the account", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local device = tap.device(rig, ana.client)
    local nobody = rig.sandbox.accounts:of_name "Nobody"
    for _, path in ipairs { "/admin/kick", "/admin/mock-phone/unlink" } do
      local function error_of(jid)
        local status, told = tap.admin(rig, "POST", path, { jid = jid, kind = path == "/admin/kick" and "close" or nil })
        assert.equal(404, status)
        return told.error
      end
      for _, jid in ipairs { ana.jid, ana.lid } do
        assert.equal(("no linked device '%s': it is an account, whose linked devices are %s"):format(jid, device:jid()), error_of(jid))
      end
      assert.equal(("no linked device '%s': it is an account that has none"):format(nobody:jid()), error_of(nobody:jid()))
      assert.equal("no linked device '1:7@s.whatsapp.net'", error_of "1:7@s.whatsapp.net")
    end
  end))

  it("ends a connection in each way it knows, if there is one", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local device, online, offline = tap.device(rig, ana.client), tap.event(ana.client, "online"), tap.event(ana.client, "offline")
    ana.client.connection.pace = { stable = 30, first_pause = 0.01, longest_pause = 0.01 }
    for kind, told in pairs { close = "closed the connection", drop = "broke off", ["503"] = "503", ["515"] = false } do
      assert.equal(200, (tap.admin(rig, "POST", "/admin/kick", { jid = device:jid(), kind = kind })))
      assert(online:pop(30))
      if told then assert.matches(told, tostring(offline:pop(30))) end
      assert.equal(0, #offline)
    end
    local replaced = tap.event(ana.client, "replaced")
    assert.equal(200, (tap.admin(rig, "POST", "/admin/kick", { jid = device:jid "lid", kind = "replaced" })))
    assert(replaced:pop(30))
    while device.connection do task.sleep(0) end
    assert.equal(409, (tap.admin(rig, "POST", "/admin/kick", { jid = device:jid(), kind = "close" })))
  end))
end)

describe("the state", function()
  it("of many accounts is told in pages", support.async(function()
    local rig <close> = start()
    for i = 1, 450 do rig.sandbox.accounts:of_name(("%d %s"):format(i, ("ä"):rep(500))) end
    local seen, from = 0, 1
    while from do
      local status, state = tap.admin(rig, "GET", "/admin/state?from=" .. from)
      assert.equal(200, status)
      assert.equal(450, state.accounts_total)
      for _, account in ipairs(state.accounts) do
        seen = seen + 1
        assert.matches(("^%d "):format(seen), account.push_name)
      end
      from = math.tointeger(state.next)
    end
    assert.equal(450, seen)
    assert.same({}, (select(2, tap.admin(rig, "GET", "/admin/state?from=1000"))).accounts)
    for _, query in ipairs { "from=", "from=0", "from=-1", "from=x", "limit=2", "from=1&from=2" } do
      assert.equal(400, (tap.admin(rig, "GET", "/admin/state?" .. query)), query)
    end
  end))

  it("of an empty world is empty lists", support.async(function()
    local rig <close> = start()
    local response = support.http("GET", ("http://127.0.0.1:%d/admin/state"):format(rig.sandbox.port))
    assert.matches('"accounts":%[%]', response.body)
    assert.matches('"violations":%[%]', response.body)
    assert.matches('"unknown_queries":{}', response.body)
  end))

  it("tells accounts, devices, what waits for them, and what should not have been", support.async(function()
    local rig <close> = start()
    local ana, bob = rig:contact "Ana", rig:contact "Bob"
    bob.client:close()
    local device = tap.device(rig, bob.client)
    while device.connection do task.sleep(0) end
    local waiting = device.queue.count
    assert(ana.client:send(bob.jid, "later"))
    rig.sandbox.violations[1] = "something"
    local _, state = tap.admin(rig, "GET", "/admin/state")
    rig.sandbox.violations = {}
    assert.same({ "something" }, state.violations)
    assert.equal(2, #state.accounts)
    local told = state.accounts[2]
    assert.same({ "Bob", bob.jid, bob.lid, (bob.jid:match "^%d+") }, { told.push_name, told.jid, told.lid, told.phone })
    assert.is_true(told.devices[1].queued > waiting) -- the message, and by then perhaps the token that follows it
    assert.same({
      jid = device:jid(), lid = device:jid "lid", connected = false, queued = told.devices[1].queued, prekeys = device.one_time:count(),
      os = "moonpost", platform = "CHROME",
    }, told.devices[1])
    assert.is_true(state.accounts[1].devices[1].connected)
  end))
end)

describe("whatever is sent to an admin call", function()
  local paths = {
    kick = { "jid", "kind" }, fault = { "jid", "what", "at", "nth", "times", "tag", "enc", "code", "seconds" },
    ["mock-phone/unlink"] = { "jid" },
    ["mock-phone/confirm-code"] = { "phone", "code" }, ["mock-phone/group"] = { "creator", "subject", "members" },
    ["mock-phone/group-action"] = { "jid", "by", "what", "members", "text", "seconds", "code" },
    ["refresh-code"] = { "force_manual_refresh" }, ["rotate-qr"] = { "child" }, ["edge-routing"] = { "jid", "info", "refuse" },
  }

  -- Bodies that are no fields of the call, or one of them of every kind, or all of them of one.
  local function bodies(names, jid)
    local deep = ("["):rep(900) .. ("]"):rep(900)
    local list = { "", "{", "null", "7", '"text"', deep, '{"a":' .. deep .. "}", ("{"):rep(5000), "\255\254", "[1,2]", "{}" }
    local values = {
      "null", "true", "1e300", '""', '"\\u0000"', '"' .. ("x"):rep(300) .. '"', "[]", "{}", deep, '"' .. jid .. '"', '"99:99@lid"',
      "[null]", "503",
    }
    for _, value in ipairs(values) do
      local all = {}
      for i, name in ipairs(names) do
        all[i] = ('"%s":%s'):format(name, value)
        list[#list + 1] = ("{%s}"):format(all[i])
      end
      list[#list + 1] = ("{%s}"):format(table.concat(all, ","))
    end
    return list
  end

  it("is answered, with a sentence where it is wrong, and harms nobody", support.async(function()
    local rig <close> = start()
    local ana, ben = tap.quick(rig), tap.quick(rig, "Ben")
    for path, names in pairs(paths) do
      for _, body in ipairs(bodies(names, ana.jid)) do
        local status, answer = tap.admin(rig, "POST", "/admin/" .. path, body)
        assert.is_true(status >= 400 and status < 500, ("%s %s: %d"):format(path, body:sub(1, 100), status))
        assert.is_true(#answer.error > 0 and #answer.error < 1000 and not answer.error:find "%c", answer.error)
      end
    end
    local crowd = ('{"creator":"%s","subject":"x","members":["%s"%s]}'):format(ana.jid, ana.jid, (',"1@lid"'):rep(1024))
    local status, answer = tap.admin(rig, "POST", "/admin/mock-phone/group", crowd)
    assert.same({ 400, "members is a list of JIDs, 1 to 1024" }, { status, answer.error })
    assert.same({}, rig.sandbox.faults.armed)
    assert.same({ 0, 0 }, { #ana.offline, #ben.offline })
    assert.equal("still there", ana:hears(ben, "still there").text)
  end))
end)
