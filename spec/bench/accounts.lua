-- The accounts of the row `fleet`: so many clients in one process and one store, linked in a first run, idle in the next.
-- Prints `qr TEXT` for a code to be scanned, `ready BYTES` once all are online: what is resident then. Ends with SIGINT.
-- usage: moonpost run spec/bench/accounts.lua -- COUNT STORE URL ROOT CA.pem   (ROOT: the server's Noise root key, in hex)
local core = require "moonpost.core"
local moonpost = require "moonpost"
local task = require "moonpost.task"

local SETTLE_SECONDS = 3

local count, store, url, root, ca = table.unpack(arg)
local file = assert(io.open(ca))
local certificate = file:read "a"
file:close()

local function say(...)
  print(...)
  io.stdout:flush()
end

local function show(text) say("qr " .. text) end

task.run(function()
  local clients, stopping = {}, task.queue()
  local signal = core.net.signal("INT", function() stopping:close() end)
  for i = 1, tonumber(count) do
    clients[i] = assert(moonpost.client {
      store = store, account = "account" .. i, name = "Account " .. i, url = url, root = core.crypto.unhex(root), ca = certificate,
    })
    if not clients[i]:linked() then assert(clients[i]:pair { qr = show }) end
    assert(clients[i]:connect())
  end
  task.sleep(SETTLE_SECONDS)
  say("ready " .. core.net.rss())
  stopping:pop()
  signal:stop()
  for _, client in ipairs(clients) do task.spawn(client.close, client) end
end)
