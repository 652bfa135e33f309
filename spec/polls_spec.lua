-- Polls and votes (fact sheet 05 §8.1, §8.2), through real sockets.
local core = require "moonpost.core"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"

local crypto = core.crypto

local LUNCH = { poll = "Lunch?", choices = { "Soup", "Salad", "Bread" } }

local function with(more)
  local spec = {}
  for name, value in pairs(LUNCH) do spec[name] = value end
  for name, value in pairs(more) do spec[name] = value end
  return spec
end

-- Ana sends it, Ben hears it.
local function heard_of(rig, spec)
  local ana, ben = rig:contact "Ana", rig:contact "Ben"
  local sent = assert(ana.client:send(ben.jid, spec))
  local m = ben:next()
  assert.equal(sent.id, m.id)
  return m
end

describe("a poll", function()
  it("is heard with its question and its choices, one of which may be chosen", support.async(function()
    local rig <close> = start()
    local m = heard_of(rig, LUNCH)
    assert.same({ "poll", "Lunch?" }, { m.kind, m.text })
    assert.same({ question = "Lunch?", choices = { "Soup", "Salad", "Bread" }, multiple = 1, quiz = false }, m.poll)
    assert.equal(32, #m.message.messageContextInfo.messageSecret)
    assert.truthy(m.message.pollCreationMessageV3)
  end))

  it("may leave open how many are chosen, or say how many", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    for _, row in ipairs { { true, 0 }, { 0, 0 }, { 2, 2 }, { 3, 3 } } do
      assert(ana.client:send(ben.jid, with { multiple = row[1] }))
      local m = ben:next()
      assert.equal(row[2], m.poll.multiple)
      assert.truthy(m.message.pollCreationMessage)
    end
  end))

  it("tells the server that it is one, and hides no failure to read it", support.async(function()
    local rig <close> = start()
    local sent = rig:record("to-server", function(node) return node.tag == "message" and node.attrs.type == "poll" end)
    heard_of(rig, LUNCH)
    assert.equal(1, #sent)
    assert.equal("creation", tap.child(sent[1], "meta").attrs.polltype)
    local enc = tap.child(tap.child(tap.child(sent[1], "participants"), "to"), "enc")
    assert.is_nil(enc.attrs["decrypt-fail"])
  end))

  it("with an answer is a quiz", support.async(function()
    local rig <close> = start()
    local m = heard_of(rig, with { quiz = true, answer = "Salad" })
    assert.same({ true, "Salad", 1 }, { m.poll.quiz, m.poll.answer, m.poll.multiple })
    local content = m.message.pollCreationMessageV3
    assert.equal("QUIZ", content.pollType)
    assert.equal(crypto.hex(crypto.sha256 "Salad"), content.correctAnswer.optionHash)
  end))

  it("may end", support.async(function()
    local rig <close> = start()
    local ends = math.floor(core.net.time()) + 3600
    assert.equal(ends, heard_of(rig, with { ends = ends }).poll.ends)
  end))

  -- What the versions of polls are, and that of an image poll, whose pictures are media.
  local content = { name = "Lunch?", options = { { optionName = "Soup" }, { optionName = "Salad" } }, selectableOptionsCount = 1 }
  local versions = {
    pollCreationMessage = content, pollCreationMessageV2 = content, pollCreationMessageV3 = content,
    pollCreationMessageV4 = { message = { pollCreationMessageV3 = content } }, pollCreationMessageV5 = content,
    pollCreationMessageV6 = content,
  }
  it("is read in every version there is", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    for name, value in pairs(versions) do
      assert(ana.client:send(ben.jid, { [name] = value }))
      local m = ben:next()
      assert.same({ name, "poll", "Lunch?", { "Soup", "Salad" } }, { name, m.kind, m.poll.question, m.poll.choices })
    end
  end))

  it("may have its results posted", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local votes = { { optionName = "Soup", optionVoteCount = 3 }, { optionName = "Salad", optionVoteCount = 1 } }
    local result = { name = "Lunch?", pollVotes = votes }
    for _, name in ipairs { "pollResultSnapshotMessage", "pollResultSnapshotMessageV3" } do
      assert(ana.client:send(ben.jid, { [name] = result }))
      local m = ben:next()
      assert.same({ "poll_result", "Lunch?" }, { m.kind, m.text })
      local counted = { { choice = "Soup", count = 3 }, { choice = "Salad", count = 1 }, question = "Lunch?", quiz = false, total = 4 }
      assert.same(counted, m.result)
    end
  end))
end)

describe("a poll that cannot be", function()
  local rows = {
    { { choices = {} }, "a poll has 2 to 12 choices, not 0" },
    { { choices = { "Soup" } }, "a poll has 2 to 12 choices, not 1" },
    { { choices = { "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m" } }, "a poll has 2 to 12 choices, not 13" },
    { { choices = { "Soup", "Salad", "Soup" } }, "a poll: 'Soup' stands twice among its choices" },
    { { choices = { "Soup", "" } }, "a poll: 'choices[2]' is empty" },
    { { choices = { "Soup", 5 } }, "a poll: 'choices[2]' is a string, not a number" },
    { { choices = "Soup" }, "a poll: 'choices' is a table, not a string" },
    { { poll = "" }, "a poll: 'poll' is empty" },
    { { multiple = 4 }, "a poll: 'multiple' is true or how many of its 3 choices may be chosen (0: any number), not 4" },
    { { multiple = 1.5 }, "a poll: 'multiple' is true or how many of its 3 choices may be chosen (0: any number), not 1.5" },
    { { quiz = true }, "a quiz needs an 'answer'" },
    { { answer = "Cake" }, "a quiz: the answer 'Cake' is not among its choices" },
    { { answer = "Soup", multiple = true }, "a quiz has one answer: 'multiple' is for polls" },
    { { ends = 1000 }, "a poll: 'ends' is a time to come, in Unix seconds, not 1000" },
    { { colour = "red" }, "a poll has no field 'colour'" },
  }
  for _, row in ipairs(rows) do
    it(("is not sent: %s"):format(row[2]), function()
      local message, why = require("moonpost.client.kinds").build(with(row[1]), { chat = "1@lid" })
      assert.is_nil(message)
      assert.equal(row[2], why:sub(1, #row[2]))
    end)
  end
end)
