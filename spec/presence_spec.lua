-- Being available, and typing (fact sheet 04 §13, 08 §15).
local stanza = require "moonpost.stanza"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"

local function subscribe(contact, to, type)
  assert(contact.client.connection:send(stanza.node("presence", { type = type or "subscribe", to = to })))
end

-- What the contact sent before has been dealt with.
local function ping(contact)
  assert(contact.client:query(stanza.node("iq", { xmlns = "w:p", type = "get", to = "s.whatsapp.net" })))
end

-- Two contacts, both known to be available.
local function both(rig)
  local ana, bob = rig:contact "Ana", rig:contact "Bob"
  ping(ana)
  ping(bob)
  return ana, bob
end

describe("a client", function()
  it("is available under its name once it is online, and says so when it leaves", support.async(function()
    local rig <close> = start()
    local client = tap.client(rig)
    assert(client:pair(tap.scanner(rig)))
    local seen = tap.on(rig)
    assert(client:connect())
    assert.is_not_nil(seen:from_client("ib", "unified_session"))
    assert.same({ type = "available", name = "Ana" }, seen:from_client("presence").attrs)
    client:close()
    assert.equal("unavailable", seen:from_client("presence").attrs.type)
  end))

  it("takes the name its owner gives it at a later start", support.async(function()
    local rig <close> = start()
    local ana, bob = rig:contact "Ana", rig:contact "Bob"
    local store = ana.client.store
    ana.client:close()
    local renamed = rig:contact("Ana Lima", { store_handle = store })
    assert.equal("Ana Lima", renamed.client.me.name)
    assert.equal(ana.jid, renamed.jid)
    assert(renamed.client:send(bob.jid, "hello"))
    assert.equal("Ana Lima", bob:next().name)
  end))
end)

describe("who subscribed", function()
  it("hears at once how things stand, then each change, under the name it used", support.async(function()
    for _, name in ipairs { "jid", "lid" } do
      local rig <close> = start()
      local ana, bob = both(rig)
      local seen = tap.on(rig)
      local heard = tap.event(ana.client, "presence")
      subscribe(ana, bob[name])
      assert.equal(bob[name], seen:to_client("presence").attrs.from)
      local now = heard:pop(5)
      assert.is_true(now.available)
      bob.client:close()
      local gone = heard:pop(5)
      assert.is_false(gone.available)
      assert.is_number(gone.last)
    end
  end))

  it("hears of somebody nobody has seen yet that he is away, since an unknown time", support.async(function()
    local rig <close> = start()
    local ana, bob = both(rig)
    local account = rig.sandbox.accounts.by_name.Bob
    bob.client.connection:send(stanza.node("presence", { type = "unavailable", name = "Bob" }))
    ping(bob)
    account.last_seen = nil
    local heard = tap.event(ana.client, "presence")
    subscribe(ana, bob.jid)
    local now = heard:pop(5)
    assert.is_false(now.available)
    assert.is_nil(now.last)
  end))

  it("hears no more after it has unsubscribed, which the official client never does", support.async(function()
    local rig <close> = start { strict = false }
    local ana, bob = both(rig)
    local heard = tap.event(ana.client, "presence")
    subscribe(ana, bob.jid)
    assert(heard:pop(5))
    subscribe(ana, bob.jid, "unsubscribe")
    ping(ana)
    bob.client.connection:send(stanza.node("presence", { type = "unavailable", name = "Bob" }))
    ping(bob)
    ping(ana)
    assert.equal(0, #heard)
    assert.equal(1, #rig.sandbox.violations)
    rig.sandbox.violations = {}
  end))

  it("still hears after it was away", support.async(function()
    local rig <close> = start()
    local ana, bob = both(rig)
    local heard, online = tap.event(ana.client, "presence"), tap.event(ana.client, "online")
    subscribe(ana, bob.lid)
    assert(heard:pop(5))
    tap.device(rig, ana.client).connection:stream_error "515"
    assert(online:pop(5))
    assert.equal(bob.lid, heard:pop(5).jid)
    bob.client.connection:send(stanza.node("presence", { type = "unavailable", name = "Bob" }))
    assert.is_false(heard:pop(5).available)
  end))

  it("hears nothing of a presence that says nothing", support.async(function()
    local rig <close> = start()
    local ana, bob = both(rig)
    local heard = tap.event(ana.client, "presence")
    subscribe(ana, bob.jid)
    assert(heard:pop(5))
    bob.client.connection:send(stanza.node("presence", { name = "Robert" }))
    ping(bob)
    ping(ana)
    assert.equal(0, #heard)
    assert(bob.client:send(ana.jid, "hello"))
    assert.equal("Robert", ana:next().name)
  end))
end)

describe("typing", function()
  it("is seen by the person, on and off", support.async(function()
    local rig <close> = start()
    local ana, bob = both(rig)
    local heard = tap.event(bob.client, "chatstate")
    assert.is_true(ana.client:typing(bob.lid, true))
    assert.same({ chat = ana.lid, sender = ana.lid, state = "composing" }, heard:pop(5))
    assert.is_true(ana.client:typing(bob.lid, false))
    assert.equal("paused", heard:pop(5).state)
  end))

  it("waits for whoever is away, the newest only, and not for long", support.async(function()
    local rig <close> = start()
    local ana, bob = both(rig)
    local store, device = bob.client.store, tap.device(rig, bob.client)
    local _, account = tap.device(rig, ana.client)
    for _, old in ipairs { false, true } do
      bob.client:close()
      assert(ana.client:typing(bob.lid, true))
      assert(ana.client:typing(bob.lid, false))
      ping(ana)
      assert.equal("paused", device.chatstates[account].node.content[1].tag)
      if old then device.chatstates[account].at = device.chatstates[account].at - 31 end
      local client = tap.client(rig, { store_handle = store, name = "Bob" })
      local heard = tap.event(client, "chatstate")
      assert(client:connect())
      assert(client:query(stanza.node("iq", { xmlns = "w:p", type = "get", to = "s.whatsapp.net" })))
      assert.equal(old and 0 or 1, #heard)
      bob.client = client
    end
  end))

  it("cannot be shown while the connection is lost", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    ana.client:close()
    local ok, err = ana.client:typing(ana.lid, true)
    assert.is_nil(ok)
    assert.equal("closed", err.code)
  end))
end)
