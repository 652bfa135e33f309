-- Messages deleted for everybody, in and out (fact sheet 05 §7.3, 04 §15.4).
local core = require "moonpost.core"
local start = require("spec.rig").start
local stanza = require "moonpost.stanza"
local support = require "spec.support"
local tap = require "spec.tap"
local writer = require "spec.group_writer"

local function revoke(key) return { protocolMessage = { key = key, type = "REVOKE" } } end

local function is_message(node) return node.tag == "message" end

-- Three in a group, which the first has made; and what Ben has said in it, heard by all.
local function said_by_ben(rig)
  local ana, ben, cem = rig:contact "Ana", rig:contact "Ben", rig:contact "Cem"
  local group = writer.make(rig, ana, ben, cem)
  local sent = assert(ben.client:send(group, "from Ben"))
  ana:next()
  cem:next()
  return ana, ben, cem, group, sent
end

describe("a message deleted by its author", function()
  it("is told, and its words are gone on both sides", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local sent = assert(ana.client:send(ben.jid, "oops"))
    ben:next()
    local stanzas = rig:record("to-server", is_message)
    assert(ana.client:delete { chat = ben.lid, id = sent.id, from_me = true })
    local m = ben:next()
    assert.same({ "revoke", sent.id, ana.lid }, { m.kind, m.target.id, m.target.sender })
    assert.equal("7", stanzas[1].attrs.edit)
    assert.is_nil(stanza.path(stanzas[1], "participants", "to", "enc").attrs["decrypt-fail"])
    for _, one in ipairs { ben.client:message(ana.lid, sent.id), ana.client:message(ben.lid, sent.id) } do
      assert.same({ ana.lid, nil, nil }, { one.revoked, one.text, one.message })
    end
  end))

  it("before it comes is never heard", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local cause = { { chat = "1@lid", sender = "1@lid", id = "A" }, 1 } -- gives the send an id that can be known before
    local derived = ana.client.account:derive((">s4s4s4I8"):pack("1@lid", "1@lid", "A", 1))
    local id = "3EB0" .. core.crypto.hex(derived:sub(1, 9)):upper()
    assert(ana.client:send(ben.jid, revoke { remoteJid = ben.jid, fromMe = true, id = id }))
    local m = ben:next()
    assert.same({ "revoke", id }, { m.kind, m.target.id })
    assert.equal(id, assert(ana.client:send(ben.jid, "late", { cause = cause })).id)
    assert.equal("next", ben:hears(ana, "next").text)
    assert.same({ ana.lid, nil }, { ben.client:message(ana.lid, id).revoked, ben.client:message(ana.lid, id).text })
  end))

  it("cannot be edited after that", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local sent = assert(ana.client:send(ben.jid, "oops"))
    ben:next()
    assert(ana.client:delete { chat = ben.lid, id = sent.id, from_me = true })
    ben:next()
    local done, err = ana.client:edit({ chat = ben.lid, id = sent.id, from_me = true }, "x")
    assert.same({ nil, "unknown-message" }, { done, err.code })
    assert.matches("was deleted$", err.message)
    assert(ana.client:send(ben.jid, { protocolMessage = {
      key = { remoteJid = ben.jid, fromMe = true, id = sent.id }, type = "MESSAGE_EDIT", editedMessage = { conversation = "x" },
      timestampMs = core.net.time() * 1000 // 1 | 0,
    } }))
    assert.equal("next", ben:hears(ana, "next").text)
    assert.is_nil(ben.client:message(ana.lid, sent.id).text)
  end))
end)

describe("somebody else's message", function()
  it("is deleted by an admin of the group, for everybody", support.async(function()
    local rig <close> = start()
    local ana, ben, cem, group, sent = said_by_ben(rig)
    local stanzas = rig:record("to-server", is_message)
    assert(ana.client:delete { chat = group, id = sent.id, sender = ben.lid })
    for _, one in ipairs { ben, cem } do
      local m = one:next()
      assert.same({ "revoke", ben.lid, one == ben }, { m.kind, m.target.sender, m.target.from_me })
      assert.equal(ana.lid, one.client:message(group, sent.id).revoked)
    end
    assert.equal("8", stanzas[1].attrs.edit)
  end))

  it("is deleted by an admin although the group is not known here: it is asked for first", support.async(function()
    local rig <close> = start()
    local ana, ben, cem, group, sent = said_by_ben(rig)
    cem.client.groups:forget(group)
    assert(ana.client:delete { chat = group, id = sent.id, sender = ben.lid })
    assert.equal("revoke", cem:next().kind)
    assert.equal(ana.lid, cem.client:message(group, sent.id).revoked)
  end))

  it("is deleted by an admin although the connection ends while the group is asked for", support.async(function()
    local rig <close> = start()
    local ana, ben, cem, group, sent = said_by_ben(rig)
    cem.client.groups:forget(group)
    local cuts = 0
    rig:tap(function(direction, node, conn)
      if cuts == 2 or direction ~= "to-server" or node.attrs.xmlns ~= "w:g2" then return end
      cuts = cuts + 1
      conn:drop()
      return false
    end)
    assert(ana.client:delete { chat = group, id = sent.id, sender = ben.lid })
    assert.equal("revoke", cem:next().kind)
    assert.same({ 2, ana.lid }, { cuts, cem.client:message(group, sent.id).revoked })
  end))

  it("is not deleted by who is no admin, known or not, and the next message is heard", support.async(function()
    local rig <close> = start()
    local ana, ben, cem, group, sent = said_by_ben(rig)
    local done, err = cem.client:delete { chat = group, id = sent.id, sender = ben.lid }
    assert.same({ nil, "not-allowed" }, { done, err.code })
    local errors = { tap.event(ana.client, "error"), tap.event(ben.client, "error") }
    ana.client.groups:get(group)
    ben.client.groups:forget(group)
    local forged = revoke { remoteJid = group, fromMe = false, participant = ben.lid, id = sent.id }
    rig:tap(function(direction, node) -- past the server, which lets no such stanza pass
      if node.tag == "message" and node.attrs.edit then node.attrs.edit = direction == "to-server" and "7" or "8" end
    end)
    assert(cem.client:send(group, forged))
    for _, queue in ipairs(errors) do
      local why = queue:pop(30)
      assert.equal("not-allowed", why.code)
      assert.matches("deletes message " .. sent.id, why.message, 1, true)
    end
    assert(cem.client:send(group, "next"))
    assert.equal("next", ana:next().text)
    assert.equal("next", ben:next().text)
    assert.equal("from Ben", ana.client:message(group, sent.id).text)
    assert.equal("from Ben", ben.client:message(group, sent.id).text)
  end))

  it("is not deleted in a chat of two", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local errors = tap.event(ben.client, "error")
    local sent = assert(ben.client:send(ana.jid, "mine"))
    ana:next()
    local done, err = ana.client:delete { chat = ben.lid, id = sent.id, sender = ben.lid }
    assert.same({ nil, "not-allowed" }, { done, err.code })
    assert(ana.client:send(ben.jid, revoke { remoteJid = ana.jid, fromMe = false, id = sent.id }))
    assert.equal("not-allowed", errors:pop(30).code)
    assert.equal("mine", ben.client:message(ana.lid, sent.id).text)
  end))
end)
