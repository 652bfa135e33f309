--- moonpost: WhatsApp bots in Lua.
--   moonpost.bot { store = "state" }         a bot: see moonpost.bot
--   moonpost.client { store = "state" }      the client below it: see moonpost.client
-- @module moonpost
return {
  version = require("moonpost.core").version,
  bot = require "moonpost.bot",
  client = require "moonpost.client",
}
