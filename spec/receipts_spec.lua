-- Receipts: what an author hears of a message, and how each receipt is acknowledged (fact sheet 04 §7, §8; 08 §13).
local core = require "moonpost.core"
local stanza = require "moonpost.stanza"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"

local device_jid = tap.device_jid

local function ping(contact)
  assert(contact.client:query(stanza.node("iq", { xmlns = "w:p", type = "get", to = "s.whatsapp.net" })))
end

local inject = tap.hand

local function group_of(rig, creator, ...)
  local members = {}
  for i, one in ipairs { ... } do members[i] = one.jid end
  local status, answer = tap.admin(rig, "POST", "/admin/mock-phone/group", { creator = creator.jid, subject = "Tea", members = members })
  assert(status == 200, status)
  return answer.jid
end

-- From now on no client hears of a receipt that another has sent.
local function mute_receipts(rig)
  rig:tap(function(direction, node) return not (direction == "to-client" and node.tag == "receipt") end)
end

-- What is known of these contacts, in their order.
local function by_jid(list, ...)
  local found, ordered = {}, {}
  for _, one in ipairs(list) do found[one.jid] = one end
  for i, contact in ipairs { ... } do ordered[i] = found[contact.lid] or false end
  assert.equal(#list, #ordered)
  return ordered
end

-- What a client acknowledges receipts with, from now on.
local function acks_of(rig, contact)
  local device = tap.device(rig, contact.client)
  return rig:record("to-server", function(node, conn)
    return node.tag == "ack" and node.attrs.class == "receipt" and conn.device == device
  end)
end

describe("an author", function()
  it("hears on all devices that each device of the other side has a message", support.async(function()
    local rig <close> = start()
    local ana, ana2, ben, ben2 = rig:contact "Ana", rig:contact "Ana", rig:contact "Ben", rig:contact "Ben"
    local sent = assert(ana.client:send(ben.jid, "hi"))
    for _, one in ipairs { ana, ana2 } do
      local readers = {}
      while not (readers[device_jid(ben, "lid")] and readers[device_jid(ben2, "lid")]) do
        local receipt = assert(one.receipts:pop(30))
        assert.same({ sent.id }, receipt.ids)
        assert.equal(ben.lid, receipt.chat)
        if not receipt.own then
          assert.equal("delivery", receipt.type)
          assert.is_true(math.abs(receipt.time - os.time()) < 60)
          readers[receipt.sender] = true
        end
      end
      assert.is_nil(readers[ben.lid]) -- the phone stays silent
    end
  end))

  it("hears of the own other devices that they have their copy, and can tell them apart", support.async(function()
    local rig <close> = start()
    local ana, ana2, ben = rig:contact "Ana", rig:contact "Ana", rig:contact "Ben"
    local sent = assert(ana.client:send(ben.jid, "hi"))
    local own
    repeat own = assert(ana.receipts:pop(30)) until own.own
    assert.same({ "sender", device_jid(ana2, "lid"), ben.lid, { sent.id } }, { own.type, own.sender, own.chat, own.ids })
  end))

  it("hears that a message came while nobody was there", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    ben.client.presence:unavailable()
    assert(ana.client:send(ben.jid, "hi"))
    assert.equal("inactive", ana.receipts:pop(30).type)
    ben.client.presence:available()
    assert(ana.client:send(ben.jid, "hi"))
    assert.equal("delivery", ana.receipts:pop(30).type)
  end))

  it("hears what was read, all ids of a list", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local one, two = assert(ana.client:send(ben.jid, "1")), assert(ana.client:send(ben.jid, "2"))
    for _ = 1, 2 do assert.equal("delivery", ana.receipts:pop(30).type) end
    ben.client.connection:send(stanza.node("receipt", { id = one.id, to = ana.lid, type = "read", t = math.floor(core.net.time()) },
      stanza.node("list", nil, { stanza.node("item", { id = two.id }) })))
    local receipt = assert(ana.receipts:pop(30))
    assert.same({ "read", { one.id, two.id }, false }, { receipt.type, receipt.ids, receipt.own })
  end))

  it("is not told of a receipt that names nobody's message", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    for _, type in ipairs { "hist_sync", "peer_msg" } do
      ben.client.connection:send(stanza.node("receipt", { id = "AAAA", to = ana.jid, type = type }))
    end
    ping(ben)
    ping(ana)
    assert.equal(0, #ana.receipts)
  end))
end)

describe("what became of a message", function()
  local function claim(contact, to, type, id, more)
    contact.client.connection:send(stanza.node("receipt", { id = id, to = to.lid, type = type, t = type and math.floor(core.net.time()) },
      more and stanza.node("list", nil, { stanza.node("item", { id = more }) }) or nil))
    ping(contact)
  end

  it("is not for a third one to say, who has learnt its id", support.async(function()
    local rig <close> = start()
    local ana, ben, mallory = rig:contact "Ana", rig:contact "Ben", rig:contact "Mallory"
    assert(mallory.client:send(ana.jid, "we know each other"))
    local sent = assert(ana.client:send(ben.jid, "hi"))
    assert.equal(ben.lid, assert(ana.receipts:pop(30)).chat)
    claim(mallory, ana, "read", sent.id)
    claim(mallory, ana, nil, sent.id)
    claim(ben, ana, "read", sent.id)
    local receipt = assert(ana.receipts:pop(30))
    assert.same({ "read", ben.lid }, { receipt.type, receipt.chat })
    assert.equal(0, #ana.receipts)
  end))

  it("is told of those in a list that are of the chat", support.async(function()
    local rig <close> = start()
    local ana, ben, cleo = rig:contact "Ana", rig:contact "Ben", rig:contact "Cleo"
    local one, other = assert(ana.client:send(ben.jid, "hi")), assert(ana.client:send(cleo.jid, "hi"))
    for _ = 1, 2 do assert.equal("delivery", ana.receipts:pop(30).type) end
    claim(ben, ana, "read", other.id, one.id)
    assert.same({ one.id }, assert(ana.receipts:pop(30)).ids)
    claim(cleo, ana, "read", other.id, one.id)
    assert.same({ other.id }, assert(ana.receipts:pop(30)).ids)
  end))

  it("can be said after the server was started anew, for as many messages as it keeps", function()
    local store = assert(core.store.open { kind = "world" })
    local sent = require "moonpost.sandbox.sent"
    local written = sent.open(store, "15550001111", true, 3)
    for i, chat in ipairs { "1", "2", "3", "2" } do written:add("ID" .. i, chat) end
    written:add("ID4", "2")
    for _, one in ipairs { written, sent.open(store, "15550001111", true, 3) } do
      assert.same({ nil, "2", "3", "2" }, { one:chat_of "ID1", one:chat_of "ID2", one:chat_of "ID3", one:chat_of "ID4" })
    end
    assert.equal(3, store:count("world", "m15550001111"))
    store:close()
  end)
end)

describe("a message of ours", function()
  local status_of = require "moonpost.client.message_status"

  local function status(contact, chat, id) return status_of(contact.client, contact.client.archive:get(chat, id)) end

  it("is sent, delivered, read, played, whichever device of the other side says so, and is so after a restart", support.async(function()
    local rig <close> = start()
    local ana, ben, ben2 = rig:contact "Ana", rig:contact "Ben", rig:contact "Ben"
    local changes, held = tap.event(ana.client, "status"), true
    rig:tap(function(direction, node, conn)
      return not (held and direction == "to-client" and node.tag == "message" and conn.device.account.name == "Ben")
    end)
    local id = assert(ana.client:send(ben.jid, "hi")).id
    assert.equal("sent", status(ana, ben.lid, id))
    held = false
    for _, one in ipairs { ben, ben2 } do tap.device(rig, one.client).connection:drop() end
    local m = ben:next()
    local change = assert(changes:pop(30))
    assert.same({ id, ben.lid, ben.lid, "delivered" }, { change.id, change.chat, change.sender, change.status })
    assert.equal("delivered", status(ana, ben.lid, id))
    ben2:next()
    for _, what in ipairs { "read", "played" } do
      assert(ben.client:mark_read({ m }, what))
      assert.equal(what, changes:pop(30).status)
      assert.equal(what, status(ana, ben.lid, id))
    end
    assert(ben2.client:mark_read { m })
    ping(ben2)
    ping(ana)
    assert.equal(0, #changes)
    local handle = ana.client.store
    ana.client:close()
    ana = rig:contact("Ana", { store_handle = handle })
    assert.equal("played", status(ana, ben.lid, id))
    local one = ana.client.delivered:of(id)[1]
    assert.is_true(one.jid == ben.lid and one.delivered <= one.read and one.read <= one.played)
  end))

  it("in a group is as far as the last of its members", support.async(function()
    local rig <close> = start()
    local ana, ben, cleo = rig:contact "Ana", rig:contact "Ben", rig:contact "Cleo"
    local group = group_of(rig, ana, ben, cleo)
    local changes = tap.event(ana.client, "status")
    local function change(sender, what)
      local seen = assert(changes:pop(30))
      assert.same({ sender.lid, what, group }, { seen.sender, seen.status, seen.chat })
    end
    local id = assert(ana.client:send(group, "hi")).id
    local of_ben, of_cleo = ben:next(), cleo:next()
    for _ = 1, 2 do assert.equal("delivered", changes:pop(30).status) end
    assert.equal("delivered", status(ana, group, id))
    assert(ben.client:mark_read { of_ben })
    change(ben, "read")
    assert.equal("delivered", status(ana, group, id))
    assert(cleo.client:mark_read { of_cleo })
    change(cleo, "read")
    assert.equal("read", status(ana, group, id))
  end))

  it("that was refused has failed, one to oneself is sent", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    rig:fault { what = "error", tag = "message", direction = "to-server", code = 406 }
    local ids = {}
    rig:tap(function(direction, node)
      if direction == "to-server" and node.tag == "message" then ids[#ids + 1] = node.attrs.id end
    end)
    assert.is_nil((ana.client:send(ben.jid, "hi")))
    assert.equal("failed", status(ana, ben.lid, ids[1]))
    local own = assert(ana.client:send(ana.jid, "note")).id
    assert.equal("sent", status(ana, ana.lid, own))
  end))
end)

describe("a receipt", function()
  it("of many readers is told one by one, in both forms", support.async(function()
    local rig <close> = start()
    local ana, ben, cleo = rig:contact "Ana", rig:contact "Ben", rig:contact "Cleo"
    local group = group_of(rig, ana, ben, cleo)
    mute_receipts(rig)
    local sent = assert(ana.client:send(group, "hi")).id
    local users = {
      stanza.node("user", { jid = device_jid(ben, "lid"), t = "1769296600", type = "read" }),
      stanza.node("user", { jid = cleo.lid, t = "1769296601" }),
    }
    local changes = tap.event(ana.client, "status")
    inject(rig, ana, stanza.node("receipt", { from = group, id = "X", t = "1" }, stanza.node("participants", { message_id = sent }, users)))
    inject(rig, ana, stanza.node("receipt", { from = group, id = "X", t = "1", type = "read" },
      stanza.node("participants", { key = sent }, { users[2] })))
    local told = {}
    for i = 1, 3 do
      local receipt = assert(ana.receipts:pop(30))
      told[i] = ("%s %s %s %s"):format(receipt.ids[1], receipt.sender, receipt.type, receipt.time)
      assert.equal(group, receipt.chat)
    end
    assert.same({
      ("%s %s read 1769296600"):format(sent, device_jid(ben, "lid")), ("%s %s delivery 1769296601"):format(sent, cleo.lid),
      ("%s %s read 1769296601"):format(sent, cleo.lid),
    }, told)
    for _, status in ipairs { "read", "delivered", "read" } do assert.equal(status, changes:pop(30).status) end
    assert.same({
      { jid = ben.lid, delivered = 1769296600, read = 1769296600 }, { jid = cleo.lid, delivered = 1769296601, read = 1769296601 },
    },
    by_jid(ana.client.delivered:of(sent), ben, cleo))
  end))

  it("of another own device that has read a chat is about that chat, and no tick", support.async(function()
    local rig <close> = start()
    local ana, ana2, ben = rig:contact "Ana", rig:contact "Ana", rig:contact "Ben"
    inject(rig, ana, stanza.node("receipt", {
      from = device_jid(ana2, "lid"), recipient = ben.lid, id = "AAAA", t = "1769296600", type = "read",
    }))
    local receipt = assert(ana.receipts:pop(30))
    assert.same({ "read-self", true, ben.lid }, { receipt.type, receipt.own, receipt.chat })
  end))

  it("is acknowledged as it came: no type invented, nothing that was copied left out", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local acks, from = acks_of(rig, ana), device_jid(ben, "lid")
    inject(rig, ana, stanza.node("receipt", { from = from, id = "A", t = "1" }))
    inject(rig, ana, stanza.node("receipt", { from = from, id = "B", t = "1", type = "read", participant = from, recipient = ben.lid }))
    inject(rig, ana, stanza.node("receipt", { from = from, id = "C", t = "1", type = "of tomorrow" }))
    ping(ana)
    assert.same({
      { class = "receipt", id = "A", to = from },
      { class = "receipt", id = "B", to = from, type = "read", participant = from, recipient = ben.lid },
      { class = "receipt", id = "C", to = from, type = "of tomorrow" },
    }, { acks[1].attrs, acks[2].attrs, acks[3].attrs })
  end))

  it("for what nobody has sent, for somebody else's message or from nobody of the group is passed over, with the reason in the log",
    support.async(function()
      local rig <close> = start()
      local ana, ben, mallory = rig:contact "Ana", rig:contact "Ben", rig:contact "Mallory"
      local group = group_of(rig, ana, ben)
      assert(ana.client.groups:get(group))
      mute_receipts(rig)
      local in_group, to_ben = assert(ana.client:send(group, "hi")).id, assert(ana.client:send(ben.jid, "hi")).id
      local reasons, changes = {}, tap.event(ana.client, "status")
      ana.client.log = setmetatable({ debug = function(_, text, ...) reasons[#reasons + 1] = text:format(...) end },
        { __index = ana.client.log })
      for _, one in ipairs {
        { { from = device_jid(ben), id = "3EB0FFFF" }, "message 3EB0FFFF is passed over: nobody here has sent it" },
        { { from = device_jid(mallory), id = to_ben, type = "read" }, "passed over: that was for " .. ben.lid },
        { { from = mallory.lid, id = in_group }, "passed over: that was for " .. group },
        { { from = group, participant = device_jid(mallory, "lid"), id = in_group }, "passed over: the sender is not in the group" },
        { { from = ben.lid:gsub("@", ":100@"), id = to_ben }, "passed over: no device has such a number" },
      } do
        one[1].t = "1769296600"
        inject(rig, ana, stanza.node("receipt", one[1]))
        ping(ana)
        assert.matches(one[2], table.remove(reasons) or "", 1, true)
      end
      assert.same({ 0, 0 }, { #ana.receipts, #changes })
      assert.same({}, ana.client.delivered:of(to_ben))
    end))

  it("of more messages than anybody names at once is listened to in part, and acknowledged", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    mute_receipts(rig)
    local sent, items = assert(ana.client:send(ben.jid, "hi")).id, {}
    for i = 1, 20000 do items[i] = stanza.node("item", { id = i == 1000 and sent or "x" }) end
    local acks = acks_of(rig, ana)
    inject(rig, ana, stanza.node("receipt", { from = ben.lid, id = "first", t = "1769296600", type = "read" },
      stanza.node("list", nil, items)))
    assert.same({ sent }, assert(ana.receipts:pop(30)).ids)
    assert(ana.client:send(ben.jid, "a commit"))
    ping(ana)
    assert.equal("first", acks[1].attrs.id)
  end))

  it("without an id is passed over", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local acks = acks_of(rig, ana)
    inject(rig, ana, stanza.node("receipt", { from = ben.lid, t = "1" }))
    ping(ana)
    assert.equal(0, #acks + #ana.receipts)
  end))
end)
