-- Telling what was read and played (fact sheet 04 §7.4; 08 §13).
local core = require "moonpost.core"
local stanza = require "moonpost.stanza"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"
local task = require "moonpost.task"

local GROUP = "120363000000000001@g.us"

local function ping(contact)
  assert(contact.client:query(stanza.node("iq", { xmlns = "w:p", type = "get", to = "s.whatsapp.net" })))
end

-- The receipts of these types that a contact's client sends, from now on.
local function receipts_of(rig, contact, ...)
  local wanted, queue = {}, task.queue()
  for _, type in ipairs { ... } do wanted[type] = true end
  rig:tap(function(direction, node, conn)
    if direction == "to-server" and node.tag == "receipt" and wanted[node.attrs.type] and (not contact or tap.is_to(conn, contact)) then
      queue:push(node)
    end
  end)
  return queue
end

local function ids_of(node)
  local ids = { node.attrs.id }
  for _, item in stanza.children(stanza.child(node, "list"), "item") do ids[#ids + 1] = item.attrs.id end
  return ids
end

local function next_of(receipts, type)
  local receipt
  repeat receipt = assert(receipts:pop(30)) until receipt.type == type
  return receipt
end


describe("what a client has read", function()
  it("is told to the author, many messages by one receipt", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local said = receipts_of(rig, ben, "read")
    local one, two = ben:hears(ana, "one"), ben:hears(ana, "two")
    assert(ben.client:mark_read { one, two })
    local node = assert(said:pop(30))
    assert.same({ ana.lid, { one.id, two.id } }, { node.attrs.to, ids_of(node) })
    assert.is_nil(node.attrs.participant)
    assert.is_true(math.abs(tonumber(node.attrs.t) - os.time()) < 60)
    assert.same({ one.id, two.id }, next_of(ana.receipts, "read").ids)
    assert.equal(0, #said)
  end))

  it("is told to each author of a group alone, by name", support.async(function()
    local rig <close> = start()
    local ben = rig:contact "Ben"
    local said = receipts_of(rig, ben, "read")
    local function of(id, sender) return { id = id, chat = GROUP, sender = sender } end
    assert(ben.client:mark_read { of("A", "1@lid"), of("B", "2@lid"), of("C", "1@lid") })
    local first, second = assert(said:pop(30)), assert(said:pop(30))
    assert.same({ GROUP, "1@lid", { "A", "C" } }, { first.attrs.to, first.attrs.participant, ids_of(first) })
    assert.same({ GROUP, "2@lid", { "B" } }, { second.attrs.to, second.attrs.participant, ids_of(second) })
  end))

  it("in a group of phone numbers is told under those", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local _, answer = tap.admin(rig, "POST", "/admin/mock-phone/group", {
      creator = ana.jid, subject = "Tea", members = { ben.jid }, mode = "pn",
    })
    assert(ana.client:send(answer.jid, "hi"))
    local m, said = ben:next(), receipts_of(rig, ben, "read")
    assert.equal(ana.lid, m.sender)
    assert(ben.client.groups:get(answer.jid))
    assert(ben.client:mark_read { m })
    assert.equal(ana.jid, said:pop(30).attrs.participant)
    assert.equal(answer.jid, next_of(ana.receipts, "read").chat)
  end))

  it("of what was sent to a list is told to the list, by name", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local _, answer = tap.admin(rig, "POST", "/admin/mock-phone/broadcast", { from = ana.jid, text = "to all", to = { ben.jid } })
    local m, said = ben:next(), receipts_of(rig, ben, "read")
    assert.equal(ana.lid, m.chat)
    assert(ben.client:mark_read { m })
    local node = assert(said:pop(30))
    assert.same({ answer.jid, ana.lid, { m.id } }, { node.attrs.to, node.attrs.participant, ids_of(node) })
  end))

  it("is told by 256 in a receipt at most", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local said, list = receipts_of(rig, ben, "read"), {}
    for i = 1, 257 do list[i] = { id = "ID" .. i, chat = ana.lid, sender = ana.lid } end
    assert(ben.client:mark_read(list))
    assert.equal(256, #ids_of(said:pop(30)))
    assert.same({ "ID257" }, ids_of(said:pop(30)))
  end))

  it("and played is told as well", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local m = ben:hears(ana, "imagine a voice")
    assert(ben.client:mark_read({ m }, "played"))
    assert.same({ m.id }, next_of(ana.receipts, "played").ids)
  end))

  it("of a status post is told to its author under both names, of a channel to nobody", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    ben:hears(ana, "we know each other")
    local said = receipts_of(rig, ben, "read", "read-self")
    assert(ben.client:mark_read { { id = "A", chat = "status@broadcast", sender = ana.lid } })
    local node = assert(said:pop(30))
    assert.same({ "status@broadcast", "read", ana.lid, ana.jid },
      { node.attrs.to, node.attrs.type, node.attrs.participant, node.attrs.peer_participant_pn })
    assert(ben.client:mark_read { { id = "B", chat = "120363000000000002@newsletter", sender = "120363000000000002@newsletter" } })
    node = assert(said:pop(30))
    assert.same({ "120363000000000002@newsletter", "read-self" }, { node.attrs.to, node.attrs.type })
  end))

  it("is not told of own messages, nor of what is no message", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local said = receipts_of(rig, ben, "read", "read-self")
    assert(ben.client:mark_read { { id = "A", chat = ana.lid, sender = ben.lid, from_me = true } })
    ping(ben)
    assert.equal(0, #said)
    assert.error_matches(function() ben.client:mark_read { { id = "A", chat = ana.lid } } end, "message 1 has no sender")
    assert.error_matches(function() ben.client:mark_read({}, "seen") end, "'read' or 'played'")
  end))
end)

describe("who keeps to themselves what they read", function()
  it("tells people nothing, but groups and the own other devices; the setting is asked for once", support.async(function()
    local rig <close> = start()
    local ana, ben, ben2 = rig:contact "Ana", rig:contact "Ben", rig:contact "Ben"
    rig.sandbox.accounts.by_name.Ben.privacy.readreceipts = "none"
    local asked = rig:record("to-server", function(node) return node.attrs.xmlns == "privacy" and node.attrs.type == "get" end)
    local said = receipts_of(rig, ben, "read", "read-self")
    local m = ben:hears(ana, "hi")
    assert(ben.client:mark_read { m, { id = "A", chat = GROUP, sender = "1@lid" } })
    local one, two = assert(said:pop(30)), assert(said:pop(30))
    assert.same({ "read-self", ana.lid, "read", GROUP }, { one.attrs.type, one.attrs.to, two.attrs.type, two.attrs.to })
    local own = next_of(ben2.receipts, "read-self")
    assert.same({ true, ana.lid, { m.id } }, { own.own, own.chat, own.ids })
    assert(ben.client:mark_read { ben:hears(ana, "again") })
    assert.equal("read-self", said:pop(30).attrs.type)
    assert.equal(1, #asked)
    for receipt in function() return #ana.receipts > 0 and ana.receipts:pop(30) or nil end do assert.equal("delivery", receipt.type) end
  end))

  it("is taken at its word by the server, whose acks tell a client that the setting has changed", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local account, said = rig.sandbox.accounts.by_name.Ben, receipts_of(rig, ben, "read", "read-self")
    local setting = "all"
    assert(ben.client:mark_read { ben:hears(ana, "hi") })
    assert.equal("read", said:pop(30).attrs.type)
    next_of(ana.receipts, "read")
    for _, now in ipairs { "none", "all", "all" } do
      local m = ben:hears(ana, "hi")
      account.privacy.readreceipts = now
      assert(ben.client:mark_read { m })
      assert.equal(setting == "all" and "read" or "read-self", said:pop(30).attrs.type)
      ping(ben)
      setting = now
    end
    assert.equal(1, #next_of(ana.receipts, "read").ids)
    ping(ana)
    for receipt in function() return #ana.receipts > 0 and ana.receipts:pop(30) or nil end do assert.not_equal("read", receipt.type) end
  end))

  it("is known after a restart, and heard of when it changes", support.async(function()
    local rig <close> = start()
    local ana, handle = rig:contact "Ana", assert(core.store.open {})
    local ben = rig:contact("Ben", { store_handle = handle })
    rig.sandbox.accounts.by_name.Ben.privacy.readreceipts = "none"
    local said = receipts_of(rig, nil, "read", "read-self")
    assert(ben.client:mark_read { ben:hears(ana, "hi") })
    assert.equal("read-self", said:pop(30).attrs.type)
    ben.client:close()
    ben = rig:contact("Ben", { store_handle = handle })
    local asked = rig:record("to-server", function(node) return node.attrs.xmlns == "privacy" and node.attrs.type == "get" end)
    assert(ben.client:mark_read { ben:hears(ana, "hi") })
    assert.equal("read-self", said:pop(30).attrs.type)
    assert.equal(0, #asked)
    ping(ben)
    tap.hand(rig, ben, stanza.node("notification", { type = "account_sync", from = ben.jid, id = "1", t = "1769296600" },
      stanza.node("privacy", nil, stanza.node("category", { name = "readreceipts", value = "all" }))))
    assert(ben.client:mark_read { ben:hears(ana, "hi") })
    assert.equal("read", said:pop(30).attrs.type)
  end))
end)

describe("a read mark", function()
  it("made while offline is told at the next login, by a later run too", support.async(function()
    local rig <close> = start()
    local ana, handle = rig:contact "Ana", assert(core.store.open {})
    local ben = rig:contact("Ben", { store_handle = handle })
    local m = ben:hears(ana, "hi")
    ben.client.connection:stop()
    assert(ben.client:mark_read { m })
    assert(ben.client:committed())
    ben.client:close()
    rig:contact("Ben", { store_handle = handle })
    assert.same({ m.id }, next_of(ana.receipts, "read").ids)
  end))

  it("that the server has not taken is told again, one that it has is not", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", tap.quick(rig, "Ben")
    local m, swallowed = ben:hears(ana, "hi"), task.queue()
    local stop = rig:tap(function(direction, node)
      if direction ~= "to-server" or node.tag ~= "receipt" or node.attrs.type ~= "read" then return end
      swallowed:push(node)
      return false
    end)
    assert(ben.client:mark_read { m })
    assert(swallowed:pop(30))
    stop()
    local said = receipts_of(rig, ben, "read")
    ben.device.connection:stream_error "515"
    assert(ben.online:pop(30))
    assert.same({ m.id }, ids_of(said:pop(30)))
    next_of(ana.receipts, "read")
    ping(ben)
    ben.device.connection:stream_error "515"
    assert(ben.online:pop(30))
    ping(ben)
    assert.equal(0, #said)
    assert(ben.client:send(ana.jid, "a commit"))
    assert.equal(0, ben.client.store:count("dedupe", "m"))
  end))
end)

describe("a bot", function()
  -- A bot with these handlers, a contact who writes to it, and the read receipts it sends.
  local function talk(rig, options, prepare)
    local bot = rig:bot(options)
    prepare(bot)
    local me = rig:run(bot)
    local ana = rig:contact "Ana"
    local function say(text) return assert(ana.client:send(me.lid, text)).id end
    return bot, ana, say
  end

  local function is_read(ana) return next_of(ana.receipts, "read").ids end

  it("shows as read what a handler or a command of it has dealt with, and nothing else", support.async(function()
    local rig <close> = start()
    local _, ana, say = talk(rig, nil, function(bot)
      bot:command("ping", function(ctx) ctx:reply "pong" end)
      bot:on("message", { text = "^hi" }, function() end)
      bot:on("message", { text = "^fail" }, function() error "no" end)
      bot:on("error", function() end)
    end)
    say "not for the bot"
    say "fail"
    local hi = say "hi"
    assert.same({ hi }, is_read(ana))
    local command = say "!ping"
    assert.same({ command }, is_read(ana))
  end))

  it("shows a question's answer as read, and the message it asks about before it has the answer", support.async(function()
    local rig <close> = start()
    local _, ana, say = talk(rig, nil, function(bot)
      bot:command("order", function(ctx)
        ctx:ask "What?"
        ctx:ask "Where?"
      end)
    end)
    for _, text in ipairs { "!order", "tea", "here" } do
      local id = say(text)
      assert.same({ id }, is_read(ana))
    end
  end))

  it("hears who has come how far with a message of its own, and finds it in the message", support.async(function()
    local rig <close> = start()
    local bot, heard, sent = rig:bot(), task.queue(), nil
    bot:on("receipt", function(receipt) heard:push(receipt) end)
    bot:command("ping", function(ctx) sent = ctx:reply "pong" end)
    local me = rig:run(bot)
    local ana = rig:contact "Ana"
    local pong = ana:ask(me.lid, "!ping")
    local number = ana.jid:match "^%d+"
    local receipt = assert(heard:pop(30))
    assert.same({ pong.id, ana.lid, false, ana.lid, number, "delivered" },
      { receipt.id, receipt.chat, receipt.group, receipt.sender, receipt.phone, receipt.status })
    assert(ana.client:mark_read { pong })
    assert.equal("read", heard:pop(30).status)
    assert.same({ "read", "read" }, { sent.status, bot:message(ana.lid, pong.id).status })
    local of = sent:receipts()[1]
    assert.same({ ana.lid, true, true, nil }, { of.jid, of.delivered ~= nil, of.read ~= nil, of.played })
  end))

  it("that is not to show it leaves it to its handlers", support.async(function()
    local rig <close> = start()
    local _, ana, say = talk(rig, { mark_read = false }, function(bot)
      bot:on("message", function(ctx)
        if ctx.text == "read me" then ctx:mark_read() end
        if ctx.text == "play me" then ctx:mark_played() end
      end)
    end)
    say "hi"
    local id = say "read me"
    assert.same({ id }, is_read(ana))
    id = say "play me"
    assert.same({ id }, next_of(ana.receipts, "played").ids)
  end))
end)
