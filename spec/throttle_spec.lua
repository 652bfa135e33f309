-- Pacing of sends, by a clock of the spec's own.
local start = require("spec.rig").start
local support = require "spec.support"
local task = require "moonpost.task"
local throttle = require "moonpost.client.throttle"
local moonpost = require "moonpost"
local core = require "moonpost.core"

-- What the n-th send of several waits, all at the same time.
local function delays(bucket, count, chat_of)
  local list = {}
  for i = 1, count do list[i] = bucket:delay(chat_of(i), 100) end
  return list
end

describe("the throttle", function()
  it("lets twenty messages to a chat go at once, then one a second", function()
    local list = delays(throttle(true), 23, function() return "1@lid" end)
    for i = 1, 20 do assert.equal(0, list[i]) end
    assert.same({ 1, 2, 3 }, { table.unpack(list, 21) })
  end)

  it("lets sixty messages of the account go at once, then five a second", function()
    local list = delays(throttle(true), 62, function(i) return i .. "@lid" end)
    for i = 1, 60 do assert.equal(0, list[i]) end
    assert.is_true(math.abs(list[61] - 0.2) < 1e-9 and math.abs(list[62] - 0.4) < 1e-9)
  end)

  it("never keeps a bot waiting that answers a person a second", function()
    local bucket = throttle(true)
    for second = 1, 1000 do assert.equal(0, bucket:delay("1@lid", second)) end
  end)

  it("gives back what was not used, up to the burst", function()
    local bucket = throttle(true)
    delays(bucket, 20, function() return "1@lid" end)
    for _ = 1, 5 do assert.equal(0, bucket:delay("1@lid", 105)) end
    assert.equal(1, bucket:delay("1@lid", 105))
    for _ = 1, 20 do assert.equal(0, bucket:delay("1@lid", 9999)) end
    assert.equal(1, bucket:delay("1@lid", 9999))
  end)

  it("forgets chats that are quiet", function()
    local bucket = throttle(true)
    for i = 1, 10000 do bucket:delay(i .. "@lid", i * 10) end
    assert.is_true(bucket.count <= 257, bucket.count)
    local count = 0
    for _ in pairs(bucket.chats) do count = count + 1 end
    assert.equal(bucket.count, count)
  end)

  it("is on for the service, whatever the address, and off where another Noise root is given: a sandbox", function()
    local function enabled(root)
      local store = assert(core.store.open {})
      local client = assert(moonpost.client { store_handle = store, url = "ws://127.0.0.1:1/ws/chat", root = root })
      client:close()
      return client.throttle.enabled
    end
    assert.is_true(enabled(nil))
    assert.is_true(enabled(core.noise.ROOT))
    assert.is_false(enabled(("r"):rep(32)))
  end)

  it("paces what a client sends, and keeps it in order", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    ana.client.throttle.enabled = true
    local waits, resumes = 0, {}
    function ana.client.throttle:delay() -- luacheck: ignore 212
      waits = waits + 1
      return waits > 1 and 0.02 or 0
    end
    for i = 1, 3 do
      resumes[i] = task.spawn(function() assert(ana.client:send(ben.jid, tostring(i))) end)
    end
    for i = 1, 3 do assert.equal(tostring(i), ben:next().text) end
    for i = 1, 3 do resumes[i]:join(30) end
    assert.equal(3, waits)
  end))
end)
