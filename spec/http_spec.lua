-- HTTP on the sandbox's port, and the small client for it.
local core = require "moonpost.core"
local process = require "spec.process"
local sockets = require "spec.sockets"
local support = require "spec.support"
local task = require "moonpost.task"

local raw, run_script, serve = sockets.raw, sockets.run_script, sockets.serve
local MIB = 1024 * 1024

describe("HTTP", function()
  it("brings a body by its length", support.async(function()
    local server <close> = serve()
    local answer = assert(support.http("POST", server:url("http", "/p"), ("b"):rep(100000)))
    assert.equal("POST /p [" .. ("b"):rep(100000) .. "]", answer.body)
  end))

  it("brings a body in chunks, and one of no bytes", support.async(function()
    local server <close> = serve()
    local head = "POST /p HTTP/1.1\r\nHost: localhost\r\n"
    assert.matches("200 OK.*%[chunk,ed%]",
      raw(server.port, head .. "Transfer-Encoding: chunked\r\n\r\n6\r\nchunk,\r\n2\r\ned\r\n0\r\n\r\n"))
    assert.matches("200 OK.*%[%]", raw(server.port, head .. "Content-Length: 0\r\n\r\n"))
    assert.matches("200 OK.*%[%]", raw(server.port, head .. "\r\n"))
  end))

  it("refuses a malformed chunk and a body too large, and serves the next", support.async(function()
    local server <close> = serve()
    local head = "POST /p HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert.matches("400 Bad Request", raw(server.port, head .. "xyz\r\n"))
    local large = assert(support.http("POST", server:url "http", ("b"):rep(MIB + 1)))
    assert.equal(413, large.status)
    assert.equal(200, assert(support.http("GET", server:url "http")).status)
  end))

  it("refuses a length that is none, one beyond all measure, and a body with two ways to end", support.async(function()
    local server <close> = serve()
    local head = "POST /p HTTP/1.1\r\nHost: localhost\r\n"
    for _, length in ipairs { "-5", "+3", "3x", "0x3", "3,3" } do
      assert.matches("^HTTP/1.1 400 ", raw(server.port, head .. "Content-Length: " .. length .. "\r\n\r\nabc"))
    end
    assert.matches("^HTTP/1.1 400 ", raw(server.port, head .. "Content-Length: 3\r\nContent-Length: 30\r\n\r\nabc"))
    assert.matches("^HTTP/1.1 400 ", raw(server.port, head .. "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"))
    assert.matches("^HTTP/1.1 400 ", raw(server.port, head .. "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"))
    for _, length in ipairs { "9000000", "99999999999", "18446744073709551617", ("9"):rep(23) } do
      assert.matches("^HTTP/1.1 413 ", raw(server.port, head .. "Content-Length: " .. length .. "\r\n\r\nabc"))
    end
  end))

  it("answers later, at length, and to a peer that has left", support.async(function()
    local waiting = task.queue()
    local server <close> = serve { request = function(request) waiting:push(request) end }
    local body = ("long "):rep(150000)
    local asking = task.spawn(support.http, "GET", server:url "http")
    assert(waiting:pop(30)):respond(200, "text/plain", body)
    assert.equal(body, asking:join(30).body)
    local left <close> = process.start(
      ("bash -c 'exec 3<>/dev/tcp/127.0.0.1/%d; printf \"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n\" >&3; exec cat <&3'"):format(server.port))
    local request = assert(waiting:pop(30))
    left:signal "KILL"
    left:wait_end()
    request:respond(200, "text/plain", "too late")
    assert.equal("/", request.path)
  end))

  it("says when nobody listens", support.async(function()
    local answer, err = support.http("GET", "http://127.0.0.1:1/")
    assert.is_nil(answer)
    assert.equal("network", err.code)
    assert.equal("cannot connect to 127.0.0.1:1: Connection refused", tostring(err))
  end))

  it("waits for a body no longer than it is told, though it goes on trickling", support.async(function()
    local served = 0
    local server <close> = serve { body_timeout = 0.3, request = function(request)
      served = served + 1
      request:respond(200, "text/plain", "served")
    end }
    for _, framing in ipairs { "Content-Length: 100000", "Transfer-Encoding: chunked", "Content-Length: 2000000" } do
      local peer <close> = sockets.trickle(server.port, ("POST /p HTTP/1.1\\r\\nHost: x\\r\\n%s\\r\\n\\r\\n"):format(framing))
      peer:wait "refused"
    end
    assert.equal(0, served)
    assert.equal("served", assert(support.http("POST", server:url "http", "whole")).body)
  end))

  it("gives an answer that trickles no more than its time", support.async(function()
    local server <close> = sockets.canned("HTTP/1.1 200 OK\\r\\nContent-Length: 100000\\r\\n\\r\\n", true)
    local answer, err = task.await(function(resume)
      assert(core.net.request { url = ("http://127.0.0.1:%d/"):format(server.port), timeout = 0.3, done = resume })
    end)
    assert.is_nil(answer)
    assert.equal("network", err.code)
    assert.equal("no whole answer within 0.3 s", tostring(err))
  end))

  it("waits for an answer that never begins no more than its time", support.async(function()
    local waiting = task.queue()
    local server <close> = serve { request = function(request) waiting:push(request) end }
    local answer, err = task.await(function(resume)
      assert(core.net.request { url = server:url "http", timeout = 0.2, done = resume })
    end)
    assert.is_nil(answer)
    assert.equal("no whole answer within 0.2 s", tostring(err))
    waiting:pop(30):respond(200, "text/plain", "too late")
  end))

  it("wants its time limits right", function()
    for _, wrong in ipairs { 0, -1, 1e9, 0 / 0, "soon", {} } do
      assert.error_matches(function() core.net.request { url = "http://127.0.0.1:1/", timeout = wrong, done = print } end,
        "timeout: seconds expected, 0.001 to 86400")
      assert.error_matches(function() core.net.listen { body_timeout = wrong } end, "body_timeout: seconds expected, 0.001 to 86400")
    end
  end)

  it("gives a redirect out as it is, and follows none", support.async(function()
    local requests = 0
    local other <close> = serve { request = function(request)
      requests = requests + 1
      request:respond(200, "text/plain", "here")
    end }
    local server <close> = sockets.canned(
      ("HTTP/1.1 302 Found\\r\\nLocation: %s\\r\\nContent-Length: 4\\r\\nConnection: close\\r\\n\\r\\naway"):format(other:url "http"))
    local answer = assert(support.http("GET", ("http://127.0.0.1:%d/"):format(server.port)))
    assert.same({ status = 302, body = "away" }, answer)
    local dialled, err = sockets.dial(("ws://127.0.0.1:%d/"):format(server.port))
    assert.is_nil(dialled)
    assert.equal("network", err.code)
    assert.equal(0, requests)
  end))

  it("to loopback goes past the proxy of the environment", support.async(function()
    local server <close> = serve { echo = true }
    local text = run_script([[
      local net = require("moonpost.core").net
      local port = (...)
      net.request { url = ("http://127.0.0.1:%d/"):format(port), done = function(answer, err)
        net.connect { url = ("ws://127.0.0.1:%d/"):format(port),
          open = function() print("open", answer and answer.status or err) io.stdout:flush() net.stop() end,
          close = function(_, _, why) print("closed", why) net.stop() end }
      end }
      net.run()
    ]], server.port, "export http_proxy=http://127.0.0.1:1 https_proxy=http://127.0.0.1:1")
    assert.equal("open\t200", text)
  end))
end)
