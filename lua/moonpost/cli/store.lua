--- `moonpost store`: what is done to a store as a whole.
-- @module moonpost.cli.store
local core = require "moonpost.core"
local damage = require "moonpost.client.damage"
local must_exist = require "moonpost.cli.must_exist"
local options = require "moonpost.cli.options"
local printable = require "moonpost.printable"
local store_key = require "moonpost.cli.store_key"
local inspect = require "moonpost.cli.store_check"

local command = { summary = "check a store, seal it, change its key" }

command.usage = [[
usage: moonpost store check DIR [--key-fd N]
       moonpost store seal DIR [--key-fd N]
       moonpost store rekey DIR [--key-fd N] [--new-key-fd N]

check   looks at every row of the store in DIR, beside a bot that may be running on it
seal    seals a store that is plain; from then on it opens with its key alone. The bot must not be running
rekey   gives a sealed store another key

A key is 64 hex digits (openssl rand -hex 32) or a passphrase of 8 bytes or more. It comes from the descriptor of --key-fd, or from
the environment variable MOONPOST_STORE_KEY; the new one from --new-key-fd or MOONPOST_STORE_NEW_KEY.
Exit codes: 0 done, the store is whole; 1 the store is damaged, or the change failed; 2 wrong command line; 4 it could not be looked
at.]]

local function say(...) print(printable.text((...):format(select(2, ...)))) end

local function check(folder, key)
  local report, err = inspect(folder, key)
  if not report then
    io.stderr:write("moonpost store: ", printable.text(tostring(err)), "\n")
    return 4
  end
  for _, line in ipairs(report) do say("%s", line) end
  return report.whole and 0 or 1
end

-- Writes the store anew under a key. `before` opens it: nil when it is plain.
local function reseal(folder, before, key)
  local store, err = core.store.open { path = folder, key = before }
  if not store and err.code == "key" and not before then
    options.stop("store %s is sealed already: `moonpost store rekey` gives it another key", folder)
  end
  if not store then options.stop("%s", tostring(damage(err))) end
  local sealed, why = store:reseal { key = key }
  store:close()
  if not sealed then options.stop("%s", tostring(damage(why))) end
end

local function seal(folder, key)
  if not key then options.fail("seal needs a key: --key-fd N, or the environment variable MOONPOST_STORE_KEY") end
  must_exist(folder)
  reseal(folder, nil, key)
  say("%s is sealed: from now on it needs its key. Bytes of before may still stand on the disk, and in backups", folder)
  return 0
end

local function rekey(folder, key, new)
  if not key then options.fail("rekey needs the key as it is: --key-fd N, or the environment variable MOONPOST_STORE_KEY") end
  if not new then options.fail("rekey needs the new key: --new-key-fd N, or the environment variable MOONPOST_STORE_NEW_KEY") end
  must_exist(folder)
  reseal(folder, key, new)
  say("%s has its new key; backups keep the one they were made with", folder)
  return 0
end

--- @treturn int exit code
function command.main(args)
  local found = options.parse({
    ["key-fd"] = "a descriptor's number", ["new-key-fd"] = "a descriptor's number",
    arguments = { 2, 2, "check, seal or rekey, and the store's folder" },
  }, args)
  local what, folder = found[1], found[2]
  local key = store_key(found["key-fd"])
  if what == "check" then return check(folder, key) end
  if what == "seal" then return seal(folder, key) end
  if what ~= "rekey" then options.fail("expected check, seal or rekey, got '%s'", what) end
  return rekey(folder, key, store_key(found["new-key-fd"], "new-key-fd", "MOONPOST_STORE_NEW_KEY"))
end

return command
