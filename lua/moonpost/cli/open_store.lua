--- Opening the store a command is about: one that is there already.
-- @module moonpost.cli.open_store
local core = require "moonpost.core"
local damage = require "moonpost.client.damage"
local must_exist = require "moonpost.cli.must_exist"
local options = require "moonpost.cli.options"
local store_key = require "moonpost.cli.store_key"

local DEFAULT = "state" -- as in the README's bots

--- Opens it; ends the command when there is none, or it cannot be opened.
-- @tparam table found the command line's `store` and `key-fd`
-- @bool beside whether it is only read, beside a bot that may have it
-- @treturn userdata store
return function(found, beside)
  local folder = found.store or DEFAULT
  must_exist(folder)
  local key = store_key(found["key-fd"])
  local store, err = core.store.open { path = folder, kind = "client", key = key }
  if not store and err.code == "busy" and beside then
    store, err = core.store.open { path = folder, kind = "client", key = key, reader = true }
  end
  if not store then options.stop("%s", tostring(damage(err))) end
  return store
end
