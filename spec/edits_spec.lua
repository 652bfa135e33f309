-- Edits, in and out (fact sheet 05 §7.2, 04 §15.4).
local core = require "moonpost.core"
local messages = require "moonpost.client.messages"
local rig_of = require "spec.rig"
local support = require "spec.support"
local stanza = require "moonpost.stanza"
local tap = require "spec.tap"
local task = require "moonpost.task"

local start = rig_of.start

local function edit_of(key, text, at)
  return { protocolMessage = {
    key = key, type = "MESSAGE_EDIT", editedMessage = { conversation = text }, timestampMs = at or core.net.time() * 1000 // 1 | 0,
  } }
end

local function text_at(contact, chat, id, sender)
  local m = contact.client:message(chat, id, sender)
  return m and m.text
end

describe("an edit", function()
  it("arrives as one, with the new text and what it edits, and the message then reads so on both sides", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local sent = assert(ana.client:send(ben.jid, "helo"))
    ben:next()
    local stanzas = rig:record("to-server", function(node) return node.tag == "message" end)
    assert(ana.client:edit({ chat = ben.lid, id = sent.id, from_me = true }, "hello"))
    local m = ben:next()
    assert.same({ "edit", "hello", true }, { m.kind, m.text, m.edited })
    assert.same({ chat = ana.lid, id = sent.id, sender = ana.lid, from_me = false }, m.target)
    assert.equal("1", stanzas[1].attrs.edit)
    assert.equal("hide", stanza.path(stanzas[1], "participants", "to", "enc").attrs["decrypt-fail"])
    assert.equal("hello", text_at(ben, ana.lid, sent.id))
    local own = ana.client:message(ben.jid, sent.id)
    assert.equal("hello", own.text)
    assert.is_true(math.abs(own.edited - core.net.time()) < 60)
  end))

  it("is understood without the wrapper, as others write it", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local sent = assert(ana.client:send(ben.jid, "helo"))
    ben:next()
    assert(ana.client:send(ben.jid, edit_of({ remoteJid = ben.jid, fromMe = true, id = sent.id }, "hello")))
    assert.equal("edit", ben:next().kind)
    assert.equal("hello", text_at(ben, ana.lid, sent.id))
  end))

  it("of somebody else's message is refused, and the next message is heard", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local errors = tap.event(ben.client, "error")
    local own = assert(ben.client:send(ana.jid, "mine"))
    ana:next()
    assert(ana.client:send(ben.jid, edit_of({ remoteJid = ana.jid, fromMe = true, id = own.id }, "forged")))
    assert(ana.client:send(ben.jid, edit_of({ remoteJid = ben.jid, fromMe = false, id = own.id }, "forged")))
    for _ = 1, 2 do
      local err = assert(errors:pop(30))
      assert.equal("not-allowed", err.code)
      assert.matches("edits message " .. own.id, err.message, 1, true)
    end
    assert(ana.client:send(ben.jid, "next"))
    assert.equal("next", ben:next().text)
    assert.equal("mine", text_at(ben, ana.lid, own.id))
    local sent, err = ana.client:edit({ chat = ben.lid, id = own.id, sender = ben.lid, from_me = false }, "x")
    assert.same({ nil, "not-allowed" }, { sent, err.code })
  end))

  it("is of a text, a caption or an event: of another kind it is not sent", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local sent = assert(ana.client:send(ben.jid, { poll = "Lunch?", choices = { "Soup", "Salad" } }))
    local done, err = ana.client:edit({ chat = ben.lid, id = sent.id, from_me = true }, "Dinner?")
    assert.same({ nil, "not-allowed" }, { done, err.code })
    assert.equal("Lunch?", ana.client:message(ben.lid, sent.id).poll.question)
  end))

  it("that comes after 20 minutes is refused, and is not sent either", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local errors = tap.event(ben.client, "error")
    local sent = assert(ana.client:send(ben.jid, "old"))
    ben:next()
    for _, one in ipairs { { ben, ana.lid }, { ana, ben.lid } } do
      one[1].client.archive:update(one[2], sent.id, ana.lid, function(entry) entry.time = entry.time - 1205 end)
    end
    local done, err = ana.client:edit({ chat = ben.lid, id = sent.id, from_me = true }, "new")
    assert.same({ nil, "too-late" }, { done, err.code })
    assert(ana.client:send(ben.jid, edit_of({ remoteJid = ben.jid, fromMe = true, id = sent.id }, "new")))
    assert.equal("too-late", assert(errors:pop(30)).code)
    assert.equal("old", text_at(ben, ana.lid, sent.id))
  end))

  it("of a message nobody knows is heard, and marked", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    assert(ana.client:send(ben.jid, edit_of({ remoteJid = ben.jid, fromMe = true, id = "NOBODYS" }, "new")))
    local m = ben:next()
    assert.same({ "edit", "new", true }, { m.kind, m.text, m.target.unknown })
  end))

  it("that is older than the last one changes nothing", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local sent = assert(ana.client:send(ben.jid, "first"))
    ben:next()
    local now, key = core.net.time() * 1000 // 1 | 0, { remoteJid = ben.jid, fromMe = true, id = sent.id }
    assert(ana.client:send(ben.jid, edit_of(key, "third", now)))
    ben:next()
    assert(ana.client:send(ben.jid, edit_of(key, "second", now - 5)))
    assert(ana.client:send(ben.jid, "next"))
    assert.equal("next", ben:next().text)
    assert.equal("third", text_at(ben, ana.lid, sent.id))
  end))

  it("made on another device of the account shows here too, whether or not the owner is listened to", support.async(function()
    local rig <close> = start()
    local laptop, desktop, ben = rig:contact("Ana", { own = true }), rig:contact "Ana", rig:contact "Ben"
    local sent = assert(desktop.client:send(ben.jid, "helo"))
    ben:next()
    assert.equal("helo", laptop:next().text)
    assert(laptop.client:edit({ chat = ben.lid, id = sent.id, from_me = true }, "hello"))
    assert.equal("edit", ben:next().kind)
    assert(ben.client:send(desktop.jid, "well"))
    assert.equal("well", desktop:next().text)
    assert.equal("hello", text_at(desktop, ben.lid, sent.id))
    assert.equal("hello", text_at(laptop, ben.lid, sent.id))
  end))

  it("changes a caption, and leaves the picture", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local sent = assert(ana.client:send(ben.jid, { message = { imageMessage = {
      url = "https://mmg.whatsapp.net/x", mimetype = "image/jpeg", caption = "a cat", fileSha256 = ("s"):rep(32),
    } } }))
    ben:next()
    assert(ana.client:edit({ chat = ben.lid, id = sent.id, from_me = true }, "a dog"))
    assert.equal("a dog", ben:next().text)
    local m = ben.client:message(ana.lid, sent.id)
    assert.same({ "image", "a dog", "image/jpeg" }, { m.kind, m.text, messages.unwrap(m.message).imageMessage.mimetype })
  end))
end)

describe("a bot", function()
  it("hears edits only where it asks for them, and takes none for a command", support.async(function()
    local rig <close> = start()
    local bot, ana = rig:bot { name = "Echo" }, rig:contact "Ana"
    local heard = task.queue()
    bot:command("ping", function(ctx) ctx:reply "pong" end)
    bot:on("message", { kind = "edit" }, function(ctx) heard:push("edit " .. ctx.text .. " of " .. ctx.target.id) end)
    bot:on("message", function(ctx) heard:push("message " .. ctx.text) end)
    rig:run(bot)
    local me = bot.client.me.jid
    local sent = assert(ana.client:send(me, "hi"))
    assert.equal("message hi", heard:pop(30))
    assert(ana.client:edit({ chat = me, id = sent.id, from_me = true }, "!ping"))
    assert.equal("edit !ping of " .. sent.id, heard:pop(30))
    assert.equal("pong", ana:ask(me, "!ping").text)
  end))

  it("edits and reacts once, however often its handler runs, in the next run too", support.async(function()
    local rig <close> = start()
    local folder, ana = support.tmpdir() .. "/state", rig:contact "Ana"
    local done = task.queue()
    local function run()
      local bot = rig:bot { name = "Echo", store = folder }
      bot:on("message", function(ctx)
        local answer = ctx:reply "one moment"
        answer:edit("done: " .. ctx.text)
        bot:message(ctx.chat, answer.id):react "✅"
        done:push(ctx.redelivered)
        if not ctx.redelivered then task.sleep(60) end -- until it is stopped
      end)
      rig:run(bot)
      return bot
    end
    local bot = run()
    local me = bot.client.me
    local answer = ana:ask(me.jid, "tea")
    assert.equal("one moment", answer.text)
    assert.equal("done: tea", ana:next().text)
    assert.equal("✅", ana:next().reaction.emoji)
    assert.is_false(done:pop(30))
    bot.client.journal.close_seconds = 0.1
    bot:stop()
    rig.bots[1].running:join(30)
    local stanzas = rig:record("to-server", function(node) return node.tag == "message" end)
    run()
    assert.is_true(done:pop(30))
    assert.equal(0, #stanzas)
    assert.equal("done: tea", text_at(ana, me.lid, answer.id))
  end))
end)
