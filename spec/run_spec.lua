-- `moonpost run`: the executable itself, in a process of its own, against a sandbox.
local start = require("spec.rig").start
local process = require "spec.process"
local support = require "spec.support"
local task = require "moonpost.task"

local function write_file(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
  return path
end

local function run_echo(rig, store, more)
  local bot = process.start(("moonpost run scripts/bots/echo.lua --sandbox %s --store %s %s"):format(rig.sandbox.url, store, more or ""))
  bot:wait "^online as Echo"
  return bot, rig.sandbox.accounts.by_name.Echo
end

describe("moonpost run", function()
  it("links itself in a sandbox, answers, and resumes from its store", support.async(function()
    local rig <close> = start()
    local store = support.tmpdir() .. "/state"
    local ana = rig:contact "Ana"
    for _, text in ipairs { "!ping", "!ping" } do
      local bot <close>, account = run_echo(rig, store)
      assert.equal("pong", ana:ask(account:jid(), text).text)
      bot:signal "INT"
      assert.equal(0, bot:wait_end())
    end
    assert.equal(1, #rig.sandbox.accounts:companions(rig.sandbox.accounts.by_name.Echo))
  end))

  it("links over wss, checking the sandbox's certificate", support.async(function()
    local rig <close> = start { tls = true }
    local ana = rig:contact "Ana"
    local bot <close>, account = run_echo(rig, support.tmpdir() .. "/state")
    assert.equal("pong", ana:ask(account:jid(), "!ping").text)
    assert.matches("^wss:", rig.sandbox.url)
    bot:signal "TERM"
    assert.equal(0, bot:wait_end())
  end))

  it("says what to do when the sandbox speaks no TLS", support.async(function()
    local rig <close> = start()
    local url = rig.sandbox.url:gsub("^ws:", "wss:")
    local bot <close> = process.start(("moonpost run scripts/bots/echo.lua --sandbox %s --store never-made"):format(url))
    assert.equal(1, bot:wait_end())
    assert.equal(("moonpost run: the sandbox at %s: this sandbox speaks no TLS: its address begins with ws://, unless it is started "
      .. "with --tls"):format(url), bot:text())
  end))

  it("says what to do when another sandbox answers at its address", support.async(function()
    local rig <close> = start()
    local bot <close> = run_echo(rig, support.tmpdir() .. "/state")
    local port = rig.sandbox.port
    rig.sandbox:close()
    local other = assert(require("moonpost.sandbox").start { port = port })
    bot:wait "certificate is not signed by its issuer; this is another sandbox than .*; start the bot again, with another store$"
    other:close()
    bot:signal "INT"
    assert.equal(0, bot:wait_end())
  end))

  -- A bot in the middle of a handler that never gives the loop back.
  local function run_endless(rig, name)
    local folder = support.tmpdir()
    local script = write_file(folder .. "/endless.lua", [[
      local bot = require("moonpost").bot { store = "state", name = ... }
      bot:on("message", function()
        print "working" io.stdout:flush()
        while true do end
      end)
      bot:run()
    ]])
    local bot = process.start(("moonpost run %s --sandbox %s --store %s/state -- %s"):format(script, rig.sandbox.url, folder, name))
    bot:wait "^online"
    assert(rig:contact("Ana").client:send(rig.sandbox.accounts.by_name[name]:jid(), "hi"))
    bot:wait "^working"
    return bot
  end

  it("ends at once at the second Ctrl-C, in a handler that never gives the loop back as well", support.async(function()
    local rig <close> = start()
    local bot <close> = run_endless(rig, "Endless")
    repeat bot:signal "INT" until bot.lines:pop(0.2) or bot.lines.closed -- two that come before the first is taken are one
    bot:wait "^moonpost: ended at once by a second Ctrl%-C"
    assert.equal(2, select(2, bot:wait_end()))
  end))

  it("ends by itself some seconds after Ctrl-C or SIGTERM when a handler never gives the loop back", support.async(function()
    local rig <close> = start()
    local interrupted <close> = run_endless(rig, "Interrupted")
    local terminated <close> = run_endless(rig, "Terminated")
    interrupted:signal "INT"
    terminated:signal "TERM"
    for number, bot in pairs { [2] = interrupted, [15] = terminated } do
      bot:wait "^moonpost: ended: a handler has kept it from stopping for 5 s"
      assert.equal(number, select(2, bot:wait_end()))
    end
  end))

  it("finishes what is in flight at Ctrl-C, then tells that nobody is there", support.async(function()
    local rig <close> = start()
    local folder = support.tmpdir()
    local script = write_file(folder .. "/slow.lua", [[
      local task = require "moonpost.task"
      local bot = require("moonpost").bot { store = "state", name = "Slow" }
      bot:on("message", function(ctx)
        print "working" io.stdout:flush()
        task.sleep(0.3)
        ctx:reply "done"
      end)
      bot:run()
      print "stopped"
    ]])
    local bot <close> = process.start(("moonpost run %s --sandbox %s --store %s/state"):format(script, rig.sandbox.url, folder))
    bot:wait "^online"
    local account = rig.sandbox.accounts.by_name.Slow
    local ana = rig:contact "Ana"
    local seen = task.queue()
    ana.client:on("presence", function(event) seen:push(event) end)
    assert(ana.client.connection:send(require("moonpost.stanza").node("presence", { type = "subscribe", to = account:jid() })))
    assert.is_true(seen:pop(30).available)
    assert(ana.client:send(account:jid(), "work"))
    bot:wait "^working"
    bot:signal "INT"
    assert.equal("done", ana:next().text)
    assert.is_false(seen:pop(30).available)
    assert.equal(0, bot:wait_end())
    assert.matches("\nstopped$", bot:text())
  end))

  it("tells what happens to its connection and what it does about it, and at last what is left to do", support.async(function()
    local rig <close> = start()
    local bot <close>, account = run_echo(rig, support.tmpdir() .. "/state")
    rig:fault { what = "failure", reason = 503, jid = account:jid() }
    rig:fault { what = "drop", jid = account:jid() }
    bot:wait "^moonpost: offline, trying again in %d%.%d s: .*broke off"
    bot:wait "^moonpost: offline, trying again in %d%.%d s: .*the service refused the login: it is unavailable %(503%)"
    bot:wait "^moonpost: online again"
    rig:fault { what = "failure", reason = 403, jid = account:jid(), logout_message_header = "Sorry" }
    rig:fault { what = "close", jid = account:jid() }
    bot:wait "^moonpost run: .*the account is locked or its phone is gone %(403: Sorry%): .*; run it again to link the account anew$"
    assert.equal(3, bot:wait_end())
  end))

  it("stops at Ctrl-C while it waits to be linked", support.async(function()
    local rig <close> = start()
    local folder = support.tmpdir()
    local script = write_file(folder .. "/bot.lua", ([[
      local root = require("moonpost.core").crypto.unhex "%s"
      local bot = require("moonpost").bot { store = "%s/state", url = "%s", root = root, name = "Patient",
        qr = function(text) print(text) io.stdout:flush() end }
      bot:run()
    ]]):format(require("moonpost.core").crypto.hex(rig.sandbox.root), folder, rig.sandbox.url))
    local bot <close> = process.start("moonpost run " .. script)
    bot:wait "^https://wa.me/settings/linked_devices#2@"
    bot:signal "INT"
    assert.equal(0, bot:wait_end())
  end))

  it("ends with code 3 and says what to do when it is unlinked", support.async(function()
    local rig <close> = start()
    local bot <close>, account = run_echo(rig, support.tmpdir() .. "/state")
    local device = rig.sandbox.accounts:companions(account)[1]
    require("moonpost.sandbox.login").unlink(rig.sandbox, device)
    assert.equal(3, bot:wait_end())
    assert.matches("this device was removed on the phone; run it again to link", bot:text())
  end))

  it("ends with code 1 and a line when its store is of another sandbox, and goes on at the right one", support.async(function()
    local rig <close> = start()
    local other <close> = start()
    local store = support.tmpdir() .. "/state"
    do
      local bot <close> = run_echo(rig, store)
      bot:signal "INT"
      assert.equal(0, bot:wait_end())
    end
    local bot <close> = process.start(("moonpost run scripts/bots/echo.lua --sandbox %s --store %s"):format(other.sandbox.url, store))
    assert.equal(1, bot:wait_end())
    assert.matches("^moonpost run: this store is linked to another server %(a sandbox%)[^\n]*$", bot:text())
    local _ <close> = run_echo(rig, store)
    assert.equal(1, #rig.sandbox.accounts:companions(rig.sandbox.accounts.by_name.Echo))
  end))

  it("prints the QR's text for headless use", support.async(function()
    local rig <close> = start()
    local bot <close> = run_echo(rig, support.tmpdir() .. "/state", "--qr text")
    assert.matches("^https://wa%.me/settings/linked_devices#2@[%w+/=]+,[%w+/=]+,[%w+/=]+,[%w+/=]+,%d\n", bot:text())
  end))

  it("writes the QR to a picture that a scanner reads", support.async(function()
    local rig <close> = start()
    local picture = support.tmpdir() .. "/code.png"
    local bot <close> = run_echo(rig, support.tmpdir() .. "/state", "--qr " .. picture)
    assert.matches("QR written to " .. picture:gsub("%p", "%%%0"), bot:text())
    local reader = assert(io.popen(("zbarimg -q --raw %s 2>/dev/null"):format(picture)))
    assert.matches("^https://wa%.me/settings/linked_devices#2@", reader:read "a")
    reader:close()
  end))

  it("says in a line that its store is in use, and by whom", support.async(function()
    local rig <close> = start()
    local store = support.tmpdir() .. "/state"
    local first <close> = run_echo(rig, store)
    local second <close> = process.start(("moonpost run scripts/bots/echo.lua --sandbox %s --store %s"):format(rig.sandbox.url, store))
    assert.equal(1, second:wait_end())
    assert.equal(1, #second.output, second:text())
    assert.matches("is in use by process " .. first.pid, second:text())
  end))

  it("runs under stock lua5.4 as well", support.async(function()
    local rig <close> = start()
    local folder = support.tmpdir()
    local script = write_file(folder .. "/bot.lua", ([[
      local core = require "moonpost.core"
      local bot = require("moonpost").bot { store = "%s/state", url = "%s", root = core.crypto.unhex "%s", name = "Stock",
        qr = function(text) core.net.request { method = "POST", url = "http://127.0.0.1:%d/admin/mock-phone/scan-qr", body = text,
          done = function() end } end }
      bot:command("ping", function(ctx) ctx:reply "pong" end)
      bot:on("ready", function() print "ready" io.stdout:flush() end)
      assert(bot:run())
      print "stopped"
    ]]):format(folder, rig.sandbox.url, require("moonpost.core").crypto.hex(rig.sandbox.root), rig.sandbox.port))
    local module = os.getenv "MOONPOST_CPATH" or "build/lua/?.so"
    local bot <close> = process.start("lua5.4 " .. script,
      { before = ("export LUA_PATH='lua/?.lua;lua/?/init.lua;;' LUA_CPATH='%s;;'"):format(module) })
    bot:wait "^ready"
    local ana = rig:contact "Ana"
    assert.equal("pong", ana:ask(rig.sandbox.accounts.by_name.Stock:jid(), "!ping").text)
    bot:signal "INT"
    assert.equal(0, bot:wait_end())
    assert.matches("stopped$", bot:text())
  end))

  it("tells under stock lua5.4 why it failed and that a sandbox needs its root, and can end with code 1", support.async(function()
    local rig <close> = start()
    local folder = support.tmpdir()
    local script = write_file(folder .. "/bot.lua", ([[
      local bot = require("moonpost").bot { store = "%s/state", url = "%s" }
      os.exit(bot:run() and 0 or 1)
    ]]):format(folder, rig.sandbox.url))
    local module = os.getenv "MOONPOST_CPATH" or "build/lua/?.so"
    for _, runner in ipairs { "lua5.4 ", "moonpost run " } do
      local bot <close> = process.start(runner .. script,
        { before = ("export LUA_PATH='lua/?.lua;lua/?/init.lua;;' LUA_CPATH='%s;;'"):format(module) })
      assert.equal(1, (bot:wait_end()))
      assert.equal(1, #bot.output, bot:text())
      assert.matches("is not signed by its issuer; this looks like a sandbox, .*: give it as the option 'root'", bot:text())
    end
  end))

  it("finds the files beside the script, from any folder", support.async(function()
    local folder = support.tmpdir()
    write_file(folder .. "/helper.lua", 'return "helped"')
    local script = write_file(folder .. "/bot.lua", 'print((require "helper"))')
    local bot <close> = process.start("moonpost run " .. script)
    bot:wait "^helped$"
    assert.equal(0, bot:wait_end())
  end))

  it("says that a script never ran its bot", support.async(function()
    local script = write_file(support.tmpdir() .. "/bot.lua", 'require("moonpost").bot { store = "x" }')
    local bot <close> = process.start("moonpost run " .. script)
    assert.equal(1, bot:wait_end())
    assert.equal("moonpost run: the script made a bot and never ran it: it ends with bot:run()", bot:text())
  end))
end)
