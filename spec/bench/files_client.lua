-- The client of the row `files`: links, sends and fetches a small file, then a large one; says what the large one took, as a JSON object.
-- usage: moonpost run -- spec/bench/files_client.lua URL ROOT FOLDER MB   (ROOT: the server's Noise root key, in hex; FOLDER: has ca.pem)
local core = require "moonpost.core"
local json = require "cjson.safe"
local moonpost = require "moonpost"
local task = require "moonpost.task"

local SMALL = 4 -- MB, which everything has been used for before it is measured
local BYTES = 1024 * 1024

local url, root, folder, megabytes = arg[1], arg[2], arg[3], tonumber(arg[4])

local function say(...)
  print(...)
  io.stdout:flush()
end

-- Bytes that were resident at most since the last look, and looks no further back from now on.
local function peak()
  local file = assert(io.open "/proc/self/status")
  local kib = tonumber(file:read("a"):match "VmHWM:%s*(%d+)")
  file:close()
  file = assert(io.open("/proc/self/clear_refs", "w"))
  file:write("5"):close()
  return kib * 1024
end

local function make_file(size)
  local path = ("%s/%d"):format(folder, size)
  local file = assert(io.open(path, "wb"))
  local block = core.crypto.random(BYTES)
  for _ = 1, size do assert(file:write(block)) end
  file:close()
  return path
end

-- There and back; CPU seconds of each way, and how much the memory grew.
local function round_trip(client, size)
  local path = make_file(size)
  collectgarbage()
  peak()
  local before, began = core.net.rss(), os.clock()
  local reference = assert(client.media:upload({ file = path }, "document"))
  local up, growth = os.clock() - began, peak() - before
  began = os.clock()
  assert(client.media:save(reference, "document", path .. ".back"))
  local down = os.clock() - began
  return { upload_growth = growth, growth = math.max(growth, peak() - before), up = up / size, down = down / size }
end

task.run(function()
  local file = assert(io.open(folder .. "/ca.pem"))
  local ca = file:read "a"
  file:close()
  local client = assert(moonpost.client {
    store_handle = assert(core.store.open {}), url = url, root = core.crypto.unhex(root), ca = ca, name = "Files",
  })
  assert(client:pair { qr = function(text) say("qr " .. text) end })
  assert(client:connect())
  round_trip(client, SMALL)
  say(json.encode(round_trip(client, megabytes)))
  client:close()
end)
