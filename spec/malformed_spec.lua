-- Stanzas whose attributes are not of their form: each is told and refused, so that it does not come back at every login, and harms
-- nothing else (fact sheet 04 §14.1).
local core = require "moonpost.core"
local stanza = require "moonpost.stanza"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"
local task = require "moonpost.task"

local node = stanza.node
local GROUP, LID = "120363000000000001@g.us", "10000000000009@lid"

local function enc(type) return node("enc", { v = "2", type = type }, ("\x33"):rep(80)) end

local function message(attrs, content)
  local all = { from = LID, t = "1700000000", type = "text" }
  for name, value in pairs(attrs) do all[name] = value end
  return node("message", all, content or enc "msg")
end

-- A contact, with what it acknowledges as a queue of {class, id, error}, and its errors.
local function listening(rig, options)
  local ana = rig:contact("Ana", options)
  ana.client.connection.pace = { stable = 30, first_pause = 0.01, longest_pause = 0.05 }
  ana.acks, ana.errors, ana.online = task.queue(), tap.event(ana.client, "error"), tap.event(ana.client, "online")
  local device = tap.device(rig, ana.client)
  rig:tap(function(direction, one, conn)
    if direction == "to-server" and one.tag == "ack" and conn.device == device then
      ana.acks:push { one.attrs.class, one.attrs.id, one.attrs.error and math.tointeger(tonumber(one.attrs.error)) }
    end
  end)
  function ana.inject(one) tap.inject(device.connection, one) end
  function ana.ping() assert(ana.client:query(node("iq", { xmlns = "w:p", type = "get", to = "s.whatsapp.net" }))) end
  return ana
end

describe("a stanza whose attributes are malformed", function()
  it("is refused with 487 and told, and the next ones are read", support.async(function()
    local rig <close> = start()
    local ana, ben = listening(rig, { own = true }), rig:contact "Ben"
    local user = node("user", { jid = "zzz" })
    local wrong = {
      message { from = "garbage" }, message { from = "@s.whatsapp.net" }, message { from = ana.jid, recipient = "zzz" },
      message { from = ana.lid, recipient = "" }, message { from = GROUP, participant = "zzz" },
      message({ from = GROUP, participant = "zzz" }, enc "skmsg"),
      node("receipt", { from = "zzz", t = "1" }), node("receipt", { from = GROUP, participant = "zzz", t = "1", type = "read" }),
      node("receipt", { from = ana.lid, recipient = "zzz", t = "1", type = "read" }),
      node("receipt", { from = GROUP, t = "1" }, node("participants", { message_id = "A" }, { user })),
      node("notification", { type = "devices", from = "zzz" }, node "remove"),
      node("notification", { type = "devices", from = ben.jid, lid = "zzz" }, node "remove"),
      node("notification", { type = "devices", from = ben.jid }, node("remove", nil, { node("device", { jid = "zzz" }) })),
      node("notification", { type = "encrypt", from = "zzz" }, node "identity"),
    }
    for i, one in ipairs(wrong) do
      one.attrs.id = "X" .. i
      ana.inject(one)
      assert.same({ one.tag, one.attrs.id, 487 }, assert(ana.acks:pop(30), stanza.xml(one)))
      assert.equal("malformed", ana.errors:pop(30).code, stanza.xml(one))
    end
    assert.equal("undecryptable", ana:next().kind) -- of the fourth only the content was wrong, when it came
    assert(ben.client:send(ana.lid, "still here?"))
    assert.equal("still here?", ana:next().text)
    assert.equal(0, #ana.receipts + #ana.errors)
  end))

  it("is only told when nothing confirms its kind", support.async(function()
    local rig <close> = start()
    local ana = listening(rig)
    for _, one in ipairs {
      node("presence", { from = "zzz" }), node("chatstate", { from = "zzz" }, node "composing"),
      node("chatstate", { from = GROUP, participant = "zzz" }, node "composing"),
    } do
      ana.inject(one)
      assert.equal("malformed", ana.errors:pop(30).code)
    end
    ana.ping()
    assert.equal(0, #ana.acks)
  end))

  it("says nothing of anybody where it is about no person", support.async(function()
    local rig <close> = start()
    local ana = listening(rig)
    for i, from in ipairs { "s.whatsapp.net", "@lid", GROUP } do
      for _, one in ipairs {
        node("notification", { type = "devices", from = from, lid = LID }, node "remove"),
        node("notification", { type = "encrypt", from = from }, node "identity"),
      } do
        one.attrs.id = "N" .. i
        ana.inject(one)
        assert.same({ "notification", "N" .. i }, ana.acks:pop(30))
      end
    end
    assert.equal(0, #ana.errors)
  end))

  it("may count retries as it likes: beyond the last nothing is asked for", support.async(function()
    local rig <close> = start()
    local ana, ben = listening(rig), rig:contact "Ben"
    assert(ana.client:send(ben.lid, "hello"))
    ben:next()
    assert.equal("receipt", ana.acks:pop(30)[1])
    local asked = rig:record("to-server", function(one) return one.tag == "receipt" and one.attrs.type == "retry" end)
    for i, count in ipairs { "9223372036854775807", "-9223372036854775808", "4294967295", "1e300" } do
      local sealed = ben.client.account:encrypt({ tap.device(rig, ana.client):jid "lid" }, "x")[1]
      ana.inject(message({ id = "C" .. i }, node("enc", { v = "2", type = sealed.type, count = count }, sealed.ciphertext)))
      assert.same({ "message", "C" .. i }, ana.acks:pop(30))
      assert.equal("undecryptable", ana.errors:pop(30).code)
    end
    assert.same({ "C2", "C4" }, { asked[1].attrs.id, asked[2].attrs.id })
    assert.equal(2, #asked)
  end))

  it("has the time of its arrival when its own can be no time", support.async(function()
    local rig <close> = start()
    local ana, ben = listening(rig), rig:contact "Ben"
    local t
    tap.on(rig, function(direction, one)
      if direction == "to-client" and (one.tag == "message" or one.tag == "receipt") then one.attrs.t = t end
    end)
    for _, value in ipairs { "-1", "0", "9223372036854775807", "-9223372036854775808", "1e18" } do
      t = value
      assert(ben.client:send(ana.lid, "when?"))
      assert.is_true(math.abs(ana:next().time - os.time()) < 60, value)
      assert.is_nil(assert(ben.receipts:pop(30)).time)
    end
    t = "1700000000"
    assert(ben.client:send(ana.lid, "then"))
    assert.equal(1700000000, ana:next().time)
    assert.equal(1700000000, ben.receipts:pop(30).time)
  end))
end)

describe("a handler of this client that fails", function()
  local function fail_at(what, err)
    return function(ana) what(ana, function() error(err, 0) end) end
  end
  local function at_journal(ana, fn) ana.client.journal.add = fn end
  local function at_notification(ana, fn) ana.client.devices.on_notification = fn end

  it("has the stanza refused with 500, and not sent again", support.async(function()
    local rig <close> = start()
    local ana, ben = listening(rig), rig:contact "Ben"
    fail_at(at_journal, "a bug")(ana)
    local sent = assert(ben.client:send(ana.lid, "hello"))
    assert.same({ "message", sent.id, 500 }, ana.acks:pop(30))
    assert.matches("a bug", tostring(ana.errors:pop(30)))
    fail_at(at_notification, "a bug")(ana)
    ana.inject(node("notification", { type = "devices", from = ben.jid, id = "N" }, node "update"))
    assert.same({ "notification", "N", 500 }, ana.acks:pop(30))
    ana.ping()
    assert.equal(0, (tap.device(rig, ana.client)).queue.count)
  end))

  for code, sentence in pairs { full = "no room left", damaged = "the store is damaged" } do
    it(("for the store's sake (%s) leaves the stanza unconfirmed: it comes again, and is heard"):format(code), support.async(function()
      local rig <close> = start()
      local ana, ben = listening(rig), rig:contact "Ben"
      fail_at(at_journal, core.error(code, sentence))(ana)
      local sent = assert(ben.client:send(ana.lid, "hello"))
      assert.equal(code, ana.errors:pop(30).code)
      ana.ping()
      assert.equal(0, #ana.acks)
      ana.client.journal.add = nil
      rig:admin("kick", { jid = ana.client.me.jid:gsub("@", ":" .. ana.client.me.device .. "@"), kind = "drop" })
      assert(ana.online:pop(30))
      assert.equal(sent.id, ana:next().id)
    end))
  end
end)

describe("what the server calls this account", function()
  it("is passed over and told when it is no LID", support.async(function()
    local rig <close> = start()
    local ana, ben, lid = listening(rig), rig:contact "Ben", nil
    local device = tap.device(rig, ana.client)
    tap.on(rig, function(direction, one, conn)
      if direction == "to-client" and one.tag == "success" and conn.claimed == device then one.attrs.lid = lid end
    end)
    for _, value in ipairs { "zzz", "@lid", "1@g.us", "155@s.whatsapp.net" } do
      lid = value
      device.connection:drop()
      assert(ana.online:pop(30))
      assert.equal("malformed", ana.errors:pop(30).code, value)
      assert.same({ ana.lid, ana.lid }, { ana.client.me.lid, ana.client.lids:stable(ana.jid) })
    end
    assert(ben.client:send(ana.lid, "hello"))
    assert.equal("hello", ana:next().text)
  end))

  it("is heard once in a connection", support.async(function()
    local rig <close> = start()
    local ana = listening(rig)
    local login, count = ana.client.connection.login, ana.client.me.loginCounter
    for _ = 1, 50 do ana.inject(node("success", { t = "1700000000", lid = "77@lid" })) end
    ana.ping()
    assert.same({ 0, count, ana.lid }, { #login, ana.client.me.loginCounter, ana.client.me.lid })
  end))
end)
