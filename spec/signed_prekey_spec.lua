-- The signed prekey, replaced by itself, and the comparison of keys with the server (fact sheet 02 §10.4, §10.5).
local core = require "moonpost.core"
local stanza = require "moonpost.stanza"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"
local task = require "moonpost.task"

local DAY = 86400

local function now() return math.floor(core.net.time()) end

local function is_rotation(direction, node)
  return direction == "to-server" and node.attrs.xmlns == "encrypt" and tap.child(node, "rotate") ~= nil
end

-- The client's next login finds its signed prekey old.
local function make_due(client)
  client.me.rotateAt = now() - 1
  client:set_me(client.me)
end

local function own_skey(client) return client.account:public().signed_prekey end

local function server_id(device) return ((">I3"):unpack(device.skey_id)) end

-- Waits until what a client does beside its work is done.
local function wait_until(holds)
  local deadline = core.net.now() + 5
  while not holds() do
    assert(core.net.now() < deadline, "it has not come about")
    task.sleep(0.005)
  end
end

local function rotated(ana, id) wait_until(function() return own_skey(ana.client).id == id end) end

describe("a signed prekey", function()
  it("is replaced by the next one when it is 27 days old, at the login", support.async(function()
    local rig <close> = start()
    local ana = tap.quick(rig)
    local seen = tap.on(rig)
    assert.is_true(math.abs(ana.client.me.rotateAt - now() - 27 * DAY) < 60)
    local before = own_skey(ana.client)
    ana.device.connection:drop()
    assert(ana.online:pop(30))
    assert.equal(before.id, server_id(ana.device)) -- not before
    make_due(ana.client)
    local left = ana.device.one_time:count()
    ana.device.connection:drop()
    rotated(ana, before.id + 1)
    local skey = stanza.path(seen:next(is_rotation), "rotate", "skey")
    local after = own_skey(ana.client)
    assert.are_not.equal(before.public, after.public)
    assert.same({ after.public, after.signature }, { stanza.bytes(skey, "value"), stanza.bytes(skey, "signature") })
    assert.same({ after.id, after.public }, { server_id(ana.device), ana.device.skey_value })
    assert.is_true(math.abs(ana.client.me.rotateAt - now() - 27 * DAY) < 60)
    assert.equal(left, ana.device.one_time:count())
  end))

  it("is replaced while a client stays online, too", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    make_due(ana.client)
    ana.client.sweep:stop()
    ana.client.sweep.running = nil
    ana.client.sweep:start()
    rotated(ana, 2)
  end))

  it("is replaced though the sweep before it trips over the store", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local sweep, errors = ana.client.sweep, tap.event(ana.client, "error")
    make_due(ana.client)
    sweep:stop()
    sweep.running = nil
    function sweep.run() error(core.error("store", "a row is damaged"), 0) end
    sweep:start()
    rotated(ana, 2)
    assert.equal("a row is damaged", errors:pop(30).message)
  end))

  it("that was replaced is still read with", support.async(function()
    local rig <close> = start()
    local ana, bob = tap.quick(rig), rig:contact "Bob"
    local retries = rig:record("to-server", function(node) return node.tag == "receipt" and node.attrs.type == "retry" end)
    assert(bob.client.devices:ensure_sessions { ana.device:jid "lid" }) -- with the first one
    make_due(ana.client)
    ana.device.connection:drop()
    rotated(ana, 2)
    assert(bob.client:send(ana.jid, "under the former key"))
    assert.equal("under the former key", ana:next().text)
    local cid = rig:contact "Cid" -- meets the second
    assert(cid.client:send(ana.jid, "under the new one"))
    assert.equal("under the new one", ana:next().text)
    assert.equal(0, #retries)
  end))

  it("is offered again, the same one, when the answer was lost; what uses it meanwhile is read", support.async(function()
    local rig <close> = start()
    local store = support.tmpdir() .. "/state"
    local ana = rig:contact("Ana", { store = store })
    local device, offered, lost = tap.device(rig, ana.client), {}, task.queue()
    tap.on(rig, function(direction, node, conn)
      if is_rotation(direction, node) then
        offered[#offered + 1] = stanza.bytes(node, "rotate", "skey", "value")
        offered.id = node.attrs.id
      elseif direction == "to-client" and node.attrs.id == offered.id and #offered == 1 then
        conn:drop()
        lost:push(true)
        return false
      end
    end)
    make_due(ana.client)
    ana.client.connection.pace = { stable = 30, first_pause = 60, longest_pause = 60 }
    task.spawn(ana.client.signed_prekey.rotate, ana.client.signed_prekey)
    assert(lost:pop(30))
    assert.same({ 1, 2 }, { own_skey(ana.client).id, server_id(device) })
    ana.client:close() -- as a crash between the two: nothing of the answer was stored
    local bob = rig:contact "Bob"
    assert(bob.client:send(ana.jid, "under the one on its way"))
    local again = rig:contact("Ana", { store = store })
    assert.equal("under the one on its way", again:next().text)
    rotated(again, 2)
    assert.equal(offered[1], offered[2])
    assert.equal(offered[1], device.skey_value)
  end))

  for _, one in ipairs {
    { 406, "not-acceptable", 27, false }, { 400, "bad-request", 27, true }, { 500, "internal-server-error", 1, true },
    { 503, "service-unavailable", 1, true },
  } do
    local code, text, days, kept = table.unpack(one)
    it(("that is refused with %d stays, is told of, and is tried again after %d days with %s key"):format(code, days,
      kept and "the same" or "another"), support.async(function()
      local rig <close> = start()
      local id
      tap.on(rig, function(direction, node)
        if is_rotation(direction, node) then
          id = node.attrs.id
        elseif direction == "to-client" and node.attrs.id == id then
          node.attrs.type, node.content = "error", { stanza.node("error", { code = code, text = text }) }
        end
      end)
      local ana = rig:contact "Ana"
      local errors = tap.event(ana.client, "error")
      local offered = ana.client.account:next_signed_prekey()
      ana.client.signed_prekey:rotate()
      assert.matches("did not take a new signed prekey.*" .. code, tostring(errors:pop(30)))
      assert.equal(1, own_skey(ana.client).id)
      assert.equal(kept, ana.client.account:has_signed_prekey(2))
      assert.equal(kept, ana.client.account:next_signed_prekey().public == offered.public)
      assert.is_true(math.abs(ana.client.me.rotateAt - now() - days * DAY) < 60)
    end))
  end

  it("is kept for 60 days after it was replaced, over a restart", function()
    local folder = support.tmpdir() .. "/state"
    local function open()
      local store = assert(core.store.open { path = folder, kind = "client" })
      return store, core.signal.account(store, "")
    end
    local store, account = open()
    account:create()
    local function adopt(time)
      account:next_signed_prekey()
      account:adopt_signed_prekey(time)
    end
    adopt(1000 * DAY)
    adopt(1027 * DAY)
    store:close()
    store, account = open()
    assert.same({ true, true, true, false }, {
      account:has_signed_prekey(1), account:has_signed_prekey(2), account:has_signed_prekey(3), account:has_signed_prekey(4),
    })
    adopt(1060 * DAY)
    assert.is_true(account:has_signed_prekey(1))
    adopt(1061 * DAY)
    assert.same({ false, true, 5 }, { account:has_signed_prekey(1), account:has_signed_prekey(2), account:public().signed_prekey.id })
    store:close()
  end)

  it("that is next cannot be taken before it was made", function()
    local account = core.signal.account(assert(core.store.open {}), "")
    account:create()
    local ok, err = pcall(account.adopt_signed_prekey, account, 1000 * DAY)
    assert.is_false(ok)
    assert.equal("not-found", err.code)
    assert.equal(1, account:public().signed_prekey.id)
  end)
end)

describe("a device whose server asks for its digest", function()
  local function ask(rig, ana)
    ana.device, ana.account = tap.device(rig, ana.client)
    ana.device.queue:push(stanza.node("notification", {
      type = "encrypt", from = "s.whatsapp.net", id = rig.sandbox:next_id(), t = rig.sandbox.time(),
    }, stanza.node "digest"))
  end

  local function met(rig)
    local ana = rig:contact "Ana"
    ana.device = tap.device(rig, ana.client)
    ana.errors = tap.event(ana.client, "error")
    return ana
  end

  it("asks for it, acknowledges without a type, and says nothing when all is well", support.async(function()
    local rig <close> = start()
    local ana = met(rig)
    local acks = rig:record("to-server", function(node) return node.tag == "ack" and node.attrs.class == "notification" end)
    local seen = tap.on(rig)
    ask(rig, ana)
    local answer = seen:to_client("iq", "digest")
    assert.equal(ana.device.one_time:count(), #stanza.path(answer, "digest", "list").content)
    wait_until(function() return not ana.client.digest.busy and #acks == 1 end)
    assert.is_nil(acks[1].attrs.type)
    assert.equal(0, #ana.errors)
  end))

  it("gives it keys when it has none", support.async(function()
    local rig <close> = start()
    local ana = met(rig)
    while ana.device.one_time:take() do end
    ask(rig, ana)
    wait_until(function() return ana.device.one_time:count() == 812 end)
    assert.equal(0, #ana.errors)
  end))

  it("gives it the right signed prekey when it has another", support.async(function()
    local rig <close> = start()
    local ana = met(rig)
    local foreign = core.crypto.keypair():public()
    local own = ana.device.skey_value
    ana.device.skey_value = foreign
    ask(rig, ana)
    assert.matches("signed prekey that is not this device's", tostring(ana.errors:pop(30)))
    wait_until(function() return ana.device.skey_value == own end)
  end))

  it("takes its own next signed prekey for done when the server has it", support.async(function()
    local rig <close> = start()
    local ana = met(rig)
    assert(ana.client.signed_prekey:offer(ana.client.account:next_signed_prekey()))
    assert.same({ 1, 2 }, { own_skey(ana.client).id, server_id(ana.device) })
    ask(rig, ana)
    rotated(ana, 2)
    assert.equal(0, #ana.errors)
  end))

  it("says when keys are given out that are not here, and when the hash or the identity is wrong", support.async(function()
    local rig <close> = start()
    local ana = met(rig)
    local change
    tap.on(rig, function(direction, node)
      local digest = direction == "to-client" and tap.child(node, "digest")
      if digest and node.tag == "iq" then change(digest) end
    end)
    for _, one in ipairs {
      { function(digest) stanza.path(digest, "list", "id").content = "\xff\xff\0" end, "gives out 1 one%-time keys that are not here" },
      { function(digest) stanza.child(digest, "hash").content = ("h"):rep(20) end, "hash over this device's keys is another" },
      { function(digest) stanza.child(digest, "identity").content = ("i"):rep(32) end, "another identity for this device" },
      { function(digest) stanza.child(digest, "registration").content = ("r"):rep(4) end, "another identity for this device" },
    } do
      change = one[1]
      ask(rig, ana)
      local err = ana.errors:pop(30)
      assert.equal("keys", err.code)
      assert.matches(one[2], tostring(err))
      wait_until(function() return not ana.client.digest.busy end)
    end
    assert.equal(0, #ana.errors)
  end))

  it("survives a digest that is none", support.async(function()
    local rig <close> = start { strict = false }
    local ana = met(rig)
    tap.on(rig, function(direction, node)
      local digest = direction == "to-client" and node.tag == "iq" and tap.child(node, "digest")
      if not digest then return end
      for _, child in stanza.children(digest) do
        if child.tag ~= "identity" and child.tag ~= "registration" then child.content = "x" end
      end
    end)
    ask(rig, ana)
    assert.matches("signed prekey", tostring(ana.errors:pop(30)))
    wait_until(function() return not ana.client.digest.busy end)
  end))

  it("compares once a day by itself, when it stays online", support.async(function()
    local rig <close> = start()
    local ana = met(rig)
    local seen = tap.on(rig)
    ana.client.digest:daily()
    seen:to_client("iq", "digest")
    wait_until(function() return not ana.client.digest.busy end)
    local asked = rig:record("to-server", function(node) return tap.child(node, "digest") ~= nil end)
    ana.client.digest:daily()
    ana.client.digest.at = ana.client.digest.at - DAY
    ana.client.digest:daily()
    wait_until(function() return not ana.client.digest.busy end)
    assert.equal(1, #asked)
  end))
end)
