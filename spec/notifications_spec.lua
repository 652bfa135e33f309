-- What the server tells unasked: each notification has its effect, is safe, and is acknowledged (fact sheet 04 §7.2, 02 §10.3, §11).
local core = require "moonpost.core"
local stanza = require "moonpost.stanza"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"

local jid = core.wire.jid

local count = 0

-- Whether the list of somebody's devices is to be asked for again.
local function is_stale(client, name)
  return assert(require("moonpost.client.rows").get(client.store, "device-list", name, "StoreDevices")).stale
end

local function notification(attrs, content)
  count = count + 1
  local all = { id = "1700000000-" .. count, t = 1700000000, from = "s.whatsapp.net" }
  for name, value in pairs(attrs) do all[name] = value end
  return stanza.node("notification", all, content)
end

-- A contact, the tap of its sandbox, and how to send it a notification and have its ack.
local function listening(rig, meddle)
  local ana = rig:contact "Ana"
  local seen, device = tap.on(rig, meddle), tap.device(rig, ana.client)
  local function tell(node)
    tap.inject(device.connection, node)
    return seen:next(function(direction, ack)
      return direction == "to-server" and ack.tag == "ack" and ack.attrs.class == "notification" and ack.attrs.id == node.attrs.id
    end)
  end
  return ana, tell, device
end

describe("a notification", function()
  it("of a kind nobody knows is acknowledged with its type", support.async(function()
    local rig <close> = start()
    local _, tell = listening(rig)
    local ack = tell(notification({ type = "psa" }, stanza.node "something"))
    assert.same({ "psa", "s.whatsapp.net" }, { ack.attrs.type, ack.attrs.to })
    assert.is_nil(ack.attrs.error)
  end))

  it("of devices or keys is acknowledged without one", support.async(function()
    local rig <close> = start()
    local ana, tell = listening(rig)
    assert.is_nil(tell(notification({ type = "devices", from = ana.jid }, stanza.node("update", { hash = "2:AAAAAAAA" }))).attrs.type)
    assert.is_nil(tell(notification({ type = "encrypt" }, stanza.node "pq_count")).attrs.type)
  end))

  it("is acknowledged when its effect is safe, not before", support.async(function()
    local rig <close> = start()
    local ana, tell, safe
    ana, tell = listening(rig, function(direction, node)
      if direction == "to-server" and node.attrs.class == "notification" then safe = not ana.client.store:dirty() end
    end)
    tap.knows_app_state(ana.client)
    tell(notification({ type = "devices", from = "15550001111@s.whatsapp.net", lid = "10000000000001@lid" },
      stanza.node("update", { hash = "2:AAAAAAAA" })))
    assert.is_true(safe)
    assert.equal("15550001111@s.whatsapp.net", ana.client.lids:pn_of "10000000000001@lid")
  end))

  it("without an id cannot be acknowledged, and harms nothing", support.async(function()
    local rig <close> = start()
    local _, tell, device = listening(rig)
    tap.inject(device.connection, stanza.node("notification", { type = "psa", from = "s.whatsapp.net", t = 1700000000 }))
    local ack = tell(notification { type = "psa" })
    assert.is_not_nil(ack.attrs.id)
  end))

  it("that waited while the device was away comes at its next login, once", support.async(function()
    local rig <close> = start()
    local ana, bob = rig:contact "Ana", rig:contact "Bob"
    assert(ana.client:send(bob.jid, "hello"))
    local store, device = ana.client.store, tap.device(rig, ana.client)
    assert(ana.receipts:pop(30))
    ana.client:close()
    rig:contact "Bob"
    assert.equal(1, device.queue.count)
    local seen = tap.on(rig)
    local again = rig:contact("Ana", { store_handle = store })
    local told = seen:to_client("notification", "add")
    assert.equal("1", tostring(told.attrs.offline))
    seen:next(function(_, node) return node.tag == "ack" and node.attrs.id == told.attrs.id end)
    assert(again.client:query(stanza.node("iq", { xmlns = "w:p", type = "get", to = "s.whatsapp.net" })))
    assert.equal(0, device.queue.count)
  end))

  it("that an account's keys are new ends the sessions with all its devices, under both names", support.async(function()
    local rig <close> = start()
    local ana, tell = listening(rig)
    local bob, tablet = rig:contact "Bob", rig:contact "Bob"
    assert(ana.client:send(bob.jid, "hello"))
    local names = {}
    for _, number in ipairs { 0, bob.client.me.device, tablet.client.me.device } do
      names[#names + 1] = jid.make(bob.lid:match "^%d+", "lid", number)
    end
    for _, name in ipairs(names) do assert.is_true(ana.client.account:has_session(name), name) end
    local told = tap.event(ana.client, "identity")
    for _ = 1, 2 do tell(notification({ type = "encrypt", from = bob.jid, lid = bob.lid }, stanza.node "identity")) end
    assert.same({ jid = bob.lid, phone = bob.jid:match "^%d+" }, told:pop(30))
    for _, name in ipairs(names) do assert.is_false(ana.client.account:has_session(name), name) end
    assert.is_true(is_stale(ana.client, bob.lid))
    bob:next()
    assert(ana.client:send(bob.jid, "again"))
    assert.equal("again", bob:next().text)
    assert.equal(0, #told)
  end))

  it("that the own account's keys are new changes nothing", support.async(function()
    local rig <close> = start()
    local ana, tell = listening(rig)
    local phone, bob = ana.lid, rig:contact "Bob"
    assert(ana.client:send(bob.jid, "hello"))
    assert.is_true(ana.client.account:has_session(phone))
    tell(notification({ type = "encrypt", from = ana.jid, lid = ana.lid }, stanza.node "identity"))
    assert.is_true(ana.client.account:has_session(phone))
  end))

  it("of the own devices has the own list asked for again", support.async(function()
    local rig <close> = start()
    local ana, tell = listening(rig)
    local bob = rig:contact "Bob"
    assert(ana.client:send(bob.jid, "hello"))
    assert.is_nil(is_stale(ana.client, ana.lid))
    tell(notification({ type = "account_sync", from = ana.jid }, stanza.node("devices", { dhash = "2:AAAAAAAA" }, {
      stanza.node("device", { jid = ana.jid }),
    })))
    assert.is_true(is_stale(ana.client, ana.lid))
    assert.is_nil(is_stale(ana.client, bob.lid))
  end))
end)
