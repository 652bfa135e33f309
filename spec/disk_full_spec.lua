--- A bot whose disk is full: it says so, confirms nothing, and goes on when there is room. The limit of a file's size stands for the
-- disk: it can be set and lifted for a process that runs, by anybody.
local process = require "spec.process"
local start = require("spec.rig").start
local stanza = require "moonpost.stanza"
local support = require "spec.support"

local script = [[
local bot = require("moonpost").bot { store = "state", name = "Echo" }
bot:on("message", function(ctx) ctx:reply("got " .. ctx.text) end)
bot:run()
]]

local function write_script()
  local path = support.tmpdir() .. "/bot.lua"
  local file <close> = assert(io.open(path, "w"))
  file:write(script)
  return path
end

-- From now on the bot's files may not grow beyond that; the header of a store's file still can be written.
local function limit(bot, bytes) assert(os.execute(("prlimit --pid %d --fsize=%s"):format(bot.pid, bytes))) end

local FULL, ROOM = "8192:unlimited", "unlimited:unlimited"

local function run_bot(rig, path, folder)
  local bot = process.start(("moonpost run %s --sandbox %s --store %s/state"):format(path, rig.sandbox.url, folder))
  bot:wait "^online as"
  return bot
end

describe("a bot whose disk is full", function()
  it("says so, confirms nothing, and answers each message once when there is room", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local bot <close> = run_bot(rig, write_script(), support.tmpdir())
    local jid = rig.sandbox.accounts.by_name.Echo:jid()
    local answer, before = ana:ask(jid, "before")
    assert.equal("got before", answer.text)
    ana:sees_read(before) -- all the bot says of that one
    limit(bot, FULL)
    local confirmed = rig:record("to-server", function(node, conn)
      return (node.tag == "receipt" or node.tag == "ack" and node.attrs.class == "message") and conn.device.account.name == "Echo"
    end)
    for i = 1, 5 do assert(ana.client:send(jid, "while full " .. i)) end
    bot:wait "no room for the store: it cannot be committed.*goes on by itself once the store can be written"
    assert.equal(0, #confirmed, confirmed[1] and stanza.xml(confirmed[1]))
    limit(bot, ROOM)
    for i = 1, 5 do assert.equal("got while full " .. i, ana:next().text) end
    assert.equal("got after", ana:ask(jid, "after").text)
    assert.equal(0, #ana.heard)
    assert.is_nil(bot:text():find "traceback")
  end))

  it("says once that there is no room, not at every try", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local bot <close> = run_bot(rig, write_script(), support.tmpdir())
    local jid = rig.sandbox.accounts.by_name.Echo:jid()
    local _, before = ana:ask(jid, "before")
    ana:sees_read(before) -- what the bot does behind its login is done: that would be one more turn that is lost
    limit(bot, FULL)
    assert(ana.client:send(jid, "one"))
    bot:wait "offline, trying again"
    limit(bot, ROOM)
    bot:wait "online again"
    assert.equal("got one", ana:next().text)
    local _, said = bot:text():gsub("no room for the store", "")
    assert.is_true(said <= 2, bot:text()) -- the turn that was lost, and that the bot is offline
  end))

  it("does not start, in one line, when there is no room for its store at all", support.async(function()
    local folder = support.tmpdir()
    local bot <close> = process.start(("moonpost run %s --store %s/state"):format(write_script(), folder),
      { before = "trap '' XFSZ; ulimit -f 0" })
    assert.equal(1, bot:wait_end())
    assert.matches("^moonpost run: [^\n]*$", bot:text())
  end))

  it("does not start, in one line, when there is room for its store but not for its keys", support.async(function()
    local rig <close> = start()
    local folder = support.tmpdir()
    local bot <close> = process.start(("moonpost run %s --sandbox %s --store %s/state"):format(write_script(), rig.sandbox.url, folder),
      { before = "trap '' XFSZ; ulimit -f 24" })
    assert.equal(1, bot:wait_end())
    assert.matches("^moonpost run: no room for the store[^\n]*$", bot:text())
  end))
end)
