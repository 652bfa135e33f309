-- A device that takes itself off its account, and the commands that list and remove what a store holds.
local core = require "moonpost.core"
local moonpost = require "moonpost"
local process = require "spec.process"
local stanza = require "moonpost.stanza"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"
local task = require "moonpost.task"

local function folder() return support.tmpdir() .. "/state" end

local function rows_left(store, account)
  local handle, count = store:account(account), 0
  local tables = { "setting", "journal", "outbox", "dedupe", "device-list", "lid", "secret", "appstate-key", "appstate",
    "raw", "recent", "group" }
  for _, name in ipairs(tables) do
    count = count + handle:count(name, "")
  end
  return count
end

-- Two accounts linked in a store, which is closed again.
local function linked_store(rig)
  local path = folder()
  local work = rig:contact("Work", { store = path, account = "work" })
  local other = rig:contact("Home", { store = path })
  work.client:close()
  other.client:close()
  return path, work, other
end

local function is_logout(node) return node.tag == "iq" and stanza.child(node, "remove-companion-device") ~= nil end

-- Runs a command to its end; what it printed, and its exit code.
local function run(command)
  local one <close> = process.start(command)
  local code = one:wait_end()
  return one:text(), code
end

describe("client:logout", function()
  it("has the server take the device off, and wipes the account's rows", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    assert(ana.client:send(ben.jid, "bye"))
    ben:next()
    local unlinked = tap.event(ana.client, "unlinked")
    local _, account = tap.device(rig, ana.client)
    assert(ana.client:logout())
    assert.is_nil(next(account.devices))
    assert.is_false(ana.client:linked())
    assert.same({}, ana.client.store:accounts())
    assert.equal(0, rows_left(ana.client.store, ""))
    assert.equal(0, #unlinked)
  end))

  it("leaves nothing behind that the account linked next would hear", support.async(function()
    local rig <close> = start()
    local echo, ana, ben = rig:contact "Echo", rig:contact "Ana", rig:contact "Ben"
    local gate = task.queue()
    echo.client:on("message", function() gate:pop() end)
    local function write(from, ...)
      local sent
      for _, text in ipairs { ... } do sent = assert(from.client:send(echo.jid, text)) end
      repeat local receipt = assert(from.receipts:pop(30)) until receipt.ids[1] == sent.id -- it waits in its chat's lane
    end
    write(ana, "a1", "a2")
    assert.equal("a1", echo:next().text)
    assert(echo.client:logout())
    assert(echo.client:pair(tap.scanner(rig)))
    assert(echo.client:connect())
    write(ben, "b1", "b2")
    assert.equal("b1", echo:next().text)
    gate:close()
    assert.equal("b2", echo:next().text)
    write(ben, "b3")
    assert.equal("b3", echo:next().text)
  end))

  it("takes the end of the connection for the answer", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local id
    rig:tap(function(direction, node)
      if direction == "to-server" and is_logout(node) then id = node.attrs.id end
      if direction == "to-client" and node.tag == "iq" and node.attrs.id == id then return false end
    end)
    assert(ana.client:logout())
    assert.is_false(ana.client:linked())
  end))

  it("leaves all as it is when the server says no", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local _, account = tap.device(rig, ana.client)
    rig:tap(function(direction, node)
      if direction == "to-server" and is_logout(node) then
        stanza.child(node, "remove-companion-device").attrs.jid = ben.client.me.jid:gsub("@", ":" .. ben.client.me.device .. "@")
      end
    end)
    local ok, err = ana.client:logout()
    assert.is_nil(ok)
    assert.equal(404, err.status)
    assert.is_true(ana.client:linked())
    assert.is_truthy(next(account.devices))
    assert(ana.client:send(ben.jid, "still here"))
    assert.equal("still here", ben:next().text)
  end))

  it("says so when it is offline or not linked; by force it wipes all the same", support.async(function()
    local rig <close> = start()
    local path = linked_store(rig)
    local client = tap.client(rig, { store = path, account = "work" })
    local ok, err = client:logout()
    assert.is_nil(ok)
    assert.equal("offline", err.code)
    assert.is_true(client:linked())
    assert(client:logout { force = true })
    assert.is_false(client:linked())
    assert.same({ "" }, client.store:accounts())
    ok, err = client:logout { force = true }
    assert.is_nil(ok)
    assert.equal("unlinked", err.code)
  end))

  it("leaves a client that can be linked anew", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    assert(ana.client:logout())
    assert(ana.client:pair(tap.scanner(rig)))
    assert(ana.client:connect())
    assert(ana.client:send(ben.jid, "here again"))
    assert.equal("here again", ben:next().text)
  end))
end)

describe("bot:logout", function()
  it("ends bot:run() well, from a handler too", support.async(function()
    local rig <close> = start()
    local bot = rig:bot {}
    local ended
    bot:command("leave", function(ctx)
      ctx:reply "bye"
      assert(bot:logout())
      ended = true
    end)
    local me = rig:run(bot)
    local running = rig.bots[1].running
    assert.equal("bye", rig:contact("Ana"):ask(me.jid, "!leave").text)
    assert.is_true(running:join(30))
    assert.is_true(ended)
    local store <close> = assert(core.store.open { path = bot.options.store })
    assert.same({}, store:accounts())
    assert.same({ nil, "this bot does not run" }, { nil, tostring(select(2, bot:logout())) })
  end))
end)

describe("moonpost accounts", function()
  it("lists what a store holds", support.async(function()
    local rig <close> = start()
    local path, work = linked_store(rig)
    local text, code = run("moonpost accounts --store " .. path)
    assert.equal(0, code, text)
    local head, first, second = text:match "^(.-)\n(.-)\n(.-)$"
    assert.matches("^account +number +name +server +linked since +journal +parked +outbox$", head)
    assert.matches("^default +%+%d+ +Home +sandbox +%d%d%d%d%-%d%d%-%d%d %d%d:%d%d +0 +0 +0$", first)
    assert.matches("^work +%+" .. work.jid:match "^%d+" .. " +Work +sandbox +", second)
  end))

  it("does so beside a bot that runs, and of a sealed store with its key", support.async(function()
    local rig <close> = start()
    local path = folder()
    rig:contact("Work", { store = path, account = "work", key = "a long passphrase" })
    local text, code = run("moonpost accounts --store " .. path)
    assert.equal(1, code)
    assert.matches("key", text)
    local key = support.tmpdir() .. "/key"
    local file = assert(io.open(key, "w"))
    file:write "a long passphrase"
    file:close()
    local one <close> = process.start(("moonpost accounts --key-fd 3 --store %s 3<%s"):format(path, key))
    assert.equal(0, one:wait_end(), one:text())
    assert.matches("\nwork +%+%d+ +Work +sandbox +", one:text())
  end))

  it("counts what waits", function()
    local accounts = require "moonpost.client.accounts"
    local rows = require "moonpost.client.rows"
    local store <close> = assert(core.store.open {})
    local work = store:account "work"
    core.signal.account(work):create()
    for i, parked in ipairs { true, false, false } do
      rows.put(work, "journal", rows.sequence(i), "StoreJournal", { id = tostring(i), parked = parked })
    end
    rows.put(work, "outbox", "o" .. rows.sequence(1), "StoreOutbox", { id = "x" })
    work:put("outbox", "ix", rows.sequence(1))
    assert.same({ { account = "work", journal = 2, parked = 1, outbox = 1 } }, accounts.list(store))
  end)

  it("says that there is no store, and makes none; or no account", support.async(function()
    local path = support.tmpdir()
    local text, code = run("moonpost accounts --store " .. path)
    assert.equal(1, code)
    assert.equal("moonpost accounts: there is no store in " .. path, text)
    assert.is_nil(io.open(path .. "/keys.mdb"))
    assert(core.store.open { path = path, kind = "client" }):close()
    assert.same({ ("store %s holds no account"):format(path), 0 }, { run("moonpost accounts --store " .. path) })
  end))
end)

describe("moonpost logout", function()
  local function logout(rig, path, more)
    return run(("moonpost logout --store %s --sandbox %s %s"):format(path, rig.sandbox.url, more or ""))
  end

  it("unlinks one account of a store and leaves the others", support.async(function()
    local rig <close> = start()
    local path, work, home = linked_store(rig)
    local number = work.jid:match "^%d+"
    local text, code = logout(rig, path, "--account work")
    assert.same({ ("account work (+%s) is logged out, its rows in the store are removed"):format(number), 0 }, { text, code })
    assert.is_nil(next(rig.sandbox.accounts:lookup(work.jid).devices))
    assert.is_truthy(next(rig.sandbox.accounts:lookup(home.jid).devices))
    local store <close> = assert(core.store.open { path = path })
    assert.same({ "" }, store:accounts())
    assert.equal(0, rows_left(store, "work"))
  end))

  it("says that the account was unlinked before, and removes its rows", support.async(function()
    local rig <close> = start()
    local path, work = linked_store(rig)
    local account = rig.sandbox.accounts:lookup(work.jid)
    require("moonpost.sandbox.login").unlink(rig.sandbox, select(2, next(account.devices)))
    local text, code = logout(rig, path, "--account work")
    assert.equal(0, code)
    assert.matches("^account work %(%+%d+%) was unlinked before: its rows in the store are removed$", text)
    local store <close> = assert(core.store.open { path = path })
    assert.same({ "" }, store:accounts())
  end))

  it("changes nothing when the server is not there, unless it is forced to", support.async(function()
    local path
    do
      local rig <close> = start()
      path = linked_store(rig)
    end
    local gone = "moonpost logout --sandbox ws://127.0.0.1:1/ws/chat --store " .. path
    local text, code = run(gone)
    assert.equal(1, code)
    assert.matches("^moonpost logout: no sandbox at ws://127.0.0.1:1/ws/chat", text)
    text, code = run(gone .. " --force")
    assert.equal(0, code, text)
    assert.matches("warning: the server was not told %(no sandbox at", text)
    assert.matches("account default is removed from the store; the phone may still list this device", text)
    local store <close> = assert(core.store.open { path = path })
    assert.same({ "work" }, store:accounts())
  end))

  it("names an account the store does not hold, and a name that is none", support.async(function()
    local rig <close> = start()
    local path = linked_store(rig)
    local text, code = logout(rig, path, "--account nobody")
    assert.same({ ("moonpost logout: store %s holds no linked account 'nobody'"):format(path), 1 }, { text, code })
    text, code = run("moonpost logout --account a/b --store " .. path)
    assert.same({ "moonpost logout: --account expects an account's name, got 'a/b' (see moonpost logout --help)", 2 }, { text, code })
  end))
end)

describe("moonpost.run", function()
  it("runs two bots in one store, each with its own account, until both have stopped", support.async(function()
    local rig <close> = start()
    local path, bots, ready = folder(), {}, task.queue()
    for _, name in ipairs { "work", "home" } do
      bots[name] = rig:bot { store = path, account = name, name = name }
      bots[name]:command("who", function(ctx) ctx:reply("this is " .. name) end)
      bots[name]:on("ready", function(me) ready:push { name, me } end)
    end
    local running = task.spawn(moonpost.run, bots.work, bots.home)
    local jids = {}
    for _ = 1, 2 do
      local name, me = table.unpack(assert(ready:pop(30)))
      jids[name] = me.jid
    end
    local ana = rig:contact "Ana"
    assert.equal("this is work", ana:ask(jids.work, "!who").text)
    assert.equal("this is home", ana:ask(jids.home, "!who").text)
    bots.work:stop()
    assert.equal("this is home", ana:ask(jids.home, "!who").text)
    bots.home:stop()
    assert.is_true(running:join(30))
  end))

  it("goes on with the others when one cannot, and tells of it at the end", support.async(function()
    local rig <close> = start()
    local broken, bot = rig:bot { store = "/proc/state" }, rig:bot {}
    local ready = task.queue()
    bot:on("ready", function(me) ready:push(me) end)
    local running = task.spawn(moonpost.run, broken, bot)
    assert(ready:pop(30))
    bot:stop()
    local ok, err = running:join(30)
    assert.is_nil(ok)
    assert.matches("cannot make the store's folder /proc/state", tostring(err))
  end))

  it("expects bots", function()
    assert.error_matches(function() moonpost.run() end, "moonpost.run expects bots")
    assert.error_matches(function() moonpost.run {} end, "moonpost.run expects bots, got table as argument 1")
  end)
end)
