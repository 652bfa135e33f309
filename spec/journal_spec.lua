-- The journal: a message stays until its handler has ended, over restarts; a handler run twice does nothing twice.
local core = require "moonpost.core"
local limits = require "moonpost.client.limits"
local moonpost = require "moonpost"
local new_raw = require "moonpost.client.raw"
local rows = require "moonpost.client.rows"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"
local task = require "moonpost.task"

-- A client of a lasting store, linked, not connected yet: its handlers are set first.
local function new_client(rig, name, handle, options)
  local settings = {
    store_handle = handle or assert(core.store.open {}), url = rig.sandbox.url, root = rig.sandbox.root, name = name,
  }
  for key, value in pairs(options or {}) do settings[key] = value end
  local client = moonpost.client(settings)
  client.journal.close_seconds = 0
  return client
end

local function link(rig, client)
  assert(client:pair { qr = function(text) task.spawn(rig.scan, rig, text) end })
end

local function never() task.queue():pop() end

-- A linked "Echo" and its store; every run of it is a client of its own.
local function first_run(rig, handler)
  local client = new_client(rig, "Echo")
  link(rig, client)
  client:on("message", handler)
  assert(client:connect())
  return client
end

local function next_run(rig, store, handler, on_error)
  local client = new_client(rig, "Echo", store)
  client:on("message", handler)
  if on_error then client:on("error", on_error) end
  assert(client:connect())
  return client
end

local function journal_count(client)
  client:committed()
  return client.store:count("journal", "")
end

describe("a message whose handler has not ended", function()
  it("is handled again in the next run, and says so", support.async(function()
    local rig <close> = start()
    local began, again = task.queue(), task.queue()
    local client = first_run(rig, function(m)
      began:push(m)
      never()
    end)
    local ana = rig:contact "Ana"
    assert(ana.client:send(client.me.jid, "hi"))
    local m = assert(began:pop(30))
    assert.is_false(m.redelivered)
    client:close()
    local second = next_run(rig, client.store, function(one) again:push(one) end)
    local same = assert(again:pop(30))
    assert.same({ m.id, "hi", true, 2, ana.lid }, { same.id, same.text, same.redelivered, same.attempts, same.sender })
    assert.equal(0, journal_count(second))
    assert.equal(0, #began)
    second:close()
    local third = next_run(rig, client.store, function(one) again:push(one) end)
    assert(ana.client:send(client.me.jid, "next"))
    assert.equal("next", again:pop(30).text)
    third:close()
  end))

  it("is set aside after three runs, reported, listed, and in nobody's way", support.async(function()
    local rig <close> = start()
    local began, errors = task.queue(), task.queue()
    local function hang(m)
      began:push(m)
      if m.text == "poison" then never() end
    end
    local client = first_run(rig, hang)
    local ana = rig:contact "Ana"
    local sent = assert(ana.client:send(client.me.jid, "poison"))
    for attempt = 1, 3 do
      assert.equal(attempt, began:pop(30).attempts)
      client:close()
      client = next_run(rig, client.store, hang, function(err, m) errors:push { err = err, m = m } end)
    end
    local report = assert(errors:pop(30))
    assert.equal("parked", report.err.code)
    assert.equal("poison", report.m.text)
    assert.equal(0, #began)
    local parked = client:parked()
    assert.same({ 1, sent.id, ana.lid }, { #parked, parked[1].id, parked[1].sender })
    assert(ana.client:send(client.me.jid, "fine"))
    assert.equal("fine", began:pop(30).text)
    client:close()
    client = next_run(rig, client.store, hang, function(err, m) errors:push { err = err, m = m } end)
    assert.equal(0, #errors)
    assert.equal(1, #client:parked())
    client:close()
  end))

  it("waits for its turn until the next run when it had none", support.async(function()
    local rig <close> = start()
    local began, order = task.queue(), {}
    local client = first_run(rig, function(m)
      began:push(m)
      never()
    end)
    local ana = rig:contact "Ana"
    for i = 1, 4 do assert(ana.client:send(client.me.jid, tostring(i))) end
    assert.equal("1", began:pop(30).text)
    client:close()
    local done = task.queue()
    client = next_run(rig, client.store, function(m)
      order[#order + 1] = ("%s %s %d"):format(m.text, m.redelivered, m.attempts)
      done:push(true)
    end)
    for _ = 1, 4 do assert(done:pop(30)) end
    assert.same({ "1 true 2", "2 false 1", "3 false 1", "4 false 1" }, order)
    client:close()
  end))

  it("does not count runs that never came online", support.async(function()
    local rig <close> = start()
    local began = task.queue()
    local client = first_run(rig, function(m)
      began:push(m)
      never()
    end)
    local ana = rig:contact "Ana"
    assert(ana.client:send(client.me.jid, "hi"))
    assert.equal(1, began:pop(30).attempts)
    client:close()
    for _ = 1, 5 do
      local away = moonpost.client { store_handle = client.store, url = "ws://127.0.0.1:1/ws/chat", root = rig.sandbox.root }
      away.journal.close_seconds = 0
      away:on("message", function(m) began:push(m) end)
      local offline = tap.event(away, "offline")
      task.spawn(away.connect, away)
      assert(offline:pop(30))
      away:close()
    end
    assert.equal(0, #began)
    client = next_run(rig, client.store, function(m) began:push(m) end)
    assert.equal(2, began:pop(30).attempts)
    client:close()
  end))

  it("that failed is reported and done with", support.async(function()
    local rig <close> = start()
    local errors, runs = task.queue(), 0
    local client = new_client(rig, "Echo")
    link(rig, client)
    client:on("message", function()
      runs = runs + 1
      error "kaboom"
    end)
    client:on("error", function(err, m) errors:push { err = err, m = m } end)
    assert(client:connect())
    local ana = rig:contact "Ana"
    assert(ana.client:send(client.me.jid, "boom"))
    local report = assert(errors:pop(30))
    assert.matches("kaboom.*traceback", report.err)
    assert.equal("boom", report.m.text)
    assert.equal(0, journal_count(client))
    client:close()
    local second = next_run(rig, client.store, function() runs = runs + 1 end)
    second:close()
    assert.equal(1, runs)
  end))

  it("because the client was closed under it is handled in the next run", support.async(function()
    local rig <close> = start()
    local ana, began = rig:contact "Ana", task.queue()
    local client
    client = first_run(rig, function(m)
      began:push(m)
      assert(client:send(m.chat, "never acknowledged"))
    end)
    local stop = rig:tap(function(direction, node) return not (direction == "to-server" and node.tag == "message" and
      node.attrs.to == ana.lid) end)
    assert(ana.client:send(client.me.jid, "hi"))
    assert(began:pop(30))
    client:close()
    stop()
    client = next_run(rig, client.store, function(m) began:push(m) end)
    assert.is_true(began:pop(30).redelivered)
    client:close()
  end))
end)

describe("a handler that runs twice", function()
  it("sends the same ids, and nobody sees anything twice", support.async(function()
    local rig <close> = start()
    local ana, began, finished = rig:contact "Ana", task.queue(), task.queue()
    local client, hang = nil, true
    local function handler(m)
      local cause = { m, 0 }
      local function send(text)
        cause = { m, cause[2] + 1 }
        return assert(client:send(m.chat, text, { cause = cause }))
      end
      local ids = { send("one").id, send("two").id }
      began:push(ids)
      if hang then never() end
      ids[3] = send("three").id
      finished:push(ids)
    end
    client = first_run(rig, handler)
    assert(ana.client:send(client.me.jid, "hi"))
    local before = assert(began:pop(30))
    client:close()
    hang = false
    local stanzas = rig:record("to-server", function(node, conn)
      return node.tag == "message" and conn.device.account.name == "Echo"
    end)
    client = new_client(rig, "Echo", client.store)
    client:on("message", handler)
    assert(client:connect())
    local after = assert(finished:pop(30))
    assert.same(before, { after[1], after[2] })
    assert.equal(1, #stanzas)
    local seen = {}
    for i = 1, 3 do seen[i] = ana:next().text end
    assert.same({ "one", "two", "three" }, seen)
    assert.equal(0, #ana.heard)
    client:close()
  end))

  it("takes ids of its own for each message, sender and chat", support.async(function()
    local rig <close> = start()
    local ana, ben, client = rig:contact "Ana", rig:contact "Ben", nil
    client = first_run(rig, function(m) assert(client:send(m.chat, "answer", { cause = { m, 1 } })) end)
    assert(ana.client:send(client.me.jid, "hi"))
    assert(ben.client:send(client.me.jid, "hi"))
    assert(ana.client:send(client.me.jid, "hi"))
    local ids = { ana:next().id, ben:next().id, ana:next().id }
    for i = 1, 3 do assert.matches("^3EB0" .. ("[0-9A-F]"):rep(18) .. "$", ids[i]) end
    assert.is_true(ids[1] ~= ids[2] and ids[2] ~= ids[3] and ids[1] ~= ids[3])
    client:close()
  end))

  it("plays a conversation again from its first question", support.async(function()
    local rig <close> = start()
    local ana, asked, hang = rig:contact "Ana", task.queue(), true
    local folder = support.tmpdir() .. "/state"
    local function new_bot()
      local bot = rig:bot { store = folder }
      bot:command("order", function(ctx)
        local what = ctx:ask "What?"
        asked:push(what.text)
        if hang then never() end
        ctx:send("One " .. what.text)
      end)
      return bot
    end
    local bot = new_bot()
    local me = rig:run(bot)
    assert.equal("What?", ana:ask(me.jid, "!order").text)
    assert(ana.client:send(me.jid, "tea"))
    assert.equal("tea", asked:pop(30))
    bot.client.journal.close_seconds = 0
    bot:stop()
    rig.bots[1].running:join(30)
    hang = false
    rig:run(new_bot())
    assert.equal("tea", asked:pop(30))
    assert.equal("One tea", ana:next().text)
    assert.equal(0, #ana.heard)
  end))
end)

describe("a conversation whose handler fails", function()
  it("is done with, answers and all", support.async(function()
    local rig <close> = start()
    local ana, errors, strays = rig:contact "Ana", task.queue(), 0
    local folder = support.tmpdir() .. "/state"
    local function new_bot()
      local bot = rig:bot { store = folder }
      bot:command("order", function(ctx)
        ctx:ask "What?"
        error "kaboom"
      end)
      bot:command("ping", function(ctx) ctx:send "pong" end)
      bot:on("message", function() strays = strays + 1 end)
      bot:on("error", function(err) errors:push(err) end)
      return bot
    end
    local bot = new_bot()
    local me = rig:run(bot)
    assert.equal("What?", ana:ask(me.jid, "!order").text)
    assert(ana.client:send(me.jid, "tea"))
    assert.matches("kaboom", errors:pop(30))
    assert.equal("pong", ana:ask(me.jid, "!ping").text)
    assert.equal(0, journal_count(bot.client))
    bot:stop()
    rig.bots[1].running:join(30)
    rig:run(new_bot())
    assert.equal("pong", ana:ask(me.jid, "!ping").text)
    assert.equal(0, strays)
  end))

  it("because of an error of its own that is called closed is reported and done with", support.async(function()
    local rig <close> = start()
    local errors = task.queue()
    local client = first_run(rig, function()
      local closed = task.queue()
      closed:close()
      error(select(2, closed:pop()), 0)
    end)
    client:on("error", function(err) errors:push(err) end)
    local ana = rig:contact "Ana"
    assert(ana.client:send(client.me.jid, "hi"))
    assert.equal("closed", errors:pop(30).code)
    assert.equal(0, journal_count(client))
    client:close()
  end))
end)

describe("messages", function()
  it("of one chat are handled one after another, those of others at the same time", support.async(function()
    local rig <close> = start()
    local gate, done, running, both = task.queue(), task.queue(), {}, task.queue()
    local client = first_run(rig, function(m)
      assert.is_nil(running[m.chat])
      running[m.chat] = true
      local count = 0
      for _ in pairs(running) do count = count + 1 end
      if count == 2 then both:push(true) end
      if m.text == "1" then gate:pop() end
      running[m.chat] = nil
      done:push(m.chat .. m.text)
    end)
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    for i = 1, 5 do
      assert(ana.client:send(client.me.jid, tostring(i)))
      assert(ben.client:send(client.me.jid, tostring(i)))
    end
    assert(both:pop(30))
    assert.equal(0, #done)
    gate:close()
    local order = { [ana.lid] = "", [ben.lid] = "" }
    for _ = 1, 10 do
      local chat, text = done:pop(30):match "^(.*)(%d)$"
      order[chat] = order[chat] .. text
    end
    assert.same({ [ana.lid] = "12345", [ben.lid] = "12345" }, order)
    assert.equal(0, journal_count(client))
    assert.is_nil(next(client.journal.lanes.chats))
    client:close()
  end))

  it("that wait for a slow handler are kept in the store alone", support.async(function()
    local rig <close> = start()
    local gate, done, started = task.queue(), task.queue(), task.queue()
    local client = first_run(rig, function(m)
      started:push(m.text)
      gate:pop()
      done:push(m.text)
    end)
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    for i = 1, 10 do assert(ana.client:send(client.me.jid, tostring(i))) end
    assert(ben.client:send(client.me.jid, "x"))
    repeat until started:pop(30) == "x" -- behind all of Ana's, which came first
    assert.equal(11, journal_count(client))
    local lane = client.journal.lanes.chats[ana.lid]
    assert.same({ 9, 9 }, { lane.last - lane.first + 1, client.journal.lanes.waiting })
    for i = lane.first, lane.last do assert.equal("integer", math.type(lane[i])) end
    gate:close()
    for _ = 1, 11 do assert(done:pop(30)) end
    assert.equal(0, journal_count(client))
    client:close()
  end))

  it("are handed over while the disk is full only once they are safe", support.async(function()
    local rig <close> = start()
    local heard, errors = task.queue(), task.queue()
    local client = first_run(rig, function(m) heard:push(m.text) end)
    client:on("error", function(err) errors:push(err) end)
    local ana = rig:contact "Ana"
    local journal, write, fails = client.journal, client.journal.write, 1
    function journal:write(entry)
      if fails > 0 then
        fails = fails - 1
        error(core.error("full", "no room for the store"), 0)
      end
      return write(self, entry)
    end
    assert(ana.client:send(client.me.jid, "hi"))
    assert.equal("full", errors:pop(30).code)
    assert.equal(0, #heard)
    client.connection:abort(core.error("network", "cut"))
    assert.equal("hi", heard:pop(30))
    client:close()
  end))
end)

describe("what is not understood yet", function()
  it("is kept as it came, the newest ten thousand", support.async(function()
    local rig <close> = start()
    local client = first_run(rig, function() end)
    local node = { tag = "message", attrs = { id = "AAAA", from = client.me.jid }, content = "x" }
    for _ = 1, 10010 do client.journal:keep_raw(node, "plain") end
    client:commit()
    assert.equal(10000, client.store:count("raw", ""))
    local bytes, plain = (">s4s4"):unpack(client.store:get("raw", client.store:last("raw", "")))
    assert.same({ "AAAA", "plain" }, { core.wire.decode(bytes).attrs.id, plain })
    client:close()
  end))
end)

describe("what is kept unread", function()
  it("is bounded in bytes, over restarts: the oldest goes", function()
    local store <close>, bound = assert(core.store.open {}), limits.RAW_BYTES
    local guard <close> = setmetatable({}, { __close = function() limits.RAW_BYTES = bound end })
    limits.RAW_BYTES = 10000
    local function keep(raw, id)
      raw:keep({ tag = "message", attrs = { id = id, from = "1@lid" }, content = ("x"):rep(3000) }, "plain")
      assert(guard and store:commit())
      return store:count("raw", "")
    end
    local raw = new_raw(store)
    for i = 1, 3 do assert.equal(i, keep(raw, "A" .. i)) end
    assert.equal(3, keep(raw, "A4"))
    assert.equal(3, keep(new_raw(store), "A5"))
    local kept = {}
    for i, row in ipairs(store:range("raw", "")) do kept[i] = core.wire.decode(((">s4"):unpack(row[2]))).attrs.id end
    assert.same({ "A3", "A4", "A5" }, kept)
  end)
end)

describe("a journal that is full", function()
  it("leaves messages at the server, and takes them when there is room again", support.async(function()
    local rig <close> = start()
    local began, go, errors = task.queue(), task.queue(), task.queue()
    local client = first_run(rig, function(m)
      began:push(m.text)
      go:pop()
    end)
    client:on("error", function(err) errors:push(err) end)
    client.connection.pace = { stable = 30, first_pause = 0.01, longest_pause = 0.05 }
    client.journal.capacity.most_bytes = 500
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    assert(ana.client:send(client.me.jid, ("a"):rep(1000)))
    assert(began:pop(30))
    assert(ben.client:send(client.me.jid, "one more"))
    local err = assert(errors:pop(30))
    assert.equal("full", err.code)
    assert.matches("waits at the server: handlers have not ended with 1%d%d%d bytes of messages", err.message)
    assert.equal(1, journal_count(client))
    go:push(true)
    assert.equal("one more", began:pop(30))
    go:push(true)
    client:close()
  end))
end)

describe("the sweep", function()
  it("takes damaged rows along, and goes on behind them", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local store, now = ana.client.store, core.net.time()
    store:put("device-list", "1@lid", "no row at all")
    store:put("dedupe", "rshort", "abc")
    store:put("message", "m1@lid\000A\0001@lid", "x" .. "o" .. ("\0"):rep(8))
    store:put("message", "mshort", "abc")
    ana.client.archive:recount()
    ana.client.sweep:run(now)
    for _, row in ipairs {
      { "device-list", "1@lid" }, { "dedupe", "rshort" }, { "message", "m1@lid\000A\0001@lid" }, { "message", "mshort" },
    } do
      assert.is_nil(store:get(row[1], row[2]), row[1])
    end
  end))

  it("takes away what is too old, and nothing else", support.async(function()
    local rig <close> = start()
    local heard = task.queue()
    local client = first_run(rig, function(m) heard:push(m) end)
    local ana = rig:contact "Ana"
    assert(ana.client:send(client.me.jid, "hi"))
    assert(heard:pop(30)) -- behind the phone's key share and history
    local now = core.net.time()
    local function counts() return { client.store:count("dedupe", "r"), client.store:count("message", "") } end
    rows.put(client.store, "device-list", ana.lid, "StoreDevices", { time = math.floor(now) })
    client.sweep:run(now + 14 * 24 * 3600)
    assert.same({ 3, 1 }, counts())
    client.sweep:run(now + 16 * 24 * 3600)
    assert.same({ 0, 1 }, counts())
    assert.equal(1, client.store:count("device-list", ""))
    client.sweep:run(now + 31 * 24 * 3600)
    assert.same({ 0, 0 }, counts())
    client.sweep:run(now + 91 * 24 * 3600)
    assert.equal(0, client.store:count("device-list", ""))
    assert.same({ 0, 0 }, counts())
    for i = 1, 1200 do client.store:put("dedupe", ("s%04d"):format(i), (">I8"):pack(i % 2 == 0 and now // 1 | 0 or 0)) end
    client.sweep:run(now)
    assert.equal(600, client.store:count("dedupe", "s"))
    client:close()
  end))
end)

