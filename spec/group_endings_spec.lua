-- A bot that is stopped, killed, or whose disk is full in the middle of its first message to a big group, while the sessions with its
-- members' devices are made: everybody gets the message, once. And one that is told a sender key when there is no room for it.
local process = require "spec.process"
local scene = require "spec.group_scene"
local stanza = require "moonpost.stanza"
local start = require("spec.rig").start
local support = require "spec.support"
local writer = require "spec.group_writer"

local MEMBERS = 60 -- so many sessions are made in several steps
local FULL, ROOM = "8192:unlimited", "unlimited:unlimited"

local script = [[
local bot = require("moonpost").bot { store = "state", name = "Echo" }
bot:on("message", { kind = "text" }, function(ctx)
  if ctx.text:find "@g.us$" then bot:send(ctx.text, "to all") else bot:send(ctx.sender, "got " .. ctx.text) end
end)
bot:run()
]]

-- Ana, Ben, and the bot in a process of its own; `again` starts it again.
local function three(rig)
  local folder = support.tmpdir()
  local file <close> = assert(io.open(folder .. "/bot.lua", "w"))
  file:write(script)
  file:flush()
  local function again()
    local bot = process.start(("moonpost run %s/bot.lua --sandbox %s --store %s/state"):format(folder, rig.sandbox.url, folder))
    bot:wait "^online as"
    return bot
  end
  local ana, ben, bot = rig:contact "Ana", rig:contact "Ben", again()
  return ana, ben, bot, rig.sandbox.accounts.by_name.Echo:jid(), again
end

-- Ana has the bot write to a big group; fn() is called when it has asked for the keys of some of its members and made sessions with them.
local function write_to_all(rig, ana, ben, echo, fn)
  local group = scene.group(rig, ana, { { jid = echo }, ben }, { crowd = { members = MEMBERS, devices = 1 } })
  local asked = 0
  local off = rig:tap(function(direction, node, conn)
    if direction ~= "to-server" or not conn.device or conn.device.account.name ~= "Echo" then return end
    if node.tag ~= "iq" or node.attrs.xmlns ~= "encrypt" or node.attrs.type ~= "get" or not stanza.child(node, "key") then return end
    asked = asked + 1
    if asked == 2 then fn() end
  end)
  assert(ana.client:send(echo, group))
  return group, off
end

local function all_hear_once(ana, ben, echo)
  for _, one in ipairs { ana, ben } do assert.equal("to all", one:next(60).text) end
  assert.equal("got more", ana:ask(echo, "more").text)
  assert.same({ 0, 0 }, { #ana.heard, #ben.heard })
end

describe("a bot in the middle of its first message to a big group", function()
  it("that is stopped by Ctrl-C ends cleanly, and everybody gets the message once, then or in the next run", support.async(function()
    local rig <close> = start()
    local ana, ben, bot, echo, again = three(rig)
    write_to_all(rig, ana, ben, echo, function() bot:signal "INT" end)
    assert.equal(0, bot:wait_end())
    assert.is_nil(bot:text():find "traceback", bot:text())
    local next_run <close> = again()
    all_hear_once(ana, ben, echo)
    assert.is_nil(next_run:text():find "traceback", next_run:text())
  end))

  it("that is killed sends it in its next run, once", support.async(function()
    local rig <close> = start()
    local ana, ben, bot, echo, again = three(rig)
    write_to_all(rig, ana, ben, echo, function() bot:signal "KILL" end)
    bot:wait_end()
    local next_run <close> = again()
    all_hear_once(ana, ben, echo)
    assert.is_nil(next_run:text():find "traceback", next_run:text())
  end))

  it("whose disk is full says so, and sends it once when there is room", support.async(function()
    local rig <close> = start()
    local ana, ben, bot, echo = three(rig)
    local stop <close> = bot
    write_to_all(rig, ana, ben, echo, function() assert(os.execute(("prlimit --pid %d --fsize=%s"):format(bot.pid, FULL))) end)
    bot:wait "no room for the store"
    assert(os.execute(("prlimit --pid %d --fsize=%s"):format(bot.pid, ROOM)))
    all_hear_once(ana, ben, echo)
    assert.is_nil(stop:text():find "traceback", stop:text())
  end))
end)

describe("a bot that is told a sender key when its disk is full", function()
  it("confirms nothing, and hears that message and the next ones once there is room", support.async(function()
    local rig <close> = start()
    local ana, ben, bot, echo = three(rig)
    local stop <close> = bot
    local group = writer.make(rig, ana, { jid = echo }, ben)
    local confirmed = rig:record("to-server", function(node, conn)
      return conn.device and conn.device.account.name == "Echo" and (node.tag == "receipt" or node.tag == "ack" and
        node.attrs.class == "message") and node.attrs.to == group
    end)
    assert(os.execute(("prlimit --pid %d --fsize=%s"):format(bot.pid, FULL)))
    assert(ana.client:send(group, "one"))
    bot:wait "no room for the store"
    assert.equal(0, #confirmed)
    assert(os.execute(("prlimit --pid %d --fsize=%s"):format(bot.pid, ROOM)))
    assert(ana.client:send(group, "two"))
    for _, text in ipairs { "one", "two" } do assert.equal("got " .. text, ana:next(60).text) end
    assert.is_nil(stop:text():find "cannot be read", stop:text())
    assert.is_nil(stop:text():find "traceback", stop:text())
  end))
end)
