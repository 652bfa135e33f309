-- The row `hear`: texts of 50 groups that wait at a sandbox in another process, from the socket to the handlers of a client: CPU time of
-- this process for each. Who has written them is gone by then. Prints one JSON object.
-- usage: moonpost run -- spec/bench/hear.lua
local json = require "cjson.safe"
local moonpost = require "moonpost"
local process = require "spec.process"
local sandbox_link = require "moonpost.cli.sandbox_link"
local support = require "spec.support"
local task = require "moonpost.task"
local admin = require "spec.bench.admin"

local GROUPS, ROUNDS = 50, 20
local SECONDS = 120

task.run(function()
  local server <close> = process.start "moonpost sandbox"
  local url = server:wait "^sandbox (.*)$"
  local link = sandbox_link(url)
  assert(link:prepare())
  local folder = support.tmpdir()
  local function online(name, heard)
    local client = assert(moonpost.client { store = folder .. "/" .. name, url = url, root = link.root, name = name })
    client:on("message", function(m) heard:push(m.text) end)
    if not client:linked() then
      assert(client:pair { qr = function(text) task.spawn(function() assert(link:scan(text)) end) end })
    end
    assert(client:connect())
    return client
  end
  local heard = task.queue()
  local ana, ben = online("Ana", task.queue()), online("Ben", heard)
  local groups = {}
  for i = 1, GROUPS do
    groups[i] = admin(url, "mock-phone/group", { creator = ana.me.jid, subject = "Tea", members = { ben.me.jid } }).jid
    assert(ana:send(groups[i], "first"))
    assert(heard:pop(SECONDS))
  end
  ben:close()
  for i = 1, ROUNDS do
    for _, group in ipairs(groups) do assert(ana:send(group, "text " .. i)) end
  end
  ana:close()
  collectgarbage()
  local again = online("Ben", heard)
  assert(heard:pop(SECONDS))
  local began = os.clock()
  for _ = 2, GROUPS * ROUNDS do assert(heard:pop(SECONDS)) end
  print(json.encode { text = (os.clock() - began) / (GROUPS * ROUNDS - 1) })
  again:close()
end)
