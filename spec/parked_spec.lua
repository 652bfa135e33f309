-- Messages in whose handlers runs end again and again: set aside, listed, tried again or dropped; nobody else is blamed.
local core = require "moonpost.core"
local moonpost = require "moonpost"
local process = require "spec.process"
local start = require("spec.rig").start
local support = require "spec.support"
local task = require "moonpost.task"

local function never() task.queue():pop() end

local function open(rig, store, handler)
  local client = moonpost.client { store_handle = store, url = rig.sandbox.url, root = rig.sandbox.root, name = "Echo" }
  client.journal.close_seconds = 0
  client:on("message", handler)
  client:on("error", function() end)
  if not client:linked() then assert(client:pair { qr = function(text) task.spawn(rig.scan, rig, text) end }) end
  assert(client:connect())
  return client
end

-- A client with one message set aside, and the queue its later messages come to.
local function with_parked(rig, ana)
  local store, began, hang = assert(core.store.open {}), task.queue(), true
  local function handler(m)
    began:push(m)
    if hang then never() end
  end
  local client = open(rig, store, handler)
  local id = assert(ana.client:send(client.me.jid, "poison")).id
  for _ = 1, 3 do
    assert.equal("poison", began:pop(30).text)
    client:close()
    client = open(rig, store, handler)
  end
  hang = false
  return client, began, id
end

describe("a message that was set aside", function()
  it("is listed as handlers would see it", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local client, began, id = with_parked(rig, ana)
    local parked = client:parked()
    assert.same({ 1, id, ana.lid, "poison", "text" }, { #parked, parked[1].id, parked[1].sender, parked[1].text, parked[1].kind })
    assert.equal(0, #began)
    client:close()
  end))

  it("is handled again on request, and is then no more in the list", support.async(function()
    local rig <close> = start()
    local client, began, id = with_parked(rig, rig:contact "Ana")
    local parked = client:parked()[1]
    assert.is_true(parked:retry())
    local again = began:pop(30)
    assert.same({ id, true }, { again.id, again.redelivered })
    assert.is_false(parked:retry())
    client:committed()
    assert.same({}, client:parked())
    assert.equal(0, client.store:count("journal", ""))
    client:close()
  end))

  it("is dropped on request", support.async(function()
    local rig <close> = start()
    local client, began = with_parked(rig, rig:contact "Ana")
    local parked = client:parked()[1]
    assert.is_true(parked:drop())
    assert.is_false(parked:drop())
    assert.is_false(parked:retry())
    assert.same({}, client:parked())
    assert.equal(0, #began)
    client:close()
  end))
end)

local script = [[
local moonpost, task = require "moonpost", require "moonpost.task"
local bot = moonpost.bot { store = "state", name = "Mine" }
local function say(...) print(...) io.stdout:flush() end
bot:on("message", function(ctx)
  say("handles", ctx.text)
  if ctx.text == "slow" then return task.sleep(1000) end
  if ctx.text == "poison" then os.execute "kill -9 $PPID" end
  ctx:reply(ctx.text)
end)
bot:on("error", function(err) say("error " .. tostring(err)) end)
bot:on("ready", function() for _, m in ipairs(bot:parked()) do say("parked " .. m.text) end end)
bot:run()
]]

describe("a bot that dies of a message each time", function()
  it("sets that one aside after three runs, not the one that waited beside it", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local folder = support.tmpdir()
    local file = assert(io.open(folder .. "/bot.lua", "w"))
    file:write(script)
    file:close()
    local command = ("moonpost run %s/bot.lua --sandbox %s --store %s/state"):format(folder, rig.sandbox.url, folder)
    local bot = process.start(command)
    bot:wait "^online"
    local to = rig.sandbox.accounts.by_name.Mine:jid()
    assert(ben.client:send(to, "slow"))
    bot:wait "^handles%s+slow"
    assert(ana.client:send(to, "poison"))
    for _ = 1, 3 do
      assert.equal(9, select(2, bot:wait_end()))
      bot = process.start(command)
    end
    local guard <close> = bot
    bot:wait "^error message %w+ from %d+@lid was set aside: 3 runs ended in its handler"
    bot:wait "^handles%s+slow"
    assert(guard and ana.client:send(to, "fine"))
    assert.equal("fine", ana:next().text)
    assert.is_nil(bot:text():find "parked slow")
    bot:signal "INT"
    bot:wait_end()
  end))
end)

describe("a handler", function()
  it("is told how old a message is by the server's clock", support.async(function()
    local rig <close> = start()
    rig.sandbox.time = function() return math.floor(core.net.time()) - 5000 end
    local ana, ages = rig:contact "Ana", task.queue()
    local store = assert(core.store.open {})
    local client = open(rig, store, function(m) ages:push(m.age) end)
    assert(ana.client:send(client.me.jid, "now"))
    assert.is_true(assert(ages:pop(30)) <= 2)
    client:close()
    assert(ana.client:send(client.me.jid, "while away"))
    rig.sandbox.time = function() return math.floor(core.net.time()) - 4900 end
    client = open(rig, store, function(m) ages:push(m.age) end)
    local age = assert(ages:pop(30))
    assert.is_true(age == 100 or age == 101, tostring(age))
    client:close()
  end))

  it("that shows typing while the connection is lost goes on and answers later", support.async(function()
    local rig <close> = start()
    local ana, bot, typed = rig:contact "Ana", rig:bot {}, task.queue()
    local client
    bot:on("message", function(ctx)
      client.connection:abort(core.error("network", "cut"))
      task.sleep(0)
      typed:push(ctx:typing())
      ctx:reply "here"
    end)
    local me = rig:run(bot)
    client = bot.client
    assert.equal("here", ana:ask(me.jid, "hi").text)
    assert.is_true(typed:pop(1))
  end))
end)
