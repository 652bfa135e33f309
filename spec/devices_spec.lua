-- Who has which devices: lists by usync, kept, and forgotten when they change (fact sheet 02 §8, 03 §4, 08 §9).
local core = require "moonpost.core"
local devices = require "moonpost.sandbox.devices"
local stanza = require "moonpost.stanza"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"

local crypto, proto = core.crypto, core.proto

-- A usync for these users (JIDs or nodes); answers the list of <user>.
local function usync(client, protocols, users)
  local query, list = {}, {}
  for i, name in ipairs(protocols) do query[i] = stanza.node(name, name == "devices" and { version = "2" } or nil) end
  for i, user in ipairs(users) do list[i] = type(user) == "string" and stanza.node("user", { jid = user }) or user end
  local answer = assert(client:query(stanza.node("iq", { xmlns = "usync", type = "get", to = "s.whatsapp.net" }, stanza.node("usync", {
    sid = client:next_id(), mode = "query", last = "true", index = "0", context = "interactive",
  }, { stanza.node("query", nil, query), stanza.node("list", nil, list) }))))
  return stanza.path(answer, "usync", "list").content or {}
end

local function is_usync(direction, node) return direction == "to-server" and node.attrs.xmlns == "usync" end

local function recipients(message)
  local list = {}
  for i, to in stanza.children(stanza.child(message, "participants"), "to") do list[i] = to.attrs.jid end
  table.sort(list)
  return list
end

describe("a device hash", function()
  it("is that of the vectors", function()
    assert.equal("2:C/iw50Tk", devices.hash("15551234567", "s.whatsapp.net", { 0, 64 }))
    assert.equal("2:C/iw50Tk", devices.hash("15551234567", "s.whatsapp.net", { 64, 0 }))
    assert.equal("2:RAR4HJeH", devices.hash("15550000001", "s.whatsapp.net", { 2, 0 }))
  end)
end)

describe("a device list", function()
  it("holds the phone and every companion, with the phone's signature over their indexes", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    rig:contact "Ana"
    local account = rig.sandbox.accounts.by_name.Ana
    local user = usync(ana.client, { "devices", "lid" }, { ana.jid })[1]
    assert.equal(ana.jid, user.attrs.jid)
    assert.equal(ana.lid, stanza.child(user, "lid").attrs.val)
    local list = stanza.path(user, "devices", "device-list")
    assert.equal(devices.hash(account.pn, "s.whatsapp.net", { 0, 1, 2 }), list.attrs.hash)
    local found = {}
    for i, device in stanza.children(list, "device") do found[i] = { device.attrs.id, device.attrs["key-index"] } end
    assert.same({ { "0" }, { "1", "1" }, { "2", "2" } }, found)
    local indexes = stanza.path(user, "devices", "key-index-list")
    local signed = proto.decode("ADVSignedKeyIndexList", indexes.content)
    local details = proto.decode("ADVKeyIndexList", signed.details)
    assert.same({ 1, 2 }, details.validIndexes)
    assert.equal(2, details.currentIndex)
    assert.equal(account.raw_id, details.rawId)
    assert.is_true(crypto.verify(account.phone:identity():public(), "\6\2" .. signed.details, signed.accountSignature))
  end))

  it("is told under the name that was asked for, once for a name asked twice", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local users = usync(ana.client, { "devices", "lid" }, { ana.lid, ana.jid, ana.lid, ana.jid })
    assert.equal(2, #users)
    assert.same({ ana.lid, ana.jid }, { users[1].attrs.jid, users[2].attrs.jid })
    assert.is_nil(stanza.child(users[1], "lid"))
  end))

  it("of nobody is left out", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local users = usync(ana.client, { "devices" }, { "19990000000@s.whatsapp.net", "999@lid", ana.jid })
    assert.equal(1, #users)
  end))

  it("can be asked for by LID alone, which the own account is too", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local user = usync(ana.client, { "lid" }, { ana.jid })[1]
    assert.equal(ana.lid, stanza.child(user, "lid").attrs.val)
    assert.is_nil(stanza.child(user, "devices"))
  end))

  it("of a number in an address book says whether it is in", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local function asked(text) return stanza.node("user", {}, stanza.node("contact", nil, text)) end
    local users = usync(ana.client, { "contact" }, { asked("+" .. ana.jid:match "^%d+"), asked "+19990000000" })
    assert.same({ "in", "out" }, { stanza.child(users[1], "contact").attrs.type, stanza.child(users[2], "contact").attrs.type })
    assert.equal(ana.jid, users[1].attrs.jid)
    users = usync(ana.client, { "contact" }, { ana.lid, "19990000000@s.whatsapp.net" })
    assert.same({ "in", "out" }, { stanza.child(users[1], "contact").attrs.type, stanza.child(users[2], "contact").attrs.type })
    assert.equal(ana.lid, users[1].attrs.jid)
  end))
end)

describe("a client", function()
  it("asks for a device list once, and keeps it over a restart", support.async(function()
    local rig <close> = start()
    local ana, bob = rig:contact "Ana", rig:contact "Bob"
    local asked = 0
    tap.on(rig, function(direction, node)
      if is_usync(direction, node) then asked = asked + 1 end
    end)
    assert(ana.client:send(bob.jid, "one"))
    assert(ana.client:send(bob.lid, "two"))
    assert.equal(1, asked)
    local store = ana.client.store
    ana.client:close()
    local again = rig:contact("Ana", { store_handle = store })
    assert(again.client:send(bob.jid, "three"))
    assert.equal(1, asked)
    for _, text in ipairs { "one", "two", "three" } do assert.equal(text, bob:next().text) end
  end))

  it("says so when somebody has no device to write to", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local sent, err = ana.client:send("19990000000@s.whatsapp.net", "hello?")
    assert.is_nil(sent)
    assert.equal("no-devices", err.code)
  end))

  it("writes to a contact's new device from the next message on", support.async(function()
    local rig <close> = start()
    local ana, bob = rig:contact "Ana", rig:contact "Bob"
    assert(ana.client:send(bob.jid, "hello"))
    bob:next()
    local seen = tap.on(rig)
    local tablet = rig:contact "Bob"
    local told = seen:to_client("notification", "add")
    assert.same({ "devices", bob.jid, bob.lid }, { told.attrs.type, told.attrs.from, told.attrs.lid })
    local add = stanza.child(told, "add")
    assert.equal(tablet.client.me.device, math.tointeger(tonumber((stanza.child(add, "device").attrs.jid:match ":(%d+)@"))))
    assert.equal(devices.hash(bob.jid:match "^%d+", "s.whatsapp.net", { 0, 1, 2 }), add.attrs.device_hash)
    assert.equal(devices.hash(bob.lid:match "^%d+", "lid", { 0, 1, 2 }), add.attrs.device_lid_hash)
    assert.is_true(#stanza.bytes(add, "key-index-list") > 0)
    assert(ana.client:send(bob.jid, "both"))
    assert.equal("both", bob:next().text)
    assert.equal("both", tablet:next().text)
  end))

  it("forgets a contact's removed device, and its session with it", support.async(function()
    local rig <close> = start()
    local ana, bob, tablet = rig:contact "Ana", rig:contact "Bob", rig:contact "Bob"
    assert(ana.client:send(bob.jid, "hello"))
    local device = tap.device(rig, tablet.client)
    assert.is_true(ana.client.account:has_session(device:jid "lid"))
    local seen = tap.on(rig)
    tablet.client:on("unlinked", function() end)
    require("moonpost.sandbox.login").unlink(rig.sandbox, device)
    local told = seen:to_client("notification", "remove")
    local indexes = stanza.path(told, "remove", "key-index-list")
    assert.is_not_nil(indexes.attrs.ts)
    assert.is_nil(indexes.content)
    seen:next(function(_, node) return node.tag == "ack" and node.attrs.id == told.attrs.id end)
    assert.is_false(ana.client.account:has_session(device:jid "lid"))
    assert(ana.client:send(bob.jid, "only one"))
    local to = recipients(seen:from_client("message", "participants"))
    for _, jid in ipairs(to) do assert.are_not.equal(device:jid "lid", jid) end
    bob:next()
    assert.equal("only one", bob:next().text)
  end))

  it("brings an own new device into what it sends, told first as a contact's would be, then as an own one", support.async(function()
    local rig <close> = start()
    local ana, bob = rig:contact "Ana", rig:contact "Bob"
    assert(ana.client:send(bob.jid, "hello"))
    local seen = tap.on(rig)
    local laptop = rig:contact("Ana", { own = true })
    local function told_to_sibling(type)
      return seen:next(function(direction, node)
        return direction == "to-client" and node.tag == "notification" and node.attrs.from == ana.jid and node.attrs.type == type
      end)
    end
    local first = told_to_sibling "devices"
    local second = told_to_sibling "account_sync"
    assert.is_not_nil(stanza.child(first, "add"))
    local list = {}
    for i, device in stanza.children(stanza.child(second, "devices"), "device") do list[i] = device.attrs.jid end
    assert.equal(3, #list)
    assert(ana.client:send(bob.jid, "from my phone's companion"))
    local copy = laptop:next()
    assert.equal("from my phone's companion", copy.text)
    assert.is_true(copy.from_me)
    assert.equal(bob.lid, copy.chat)
  end))

  it("asks again when an update says that something changed", support.async(function()
    local rig <close> = start()
    local ana, bob = rig:contact "Ana", rig:contact "Bob"
    assert(ana.client:send(bob.jid, "hello"))
    local seen = tap.on(rig)
    tap.inject(tap.device(rig, ana.client).connection, stanza.node("notification", {
      type = "devices", from = bob.jid, lid = bob.lid, id = "1700000000-1", t = 1700000000,
    }, stanza.node("update", { hash = "2:AAAAAAAA" })))
    seen:from_client "ack"
    assert(ana.client:send(bob.jid, "again"))
    local asked = seen:next(is_usync)
    assert.equal(bob.jid, stanza.path(asked, "usync", "list", "user").attrs.jid)
  end))

  it("skips a device whose keys are of no possible size, and has sessions with the others", support.async(function()
    local rig <close> = start()
    local ana, bob, tablet = rig:contact "Ana", rig:contact "Bob", rig:contact "Bob"
    local failed, broken, spoil = tap.event(ana.client, "error"), tap.device(rig, tablet.client):jid "lid", nil
    ana.client.devices:ensure_sessions { bob.lid }
    local device = tap.device(rig, ana.client)
    tap.on(rig, function(direction, node, conn)
      for _, user in stanza.children(direction == "to-client" and conn.device == device and stanza.child(node, "list") or nil, "user") do
        if user.attrs.jid == broken then spoil(user) end
      end
    end)
    local function to(bytes, ...)
      local path = { ... }
      return function(user) stanza.path(user, table.unpack(path)).content = bytes end
    end
    for _, one in ipairs {
      to(("x"):rep(33), "identity"), to("", "identity"), to(("x"):rep(31), "skey", "value"), to("x", "skey", "signature"),
      to(("x"):rep(4), "key", "id"), to(("x"):rep(5), "registration"), function(user) user.content = nil end,
    } do
      spoil = one
      assert(ana.client.devices:ensure_sessions { broken, tap.device(rig, bob.client):jid "lid" })
      assert.equal("malformed", assert(failed:pop(30)).code)
      assert.is_false(ana.client.account:has_session(broken))
    end
    assert(ana.client:send(bob.jid, "hello"))
    assert.equal("hello", bob:next().text)
  end))

  it("writes to those there are when a list holds devices nobody knows, and asks for the list again", support.async(function()
    local rig <close> = start()
    local ana, bob = rig:contact "Ana", rig:contact "Bob"
    local device, asked = tap.device(rig, ana.client), 0
    assert(ana.client:send(bob.jid, "hello"))
    bob:next()
    local name = bob.lid:gsub("@", ":77@")
    require("moonpost.client.rows").put(ana.client.store, "device-list", bob.lid, "StoreDevices", {
      jids = { bob.lid, tap.device(rig, bob.client):jid "lid", name }, time = 1,
    })
    rig:tap(function(direction, node, conn)
      if conn.device == device and is_usync(direction, node) then asked = asked + 1 end
    end)
    for _, text in ipairs { "once", "again" } do
      assert(ana.client:send(bob.jid, text))
      assert.equal(text, bob:next().text)
    end
    assert.is_true(asked > 0)
    assert.equal(2, #ana.client.devices:of({ bob.jid })[bob.jid])
  end))

  it("passes over what it did not ask for and who is nobody, and keeps a device once", support.async(function()
    local rig <close> = start()
    local ana, bob = rig:contact "Ana", rig:contact "Bob"
    local device = tap.device(rig, ana.client)
    local nobody = { "zzz", "@s.whatsapp.net", "1@g.us", "19990000000@s.whatsapp.net" }
    tap.on(rig, function(direction, node, conn)
      local list = direction == "to-client" and conn.device == device and stanza.path(node, "usync", "list")
      if not list then return end
      local known = stanza.path(list, "user", "devices", "device-list").content
      for i = 1, 3000 do known[#known + 1] = stanza.node("device", { id = tostring(i % 3), ["key-index"] = "1" }) end
      for _, name in ipairs(nobody) do
        list.content[#list.content + 1] = stanza.node("user", { jid = name }, {
          stanza.node("devices", nil, stanza.node("device-list", nil, stanza.node("device", { id = "1", ["key-index"] = "1" }))),
          stanza.node("lid", { val = "77@lid" }),
        })
      end
    end)
    local found = assert(ana.client.devices:of { bob.jid })
    assert.equal(3, #found[bob.jid])
    for _, name in ipairs(nobody) do assert.is_nil(ana.client.store:get("device-list", name)) end
    assert.is_nil(ana.client.lids:pn_of "77@lid")
  end))

  it("skips a device whose keys are malformed, tells it, and writes to the others", support.async(function()
    local rig <close> = start()
    local ana, bob, tablet = rig:contact "Ana", rig:contact "Bob", rig:contact "Bob"
    local failed, broken = tap.event(ana.client, "error"), tap.device(rig, tablet.client):jid "lid"
    tap.on(rig, function(direction, node)
      for _, user in stanza.children(direction == "to-client" and stanza.child(node, "list") or nil, "user") do
        if user.attrs.jid == broken then stanza.path(user, "skey", "signature").content = ("x"):rep(64) end
      end
    end)
    assert(ana.client:send(bob.jid, "hello"))
    assert.equal("hello", bob:next().text)
    assert.matches("session", tostring(assert(failed:pop(30))))
    assert.is_false(ana.client.account:has_session(broken))
  end))
end)
