-- Pinned messages, and those kept in a chat that forgets (fact sheet 05 §7.4); forwards of what the archive has.
local start = require("spec.rig").start
local stanza = require "moonpost.stanza"
local support = require "spec.support"

local function is_message(node) return node.tag == "message" end

-- What Ana has written to Ben, and the stanzas to come.
local function written(rig)
  local ana, ben = rig:contact "Ana", rig:contact "Ben"
  local sent = assert(ana.client:send(ben.jid, "the plan"))
  local m = ben:next()
  return ana, ben, m, sent, rig:record("to-server", is_message)
end

describe("a message", function()
  it("is pinned for a time and taken off again, by either side", support.async(function()
    local rig <close> = start()
    local ana, ben, m, sent, stanzas = written(rig)
    assert(ben.client:pin(m, 86400))
    local pinned = ana:next()
    assert.same({ "pin", true, 86400, sent.id, true },
      { pinned.kind, pinned.pinned, pinned.seconds, pinned.target.id, pinned.target.from_me })
    assert.same({ "2", "text" }, { stanzas[1].attrs.edit, stanzas[1].attrs.type })
    assert.equal("hide", stanza.path(stanzas[1], "participants", "to", "enc").attrs["decrypt-fail"])
    for _, one in ipairs { { ana, ben.lid }, { ben, ana.lid } } do
      local mark = one[1].client.effects:mark_of("pin", { chat = one[2], id = sent.id })
      assert.same({ ben.lid, 86400 }, { mark.by, mark.seconds })
    end
    assert(ana.client:unpin { chat = ben.lid, id = sent.id, from_me = true })
    assert.same({ "pin", false }, { (function(one) return one.kind, one.pinned end)(ben:next()) })
    assert.is_nil(ben.client.effects:mark_of("pin", { chat = ana.lid, id = sent.id }))
    assert.has_error(function() ana.client:pin({ chat = ben.lid, id = sent.id, from_me = true }, 5) end)
  end))

  it("is kept in the chat, and no more", support.async(function()
    local rig <close> = start()
    local ana, ben, m, sent, stanzas = written(rig)
    assert(ben.client:keep(m))
    local kept = ana:next()
    assert.same({ "keep", true, sent.id }, { kept.kind, kept.kept, kept.target.id })
    assert.is_nil(stanzas[1].attrs.edit)
    assert.equal(ben.lid, ana.client.effects:mark_of("keep", { chat = ben.lid, id = sent.id }).by)
    assert(ben.client:unkeep(m))
    assert.is_false(ana:next().kept)
    assert.is_nil(ana.client.effects:mark_of("keep", { chat = ben.lid, id = sent.id }))
    assert(ana.client:unkeep { chat = ben.lid, id = sent.id, from_me = true })
    ben:next()
    assert.equal("7", stanzas[3].attrs.edit)
  end))

  it("is forwarded from the archive, in the next run too", support.async(function()
    local rig <close> = start()
    local folder = support.tmpdir() .. "/state"
    local ana, ben, cem = rig:contact "Ana", rig:contact("Ben", { store = folder }), rig:contact "Cem"
    local sent = assert(ana.client:send(ben.jid, "the plan"))
    ben:next()
    ben.client:close()
    ben = rig:contact("Ben", { store = folder })
    assert(ben.client:forward({ chat = ana.lid, id = sent.id }, cem.jid))
    local m = cem:next()
    assert.same({ "the plan", 0 }, { m.text, m.forwarded })
  end))
end)

describe("a bot", function()
  it("pins, keeps and forwards what it hears and what it says, and sees what became of it", support.async(function()
    local rig <close> = start()
    local bot, ana, ben = rig:bot { name = "Echo" }, rig:contact "Ana", rig:contact "Ben"
    bot:command("do", function(ctx)
      ctx:pin()
      ctx:keep()
      ctx:forward(ben.jid):delete()
      ctx:reply(ctx:send("hello").status)
    end)
    rig:run(bot)
    assert(ana.client:send(bot.client.me.jid, "!do"))
    assert.same({ "pin", 7 * 86400 }, { (function(m) return m.kind, m.seconds end)(ana:next()) })
    assert.equal("keep", ana:next().kind)
    assert.equal("!do", ben:next().text)
    assert.equal("revoke", ben:next().kind)
    assert.equal("hello", ana:next().text)
    assert.is_truthy(({ sent = true, delivered = true })[ana:next().text])
  end))
end)
