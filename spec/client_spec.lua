-- The client as its header promises it, used without the bot.
local core = require "moonpost.core"
local moonpost = require "moonpost"
local stanza = require "moonpost.stanza"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"
local task = require "moonpost.task"

-- assert.error_matches takes the position off an error: here it is what counts.
local function fails_here(fn, message)
  local ok, err = pcall(fn)
  assert.is_false(ok)
  assert.matches("client_spec.lua:%d+: .*" .. message, err)
end

local function ping() return stanza.node("iq", { xmlns = "w:p", type = "get", to = "s.whatsapp.net" }) end

-- A path as it is seen from the working folder.
local function relative(path)
  local here = io.popen("pwd"):read "l"
  return here:gsub("/[^/]+", "../"):gsub("^/$", "") .. path:sub(2)
end

describe("moonpost.client", function()
  it("names a wrong option at the caller's line", function()
    fails_here(function() moonpost.client() end, "moonpost.client expects a table of options, got nil")
    fails_here(function() moonpost.client {} end, "moonpost.client needs the option 'store'")
    fails_here(function() moonpost.client { store = "x", nmae = "y" } end, "moonpost.client has no option 'nmae'")
    fails_here(function() moonpost.client { store = 7 } end, "moonpost.client: option 'store' must be a string, got number")
    fails_here(function() moonpost.client { store = "x", root = "short" } end, "moonpost.client: option 'root' must be 32 bytes")
    for _, url in ipairs { "http://127.0.0.1/", "127.0.0.1:80", "ws://", "" } do
      fails_here(function() moonpost.client { store = "x", url = url } end, "option 'url' must be a ws:// or wss:// address")
    end
    for _, version in ipairs { {}, { 2, 3000 }, { 2, 3000, "7" }, { 2, 3000, 7.5 }, { 2, 3000, 7, 8 } } do
      fails_here(function() moonpost.client { store = "x", version = version } end,
        "moonpost.client: option 'version' must be three integers")
    end
  end)

  it("makes its store in a folder relative to the working folder, and finds it again", support.async(function()
    local rig <close> = start()
    local folder = support.tmpdir()
    local path = relative(folder) .. "/state"
    local client = assert(moonpost.client { store = path, url = rig.sandbox.url, root = rig.sandbox.root, name = "Ana" })
    assert.equal("moonpost.client (not linked)", tostring(client))
    assert.is_false(client:linked())
    assert(client:pair(tap.scanner(rig)))
    client:close()
    assert.equal(0, select(3, os.execute(("test -d '%s/state'"):format(folder))))
    client = assert(moonpost.client { store = folder .. "/state", url = rig.sandbox.url, root = rig.sandbox.root })
    assert.is_true(client:linked())
    assert.equal(("moonpost.client (%s)"):format(client.me.jid), tostring(client))
    assert.is_true(client:connect())
    client:close()
  end))

  it("is an error value when its store cannot be opened", function()
    local path = support.tmpdir() .. "/file"
    assert(io.open(path, "w")):close()
    local client, err = moonpost.client { store = path }
    assert.is_nil(client)
    assert.matches("is a file", tostring(err))
  end)

  it("is of the real service unless told otherwise", function()
    local client = moonpost.client { store_handle = assert(core.store.open {}) }
    assert.equal("wss://web.whatsapp.com/ws/chat", client.url)
    assert.equal(core.noise.ROOT, client.root)
    client:close()
  end)

  it("answers messages as its header shows", function()
    local rig = start()
    local client = assert(moonpost.client {
      store = support.tmpdir() .. "/state", url = rig.sandbox.url, root = rig.sandbox.root, name = "Parrot",
    })
    client:on("message", function(m) client:send(m.chat, m.text) end)
    local answer
    task.run(function()
      if not client:linked() then assert(client:pair(tap.scanner(rig))) end
      assert(client:connect())
      answer = rig:contact("Ana"):ask(client.me.jid, "pretty bird")
      client:close()
      for _, one in ipairs(rig.clients) do one:close() end
    end)
    rig.sandbox:close()
    assert.equal("pretty bird", answer.text)
    assert.same({}, rig.sandbox.violations)
  end)
end)

describe("client:on", function()
  it("takes the events of the header only, and functions only", function()
    local client = moonpost.client { store_handle = assert(core.store.open {}) }
    fails_here(function() client:on("mesage", print) end, "client:on has no event 'mesage' %(call, caught_up, chatstate, ")
    fails_here(function() client:on("message", "print") end, "client:on expects a function, got string")
    for _, name in ipairs {
      "message", "receipt", "online", "offline", "unlinked", "replaced", "refused", "presence", "chatstate", "error",
      "caught_up",
    } do
      assert.is_function(client:on(name, print))
    end
    client:close()
  end)

  it("gives back what takes the handler off", support.async(function()
    local rig <close> = start()
    local ana, bob = rig:contact "Ana", rig:contact "Bob"
    local heard = {}
    local off = bob.client:on("message", function(m) heard[#heard + 1] = m.text end)
    assert(ana.client:send(bob.jid, "one"))
    bob:next()
    off()
    off()
    assert(ana.client:send(bob.jid, "two"))
    bob:next()
    assert.same({ "one" }, heard)
  end))

  it("tells who, where, when and what of a message", support.async(function()
    local rig <close> = start()
    local ana, bob = rig:contact "Ana", rig:contact "Bob"
    local before = os.time()
    local sent = assert(ana.client:send(bob.jid, "hello"))
    local m = bob:next()
    assert.same({ sent.id, ana.lid, ana.lid, (ana.jid:match "^%d+"), "Ana", "hello" }, { m.id, m.chat, m.sender, m.phone, m.name, m.text })
    assert.same({ false, false, false, 1 }, { m.from_me, m.redelivered, m.offline, m.attempts })
    assert.is_true(m.time >= before and m.time <= os.time() + 1)
    assert.is_string(m.kind)
    assert.is_table(m.message)
    local answer = assert(bob.client:send(m.chat, "to you too", { quote = m }))
    assert.is_string(answer.id)
    assert.equal(sent.id, ana:next().quoted.id)
    local receipt = ana.receipts:pop(30)
    assert.same({ bob.lid, { sent.id } }, { receipt.chat, receipt.ids })
    assert.is_number(receipt.time)
  end))

  it("tells of a handler that fails, with its traceback and the message", support.async(function()
    local rig <close> = start()
    local ana, bob = rig:contact "Ana", rig:contact "Bob"
    local failed = task.queue()
    bob.client:on("error", function(err, m) failed:push { err, m } end)
    bob.client:on("message", function() error "my dog ate it" end)
    assert(ana.client:send(bob.jid, "homework"))
    local err, m = table.unpack(assert(failed:pop(30)))
    assert.matches("my dog ate it", err)
    assert.matches("traceback", err)
    assert.equal("homework", m.text)
  end))
end)

describe("client:connect", function()
  it("needs a linked store", support.async(function()
    local rig <close> = start()
    local ok, err = tap.client(rig):connect()
    assert.is_nil(ok)
    assert.equal("unlinked", err.code)
    assert.matches("pair first", tostring(err))
  end))

  it("is done at once when the client is online already", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    assert.is_true(ana.client:connect())
    assert.equal(1, ana.client.me.loginCounter)
  end))

  it("goes online for all who wait", support.async(function()
    local rig <close> = start()
    local client = tap.client(rig)
    assert(client:pair(tap.scanner(rig)))
    local tasks = {}
    for i = 1, 3 do tasks[i] = task.spawn(client.connect, client) end
    for i = 1, 3 do assert.is_true((tasks[i]:join(30))) end
    assert.equal(1, client.me.loginCounter)
  end))
end)

describe("client:query", function()
  it("returns the answer, and leaves the caller's stanza as it was", support.async(function()
    local rig <close> = start()
    local ana, node = rig:contact "Ana", ping()
    for _ = 1, 2 do
      local answer = assert(ana.client:query(node))
      assert.equal("result", answer.attrs.type)
      assert.is_nil(node.attrs.id)
    end
    node.attrs.id = "my-own"
    assert.equal("my-own", ana.client:query(node).attrs.id)
  end))

  it("returns the server's refusal with its number", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local answer, err = ana.client:query(stanza.node("iq", { xmlns = "encrypt", type = "get", to = "s.whatsapp.net" },
      stanza.node("key", nil, stanza.node("user", { jid = "19990000000:1@s.whatsapp.net" }))))
    assert.is_nil(answer)
    assert.same({ "iq", 406 }, { err.code, err.status })
    assert.matches("the server answered 406 not%-acceptable", tostring(err))
  end))

  it("gives up after its timeout, and does not mind a late answer", support.async(function()
    local rig <close> = start()
    local ana, kept, seen = rig:contact "Ana", task.queue(), false
    tap.on(rig, function(direction, node)
      if direction ~= "to-client" or node.tag ~= "iq" or seen then return end
      seen = true
      kept:push(node)
      return false
    end)
    local answer, err = ana.client:query(ping(), { timeout = 0.05 })
    assert.is_nil(answer)
    assert.equal("timeout", err.code)
    assert.matches("no answer to w:p within 0.05 s", tostring(err))
    tap.inject(tap.device(rig, ana.client).connection, (assert(kept:pop(30))))
    assert(ana.client:query(ping()))
  end))

  it("is not asked twice under one id", support.async(function()
    local rig <close> = start()
    local ana, node = rig:contact "Ana", ping()
    node.attrs.id = "once"
    local first = task.spawn(ana.client.query, ana.client, node)
    local answer, err = ana.client:query(node)
    assert.is_nil(answer)
    assert.equal("invalid", err.code)
    assert(first:join(30))
    assert(ana.client:query(node))
  end))

  it("needs a connection", support.async(function()
    local rig <close> = start()
    local answer, err = tap.client(rig):query(ping())
    assert.is_nil(answer)
    assert.equal("closed", err.code)
  end))
end)

describe("client:close", function()
  it("may be called twice; afterwards everything says that it is closed", support.async(function()
    local rig <close> = start()
    local ana, bob = rig:contact "Ana", rig:contact "Bob"
    ana.client:close()
    ana.client:close()
    for name, result in pairs {
      connect = table.pack(ana.client:connect()), query = table.pack(ana.client:query(ping())),
      send = table.pack(ana.client:send(bob.jid, "hello")), pair = table.pack(ana.client:pair { qr = print }),
      typing = table.pack(ana.client:typing(bob.jid, true)),
    } do
      assert.is_nil(result[1], name)
      assert.equal("closed", result[2].code, name)
    end
  end))

  it("ends what waits: queries and sends learn that it is closed", support.async(function()
    local rig <close> = start()
    local ana, bob = rig:contact "Ana", rig:contact "Bob"
    assert(ana.client:send(bob.jid, "hello"))
    tap.on(rig, function(direction, node) return direction ~= "to-client" or node.tag ~= "ack" and node.tag ~= "iq" end)
    local asked, sent = task.spawn(ana.client.query, ana.client, ping()), task.spawn(ana.client.send, ana.client, bob.jid, "goodbye")
    ana.client:close()
    for _, waiting in ipairs { asked, sent } do
      local result, err = waiting:join(30)
      assert.is_nil(result)
      assert.equal("closed", err.code)
    end
  end))

  it("closes a store of its own, and leaves one it was given", support.async(function()
    local rig <close> = start()
    local store, path = assert(core.store.open {}), support.tmpdir() .. "/state"
    local given = moonpost.client { store_handle = store }
    given:close()
    assert.is_nil(store:get("setting", "me"))
    local own = moonpost.client { store = path }
    own:close()
    local again = assert(moonpost.client { store = path })
    again:close()
    assert.is_table(rig)
  end))
end)

describe("what waits", function()
  it("says at the caller's line that it needs a task", function()
    local client = moonpost.client { store_handle = assert(core.store.open {}) }
    fails_here(function() client:connect() end, "client:connect waits, so it must be called in a task")
    fails_here(function() client:pair { qr = print } end, "client:pair waits, so it must be called in a task")
    fails_here(function() client:query(ping()) end, "client:query waits, so it must be called in a task")
    client:close()
  end)

  it("checks its arguments at the caller's line", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    fails_here(function() ana.client:pair() end, "client:pair expects { qr = function }")
    fails_here(function() ana.client:pair { qr = "text" } end, "client:pair expects { qr = function }")
    fails_here(function() ana.client:query "iq" end, "client:query expects an iq node")
    fails_here(function() ana.client:query(stanza.node("message", {})) end, "client:query expects an iq node")
    fails_here(function() ana.client:query(ping(), { timeout = "long" }) end, "client:query: timeout is in seconds")
    fails_here(function() ana.client:query(ping(), { timeout = 0 }) end, "client:query: timeout is in seconds")
    fails_here(function() ana.client:send(7, "hello") end, "client:send expects a JID, got number")
    fails_here(function() ana.client:send(ana.jid) end, "client:send expects a text or a Message table, got nil")
  end))
end)
