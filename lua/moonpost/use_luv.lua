--- Bots in a host's libuv loop, that of Debian's lua-luv:
--
--     local uv, moonpost = require "luv", require "moonpost"
--     moonpost.use_luv(uv)
--     local bot = moonpost.bot { store = "state" }
--     bot:start()
--     uv.run()
--
-- The loop ends when neither the host nor a bot has anything left in it. Ctrl-C is the host's business then.
-- @module moonpost.use_luv
local core = require "moonpost.core"
local host = require "moonpost.bot.host"
local task = require "moonpost.task"

--- Has all bots, clients and sandboxes of this process live in the loop of a luv. Before the first of them runs.
-- @tparam table uv what `require "luv"` gave
-- An error when that luv carries a libuv of its own, as the rock does, or when it is too late.
return function(uv)
  if type(uv) ~= "table" or type(uv.run) ~= "function" or type(uv.loop_mode) ~= "function" then
    error("moonpost.use_luv expects what require 'luv' gives", 2)
  end
  local ok, err = core.net.borrow(uv)
  if not ok then error("moonpost.use_luv: " .. err.message, 2) end
  host.signals = false
  task.in_host(function() return uv.loop_mode() ~= nil end)
end
