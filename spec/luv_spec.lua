-- Bots in a host's libuv loop: that of Debian's lua-luv, and no other luv's.
local process = require "spec.process"
local start = require("spec.rig").start
local support = require "spec.support"

-- A host in a process of its own: a script for stock lua5.4 or for `moonpost run`, with `url` and `root` of the sandbox and a `store`.
local function script(rig, folder, body)
  local path = folder .. "/host.lua"
  local file = assert(io.open(path, "w"))
  file:write(([[
    local uv, moonpost, core = require "luv", require "moonpost", require "moonpost.core"
    local function say(...) print(...) io.stdout:flush() end
    local url, root, store = %q, core.crypto.unhex %q, %q
    local function scan(text)
      local at = url:gsub("^ws(.-)/ws/chat$", "http%%1/admin/mock-phone/scan-qr")
      core.net.request { method = "POST", url = at, body = text, done = function() end }
    end
  ]]):format(rig.sandbox.url, require("moonpost.core").crypto.hex(rig.sandbox.root), folder .. "/state"), body)
  assert(file:close())
  return path
end

-- Stock Lua takes the module that was built; under a sanitizer only the executable that was built with it can load it.
local stock = "lua5.4 "
local runners = os.getenv "MOONPOST" and { ["moonpost run"] = "moonpost run " }
  or { ["stock lua5.4"] = stock, ["moonpost run"] = "moonpost run " }

-- A luv with a libuv of its own: copies of both libraries, the second under another name, which the first asks for.
local function carry_libuv(folder)
  local luv = assert(package.searchpath("luv", package.cpath))
  local line = assert(io.popen("ldd " .. luv)):read "a":match "libuv%.so%.1 => (%S+)"
  for from, to in pairs { [luv] = "luv.so", [line] = "libuv.so.9" } do
    local file = assert(io.open(from, "rb"))
    local copy = assert(io.open(folder .. "/" .. to, "wb"))
    assert(copy:write((file:read "a":gsub("libuv%.so%.1", "libuv.so.9"))))
    assert(file:close() and copy:close())
  end
end

local HOST = [[
  moonpost.use_luv(uv)
  local bot = moonpost.bot { store = store, name = "Echo", url = url, root = root, qr = scan }
  bot:command("ping", function(ctx)
    local timer = uv.new_timer() -- the host's, started while a handler of the bot's runs
    timer:start(1, 0, function()
      timer:close()
      say "the host's timer fired"
    end)
    require("moonpost.task").sleep(0.01)
    ctx:reply "pong"
  end)
  bot:command("stop", function() bot:stop() end)
  bot:on("ready", function() say "ready" end)
  local ticks, ticking = 0, uv.new_timer()
  ticking:start(5, 5, function() ticks = ticks + 1 end)
  local running = bot:start()
  require("moonpost.task").spawn(function()
    say("the bot has stopped", running:join())
    local before = ticks
    local after = uv.new_timer()
    after:start(30, 0, function()
      after:close()
      ticking:close()
      say(ticks > before and "the host goes on" or "the host's timer stands still")
    end)
  end)
  uv.run()
  say "the loop is over"
]]

for name, runner in pairs(runners) do
  describe("a bot in the loop of luv, under " .. name, function()
    it("answers while the host's timers fire, and stops without the host", support.async(function()
      local rig <close> = start()
      local ana = rig:contact "Ana"
      local host <close> = process.start(runner .. script(rig, support.tmpdir(), HOST))
      host:wait "^ready"
      local echo = rig.sandbox.accounts.by_name.Echo:jid()
      assert.equal("pong", ana:ask(echo, "!ping").text)
      host:wait "the host's timer fired"
      assert(ana.client:send(echo, "!stop"))
      host:wait "^the bot has stopped%s+true"
      host:wait "^the host goes on"
      host:wait "^the loop is over"
      assert.equal(0, (host:wait_end()))
    end))

    it("runs the host's loop itself where nobody does, and says so where somebody does", support.async(function()
      local rig <close> = start()
      local ana = rig:contact "Ana"
      local host <close> = process.start(runner .. script(rig, support.tmpdir(), [[
        local bot = moonpost.bot { store = store, name = "Echo", url = url, root = root, qr = scan }
        moonpost.use_luv(uv) -- in time: the bot does not run yet
        local timer = uv.new_timer()
        timer:start(0, 0, function()
          timer:close()
          say(pcall(bot.run, bot))
        end)
        bot:on("ready", function() say "ready" end)
        uv.run "once"
        bot:command("stop", function() bot:stop() end)
        say("ended", bot:run())
      ]]))
      host:wait "^false.*the host's loop runs already: start a task in it %(bot:start, moonpost.task.spawn%)"
      host:wait "^ready"
      assert(ana.client:send(rig.sandbox.accounts.by_name.Echo:jid(), "!stop"))
      host:wait "^ended%s+true"
      assert.equal(0, (host:wait_end()))
    end))

    it("has other programs run beside the host's own, each told to who started it", support.async(function()
      local rig <close> = start()
      local host <close> = process.start(runner .. script(rig, support.tmpdir(), [[
        moonpost.use_luv(uv)
        local child = require "moonpost.child"
        uv.spawn("sh", { args = { "-c", "exit 3" } }, function(code) say("the host's ended with", code) end)
        require("moonpost.task").spawn(function()
          local ended = child.run { args = { "sh", "-c", "echo hello; exit 4" }, seconds = 30, memory = 1 << 28 }
          say("ours ended with", ended.code, ended.output)
          say(child.run { args = { "sleep", "1000" }, seconds = 0.1, memory = 1 << 28 })
        end)
        uv.run()
        say "the loop is over"
      ]]))
      host:wait "^ours ended with%s+4%s+hello"
      host:wait "^nil%s+sleep has not ended within 0.1 s"
      host:wait "^the loop is over"
      assert.matches("the host's ended with%s+3", host:text())
      assert.equal(0, (host:wait_end()))
    end))

    it("is too late once moonpost has a loop of its own", support.async(function()
      local rig <close> = start()
      local host <close> = process.start(runner .. script(rig, support.tmpdir(), [[
        core.net.timer(0, function() end)
        say(pcall(moonpost.use_luv, uv))
        say(pcall(moonpost.use_luv, {}))
      ]]))
      host:wait "^false.*moonpost has begun in a loop of its own: borrow one before the first bot, client or timer"
      host:wait "^false.*moonpost.use_luv expects what require 'luv' gives"
    end))

    it("is refused where luv carries a libuv of its own, as the rock does", support.async(function()
      local rig <close> = start()
      local folder = support.tmpdir()
      carry_libuv(folder)
      local host <close> = process.start(runner .. script(rig, folder, [[
        local tick = uv.new_timer()
        tick:start(0, 0, function() tick:close() end)
        uv.run() -- it is a whole luv
        local maps = assert(io.open "/proc/self/maps"):read "a"
        assert(maps:find("/libuv.so.9", 1, true) and maps:find("/libuv.so.1", 1, true), "there are not two")
        say(pcall(moonpost.use_luv, uv))
      ]]), { before = ("export LD_LIBRARY_PATH='%s' LUA_CPATH='%s/?.so;%s'"):format(folder, folder, os.getenv "LUA_CPATH" or ";") })
      host:wait "^false.*this luv carries a libuv of its own, and its loop cannot be shared: install Debian's lua%-luv"
      assert.equal(0, (host:wait_end()))
    end))
  end)
end
