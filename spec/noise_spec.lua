-- The Noise handshake (fact sheet 01 §2): its steps in Lua, and both ends of it over real sockets. Vectors: spec/core/noise_test.c.
local core = require "moonpost.core"
local link = require "moonpost.client.link"
local start = require("spec.rig").start
local support = require "spec.support"
local task = require "moonpost.task"
local crypto, noise, wire = core.crypto, core.noise, core.wire

local NOW, DAY = 1800000000, 86400

-- A server's own keys and the chain it shows.
local function server(from, to)
  local self = { root = crypto.keypair(), static = crypto.keypair() }
  self.chain = assert(noise.certificates {
    root = self.root, intermediate = crypto.keypair(), static = self.static:public(), not_before = from or NOW - DAY,
    not_after = to or NOW + DAY,
  })
  return self
end

local function ends(one, root)
  return noise.initiator { static = crypto.keypair(), root = root or one.root:public(), now = NOW },
    noise.responder { static = one.static, chain = one.chain }
end

--- Runs a whole handshake; returns both transports, and what the server got.
local function shake(client, other, payload)
  local answer = assert(other:read_hello(assert(client:hello())))
  assert(client:read(answer))
  local got, key = assert(other:read_finish(assert(client:finish(payload or "payload"))))
  return assert(client:split()), assert(other:split()), got, key
end

local function refused(code, result, err)
  assert.is_nil(result)
  assert.equal(code, err.code)
  assert.truthy(#tostring(err) > 0)
  return tostring(err)
end

local function close(value)
  local scoped <close> = value
  return scoped
end

describe("a handshake", function()
  it("gives both ends their keys, and the server the client's payload and static key", function()
    local one = server()
    local own = crypto.keypair()
    local client = noise.initiator { static = own, root = one.root:public(), now = NOW }
    local near, far, got, key = shake(client, noise.responder { static = one.static, chain = one.chain }, "who I am")
    assert.equal("who I am", got)
    assert.equal(own:public(), key)
    for i = 1, 100 do
      local text = ("x"):rep(i)
      assert.equal(text, far:decrypt(near:encrypt(text)))
      assert.equal(text, near:decrypt(far:encrypt(text)))
    end
  end)

  it("is not made with a server whose root is not the one given", function()
    local one = server()
    local client, other = ends(one, crypto.keypair():public())
    local why = refused("crypto", client:read(other:read_hello(client:hello())))
    assert.equal("the intermediate certificate is not signed by its issuer", why)
  end)

  it("is made with the real service's root alone when none is given", function()
    local one = server()
    assert.equal("142375574d0a587166aae71ebe516437c4a28b73e3695c6ce1f7f9545da8ee6b", crypto.hex(noise.ROOT))
    local client = noise.initiator { static = crypto.keypair(), now = NOW }
    local other = noise.responder { static = one.static, chain = one.chain }
    refused("crypto", client:read(other:read_hello(client:hello())))
  end)

  it("is not made with a chain that is not valid now", function()
    for _, times in ipairs { { NOW - 2 * DAY, NOW - DAY }, { NOW + DAY, NOW + 2 * DAY } } do
      local one = server(table.unpack(times))
      local client, other = ends(one)
      local why = refused("crypto", client:read(other:read_hello(client:hello())))
      assert.equal("the intermediate certificate is not valid at this time (check the clock)", why)
    end
  end)

  it("is not made with a server that shows another's chain", function()
    local one = server()
    local client = noise.initiator { static = crypto.keypair(), root = one.root:public(), now = NOW }
    local other = noise.responder { static = crypto.keypair(), chain = one.chain }
    assert.equal("the leaf certificate is for another key", refused("crypto", client:read(other:read_hello(client:hello()))))
  end)

  it("is not made with a chain that is none", function()
    local one = server()
    for _, chain in ipairs { "", "garbage", one.chain:sub(1, -2), one.chain .. "\8" } do
      local client, other = ends { root = one.root, static = one.static, chain = chain }
      refused("malformed", client:read(other:read_hello(client:hello())))
    end
  end)

  it("is over after an error", function()
    local client, other = ends(server())
    refused("malformed", client:read((client:hello() and "garbage")))
    assert.equal("moonpost.noise.handshake (initiator, over)", tostring(client))
    for _, step in ipairs { "hello", "split" } do refused("invalid", client[step](client)) end
    refused("invalid", client:read "x")
    refused("invalid", client:finish "x")
    refused("malformed", other:read_hello "garbage")
    refused("invalid", other:read_finish "x")
  end)

  it("has an order of steps", function()
    local client, other = ends(server())
    refused("invalid", client:read "x")
    refused("invalid", client:finish "x")
    refused("invalid", client:split())
    refused("invalid", other:read_finish "x")
    local hello = assert(client:hello())
    refused("invalid", client:hello())
    assert(client:read(other:read_hello(hello)))
    refused("invalid", other:read_hello(hello))
  end)

  it("has two roles that do not mix", function()
    local client, other = ends(server())
    assert.error_matches(function() client:read_hello "x" end, "a step of the responder")
    assert.error_matches(function() client:read_finish "x" end, "a step of the responder")
    assert.error_matches(function() other:hello() end, "a step of the initiator")
    assert.error_matches(function() other:read "x" end, "a step of the initiator")
    assert.error_matches(function() other:finish "x" end, "a step of the initiator")
  end)

  it("says what it is, closes, and is over then", function()
    local client, other = ends(server())
    assert.equal("moonpost.noise.handshake (initiator)", tostring(client))
    assert.equal("moonpost.noise.handshake (responder)", tostring(other))
    close(client)
    refused("invalid", client:hello())
    assert.equal("moonpost.noise.handshake", getmetatable(client))
    local weak = setmetatable({ (ends(server())) }, { __mode = "v" })
    collectgarbage()
    assert.is_nil(weak[1])
  end)

  it("names the option that is wrong", function()
    local pair = crypto.keypair()
    local closed = crypto.keypair()
    close(closed)
    local wrong = {
      { noise.initiator, nil, "table expected, got no value" },
      { noise.initiator, { now = NOW }, "static: a key pair expected, got nil" },
      { noise.initiator, { static = "x", now = NOW }, "static: a key pair expected, got string" },
      { noise.initiator, { static = io.stdout, now = NOW }, "static: a key pair expected, got userdata" },
      { noise.initiator, { static = closed, now = NOW }, "static: the key pair is closed" },
      { noise.initiator, { static = pair }, "now: a time in Unix seconds expected" },
      { noise.initiator, { static = pair, now = "soon" }, "now: a time in Unix seconds expected" },
      { noise.initiator, { static = pair, now = -1 }, "now: a time in Unix seconds expected" },
      { noise.initiator, { static = pair, now = 0 / 0 }, "now: a time in Unix seconds expected" },
      { noise.initiator, { static = pair, now = math.huge }, "now: a time in Unix seconds expected" },
      { noise.initiator, { static = pair, now = NOW, root = "short" }, "root: a key of 32 bytes expected, got 5 bytes" },
      { noise.initiator, { static = pair, now = NOW, root = pair }, "root: a key of 32 bytes expected, got userdata" },
      { noise.initiator, { static = pair, now = NOW, root = false }, "root: a key of 32 bytes expected, got boolean" },
      { noise.responder, nil, "table expected, got no value" },
      { noise.responder, { chain = "x" }, "static: a key pair expected, got nil" },
      { noise.responder, { static = pair }, "chain: bytes expected, got nil" },
      { noise.certificates, { intermediate = pair }, "root: a key pair expected, got nil" },
      { noise.certificates, { root = pair }, "intermediate: a key pair expected, got nil" },
      { noise.certificates, { root = pair, intermediate = pair }, "static: a key of 32 bytes expected, got nil" },
      { noise.certificates, { root = pair, intermediate = pair, static = pair:public() }, "not_before: a time in Unix seconds expected" },
      { noise.certificates, { root = pair, intermediate = pair, static = pair:public(), not_before = NOW },
        "not_after: a time in Unix seconds expected" },
    }
    for _, row in ipairs(wrong) do
      local ok, err
      if row[2] == nil then ok, err = pcall(function() row[1]() end) else ok, err = pcall(function() row[1](row[2]) end) end
      assert.is_false(ok)
      assert.truthy(err:find(row[3], 1, true), err)
      assert.truthy(err:find "noise_spec%.lua:%d+: ", err)
    end
    assert.error_matches(function() noise.initiator { static = pair, now = NOW }:read() end, "string expected, got no value")
    assert.error_matches(function() noise.initiator { static = pair, now = NOW }.read({}, "x") end, "handshake expected, got table")
  end)
end)

describe("a transport", function()
  it("opens nothing out of its order, changed or cut", function()
    local near, far = shake(ends(server()))
    local first, second = near:encrypt "one", near:encrypt "two"
    assert.equal(3 + 16, #first)
    refused("crypto", far:decrypt(second))
    assert.equal("two", far:decrypt(second))
    refused("crypto", far:decrypt(first))
    assert.equal("frame 3 does not decrypt", refused("crypto", far:decrypt "short"))
    local third = far:encrypt "back"
    refused("crypto", near:decrypt(third:sub(1, -2) .. "\0\0"))
    refused("crypto", near:decrypt "")
  end)

  it("says what it is, closes, and stays closed", function()
    local near, far = shake(ends(server()))
    far:decrypt(near:encrypt "one")
    assert.equal("moonpost.noise.transport (1 sent, 0 received)", tostring(near))
    assert.equal("moonpost.noise.transport (0 sent, 1 received)", tostring(far))
    close(near)
    assert.equal("moonpost.noise.transport (closed)", tostring(near))
    refused("closed", near:encrypt "x")
    refused("closed", near:decrypt "x")
    assert.equal("moonpost.noise.transport", getmetatable(near))
    local weak = setmetatable({ (shake(ends(server()))) }, { __mode = "v" })
    collectgarbage()
    assert.is_nil(weak[1])
    assert.error_matches(function() far:encrypt() end, "string expected, got no value")
    assert.error_matches(function() far.decrypt("x", "y") end, "moonpost.noise.transport expected, got string")
  end)
end)

--- A socket to the sandbox that sends what it is told; `closed` is a queue of its end, `got` of what came.
local function raw(url)
  local self = { opened = task.queue(), closed = task.queue(), got = task.queue() }
  self.conn = assert(core.net.connect {
    url = url, open = function() self.opened:push(true) end, message = function(_, bytes) self.got:push(bytes) end,
    close = function() self.closed:push(true) end,
  })
  assert(self.opened:pop(30))
  return self
end

describe("the sandbox", function()
  it("is refused by a client that was not given its root", support.async(function()
    local rig <close> = start()
    local options = { url = rig.sandbox.url, static = crypto.keypair(), payload = "" }
    local connection, err = link(options)
    assert.is_nil(connection)
    assert.equal("crypto", err.code)
    assert.equal("the intermediate certificate is not signed by its issuer", tostring(err))
    options.root = crypto.keypair():public()
    assert.is_nil(link(options))
    options.root = rig.sandbox.root
    assert.truthy(link(options))
  end))

  it("hangs up on what is no client", support.async(function()
    local rig <close> = start()
    local hello = noise.initiator { static = crypto.keypair(), now = NOW }:hello()
    local bad = {
      "GET / HTTP/1.1\r\n\r\n",
      ("\0"):rep(100),
      wire.header() .. "\xff\xff\xff", -- 16 MB before login
      wire.header() .. ("\1\0\0"):rep(30000),
      wire.header() .. "\0\0\0",
      wire.header() .. wire.frame "garbage",
      wire.header() .. wire.frame(hello:sub(1, -2)),
      wire.header(("r"):rep(100)) .. wire.frame(("\x12\x80"):rep(1000)),
      "ED\0\1\xff\xff\xff",
    }
    for i, bytes in ipairs(bad) do
      local socket = raw(rig.sandbox.url)
      socket.conn:send(bytes)
      assert(socket.closed:pop(30), "not closed: " .. i)
    end
    assert.truthy(rig:contact "Ana".client.connection.online)
  end))

  it("hangs up on a client that breaks off after its hello", support.async(function()
    local rig <close> = start()
    local function greeted()
      local socket = raw(rig.sandbox.url)
      local client = noise.initiator { static = crypto.keypair(), root = rig.sandbox.root, now = core.net.time() }
      socket.conn:send(wire.header() .. wire.frame(client:hello()))
      assert(client:read(assert(socket.got:pop(30)):sub(4)))
      return socket, client
    end
    local socket = greeted()
    socket.conn:send(wire.frame "garbage")
    assert(socket.closed:pop(30))
    local client
    socket, client = greeted()
    socket.conn:send(wire.frame(client:finish "no payload") .. wire.frame "no ciphertext")
    assert(socket.closed:pop(30))
  end))

  it("takes a handshake that comes one byte at a time, behind routing info", support.async(function()
    local rig <close> = start()
    local socket = raw(rig.sandbox.url)
    local client = noise.initiator { static = crypto.keypair(), root = rig.sandbox.root, now = core.net.time() }
    for byte in (wire.header "routing" .. wire.frame(client:hello())):gmatch "." do socket.conn:send(byte) end
    local answer = assert(socket.got:pop(30))
    assert.equal(#answer - 3, (">I3"):unpack(answer)) -- alone in its message, and whole
    assert.equal("XX", (client:read(answer:sub(4))))
  end))

  it("goes on in full with a client whose IK hello it cannot read", support.async(function()
    local rig <close> = start()
    local socket = raw(rig.sandbox.url)
    local hello = core.proto.encode("HandshakeMessage", {
      clientHello = { ephemeral = crypto.keypair():public(), static = ("s"):rep(48), payload = ("p"):rep(100) },
    })
    socket.conn:send(wire.header() .. wire.frame(hello))
    local answer = core.proto.decode("HandshakeMessage", assert(socket.got:pop(30)):sub(4)).serverHello
    assert.equal(32, #answer.ephemeral)
    assert.equal(48, #answer.static)
    assert.truthy(#answer.payload > 200)
  end))
end)
