--- A bot whose disk fails while it runs: input/output errors, a file system that turns read-only. A library that stands before the C
-- library's writes makes the disk of one process fail as a file says: that works for anybody, on any machine.
local process = require "spec.process"
local start = require("spec.rig").start
local stanza = require "moonpost.stanza"
local support = require "spec.support"

local EIO, EROFS = 5, 30
local ALL = "whso" -- writes, LMDB's header, syncs, opening for writing: see spec/core/failing_disk.c

local script = [[
local bot = require("moonpost").bot { store = "state", name = "Echo" }
bot:on("message", function(ctx) ctx:reply("got " .. ctx.text) end)
bot:run()
]]

local function write(path, text)
  local file <close> = assert(io.open(path, "w"))
  file:write(text)
end

local Disk = {}
Disk.__index = Disk

function Disk:fail(calls, errno) write(self.control, ("%s %d"):format(calls, errno)) end
function Disk:mend() write(self.control, "") end

-- The words of the shell that put the library there. A sanitized program has its own to come first, and is told not to mind.
function Disk:before()
  local library = process.moonpost:gsub("[^/]*$", "failing_disk.so")
  assert(io.open(library), library .. " is not built"):close()
  if library:sub(1, 1) ~= "/" then library = "$PWD/" .. library end
  return ("export FAILING_DISK=%s LD_PRELOAD=%s ASAN_OPTIONS=verify_asan_link_order=0:$ASAN_OPTIONS"):format(self.control, library)
end

local function make_disk()
  local folder = support.tmpdir()
  local disk = setmetatable({ folder = folder, control = folder .. "/control", script = folder .. "/bot.lua" }, Disk)
  write(disk.script, script)
  disk:mend()
  return disk
end

local function start_bot(rig, disk)
  return process.start(("moonpost run %s --sandbox %s --qr text --store %s/state"):format(disk.script, rig.sandbox.url, disk.folder),
    { before = disk:before() })
end

-- A bot that has answered once; Ana; how to reach it; what it confirms from here on.
local function run_bot(rig, disk)
  local ana = rig:contact "Ana"
  local bot = start_bot(rig, disk)
  bot:wait "^online as"
  local jid = rig.sandbox.accounts.by_name.Echo:jid()
  local answer, before = ana:ask(jid, "before")
  assert.equal("got before", answer.text)
  ana:sees_read(before) -- all the bot says of that one
  local confirmed = rig:record("to-server", function(node, conn)
    return (node.tag == "receipt" or node.tag == "ack" and node.attrs.class == "message") and conn.device.account.name == "Echo"
  end)
  return bot, ana, jid, confirmed
end

-- Messages that come while the disk fails are confirmed and answered when it works again, and each once.
local function get_over(calls, errno, said)
  return support.async(function()
    local rig <close> = start()
    local disk = make_disk()
    local running, ana, jid, confirmed = run_bot(rig, disk)
    local bot <close> = running
    disk:fail(calls, errno)
    for i = 1, 3 do assert(ana.client:send(jid, "meanwhile " .. i)) end
    bot:wait("offline, trying again in .*" .. said .. ".*goes on by itself once the store can be written")
    assert.equal(0, #confirmed, confirmed[1] and stanza.xml(confirmed[1]))
    disk:mend()
    bot:wait "online again"
    for i = 1, 3 do assert.equal("got meanwhile " .. i, ana:next().text) end
    assert.equal("got after", ana:ask(jid, "after").text)
    assert.equal(0, #ana.heard)
    local _, times = bot:text():gsub(said, "")
    assert.is_true(times <= 2, bot:text()) -- the turn that was lost, and that the bot is offline
    assert.is_nil(bot:text():find "traceback", bot:text())
  end)
end

describe("a bot whose disk fails", function()
  it("confirms nothing while its file system is read-only, says so, and goes on when it can be written",
    get_over(ALL, EROFS, "the store cannot be committed: Read%-only file system"))

  it("goes on after the header of its store could not be written",
    get_over("h", EIO, "the store cannot be committed: Input/output error"))

  it("does not start, in one line, on a store that is read-only", support.async(function()
    local rig <close> = start()
    local disk = make_disk()
    local bot <close> = run_bot(rig, disk)
    bot:signal "INT"
    assert.equal(0, bot:wait_end())
    disk:fail(ALL, EROFS)
    local again <close> = start_bot(rig, disk)
    assert.equal(1, again:wait_end())
    assert.matches("^moonpost run: [^\n]*Read%-only file system[^\n]*$", again:text())
    disk:mend()
    local third <close> = start_bot(rig, disk)
    third:wait "^online as"
  end))
end)
