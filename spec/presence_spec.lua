-- Being available, and typing (fact sheet 04 §13, 08 §15).
local stanza = require "moonpost.stanza"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"
local task = require "moonpost.task"

local function group_of(rig, creator, ...)
  local members = {}
  for i, one in ipairs { ... } do members[i] = one.jid end
  local status, answer = tap.admin(rig, "POST", "/admin/mock-phone/group", { creator = creator.jid, subject = "Tea", members = members })
  assert(status == 200, status)
  return answer.jid
end

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
      local now = heard:pop(30)
      assert.is_true(now.available)
      bob.client:close()
      local gone = heard:pop(30)
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
    local now = heard:pop(30)
    assert.is_false(now.available)
    assert.is_nil(now.last)
  end))

  it("hears no more after it has unsubscribed, which the official client never does", support.async(function()
    local rig <close> = start { strict = false }
    local ana, bob = both(rig)
    local heard = tap.event(ana.client, "presence")
    subscribe(ana, bob.jid)
    assert(heard:pop(30))
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
    assert(heard:pop(30))
    tap.device(rig, ana.client).connection:stream_error "515"
    assert(online:pop(30))
    assert.equal(bob.lid, heard:pop(30).jid)
    bob.client.connection:send(stanza.node("presence", { type = "unavailable", name = "Bob" }))
    assert.is_false(heard:pop(30).available)
  end))

  it("hears of somebody who only looks at the phone", support.async(function()
    local rig <close> = start()
    local ana, bob = both(rig)
    bob.client:close()
    local heard = tap.event(ana.client, "presence")
    subscribe(ana, bob.jid)
    assert.is_false(heard:pop(30).available)
    for _, there in ipairs { true, false } do
      rig:admin("mock-phone/presence", { jid = bob.jid, available = there })
      local now = heard:pop(30)
      assert.same({ there, not there }, { now.available, now.last ~= nil })
    end
    assert.equal(400, (tap.admin(rig, "POST", "/admin/mock-phone/presence", { jid = bob.jid })))
  end))

  it("hears of each what their settings let it know", support.async(function()
    local rig <close> = start()
    local ana, bob = both(rig)
    local account, heard = rig.sandbox.accounts.by_name.Bob, tap.event(ana.client, "presence")
    local function states(last, online)
      account.privacy.last, account.privacy.online = last, online
      tap.device(rig, ana.client).subscriptions = nil
      bob.client.presence:available()
      ping(bob)
      subscribe(ana, bob.jid)
      local there = heard:pop(30).available
      bob.client.presence:unavailable()
      local gone = online == "all" and heard:pop(30) or nil
      subscribe(ana, bob.jid)
      local now = heard:pop(30)
      assert.is_false(now.available)
      ping(ana)
      assert.equal(0, #heard)
      return { there, gone ~= nil, now.last ~= nil }
    end
    assert.same({ true, true, true }, states("all", "all"))
    assert.same({ true, true, false }, states("none", "all"))
    assert.same({ false, false, false }, states("none", "match_last_seen"))
    assert.same({ true, true, false }, states("contacts", "all"))
    assert(ana.client:send(bob.jid, "we know each other now"))
    assert.same({ true, true, true }, states("contacts", "all"))
  end))

  it("asks again at every login for those it watches", support.async(function()
    local rig <close> = start()
    local ana, bob = tap.quick(rig), rig:contact "Bob"
    ping(bob)
    local asked = rig:record("to-server", function(node) return node.attrs.type == "subscribe" end)
    local heard = tap.event(ana.client, "presence")
    assert.is_true(ana.client:watch(bob.jid))
    assert.is_true(heard:pop(30).available)
    ana.device.subscriptions = nil -- the real server forgets them with the connection
    ana.device.connection:stream_error "515"
    assert(ana.online:pop(30))
    assert.is_true(heard:pop(30).available)
    assert.equal(2, #asked)
  end))

  it("hears of somebody under the LID, whatever name it used, and no time where that is hidden", support.async(function()
    local rig <close> = start()
    local ana, bob = both(rig)
    ana:hears(bob, "we know each other")
    local heard = tap.event(ana.client, "presence")
    for _, last in ipairs { "deny", "none", "error", "yesterday" } do
      tap.hand(rig, ana, stanza.node("presence", { from = bob.lid, type = "unavailable", last = last }))
      assert.same({ jid = bob.lid, available = false }, heard:pop(30))
    end
    tap.hand(rig, ana, stanza.node("presence", { from = bob.jid, type = "available" }))
    assert.same({ jid = bob.lid, available = true }, heard:pop(30))
  end))

  it("hears how many of a group are there", support.async(function()
    local rig <close> = start()
    local ana = both(rig)
    local heard, group = tap.event(ana.client, "presence"), "120363000000000001@g.us"
    for _, attrs in ipairs { { count = "0" }, { count = "many" }, {}, { count = "3" }, { type = "unavailable" } } do
      attrs.from = group
      tap.hand(rig, ana, stanza.node("presence", attrs))
    end
    assert.same({ jid = group, count = 3, available = true }, heard:pop(30))
    assert.same({ jid = group, count = 0, available = false }, heard:pop(30))
    assert.equal(0, #heard)
  end))

  it("hears nothing of a presence that says nothing", support.async(function()
    local rig <close> = start()
    local ana, bob = both(rig)
    local heard = tap.event(ana.client, "presence")
    subscribe(ana, bob.jid)
    assert(heard:pop(30))
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
    assert.same({ chat = ana.lid, sender = ana.lid, state = "composing" }, heard:pop(30))
    assert.is_true(ana.client:typing(bob.lid, false))
    assert.equal("paused", heard:pop(30).state)
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

  it("and recording are told apart", support.async(function()
    local rig <close> = start()
    local ana, bob = both(rig)
    local heard = tap.event(bob.client, "chatstate")
    assert.is_true(ana.client:recording(bob.lid, true))
    assert.equal("recording", heard:pop(30).state)
    assert.is_true(ana.client:recording(bob.lid, false))
    assert.equal("paused", heard:pop(30).state)
  end))

  it("in a group is seen by all its members but who types, by name", support.async(function()
    local rig <close> = start()
    local ana, bob = both(rig)
    local cleo, mallory = rig:contact "Cleo", rig:contact "Mallory"
    local ana2 = rig:contact "Ana"
    local group = group_of(rig, ana, bob, cleo)
    local heard = {}
    for i, one in ipairs { bob, cleo, ana, ana2, mallory } do heard[i] = tap.event(one.client, "chatstate") end
    assert.is_true(ana.client:typing(group, true))
    for i = 1, 2 do assert.same({ chat = group, sender = ana.lid, state = "composing" }, heard[i]:pop(30)) end
    assert.is_true(mallory.client:typing(group, true))
    ping(mallory)
    for _, one in ipairs { bob, ana, ana2 } do ping(one) end
    for i = 1, 5 do assert.equal(0, #heard[i]) end
  end))

  it("that nothing renews is over after a while", support.async(function()
    local rig <close> = start()
    local ana, bob = both(rig)
    bob.client.presence.typing_seconds = 0.05
    local heard = tap.event(bob.client, "chatstate")
    assert.is_true(ana.client:typing(bob.lid, true))
    assert.equal("composing", heard:pop(30).state)
    assert.same({ chat = ana.lid, sender = ana.lid, state = "paused", expired = true }, heard:pop(30))
    assert.equal(0, bob.client.presence.typers)
  end))

  it("of nobody, of oneself, of long ago, or of a kind unknown is passed over", support.async(function()
    local rig <close> = start()
    local ana, bob = both(rig)
    local heard, composing = tap.event(ana.client, "chatstate"), stanza.node "composing"
    tap.hand(rig, ana, stanza.node("chatstate", { to = bob.lid }, composing))
    tap.hand(rig, ana, stanza.node("chatstate", { from = ana.lid }, composing))
    tap.hand(rig, ana, stanza.node("chatstate", { from = bob.lid, offline = "1" }, composing))
    tap.hand(rig, ana, stanza.node("chatstate", { from = bob.lid }, stanza.node "dancing"))
    tap.hand(rig, ana, stanza.node("chatstate", { from = bob.lid }))
    tap.hand(rig, ana, stanza.node("chatstate", { from = "120363000000000001@g.us" }, composing))
    ping(ana)
    assert.equal(0, #heard)
  end))

  it("is for people and groups, and names what is neither at the caller's line", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    for _, name in ipairs { "typing", "recording", "watch" } do
      for _, wrong in ipairs { "status@broadcast", "so", 7, "@lid" } do
        local _, err = pcall(function() ana.client[name](ana.client, wrong, true) end)
        assert.matches(("presence_spec.lua:%%d+: client:%s expects the JID of a person or a group"):format(name), err)
      end
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

describe("a bot", function()
  it("hears who comes and goes and who types, and shows that it types or records", support.async(function()
    local rig <close> = start()
    local bot, seen, typed = rig:bot(), task.queue(), task.queue()
    bot:on("presence", function(presence) seen:push(presence) end)
    bot:on("typing", function(typing) typed:push(typing) end)
    bot:on("message", function(ctx)
      if ctx.text == "type" then ctx:typing() else ctx:recording() end
    end)
    local _, err = pcall(function() bot:presence "1@lid" end)
    assert.matches("presence_spec.lua:%d+: bot:presence needs a bot that runs", err)
    local me, bob = rig:run(bot), rig:contact "Bob"
    local number = bob.jid:match "^%d+"
    assert.is_true(bot:presence(bob.lid))
    local now = seen:pop(30)
    assert.same({ bob.lid, true }, { now.jid, now.available })
    local heard = tap.event(bob.client, "chatstate")
    for text, state in pairs { type = "composing", record = "recording" } do
      assert(bob.client:send(me.lid, text))
      assert.equal(state, heard:pop(30).state)
    end
    for state, client_state in pairs { typing = "typing", recording = "recording" } do
      assert(bob.client[client_state](bob.client, me.lid, true))
      assert.same({ chat = bob.lid, group = false, sender = bob.lid, phone = number, state = state }, typed:pop(30))
    end
    bob.client:close()
    local gone = seen:pop(30)
    assert.same({ bob.lid, number, false }, { gone.jid, gone.phone, gone.available })
    assert.is_number(gone.last)
  end))
end)
