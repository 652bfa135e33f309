-- Writing to groups: whom a message reaches, what its stanza looks like, and what the server may answer (fact sheets 03 §10, 08 §12.2).
local stanza = require "moonpost.stanza"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"
local writer = require "spec.group_writer"

local function is_message(node) return node.tag == "message" end

-- Whom a stanza tells the sender key: device JIDs, sorted.
local function told(node)
  local jids = {}
  for _, to in stanza.children(stanza.child(node, "participants"), "to") do jids[#jids + 1] = to.attrs.jid end
  table.sort(jids)
  return jids
end

local function sorted(list)
  table.sort(list)
  return list
end

-- A group whose members are named by number.
local function by_number(rig, creator, ...)
  local members = {}
  for i, one in ipairs { ... } do members[i] = one.jid end
  local status, answer = tap.admin(rig, "POST", "/admin/mock-phone/group", {
    creator = creator.jid, subject = "Tea", members = members, mode = "pn",
  })
  assert(status == 200, answer.error)
  return answer.jid
end

-- Ana writes, Ben and Cem hear.
local function three(rig)
  local ana, ben, cem = rig:contact "Ana", rig:contact "Ben", rig:contact "Cem"
  return ana, ben, cem, writer.make(rig, ana, ben, cem)
end

describe("a message to a group", function()
  it("reaches every device of every member, and the author's other devices", support.async(function()
    local rig <close> = start()
    local ana, ben, cem, group = three(rig)
    local ana2, ben2 = rig:contact("Ana", { own = true }), rig:contact "Ben"
    local sent = assert(ana.client:send(group, "hi all"))
    for _, one in ipairs { ben, ben2, cem, ana2 } do
      local m = one:next()
      assert.same({ "hi all", sent.id, group, ana.lid, true }, { m.text, m.id, m.chat, m.sender, m.group })
    end
    assert.equal(0, #ana.heard)
  end))

  it("tells the sender key once to each device, and to the own ones each time", support.async(function()
    local rig <close> = start()
    local ana, ben, cem, group = three(rig)
    local stanzas = rig:record("to-server", is_message)
    assert(ana.client:send(group, "1"))
    assert.same(sorted { ana.lid, ben.lid, writer.device(ben), cem.lid, writer.device(cem) }, told(stanzas[1]))
    assert.is_table(stanza.child(stanzas[1], "device-identity"))
    assert(ana.client:send(group, "2"))
    assert.same({ ana.lid }, told(stanzas[2]))
    for _, one in ipairs { ben, cem } do assert.same({ "1", "2" }, { one:next().text, one:next().text }) end
    local attrs = stanzas[2].attrs
    assert.same({ group, "lid", "text" }, { attrs.to, attrs.addressing_mode, attrs.type })
    assert.matches("^2:%S+$", attrs.phash)
  end))

  it("names everybody by number in a group of numbers", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local group = by_number(rig, ana, ben)
    local stanzas = rig:record("to-server", is_message)
    assert(ana.client:send(group, "1"))
    assert.same(sorted { ana.jid, ben.jid, tap.device_jid(ben) }, told(stanzas[1]))
    assert.equal("pn", stanzas[1].attrs.addressing_mode)
    assert(ana.client:send(group, "2"))
    assert.same({ ana.jid }, told(stanzas[2]))
    for _, text in ipairs { "1", "2" } do
      local m = ben:next()
      assert.same({ text, group, ana.lid }, { m.text, m.chat, m.sender })
    end
    assert(ben.client:send(group, "3"))
    local m = ana:next()
    assert.same({ "3", ben.lid }, { m.text, m.sender })
  end))

  it("is a reaction, an edit, what else there is, as to a person", support.async(function()
    local rig <close> = start()
    local ana, ben, _, group = three(rig)
    assert(ana.client:send(group, "question"))
    local m = ben:next()
    local stanzas = rig:record("to-server", is_message)
    assert(ben.client:react(m, "👍"))
    local reaction = ana:next()
    assert.same({ "reaction", ben.lid, m.id }, { reaction.kind, reaction.sender, reaction.target.id })
    assert.equal("reaction", stanzas[1].attrs.type)
    for _, enc in stanza.children(stanzas[1], "enc") do assert.equal("hide", enc.attrs["decrypt-fail"]) end
    assert(ben.client:send(group, "answer", { quote = m }))
    local answer = ana:next()
    assert.same({ "answer", m.id, ana.lid }, { answer.text, answer.quoted.id, answer.quoted.sender })
  end))

  it("that was not acknowledged goes again after the connection is back, as it was", support.async(function()
    local rig <close> = start()
    local ana, ben = tap.quick(rig), rig:contact "Ben"
    local group = writer.make(rig, ana, ben)
    local stanzas = rig:record("to-server", is_message)
    rig:fault { what = "drop", jid = ana.lid, direction = "to-client", tag = "ack", class = "message" }
    local sent = assert(ana.client:send(group, "once"))
    assert.equal("once", ben:next().text)
    assert.same({ sent.id, sent.id }, { stanzas[1].attrs.id, stanzas[2].attrs.id })
    assert(ana.client:send(group, "twice"))
    assert.equal("twice", ben:next().text)
    assert.equal(0, #ben.heard)
  end))

  it("is refused in words where the server does not take it", support.async(function()
    local rig <close> = start()
    local ana, ben, _, group = three(rig)
    assert(ana.client.groups:set(group, { announce = true }))
    local sent, err = ben.client:send(group, "I am no admin")
    assert.is_nil(sent)
    assert.same({ "forbidden", 403 }, { err.code, err.status })
    assert.matches("only its admins may write there", tostring(err), 1, true)
    sent, err = ben.client:send("120363000000000009@g.us", "hi")
    assert.is_nil(sent)
    assert.equal("not-found", err.code)
  end))
end)
