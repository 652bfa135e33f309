-- Sockets below everything else: one port for four protocols, messages, back-pressure, the ends of connections, timers.
local core = require "moonpost.core"
local sockets = require "spec.sockets"
local support = require "spec.support"
local task = require "moonpost.task"

local net = core.net
local certificate, collect, dial, run_script, serve = sockets.certificate, sockets.collect, sockets.dial, sockets.run_script, sockets.serve
local MIB = 1024 * 1024

describe("one port", function()
  it("speaks ws, wss, http and https", support.async(function()
    local tls = certificate()
    local server <close> = serve { tls = tls, echo = true }
    for _, scheme in ipairs { "ws", "wss" } do
      local client = assert(dial(server:url(scheme), { ca = tls.certificate }))
      assert(client.conn:send(scheme))
      assert.equal(scheme, client.heard:pop(30))
    end
    for _, scheme in ipairs { "http", "https" } do
      local answer = assert(support.http("GET", server:url(scheme, "/x?y=1"), nil, tls.certificate))
      assert.equal(200, answer.status)
      assert.equal("GET /x []", answer.body)
    end
  end))

  it("tells who knocks: path, host and origin", support.async(function()
    local server <close> = serve()
    local client = assert(dial(server:url("ws", "/ws/chat?ED=abc")))
    local info = server.accepted:pop(30).info
    assert.equal("/ws/chat", info.path)
    assert.matches("^127%.0%.0%.1", info.headers.host)
    client.conn:close()
  end))

  it("turns away whom its owner does not accept", support.async(function()
    local server <close> = serve { accept = function() end }
    local client, err = dial(server:url "ws")
    assert.is_nil(client)
    assert.equal("network", err.code)
  end))

  it("listens on loopback only", function()
    for _, host in ipairs { "0.0.0.0", "192.0.2.1", "example.com", "::" } do
      local server, err = net.listen { host = host, request = print }
      assert.is_nil(server)
      assert.equal(("'%s' is no loopback address (127.0.0.1)"):format(host), tostring(err))
    end
    local server = assert(net.listen { host = "127.0.0.2", request = print })
    assert.matches("^moonpost.net.server %(port %d+%)$", tostring(server))
    server:close()
    assert.equal("moonpost.net.server (closed)", tostring(server))
  end)

  it("that is in use is named", support.async(function()
    local first <close> = serve()
    local second, err = net.listen { port = first.port, request = print }
    assert.is_nil(second)
    assert.equal("network", err.code)
    assert.equal(("port %d is in use"):format(first.port), tostring(err))
  end))

  it("is free again when its server is closed", support.async(function()
    local first = serve()
    local client = assert(dial(first:url "ws"))
    first.listener:close()
    assert.equal(1001, client.ended:pop(30).code)
    assert(first.ended:pop(30))
    task.sleep(0)
    local second <close> = serve { port = first.port }
    assert.equal(first.port, second.port)
  end))
end)

describe("a connection", function()
  it("carries a large message in pieces, in order, both ways", support.async(function()
    local tls = certificate()
    local server <close> = serve { tls = tls, echo = true }
    local bytes = core.crypto.random(MIB):rep(5) .. "and 7 b"
    for _, scheme in ipairs { "ws", "wss" } do
      local client = assert(dial(server:url(scheme), { ca = tls.certificate }))
      assert(client.conn:send(bytes))
      local back, pieces = collect(client.heard, #bytes)
      assert.is_true(back == bytes)
      assert.is_true(pieces > 1)
      client.conn:close()
    end
  end))

  it("sends what was queued before it was open", support.async(function()
    local server <close> = serve()
    local conn = assert(net.connect { url = server:url "ws" })
    assert(conn:send "early")
    assert.equal("early", server.heard:pop(30))
    conn:close()
  end))

  it("tells the other side the code it is closed with, after what was queued", support.async(function()
    local server <close> = serve()
    local client = assert(dial(server:url "ws"))
    local bytes = ("x"):rep(MIB)
    client.conn:send(bytes)
    client.conn:close(4001)
    assert.is_true(collect(server.heard, #bytes) == bytes)
    local ended = server.ended:pop(30)
    assert.equal(4001, ended.code)
    assert.is_nil(ended.err)
    assert.is_nil(client.ended:pop(30).err)
    local ok, err = client.conn:send "late"
    assert.is_nil(ok)
    assert.equal("closed", err.code)
    assert.equal("moonpost.net.socket (closed)", tostring(client.conn))
  end))

  it("hears the server's code as well", support.async(function()
    local server <close> = serve()
    local client = assert(dial(server:url "ws"))
    server.accepted:pop(30).conn:close(1008)
    assert.equal(1008, client.ended:pop(30).code)
  end))

  it("that breaks off says so, and not on the side that broke it", support.async(function()
    local server <close> = serve()
    local client = assert(dial(server:url "ws"))
    assert(server.accepted:pop(30))
    task.sleep(0.02) -- nothing else happens on the sockets: libwebsockets must be woken
    client.conn:abort()
    assert.is_nil(client.ended:pop(30).err)
    local ended = server.ended:pop(30)
    assert.is_nil(ended.code)
    assert.equal("the connection broke off", tostring(ended.err))
  end))

  it("to a port where nobody listens is refused", support.async(function()
    local client, err = dial "ws://127.0.0.1:1/"
    assert.is_nil(client)
    assert.equal("network", err.code)
    assert.equal("Connection refused", tostring(err))
  end))

  it("to an address that is none is an error of the arguments", function()
    for _, url in ipairs { "http://127.0.0.1/", "127.0.0.1:80", "ws://", "ws://host:0/", "ws://host:99999/", "ws://host:x/" } do
      local conn, err = net.connect { url = url }
      assert.is_nil(conn)
      assert.equal("invalid", err.code)
      assert.equal(("'%s' is no ws:// or wss:// address"):format(url), tostring(err))
    end
  end)

  it("goes on when a callback fails, and the error is told with its traceback", support.async(function()
    local errors = task.queue()
    local before = net.on_callback_error(function(err) errors:push(err) end)
    local server <close> = serve { echo = true }
    local failed = false
    local heard = task.queue()
    local conn = assert(net.connect { url = server:url "ws", message = function(_, bytes)
      if not failed then
        failed = true
        error "kaboom"
      end
      heard:push(bytes)
    end })
    conn:send "one"
    local text = tostring(errors:pop(30))
    net.on_callback_error(before)
    assert.matches("kaboom", text)
    assert.matches("traceback", text)
    conn:send "two"
    assert.equal("two", heard:pop(30))
    conn:close()
  end))
end)

describe("back-pressure", function()
  -- Fills the way from one side to the other, which does not read; checks the bounds; lets it read.
  local function fill(from, reader, drained, heard)
    reader:pause()
    local piece, sent = ("p"):rep(MIB), 0
    local ok, err
    repeat
      ok, err = from:send(piece)
      if ok then sent = sent + 1 end
    until not ok
    assert.equal("limit", err.code)
    assert.matches("wait to be sent", tostring(err))
    assert.equal(31, sent) -- of 32 MiB: each message also costs its bookkeeping
    assert.equal(31 * MIB, from:pending())
    task.sleep(0) -- the loop turns: the kernel takes some, the queue keeps the rest
    assert.is_true(from:pending() > 16 * MIB)
    assert.equal(0, #drained)
    reader:resume()
    assert(drained:pop(30))
    local total = 0
    while total < sent * MIB do total = total + #assert(heard:pop(30)) end
    assert.equal(sent * MIB, total)
    assert.equal(0, from:pending())
    assert(from:send "on it goes")
    assert.equal("on it goes", heard:pop(30))
  end

  it("from client to server holds a bounded queue, and nothing is lost", support.async(function()
    local server <close> = serve()
    local client = assert(dial(server:url "ws"))
    fill(client.conn, server.accepted:pop(30).conn, client.drained, server.heard)
  end))

  it("from server to client holds a bounded queue, and nothing is lost", support.async(function()
    local tls = certificate()
    local server <close> = serve { tls = tls }
    local client = assert(dial(server:url "wss", { ca = tls.certificate }))
    fill(server.accepted:pop(30).conn, client.conn, server.drained, client.heard)
  end))

  it("counts empty messages too", support.async(function()
    local server <close> = serve()
    local client = assert(dial(server:url "ws"))
    local ok, err
    for _ = 1, 2 * MIB do
      ok, err = client.conn:send ""
      if not ok then break end
    end
    assert.equal("limit", err and err.code)
    client.conn:abort()
  end))

  it("lets a connection be paused before it is open", support.async(function()
    local server <close> = serve { accept = function(conn)
      return { open = function() conn:send "hello" end }
    end }
    local heard, opened = task.queue(), task.queue()
    local conn = assert(net.connect {
      url = server:url "ws", open = function() opened:push(true) end, message = function(_, bytes) heard:push(bytes) end,
    })
    conn:pause()
    assert(opened:pop(30))
    assert.equal(200, assert(support.http("GET", server:url "http")).status) -- a round trip: "hello" has come by now
    assert.equal(0, #heard)
    conn:resume()
    assert.equal("hello", heard:pop(30))
    conn:close()
  end))
end)

describe("timers and signals", function()
  it("run in the order of their times, and not when they are stopped", support.async(function()
    local order = task.queue()
    net.timer(0.02, function() order:push "later" end)
    net.timer(0, function() order:push "at once" end)
    local stopped = net.timer(0.01, function() order:push "stopped" end)
    assert.equal("moonpost.net.handle (timer)", tostring(stopped))
    stopped:stop()
    assert.equal("at once", order:pop(30))
    assert.equal("later", order:pop(30))
    assert.equal("moonpost.net.handle (stopped)", tostring(stopped))
  end))

  it("are heard until they are stopped", support.async(function()
    local heard = task.queue()
    local handle = net.signal("USR1", function() heard:push(true) end)
    local shell = io.popen "echo $PPID"
    local pid = shell:read "l"
    shell:close()
    os.execute("kill -USR1 " .. pid)
    assert.is_true(heard:pop(30))
    handle:stop()
    assert.has_error(function() net.signal("KILL", print) end)
    assert.has_error(function() net.timer(-1, print) end)
  end))

  it("leave the loop when nothing is left to wait for", support.async(function()
    local server <close> = serve()
    assert.equal("the loop is left", run_script([[
      local net = require("moonpost.core").net
      local conn
      conn = net.connect { url = ("ws://127.0.0.1:%d/"):format((...)), open = function() conn:close() end }
      net.signal("INT", print)
      net.timer(0, function() end)
      net.run()
      print "the loop is left"
    ]], server.port))
  end))
end)
