-- The row `drain`: 10,000 texts that have waited at a sandbox in another process, of 40 people, and in 20 groups, with receipts and changes
-- of groups among them, heard by a client in a process of its own (drain_client.lua) which has a handler: its CPU
-- time from the login until it has caught up, and how much its memory grows at most. Who has written is here. Prints one JSON object.
-- usage: moonpost run -- spec/bench/drain.lua [MESSAGES]
local admin = require "spec.bench.admin"
local core = require "moonpost.core"
local moonpost = require "moonpost"
local process = require "spec.process"
local sandbox_link = require "moonpost.cli.sandbox_link"
local support = require "spec.support"
local task = require "moonpost.task"

local PEOPLE, GROUPS, WRITERS, CHANGES = 40, 20, 2, 100
local MESSAGES = tonumber(arg[1]) or 10000
local SECONDS = 300

local function new_person(link, url, number)
  local client = assert(moonpost.client {
    store_handle = assert(core.store.open {}), url = url, root = link.root, name = "Person " .. number,
  })
  assert(client:pair { qr = function(text) task.spawn(function() assert(link:scan(text)) end) end })
  assert(client:connect())
  return client
end

-- Each of `lines` is a function that is called `count` times, one after another; lines at the same time.
local function work(lines, count)
  local tasks = {}
  for i, line in ipairs(lines) do
    tasks[i] = task.spawn(function()
      for n = 1, count do line(n) end
    end)
  end
  for _, one in ipairs(tasks) do assert(one:join(SECONDS) == nil) end
end

task.run(function()
  local server <close> = process.start "moonpost sandbox"
  local url = server:wait "^sandbox (.*)$"
  local link = sandbox_link(url)
  assert(link:prepare())
  local store = support.tmpdir() .. "/state"
  local command = ("moonpost run -- spec/bench/drain_client.lua '%s' %s '%s'"):format(url, core.crypto.hex(link.root), store)
  local people, answers, answered = {}, {}, task.queue()
  for i = 1, PEOPLE do
    people[i] = new_person(link, url, i)
    people[i]:on("message", function(m)
      answers[i] = m
      answered:push(true)
    end)
  end
  local first = process.start(command .. " first")
  assert(link:scan(first:wait "^qr (.*)$"))
  local jid = first:wait "^ready (.*)$"
  local lines = {}
  for i, person in ipairs(people) do
    assert(person:send(jid, "hello"))
    lines[i] = function(n) assert(person:send(jid, "text " .. n)) end
  end
  local groups = {}
  for i = 1, GROUPS do
    local members = { jid }
    for j = 1, WRITERS do members[#members + 1] = people[(i + j) % PEOPLE + 1].me.jid end
    groups[i] = admin(url, "mock-phone/group", { creator = people[i].me.jid, subject = "Tea " .. i, members = members }).jid
    for j = 1, WRITERS do
      local writer = people[(i + j) % PEOPLE + 1]
      lines[#lines + 1] = function(n) assert(writer:send(groups[i], "text " .. n)) end
    end
  end
  -- everybody is known: sessions, sender keys, groups
  work(lines, 1)
  first:wait(("^heard %d$"):format(PEOPLE * 2 + GROUPS * WRITERS))
  first:signal "INT"
  first:wait_end()
  for _ = 1, PEOPLE do assert(answered:pop(SECONDS)) end
  work(lines, MESSAGES // #lines)
  for i = 1, CHANGES do
    local number = i % GROUPS + 1
    admin(url, "mock-phone/group-action", { jid = groups[number], by = people[number].me.jid, what = "subject", text = "Tea " .. i })
  end
  for i, m in ipairs(answers) do assert(people[i]:mark_read { m }) end
  for _, person in ipairs(people) do person:close() end
  local again = process.start(command)
  print(again:wait("^(%b{})$", SECONDS))
  again:wait_end()
end)
