--- `moonpost logout`: takes a device off its account, and the account out of its store.
-- @module moonpost.cli.logout
local moonpost = require "moonpost"
local open_store = require "moonpost.cli.open_store"
local options = require "moonpost.cli.options"
local options_of = require "moonpost.client.options"
local printable = require "moonpost.printable"
local proxy = require "moonpost.client.proxy"
local rows = require "moonpost.client.rows"
local sandbox_link = require "moonpost.cli.sandbox_link"
local task = require "moonpost.task"
local wa_version = require "moonpost.cli.wa_version"

local command = { summary = "unlink an account and remove it from its store" }

command.usage = [[
usage: moonpost logout [options]

  --store DIR      the store's folder (state)
  --key-fd N       the store is sealed: its key is read from descriptor N (else from MOONPOST_STORE_KEY, where that is set)
  --account NAME   which of its accounts (default)
  --sandbox URL    the account is linked in the sandbox at ws://… or wss://…
  --proxy URL      connect through the HTTP proxy http://[user:password@]host[:port]
  --wa-version V   log in as web client version V (2.3000.NUMBER)
  --force          remove it from the store even when the server cannot be told

Logs in, has the server take this device off the account, and wipes what the store holds of it. What waits there is lost.]]

local spec = {
  store = "DIR", account = "NAME", sandbox = "URL", proxy = "URL", force = "flag", ["key-fd"] = "a descriptor's number",
  ["wa-version"] = "2.3000.NUMBER",
}

local SECONDS = 60 -- for the whole exchange

-- The server of the account, as options of a client; nil when there is none to be reached.
local function find_server(found)
  if not found.sandbox then return {} end
  local link = sandbox_link(found.sandbox)
  local ok, err = link:prepare()
  if not ok then return nil, err end
  return { url = found.sandbox, root = link.root, ca = link.ca }
end

-- A client that cannot log in: of the server its account was linked at.
local function idle_client(found, store)
  local me = rows.get(store:account(options_of.scope(found.account)), "setting", "me", "StoreMe")
  return moonpost.client { store_handle = store, account = found.account, root = me and me.root }
end

-- Waits until the client is online; the first failure is enough, it need not be tried again.
local function go_online(client)
  local outcome = task.queue()
  client:on("offline", function(err) outcome:push(err) end)
  local connecting = task.spawn(function()
    local up, err = client:connect()
    outcome:push(up or err)
  end)
  local result = outcome:pop(SECONDS)
  connecting:cancel()
  if result == true then return true end
  return nil, result or "no answer"
end

local function wipe(client, account, reason)
  local ok, err = client:logout { force = true }
  if not ok then options.stop("the store cannot be written: %s", tostring(err)) end
  io.stderr:write("moonpost logout: warning: the server was not told (", printable.line(tostring(reason)), ")\n")
  print(("account %s is removed from the store; the phone may still list this device: remove it there (Linked devices)"):format(account))
  return 0
end

local function leave(client, account, force)
  local number = "+" .. (client.me.jid:match "^%d+" or "?")
  local up, err = go_online(client)
  if not up and type(err) == "table" and err.code == "unlinked" then
    print(("account %s (%s) was unlinked before: its rows in the store are removed"):format(account, number))
    return 0
  end
  local ok = up
  if up then ok, err = client:logout() end
  if ok then
    print(("account %s (%s) is logged out, its rows in the store are removed"):format(account, number))
    return 0
  end
  if force then return wipe(client, account, err) end
  options.stop("nothing was changed: %s; --force removes the account from the store without the server", tostring(err))
end

local function open_client(found, store)
  local settings, err = find_server(found)
  local client
  if settings then
    settings.store_handle, settings.account = store, found.account
    settings.proxy = found.proxy
    settings.version = found["wa-version"] and wa_version(found["wa-version"])
    client, err = moonpost.client(settings)
  end
  if client then return client end
  if not found.force then options.stop("%s", tostring(err)) end
  return assert(idle_client(found, store)), err
end

local function run(found, store)
  local client, no_server = open_client(found, store)
  if not client:linked() then options.stop("store %s holds no linked account '%s'", store:path(), found.account) end
  local code = no_server and wipe(client, found.account, no_server) or leave(client, found.account, found.force)
  client:close()
  return code
end

--- @treturn int exit code
function command.main(args)
  local found = options.parse(spec, args)
  found.account = found.account or options_of.DEFAULT_ACCOUNT
  if not options_of.is_account(found.account) then
    options.fail("--account expects an account's name, got '%s'", found.account)
  end
  if found.proxy and not proxy.read(found.proxy) then options.fail("--proxy %s", select(2, proxy.read(found.proxy))) end
  local store <close> = open_store(found)
  return task.run(run, found, store)
end

return command
