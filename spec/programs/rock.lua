-- Drives the echo bot from an installed rock under stock lua5.4: `moonpost run spec/programs/rock.lua -- TREE SCRIPT`, TREE being
-- what `luarocks make --tree TREE` filled and SCRIPT the bot. Nothing of the checkout but that script is in the bot's reach.
package.path = "./?.lua;" .. package.path -- the specs' helpers
local core = require "moonpost.core"
local process = require "spec.process"
local start = require("spec.rig").start
local support = require "spec.support"

local tree, script = ...

-- What `moonpost run` does for a script in a sandbox.
local function wrapper(rig, folder)
  local path = folder .. "/bot.lua"
  local file = assert(io.open(path, "w"))
  file:write(([[
    local core, host = require "moonpost.core", require "moonpost.bot.host"
    assert(package.searchpath("moonpost", package.path):find(%q, 1, true), "another moonpost than the tree's")
    assert(package.searchpath("moonpost.core", package.cpath):find(%q, 1, true), "another core than the tree's")
    host.url, host.root = %q, core.crypto.unhex %q
    host.show_qr = function(text)
      core.net.request { method = "POST", url = "http://127.0.0.1:%d/admin/mock-phone/scan-qr", body = text, done = function() end }
    end
    host.on_online = function(me)
      print("online as " .. me.name)
      io.stdout:flush()
    end
    dofile %q
  ]]):format(tree, tree, rig.sandbox.url, core.crypto.hex(rig.sandbox.root), rig.sandbox.port, script))
  assert(file:close())
  return path
end

support.async(function()
  local rig <close> = start()
  local ana, folder = rig:contact "Ana", support.tmpdir()
  local lua_path = ("%s/share/lua/5.4/?.lua;%s/share/lua/5.4/?/init.lua;;"):format(tree, tree)
  local bot <close> = process.start("lua5.4 " .. wrapper(rig, folder), {
    before = ("cd '%s'; export LUA_PATH='%s' LUA_CPATH='%s/lib/lua/5.4/?.so;;'"):format(folder, lua_path, tree),
  })
  bot:wait "^online as Echo"
  assert(ana:ask(rig.sandbox.accounts.by_name.Echo:jid(), "!ping").text == "pong")
  bot:signal "INT"
  assert(bot:wait_end() == 0)
  local command <close> = process.start(("%s/bin/moonpost --version"):format(tree))
  command:wait "moonpost"
  assert(command:wait_end() == 0)
  print "the bot answered"
end)()
