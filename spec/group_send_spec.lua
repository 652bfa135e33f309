-- Writing to groups: whom a message reaches, what its stanza looks like, and what the server may answer (fact sheets 03 §10, 08 §12.2).
local stanza = require "moonpost.stanza"
local start = require("spec.rig").start
local support = require "spec.support"
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
end)
