-- What one connection leaves for the next: Noise IK with a server that is known, and edge routing (fact sheet 01 §2.3, §2.4, §11.1).
local core = require "moonpost.core"
local relay = require "spec.relay"
local start = require("spec.rig").start
local stanza = require "moonpost.stanza"
local support = require "spec.support"
local tap = require "spec.tap"
local task = require "moonpost.task"

local XX, IK = "^><><", "^><<" -- hello, answer[, finish], success

local Scene = {}
Scene.__index = Scene
function Scene:__close()
  getmetatable(self.rig).__close(self.rig)
  getmetatable(self.between).__close(self.between)
end

-- Ana, linked and online through a relay, reconnecting without long pauses.
local function stage()
  local rig = start()
  local between = relay.start(rig.sandbox.url)
  local ana = rig:contact("Ana", { url = between.url })
  ana.client.connection.pace = { stable = 30, first_pause = 0.01, longest_pause = 0.05 }
  ana.online, ana.error = tap.event(ana.client, "online"), tap.event(ana.client, "error")
  ana.device = tap.device(rig, ana.client)
  return setmetatable({ ana = ana, rig = rig, between = between }, Scene)
end

-- Drops Ana's connection and waits until she is online again.
local function again(ana)
  ana.client.connection:abort(core.error("network", "dropped by the spec"))
  assert(ana.online:pop(30), "not online again")
end

local function kept(ana, key) return ana.client.store:get("setting", key) end

local function flip(bytes, at) return bytes:sub(1, at - 1) .. string.char(bytes:byte(at) ~ 1) .. bytes:sub(at + 1) end

local function works(ana)
  assert(ana.client:linked())
  assert(ana.client:query(stanza.node("iq", { xmlns = "w:p", type = "get", to = "s.whatsapp.net" })))
end

-- A certificate chain of the sandbox's own root.
local function chain_of(rig, changes)
  local store, now = rig.sandbox.store, math.floor(core.net.time())
  local options = {
    root = store:get_keypair "root", intermediate = store:get_keypair "intermediate", static = rig.sandbox.static:public(),
    not_before = now - 3600, not_after = now + 3600,
  }
  for name, value in pairs(changes) do options[name] = value end
  return assert(core.noise.certificates(options))
end

describe("a login at a server that is known", function()
  it("takes a round trip less", support.async(function()
    local scene <close> = stage()
    local ana, between = scene.ana, scene.between
    assert.matches(XX, between:way(-1))
    assert.is_nil(between:hello(-1).static)
    again(ana)
    assert.matches(IK, between:way(-1))
    assert.equal(48, #between:hello(-1).static)
    works(ana)
  end))

  it("takes it after a restart of the client too", support.async(function()
    local rig <close> = start()
    local between <close> = relay.start(rig.sandbox.url)
    local folder = support.tmpdir() .. "/state"
    local ana = rig:contact("Ana", { url = between.url, store = folder })
    assert.matches(XX, between:way(-1))
    table.remove(rig.clients).close(ana.client)
    works(rig:contact("Ana", { url = between.url, store = folder }))
    assert.matches(IK, between:way(-1))
  end))

  it("hears what the server says in one breath with its answer", support.async(function()
    local scene <close> = stage()
    local ana, between = scene.ana, scene.between
    local answer
    between.meddle = function(direction, bytes, index)
      if direction ~= "<" or index > 3 then return bytes end
      if index == 2 then
        answer = bytes
        return nil
      end
      return answer .. bytes
    end
    again(ana)
    assert.matches(IK, between:way(-1))
    works(ana)
  end))

  it("goes on as XXfallback when the server has another key now, and knows that one the next time", support.async(function()
    local scene <close> = stage()
    local ana, rig, between = scene.ana, scene.rig, scene.between
    assert.equal(200, (tap.admin(rig, "POST", "/admin/rotate-noise-key")))
    works(ana) -- the connection there is goes on
    again(ana)
    assert.equal(48, #between:hello(-1).static)
    assert.matches(XX, between:way(-1))
    works(ana)
    again(ana)
    assert.matches(IK, between:way(-1))
    works(ana)
    assert.equal(0, #ana.error)
  end))

  it("is XX when the chain of that time has expired or is not the server's", support.async(function()
    local scene <close> = stage()
    local ana, rig, between = scene.ana, scene.rig, scene.between
    for _, changes in ipairs { { not_after = math.floor(core.net.time()) - 60 }, { root = core.crypto.keypair() } } do
      ana.client.store:put("setting", "chain", chain_of(rig, changes))
      again(ana)
      assert.matches(XX, between:way(-1))
      assert.is_nil(between:hello(-1).static)
      works(ana)
    end
    ana.client.store:put("setting", "chain", "no chain at all")
    again(ana)
    assert.matches(XX, between:way(-1))
    assert.equal(0, #ana.error)
    again(ana)
    assert.matches(IK, between:way(-1)) -- it keeps the good one again
  end))

  it("is no login for who sends an old hello again: the device's connection stays", support.async(function()
    local scene <close> = stage()
    local ana, rig, between = scene.ana, scene.rig, scene.between
    again(ana)
    local old, conn = between.connections[#between.connections].first, ana.device.connection
    local heard = task.queue()
    local socket = assert(core.net.connect {
      url = rig.sandbox.url, open = function(one) one:send(old) end, message = function(_, bytes) heard:push(bytes) end,
    })
    assert(heard:pop(30)) -- the answer, and the success that nobody can read
    assert(heard:pop(30))
    works(ana)
    assert.equal(conn, ana.device.connection)
    socket:abort()
    works(ana)
  end))
end)

describe("an answer to IK that", function()
  -- Each: what happens to the second message of the connection, the server's answer.
  local function meets(change)
    return support.async(function()
      local scene <close> = stage()
      local ana, between = scene.ana, scene.between
      again(ana)
      assert.matches(IK, between:way(-1))
      local spoilt = 0
      between.meddle = function(direction, bytes, index)
        if direction ~= "<" or index ~= 2 or spoilt > 0 then return bytes end
        spoilt = spoilt + 1
        return change(bytes)
      end
      again(ana)
      assert.equal(1, spoilt)
      assert.equal("crypto", ana.error:pop(30).code)
      assert.matches(XX, between:way(-1))
      assert.is_nil(between:hello(-1).static)
      works(ana)
      again(ana)
      assert.matches(XX, between:way(-1)) -- from then on
      works(ana)
    end)
  end

  it("is tampered with is told, and the login is XX", meets(function(bytes) return flip(bytes, #bytes) end))

  it("has another ephemeral key is told, and the login is XX", meets(function(bytes) return flip(bytes, 20) end))

  it("answered another hello is told, and the login is XX", support.async(function()
    local scene <close> = stage()
    local ana, between = scene.ana, scene.between
    local old
    between.meddle = function(direction, bytes, index)
      if direction == "<" and index == 2 then old = bytes end
      return bytes
    end
    again(ana)
    local replayed = old
    between.meddle = function(direction, bytes, index)
      if direction ~= "<" or index ~= 2 or not replayed then return bytes end
      bytes, replayed = replayed, nil
      return bytes
    end
    again(ana)
    assert.equal("crypto", ana.error:pop(30).code)
    assert.matches(XX, between:way(-1))
    works(ana)
  end))

  it("shows a chain that does not hold leaves the account, and is told until the server shows a good one", support.async(function()
    local scene <close> = stage()
    local ana, rig, between = scene.ana, scene.rig, scene.between
    local good, offline = rig.sandbox.chain, tap.event(ana.client, "offline")
    rig.sandbox.chain = chain_of(rig, { root = core.crypto.keypair() })
    ana.client.connection:abort(core.error("network", "dropped by the spec"))
    assert.equal("dropped by the spec", offline:pop(30).message)
    assert.equal("the intermediate certificate is not signed by its issuer", ana.error:pop(30).message)
    assert.equal("the intermediate certificate is not signed by its issuer", offline:pop(30).message)
    assert(ana.client:linked())
    rig.sandbox.chain = good
    assert(ana.online:pop(30))
    assert.matches(XX, between:way(-1))
    works(ana)
  end))

  it("never comes makes the next connection begin with XX", support.async(function()
    local scene <close> = stage()
    local ana, between = scene.ana, scene.between
    between.meddle = function(direction, bytes, _, one)
      if direction == ">" and bytes == one.first and #bytes > 100 then return false end
      return bytes
    end
    again(ana)
    assert.equal(3, #between.connections - 1) -- pairing, login, the one that was hung up on, this
    assert.matches("^>$", between:way(-2))
    assert.matches(XX, between:way(-1))
    works(ana)
    between.meddle = nil
    again(ana)
    assert.matches(IK, between:way(-1)) -- the server is as well known as before
  end))
end)

describe("edge routing", function()
  local function route(ana, rig, info, refuse)
    local seen = tap.on(rig)
    local status, answer = tap.admin(rig, "POST", "/admin/edge-routing", {
      jid = core.wire.jid.make((ana.jid:match "^[^@:]+"), "s.whatsapp.net", ana.client.me.device), info = info, refuse = refuse,
    })
    assert.equal(200, status, type(answer) == "table" and answer.error)
    seen:to_client("ib", "edge_routing")
    works(ana)
  end

  it("stands before the next connection's first frame, also after a restart", support.async(function()
    local rig <close> = start()
    local between <close> = relay.start(rig.sandbox.url)
    local folder = support.tmpdir() .. "/state"
    local ana = rig:contact("Ana", { url = between.url, store = folder })
    assert.is_nil((select(2, between:hello(-1))))
    route(ana, rig, "0802080c")
    table.remove(rig.clients).close(ana.client)
    ana = rig:contact("Ana", { url = between.url, store = folder })
    assert.equal("\8\2\8\12", (select(2, between:hello(-1))))
    assert.matches("^ED\0\1\0\0\4\8\2\8\12WA\6\3", between.connections[#between.connections].first)
    assert.matches(IK, between:way(-1))
    local _, state = tap.admin(rig, "GET", "/admin/state")
    assert.equal("0802080c", state.accounts[1].devices[1].routing)
    route(ana, rig, "aabb")
    assert.equal("\xaa\xbb", kept(ana, "routing"))
  end))

  it("is dropped when a connection that begins with it is hung up on", support.async(function()
    local scene <close> = stage()
    local ana, rig, between = scene.ana, scene.rig, scene.between
    route(ana, rig, "0802080c", true)
    again(ana)
    assert.equal("\8\2\8\12", (select(2, between:hello(-2))))
    assert.is_nil((select(2, between:hello(-1))))
    assert.is_nil(kept(ana, "routing"))
    works(ana)
  end))

  it("of no use is told and not kept", support.async(function()
    local scene <close> = stage()
    local ana = scene.ana
    for _, content in ipairs { "", ("x"):rep(5000) } do
      tap.inject(ana.device.connection, stanza.node("ib", { from = "s.whatsapp.net" }, stanza.node("edge_routing", nil, {
        { tag = "routing_info", attrs = {}, content = content },
      })))
      assert.equal("the server's routing info is not of 1 to 4096 bytes", ana.error:pop(30).message)
    end
    tap.inject(ana.device.connection, stanza.node("ib", { from = "s.whatsapp.net" }, stanza.node "edge_routing"))
    assert.equal("malformed", ana.error:pop(30).code)
    assert.is_nil(kept(ana, "routing"))
    works(ana)
  end))

  it("and the server's key are forgotten with the account", support.async(function()
    local scene <close> = stage()
    local ana, rig = scene.ana, scene.rig
    route(ana, rig, "0802080c")
    assert.is_string(kept(ana, "chain"))
    local gone = tap.event(ana.client, "unlinked")
    assert.equal(200, (tap.admin(rig, "POST", "/admin/mock-phone/unlink", { jid = ana.device:jid() })))
    assert(gone:pop(30))
    assert.is_nil(kept(ana, "chain"))
    assert.is_nil(kept(ana, "routing"))
  end))
end)
