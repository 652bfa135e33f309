-- The row `history`: a past of 50,000 messages in one chunk, from its announcement on: downloaded, checked, inflated, decoded, kept as far
-- as the archive reaches, and delivered in pages to a handler that counts. The sandbox is another process. Prints one JSON object.
-- usage: moonpost run -- spec/bench/history.lua
local core = require "moonpost.core"
local json = require "cjson.safe"
local moonpost = require "moonpost"
local process = require "spec.process"
local sandbox_link = require "moonpost.cli.sandbox_link"
local support = require "spec.support"
local task = require "moonpost.task"
local admin = require "spec.bench.admin"

local MESSAGES = 50000
local SECONDS = 120

-- Memory of this process in bytes: as it is ("VmRSS"), or the most it was since `forget_peak` ("VmHWM").
local function memory(what)
  local file = assert(io.open "/proc/self/status")
  local text = file:read "a"
  file:close()
  return tonumber(text:match("\n" .. what .. ":%s+(%d+) kB")) * 1024
end

local function forget_peak()
  local file = assert(io.open("/proc/self/clear_refs", "w"))
  assert(file:write "5")
  assert(file:close())
end

task.run(function()
  local server <close> = process.start "moonpost sandbox --tls"
  local url = server:wait "^sandbox (.*)$"
  local link = sandbox_link(url)
  assert(link:prepare())
  local client = assert(moonpost.client {
    store = support.tmpdir() .. "/state", url = url, root = link.root, ca = link.ca, name = "Ana",
  })
  local account = admin(url, "mock-phone/past", {
    name = "Ana", chats = 1, groups = 0, messages = MESSAGES + 5, days = 365, size = 100, chunk = MESSAGES,
  })
  assert(account.jid)
  local done, count, began, cpu, before = task.queue(), 0, nil, nil, nil
  client:on("history", function(page)
    if page.type ~= "recent" then return end
    count = count + #page.messages
    if page.done then done:push(true) end
  end)
  local came = client.past.came
  function client.past.came(...)
    if select(3, ...).syncType == "RECENT" then
      collectgarbage()
      forget_peak()
      began, cpu, before = core.net.now(), os.clock(), memory "VmRSS"
    end
    return came(...)
  end
  assert(client:pair { qr = function(text) task.spawn(function() assert(link:scan(text)) end) end })
  assert(client:connect())
  assert(done:pop(SECONDS))
  local wall, used = core.net.now() - began, os.clock() - cpu
  assert(count == MESSAGES, count)
  print(json.encode { wall = wall, cpu = used, growth = memory "VmHWM" - before, rows = client.store:count("message", "m") })
  client:close()
end)
