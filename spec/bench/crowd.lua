-- The rows `crowd`: a text into a group of 1,024 members with two devices each, before a sandbox in another process: the first, for which
-- 2,046 sessions are made, and the following ones. CPU time of this process from the send until the server has it, and the longest turn
-- of its loop meanwhile. Prints one JSON object.
-- usage: moonpost run -- spec/bench/crowd.lua
local admin = require "spec.bench.admin"
local core = require "moonpost.core"
local json = require "cjson.safe"
local moonpost = require "moonpost"
local process = require "spec.process"
local sandbox_link = require "moonpost.cli.sandbox_link"
local support = require "spec.support"
local task = require "moonpost.task"

local OTHERS = 1023
local TEXTS = 50
local ANSWER_SECONDS = 60

-- CPU time of a piece of work, and of the loop's longest turn in it.
local function measure(work)
  local began, longest = os.clock(), 0
  local turn = began
  local watch = core.net.on_turn_end(function()
    local now = os.clock()
    longest, turn = math.max(longest, now - turn), now
    return false
  end)
  work()
  watch:stop()
  return os.clock() - began, longest
end

task.run(function()
  local server <close> = process.start "moonpost sandbox"
  local url = server:wait "^sandbox (.*)$"
  local link = sandbox_link(url)
  assert(link:prepare())
  local client = assert(moonpost.client { store = support.tmpdir() .. "/state", url = url, root = link.root, name = "Ana" })
  local me = assert(client:pair { qr = function(text) task.spawn(function() assert(link:scan(text)) end) end })
  assert(client:connect())
  local there = task.queue()
  client:on("group", function(change) there:push(change) end)
  local made = admin(url, "mock-phone/group", { creator = me.jid, subject = "Crowd", crowd = { members = OTHERS, devices = 1 } })
  assert(there:pop(ANSWER_SECONDS))
  assert(#assert(client.groups:get(made.jid)).participants == OTHERS + 1)
  local first, slice = measure(function() assert(client:send(made.jid, "first")) end)
  local following, later = measure(function()
    for i = 1, TEXTS do assert(client:send(made.jid, "text " .. i)) end
  end)
  print(json.encode { first = first, slice = slice, following = following / TEXTS, later = later })
  client:close()
end)
