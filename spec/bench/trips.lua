-- The row `trips`: how often each side waits for the other until the server has said <success>, at a first login and at a later one,
-- counted on the way. Prints one JSON object. usage: moonpost run -- spec/bench/trips.lua  (NODE: the node to use)
package.path = "./?.lua;" .. package.path
local json = require "cjson.safe"
local relay = require "spec.relay"
local process = require "spec.process"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"
local task = require "moonpost.task"

local SETTLE_SECONDS = 1 -- Baileys writes its credentials behind its back

-- Turns of the client before the server: how often `>` begins anew.
local function trips(way)
  local _, count = way:gsub(">+", "")
  return count
end

-- The round trips of each login that is made through the relay.
local function watch(rig, between)
  local counts = task.queue()
  tap.on(rig, function(direction, node)
    if direction == "to-client" and node.tag == "success" then counts:push(trips(between:way(-1))) end
  end)
  return counts
end

local function ours()
  local rig <close> = start()
  local between <close> = relay.start(rig.sandbox.url)
  local counts, folder = watch(rig, between), support.tmpdir() .. "/state"
  rig:contact("Ana", { url = between.url, store = folder })
  table.remove(rig.clients):close()
  rig:contact("Ana", { url = between.url, store = folder })
  return { first = assert(counts:pop(20)), again = assert(counts:pop(20)) }
end

local function theirs()
  local rig <close> = start()
  local between <close> = relay.start(rig.sandbox.url)
  local counts, folder, result = watch(rig, between), support.tmpdir() .. "/state", {}
  for _, name in ipairs { "first", "again" } do
    local bot <close> = process.start(("%s spec/bench/baileys.mjs bot '%s' '%s'"):format(os.getenv "NODE" or "node", between.url, folder))
    if name == "first" then rig:scan(bot:wait "^qr (.*)$") end
    bot:wait "^ready"
    result[name] = assert(counts:pop(20))
    task.sleep(SETTLE_SECONDS)
    bot:signal "INT"
    bot:wait_end()
  end
  rig.sandbox.violations = {}
  return result
end

support.async(function()
  io.write(json.encode { moonpost = ours(), baileys = theirs() }, "\n")
end, 60)()
