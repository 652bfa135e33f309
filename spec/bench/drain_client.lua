-- The client of the row `drain`. `first`: links, answers each "hello", says how many texts it has heard and ends with SIGINT; else it says
-- what it took to catch up, as a JSON object, and ends.
-- usage: moonpost run -- spec/bench/drain_client.lua URL ROOT STORE [first]   (ROOT: the server's Noise root key, in hex)
local core = require "moonpost.core"
local json = require "cjson.safe"
local moonpost = require "moonpost"
local task = require "moonpost.task"

local SAMPLE = 8 -- turns of the loop from one look at the memory to the next

local function say(...)
  print(...)
  io.stdout:flush()
end

-- Bytes of memory that is nobody else's: the pages of the store's file are the system's.
local function anonymous()
  local file = assert(io.open "/proc/self/statm")
  local _, resident, shared = file:read("n", "n", "n")
  file:close()
  return (resident - shared) * 4096
end

local url, root, store, first = table.unpack(arg)
local heard, done = 0, task.queue()

local function new_client()
  return assert(moonpost.client { store = store, url = url, root = core.crypto.unhex(root), name = "Away" })
end

local function link(client)
  client:on("message", function(m)
    if m.text == "hello" then assert(client:send(m.chat, "hello yourself")) end
    heard = heard + 1
    say("heard " .. heard)
  end)
  assert(client:pair { qr = function(text) say("qr " .. text) end })
  assert(client:connect())
  say("ready " .. client.me.jid)
  core.net.signal("INT", function() done:push(true) end)
  done:pop()
end

local function catch_up(client)
  client:on("message", function(m) heard = heard + (m.text and 1 or 0) end)
  client:on("caught_up", function(info) done:push(info) end)
  collectgarbage()
  local before, most, turns = anonymous(), 0, 0
  local watch = core.net.on_turn_end(function()
    turns = turns + 1
    if turns % SAMPLE == 0 then most = math.max(most, anonymous()) end
    return false
  end)
  local began = os.clock()
  assert(client:connect())
  local info = assert(done:pop(300))
  local cpu = os.clock() - began
  watch:stop()
  say(json.encode { cpu = cpu, growth = most - before, messages = info.messages, heard = heard, wall = info.seconds, turns = turns })
end

task.run(function()
  local client = new_client()
  if first then link(client) else catch_up(client) end
  client:close()
end)
