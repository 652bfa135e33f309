-- What clients can make a sandbox say and keep: bounded, and fit for a terminal.
local start = require("spec.rig").start
local stanza = require "moonpost.stanza"
local support = require "spec.support"
local tap = require "spec.tap"
local task = require "moonpost.task"

local LONG = 100000

-- Sends a query that no sheet knows, and waits for its answer.
local function ask(contact, xmlns, attrs)
  local all = { xmlns = xmlns, type = "get", to = "s.whatsapp.net" }
  for name, value in pairs(attrs or {}) do all[name] = value end
  local _, err = contact.client:query(stanza.node("iq", all))
  assert.equal(501, err.status)
end

local function lua_bytes()
  collectgarbage()
  collectgarbage()
  return collectgarbage "count" * 1024
end

describe("a sandbox that is flooded", function()
  it("keeps the last violations and some names, in short, and counts the rest", support.async(function()
    local rig <close> = start { strict = false }
    local ana = rig:contact "Ana"
    for i = 1, 60 do ask(ana, i .. ("x"):rep(LONG), { [i .. ("n"):rep(LONG)] = ("v"):rep(LONG) }) end
    ask(ana, "the-last")
    local status, state = tap.admin(rig, "GET", "/admin/state")
    assert.equal(200, status)
    assert.equal(50, #state.violations)
    assert.equal(61, state.violations_total)
    assert.matches("the%-last", state.violations[50])
    local kinds, count = 0, 0
    for name, times in pairs(state.unknown_queries) do
      kinds, count = kinds + 1, count + times
      assert.is_true(#name <= 200)
    end
    assert.equal(51, kinds)
    assert.equal(61, count)
    assert.equal(11, state.unknown_queries.others)
    local response = support.http("GET", ("http://127.0.0.1:%d/admin/state"):format(rig.sandbox.port))
    assert.is_true(#response.body < 500000)
    rig.sandbox.violations = {}
  end))

  it("does not grow by what has been said", support.async(function()
    local rig <close> = start { strict = false }
    local ana = rig:contact "Ana"
    local function flood(from)
      for i = from, from + 59 do ask(ana, i .. ("x"):rep(LONG), { name = i .. ("v"):rep(LONG) }) end
    end
    flood(1)
    local before = lua_bytes()
    flood(1001)
    assert.is_true(lua_bytes() - before < 10 * LONG) -- of 120 × LONG that came
    rig.sandbox.violations = {}
  end))
end)

describe("what a sandbox logs and tells", function()
  local evil = "\27]0;x\7\u{9b}2J\u{202e}\u{2066}\u{2028}\r\nfake: line"

  local function assert_printable(text)
    assert.is_nil(text:find "[\0-\x09\x0b-\x1f\x7f]")
    for _, turn in ipairs { "\u{9b}", "\u{202e}", "\u{2066}", "\u{2028}", "\nfake: line" } do assert.is_nil(text:find(turn, 1, true)) end
    assert.is_truthy(utf8.len(text))
  end

  it("carries no control of a terminal, whatever a client puts into a stanza", support.async(function()
    local lines = {}
    local rig <close> = start { strict = false, log = function(line) lines[#lines + 1] = line end }
    local ana = rig:contact "Ana"
    local send = function(node) assert(ana.client.connection:send(node)) end
    send(stanza.node("ack", { class = "message" .. evil, id = "1" .. evil, error = "500" .. evil, to = "1@lid" }))
    send(stanza.node("e" .. evil, { ["a" .. evil] = evil }, stanza.node("c" .. evil)))
    send(stanza.node("iq", { xmlns = "w:p", type = evil, id = evil, to = evil }, stanza.node(evil)))
    ask(ana, evil, { [evil] = evil })
    local shown = table.concat(lines, "\n")
    assert.matches("refuses message\\x1b", shown)
    assert.matches("<e\\x1b", shown)
    assert.matches("unknown query", shown)
    assert.is_true(#rig.sandbox.violations >= 3)
    for _, line in ipairs(lines) do assert_printable(line) end
    local response = support.http("GET", ("http://127.0.0.1:%d/admin/state"):format(rig.sandbox.port))
    assert_printable(response.body)
    rig.sandbox.violations = {}
  end))

  it("shows a name a client chose in short and without controls", support.async(function()
    local rig <close> = start { strict = false }
    local ana = rig:contact "Ana"
    local function rename(name)
      assert(ana.client.connection:send(stanza.node("presence", { name = name })))
      ask(ana, "done")
      local _, state = tap.admin(rig, "GET", "/admin/state")
      return state.accounts[1].push_name
    end
    local named = rename(evil)
    assert_printable(named)
    assert.matches("^\\x1b%]0;x\\x07", named)
    named = rename(("n"):rep(LONG))
    assert.equal(200, #named)
    local client, shown = tap.client(rig), task.queue()
    local pairing = task.spawn(client.pair, client, { qr = function(text) shown:push(text) end })
    local _, answer = tap.admin(rig, "POST", "/admin/mock-phone/scan-qr", shown:pop(30))
    assert.equal(named, answer.push_name)
    assert(pairing:join(30))
    rig.sandbox.violations = {}
  end))

  it("is short, however long a line of a client is", support.async(function()
    local longest = 0
    local rig <close> = start { strict = false, log = function(line) longest = math.max(longest, #line) end }
    local ana = rig:contact "Ana"
    ask(ana, ("x"):rep(LONG), { [("n"):rep(LONG)] = ("v"):rep(LONG) })
    assert.is_true(longest > 100 and longest < 5000)
    rig.sandbox.violations = {}
  end))
end)
