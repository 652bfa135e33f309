-- The past a phone gives a device that was linked (fact sheet 04 §12, 06 §13).
local process = require "spec.process"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"
local task = require "moonpost.task"

-- A client of an account with a past, which has heard all its pages; `options`: of the client; `seen`: fn(page), before it is kept.
local function linked(rig, options, seen)
  local client = tap.client(rig, options or { name = "Ana" })
  local pages, heard = {}, task.queue()
  client:on("history", function(page)
    if seen then seen(page, client) end
    pages[#pages + 1] = page
    heard:push(page)
  end)
  client:on("message", function(m) error("heard a message: " .. tostring(m.text)) end)
  assert(client:pair(tap.scanner(rig)))
  assert(client:connect())
  return client, pages, heard
end

-- Waits for the last page of a transfer.
local function all(heard)
  local page
  repeat page = assert(heard:pop(30)) until page.done and page.progress == 100
end

local function chats_of(pages)
  local chats, order = {}, {}
  for _, page in ipairs(pages) do
    if page.chat then
      if not chats[page.chat] then
        chats[page.chat] = { name = page.name, messages = {} }
        order[#order + 1] = page.chat
      end
      table.move(page.messages, 1, #page.messages, #chats[page.chat].messages + 1, chats[page.chat].messages)
    end
  end
  return chats, order
end

describe("history", function()
  it("comes in pages after linking: chats with their messages, names, who has left, in the phone's order of types", support.async(function()
    local rig <close> = start()
    rig:admin("mock-phone/past", { name = "Ana", chats = 3, groups = 1, messages = 30 })
    local client, pages, heard = linked(rig)
    all(heard)
    local types, named, left = {}, nil, nil
    for _, page in ipairs(pages) do
      if types[#types] ~= page.type then types[#types + 1] = page.type end
      named, left = page.type == "names" and page.names or named, page.left or left
      assert.is_false(page.redelivered)
    end
    assert.same({ "initial", "names", "status", "other", "recent" }, types)
    assert.same({ "Ana", "Friend 1", "Friend 2", "Friend 3" }, { named[1].name, named[2].name, named[3].name, named[4].name })
    assert.is_true(left[1].removed)
    local chats, order = chats_of(pages)
    assert.equal(5, #order) -- three people, a group, the status posts
    local friend = rig.sandbox.accounts.by_name["Friend 1"]
    local chat = chats[friend:jid "lid"]
    assert.equal("Friend 1", chat.name)
    assert.equal(30, #chat.messages)
    for i = 2, 30 do assert.is_true(chat.messages[i - 1].time > chat.messages[i].time) end
    client:close()
  end))

  it("comes to a bot on a sandbox that was started with a past", support.async(function()
    local sandbox <close> = process.start "moonpost sandbox --past 7"
    local folder = support.tmpdir()
    local script <close> = assert(io.open(folder .. "/bot.lua", "w"))
    assert(script:write [[
      local bot = require("moonpost").bot { name = "Echo", store = "state" }
      bot:on("history", function(page)
        if page.chat then print("page", page.type, page.name, #page.messages) end
      end)
      bot:run()
    ]])
    assert(script:close())
    local bot <close> = process.start(("moonpost run %s/bot.lua --store %s/state --sandbox %s"):format(folder, folder,
      sandbox:wait "^sandbox (.*)"))
    assert.equal("5", bot:wait "^page%s+initial%s+Group 1%s+(%d+)")
    assert.equal("2", bot:wait "^page%s+recent%s+Group 1%s+(%d+)")
  end))

  it("tells of a message what a handler would be told, and what became of it", support.async(function()
    local rig <close> = start()
    rig:admin("mock-phone/past", { name = "Ana", chats = 1, groups = 1, messages = 30 })
    local client, pages, heard = linked(rig)
    all(heard)
    local friend = rig.sandbox.accounts.by_name["Friend 1"]:jid "lid"
    local by_number = {}
    local messages = chats_of(pages)[friend].messages
    for i, m in ipairs(messages) do by_number[31 - i] = m end
    local m = by_number[2]
    assert.same({ friend, friend, false, "direct", "Friend 1", "text", true }, {
      m.chat, m.sender, m.from_me, m.place, m.name, m.kind, m.history })
    assert.truthy(m.text:find("message 2 of 30", 1, true))
    assert.same({ client.me.lid, true, "read" }, { by_number[6].sender, by_number[6].from_me, by_number[6].status })
    assert.same({ { sender = friend, emoji = "👍", time = by_number[3].time + 1 } }, by_number[3].reactions)
    assert.equal(by_number[4].id, by_number[5].quoted.id)
    assert.same({ "Tea", "Coffee" }, by_number[9].poll.choices)
    assert.truthy(by_number[13].text:find(", edited", 1, true))
    assert.equal(by_number[13].time + 60, by_number[13].edited)
    assert.same({ "system", "REVOKE" }, { by_number[17].kind, by_number[17].system.type })
    assert.equal("here", by_number[21].location.name)
    client:close()
  end))

  it("fills the archive, so that votes, reactions and quotes of old messages mean something", support.async(function()
    local rig <close> = start()
    rig:admin("mock-phone/past", { name = "Ana", chats = 1, groups = 0, messages = 40, days = 60 })
    local client, pages, heard = linked(rig)
    all(heard)
    local friend = rig.sandbox.accounts.by_name["Friend 1"]:jid "lid"
    local messages = chats_of(pages)[friend].messages
    local function number(n) return messages[41 - n] end
    assert.equal(number(40).text, client:message(friend, number(40).id).text)
    assert.is_nil(client:message(friend, number(2).id)) -- older than 30 days
    local votes = client:votes(number(9)) -- a poll is kept for 90
    assert.same({ choice = "Tea", count = 1, voters = { friend } }, votes[1])
    assert.same({ choice = "Coffee", count = 0, voters = {} }, votes[2])
    assert.same({ sender = client.me.lid, emoji = "👍", time = number(28).time + 1 }, client.effects:reactions(number(28))[1])
    assert.is_nil(number(28).from_me or nil)
    assert(client:vote(number(9), "Coffee"))
    assert.equal(1, client:votes(number(9))[2].count)
    client:close()
  end))

  it("is confirmed by both receipts, and left alone where no handler wants it", support.async(function()
    local rig <close> = start()
    rig:admin("mock-phone/past", { name = "Ana", chats = 1, groups = 0, messages = 30 })
    local receipts = {}
    local done = task.queue()
    rig:tap(function(direction, node)
      if direction == "to-server" and node.tag == "receipt" then
        receipts[node.attrs.type] = (receipts[node.attrs.type] or 0) + 1
        if receipts.hist_sync == 5 and receipts.peer_msg == 6 then done:push(true) end
      end
    end)
    local client = tap.client(rig, { name = "Ana" })
    assert(client:pair(tap.scanner(rig)))
    assert(client:connect())
    assert(done:pop(30))
    local friend = rig.sandbox.accounts.by_name["Friend 1"]
    support.eventually(function() return client.store:count("history", "j") == 0 end, "no job left", 60)
    assert.equal(friend:jid "lid", client.lids:lid_of(friend:jid()))
    assert.is_true(client.store:count("message", "m") > 10)
    client:close()
  end))

  it("comes as files of the media host, which are deleted when they are read", support.async(function()
    local rig <close> = start { tls = true }
    rig:admin("mock-phone/past", { name = "Ana", chats = 2, groups = 0, messages = 300, inline = 0, chunk = 200 })
    local client, pages, heard = linked(rig)
    all(heard)
    local chats = chats_of(pages)
    local friend = rig.sandbox.accounts.by_name["Friend 2"]:jid "lid"
    assert.equal(300, #chats[friend].messages)
    for _, page in ipairs(pages) do assert.is_true(#page.messages <= 100) end
    support.eventually(function() return next(rig.sandbox.media.objects) == nil end, "the file deleted", 60)
    client:close()
  end))

  it("of the page's chat may be answered, and asked for more, in the handler", support.async(function()
    local rig <close> = start()
    rig:admin("mock-phone/past", { name = "Ana", chats = 1, groups = 0, messages = 30, recent = 10 })
    local older
    local client, _, heard = linked(rig, nil, function(page, client)
      local oldest = page.messages[#page.messages]
      if page.type == "recent" and oldest then older = assert(client:history(page.chat, { before = oldest, count = 7 })) end
    end)
    all(heard)
    assert.equal(7, #older.messages)
    assert.is_true(older.more)
    local friend = rig.sandbox.accounts.by_name["Friend 1"]:jid "lid"
    assert.truthy(older.messages[1].text:find("message 20 of 30", 1, true))
    local rest = assert(client:history(friend, { before = older.messages[7], count = 50 }))
    assert.equal(13, #rest.messages)
    assert.is_false(rest.more)
    local known = assert(client:history(friend, { count = 1 })) -- before the oldest that is known
    assert.equal(1, #known.messages)
    assert.equal(0, client.store:count("history", "j"))
    client:close()
  end))

  it("is heard by a bot, which can act on messages of the past, and ask for more", support.async(function()
    local rig <close> = start()
    rig:admin("mock-phone/past", { name = "Echo", chats = 1, groups = 0, messages = 30, recent = 10 })
    local bot, done, told = rig:bot { name = "Echo" }, task.queue(), {}
    bot:on("message", function(ctx) error("heard " .. tostring(ctx.text)) end)
    bot:on("error", function(err) done:push(err) end)
    bot:on("history", function(page)
      if page.type ~= "recent" then return end
      local m = page.messages[1]
      told[1] = m.text
      m:react "🎉"
      told[2] = m:reactions()[1].emoji
      told[3] = #bot:history(page.chat, { before = page.messages[#page.messages], count = 4 }).messages
      done:push(true)
    end)
    rig:run(bot)
    local ok = assert(done:pop(30))
    assert.equal(true, ok, tostring(ok))
    assert.truthy(told[1]:find("message 25 of 30", 1, true))
    assert.same({ "🎉", 4 }, { told[2], told[3] })
  end))
end)
