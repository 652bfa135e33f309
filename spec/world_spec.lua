-- A sandbox's world outlives it: accounts, devices, keys, queues (fact sheet 08 S-013, S-020, S-026, S-952).
local core = require "moonpost.core"
local json = require "cjson.safe"
local moonpost = require "moonpost"
local process = require "spec.process"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"
local task = require "moonpost.task"

local function quick(client)
  client.connection.pace = { stable = 30, first_pause = 0.02, longest_pause = 0.05 }
  client:on("offline", function() end)
  return client
end

local function gone(device)
  while device.connection do task.sleep(0) end
end

describe("a world", function()
  it("keeps accounts, devices and keys; a client goes on where it was", support.async(function()
    local folder = support.tmpdir()
    local store, ana_store = assert(core.store.open {}), assert(core.store.open {})
    local before
    do
      local rig <close> = start { world = folder }
      local ana, bob = rig:contact("Ana", { store_handle = ana_store }), rig:contact("Bob", { store_handle = store })
      assert(ana.client:send(bob.jid, "hello"))
      bob:next()
      local device, account = tap.device(rig, bob.client)
      before = {
        root = rig.sandbox.root, jid = account:jid(), lid = account:jid "lid", number = device.number, keys = device.one_time:list(),
        phone = account.phone:identity():public(), app_state_key = account.app_state_key, raw_id = account.raw_id,
      }
    end
    local rig <close> = start { world = folder }
    local account = rig.sandbox.accounts.by_name.Bob
    local device = account.devices[before.number]
    assert.equal(before.root, rig.sandbox.root)
    assert.same({ before.jid, before.lid, before.raw_id }, { account:jid(), account:jid "lid", account.raw_id })
    assert.same(before.keys, device.one_time:list())
    assert.equal(before.app_state_key, account.app_state_key)
    assert.equal(before.phone, require("moonpost.sandbox.phone").of(rig.sandbox, account):identity():public())
    local ana, bob = rig:contact("Ana", { store_handle = ana_store }), rig:contact("Bob", { store_handle = store })
    assert.equal(before.jid, bob.jid)
    assert(bob.client:send(ana.jid, "still here"))
    assert.equal("still here", ana:next().text)
    assert(ana.client:send(bob.jid, "me too"))
    assert.equal("me too", bob:next().text)
  end))

  it("recognises a message that is sent again after its restart", support.async(function()
    local folder = support.tmpdir()
    local ana_store, bob_store = assert(core.store.open {}), assert(core.store.open {})
    do
      local rig <close> = start { world = folder }
      local ana, bob = rig:contact("Ana", { store_handle = ana_store }), rig:contact("Bob", { store_handle = bob_store })
      rig:tap(function(direction, node) return not (direction == "to-client" and node.tag == "ack" and node.attrs.class == "message") end)
      task.spawn(function() ana.client:send(bob.jid, "once") end)
      assert.equal("once", bob:next().text)
    end
    local rig <close> = start { world = folder }
    rig:contact("Bob", { store_handle = bob_store })
    local relayed = rig:record("to-client", function(node) return node.tag == "message" end)
    local acked = task.queue()
    rig:tap(function(direction, node)
      if direction == "to-client" and node.tag == "ack" and node.attrs.class == "message" then acked:push(node) end
    end)
    rig:contact("Ana", { store_handle = ana_store })
    assert(acked:pop(30))
    assert.equal(0, #relayed)
    assert.equal(1, rig.sandbox.counts.repeated)
  end))

  it("is no client's store, and a client's store is no world", support.async(function()
    local world, state = support.tmpdir(), support.tmpdir()
    start({ world = world }):__close()
    local client = assert(moonpost.client { store = state })
    client:close()
    local started, err = require("moonpost.sandbox").start { world = state }
    assert.is_nil(started)
    assert.equal(("store %s is the store of a client: a sandbox needs a folder of its own"):format(state), tostring(err))
    client, err = moonpost.client { store = world }
    assert.is_nil(client)
    assert.equal(("store %s is the world of a sandbox: a client needs a folder of its own"):format(world), tostring(err))
  end))

  it("keeps what waits for a device, in order, with the number of attempts", support.async(function()
    local folder, store = support.tmpdir(), assert(core.store.open {})
    do
      local rig <close> = start { world = folder }
      local ana, bob = rig:contact "Ana", rig:contact("Bob", { store_handle = store })
      assert(ana.client:send(bob.jid, "before"))
      bob:next()
      local device = tap.device(rig, bob.client)
      bob.client:close()
      gone(device)
      for i = 1, 3 do assert(ana.client:send(bob.jid, "number " .. i)) end
    end
    local rig <close> = start { world = folder }
    local seen = tap.on(rig)
    local bob = rig:contact("Bob", { store_handle = store })
    local preview = seen:to_client("ib", "offline_preview").content[1].attrs
    assert.equal(3, math.tointeger(tonumber(preview.message)))
    for i = 1, 3 do
      local node = seen:to_client "message"
      assert.equal(1, math.tointeger(tonumber(node.attrs.offline)))
      local m = bob:next()
      assert.equal("number " .. i, m.text)
      assert.is_true(m.offline)
    end
  end))

  it("of before accounts were asked what they had written takes receipts for what waits", support.async(function()
    local folder = support.tmpdir()
    local ana_store, bob_store = assert(core.store.open {}), assert(core.store.open {})
    local sent
    do
      local rig <close> = start { world = folder }
      local ana, bob = rig:contact("Ana", { store_handle = ana_store }), rig:contact("Bob", { store_handle = bob_store })
      local device = tap.device(rig, bob.client)
      bob.client:close()
      gone(device)
      sent = assert(ana.client:send(bob.jid, "while away"))
      for _, row in ipairs(rig.sandbox.store:range("world", "m")) do rig.sandbox.store:delete("world", row[1]) end
      assert(rig.sandbox.store:commit())
    end
    local rig <close> = start { world = folder }
    local ana = rig:contact("Ana", { store_handle = ana_store })
    local bob = rig:contact("Bob", { store_handle = bob_store })
    assert.equal("while away", bob:next().text)
    local receipt = assert(ana.receipts:pop(30))
    assert.same({ "delivery", sent.id }, { receipt.type, receipt.ids[1] })
  end))

  it("never gives a one-time key out again that it gave out before", support.async(function()
    local folder, store = support.tmpdir(), assert(core.store.open {})
    local all, first
    do
      local rig <close> = start { world = folder }
      local device = tap.device(rig, rig:contact("Ana", { store_handle = store }).client)
      all = device.one_time:list()
      first = device.one_time:take()
    end
    local rig <close> = start { world = folder }
    local device = rig.sandbox.accounts:companions(rig.sandbox.accounts.by_name.Ana)[1]
    device.one_time:add(all)
    assert.equal(#all - 1, device.one_time:count())
    assert.are_not.equal(first, device.one_time:take())
  end))

  it("keeps who knows whom: contacts hear of a new device", support.async(function()
    local folder, store = support.tmpdir(), assert(core.store.open {})
    do
      local rig <close> = start { world = folder }
      local ana, bob = rig:contact("Ana", { store_handle = store }), rig:contact "Bob"
      assert(ana.client:send(bob.jid, "hello"))
      bob:next()
    end
    local rig <close> = start { world = folder }
    local ana = rig:contact("Ana", { store_handle = store })
    local seen = tap.on(rig)
    local tablet = rig:contact "Bob"
    assert.equal(tablet.jid, seen:to_client("notification", "add").attrs.from)
    assert.equal(2, tablet.client.me.device)
    assert(ana.client:send(tablet.jid, "welcome"))
    assert.equal("welcome", tablet:next().text)
  end))

  it("forgets a device whose linking its end cut short", support.async(function()
    local folder = support.tmpdir()
    do
      local rig <close> = start { world = folder }
      local client = tap.client(rig)
      local seen = tap.on(rig, function(_, node) return not tap.child(node, "pair-success") end)
      local pairing = task.spawn(client.pair, client, tap.scanner(rig))
      seen:to_client("iq", "pair-device")
      while not rig.sandbox.accounts.by_name.Ana do task.sleep(0) end
      assert.is_not_nil(next(rig.sandbox.accounts.by_name.Ana.devices))
      client:close()
      pairing:join(30)
    end
    local rig <close> = start { world = folder }
    assert.is_nil(next(rig.sandbox.accounts.by_name.Ana.devices))
    assert.equal(2, rig:contact("Ana").client.me.device)
  end))

  it("gives a number back as late as can be, and none when all are taken", function()
    local accounts = require "moonpost.sandbox.accounts"(assert(core.store.open {}))
    local account, keys = accounts:of_name "Ana", {}
    for number = 1, 98 do assert.equal(number, accounts:add_device(account, keys).number) end
    assert.is_nil(accounts:add_device(account, keys))
    for _, number in ipairs { 5, 3 } do accounts:remove_device(account.devices[number]) end
    assert.equal(3, accounts:add_device(account, keys).number)
    accounts:remove_device(account.devices[3])
    assert.equal(5, accounts:add_device(account, keys).number)
    assert.equal(3, accounts:add_device(account, keys).number)
  end)

  it("knows an unlinked device no more", support.async(function()
    local folder, store = support.tmpdir(), assert(core.store.open {})
    do
      local rig <close> = start { world = folder }
      local ana = rig:contact("Ana", { store_handle = store })
      local device = tap.device(rig, ana.client)
      ana.client:close()
      gone(device)
      require("moonpost.sandbox.login").unlink(rig.sandbox, device)
    end
    local rig <close> = start { world = folder }
    local client = tap.client(rig, { store_handle = store })
    client:on("unlinked", function() end)
    local ok, err = client:connect()
    assert.is_nil(ok)
    assert.equal("unlinked", err.code)
  end))

  it("that is gone was another server, and a client of it keeps what it has", support.async(function()
    local store <close> = assert(core.store.open {})
    do
      local rig <close> = start()
      rig:contact("Ana", { store_handle = store })
    end
    local rig <close> = start()
    local client, err = moonpost.client { store_handle = store, url = rig.sandbox.url, root = rig.sandbox.root }
    assert.is_nil(client)
    assert.equal("other-server", err.code)
    assert.is_true(core.signal.account(store, ""):exists())
  end))
end)

describe("a world that is kept", function()
  it("tells nobody anything before it is safe", support.async(function()
    local rig <close> = start { world = support.tmpdir() }
    local ana, bob = rig:contact "Ana", rig:contact "Bob"
    local sent, unsafe = 0, 0
    for _, contact in ipairs { ana, bob } do
      local conn = tap.device(rig, contact.client).connection
      local transport = conn.transport
      conn.transport = {
        decrypt = function(_, bytes) return transport:decrypt(bytes) end,
        encrypt = function(_, bytes)
          sent = sent + 1
          if rig.sandbox.written then unsafe = unsafe + 1 end
          return transport:encrypt(bytes)
        end,
      }
    end
    -- what a turn writes is noted until it is committed
    local store = rig.sandbox.store
    rig.sandbox.store = setmetatable({
      put = function(_, ...) rig.sandbox.written = true return store:put(...) end,
      delete = function(_, ...) rig.sandbox.written = true return store:delete(...) end,
      commit = function() rig.sandbox.written = nil return store:commit() end,
    }, { __index = function(_, name) return function(_, ...) return store[name](store, ...) end end })
    for _, device in ipairs { (tap.device(rig, ana.client)), (tap.device(rig, bob.client)) } do
      device.one_time.store, device.queue.store = rig.sandbox.store, rig.sandbox.store
    end
    assert(ana.client:send(bob.jid, "hello"))
    assert.equal("hello", bob:next().text)
    assert.equal("delivery", ana.receipts:pop(30).type)
    assert.is_true(sent >= 5)
    assert.equal(0, unsafe)
    rig.sandbox.store = store
  end))
end)

describe("a world whose process was killed", function()
  local function run_sandbox(folder, port)
    local program = process.start(("moonpost sandbox --world %s --listen 127.0.0.1:%d"):format(folder, port or 0))
    return program, program:wait "^sandbox (ws://127%.0%.0%.1:%d+/ws/chat)$"
  end

  local function admin(url, method, path, body)
    return assert(support.http(method, url:gsub("^ws", "http"):gsub("/ws/chat$", path), body)).body
  end

  local function contact(url, name, store)
    local client = moonpost.client {
      url = url, root = core.crypto.unhex(admin(url, "GET", "/admin/noise-root"):match "%x+"), name = name, store_handle = store,
    }
    if not client:linked() then
      assert(client:pair { qr = function(text)
        task.spawn(function() admin(url, "POST", "/admin/mock-phone/scan-qr", text) end)
      end })
    end
    local heard = tap.event(client, "message")
    assert(quick(client):connect())
    return client, heard
  end

  it("has everything that was answered for, and is found again by a client that waits", support.async(function()
    local folder, store = support.tmpdir(), assert(core.store.open {})
    local program <close>, url = run_sandbox(folder)
    local ana = contact(url, "Ana", assert(core.store.open {}))
    local bob = contact(url, "Bob", store)
    local bob_jid = bob.me.jid
    bob:close()
    for i = 1, 20 do assert(ana:send(bob_jid, "number " .. i)) end
    local before, online = json.decode(admin(url, "GET", "/admin/state")), tap.event(ana, "online")
    program:signal "KILL"
    program:wait_end()
    local sending = task.spawn(ana.send, ana, bob_jid, "while nobody was there")
    local again <close>, second_url = run_sandbox(folder, tonumber(url:match ":(%d+)/"))
    assert.equal(url, second_url)
    local after = json.decode(admin(url, "GET", "/admin/state"))
    for _, accounts in ipairs { before.accounts, after.accounts } do
      table.sort(accounts, function(a, b) return a.jid < b.jid end)
      for _, account in ipairs(accounts) do
        for _, device in ipairs(account.devices) do device.connected = nil end
      end
    end
    assert.same(before.accounts, after.accounts)
    assert(online:pop(30))
    assert(sending:join(30))
    local returned, heard = contact(url, "Bob", store)
    for i = 1, 20 do assert.equal("number " .. i, heard:pop(30).text) end
    assert.equal("while nobody was there", heard:pop(30).text)
    assert(returned:send(ana.me.jid, "all of them"))
    returned:close()
    ana:close()
    assert.is_truthy(again.pid)
  end))
end)
