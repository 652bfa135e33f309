-- Faults a sandbox has on request, and what a client makes of each: what it does, what it tells, that nothing is lost and nothing
-- comes twice (docs/sandbox.md has the table of them).
local stanza = require "moonpost.stanza"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"
local task = require "moonpost.task"
local writer = require "spec.group_writer"

-- A quick contact, and another who writes to it.
local function pair(rig)
  local ana, ben = tap.quick(rig), tap.quick(rig, "Ben")
  assert.equal("hello", assert(ana:hears(ben, "hello")).text)
  assert.equal("hello yourself", assert(ben:hears(ana, "hello yourself")).text)
  return ana, ben
end

-- The texts a contact hears up to `last`, in order.
local function texts_until(contact, last)
  local texts = {}
  repeat
    texts[#texts + 1] = contact:next().text
  until texts[#texts] == last
  return texts
end

-- Writes some texts and fails unless the other hears just these, in order.
local function check_talk(from, to, ...)
  for _, text in ipairs { ... } do assert(from.client:send(to.jid, text)) end
  local last = select(-1, ...)
  assert.same({ ... }, texts_until(to, last))
end

local ping = stanza.node("iq", { xmlns = "w:p", type = "get", to = "s.whatsapp.net" })

describe("a connection that is cut", function()
  it("at a message that comes is made again, and the message comes once", support.async(function()
    local rig <close> = start()
    local ana, ben = pair(rig)
    rig:fault { what = "drop", jid = ana.jid, direction = "to-client", tag = "message" }
    check_talk(ben, ana, "one", "two")
    assert.matches("broke off", tostring(assert(ana.offline:pop(30))))
    assert.equal(0, #ana.heard)
  end))

  it("before the answer to a message has the message sent again, and heard once", support.async(function()
    local rig <close> = start()
    local ana, ben = pair(rig)
    rig:fault { what = "drop", jid = ben.jid, direction = "to-client", tag = "ack", class = "message" }
    local sent = tap.on(rig)
    check_talk(ben, ana, "one")
    local one = sent:from_client "message"
    assert.equal(one.attrs.id, sent:from_client("message").attrs.id)
    check_talk(ben, ana, "two")
    assert.equal(0, #ana.heard)
  end))

  it("at a receipt has the message come again, which nobody hears twice", support.async(function()
    local rig <close> = start()
    local ana, ben = pair(rig)
    rig:fault { what = "drop", jid = ana.jid, direction = "to-server", tag = "receipt" }
    local passed = tap.on(rig)
    check_talk(ben, ana, "one")
    assert(ana.online:pop(30))
    local again = passed:next(function(direction, node)
      return direction == "to-client" and node.tag == "message" and node.attrs.offline ~= nil
    end)
    assert.equal("2", tostring(again.attrs.offline))
    check_talk(ben, ana, "two")
    assert.equal(0, #ana.heard)
  end))

  it("at the nth stanza is cut there", support.async(function()
    local rig <close> = start()
    local ana, ben = pair(rig)
    local struck = tap.strikes(rig)
    rig:fault { what = "drop", jid = ana.jid, direction = "to-client", tag = "message", nth = 3 }
    local ids = {}
    for i = 1, 4 do ids[i] = assert(ben.client:send(ana.jid, "number " .. i)).id end
    assert.equal(ids[3], assert(struck:pop(30)).node.attrs.id)
    assert.same({ "number 1", "number 2", "number 3", "number 4" }, texts_until(ana, "number 4"))
  end))

  it("by a close frame is told in other words, and made again", support.async(function()
    local rig <close> = start()
    local ana, ben = pair(rig)
    rig:fault { what = "close", jid = ana.jid, tag = "message", direction = "to-client" }
    check_talk(ben, ana, "one", "two")
    assert.matches("closed the connection", tostring(assert(ana.offline:pop(30))))
  end))

  it("at the login is tried again with growing pauses", support.async(function()
    local rig <close> = start()
    local ana = tap.quick(rig)
    rig:fault { what = "drop", jid = ana.jid, at = "login", times = 3 }
    rig:fault { what = "drop", jid = ana.jid }
    assert(ana.online:pop(30))
    assert.equal(4, ana.client.connection.failures)
    assert.equal(4, #ana.offline)
  end))

  it("before it is one is tried again", support.async(function()
    local rig <close> = start()
    local ana = tap.quick(rig)
    rig:fault { what = "drop", at = "connect", times = 2 }
    rig:fault { what = "drop", jid = ana.jid }
    assert(ana.offline:pop(30))
    for _ = 1, 2 do assert.matches("cannot connect to ws:", tostring(assert(ana.offline:pop(30)))) end
    assert(ana.online:pop(30))
  end))
end)

describe("a server that falls silent", function()
  it("in the middle is noticed by its silence, and left for a new connection", support.async(function()
    local rig <close> = start()
    local ana, ben = pair(rig)
    ana.client.connection.keepalive_pace = { quiet = 20, jitter = 0, silence = 0.02, answer = 0.3 }
    rig:fault { what = "drop", jid = ana.jid }
    assert(ana.offline:pop(30))
    assert(ana.online:pop(30))
    rig:fault { what = "mute", jid = ana.jid }
    assert(ben.client:send(ana.jid, "into the void"))
    assert(ana.client:send(ben.jid, "anybody?"))
    assert.matches("the connection is dead", tostring(assert(ana.offline:pop(30))))
    assert.equal("into the void", ana:next().text)
    assert.equal("anybody?", ben:next().text)
    assert.same({ 0, 0 }, { #ana.heard, #ben.heard })
  end))
end)

describe("a server that accepts and never speaks", function()
  local function check(fault, sentence)
    local rig <close> = start()
    local ana = tap.quick(rig)
    ana.client.connection.pace.handshake, ana.client.connection.pace.login = 0.2, 0.2
    fault.jid = fault.at == "login" and ana.jid or nil
    rig:fault(fault)
    rig:fault { what = "drop", jid = ana.jid }
    assert(ana.offline:pop(30))
    assert.matches(sentence, tostring(assert(ana.offline:pop(30))))
    assert(ana.online:pop(30))
  end

  it("not even in the handshake is given up after a while, and tried again", support.async(function()
    check({ what = "mute", at = "connect" }, "did not answer the handshake within 0%.2 s")
  end))

  it("after the handshake is given up after a while, and tried again", support.async(function()
    check({ what = "mute", at = "login" }, "no answer to the login: nothing came within 0%.2 s")
  end))

  it("of who is active is given up after a while, and tried again", support.async(function()
    local rig <close> = start()
    local ana = tap.quick(rig)
    ana.client.connection.pace.login = 0.2
    rig:fault { what = "swallow", xmlns = "passive", jid = ana.jid, times = 2 }
    rig:fault { what = "drop", jid = ana.jid }
    assert(ana.offline:pop(30))
    for _ = 1, 2 do assert.matches("no answer to passive within 0%.2 s", tostring(assert(ana.offline:pop(30)))) end
    assert(ana.online:pop(30))
  end))

  it("of how to link a device is given up after a while", support.async(function()
    local rig <close> = start()
    local client = tap.client(rig)
    client.pairing.pace = setmetatable({ answer = 0.2 }, { __index = client.pairing.pace })
    rig:fault { what = "swallow", direction = "to-client", child = "pair-device" }
    local me, err = client:pair(tap.scanner(rig))
    assert.is_nil(me)
    assert.matches("sent nothing to link this device by within 0%.2 s", tostring(err))
    assert(client:pair(tap.scanner(rig)))
  end))

  it("of its keys is not waited for", support.async(function()
    local rig <close> = start()
    local ana = tap.quick(rig)
    ana.client.connection.pace.refill = 0.1
    rig:fault { what = "swallow", xmlns = "encrypt", jid = ana.jid, times = "always" }
    rig:fault { what = "drop", jid = ana.jid }
    assert(ana.offline:pop(30))
    assert(ana.online:pop(30))
    assert.equal(0, #ana.offline)
  end))
end)

describe("a server in trouble", function()
  it("is left alone for longer each time, whether it says so at the login or right behind it", support.async(function()
    local rig <close> = start()
    local ana = tap.quick(rig)
    ana.client.connection.pace.longest_pause = 1
    local pauses = {}
    ana.client:on("offline", function(_, seconds) pauses[#pauses + 1] = seconds end)
    rig:fault { what = "stream-error", code = 503, tag = "iq", xmlns = "passive", jid = ana.jid, times = 3 }
    rig:fault { what = "failure", reason = 503, jid = ana.jid, times = 2 }
    rig:fault { what = "stream-error", code = 503, jid = ana.jid }
    for _ = 1, 6 do assert.matches("503", tostring(assert(ana.offline:pop(30)))) end
    assert(ana.online:pop(30))
    for i = 2, 6 do assert.is_true(pauses[i] > pauses[i - 1] * 1.05) end
  end))
end)

describe("a stream error", function()
  it("that may pass is told, and the connection made again", support.async(function()
    local rig <close> = start()
    local ana = tap.quick(rig)
    for _, code in ipairs { 500, 503, 408, 599 } do
      rig:fault { what = "stream-error", code = code, jid = ana.jid }
      assert.matches(("ended the stream %%(%d%%)"):format(code), tostring(assert(ana.offline:pop(30))))
      assert(ana.online:pop(30))
    end
  end))

  it("of too many requests is waited out", support.async(function()
    local rig <close> = start()
    local ana = tap.quick(rig)
    local waiting = task.queue()
    ana.client:on("offline", function(err, seconds) waiting:push { err = err, seconds = seconds } end)
    rig:fault { what = "stream-error", code = 429, jid = ana.jid }
    local told = assert(waiting:pop(30))
    assert.matches("too many requests %(429%)", tostring(told.err))
    assert.is_true(told.seconds >= 8)
  end))

  it("that is meant for good ends the client, whose store stays", support.async(function()
    local rig <close> = start()
    local ana = tap.quick(rig)
    local told = tap.event(ana.client, "refused")
    for _, fault in ipairs { { code = 401 }, { code = 409 }, { code = 516 }, { conflict = "of tomorrow" } } do
      fault.what, fault.jid = "stream-error", ana.jid
      rig:fault(fault)
      local err = assert(told:pop(30))
      assert.matches(("%s"):format(fault.code or "of tomorrow"), tostring(err))
      assert.is_true(ana.client:linked())
      assert(ana.client:connect())
    end
    assert.equal(0, #ana.offline)
  end))
end)

describe("a client that falls silent", function()
  it("is dropped, and what is written to it meanwhile comes at its next login", support.async(function()
    local rig <close> = start()
    local ana, ben = pair(rig)
    rig.sandbox.quiet_seconds = 0.2
    rig:fault { what = "drop", jid = ana.jid }
    assert(ana.offline:pop(30))
    assert(ana.online:pop(30))
    assert.matches("broke off", tostring(assert(ana.offline:pop(30))))
    rig.sandbox.quiet_seconds = 90
    check_talk(ben, ana, "one", "two")
  end))
end)

describe("a query", function()
  it("that is answered with an error has that error", support.async(function()
    local rig <close> = start()
    local ana = tap.quick(rig)
    for _, code in ipairs { 400, 404, 429, 500, 503 } do
      rig:fault { what = "error", jid = ana.jid, xmlns = "w:p", code = code }
      local answer, err = ana.client:query(ping)
      assert.is_nil(answer)
      assert.equal(code, err.status)
    end
    assert(ana.client:query(ping))
  end))

  it("that is never answered ends with the time it is given, and the connection goes on", support.async(function()
    local rig <close> = start()
    local ana = tap.quick(rig)
    rig:fault { what = "swallow", jid = ana.jid, tag = "iq", xmlns = "w:p" }
    local answer, err = ana.client:query(ping, { timeout = 0.05 })
    assert.is_nil(answer)
    assert.equal("timeout", err.code)
    assert(ana.client:query(ping))
    assert.equal(0, #ana.offline)
  end))

  it("that is answered twice is answered once", support.async(function()
    local rig <close> = start()
    local ana = tap.quick(rig)
    rig:fault { what = "duplicate", jid = ana.jid, direction = "to-server", xmlns = "w:p" }
    local passed = tap.on(rig)
    local first = assert(ana.client:query(ping))
    for _ = 1, 2 do
      passed:next(function(direction, node) return direction == "to-client" and node.tag == "iq" and node.attrs.id == first.attrs.id end)
    end
    assert(ana.client:query(ping))
  end))
end)

describe("a message", function()
  it("that is late keeps its place", support.async(function()
    local rig <close> = start()
    local ana, ben = pair(rig)
    rig:fault { what = "delay", jid = ana.jid, direction = "to-client", tag = "message", seconds = 0.1 }
    check_talk(ben, ana, "one", "two", "three")
  end))

  it("that comes twice is heard once, and confirmed both times", support.async(function()
    local rig <close> = start()
    local ana, ben = pair(rig)
    rig:fault { what = "duplicate", jid = ana.jid, tag = "message", times = 2 }
    local confirmed = rig:record("to-server", function(node) return node.tag == "receipt" end)
    check_talk(ben, ana, "one", "two", "three")
    while #confirmed < 5 do task.sleep(0.01) end
    assert.equal(0, #ana.heard)
    for _, receipt in ipairs(confirmed) do assert.are_not.equal("retry", receipt.attrs.type) end
  end))

  it("that is replayed under another id is not heard again", support.async(function()
    local rig <close> = start()
    local ana, ben = pair(rig)
    rig:fault { what = "replay", jid = ana.jid, tag = "message" }
    local confirmed = rig:record("to-server", function(node) return node.tag == "receipt" end)
    check_talk(ben, ana, "one", "two", "three")
    local ids = {}
    while #confirmed < 4 do task.sleep(0.01) end
    for _, receipt in ipairs(confirmed) do
      assert.is_nil(ids[receipt.attrs.id])
      assert.are_not.equal("retry", receipt.attrs.type)
      ids[receipt.attrs.id] = true
    end
    assert.equal(0, #ana.heard)
  end))

  for _, type in ipairs { "pkmsg", "msg" } do
    it(("whose ciphertext (%s) is damaged on the way is asked for again, and heard once, wherever it is damaged"):format(type),
      support.async(function()
        local rig <close> = start()
        local ana, struck = tap.quick(rig), tap.strikes(rig)
        for _, byte in ipairs { "middle", "late" } do
          local ben = tap.quick(rig, "Ben " .. byte)
          if type == "msg" then ana:hears(ben, "hello") ben:hears(ana, "hello yourself") end
          local receipts = rig:record("to-server", function(node) return node.tag == "receipt" and node.attrs.type == "retry" end)
          rig:fault { what = "damage", jid = ana.jid, from = ben.lid, enc = type, byte = byte }
          check_talk(ben, ana, "one")
          check_talk(ana, ben, "two")
          assert.equal(type, stanza.child(assert(struck:pop(30)).node, "enc").attrs.type)
          assert.equal(1, #receipts)
        end
        assert.equal(0, #ana.heard)
      end))
  end

  it("of a group whose ciphertext (skmsg) is damaged on the way is asked for again, and what follows is heard", support.async(function()
    local rig <close> = start()
    local ana, ben = tap.quick(rig), tap.quick(rig, "Ben")
    local group, passed = writer.make(rig, ben, ana), tap.on(rig)
    writer.send(ben, group, "one", { ana })
    assert.equal("one", ana:next().text)
    rig:fault { what = "damage", jid = ana.jid, enc = "skmsg" }
    local id = writer.send(ben, group, "two")
    local asked = passed:from_client("receipt", "retry")
    assert.same({ id, "retry", group, writer.device(ben) }, { asked.attrs.id, asked.attrs.type, asked.attrs.to, asked.attrs.participant })
    writer.send(ben, group, "three")
    assert.equal("three", ana:next().text)
  end))

  it("that is no ciphertext any more is refused (487) and told, and the talk goes on", support.async(function()
    local rig <close> = start()
    local ana, ben = pair(rig)
    local told = tap.event(ana.client, "error")
    rig:fault { what = "damage", jid = ana.jid, enc = "msg", byte = "first" }
    local passed = tap.on(rig)
    local sent = assert(ben.client:send(ana.jid, "one"))
    local ack = passed:next(function(direction, node)
      return direction == "to-server" and node.tag == "ack" and node.attrs.class == "message"
    end)
    assert.same({ sent.id, "487" }, { ack.attrs.id, tostring(ack.attrs.error) })
    assert.matches("message " .. sent.id .. " from .*: it is no message of Signal", tostring(assert(told:pop(30))))
    check_talk(ben, ana, "two")
    assert.equal(0, #ana.offline)
  end))

  it("that is refused is told to its author with the code", support.async(function()
    local rig <close> = start()
    local ana, ben = pair(rig)
    rig:fault { what = "error", jid = ben.jid, tag = "message", code = 463 }
    local sent, err = ben.client:send(ana.jid, "one")
    assert.is_nil(sent)
    assert.equal(463, err.status)
    check_talk(ben, ana, "two")
  end))
end)

describe("one-time keys the server has lost", function()
  it("are made up for at once", support.async(function()
    local rig <close> = start()
    local ana = tap.quick(rig)
    local passed = tap.on(rig)
    rig:fault { what = "forget-prekeys", jid = ana.jid }
    assert.equal("0", tostring(passed:to_client("notification", "count").content[1].attrs.value))
    passed:from_client("iq", "list")
    while ana.device.one_time:count() == 0 do task.sleep(0.01) end
    local ben = tap.quick(rig, "Ben")
    check_talk(ben, ana, "one")
  end))
end)

describe("a ban", function()
  it("for a time ends the client with its code and its time, and the store stays", support.async(function()
    local rig <close> = start()
    local ana = tap.quick(rig)
    local told = tap.event(ana.client, "refused")
    rig:fault { what = "ban", jid = ana.jid, seconds = 7200, code = 104 }
    local err = assert(told:pop(30))
    assert.equal("banned", err.code)
    assert.matches("banned for 2%.0 hours %(402, code 104: it sent the same message too often%): do not log in before that is over",
      tostring(err))
    assert.is_true(ana.client:linked())
  end))

  it("keeps the client from knocking before it is over, in another process as well", support.async(function()
    local rig <close> = start()
    local ana = tap.quick(rig)
    local told = tap.event(ana.client, "refused")
    local ban = rig:fault { what = "ban", jid = ana.jid, seconds = 7200 }
    assert(told:pop(30))
    local knocks = rig.sandbox.faults.armed[1].struck
    local store = ana.client.store
    for _, client in ipairs { ana.client, false } do
      client = client or tap.client(rig, { store_handle = store })
      local again, why = client:connect()
      assert.same({ nil, "banned" }, { again, why.code })
      assert.matches("banned until %d+%-%d+%-%d+ %d+:%d+ UTC %(402%): it stays away until then", tostring(why))
      client:close()
    end
    local _, faults = tap.admin(rig, "GET", "/admin/faults")
    assert.same({ ban.fault, knocks }, { faults.armed[1].fault, faults.armed[1].struck })
  end))

  it("is over when its time is over", support.async(function()
    local rig <close> = start()
    local ana = tap.quick(rig)
    local told = tap.event(ana.client, "refused")
    rig:fault { what = "ban", jid = ana.jid, seconds = 1 }
    assert(told:pop(30))
    while #rig.sandbox.faults:list().armed > 0 do task.sleep(0.05) end
    while not ana.client:connect() do task.sleep(0.05) end -- whole seconds
  end))
end)

describe("a contact who sets the phone up anew", function()
  it("is somebody else to the server, and the same to those who write", support.async(function()
    local rig <close> = start()
    local ana, ben = pair(rig)
    local told = tap.on(rig)
    local before = require("moonpost.sandbox.phone").of(rig.sandbox, ben.account):identity():public()
    local gone = tap.event(ben.client, "unlinked")
    rig:fault { what = "swap-identity", jid = ben.jid }
    assert(gone:pop(30))
    assert.equal(ben.jid, told:to_client("notification", "identity").attrs.from)
    assert.are_not.equal(before, require("moonpost.sandbox.phone").of(rig.sandbox, ben.account):identity():public())
    assert(ben.client:pair(tap.scanner(rig)))
    assert(ben.client:connect())
    check_talk(ana, ben, "still there?")
    check_talk(ben, ana, "yes")
  end))

  it("on a companion only, with its old address, is found out by what it cannot read", support.async(function()
    local rig <close> = start()
    local ana, ben = pair(rig)
    local gone, number = tap.event(ben.client, "unlinked"), ben.device.number
    rig:fault { what = "swap-identity", jid = ben.device:jid(), silent = true }
    assert(gone:pop(30))
    assert(ben.client:pair(tap.scanner(rig)))
    assert(ben.client:connect())
    assert.equal(number, ben.client.me.device)
    local asked = rig:record("to-server", function(node) return node.tag == "receipt" and node.attrs.type == "retry" end)
    check_talk(ana, ben, "still there?")
    check_talk(ben, ana, "yes")
    assert.equal(1, #asked)
    assert.equal(ana.device:jid "lid", asked[1].attrs.to)
  end))
end)
