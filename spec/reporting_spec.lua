--- The token by which the service believes a report (03 §15.1, §22; 05 §20.1, §20.5).
local core = require "moonpost.core"
local reporting = require "moonpost.client.reporting"
local start = require("spec.rig").start
local stanza = require "moonpost.stanza"
local support = require "spec.support"
local writer = require "spec.group_writer"

local crypto, unhex = core.crypto, core.crypto.unhex

local function content(message) return reporting.content(assert(core.proto.encode("Message", message))) end

describe("a reporting token", function()
  it("is that of other clients", function()
    local id, from, to = "3EB0E0E5F2D4F618589C0B", "5511999887766@s.whatsapp.net", "5511888776655@s.whatsapp.net"
    assert.equal(unhex "bea163e31e548c2836f4dc9500a62693", reporting.token(("\x42"):rep(32), id, from, to, unhex "0a0454657374"))
    assert.equal(unhex "a3fff85d86d49a3234a2a3718abfd337",
      reporting.token(("\xaa"):rep(32), "STANZA123", "sender@s.whatsapp.net", "remote@s.whatsapp.net", unhex "0a0548656c6c6f"))
  end)

  it("is of the fields that count, in their order", function()
    assert.equal(unhex "0a0454657374", content { conversation = "Test" })
    assert.equal(unhex "32040a024869", content { extendedTextMessage = { text = "Hi" } })
    local secret = ""
    for i = 0, 31 do secret = secret .. string.char(i) end
    assert.equal(unhex "320d0a0248698a0106a80105b00101",
      reporting.content(unhex "32100a0248698a01090a0158a80105b001019a02221a20" .. secret))
    assert.equal(unhex "aa02050a030a0178", content { viewOnceMessage = { message = { conversation = "x" } } })
  end)

  it("is of the last bit of a long content too", function()
    local long = content { conversation = ("x"):rep(70000) }
    assert.equal("\10\xf0\xa2\4" .. ("x"):rep(70000), long)
    local wrapped = { viewOnceMessage = { message = { conversation = ("x"):rep(200) } } }
    assert.equal(core.proto.encode("Message", wrapped), content(wrapped))
  end)

  it("is not there where nothing counts", function()
    assert.equal("", content { requestPhoneNumberMessage = {} })
    assert.equal("", content { messageContextInfo = { messageSecret = ("s"):rep(32) } })
  end)
end)

describe("a message's stanza", function()
  local function token_of(node) return stanza.bytes(stanza.child(node, "reporting"), "reporting_token") end

  it("bears the token of what each recipient reads", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local sent = rig:record("to-server", function(node) return node.tag == "message" end)
    assert(ana.client:send(ben.jid, "hello"))
    local m = ben:next()
    local secret, to = m.message.messageContextInfo.messageSecret, sent[1].attrs.to
    assert.equal(reporting.token(secret, m.id, ana.lid, to, reporting.content(m.raw)), token_of(sent[1]))
    assert(ana.client:react(m, "👍"))
    assert.is_nil(stanza.child(sent[2], "reporting"))
  end))

  it("bears it in a group too", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local group = writer.make(rig, ana, ben)
    local sent = rig:record("to-server", function(node) return node.tag == "message" end)
    assert(ana.client:send(group, "hello all"))
    local m = ben:next()
    local secret = m.message.messageContextInfo.messageSecret
    assert.equal(reporting.token(secret, m.id, ana.lid, group, reporting.content(m.raw)), token_of(sent[1]))
  end))
end)

describe("HKDF", function()
  it("makes the key of a token as elsewhere", function()
    local info = "3EB0E0E5F2D4F618589C0B5511999887766@s.whatsapp.net5511888776655@s.whatsapp.netReport Token"
    assert.equal(unhex "ba50b22be5cc25717d32b7d277dae1bc9fa8ad122cddb0ec4fbc872452a5e08c", crypto.hkdf(("\x42"):rep(32), 32, info))
  end)
end)
