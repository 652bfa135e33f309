-- What a server may answer to moonpost.http: servers of a few bytes, right and wrong ones.
local http = require "moonpost.http"
local process = require "spec.process"
local proxy = require "moonpost.client.proxy"
local sockets = require "spec.sockets"
local support = require "spec.support"

-- The whole body.
local function read_all(response)
  local pieces = {}
  while true do
    local bytes, err = response:read()
    if err then error(err, 0) end
    if not bytes then return table.concat(pieces) end
    pieces[#pieces + 1] = bytes
  end
end

local HANGS_UP = [[
use IO::Socket::INET; $| = 1;
my $server = IO::Socket::INET->new(LocalAddr => "127.0.0.1:0", Listen => 8) or die; print $server->sockport, "\n";
while (my $peer = $server->accept) {
  print "accepted\n"; $peer->autoflush(1);
  while (<$peer>) { last if /^\r\n/ }
  print $peer "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
  while (<$peer>) { last if /^\r\n/ }
}]]

-- A server that answers one request of each connection, and ends it when the next has come.
local function hangs_up_at_the_second()
  local server = process.start("perl " .. sockets.write_file(support.tmpdir() .. "/hangs_up.pl", HANGS_UP))
  server.port = math.tointeger(tonumber((server:wait "^(%d+)$")))
  return server
end

-- Asks a server that answers these bytes; returns the response (or nil, err) and what its body ended with.
local function ask(answer, options, trickles, after, times)
  local server <close> = sockets.canned(answer, trickles, after, times)
  options = options or {}
  options.url = ("http://127.0.0.1:%d/path"):format(server.port)
  local response, err = http.request(options)
  if not response then return nil, err end
  local pieces = {}
  while true do
    local bytes
    bytes, err = response:read()
    if not bytes then return response, err, table.concat(pieces) end
    pieces[#pieces + 1] = bytes
  end
end

local function refused(code, ...)
  local response, err = ask(...)
  assert.is_nil(response)
  assert.equal(code, err.code)
  return tostring(err)
end

describe("an answer", function()
  it("in chunks is put together, and what trails it is no header", support.async(function()
    local head = [[HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n]]
    local response, err, body = ask(head .. [[5\r\nchunk\r\n2;x=y\r\ned\r\n0\r\nStatus: 7\r\n\r\n]])
    assert.same({ nil, "chunked" }, { err, body })
    assert.is_nil(response.length)
    assert.is_nil(response.headers.status)
  end))

  it("without a length ends with the connection", support.async(function()
    local response, err, body = ask [[HTTP/1.1 200 OK\r\n\r\nall of it]]
    assert.same({ nil, "all of it" }, { err, body })
    assert.is_nil(response.length)
  end))

  it("that has less than it announced is an error, behind what came", support.async(function()
    local response, err, body = ask [[HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nnot all]]
    assert.equal(100, response.length)
    assert.same({ "network", "not all" }, { err.code, body })
    response, err, body = ask [[HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nchu]]
    assert.is_nil(response.length)
    assert.same({ "network", "chu" }, { err.code, body })
  end))

  it("that has more than it announced is what was announced", support.async(function()
    local _, err, body = ask [[HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nall of it]]
    assert.same({ nil, "all" }, { err, body })
  end))

  it("that redirects is an answer as others", support.async(function()
    local response, err, body = ask [[HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 4\r\n\r\naway]]
    assert.same({ 302, "http://127.0.0.1:1/", "away" }, { response.status, response.headers.location, body })
    assert.is_nil(err)
  end))

  it("without a body has none: 204, 304, and to a HEAD", support.async(function()
    for _, line in ipairs { "204 No Content", "304 Not Modified" } do
      local _, err, body = ask(("HTTP/1.1 %s\\r\\nContent-Length: 5\\r\\n\\r\\n"):format(line))
      assert.same({ nil, "" }, { err, body })
    end
    local response, err, body = ask([[HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n]], { method = "HEAD" })
    assert.same({ nil, "", 5 }, { err, body, response.length })
  end))

  it("is preceded by interim ones", support.async(function()
    local response, err, body = ask([[HTTP/1.1 100 Continue\r\nX: 1\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n]]
      .. [[HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok]])
    assert.same({ 201, nil, "ok" }, { response.status, err, body })
    assert.is_nil(response.headers.x)
  end))

  it("repeats headers, spells them in any case, and leaves them empty", support.async(function()
    local response = ask [[HTTP/1.1 200 OK\r\nVary: a\r\nVARY: b\r\nEmpty:\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n]]
    assert.same({ vary = "a, b", empty = "", ["retry-after"] = "7", ["content-length"] = "0" }, response.headers)
  end))

  it("comes in spite of a connection that is reset while the request is being sent", support.async(function()
    local large = { method = "POST", body = ("b"):rep(10000000) }
    local response, err, body = ask([[HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno]], large)
    assert.same({ 401, nil, "no" }, { response.status, err, body })
  end))
end)

describe("no answer is", function()
  it("what is no HTTP", support.async(function()
    refused("malformed", "SSH-2.0-OpenSSH_9.2\\r\\n")
    refused("malformed", "HTTP/1.1 200 OK\\r\\nContent-Length: 5x\\r\\n\\r\\nabcde")
    refused("malformed", "HTTP/1.1 200 OK\\r\\nContent-Length: 5\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\nabcde")
    refused("malformed", "HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: x\\r\\nConnection: upgrade\\r\\n\\r\\n")
    local _, err = ask "HTTP/1.1 200 OK\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\nxyz\\r\\n"
    assert.equal("malformed", err.code)
  end))

  it("a connection that ends before, or within the head", support.async(function()
    assert.equal("the server hung up before it answered", refused("network", ""))
    assert.equal("the answer's head ended too early", refused("network", "HTTP/1.1 200 OK\\r\\nContent-"))
  end))

  it("a head of too many, too long, or endless headers", support.async(function()
    local why = refused("limit", "HTTP/1.1 200 OK\\r\\n", nil, false, "x: y\\r\\n", 101)
    assert.equal("the answer's head has more than 32768 bytes, or more than 100 headers", why)
    refused("limit", "HTTP/1.1 200 OK\\r\\nx: ", nil, false, ("y"):rep(1000), 40)
    refused("limit", "HTTP/1.1 200 OK\\r\\n", nil, false, "x: y\\r\\n", 1000000)
    refused("limit", "", nil, false, "HTTP/1.1 100 Continue\\r\\n\\r\\n", 1000000)
  end))

  it("a head that trickles without an end", support.async(function()
    refused("stalled", "HTTP/1.1 200 OK\\r\\nx: ", { stall = 0.4 }, true)
  end))
end)

describe("a request", function()
  it("says where there is nobody to ask, and what a name lacks", support.async(function()
    local _, err = http.request { url = "http://127.0.0.1:1/" }
    assert.same({ "network", "cannot connect to 127.0.0.1:1: Connection refused" }, { err.code, tostring(err) })
    _, err = http.request { url = "http://no-such-host.invalid/" }
    assert.equal("network", err.code)
    assert.matches("no%-such%-host.invalid", tostring(err))
  end))

  it("finds a host by its name, and asks by it", support.async(function()
    local server <close> = sockets.serve { request = function(request) request:respond(200, "text/plain", request.headers.host) end }
    local response = assert(http.request { url = ("http://localhost:%d/"):format(server.port) })
    assert.equal("localhost:" .. server.port, (response:read()))
  end))

  it("trusts no certificate but those it is given, and none of another name", support.async(function()
    local tls = sockets.certificate()
    local server <close> = sockets.serve { tls = tls, host = "127.0.0.1" }
    local _, err = http.request { url = server:url "https" }
    assert.same({ "tls", "the server's certificate is refused: self-signed certificate" }, { err.code, tostring(err) })
    _, err = http.request { url = server:url "https", ca = sockets.certificate().certificate }
    assert.equal("tls", err.code)
    local elsewhere <close> = sockets.serve { tls = tls, host = "127.0.0.2" }
    _, err = http.request { url = ("https://127.0.0.2:%d/"):format(elsewhere.port), ca = tls.certificate }
    assert.same({ "tls", "the server's certificate is refused: IP address mismatch" }, { err.code, tostring(err) })
    assert.equal(200, assert(http.request { url = server:url "https", ca = tls.certificate }).status)
  end))

  it("fails in TLS before a server that speaks none", support.async(function()
    local server <close> = sockets.serve()
    local _, err = http.request { url = server:url "https", ca = sockets.certificate().certificate }
    assert.equal("tls", err.code)
  end))

  for _, scheme in ipairs { "http", "https" } do
    it("goes through a proxy over " .. scheme, support.async(function()
      local tls = sockets.certificate()
      local server <close> = sockets.serve { tls = tls }
      local gate <close> = process.start "lua5.4 spec/programs/proxy.lua 'ana:s3cret'"
      local at = "127.0.0.1:" .. gate:wait "^port (%d+)"
      local body = ("b"):rep(200000)
      local options = { method = "POST", url = server:url(scheme, "/p"), ca = tls.certificate, body = body,
        proxy = proxy.read("http://ana:s3cret@" .. at) }
      local response, pieces = assert(http.request(options)), {}
      for bytes in response.read, response do pieces[#pieces + 1] = bytes end
      assert.equal(("POST /p [%s]"):format(body), table.concat(pieces))
      gate:wait(("^CONNECT 127.0.0.1:%d with credentials"):format(server.port))
      options.proxy = proxy.read("http://ana:wrong@" .. at)
      local _, err = http.request(options)
      assert.equal(("the proxy %s wants another user or password (407)"):format(at), tostring(err))
    end))
  end

  it("goes over the connection of the one before", support.async(function()
    local tls = sockets.certificate()
    local server <close> = sockets.serve { tls = tls }
    local gate <close> = process.start "lua5.4 spec/programs/proxy.lua ''"
    local through = proxy.read("http://127.0.0.1:" .. gate:wait "^port (%d+)")
    for i = 1, 5 do
      local body = ("b"):rep(i % 2 * 100000)
      local response = http.request { method = "POST", url = server:url("https", "/p"), ca = tls.certificate, body = body, proxy = through }
      assert.equal("POST /p [" .. body .. "]", read_all(assert(response)))
    end
    assert.equal(1, select(2, gate:text():gsub("CONNECT", "")))
  end))

  it("takes a new connection where the old one was closed, before it or just then", support.async(function()
    local server = sockets.serve()
    local port = server.port
    assert.equal("GET /a []", read_all(assert(http.request { url = server:url("http", "/a") })))
    server.listener:close()
    server = sockets.serve { port = port }
    assert.equal("GET /b []", read_all(assert(http.request { url = server:url("http", "/b") })))
    server.listener:close()
    local once <close> = hangs_up_at_the_second()
    for _ = 1, 3 do assert.equal("ok", read_all(assert(http.request { url = ("http://127.0.0.1:%d/"):format(once.port) }))) end
    for _ = 1, 3 do once:wait "^accepted" end
  end))

  it("is refused where it makes no sense", support.async(function()
    for _, url in ipairs { "ws://127.0.0.1/", "http://ana@127.0.0.1/", "http://127.0.0.1/a b", "http://127.0.0.1/\r\nX: y" } do
      local response, err = http.request { url = url }
      assert.is_nil(response, url)
      assert.same({ "invalid", "url: an http:// or https:// address expected" }, { err.code, err.message }, url)
    end
    for _, wrong in ipairs {
      { method = "GET /" }, { headers = { ["a b"] = "c" } }, { headers = { a = "b\r\nc: d" } }, { headers = { Host = "other" } },
      { headers = { ["content-length"] = "3" } }, { stall = 0 },
    } do
      wrong.url = "http://127.0.0.1:1/"
      assert.has_error(function() http.request(wrong) end)
    end
  end))

  it("whose reader gives less or more than it said fails, and so does one whose reader does", support.async(function()
    local server <close> = sockets.serve()
    local function post(reader) return select(2, http.request { method = "POST", url = server:url "http", length = 5, reader = reader }) end
    assert.equal("the request's body has more than the 5 bytes announced", tostring(post(function() return "123456" end)))
    local given
    assert.equal("the request's body has less than the 5 bytes announced", tostring(post(function()
      if given then return nil end
      given = "12"
      return given
    end)))
    local mine = { code = "mine" }
    assert.equal(mine, post(function() return nil, mine end))
  end))
end)
