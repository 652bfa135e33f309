-- Two hundred accounts in one process and one store, linked and idle.
local core = require "moonpost.core"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"
local task = require "moonpost.task"

local ACCOUNTS = 200
local KEYS = 5       -- one-time keys of each; the first upload's 812 are shown elsewhere, and take most of a linking's time
local DEADLINE = 120 -- seconds
local LUA_BYTES = 96 * 1024 -- of an account that is idle, its sandbox's side included

local function open_clients(rig, store)
  local clients = {}
  for i = 1, ACCOUNTS do
    clients[i] = tap.client(rig, { store_handle = store, account = "account" .. i, name = "Account " .. i })
    clients[i].prekeys.first = KEYS
  end
  return clients
end

-- Runs fn(client) for all, so many at a time.
local function each(clients, fn)
  local running = {}
  for i, client in ipairs(clients) do
    if i > 20 then running[i - 20]:join() end
    running[i] = task.spawn(fn, client)
  end
  for _, one in ipairs(running) do one:join() end
end

local function lua_bytes()
  collectgarbage()
  collectgarbage()
  return collectgarbage "count" * 1024
end

describe("two hundred accounts in one store", function()
  it("are online at once, and one of them answers a message the others do not hear", support.async(function()
    local rig <close> = start()
    local store = assert(core.store.open {})
    local before = lua_bytes()
    local clients = open_clients(rig, store)
    each(clients, function(client)
      assert(client:pair(tap.scanner(rig)))
      assert(client:connect())
    end)
    assert.equal(ACCOUNTS, #store:accounts())
    for _, client in ipairs(clients) do assert.is_true(client.connection.online) end
    local each_takes = (lua_bytes() - before) / ACCOUNTS
    assert.is_true(each_takes < LUA_BYTES, ("an account takes %.0f bytes"):format(each_takes))

    local heard = {}
    for i, client in ipairs(clients) do
      client:on("message", function(m)
        heard[#heard + 1] = i
        assert(client:send(m.chat, "I am " .. client.me.name))
      end)
    end
    local ana = rig:contact "Ana"
    assert.equal("I am Account 137", ana:ask(clients[137].me.jid, "who are you?").text)
    assert.same({ 137 }, heard)
    local closing = {}
    for i, client in ipairs(clients) do closing[i] = task.spawn(client.close, client) end
    for _, one in ipairs(closing) do one:join() end
  end, DEADLINE))
end)
