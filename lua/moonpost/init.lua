--- moonpost: WhatsApp bots in Lua.
--   moonpost.bot { store = "state" }         a bot: see moonpost.bot
--   moonpost.run(bot, another)               several of them: see moonpost.bot.run
--   moonpost.client { store = "state" }      the client below it: see moonpost.client
--   moonpost.log.level, moonpost.log.sink    what is told of it, and to whom: see moonpost.log
--   moonpost.use_luv(require "luv")          bots in that loop: see moonpost.use_luv
-- @module moonpost
return {
  version = require("moonpost.core").version,
  bot = require "moonpost.bot",
  run = require "moonpost.bot.run",
  client = require "moonpost.client",
  log = require "moonpost.log",
  use_luv = require "moonpost.use_luv",
}
