-- Sending 1:1 messages through the sandbox: whom they reach, what the stanzas look like, and what the server may answer.
local core = require "moonpost.core"
local fanout = require "moonpost.client.fanout"
local rows = require "moonpost.client.rows"
local stanza = require "moonpost.stanza"
local start = require("spec.rig").start
local support = require "spec.support"
local task = require "moonpost.task"

local function is_message(node) return node.tag == "message" end

-- The device JIDs a stanza names, sorted, and the types of their encs by JID.
local function addressed(node)
  local jids, types = {}, {}
  for _, to in stanza.children(stanza.child(node, "participants"), "to") do
    jids[#jids + 1] = to.attrs.jid
    types[to.attrs.jid] = stanza.child(to, "enc").attrs.type
  end
  table.sort(jids)
  return jids, types
end

local function device_of(contact, server)
  local bare = server == "lid" and contact.lid or contact.jid
  local user, name = core.wire.jid.parse(bare)
  return core.wire.jid.make(user, name, contact.client.me.device)
end

local function sorted(list)
  table.sort(list)
  return list
end

-- Makes a client believe that an account has these devices only.
local function believe(client, bare, devices)
  rows.put(client.store, "device-list", bare, "StoreDevices", { jids = devices, time = math.floor(core.net.time()) })
end

describe("a message", function()
  it("reaches every device of the other side once, and the author's other devices as his", support.async(function()
    local rig <close> = start()
    local ana, ana2 = rig:contact "Ana", rig:contact("Ana", { own = true })
    local ben, ben2 = rig:contact "Ben", rig:contact "Ben"
    local sent = assert(ana.client:send(ben.jid, "hi"))
    for _, one in ipairs { ben, ben2, ana2 } do
      local m = one:next()
      assert.equal("hi", m.text)
      assert.equal(sent.id, m.id)
      assert.equal(ana.lid, m.sender)
    end
    assert(ben.client:send(ana.jid, "hello"))
    assert.equal("hello", ana:next().text)
    assert.equal(ben.lid, ana2:next().sender)
    assert.equal(0, #ben.heard + #ben2.heard + #ana.heard + #ana2.heard)
  end))

  it("of another own device belongs to the chat it was written in", support.async(function()
    local rig <close> = start()
    local ana, ana2, ben = rig:contact "Ana", rig:contact("Ana", { own = true }), rig:contact "Ben"
    assert(ana.client:send(ben.jid, "hi"))
    local m = ana2:next()
    assert.is_true(m.from_me)
    assert.equal(ben.lid, m.chat)
    assert.equal(ana.lid, m.sender)
    assert.is_nil(m.message.deviceSentMessage)
  end))

  it("to oneself reaches the other own devices, and not the one that wrote it", support.async(function()
    local rig <close> = start()
    local ana, ana2 = rig:contact("Ana", { own = true }), rig:contact("Ana", { own = true })
    local stanzas = rig:record("to-server", is_message)
    assert(ana.client:send(ana.jid, "milk"))
    local m = ana2:next()
    assert.equal("milk", m.text)
    assert.equal(ana.lid, m.chat)
    assert.is_true(m.from_me)
    assert.same(sorted { ana.lid, device_of(ana2, "lid") }, (addressed(stanzas[1])))
    assert(ana2.client:send(ana.jid, "bread"))
    assert.equal("bread", ana:next().text)
    assert.equal(0, #ana2.heard)
  end))

  it("has an id of the web client's form, another each time", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local one, two = assert(ana.client:send(ben.jid, "1")), assert(ana.client:send(ben.jid, "2"))
    for _, sent in ipairs { one, two } do assert.matches("^3EB0" .. ("[0-9A-F]"):rep(18) .. "$", sent.id) end
    assert.are_not.equal(one.id, two.id)
    assert.is_true(math.abs(one.time - os.time()) < 60)
  end))

  it("is addressed to LIDs, names the number beside, and vouches for its device while sessions are new", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local stanzas = rig:record("to-server", is_message)
    assert(ana.client:send(ben.jid, "hi"))
    local first = stanzas[1]
    assert.equal(ben.lid, first.attrs.to)
    assert.equal(ben.jid, first.attrs.peer_recipient_pn)
    assert.equal("text", first.attrs.type)
    assert.same(sorted { ana.lid, ben.lid, device_of(ben, "lid") }, (addressed(first)))
    assert.equal(ana.client.me.deviceIdentity, stanza.bytes(first, "device-identity"))
    ben:next()
    assert(ben.client:send(ana.jid, "hello"))
    ana:next()
    believe(ana.client, ben.lid, { device_of(ben, "lid") })
    believe(ana.client, ana.lid, { device_of(ana, "lid") })
    assert(ana.client:send(ben.jid, "again"))
    local last = stanzas[3]
    assert.same({ [device_of(ben, "lid")] = "msg" }, select(2, addressed(last)))
    assert.is_nil(stanza.child(last, "device-identity"))
  end))

  it("carries a secret of its own, or the one it came with; a reaction has none", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local sent = assert(ana.client:send(ben.jid, "hi"))
    local m = ben:next()
    local secret = m.message.messageContextInfo.messageSecret
    assert.equal(32, #secret)
    assert.equal(secret, ana.client.archive:get(ben.lid, sent.id):secret())
    assert.equal(secret, ben.client.archive:get(ana.lid, sent.id):secret())
    local own = ("k"):rep(32)
    assert(ana.client:send(ben.jid, { conversation = "poll", messageContextInfo = { messageSecret = own } }))
    assert.equal(own, ben:next().message.messageContextInfo.messageSecret)
    assert(ben.client:react(m, "👍"))
    assert.is_nil(ana:next().message.messageContextInfo)
  end))

  it("quotes and reacts in the chat's own names", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    assert(ana.client:send(ben.jid, "question"))
    local m = ben:next()
    local stanzas = rig:record("to-server", is_message)
    assert(ben.client:send(m.chat, "answer", { quote = m }))
    local quoted = ana:next().quoted
    assert.same({ m.id, ana.lid, "question" }, { quoted.id, quoted.sender, quoted.text })
    assert(ben.client:react(m, "👍"))
    local key = ana:next().message.reactionMessage.key
    assert.same({ remoteJid = ana.lid, fromMe = false, id = m.id }, key)
    assert.equal("reaction", stanzas[2].attrs.type)
    assert(ben.client:react(m, ""))
    assert.equal("", ana:next().message.reactionMessage.text)
    assert.equal("7", stanzas[3].attrs.edit)
    for _, to in stanza.children(stanza.child(stanzas[3], "participants"), "to") do
      assert.equal("hide", stanza.child(to, "enc").attrs["decrypt-fail"])
    end
  end))

  it("waits for its turn in the chat, and for none in another", support.async(function()
    local rig <close> = start()
    local ana, ben, cleo = rig:contact "Ana", rig:contact "Ben", rig:contact "Cleo"
    local sends = {}
    for i = 1, 20 do sends[#sends + 1] = task.spawn(function() return assert(ana.client:send(ben.jid, tostring(i))) end) end
    for i = 1, 20 do sends[#sends + 1] = task.spawn(function() return assert(ana.client:send(cleo.jid, tostring(i))) end) end
    for i = 1, 20 do
      assert.equal(tostring(i), ben:next().text)
      assert.equal(tostring(i), cleo:next().text)
    end
    for _, one in ipairs(sends) do one:join(30) end
    assert.is_nil(next(ana.client.sender.locks))
  end))

  it("asked for while there is no connection leaves when there is one", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local offline = task.queue()
    ana.client:on("offline", function(err) offline:push(err) end)
    rig:admin("kick", { jid = device_of(ana), kind = "drop" })
    assert(offline:pop(30))
    assert(ana.client:send(ben.jid, "late"))
    assert.equal("late", ben:next().text)
  end))

  it("survives a connection that breaks while devices are asked for", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local broken = false
    rig:tap(function(direction, node, conn)
      if broken or direction ~= "to-server" or node.attrs.xmlns ~= "usync" then return end
      broken = true
      conn:drop()
      return false
    end)
    assert(ana.client:send(ben.jid, "hi"))
    assert.is_true(broken)
    assert.equal("hi", ben:next().text)
  end))
end)

describe("the server's answer", function()
  it("that refuses a message is the send's error, and nothing is sent again", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local stanzas = rig:record("to-server", is_message)
    rig:fault { what = "error", tag = "message", jid = device_of(ana), code = 463 }
    local sent, err = ana.client:send(ben.jid, "hi")
    assert.is_nil(sent)
    assert.equal("refused", err.code)
    assert.equal(463, err.status)
    assert.equal(1, #stanzas)
    assert.equal(0, ana.client.store:count("outbox", ""))
  end))

  it("of the 500s is answered with one other try", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    ana.client.sender.busy_pause = 0
    rig:fault { what = "error", tag = "message", jid = device_of(ana), code = 503 }
    local sent = assert(ana.client:send(ben.jid, "hi"))
    assert.equal(sent.id, ben:next().id)
    rig:fault { what = "error", tag = "message", jid = device_of(ana), code = 503, times = 2 }
    local again, err = ana.client:send(ben.jid, "hi")
    assert.is_nil(again)
    assert.equal(503, err.status)
  end))

  it("of 400 to a LID has everybody addressed by number from then on", support.async(function()
    local rig <close> = start()
    local ana, ana2, ben = rig:contact "Ana", rig:contact("Ana", { own = true }), rig:contact "Ben"
    local stanzas = rig:record("to-server", is_message)
    rig:fault { what = "error", tag = "message", jid = device_of(ana), code = 400 }
    local sent = assert(ana.client:send(ben.jid, "hi"))
    assert.equal(sent.id, ben:next().id)
    assert.equal(ben.lid, ana2:next().chat)
    assert.equal(ben.jid, stanzas[2].attrs.to)
    assert.is_nil(stanzas[2].attrs.peer_recipient_pn)
    assert.same(sorted { ana.jid, device_of(ana2), ben.jid, device_of(ben) }, (addressed(stanzas[2])))
    assert(ana.client:send(ben.lid, "again"))
    assert.equal(ben.jid, stanzas[3].attrs.to)
    assert.equal("again", ben:next().text)
  end))

  it("that our device lists are stale has the devices that were missed written to, each alone", support.async(function()
    local rig <close> = start()
    local ana, ana2, ben, ben2 = rig:contact "Ana", rig:contact("Ana", { own = true }), rig:contact "Ben", rig:contact "Ben"
    assert(ana.client:send(ben.jid, "hello"))
    for _, one in ipairs { ben, ben2, ana2 } do assert.equal("hello", one:next().text) end
    believe(ana.client, ben.lid, { ben.lid, device_of(ben, "lid") })
    believe(ana.client, ana.lid, { ana.lid, device_of(ana, "lid") })
    local stanzas = rig:record("to-server", is_message)
    local sent = assert(ana.client:send(ben.jid, "hi"))
    for _, one in ipairs { ben, ben2, ana2 } do assert.equal(sent.id, one:next().id) end
    assert.equal(device_of(ben2, "lid"), stanzas[2].attrs.to)
    assert.is_nil(stanza.child(stanzas[2], "participants"))
    assert.equal(device_of(ana2, "lid"), stanzas[3].attrs.to)
    assert.equal(ben.lid, stanzas[3].attrs.recipient)
    assert(ana.client:send(ben.jid, "again"))
    assert.equal(4, #stanzas)
    for _, one in ipairs { ben, ben2, ana2 } do assert.equal("again", one:next().text) end
    assert.equal(0, ana.client.store:count("outbox", ""))
  end))

  it("that our lists are stale is acted upon after a broken connection, too", support.async(function()
    local rig <close> = start()
    local ana, ben, ben2 = rig:contact "Ana", rig:contact "Ben", rig:contact "Ben"
    assert(ana.client:send(ben.jid, "hello"))
    for _, one in ipairs { ben, ben2 } do assert.equal("hello", one:next().text) end
    believe(ana.client, ben.lid, { ben.lid, device_of(ben, "lid") })
    local broken = false
    rig:tap(function(direction, node, conn)
      if broken or direction ~= "to-server" or node.attrs.xmlns ~= "usync" then return end
      broken = true
      conn:drop()
      return false
    end)
    local sent = assert(ana.client:send(ben.jid, "hi"))
    for _, one in ipairs { ben, ben2 } do assert.equal(sent.id, one:next().id) end
    assert.is_true(broken)
    assert.equal(0, #ben.heard)
  end))

  it("carries no hash while our lists are right", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local acks = rig:record("to-client", function(node) return node.tag == "ack" and node.attrs.class == "message" end)
    assert(ana.client:send(ben.jid, "hi"))
    assert(ana.client:send(ana.jid, "note"))
    assert.equal(2, #acks)
    for _, ack in ipairs(acks) do assert.is_nil(ack.attrs.phash) end
  end))
end)

describe("a message's id", function()
  it("is that of the fact sheet's vector", function()
    local random = ""
    for i = 0, 15 do random = random .. string.char(i) end
    assert.equal("3EB05765B9D1119841E331", require("moonpost.client.send")().make_id(1700000000, "15551234567", random))
  end)
end)

describe("the participants' hash", function()
  it("is that of the fact sheet's vectors, in any order", function()
    local vectors = {
      ["2:C/iw50Tk"] = { "15551234567:64@s.whatsapp.net", "15551234567@s.whatsapp.net" },
      ["2:YFhtnQja"] = { "200000087654321:5@lid", "100000012345678@lid", "100000012345678:33@lid", "200000087654321@lid" },
      ["2:Xuq1us6B"] = { "10@lid", "2@lid", "1@lid" },
      ["2:47DEQpj8"] = {},
    }
    for hash, devices in pairs(vectors) do assert.equal(hash, fanout().phash(devices)) end
  end)
end)

describe("client:send", function()
  it("says who is not to be written to", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local sent, err = ana.client:send("15550009999@s.whatsapp.net", "hi")
    assert.is_nil(sent)
    assert.equal("no-devices", err.code)
    assert.matches("15550009999@s.whatsapp.net is not on WhatsApp", tostring(err))
    for _, wrong in ipairs { "Ben", "", "@lid", "s.whatsapp.net" } do
      sent, err = ana.client:send(wrong, "hi")
      assert.is_nil(sent)
      assert.equal("invalid", err.code)
    end
    sent, err = ana.client:send("120363000000000001@g.us", "hi")
    assert.is_nil(sent)
    assert.equal("not-found", err.code)
  end))

  it("names a wrong argument at the caller's line", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local function fails_here(fn, message)
      local ok, err = pcall(fn)
      assert.is_false(ok)
      assert.matches("send_spec.lua:%d+: " .. message, err)
    end
    fails_here(function() local _ = ana.client:send(nil, "hi") end, "client:send expects a JID, got nil")
    fails_here(function() local _ = ana.client:send(ana.jid, 7) end, "client:send expects a text or a Message table, got number")
    fails_here(function() local _ = ana.client:send(ana.jid, { imageMesage = {} }) end, "client:send: .*imageMesage")
  end))
end)
