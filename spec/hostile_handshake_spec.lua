-- Peers that mean harm before anybody is logged in: servers to our client, clients to our sandbox (fact sheet 01 §1.2, §2.5).
local core = require "moonpost.core"
local new_link = require "moonpost.client.link"
local process = require "spec.process"
local start = require("spec.rig").start
local support = require "spec.support"
local task = require "moonpost.task"

local crypto, net, noise, proto, wire = core.crypto, core.net, core.noise, core.proto, core.wire

local HOUR = 3600
local keys = { root = crypto.keypair(), intermediate = crypto.keypair(), static = crypto.keypair(), other = crypto.keypair() }

local function chain(changes)
  local now = math.floor(net.time())
  local options = {
    root = keys.root, intermediate = keys.intermediate, static = keys.static:public(), not_before = now - HOUR, not_after = now + HOUR,
  }
  for name, value in pairs(changes or {}) do options[name] = value end
  return assert(noise.certificates(options))
end

-- The chain after fn(chain) has changed it.
local function edited(fn)
  local bytes = assert(proto.decode("CertChain", chain()))
  fn(bytes)
  return assert(proto.encode("CertChain", bytes))
end

-- What an honest server answers to a hello, with any chain.
local function answer(hello, shown)
  local responder = noise.responder { static = keys.static, chain = shown or chain() }
  return assert(responder:read_hello(hello)), responder
end

local function server_hello(fields) return wire.frame(assert(proto.encode("HandshakeMessage", { serverHello = fields }))) end

-- The honest answer, with fields of it changed by fn(hello).
local function changed(fn)
  return function(hello)
    local message = assert(proto.decode("HandshakeMessage", (answer(hello))))
    fn(message.serverHello)
    return server_hello(message.serverHello)
  end
end

local function showing(make) return function(hello) return wire.frame((answer(hello, make()))) end end

local function flip(text, at) return text:sub(1, at - 1) .. string.char(text:byte(at) ~ 1) .. text:sub(at + 1) end

-- {what the server does, what it answers to a hello, the code of the client's error, its message}
local attacks = {
  { "announces 16 MB", function() return "\xff\xff\xff" end, "limit",
    "a frame of 16777215 bytes is announced before the handshake is done" },
  { "sends more than 64 KB", function() return "\0\xff\xff" .. ("x"):rep(70000) end, "limit",
    "more than 65536 bytes before the handshake was done" },
  { "sends an empty frame", function() return "\0\0\0" end, "malformed", "a frame of no bytes" },
  { "sends garbage", function() return wire.frame(("\xaa\x55"):rep(40)) end, "malformed", "the handshake message is malformed" },
  { "sends an endless number", function() return wire.frame("\x1a" .. ("\xff"):rep(40)) end, "malformed",
    "the handshake message is malformed" },
  { "sends the hello back", function(hello) return wire.frame(hello) end, "malformed", "the handshake message is of another kind" },
  { "cuts its answer", function(hello) return wire.frame((answer(hello)):sub(1, -2)) end, "malformed",
    "the handshake message is malformed" },
  { "has no key", changed(function(hello) hello.ephemeral = nil end), "malformed",
    "the handshake message has no ephemeral key of 32 bytes" },
  { "has a short key", changed(function(hello) hello.ephemeral = "short" end), "malformed",
    "the handshake message has no ephemeral key of 32 bytes" },
  { "has a key of small order", changed(function(hello) hello.ephemeral = ("\0"):rep(32) end), "crypto",
    "the peer's key is of small order" },
  { "has another key", changed(function(hello) hello.ephemeral = keys.other:public() end), "crypto",
    "the handshake's server key cannot be decrypted" },
  { "has a changed static key", changed(function(hello) hello.static = flip(hello.static, 3) end), "crypto",
    "the handshake's server key cannot be decrypted" },
  { "has a changed chain", changed(function(hello) hello.payload = flip(hello.payload, 3) end), "crypto",
    "the handshake's certificate chain cannot be decrypted" },
  { "shows no chain", showing(function() return "" end), "malformed", "the intermediate certificate has no readable details" },
  { "shows a chain of garbage", showing(function() return ("\xff"):rep(50) end), "malformed", "the certificate chain is malformed" },
  { "shows a chain of a root of its own", showing(function() return chain { root = keys.other } end), "crypto",
    "the intermediate certificate is not signed by its issuer" },
  { "shows the chain of another server", showing(function() return chain { static = keys.other:public() } end), "crypto",
    "the leaf certificate is for another key" },
  { "shows an expired chain", showing(function() return chain { not_after = math.floor(net.time()) - 60 } end), "crypto",
    "the intermediate certificate is not valid at this time (check the clock)" },
  { "shows a chain of tomorrow", showing(function() return chain { not_before = math.floor(net.time()) + 60 } end), "crypto",
    "the intermediate certificate is not valid at this time (check the clock)" },
  { "shows a leaf alone", showing(function() return edited(function(c) c.intermediate = nil end) end), "malformed",
    "the intermediate certificate has no readable details" },
  { "shows its leaf as intermediate", showing(function() return edited(function(c) c.intermediate = c.leaf end) end), "crypto",
    "the intermediate certificate is not issued by the root" },
  { "shows a leaf of another intermediate", showing(function()
    return edited(function(c) c.leaf = proto.decode("CertChain", chain { intermediate = keys.other }).leaf end)
  end), "crypto", "the leaf certificate is not signed by its issuer" },
  { "shows a leaf whose signature is cut", showing(function()
    return edited(function(c) c.leaf.signature = c.leaf.signature:sub(1, -2) end)
  end), "malformed", "the leaf certificate has no signature of 64 bytes" },
}

-- A server that does what the present attack says, or is honest without one.
local function serve()
  local self = { seen = task.queue() }
  self.listener = assert(net.listen { accept = function(conn)
    local frames, responder, transport = wire.frames { role = "server" }, nil, nil
    return { message = function(_, bytes)
      if not frames:feed(bytes) then return conn:abort() end
      for frame in function() return (frames:next()) end do
        if transport then return self.seen:push(transport:decrypt(frame)) end
        if responder then
          self.seen:push((responder:read_finish(frame)))
          transport = responder:split()
        elseif self.attack then
          local reply = self.attack(frame)
          if reply then conn:send(reply) else conn:close(1000) end
        else
          local hello
          hello, responder = answer(frame)
          conn:send(wire.frame(hello))
        end
      end
    end }
  end, request = function(request) request:respond(404, "text/plain", "") end })
  return setmetatable(self, { __close = function() self.listener:close() end })
end

local function connect(server, options)
  local settings = {
    url = ("ws://127.0.0.1:%d/ws/chat"):format(server.listener:port()), root = keys.root:public(), static = crypto.keypair(),
    payload = "payload",
  }
  for name, value in pairs(options or {}) do settings[name] = value end
  return new_link(settings)
end

describe("a client turns away from a server that", function()
  for _, row in ipairs(attacks) do
    local what, attack, code, message = table.unpack(row)
    it(what, support.async(function()
      local server <close> = serve()
      server.attack = attack
      local link, err = connect(server)
      assert.is_nil(link)
      assert.equal(message, tostring(err))
      assert.equal(code, err.code)
      assert.equal(0, #server.seen) -- nothing of the client's left
      server.attack = nil
      assert(connect(server))
      assert.equal("payload", server.seen:pop(30))
    end))
  end

  it("hangs up on its hello", support.async(function()
    local server <close> = serve()
    server.attack = function() return nil end
    local link, err = connect(server)
    assert.is_nil(link)
    assert.equal("network", err.code)
    assert.equal("the server closed the connection during the handshake", tostring(err))
  end))

  it("answers twice", support.async(function()
    local server <close> = serve()
    server.attack = function(hello)
      server.attack = function() return "" end
      local frame = wire.frame((answer(hello)))
      return frame .. frame
    end
    local closed = task.queue()
    local link, err = connect(server, { on_closed = function(why) closed:push(why) end })
    err = err or closed:pop(30)
    assert.equal("crypto", err.code)
    assert.is_true(link == nil or link.dead)
  end))
end)

describe("a crowd of callers", function()
  it("that send far more than a handshake takes costs no memory, and others are served", support.async(function()
    local rig <close> = start()
    collectgarbage()
    local before = net.rss()
    local path = support.tmpdir() .. "/crowd.lua"
    local file = assert(io.open(path, "w"))
    file:write [[
      local net = require("moonpost.core").net
      local left = 150
      for i = 1, left do
        local body = i % 3 == 0 and "\xff\xff\xff" or i % 3 == 1 and "ED\0\1\xff\xff\xff" or "\0\xff\xff"
        local bytes = (i % 3 == 1 and "" or "WA\6\3") .. body .. ("x"):rep(600 * 1024)
        assert(net.connect { url = (...), open = function(conn) conn:send(bytes) end, close = function()
          left = left - 1
          if left == 0 then net.stop() end
        end })
      end
      net.run()
      print "all were turned away"
    ]]
    assert(file:close())
    local crowd <close> = process.start(("moonpost run %s %s"):format(path, rig.sandbox.url))
    crowd:wait("all were turned away", 15)
    assert.is_true(net.rss() - before < 64 * 1024 * 1024, ("%d more bytes"):format(net.rss() - before))
    assert.is_nil(next(rig.sandbox.connections))
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    assert(ana.client:send(ben.lid, "hello"))
    assert.equal("hello", ben:next().text)
  end))

  it("that break off at every step leave nothing behind", support.async(function()
    local rig <close> = start()
    local hello = noise.initiator { static = crypto.keypair(), now = math.floor(net.time()) }:hello()
    local bytes = wire.header() .. wire.frame(hello)
    for length = 0, #bytes, 3 do
      local closed = task.queue()
      local conn
      conn = assert(net.connect { url = rig.sandbox.url, open = function()
        if length > 0 then conn:send(bytes:sub(1, length)) end
        conn:close(1000)
      end, close = function() closed:push(true) end })
      assert(closed:pop(30))
    end
    assert(rig:contact "Ana")
    local count = 0
    for _ in pairs(rig.sandbox.connections) do count = count + 1 end
    assert.equal(1, count)
  end))
end)
