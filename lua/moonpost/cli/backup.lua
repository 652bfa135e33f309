--- `moonpost backup`: a copy of a store, of one time, whether a bot runs on it or not.
-- @module moonpost.cli.backup
local core = require "moonpost.core"
local damage = require "moonpost.client.damage"
local options = require "moonpost.cli.options"
local printable = require "moonpost.printable"

local command = { summary = "copy a store, also while a bot runs on it" }

command.usage = [[
usage: moonpost backup COPY [--store DIR]

Copies the store in DIR (state) into the folder COPY, which must be new or empty. A bot may go on in DIR meanwhile. A sealed store is copied
sealed, and needs no key for that.

A copy is for when the store is lost. Never run it beside the store it was made from: two devices with the same keys confuse every
chat. A bot that starts on a copy begins new sessions before it sends, so that nothing it says is dropped as old.
Exit codes: 0 copied, 1 failed, 2 wrong command line.]]

local COPY_SECONDS = 3600
local DEFAULT = "state" -- as in the README's bots

-- In a process of its own: a damaged store may end it.
local function copy(from, to)
  local store, err = core.store.open { path = from, reader = true, sealed = true }
  if not store then error(damage(err).message, 0) end
  local done, why = store:backup(to)
  if not done then error(damage(why).message, 0) end
  return "done"
end

--- @treturn int exit code
function command.main(args)
  local found = options.parse({ store = "DIR", arguments = { 1, 1, "the folder of the copy" } }, args)
  local folder = found.store or DEFAULT
  local done, err = core.store.child(function() return copy(folder, found[1]) end, COPY_SECONDS)
  if not done and err.code == "malformed" then
    options.stop("%s cannot be copied, %s: look at it with `moonpost store check`", folder, err.message)
  end
  if not done then options.stop("%s", err.message) end
  print(printable.text(("%s is copied to %s"):format(folder, found[1])))
  print "Never run the copy beside the store: keep it for when that is lost. It holds the account's keys, and is for its owner alone."
  return 0
end

return command
