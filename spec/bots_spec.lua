-- The example bots of scripts/bots, as a user runs them: each in a process of its own, against the sandbox.
local process = require "spec.process"
local start = require("spec.rig").start
local support = require "spec.support"
local writer = require "spec.group_writer"

-- Runs a script, and waits until it is online: the process, and the bot's number as a JID.
local function run(rig, script)
  local store = support.tmpdir() .. "/state"
  local bot = process.start(("moonpost run scripts/bots/%s --sandbox %s --store %s"):format(script, rig.sandbox.url, store))
  return bot, bot:wait "^online as [^,]+, %+(%d+)" .. "@s.whatsapp.net"
end

local function text_of(contact) return contact:next().text end

describe("scripts/bots/poll.lua", function()
  it("is under 25 lines", function()
    local count = 0
    for _ in io.lines "scripts/bots/poll.lua" do count = count + 1 end
    assert.is_true(count < 25)
  end)

  it("opens a poll in a group, counts the votes of its members and tells the winner", support.async(function()
    local rig <close> = start()
    local bot <close>, jid = run(rig, "poll.lua")
    local ana, ben, cem = rig:contact "Ana", rig:contact "Ben", rig:contact "Cem"
    local group = writer.make(rig, ana, ben, cem, { jid = jid })
    local all = { ana, ben, cem }
    assert(ana.client:send(group, "!lunch Pasta, Pizza"))
    for _, one in ipairs { ben, cem } do assert.equal("!lunch Pasta, Pizza", text_of(one)) end
    local polls = {}
    for i, one in ipairs(all) do
      polls[i] = one:next()
      assert.same({ "What shall we eat?", { "Pasta", "Pizza" } }, { polls[i].poll.question, polls[i].poll.choices })
    end
    for i, choice in ipairs { "Pizza", "Pasta", "Pizza" } do assert(all[i].client:vote(polls[i], choice)) end
    for _, one in ipairs(all) do
      for _ = 1, 2 do assert.equal("vote", one:next().kind) end -- of the two others
    end
    assert(ben.client:send(group, "!close", { quote = polls[2] }))
    for _, one in ipairs { ana, cem } do assert.equal("!close", text_of(one)) end
    for _, one in ipairs(all) do assert.equal("Pizza, with 2 of 3 votes.", text_of(one)) end
    assert(cem.client:send(group, "!close"))
    for _, one in ipairs { ana, ben } do assert.equal("!close", text_of(one)) end
    for _, one in ipairs(all) do assert.equal("Answer the poll with !close.", text_of(one)) end
    bot:signal "INT"
    assert.equal(0, bot:wait_end())
  end))
end)
