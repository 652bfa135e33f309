-- Several accounts in one process and one store: each has its own rows, all share the turn and its commit.
local core = require "moonpost.core"
local login = require "moonpost.sandbox.login"
local moonpost = require "moonpost"
local process = require "spec.process"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"
local task = require "moonpost.task"

local function folder() return support.tmpdir() .. "/state" end

-- Two linked clients in one store, and what they share.
local function two(rig, options)
  local store = assert(core.store.open { path = options and options.path, map_size = options and options.map_size })
  local work = rig:contact("Work", { store_handle = store, account = "work" })
  local home = rig:contact("Home", { store_handle = store, account = "home" })
  return work, home, store
end

local function hurry(client) client.connection.pace = { stable = 30, first_pause = 0.01, longest_pause = 0.05 } end

-- Counts the commits of a client's store.
local function count_commits(client)
  local turn, count = client.turn, { 0 }
  local commit = turn.commit
  function turn.commit(...)
    local did, err = commit(...)
    if did then count[1] = count[1] + 1 end
    return did, err
  end
  return count
end

-- The next message a client gets finds no room left in the store, in the turn that has taken it in.
local function fill_after_message(client)
  local receive = client.receive
  local take = receive.message
  function receive.message(...)
    take(...)
    receive.message = nil
    pcall(function()
      for i = 1, 1000 do client.store:put("raw", tostring(i), ("x"):rep(16000)) end
    end)
  end
end

describe("a store's handle for an account", function()
  it("sees the rows of its account alone", function()
    local store <close> = assert(core.store.open {})
    local work, home = store:account "work", store:account "home"
    work:put("lid", "a", "1")
    home:put("lid", "b", "2")
    store:put("lid", "c", "3")
    assert.same({ { "a", "1" } }, work:range("lid", ""))
    assert.same({ { "b", "2" } }, home:range("lid", "", 10, "a"))
    assert.same({ { "c", "3" } }, store:range("lid", ""))
    assert.same({ "a", "b", "c" }, { work:last("lid", ""), home:last("lid", ""), store:last("lid", "") })
    assert.is_nil(work:get("lid", "b"))
    work:delete("lid", "b")
    assert.same({ 1, 1, 1 }, { work:count("lid", ""), home:count("lid", ""), store:count("lid", "") })
    assert.equal("3", work:account "":get("lid", "c"))
  end)

  it("is of the turn of all others, whichever way the store was opened", function()
    local path, ran = folder(), {}
    local first <close> = assert(core.store.open { path = path })
    local second <close> = assert(core.store.open { path = path })
    first:account "work":after_commit(function() ran[#ran + 1] = "work" end)
    second:account "home":after_commit(function() ran[#ran + 1] = "home" end)
    first:put("lid", "a", "1")
    assert.is_true(second:dirty())
    assert(second:commit())
    assert.same({ "work", "home" }, ran)
    assert.is_false(first:dirty())
  end)

  it("is closed with the handle it was made from", function()
    local store = assert(core.store.open {})
    local work = store:account "work":account "home"
    store:close()
    assert.error_matches(function() work:get("lid", "a") end, "the store is closed")
  end)

  it("has a device of its own, which the store tells by name", function()
    local store <close> = assert(core.store.open {})
    core.signal.account(store:account "work"):create()
    core.signal.account(store):create()
    assert.same({ "", "work" }, store:accounts())
    assert.is_false(core.signal.account(store:account "home"):exists())
  end)
end)

describe("an account's name", function()
  it("is of letters, digits and a few signs, or an error at the caller's line", function()
    for _, name in ipairs { "", ".hidden", "-x", "a b", "a/b", "a\0b", "\u{e9}", ("a"):rep(33) } do
      for who, make in pairs { client = moonpost.client, bot = moonpost.bot } do
        local ok, err = pcall(function() make { store = "never-made", account = name } end)
        assert.is_false(ok)
        assert.matches(("accounts_spec.lua:%%d+: moonpost.%s: option 'account' must be 1 to 32 letters"):format(who), err)
      end
    end
    for _, name in ipairs { "+4917012345", "work", "a.b_c-d", ("a"):rep(32) } do
      local client = moonpost.client { store_handle = assert(core.store.open {}), account = name }
      task.run(function() client:close() end)
    end
  end)
end)

describe("two clients in one store", function()
  it("hear each only their own, and answer as who they are", support.async(function()
    local rig <close> = start()
    local work, home = two(rig, { path = folder() })
    local ana = rig:contact "Ana"
    assert.equal("for work", (assert(ana.client:send(work.jid, "for work")) and work:next()).text)
    assert.equal("for home", (assert(ana.client:send(home.jid, "for home")) and home:next()).text)
    assert(work.client:send(ana.jid, "from work"))
    assert.equal(work.lid, ana:next().sender)
    assert(home.client:send(ana.jid, "from home"))
    assert.equal(home.lid, ana:next().sender)
    assert(work.client:send(home.jid, "to each other"))
    assert.equal("to each other", home:next().text)
    assert.equal(0, #work.heard + #home.heard)
  end))

  it("are the default account and another, and go on as those from the same folder", support.async(function()
    local rig <close> = start()
    local path = folder()
    local first = rig:contact("First", { store = path })
    local second = rig:contact("Second", { store = path, account = "second" })
    local jids = { first.jid, second.jid }
    first.client:close()
    second.client:close()
    local again = { tap.client(rig, { store = path, account = "default" }), tap.client(rig, { store = path, account = "second" }) }
    assert.same(jids, { again[1].me.jid, again[2].me.jid })
    for _, client in ipairs(again) do assert(client:connect()) end
  end))

  it("are of two accounts: the same one is refused", function()
    local path = folder()
    local work = assert(moonpost.client { store = path, account = "work" })
    local home = assert(moonpost.client { store = path, account = "home" })
    local second, err = moonpost.client { store = path, account = "work" }
    assert.is_nil(second)
    assert.equal("busy", err.code)
    assert.matches("^the account work of the store .* is used by another client", err.message)
    task.run(function()
      work:close()
      assert(moonpost.client { store = path, account = "work" }):close()
      home:close()
    end)
  end)

  it("may be linked at different servers", support.async(function()
    local one <close> = start()
    local other <close> = start()
    local path = folder()
    one:contact("Work", { store = path, account = "work" })
    other:contact("Home", { store = path, account = "home" })
    local handle <close> = assert(core.store.open { path = path })
    assert.same({ "home", "work" }, handle:accounts())
  end))

  it("share the commits of what comes for both", support.async(function()
    local rig <close> = start()
    local work, home = two(rig)
    local ana = rig:contact "Ana"
    for _, to in ipairs { work, home } do
      assert(ana.client:send(to.jid, "first"))
      to:next()
    end
    local commits, sends = count_commits(work.client), {}
    assert.equal(work.client.turn, home.client.turn)
    for i = 1, 50 do
      sends[i] = task.spawn(function() assert(ana.client:send(i % 2 == 0 and work.jid or home.jid, tostring(i))) end)
    end
    for i = 1, 25 do
      assert.equal(tostring(2 * i - 1), home:next().text)
      assert.equal(tostring(2 * i), work:next().text)
    end
    for _, one in ipairs(sends) do one:join(30) end
    assert.is_true(commits[1] < 50, commits[1] .. " commits")
  end))

  it("both lose a turn that cannot be committed, and hear afterwards what it was to bring", support.async(function()
    local rig <close> = start()
    local work, home = two(rig, { path = folder(), map_size = 2 * 1024 * 1024 })
    local ana = rig:contact "Ana"
    local errors, offline = {}, {}
    for name, one in pairs { work = work, home = home } do
      hurry(one.client)
      errors[name], offline[name] = tap.event(one.client, "error"), tap.event(one.client, "offline")
    end
    fill_after_message(work.client)
    assert(ana.client:send(work.jid, "hello work"))
    for name in pairs(errors) do
      assert.equal("full", assert(errors[name]:pop(30)).code)
      assert.equal("full", assert(offline[name]:pop(30)).code)
    end
    assert.equal("hello work", work:next().text)
    assert(ana.client:send(home.jid, "hello home"))
    assert.equal("hello home", home:next().text)
    assert.equal(0, #work.heard + #home.heard)
  end))

  it("are apart when one is unlinked: the rows of the other stay", support.async(function()
    local rig <close> = start()
    local work, home, store = two(rig)
    local ana = rig:contact "Ana"
    for _, one in ipairs { work, home } do
      assert(one.client:send(ana.jid, "hi"))
      ana:next()
    end
    local unlinked = tap.event(work.client, "unlinked")
    local _, account = tap.device(rig, work.client)
    login.unlink(rig.sandbox, account.devices[work.client.me.device])
    assert.equal("unlinked", assert(unlinked:pop(30)).code)
    work.client:committed()
    assert.same({ "home" }, store:accounts())
    for _, name in ipairs { "setting", "journal", "outbox", "dedupe", "device-list", "lid", "secret", "raw" } do
      assert.equal(0, store:account "work":count(name, ""), name)
    end
    assert.is_true(store:account "home":count("lid", "") > 0)
    assert(ana.client:send(home.jid, "still there?"))
    assert.equal("still there?", home:next().text)
  end))
end)

describe("two bots in one store", function()
  local script = [[
    local moonpost = require "moonpost"
    local function echo(name)
      local bot = moonpost.bot { store = "state", account = name, name = name }
      bot:on("message", function(ctx) ctx:reply(name .. " " .. ctx.text) end)
      return bot
    end
    moonpost.run(echo "work", echo "home")
  ]]

  local function write_script()
    local path = support.tmpdir() .. "/bots.lua"
    local file = assert(io.open(path, "w"))
    file:write(script)
    file:close()
    return path
  end

  local function run_bots(rig, path, store)
    local bots = process.start(("moonpost run %s --sandbox %s --store %s"):format(path, rig.sandbox.url, store))
    for _ = 1, 2 do bots:wait "^online as" end
    return bots
  end

  -- What Ana sees of each of the two.
  local function watch(ana, seen)
    return function(count)
      while #seen.work + #seen.home < count do
        local m = ana:next()
        local name, text = m.text:match "^(%a+) (%d+)$"
        table.insert(seen[name], text)
      end
    end
  end

  it("answer everything once and in order when their process is killed in the middle", support.async(function()
    local rig <close> = start()
    local path, store = write_script(), folder()
    local ana, seen, expected = rig:contact "Ana", { work = {}, home = {} }, {}
    local await_answers = watch(ana, seen)
    do
      local bots <close> = run_bots(rig, path, store)
      for i = 1, 20 do
        expected[i] = tostring(i)
        for name in pairs(seen) do
          task.spawn(function() assert(ana.client:send(rig.sandbox.accounts.by_name[name]:jid(), expected[i])) end)
        end
      end
      await_answers(9)
      bots:signal "KILL"
      bots:wait_end()
    end
    local again <close> = run_bots(rig, path, store)
    await_answers(40)
    assert.same({ work = expected, home = expected }, seen)
    again:signal "INT"
    assert.equal(0, again:wait_end())
    assert.equal(0, #ana.heard)
  end))
end)
