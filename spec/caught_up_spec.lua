-- A long absence (fact sheet 04 §10): what waited is heard once, in order, and then it is told that this was all.
local core = require "moonpost.core"
local limits = require "moonpost.client.limits"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"
local task = require "moonpost.task"

-- Ben, linked and gone again; `back` has him return, with a queue of what he is told of being caught up.
local function away(rig, options)
  local ben = rig:contact("Ben", options)
  ben.device = tap.device(rig, ben.client)
  ben.client:close()
  return ben
end

-- @tparam ?func before fn(m), what handlers do
-- @tparam ?number silence seconds after which nothing more is waited for
local function back(rig, ben, before, silence)
  local client = require("moonpost").client {
    store_handle = ben.client.store, url = rig.sandbox.url, root = rig.sandbox.root, name = "Ben",
  }
  client.connection.pace = { stable = 30, first_pause = 0.01, longest_pause = 0.05, silence = silence }
  rig.clients[#rig.clients + 1] = client
  local again = { client = client, heard = task.queue(), told = tap.event(client, "caught_up") }
  client:on("message", function(m)
    if before then before(m) end
    again.heard:push(m.text)
  end)
  assert(client:connect())
  return again
end

local function hear_all(ben, count)
  for i = 1, count do assert.equal(tostring(i), ben.heard:pop(30)) end
end

-- Loses the marker at the end of what waits.
local function lose_marker(rig)
  rig:tap(function(direction, node) return not (direction == "to-client" and tap.child(node, "offline")) end)
end

describe("who was away", function()
  it("is told, once all that waited was heard, that this was all", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", away(rig)
    for i = 1, 20 do assert(ana.client:send(ben.jid, tostring(i))) end
    local handled, gate = 0, task.queue()
    local again = back(rig, ben, function(m)
      if m.text == "20" then gate:pop() end
      handled = handled + 1
    end)
    hear_all(again, 19)
    assert.equal(0, #again.told)
    gate:close()
    local info = assert(again.told:pop(30))
    assert.equal(20, handled)
    assert.equal(20, info.messages)
    assert.equal(0, info.late)
    assert.is_true(info.complete)
    assert.is_true(info.seconds >= 0 and info.seconds < 30)
    assert(ana.client:send(ben.jid, "21"))
    assert.equal("20", again.heard:pop(30))
    assert.equal("21", again.heard:pop(30))
    assert.equal(0, #again.told)
  end))

  it("confirms what waited with one receipt for many messages of one person, 256 at most", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", away(rig)
    local cleo = rig:contact "Cleo"
    for i = 1, 300 do assert(ana.client:send(ben.jid, tostring(i))) end
    assert(cleo.client:send(ben.jid, "hello"))
    local receipts = rig:record("to-server", function(node, conn) return node.tag == "receipt" and conn.device == ben.device end)
    local again = back(rig, ben)
    assert.equal(301, assert(again.told:pop(30)).messages)
    local confirmed, of_ana = 0, 0
    repeat
      local receipt = assert(ana.receipts:pop(30))
      confirmed = confirmed + #receipt.ids
    until confirmed == 300
    assert.equal(1, #assert(cleo.receipts:pop(30)).ids)
    for _, node in ipairs(receipts) do
      local list = tap.child(node, "list")
      assert.is_true(not list or #list.content <= 255)
      if node.attrs.to:find(ana.lid:match "%d+", 1, true) or node.attrs.to:find(ana.jid:match "%d+", 1, true) then of_ana = of_ana + 1 end
    end
    assert.is_true(of_ana < 100)
    assert.equal(0, ben.device.queue.count)
  end))

  it("is told so when nothing waited as well, behind `online`", support.async(function()
    local rig <close> = start()
    local ben = away(rig)
    local again = back(rig, ben)
    local info = assert(again.told:pop(30))
    assert.same({ 0, 0, true }, { info.messages, info.late, info.complete })
  end))

  it("is told so once for each login", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", away(rig)
    local again = back(rig, ben)
    assert.equal(0, assert(again.told:pop(30)).messages)
    local offline = tap.event(again.client, "offline")
    again.client.connection:abort(core.error("network", "broken on purpose"))
    assert(offline:pop(30))
    assert(ana.client:send(ben.jid, "1"))
    local info = assert(again.told:pop(30))
    assert.equal("1", again.heard:pop(30))
    assert.is_true(info.messages <= 1)
    assert.equal(0, #again.told)
  end))

  it("is told so by the next login when the connection breaks in the middle, and nothing is heard twice", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", away(rig)
    for i = 1, 60 do assert(ana.client:send(ben.jid, tostring(i))) end
    local seen = 0
    rig:tap(function(direction, node, conn)
      if direction ~= "to-client" or node.tag ~= "message" or conn.device ~= ben.device then return end
      seen = seen + 1
      if seen == 30 then
        conn:drop()
        return false
      end
    end)
    local again = back(rig, ben)
    hear_all(again, 60)
    local info = assert(again.told:pop(60))
    assert.equal(60, info.messages)
    assert.equal(0, #again.told)
    assert.equal(0, #again.heard)
  end))

  it("is told so after a minute in which nothing comes when the marker does not", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", away(rig)
    assert(ana.client:send(ben.jid, "1"))
    lose_marker(rig)
    local again = back(rig, ben, nil, 0.1)
    local info = assert(again.told:pop(30))
    assert.equal("1", again.heard:pop(30))
    assert.same({ 1, false }, { info.messages, info.complete })
  end))

  it("hears messages of one flooded chat in order, and is told so by the login that brings the last", support.async(function()
    local rig <close> = start()
    local before = limits.CHAT_WAITING
    limits.CHAT_WAITING = 10
    local restored <close> = setmetatable({}, { __close = function() limits.CHAT_WAITING = before end })
    local ana, ben = rig:contact "Ana", away(rig)
    for i = 1, 60 do assert(ana.client:send(ben.jid, tostring(i))) end
    local again = back(rig, ben)
    again.client:on("error", function(err) assert.equal("full", err.code) end)
    hear_all(again, 60)
    assert.equal(60, assert(again.told:pop(30)).messages)
    assert.equal(0, #again.told)
    assert(restored)
  end))
end)

-- A bot, linked and stopped again; `options` its own, with which another one goes on.
local function bot_away(rig, more)
  local options = { store = support.tmpdir() .. "/state" }
  for name, value in pairs(more or {}) do options[name] = value end
  local bot = rig:bot(options)
  local me = rig:run(bot)
  bot:stop()
  rig.bots[#rig.bots].running:join(30)
  return me, options
end

-- Has the server's clock be behind until the value returned is closed: what is written then is old when it is read.
local function some_time_ago(rig, seconds)
  local before = rig.sandbox.time
  rig.sandbox.time = function() return before() - seconds end
  return setmetatable({}, { __close = function() rig.sandbox.time = before end })
end

local DAY = 24 * 3600

local function write_old(rig, contact, to, text)
  local past <close> = some_time_ago(rig, DAY + 60)
  return past and assert(contact.client:send(to, text))
end

describe("a message that is older than a day when its turn comes", function()
  it("is heard, and neither run as a command nor answered, which is no error", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local me, options = bot_away(rig)
    write_old(rig, ana, me.jid, "old")
    write_old(rig, ana, me.jid, "!ping")
    assert(ana.client:send(me.jid, "new"))
    local bot, heard, kept, told, failed = rig:bot(options), {}, {}, task.queue(), 0
    bot:command("ping", function(ctx) ctx:reply "pong" end)
    bot:on("message", function(ctx)
      heard[#heard + 1] = ("%s %s"):format(ctx.text, ctx.late)
      ctx:reply("heard " .. ctx.text)
      heard[#heard + 1] = "answered"
    end)
    bot:on("message", { late = true }, function(ctx) kept[#kept + 1] = ctx.text end)
    bot:on("error", function() failed = failed + 1 end)
    bot:on("caught_up", function(info) told:push(info) end)
    rig:run(bot)
    local info = assert(told:pop(30))
    assert.same({ "old true", "!ping true", "new false", "answered" }, heard)
    assert.same({ "old", "!ping" }, kept)
    assert.same({ 3, 2, 0 }, { info.messages, info.late, failed })
    assert.equal("heard new", ana:next().text)
    assert.equal(0, #ana.heard)
  end))

  it("stays unread, unless a handler has come to its end over it", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local me, options = bot_away(rig)
    write_old(rig, ana, me.jid, "answer me")
    local noted = write_old(rig, ana, me.jid, "note this")
    local bot = rig:bot(options)
    bot:on("message", { text = "^answer" }, function(ctx) ctx:react "👍" end)
    bot:on("message", { text = "^note" }, function() end)
    rig:run(bot)
    local receipt
    repeat receipt = assert(ana.receipts:pop(30)) until receipt.type == "read"
    assert.same({ noted.id }, receipt.ids)
  end))

  it("can be written to by bot:send, and by a bot that says how old is too old", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local me, options = bot_away(rig)
    write_old(rig, ana, me.jid, "sorry?")
    local bot = rig:bot(options)
    bot:on("message", function(ctx)
      for _, name in ipairs { "reply", "send", "react", "ask" } do
        local ok, err = pcall(ctx[name], ctx, "x")
        assert(not ok and err.code == "late", name)
      end
      bot:send(ctx.chat, "I was away")
    end)
    rig:run(bot)
    assert.equal("I was away", ana:next().text)
    bot:stop()
    rig.bots[#rig.bots].running:join(30)
    write_old(rig, ana, me.jid, "still?")
    options.late_seconds = 7 * DAY
    local patient = rig:bot(options)
    patient:on("message", function(ctx) ctx:reply "yes" end)
    rig:run(patient)
    assert.equal("yes", ana:next().text)
  end))
end)

describe("a bot that was away", function()
  it("is told that it has caught up", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local me, options = bot_away(rig)
    for i = 1, 3 do assert(ana.client:send(me.jid, tostring(i))) end
    local again, said, told = rig:bot(options), {}, task.queue()
    again:on("message", function(ctx) said[#said + 1] = ctx.text end)
    again:on("caught_up", function(info) told:push(info) end)
    rig:run(again)
    local info = assert(told:pop(30))
    assert.same({ "1", "2", "3" }, said)
    assert.same({ 3, true }, { info.messages, info.complete })
  end))
end)
