-- Shapes: what the official client would send and accept, spoiled in one place at a time; and what the sandbox does about it.
local core = require "moonpost.core"
local edit = require "spec.shapes.edit"
local shapes = require "moonpost.shapes"
local stanza = require "moonpost.stanza"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"

local capabilities = {
  "connection", "pairing", "keys", "devices", "messages", "receipts", "notifications", "presence", "settings", "appstate", "groups",
  "group_joins", "group_notifications", "communities", "status", "newsletters", "calls", "pictures",
}

local function starts_with(expected, text)
  assert.equal(expected, tostring(text):sub(1, #expected), text)
end

-- A case is {direction, name, fn -> good stanza, array of {edit, error}, request = fn -> the query it answers}.
for _, capability in ipairs(capabilities) do
  describe(("the shapes of '%s'"):format(capability), function()
    for _, case in ipairs(require("spec.shapes." .. capability)) do
      local direction, name, make, spoiled = table.unpack(case)

      it(("let %s pass (%s)"):format(name, direction), function()
        assert(shapes.check(direction, make(), case.request and case.request()))
      end)

      it(("let %s pass as it comes from the wire (%s)"):format(name, direction), function()
        local decoded = assert(core.wire.decode(core.wire.encode(make())))
        assert(shapes.check(direction, decoded, case.request and case.request()))
      end)

      for _, one in ipairs(spoiled) do
        it(("of %s tell: %s"):format(name, one[2]), function()
          local ok, err = shapes.check(direction, edit(make(), one[1]), case.request and case.request())
          assert.is_nil(ok)
          starts_with(one[2], err.message)
        end)
      end
    end
  end)
end

describe("a stanza without a shape", function()
  it("is told as such, with what it is", function()
    local _, err = shapes.check("to-server", stanza.node("telegram", { type = "urgent" }, stanza.node "stop"))
    starts_with('no shape for telegram type="urgent" <stop/> to-server (10 §10)', err.message)
  end)

  it("of one direction has none in the other", function()
    local _, err = shapes.check("to-server", stanza.node("success", { t = "1700000000", lid = "100:7@lid" }))
    starts_with("no shape for success to-server (10 §10)", err.message)
  end)

  it("is an answer that nobody asked for", function()
    local _, err = shapes.check("to-client", stanza.node("iq", { id = "1.2-3", from = "s.whatsapp.net", type = "result" }))
    starts_with("iq: an answer to nothing (08 S-122)", err.message)
  end)
end)

describe("the marked lines", function()
  it("each say whose they are and why, and where they stand", function()
    assert.is_true(#shapes.marks > 10)
    for _, mark in ipairs(shapes.marks) do
      assert.matches("^%l+$", mark.who)
      assert.matches("%(%d%d [§S]", mark.reason)
      assert.matches("shapes/%l+%.lua:%d+$", mark.where)
    end
  end)

  local baileys = {
    ["a ping with a child"] = stanza.node("iq", { id = "1", to = "s.whatsapp.net", type = "get", xmlns = "w:p" }, stanza.node "ping"),
    ["statistics without a type"] = stanza.node("iq", { id = "1", to = "s.whatsapp.net", xmlns = "w:stats" },
      stanza.node("add", { t = "1700000000" }, "WAM")),
    ["a dirty bit cleaned without a time"] = stanza.node("iq", {
      id = "1", to = "s.whatsapp.net", type = "set", xmlns = "urn:xmpp:whatsapp:dirty",
    }, stanza.node("clean", { type = "groups" })),
    ["a chatstate with its own name"] = stanza.node("chatstate", { from = "200:5@lid", to = "100@lid" }, stanza.node "paused"),
    ["a subscription with an id"] = stanza.node("presence", { type = "subscribe", to = "100@lid", id = "41233.7-9" }),
    ["a typed ack of a devices notification"] = stanza.node("ack", {
      class = "notification", id = "1-1", to = "100@lid", type = "devices",
    }),
    ["a sender receipt to nobody"] = stanza.node("receipt", { id = "1", type = "sender", recipient = "15550001111@s.whatsapp.net" }),
    ["a document with a caption"] = stanza.node("message", { id = "1", to = "100@lid", type = "media" }, stanza.node("participants", nil,
      stanza.node("to", { jid = "100:5@lid" }, stanza.node("enc", { v = "2", type = "msg" }, "x")))),
    ["a resend encrypted twice"] = stanza.node("message", { id = "1", to = "100:5@lid", type = "text", device_fanout = "false" }, {
      stanza.node("enc", { v = "2", type = "msg", count = "1" }, "x"),
      stanza.node("participants", nil, stanza.node("to", { jid = "100:5@lid" }, stanza.node("enc", { v = "2", type = "msg" }, "x"))),
      stanza.node("device-identity", nil, "adv"),
    }),
  }
  for name, node in pairs(baileys) do
    it(("let %s pass, as Baileys sends it"):format(name), function() assert(shapes.check("to-server", node)) end)
  end
end)

describe("any stanza", function()
  local alphabet = { "iq", "message", "receipt", "ack", "presence", "ib", "enc", "to", "participants", "list", "item", "key", "keys",
    "retry", "registration", "user", "devices", "usync", "query", "notification", "chatstate", "composing", "meta", "device-identity" }
  local values = { "1", "get", "set", "result", "error", "encrypt", "usync", "w:p", "100@lid", "s.whatsapp.net", "retry", "peer", "msg",
    "pkmsg", "message", "notification", "x", "", "media", "poll", "text", "1700000000" }
  local names = { "id", "to", "from", "type", "xmlns", "class", "t", "jid", "v", "category", "count", "recipient", "participant" }

  local function pick(list) return list[math.random(#list)] end

  local function random_node(depth)
    local attrs = {}
    for _ = 1, math.random(0, 6) do attrs[pick(names)] = pick(values) end
    local content
    if depth > 0 and math.random() < 0.7 then
      content = {}
      for i = 1, math.random(0, 3) do content[i] = random_node(depth - 1) end
    elseif math.random() < 0.5 then
      content = ("x"):rep(pick { 0, 1, 3, 4, 32, 64 })
    end
    return stanza.node(pick(alphabet), attrs, content)
  end

  it("with very many faults is refused with some of them", function()
    local participants = {}
    for i = 1, 50000 do participants[i] = stanza.node("to", { jid = "1@g.us" }) end
    local _, err = shapes.check("to-server", stanza.node("message", { id = "1", to = "100@lid", type = "text" },
      stanza.node("participants", nil, participants)))
    starts_with("message/participants/to[1]@jid: expected a person's JID, got '1@g.us' (10 §10.1, 03 §8); ", err.message)
    assert.matches("; %d%d? more$", err.message)
  end)

  it("is judged without a stumble, and a refusal always says why", function()
    math.randomseed(20260101)
    for _ = 1, 3000 do
      local node, request = random_node(4), random_node(2)
      for _, direction in ipairs { "to-server", "to-client" } do
        local ok, err = shapes.check(direction, node, request)
        assert(ok == true or ok == nil and err.code == "shape" and #err.message > 0)
      end
    end
  end)
end)

-- What a sandbox noted, taken out so that the rig does not take it for a failure.
local function noted(rig)
  local violations = rig.sandbox.violations
  rig.sandbox.violations = {}
  return violations
end

local function spoiled_ping() return stanza.node("iq", { id = "9.9-9", to = "g.us", type = "get", xmlns = "w:p" }) end

describe("a sandbox that is not strict", function()
  it("notes a stanza the official client would not send, and answers it", support.async(function()
    local rig <close> = start { strict = false }
    local ana = rig:contact "Ana"
    local answer = assert(ana.client:query(spoiled_ping()))
    assert.equal("g.us", answer.attrs.from)
    local violations = noted(rig)
    assert.equal(1, #violations)
    starts_with(("to-server %s: iq@to: expected 's.whatsapp.net', got 'g.us' (10 §9, 08 S-120)\n<iq id=\"9.9-9\""):format(
      tap.device(rig, ana.client):jid()), violations[1])
  end))

  it("tells its log of it", support.async(function()
    local lines = {}
    local rig <close> = start { strict = false, log = function(line) lines[#lines + 1] = line end }
    local ana = rig:contact "Ana"
    assert(ana.client:query(spoiled_ping()))
    assert.same(noted(rig), lines)
  end))
end)

describe("a strict sandbox", function()
  it("cuts off a client that sends a stanza the official client would not send", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local ended = tap.event(ana.client, "offline")
    local answer, err = ana.client:query(spoiled_ping())
    assert.is_nil(answer)
    assert.equal("closed", err.code)
    assert.matches("xml%-not%-well%-formed", tostring(assert(ended:pop(30))))
    starts_with("to-server ", assert(noted(rig)[1]))
  end))

  it("cuts off a client without an account that says something else than a ping or an answer", support.async(function()
    local rig <close> = start()
    local account = core.signal.account(assert(core.store.open {}), "raw")
    account:create()
    local payload = require "moonpost.client.payload"
    local bytes = payload.registration(account, { 2, 3000, 1 }, "Raw", { name = "raw", platform = "chrome" })
    local link, heard = tap.raw(rig, assert(core.proto.decode("ClientPayload", bytes)), account:noise())
    assert.is_not_nil(stanza.child(assert(heard:pop(30)), "pair-device"))
    assert(link:send(stanza.node("telegram", { id = "1" })))
    assert.is_not_nil(stanza.child(assert(heard:pop(30)), "xml-not-well-formed"))
    assert.is_nil(heard:pop(30))
    starts_with("to-server an unregistered client: no shape for telegram to-server (10 §10)", noted(rig)[1])
  end))

  it("never sends a stanza the official client would not accept: it ends the connection instead", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local ended, seen = tap.event(ana.client, "offline"), tap.on(rig)
    local messages = {}
    ana.client:on("receipt", function(receipt) messages[#messages + 1] = receipt end)
    tap.device(rig, ana.client).connection:send(stanza.node("receipt", { id = "3EB0A1", from = "100:5@lid", type = "view" }))
    assert.matches("xml%-not%-well%-formed", tostring(assert(ended:pop(30))))
    assert.is_not_nil(seen:to_client("stream:error"))
    assert.same({}, messages)
    starts_with(("to-client %s: receipt@"):format(tap.device(rig, ana.client):jid()), noted(rig)[1])
  end))

  it("never answers with what the question does not call for", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local settings = require "moonpost.sandbox.settings"
    local ping = settings.ping
    settings.ping = function(conn, node) require("moonpost.sandbox.iq").result(conn, node) end -- no time
    local mended <close> = setmetatable({}, { __close = function() settings.ping = ping end })
    local answer = ana.client:query(stanza.node("iq", { to = "s.whatsapp.net", type = "get", xmlns = "w:p" }))
    assert.is_nil(mended and answer)
    assert.matches(": iq@t: missing, expected unix seconds %(10 §9, 08 S%-120%)", noted(rig)[1])
  end))
end)

describe("every query that has a shape", function()
  local function queries()
    local list = {}
    for _, capability in ipairs(capabilities) do
      for _, case in ipairs(require("spec.shapes." .. capability)) do
        local node = case[3]()
        local type = node.attrs.type
        local logout = stanza.child(node, "remove-companion-device")
        if case[1] == "to-server" and node.tag == "iq" and (type == "get" or type == "set") and not logout then
          list[#list + 1] = { name = case[2], node = node }
        end
      end
    end
    return list
  end

  it("is answered by a strict sandbox as the official client reads it", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    for _, query in ipairs(queries()) do
      query.node.attrs.id = ana.client:next_id()
      local answer, err = ana.client:query(query.node)
      assert(answer or err.status, ("%s: %s\n%s"):format(query.name, tostring(err), rig.sandbox.violations[1] or ""))
    end
    assert.same({}, rig.sandbox.unknown)
  end))

  it("is answered with what was set: privacy", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local function ask(type, ...)
      local answer = assert(ana.client:query(stanza.node("iq", { to = "s.whatsapp.net", type = type, xmlns = "privacy" },
        stanza.node("privacy", nil, { ... }))))
      local told = {}
      for _, category in stanza.children(stanza.child(answer, "privacy")) do told[category.attrs.name] = category.attrs.value end
      return told
    end
    assert.equal("all", ask("get").last)
    assert.same({ last = "none" }, ask("set", stanza.node("category", { name = "last", value = "none" })))
    assert.equal("none", ask("get").last)
    assert.equal("all", ask("get").online)
  end))
end)

describe("the check", function()
  -- Of this process's own time, the best of five.
  local function microseconds(node, rounds)
    assert(shapes.check("to-server", node))
    local best = math.huge
    for _ = 1, 5 do
      local began = os.clock()
      for _ = 1, rounds do shapes.check("to-server", node) end
      best = math.min(best, (os.clock() - began) / rounds * 1e6)
    end
    return best
  end

  local function to_devices(count)
    local participants = {}
    for i = 1, count do
      participants[i] = stanza.node("to", { jid = ("10000000000%d:%d@lid"):format(i % 2, i) },
        stanza.node("enc", { v = "2", type = "msg" }, ("x"):rep(200)))
    end
    return stanza.node("message", { id = "3EB0123456789ABCDEF012", to = "100000000000@lid", type = "text" },
      stanza.node("participants", nil, participants))
  end

  it("of a message costs little, and no more for each device as there are more of them", function()
    local eight, eighty = microseconds(to_devices(8), 400), microseconds(to_devices(80), 40)
    print(("\nshapes: a message to 8 devices is checked in %.1f µs, one to 80 in %.1f µs"):format(eight, eighty))
    assert.is_true(eighty < 40 * eight)
  end)
end)
