-- The sandbox's queue of a device (fact sheet 08 §14): what is sent to it stays until it is confirmed.
local core = require "moonpost.core"
local stanza = require "moonpost.stanza"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"
local task = require "moonpost.task"

local device_jid = tap.device_jid

-- A contact that can go away and come back: its store outlives its client.
local function lasting(rig, name, handle)
  local contact = rig:contact(name, { store_handle = handle or assert(core.store.open {}) })
  contact.device = tap.device(rig, contact.client)
  return contact
end

local function come_back(rig, contact) return lasting(rig, contact.name, contact.client.store) end

-- Everything a device is written from now on, over all its connections.
local function written_to(rig, device)
  return rig:record("to-client", function(_, conn) return conn.device == device end)
end

local function of_tag(list, tag)
  local found = {}
  for _, node in ipairs(list) do
    if node.tag == tag then found[#found + 1] = node end
  end
  return found
end

-- The `ib` children of this kind, among what was written.
local function ibs(list, tag)
  local found = {}
  for _, node in ipairs(of_tag(list, "ib")) do found[#found + 1] = stanza.child(node, tag) end
  return found
end

-- Ana writes to Ben for the first time: he has her text, and her token.
local function acquaint(rig, ana, ben)
  local seen = tap.on(rig)
  assert(ana.client:send(ben.jid, "hello"))
  assert.equal("hello", ben:next().text)
  assert(ana.receipts:pop(30))
  seen:next(function(direction, node) return direction == "to-server" and node.tag == "ack" and node.attrs.type == "privacy_token" end)
end

-- Ana, and Ben who is away after they have become acquainted.
local function with_ben_away(rig)
  local ana, ben = rig:contact "Ana", lasting(rig, "Ben")
  acquaint(rig, ana, ben)
  ben.client:close()
  return ana, ben
end

local function ping() return stanza.node("iq", { xmlns = "w:p", type = "get", to = "s.whatsapp.net" }) end

-- Loses what a device confirms until the function returned is called.
local function lose_confirmations(rig, device)
  return rig:tap(function(direction, node, conn)
    return not (direction == "to-server" and conn.device == device and (node.tag == "receipt" or node.tag == "ack"))
  end)
end

describe("a device that was away", function()
  it("gets what it missed once, in order, and then what is new", support.async(function()
    local rig <close> = start()
    local ana, ben = with_ben_away(rig)
    for i = 1, 30 do assert(ana.client:send(ben.jid, tostring(i))) end
    assert.equal(0, #ana.receipts)
    ben = come_back(rig, ben)
    assert(ana.client:send(ben.jid, "31"))
    for i = 1, 31 do
      local m = ben:next()
      assert.equal(tostring(i), m.text)
      assert.equal(i <= 30, m.offline)
    end
    assert.equal(0, #ben.heard)
    local confirmed = 0
    repeat
      local receipt = assert(ana.receipts:pop(30))
      assert.equal("delivery", receipt.type)
      confirmed = confirmed + #receipt.ids
    until confirmed >= 31
    assert.equal(31, confirmed)
    assert.equal(0, ben.device.queue.count)
  end))

  it("is told how much waits, of what, and when that is over", support.async(function()
    local rig <close> = start()
    local ana, ben = with_ben_away(rig)
    for i = 1, 3 do assert(ana.client:send(ben.jid, tostring(i))) end
    local ana2 = rig:contact "Ana"
    assert.equal(1, #rig.sandbox.accounts:companions(ben.device.account))
    local list = written_to(rig, ben.device)
    ben = come_back(rig, ben)
    for i = 1, 3 do assert.equal(tostring(i), ben:next().text) end
    local preview, marker = ibs(list, "offline_preview")[1].attrs, ibs(list, "offline")[1].attrs
    local counts = {}
    for i, name in ipairs { "count", "message", "notification", "receipt", "appdata" } do counts[i] = tostring(preview[name]) end
    assert.same({ "4", "3", "1", "0", "0" }, counts)
    assert.equal("4", tostring(marker.count))
    for _, node in ipairs(of_tag(list, "message")) do assert.equal("1", tostring(node.attrs.offline)) end
    assert.equal("devices", of_tag(list, "notification")[1].attrs.type)
    assert.is_not_nil(ana2)
  end))

  it("for which nothing waits gets no preview, but the marker", support.async(function()
    local rig <close> = start()
    local ana, ben = with_ben_away(rig)
    local list = written_to(rig, ben.device)
    ben = come_back(rig, ben)
    assert(ana.client:send(ben.jid, "hi"))
    ben:next()
    assert.equal(0, #ibs(list, "offline_preview"))
    assert.equal("0", tostring(ibs(list, "offline")[1].attrs.count))
    assert.is_nil(of_tag(list, "message")[1].attrs.offline)
  end))

  it("gets what comes while it catches up behind the marker", support.async(function()
    local rig <close> = start()
    local ana, ben = with_ben_away(rig)
    local long = ("\u{1f600}"):rep(37500) -- 150,000 bytes: more than the socket takes at once
    for i = 1, 5 do assert(ana.client:send(ben.jid, long .. i)) end
    local list, begun = written_to(rig, ben.device), nil
    rig:tap(function(direction, node, conn)
      if begun or direction ~= "to-client" or node.tag ~= "message" or conn.device ~= ben.device then return end
      begun = core.net.timer(0, function()
        ben.device.queue:push(stanza.node("notification", {
          type = "devices", from = ana.jid, lid = ana.lid, id = rig.sandbox:next_id(), t = rig.sandbox.time(),
        }, stanza.node("update", { hash = "2:AAAAAAAA" })))
      end)
    end)
    ben = come_back(rig, ben)
    for i = 1, 5 do assert.equal(tostring(i), ben:next().text:sub(-1)) end
    assert(ana.client:send(ben.jid, "6"))
    assert.equal("6", ben:next().text)
    local order = {}
    for _, node in ipairs(list) do
      if node.tag == "message" or node.tag == "notification" or stanza.child(node, "offline") then
        order[#order + 1] = node.tag .. (node.attrs.offline or "")
      end
    end
    assert.same({ "message1", "message1", "message1", "message1", "message1", "ib", "notification", "message" }, order)
  end))

  it("tells the author that a message has arrived only when it is back", support.async(function()
    local rig <close> = start()
    local ana, ben = with_ben_away(rig)
    local sent = assert(ana.client:send(ben.jid, "hi"))
    assert(ana.client:send(ana.jid, "note"))
    assert.equal(0, #ana.receipts)
    come_back(rig, ben)
    assert.same({ sent.id }, ana.receipts:pop(30).ids)
  end))
end)

describe("what is not confirmed", function()
  it("comes again at the next login only, under the same id and time, and says how often it came", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", lasting(rig, "Ben")
    local list = written_to(rig, ben.device)
    local stop = lose_confirmations(rig, ben.device)
    local sent = assert(ana.client:send(ben.jid, "hi"))
    assert.equal(sent.id, ben:next().id)
    assert(ana.client:send(ben.jid, "there"))
    ben:next()
    ben.client:close()
    ben = come_back(rig, ben)
    ben.client:close()
    stop()
    local back = come_back(rig, ben)
    assert(ana.client:send(ben.jid, "next"))
    assert.equal("next", back:next().text)
    local times, attempts = {}, {}
    for _, node in ipairs(of_tag(list, "message")) do
      if node.attrs.id == sent.id then
        times[#times + 1], attempts[#attempts + 1] = tostring(node.attrs.t), tostring(node.attrs.offline)
      end
    end
    assert.same({ "nil", "2", "3" }, attempts)
    assert.same({ times[1], times[1], times[1] }, times)
    assert(back.client:query(ping())) -- behind its receipts
    assert.equal(0, back.device.queue.count)
  end))

  it("because the connection broke in the middle comes once and in order", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", lasting(rig, "Ben")
    local seen = 0
    rig:tap(function(direction, node, conn)
      if direction ~= "to-client" or node.tag ~= "message" or conn.device ~= ben.device then return end
      seen = seen + 1
      if seen == 10 or seen == 40 then
        conn:drop()
        return false
      end
    end)
    for i = 1, 60 do task.spawn(function() assert(ana.client:send(ben.jid, tostring(i))) end) end
    for i = 1, 60 do assert.equal(tostring(i), ben:next().text) end
    assert.equal(0, #ben.heard)
    assert.is_true(seen > 60)
  end))

  it("outlives the sandbox when its world is kept", support.async(function()
    local world = support.tmpdir()
    local rig <close> = start { world = world }
    local ana, ben = with_ben_away(rig)
    for i = 1, 3 do assert(ana.client:send(ben.jid, tostring(i))) end
    ana.client:close()
    rig.sandbox:close()
    local again <close> = start { world = world }
    local device = again.sandbox.accounts:device(device_jid(ben))
    assert.equal(3, device.queue.count)
    ben = come_back(again, ben)
    for i = 1, 3 do assert.equal(tostring(i), ben:next().text) end
    assert.equal(0, #ben.heard)
  end))
end)

describe("a confirmation", function()
  -- Pushes a message of Ana's to Ben's device that Ben's client never confirms by itself.
  local function push(ben, from, id)
    ben.device.queue:push(stanza.node("message", {
      from = from.lid, sender_pn = from.jid, id = id, t = "1769296600", type = "text",
    }, stanza.node("enc", { v = "2", type = "msg" }, "x")))
  end

  local function confirm(ben, node)
    ben.client.connection:send(node)
    assert(ben.client:query(ping())) -- behind it
  end

  -- Pushes messages of `from` to Ben, who cannot read them; what his client says of them is lost.
  local function push_unconfirmed(rig, ben, from, ids)
    local stop, errors = lose_confirmations(rig, ben.device), tap.event(ben.client, "error")
    for _, id in ipairs(ids) do push(ben, from, id) end
    for _ = 1, #ids do assert(errors:pop(30)) end
    ben.client:committed()
    assert(ben.client:query(ping()))
    stop()
  end

  local function with_unconfirmed(rig, ids)
    local ana, ben = rig:contact "Ana", lasting(rig, "Ben")
    acquaint(rig, ana, ben)
    push_unconfirmed(rig, ben, ana, ids)
    return ana, ben
  end

  it("is a receipt that names the message, alone or in a list, or an ack, also one that refuses", support.async(function()
    local rig <close> = start()
    local ana, ben = with_unconfirmed(rig, { "A", "B", "C", "D", "E" })
    local queue = ben.device.queue
    assert.equal(5, queue.count)
    confirm(ben, stanza.node("receipt", { id = "nobody", to = ana.lid }, stanza.node("list", nil, {
      stanza.node("item", { id = "A" }), stanza.node("item", { id = "B" }),
    })))
    assert.equal(3, queue.count)
    confirm(ben, stanza.node("ack", { class = "message", id = "C", to = ana.lid, error = "500" }))
    assert.equal(2, queue.count)
    confirm(ben, stanza.node("ack", { class = "receipt", id = "D", to = ana.lid }))
    confirm(ben, stanza.node("receipt", { id = "D", to = ben.jid, type = "hist_sync" }))
    assert.equal(2, queue.count)
    confirm(ben, stanza.node("receipt", { id = "D", to = ana.lid, type = "inactive" }))
    confirm(ben, stanza.node("ack", { class = "message", id = "E", to = ana.lid }))
    assert.equal(0, queue.count)
  end))

  it("names the sender where two messages have one id", support.async(function()
    local rig <close> = start()
    local ana, ben = with_unconfirmed(rig, { "A" })
    local cleo = rig:contact "Cleo"
    push_unconfirmed(rig, ben, cleo, { "A" })
    confirm(ben, stanza.node("receipt", { id = "A", to = cleo.lid }))
    assert.equal(1, ben.device.queue.count)
    local left = ben.device.queue.items[next(ben.device.queue.items)]
    assert.equal(ana.lid, left.node.attrs.from)
  end))
end)
