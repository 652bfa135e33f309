-- A bot that is killed in the middle of its work, with kill -9, again and again: nobody notices but by the pause.
local process = require "spec.process"
local stanza = require "moonpost.stanza"
local start = require("spec.rig").start
local support = require "spec.support"
local task = require "moonpost.task"

local BURST = 200
local DEADLINE = 60 -- seconds: six processes start one after another, and two hundred messages are answered

local script = [[
local bot = require("moonpost").bot { store = "state", name = "Echo" }
bot:on("message", function(ctx)
  ctx:reply("got " .. ctx.text)
  if tonumber(ctx.text) % 10 == 0 then ctx:react "👍" end
end)
bot:run()
]]

local function write_script()
  local path = support.tmpdir() .. "/bot.lua"
  local file = assert(io.open(path, "w"))
  file:write(script)
  file:close()
  return path
end

-- What is seen at the server, of the bot's connection alone: the bot is killed at the `nth` such stanza from here on.
--   lost: whether the stanza is lost with it; else the server still takes it, and its answer reaches nobody
local traps = {
  { "a message on its way to it", direction = "to-client", tag = "message", nth = 15, lost = true },
  { "a message it has taken but not confirmed", direction = "to-server", tag = "receipt", nth = 12, lost = true },
  { "an answer that never arrives", direction = "to-server", tag = "message", nth = 7, lost = true },
  { "an answer that arrives, its ack does not", direction = "to-server", tag = "message", nth = 25 },
  { "an ack on its way to it", direction = "to-client", tag = "ack", nth = 40, lost = true },
}

-- The same while it gets what waited for it.
local catching_up = {
  { "a message on its way to it", direction = "to-client", tag = "message", nth = 90, lost = true },
  { "messages it has taken but not confirmed", direction = "to-server", tag = "receipt", nth = 1, lost = true },
  { "an answer that never arrives", direction = "to-server", tag = "message", nth = 7, lost = true },
  { "an answer that arrives, its ack does not", direction = "to-server", tag = "message", nth = 40 },
}

local Killing = {}
Killing.__index = Killing

function Killing:start_bot()
  self.bot = process.start(("moonpost run %s --sandbox %s --store %s/state"):format(self.script, self.rig.sandbox.url, self.folder))
end

function Killing:run_bot()
  self:start_bot()
  self.bot:wait "^online"
end

function Killing:kill()
  self.trap = nil
  self.bot:signal "KILL"
  self.killed:push(true)
end

function Killing:see(direction, node, conn)
  local trap = self.trap
  if not trap or not conn.device or conn.device.account ~= self.account then return end
  if direction ~= trap.direction or node.tag ~= trap.tag then return end
  self.seen = self.seen + 1
  if self.seen < trap.nth then return end
  self:kill()
  conn:drop() -- nothing of it arrives behind this
  return not trap.lost
end

-- Sets a trap for the running bot, waits until it has closed, and starts the bot again.
function Killing:spring(trap)
  self.trap, self.seen = trap, 0
  assert(self.killed:pop(30), "the bot was not killed at " .. trap[1])
  assert.equal(9, select(2, self.bot:wait_end()))
  self:run_bot()
end

function Killing:__close() self.bot:__close() end

local function start_killing(rig)
  local self = setmetatable({ rig = rig, folder = support.tmpdir(), script = write_script(), killed = task.queue() }, Killing)
  self:run_bot()
  self.account = rig.sandbox.accounts.by_name.Echo
  rig:tap(function(...) return self:see(...) end)
  return self
end

-- Ana's screen: every text and every reaction it shows, in order.
local function watch_screen(ana)
  local screen = { errors = {}, changed = task.queue() }
  ana.client:on("error", function(err) screen.errors[#screen.errors + 1] = tostring(err) end)
  ana.client:on("message", function(m)
    screen[#screen + 1] = m.text or "reaction to " .. m.message.reactionMessage.key.id
    screen.changed:push(true)
  end)
  return screen
end

local function expected_screen(ids)
  local list = {}
  for i = 1, BURST do
    list[#list + 1] = "got " .. i
    if i % 10 == 0 then list[#list + 1] = "reaction to " .. ids[i] end
  end
  return list
end

-- Ana writes the whole burst, as fast as she can.
local function send_burst(ana, to)
  local ids, sends = {}, {}
  for i = 1, BURST do
    sends[i] = task.spawn(function() ids[i] = assert(ana.client:send(to, tostring(i))).id end)
  end
  return ids, function()
    for _, one in ipairs(sends) do one:join(30) end
  end
end

local function await_screen(screen, count)
  while #screen < count do
    if not screen.changed:pop(30) then error(("Ana sees %d of %d, the last: %s"):format(#screen, count, screen[#screen])) end
  end
end

describe("a bot killed in a burst of 200 messages", function()
  it("answers every message once and in order, and nothing is undecryptable", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local screen = watch_screen(ana)
    local killing <close> = start_killing(rig)
    local retries = rig:record("to-server", function(node) return node.tag == "receipt" and node.attrs.type == "retry" end)
    local nacks = rig:record("to-server", function(node) return node.tag == "ack" and node.attrs.error ~= nil end)
    local ids, all_sent = send_burst(ana, killing.account:jid())
    for _, trap in ipairs(traps) do killing:spring(trap) end
    all_sent()
    local expected = expected_screen(ids)
    await_screen(screen, #expected)
    assert.same(expected, { table.unpack(screen) })
    assert.same({}, screen.errors)
    assert.equal(0, #retries + #nacks, retries[1] and stanza.xml(retries[1]) or nacks[1] and stanza.xml(nacks[1]))
    killing.bot:signal "INT"
    assert.equal(0, killing.bot:wait_end())
    assert.equal("online as Echo", killing.bot:text():match "^online as Echo")
    assert.is_nil(killing.bot:text():find "\n", "the bot reported an error: " .. killing.bot:text())
  end, DEADLINE))

  it("does so when it is killed while it catches up with them", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local screen = watch_screen(ana)
    local killing <close> = start_killing(rig)
    killing.bot:signal "KILL"
    killing.bot:wait_end()
    local ids, all_sent = send_burst(ana, killing.account:jid())
    all_sent()
    for _, trap in ipairs(catching_up) do
      killing.trap, killing.seen = trap, 0
      killing:start_bot()
      assert(killing.killed:pop(30), "the bot was not killed at " .. trap[1])
      killing.bot:wait_end()
    end
    killing:run_bot()
    local expected = expected_screen(ids)
    await_screen(screen, #expected)
    assert.same(expected, { table.unpack(screen) })
    assert.same({}, screen.errors)
  end, DEADLINE))

  it("does so wherever it is killed, as Ana sees the answers come", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local screen = watch_screen(ana)
    local killing <close> = start_killing(rig)
    local ids, all_sent = send_burst(ana, killing.account:jid())
    for _, count in ipairs { 3, 50, 51, 120, 200 } do
      await_screen(screen, count)
      killing:kill()
      assert.equal(9, select(2, killing.bot:wait_end()))
      killing:run_bot()
    end
    all_sent()
    local expected = expected_screen(ids)
    await_screen(screen, #expected)
    assert.same(expected, { table.unpack(screen) })
    assert.same({}, screen.errors)
  end, DEADLINE))
end)
