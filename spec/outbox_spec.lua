-- The outbox: what the server has not acknowledged is kept, and sent again as the same bytes.
local core = require "moonpost.core"
local rows = require "moonpost.client.rows"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"
local task = require "moonpost.task"

local function is_message(node) return node.tag == "message" end

local function is_ack(direction, node)
  return direction == "to-client" and node.tag == "ack" and node.attrs.class == "message"
end

-- Loses the acks of a contact's messages until the function returned is called; `lost` counts them.
local function lose_acks(rig, contact)
  local lost = task.queue()
  local stop = rig:tap(function(direction, node, conn)
    if not is_ack(direction, node) or not conn.device or conn.device:jid "lid" ~= contact.device then return end
    lost:push(node)
    return false
  end)
  return stop, lost
end

-- A contact whose store outlives its client.
local function lasting(rig, name, handle)
  local contact = rig:contact(name, { store_handle = handle or assert(core.store.open {}) })
  local user, server = core.wire.jid.parse(contact.lid)
  contact.device = core.wire.jid.make(user, server, contact.client.me.device)
  contact.store = contact.client.store
  return contact
end

local function kick(rig, contact)
  local user, server = core.wire.jid.parse(contact.jid)
  rig:admin("kick", { jid = core.wire.jid.make(user, server, contact.client.me.device), kind = "drop" })
end

-- Sends in a task of its own; its results come to the queue returned.
local function send(contact, to, text)
  local results = task.queue()
  task.spawn(function()
    local sent, err = contact.client:send(to, text)
    results:push { sent = sent, err = err }
  end)
  return results
end

describe("a message that is not acknowledged", function()
  it("is stored before its first byte leaves", support.async(function()
    local rig <close> = start()
    local ana, ben = lasting(rig, "Ana"), rig:contact "Ben"
    tap.knows_app_state(ana.client)
    local committed
    rig:tap(function(direction, node)
      if direction ~= "to-server" or not is_message(node) then return end
      committed = ana.client.outbox:holds(node.attrs.id) and not ana.store:dirty()
    end)
    assert(ana.client:send(ben.jid, "hi"))
    assert.is_true(committed)
    assert.equal(0, ana.store:count("outbox", ""))
  end))

  it("goes again as the same bytes after the connection was cut, and is delivered once", support.async(function()
    local rig <close> = start()
    local ana, ben = lasting(rig, "Ana"), rig:contact "Ben"
    local stanzas = rig:record("to-server", is_message)
    local stop, lost = lose_acks(rig, ana)
    local result = send(ana, ben.jid, "hi")
    assert(lost:pop(30))
    stop()
    kick(rig, ana)
    local sent = assert(result:pop(30)).sent
    assert.equal(2, #stanzas)
    assert.equal(core.wire.encode(stanzas[1]), core.wire.encode(stanzas[2]))
    assert.equal(sent.id, ben:next().id)
    assert(ana.client:send(ben.jid, "next"))
    assert.equal("next", ben:next().text)
  end))

  it("is acknowledged with the same time when it comes twice", support.async(function()
    local rig <close> = start()
    local ana, ben = lasting(rig, "Ana"), rig:contact "Ben"
    local acks = {}
    rig:tap(function(direction, node)
      if is_ack(direction, node) then acks[#acks + 1] = node end
      return not (is_ack(direction, node) and #acks == 1)
    end)
    rig.sandbox.time = function() return 1769296600 + #acks end
    local result = send(ana, ben.jid, "hi")
    ben:next()
    kick(rig, ana)
    assert(result:pop(30).sent)
    assert.equal(acks[1].attrs.t, acks[2].attrs.t)
  end))

  it("goes again in the next run, and its order is kept", support.async(function()
    local rig <close> = start()
    local ana, ben = lasting(rig, "Ana"), rig:contact "Ben"
    assert(ana.client:send(ben.jid, "0"))
    assert.equal("0", ben:next().text)
    local stanzas, seen = {}, task.queue()
    local stop = rig:tap(function(direction, node)
      if direction ~= "to-server" or not is_message(node) then return end
      stanzas[#stanzas + 1] = core.wire.encode(node)
      seen:push(true)
      return false
    end)
    local results = {}
    for i = 1, 12 do results[i] = send(ana, ben.jid, tostring(i)) end
    for _ = 1, 12 do assert(seen:pop(30)) end
    ana.client:close()
    for i = 1, 12 do assert.equal("closed", results[i]:pop(30).err.code) end
    stop()
    local again = rig:record("to-server", is_message)
    lasting(rig, "Ana", ana.store)
    for i = 1, 12 do assert.equal(tostring(i), ben:next().text) end
    for i = 1, 12 do assert.equal(stanzas[i], core.wire.encode(again[i])) end
  end))

  it("goes again though more waits than a socket takes at once, in order, and what is new goes behind it", support.async(function()
    local rig <close> = start { strict = false }
    local ana, ben = lasting(rig, "Ana"), rig:contact "Ben"
    ana.client:close()
    for i = 1, 40 do -- 40 MB
      local id = ("3EB0%02d"):format(i)
      rows.put(ana.store, "outbox", "o" .. rows.sequence(i), "StoreOutbox", {
        id = id, to = ben.lid, time = math.floor(core.net.time()), stanza = core.wire.encode {
          tag = "message", attrs = { id = id, to = ben.lid, type = "text" }, content = ("x"):rep(1000000),
        },
      })
      ana.store:put("outbox", "i" .. id, rows.sequence(i))
    end
    assert(ana.store:commit())
    local seen, all, news = {}, task.queue(), nil
    local again = tap.client(rig, { store_handle = ana.store })
    local offline = tap.event(again, "offline")
    again:on("online", function() news = again:send(ben.lid, "news") end)
    rig:tap(function(direction, node)
      if direction ~= "to-server" or not is_message(node) then return end
      seen[#seen + 1] = node.attrs.id
      if #seen == 41 then all:push(true) end
      return #seen == 41
    end)
    assert(again:connect())
    assert(all:pop(30))
    for i = 1, 40 do assert.equal(("3EB0%02d"):format(i), seen[i]) end
    assert.equal("news", ben:next().text)
    assert.equal(seen[41], news.id)
    assert.equal(0, #offline)
  end))

  it("that the server refuses in the next run is reported", support.async(function()
    local rig <close> = start()
    local ana, ben = lasting(rig, "Ana"), rig:contact "Ben"
    local stop, lost = lose_acks(rig, ana)
    local result = send(ana, ben.jid, "hi")
    assert(lost:pop(30))
    stop()
    ana.client:close()
    assert.equal("closed", result:pop(30).err.code)
    local errors = task.queue()
    local user, server = core.wire.jid.parse(ana.jid)
    rig:fault { what = "error", tag = "message", jid = core.wire.jid.make(user, server, ana.client.me.device), code = 463 }
    local again = require("moonpost").client {
      store_handle = ana.store, url = rig.sandbox.url, root = rig.sandbox.root, name = "Ana",
    }
    again:on("error", function(err) errors:push(err) end)
    assert(again:connect())
    local err = assert(errors:pop(30))
    assert.equal("refused", err.code)
    assert.equal(463, err.status)
    assert.equal(0, ana.store:count("outbox", ""))
    again:close()
  end))

  it("for long goes again over the same connection", support.async(function()
    local rig <close> = start()
    local ana, ben = lasting(rig, "Ana"), rig:contact "Ben"
    ana.client.outbox.ack_seconds = 0.2
    local stanzas = rig:record("to-server", is_message)
    local stop, lost = lose_acks(rig, ana)
    local result = send(ana, ben.jid, "hi")
    assert(lost:pop(30) and lost:pop(30))
    stop()
    assert.equal(ben:next().id, result:pop(30).sent.id)
    assert.equal(core.wire.encode(stanzas[1]), core.wire.encode(stanzas[2]))
    assert.equal(0, #ben.heard)
  end))

  it("is looked after again when the client comes back from an end that was final", support.async(function()
    local rig <close> = start()
    local ana, ben = lasting(rig, "Ana"), rig:contact "Ben"
    ana.client.outbox.ack_seconds = 0.2
    local ended = tap.event(ana.client, "replaced")
    local stop, lost = lose_acks(rig, ana)
    local first = send(ana, ben.jid, "one")
    assert(lost:pop(30))
    rig:admin("kick", { jid = ana.device, kind = "replaced" })
    assert(ended:pop(30))
    assert.equal("replaced", first:pop(30).err.code)
    assert(ana.client:connect())
    local second = send(ana, ben.jid, "two")
    for _ = 1, 6 do assert(lost:pop(30)) end
    stop()
    assert(second:pop(30).sent)
  end))

  it("older than a day is dropped with a report", support.async(function()
    local rig <close> = start()
    local ana, ben = lasting(rig, "Ana"), rig:contact "Ben"
    local errors = task.queue()
    ana.client:on("error", function(err) errors:push(err) end)
    local stop, lost = lose_acks(rig, ana)
    local result = send(ana, ben.jid, "hi")
    local id = assert(lost:pop(30)).attrs.id
    stop()
    ben:next()
    local sequence = ana.store:get("outbox", "i" .. id)
    local row = rows.get(ana.store, "outbox", "o" .. sequence, "StoreOutbox")
    row.time = row.time - 24 * 3600 - 1
    rows.put(ana.store, "outbox", "o" .. sequence, "StoreOutbox", row)
    kick(rig, ana)
    assert.equal("expired", result:pop(30).err.code)
    assert.equal(0, ana.store:count("outbox", ""))
    assert.equal(0, #errors)
  end))
end)

describe("a handler's send", function()
  -- Echo's handler answers; none of its messages is acknowledged until the function returned is called.
  local function deaf_echo(rig, results)
    local store = assert(core.store.open {})
    local echo = rig:contact("Echo", { store_handle = store, reply_seconds = 0.2 })
    echo.client.outbox.ack_seconds = 0.1
    echo.client:on("message", function(m)
      local sent, err = echo.client:send(m.chat, "answer", { cause = { m, 1 } })
      results:push { sent = sent, err = err }
    end)
    return echo
  end

  it("that waits for longer than its limit is dropped, and the handler is told", support.async(function()
    local rig <close> = start()
    local ana, results = rig:contact "Ana", task.queue()
    local echo = deaf_echo(rig, results)
    rig:tap(function(direction, node, conn)
      return not (direction == "to-server" and node.tag == "message" and conn.device.account.name == "Echo")
    end)
    assert(ana.client:send(echo.jid, "hi"))
    local result = assert(results:pop(30))
    assert.equal("expired", result.err.code)
    assert.equal(0, echo.client.store:count("outbox", ""))
  end))

  it("that finds no connection within its limit fails as well", support.async(function()
    local rig <close> = start()
    local ana, results = rig:contact "Ana", task.queue()
    local echo = deaf_echo(rig, results)
    echo.client.connection.pace = { stable = 30, first_pause = 100, longest_pause = 100 }
    table.insert(echo.client.handlers.message, 1, function()
      echo.client.connection:abort(core.error("network", "cut"))
      while echo.client.connection.online do task.sleep(0) end
    end)
    assert(ana.client:send(echo.jid, "hi"))
    assert.equal("expired", results:pop(30).err.code)
  end))

  it("that is too old at a restart is made anew by its handler, and nobody is told", support.async(function()
    local rig <close> = start()
    local ana, began, errors = rig:contact "Ana", task.queue(), 0
    local function run(store, options)
      local client = require("moonpost").client {
        store_handle = store, url = rig.sandbox.url, root = rig.sandbox.root, name = "Echo", reply_seconds = options.reply_seconds,
      }
      client.journal.close_seconds = 0
      client:on("message", function(m)
        began:push(m)
        client:send(m.chat, "answer", { cause = { m, 1 } })
      end)
      client:on("error", function() errors = errors + 1 end)
      if not client:linked() then assert(client:pair { qr = function(text) task.spawn(rig.scan, rig, text) end }) end
      assert(client:connect())
      return client
    end
    local store = assert(core.store.open {})
    local client = run(store, {})
    local to = client.me.jid
    local lost = task.queue()
    local stop = rig:tap(function(direction, node, conn)
      if direction ~= "to-server" or node.tag ~= "message" or conn.device.account.name ~= "Echo" then return end
      lost:push(true)
      return false
    end)
    assert(ana.client:send(to, "hi"))
    assert(lost:pop(30))
    client:close()
    assert.equal(1, store:account(""):count("outbox", "o"))
    stop()
    local key = "o" .. rows.sequence(1)
    local row = rows.get(store:account(""), "outbox", key, "StoreOutbox")
    row.time = row.time - 601
    rows.put(store:account(""), "outbox", key, "StoreOutbox", row)
    client = run(store, {})
    assert.equal("answer", ana:next().text)
    assert.equal(0, #ana.heard)
    assert.equal(0, errors)
    client:close()
  end))
end)

describe("an ack", function()
  it("of nothing that was sent changes nothing", support.async(function()
    local rig <close> = start()
    local ana, ben = lasting(rig, "Ana"), rig:contact "Ben"
    local conn = rig.sandbox.accounts:device(ana.device).connection
    for _, id in ipairs { "3EB0000000000000000000", ("x"):rep(2000), "" } do
      tap.inject(conn, { tag = "ack", attrs = { class = "message", id = id, from = ben.jid, t = "1769296600" } })
    end
    assert(ana.client:send(ben.jid, "hi"))
    assert.equal("hi", ben:next().text)
  end))
end)

describe("the order of the outbox", function()
  it("goes on behind what is there, without reading it all", function()
    local store = assert(core.store.open {})
    assert.equal(0, rows.last_sequence(store, "outbox", "o"))
    store:put("outbox", "o" .. rows.sequence(41), "x")
    store:put("outbox", "iAAAA", rows.sequence(41))
    assert.equal(41, rows.last_sequence(store, "outbox", "o"))
    store:put("outbox", "o" .. rows.sequence(2 ^ 40 // 1 | 0), "x")
    assert.equal(1 << 40, rows.last_sequence(store, "outbox", "o"))
    store:put("raw", "\255\255", "x")
    assert.equal("\255\255", store:last("raw", ""))
    assert.equal("\255\255", store:last("raw", "\255"))
    assert.is_nil(store:last("raw", "a"))
    assert.is_nil(store:last("queue", ""))
    store:commit()
    assert.equal(1 << 40, rows.last_sequence(store, "outbox", "o"))
    store:close()
  end)
end)
