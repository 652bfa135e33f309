-- The row `again`: a linked client goes online once more, in a process that has been before; from its first step to the end of what
-- waited, <ib><offline/>. usage: moonpost run spec/bench/again.lua -- URL ROOT CA.pem STORE COUNT; prints "again SECONDS", the median.
local core = require "moonpost.core"
local moonpost = require "moonpost"
local stanza = require "moonpost.stanza"
local task = require "moonpost.task"

local url, root, ca_path, store, count = ...
local file = assert(io.open(ca_path))
local ca = file:read "a"
file:close()

local finished = task.queue()
local decode = core.wire.decode
function core.wire.decode(bytes)
  local node, err = decode(bytes)
  if node and node.tag == "ib" and stanza.child(node, "offline") then finished:push(core.net.now()) end
  return node, err
end

local function once()
  local began = core.net.now()
  local client = assert(moonpost.client { store = store, url = url, root = core.crypto.unhex(root), ca = ca })
  local connecting = task.spawn(client.connect, client)
  local at = assert(finished:pop(20))
  assert(connecting:join(20))
  client:close()
  return at - began
end

task.run(function()
  once() -- libraries, certificates and pages are there from here on
  local list = {}
  for i = 1, tonumber(count) do list[i] = once() end
  table.sort(list)
  print("again " .. list[(#list + 1) // 2])
end)
