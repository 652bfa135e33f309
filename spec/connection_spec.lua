-- A client's connection: login, keepalive, back-off, and every way it can end (fact sheet 01 §3, §7, §9; 08 §6).
local core = require "moonpost.core"
local endings = require "moonpost.client.endings"
local payload = require "moonpost.client.payload"
local stanza = require "moonpost.stanza"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"
local task = require "moonpost.task"

-- A contact whose connection is watched at this pace.
local function watched(rig, pace)
  local ana = tap.quick(rig)
  ana.client.connection.keepalive_pace = pace
  ana.device.connection:drop()
  assert(ana.offline:pop(30))
  assert(ana.online:pop(30))
  return ana
end

describe("what a client says of itself at the login", function()
  local me = { jid = "15550001111@s.whatsapp.net", device = 7, loginCounter = 3 }

  it("is its number, its device, its count of logins and the version it was given", function()
    local said = assert(core.proto.decode("ClientPayload", payload.login(me, { 2, 3000, 77 })))
    assert.equal(15550001111, said.username)
    assert.equal(7, said.device)
    assert.equal(3, said.lc)
    assert.is_true(said.passive and said.pull and said.lidDbMigrated)
    assert.same({ primary = 2, secondary = 3000, tertiary = 77 }, said.userAgent.appVersion)
    assert.equal("WEB", said.userAgent.platform)
    assert.equal("WEB_BROWSER", said.webInfo.webSubPlatform)
    assert.is_nil(said.devicePairingData)
  end)

  it("reaches the server through the option", support.async(function()
    local rig <close> = start()
    local ana = rig:contact("Ana", { version = { 2, 3000, 99 } })
    local said = core.proto.decode("ClientPayload", payload.login(ana.client.me, ana.client.version))
    assert.equal(99, said.userAgent.appVersion.tertiary)
  end))
end)

describe("a login", function()
  it("is online with both of its names, and counts the logins the server took", support.async(function()
    local rig <close> = start()
    local ana = tap.quick(rig)
    local me = ana.client.me
    assert.equal(ana.account:jid(), me.jid)
    assert.equal(ana.account:jid "lid", me.lid)
    assert.equal(1, me.loginCounter)
    ana.device.connection:drop()
    assert(ana.online:pop(30))
    assert.equal(2, me.loginCounter)
  end))

  it("learns from the server when its LID has changed", support.async(function()
    local rig <close> = start()
    local ana = tap.quick(rig)
    local filed = rig.sandbox.accounts.by_lid
    filed[ana.account.lid], ana.account.lid = nil, "199999999999999"
    filed[ana.account.lid] = ana.account
    ana.device.connection:drop()
    assert(ana.online:pop(30))
    assert.equal("199999999999999@lid", ana.client.me.lid)
    assert.equal(ana.jid, ana.client.lids:pn_of "199999999999999@lid")
    assert.is_nil(ana.client.lids:pn_of(ana.lid))
  end))

  it("asks for what waited in batches, each behind the first stanza of the one before", support.async(function()
    local rig <close> = start()
    local ana = tap.quick(rig)
    local seen, conn = tap.on(rig), ana.device.connection
    local function queued(id)
      tap.inject(conn, stanza.node("notification", {
        from = "s.whatsapp.net", type = "psa", id = id, t = 1700000000, offline = "1",
      }))
    end
    tap.inject(conn, stanza.node("ib", { from = "s.whatsapp.net" }, stanza.node("offline_preview", {
      count = "401", message = "0", notification = "401", receipt = "0", appdata = "0",
    })))
    assert.equal("200", seen:from_client("ib", "offline_batch").content[1].attrs.count)
    for i = 1, 2 do
      queued("one-" .. i)
      seen:from_client("ib", "offline_batch")
    end
    queued "last"
    seen:from_client "ack"
    assert.is_true(ana.client.connection.backlog.left <= 0)
  end))

  it("survives that the server does not take its prekeys, and does not offer again what was refused", support.async(function()
    local rig <close> = start()
    tap.on(rig, function(direction, node)
      if direction == "to-server" and node.attrs.xmlns == "encrypt" and node.attrs.type == "set" then
        node.content[#node.content] = nil -- now it is malformed
      end
    end)
    local client = tap.client(rig)
    local failed = tap.event(client, "error")
    assert(client:pair(tap.scanner(rig)))
    assert(client:connect())
    assert.equal(406, assert(failed:pop(30)).status)
    assert.equal(812, #client.account:prekeys(false))
    assert.equal(0, (tap.device(rig, client)).one_time:count())
    assert.is_false(client.prekeys.again.going)
  end))
end)

describe("a lost connection", function()
  it("is told and made again", support.async(function()
    local rig <close> = start()
    local ana = tap.quick(rig)
    ana.device.connection:drop()
    local err = assert(ana.offline:pop(30))
    assert.equal("network", err.code)
    assert(ana.online:pop(30))
    assert.is_true(ana.client.connection.online)
  end))

  it("pauses longer each time, a little differently for everybody, and never beyond five minutes", function()
    local function connection() return require "moonpost.client.connection" {} end
    local one, lost = connection(), core.error("network", "lost")
    local previous = 0
    for n = 0, 20 do
      local seconds = one:next_pause(lost)
      local middle = math.min(300, 0.5 * 1.6 ^ n)
      assert.is_true(seconds >= 0.8 * middle - 1e-6 and seconds <= 1.2 * middle + 1e-6)
      assert.is_true(seconds > previous or middle == 300)
      previous = seconds / 1.5
    end
    local pauses = {}
    for i = 1, 20 do pauses[i] = connection():next_pause(lost) end
    table.sort(pauses)
    assert.is_true(pauses[20] > pauses[1])
  end)

  it("that is dead or was asked to restart has no pause before its first attempt, one before the next", function()
    local one, restart = require "moonpost.client.connection" {}, endings.of_stream_error(stanza.node("stream:error", { code = "515" }))
    assert.equal(0, one:next_pause(restart))
    assert.is_true(one:next_pause(restart) > 0.5)
  end)

  it("waits as long as the server's refusal says", function()
    local one = require "moonpost.client.connection" {}
    assert.is_true(one:next_pause(endings.of_failure(stanza.node("failure", { reason = "429" }))) >= 8)
  end)

  it("clears the back-off once a session was stable", support.async(function()
    local rig <close> = start()
    local ana = tap.quick(rig)
    for round = 1, 3 do
      ana.device.connection:drop()
      assert(ana.online:pop(30))
      assert.equal(round, ana.client.connection.failures)
    end
    ana.client.connection.pace.stable = 0
    ana.device.connection:drop()
    assert(ana.online:pop(30))
    assert.equal(1, ana.client.connection.failures)
  end))

  it("is noticed when what was sent meets silence", support.async(function()
    local rig <close> = start()
    local ana = watched(rig, { quiet = 20, jitter = 0, silence = 0.02, answer = 0.4 })
    ana.device.connection.conn:pause()
    ana.client:typing(ana.lid, true)
    assert.matches("the connection is dead: no answer to w:p", tostring(assert(ana.offline:pop(30))))
    assert(ana.online:pop(30))
  end))

  it("is noticed by a ping when nothing is sent", support.async(function()
    local rig <close> = start()
    local ana = watched(rig, { quiet = 0.05, jitter = 0.01, silence = 20, answer = 0.4 })
    local seen = tap.on(rig)
    local ping = seen:next(function(_, node) return node.attrs.xmlns == "w:p" end)
    assert.equal("get", ping.attrs.type)
    assert.equal("s.whatsapp.net", ping.attrs.to)
    ana.device.connection.conn:pause()
    assert.matches("the connection is dead", tostring(assert(ana.offline:pop(30))))
  end))

  it("is not a slow answer while other stanzas come", support.async(function()
    local rig <close> = start()
    local ana = watched(rig, { quiet = 20, jitter = 0, silence = 0.02, answer = 0.4 })
    tap.on(rig, function(direction, node)
      if direction ~= "to-server" or node.attrs.xmlns ~= "w:p" then return end
      tap.inject(ana.device.connection, stanza.node("ib", { from = "s.whatsapp.net" }, stanza.node("tos")))
      return false
    end)
    local asked = task.spawn(ana.client.query, ana.client, stanza.node("iq", { xmlns = "w:p", type = "get", to = "s.whatsapp.net" }),
      { timeout = 1 })
    local _, err = asked:join()
    assert.equal("timeout", err.code)
    assert.is_true(ana.client.connection.online)
  end))

  it("fails the queries that wait on it", support.async(function()
    local rig <close> = start()
    local ana = tap.quick(rig)
    tap.on(rig, function(direction) return direction ~= "to-client" end)
    local asked = task.spawn(ana.client.query, ana.client, stanza.node("iq", { xmlns = "w:p", type = "get", to = "s.whatsapp.net" }))
    ana.device.connection:drop()
    local answer, err = asked:join(30)
    assert.is_nil(answer)
    assert.equal("closed", err.code)
  end))
end)

describe("the server", function()
  it("may ask for a new connection (515), which nobody needs to hear of", support.async(function()
    local rig <close> = start()
    local ana = tap.quick(rig)
    ana.device.connection:stream_error "515"
    assert(ana.online:pop(30))
    assert.equal(0, #ana.offline)
  end))

  it("may end the stream, and is connected to again", support.async(function()
    local rig <close> = start()
    local ana = tap.quick(rig)
    tap.inject(ana.device.connection, stanza.node "xmlstreamend")
    assert.matches("the server ended the stream", tostring(assert(ana.offline:pop(30))))
    assert(ana.online:pop(30))
  end))

  it("may be in trouble (503), and is connected to again", support.async(function()
    local rig <close> = start()
    local ana = tap.quick(rig)
    ana.device.connection:stream_error "503"
    assert.matches("503", tostring(assert(ana.offline:pop(30))))
    assert(ana.online:pop(30))
  end))

  it("gets an answer to its own ping", support.async(function()
    local rig <close> = start()
    local ana = tap.quick(rig)
    local seen = tap.on(rig)
    tap.inject(ana.device.connection, stanza.node("iq", {
      from = "s.whatsapp.net", type = "get", xmlns = "urn:xmpp:ping", id = "1700000000-9",
    }))
    local answer = seen:next(function(_, node) return node.attrs.id == "1700000000-9" end)
    assert.same({ "result", "s.whatsapp.net" }, { answer.attrs.type, answer.attrs.to })
  end))
end)
