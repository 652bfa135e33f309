-- The rows `server`: 500 linked clients before one sandbox in a process of its own. What is measured is the sandbox alone: what is
-- resident for each client, and how many texts between two people it relays in a second of its CPU, each with all its copies (the
-- recipient's device and phone, the sender's phone), the acks and the receipts. Prints one JSON object.
-- usage: moonpost run -- spec/bench/server.lua [CLIENTS [TEXTS]]
local core = require "moonpost.core"
local json = require "cjson.safe"
local moonpost = require "moonpost"
local sandbox_link = require "moonpost.cli.sandbox_link"
local support = require "spec.support"
local process = require "spec.process"
local task = require "moonpost.task"

local CLIENTS, TEXTS = tonumber(arg[1]) or 500, tonumber(arg[2]) or 20000
local LINKING = 8        -- clients linked at a time
local HEARD_SECONDS = 60 -- until a text has come

local function proc(pid, name)
  local file = assert(io.open(("/proc/%d/%s"):format(pid, name)))
  local text = file:read "a"
  file:close()
  return text
end

-- Seconds of CPU, user and system.
local function cpu(pid)
  local fields = {}
  for word in proc(pid, "stat"):match "%) (.*)":gmatch "%S+" do fields[#fields + 1] = word end
  return (tonumber(fields[12]) + tonumber(fields[13])) / 100
end

local function resident(pid) return tonumber(proc(pid, "smaps_rollup"):match "\nRss:%s+(%d+) kB") * 1024 end

local function new_client(link, url, store, number)
  local client = assert(moonpost.client {
    store_handle = store, account = "account" .. number, name = "Account " .. number, url = url, root = link.root,
  })
  assert(client:pair { qr = function(text) task.spawn(function() assert(link:scan(text)) end) end })
  assert(client:connect())
  return client
end

local function link_all(link, url)
  local clients, numbers, done = {}, task.queue(), task.queue()
  local store = assert(core.store.open { path = support.tmpdir() .. "/state", durability = "process" })
  for i = 1, CLIENTS do numbers:push(i) end
  numbers:close()
  for _ = 1, LINKING do
    task.spawn(function()
      for i in function() return (numbers:pop(0)) end do clients[i] = new_client(link, url, store, i) end
      done:push(true)
    end)
  end
  for _ = 1, LINKING do done:pop() end
  return clients
end

-- Two and two talk; each text once the one before was heard.
local function talk(one, other, texts)
  local heard = task.queue()
  local stop = other:on("message", function(m) heard:push(m.text) end)
  for i = 1, texts do
    local text = "text " .. i
    assert(one:send(other.me.jid, text))
    assert(heard:pop(HEARD_SECONDS) == text, "a text was not heard")
  end
  stop()
end

local function talk_all(clients, texts)
  local tasks = {}
  for i = 1, #clients - 1, 2 do tasks[#tasks + 1] = task.spawn(talk, clients[i], clients[i + 1], texts) end
  for _, one in ipairs(tasks) do one:join() end
  return texts * #tasks
end

task.run(function()
  local server <close> = process.start "moonpost sandbox"
  local url = server:wait "^sandbox (.*)$"
  local link = sandbox_link(url)
  assert(link:prepare())
  local empty = resident(server.pid)
  local clients = link_all(link, url)
  local full = resident(server.pid)
  talk_all(clients, 1) -- sessions
  local began = cpu(server.pid)
  local texts = talk_all(clients, math.max(1, TEXTS * 2 // CLIENTS))
  local seconds = cpu(server.pid) - began
  print(json.encode { resident = (full - empty) / CLIENTS, rate = texts / seconds, texts = texts, seconds = seconds })
  for _, client in ipairs(clients) do task.spawn(client.close, client) end
end)
