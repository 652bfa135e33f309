-- The row `commit`: what a message's four rows take to be durable, alone and fifty sharing one commit, synced (`power`) and not
-- (`process`), plain and sealed. Wall clock: a sync waits for the disk. Prints one JSON object, seconds per message.
-- usage: moonpost run -- spec/bench/commit.lua
local core = require "moonpost.core"
local json = require "cjson.safe"

local KEY = ("0123456789abcdef"):rep(4)
local VALUE = ("v"):rep(250) -- bytes of a row, much as those of a session, a journal entry, a dedupe row
local SHARING = 50

local function write_message(store, i)
  for _, name in ipairs { "journal", "dedupe", "secret", "lid" } do store:put(name, ("%s %d"):format(name, i % 500), VALUE) end
end

local function seconds_each(store, messages, sharing)
  local best = math.huge
  for _ = 1, 3 do
    local began = core.net.now()
    for i = 1, messages do
      write_message(store, i)
      if i % sharing == 0 then assert(store:commit()) end
    end
    best = math.min(best, (core.net.now() - began) / messages)
  end
  return best
end

local function measure(durability, key)
  local path = os.tmpname()
  os.remove(path)
  local store = assert(core.store.open { path = path, durability = durability, key = key })
  local messages = durability == "power" and 200 or 2000
  local alone, shared = seconds_each(store, messages, 1), seconds_each(store, 2000, SHARING)
  store:close()
  os.execute(("rm -rf '%s'"):format(path))
  return alone, shared
end

local result = {}
for _, durability in ipairs { "power", "process" } do
  for how, key in pairs { plain = false, sealed = assert(core.store.key(KEY)) } do
    result[durability .. "_" .. how], result[durability .. "_" .. how .. "_shared"] = measure(durability, key or nil)
  end
end
io.write(json.encode(result), "\n")
