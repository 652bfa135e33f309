-- Reactions as they are kept: one a person, the newest by their own clock (fact sheet 05 §7.1).
local core = require "moonpost.core"
local start = require("spec.rig").start
local stanza = require "moonpost.stanza"
local support = require "spec.support"
local tap = require "spec.tap"
local writer = require "spec.group_writer"

local function reaction(key, emoji, at) return { reactionMessage = { key = key, text = emoji, senderTimestampMs = at } } end

local function emojis(contact, chat, id)
  local list = {}
  for _, one in ipairs(contact.client.effects:reactions { chat = chat, id = id }) do list[one.sender] = one.emoji end
  return list
end

describe("reactions to a message", function()
  it("are one a person, in a group too, changed and taken back", support.async(function()
    local rig <close> = start()
    local ana, ben, cem = rig:contact "Ana", rig:contact "Ben", rig:contact "Cem"
    local group = writer.make(rig, ana, ben, cem)
    local sent = assert(ana.client:send(group, "lunch?"))
    local seen = { [ben] = ben:next(), [cem] = cem:next() }
    assert(ben.client:react(seen[ben], "👍"))
    assert.equal("👍", ana:next().reaction.emoji)
    cem:next()
    assert(cem.client:react(seen[cem], "🎉"))
    ana:next()
    ben:next()
    for _, one in ipairs { ana, ben, cem } do
      assert.same({ [ben.lid] = "👍", [cem.lid] = "🎉" }, emojis(one, group, sent.id))
    end
    assert(ben.client:react(seen[ben], "👎"))
    ana:next()
    cem:next()
    local stanzas = rig:record("to-server", function(node) return node.tag == "message" end)
    assert(cem.client:react(seen[cem], ""))
    assert.equal("", ana:next().reaction.emoji)
    ben:next()
    assert.equal("7", stanzas[1].attrs.edit)
    for _, one in ipairs { ana, ben, cem } do assert.same({ [ben.lid] = "👎" }, emojis(one, group, sent.id)) end
  end))

  it("do not give way to an older one that comes late, nor come back", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local sent = assert(ana.client:send(ben.jid, "hi"))
    ben:next()
    local now, key = core.net.time() * 1000 // 1 | 0, { remoteJid = ana.jid, fromMe = false, id = sent.id }
    assert(ben.client:send(ana.jid, reaction(key, "", now)))
    ana:next()
    assert(ben.client:send(ana.jid, reaction(key, "👍", now - 5)))
    assert.equal("next", ana:hears(ben, "next").text)
    assert.same({}, emojis(ana, ben.lid, sent.id))
  end))

  it("that nobody knows, or to nothing, are heard as such or refused, and the next message is heard", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local errors = tap.event(ana.client, "error")
    assert(ben.client:send(ana.jid, reaction({ remoteJid = ana.jid, fromMe = false, id = "NOBODYS" }, "👍", 1)))
    local m = ana:next()
    assert.same({ "reaction", "👍", true }, { m.kind, m.reaction.emoji, m.target.unknown })
    assert.same({}, emojis(ana, ben.lid, "NOBODYS"))
    assert(ben.client:send(ana.jid, reaction(nil, "👍", 1)))
    assert.matches("it does not say which message it is about", errors:pop(30).message)
    assert.equal("undecryptable", ana:next().kind)
    assert.equal("next", ana:hears(ben, "next").text)
  end))

  it("are shown by the message's object, the bot's own among them", support.async(function()
    local rig <close> = start()
    local bot, ana = rig:bot { name = "Echo" }, rig:contact "Ana"
    bot:command("count", function(ctx, args)
      local m = bot:message(ctx.chat, args[1])
      m:react "🤖"
      local list = m:reactions()
      ctx:reply(("%d: %s %s, by me: %s"):format(#list, list[1].emoji, list[2].emoji, tostring(list[2].sender == bot.client.me.lid)))
    end)
    rig:run(bot)
    local me = bot.client.me
    local sent = assert(ana.client:send(me.jid, "look"))
    assert(ana.client:react({ chat = me.lid, id = sent.id, from_me = true }, "👀"))
    assert(ana.client:send(me.jid, "!count " .. sent.id))
    assert.equal("🤖", ana:next().reaction.emoji)
    assert.equal("2: 👀 🤖, by me: true", ana:next().text)
    assert.is_truthy(stanza)
  end))
end)
