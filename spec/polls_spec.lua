-- Polls and votes (fact sheet 05 §8.1, §8.2), through real sockets.
local core = require "moonpost.core"
local secrets = require "moonpost.client.secrets"
local stanza = require "moonpost.stanza"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"
local task = require "moonpost.task"
local writer = require "spec.group_writer"

local crypto = core.crypto

local LUNCH = { poll = "Lunch?", choices = { "Soup", "Salad", "Bread" } }

local function with(more)
  local spec = {}
  for name, value in pairs(LUNCH) do spec[name] = value end
  for name, value in pairs(more) do spec[name] = value end
  return spec
end

-- Ana and Ben of one sandbox, for all specs of a group: what they have not heard yet is forgotten before each.
local function share()
  local rig, ana, ben
  setup(support.async(function()
    rig = start()
    ana, ben = rig:contact "Ana", rig:contact "Ben"
    for _, one in ipairs { ana, ben } do one.errors = tap.event(one.client, "error") end
  end))
  teardown(support.async(function() rig:__close() end))
  return function()
    for _, one in ipairs { ana, ben } do
      for _, queue in ipairs { one.heard, one.errors } do
        while queue:pop(0) do end
      end
    end
    return rig, ana, ben
  end
end

-- Ana sends it, Ben hears it.
local function heard_of(pair, spec)
  local _, ana, ben = pair()
  local sent = assert(ana.client:send(ben.jid, spec))
  local m = ben:next()
  assert.equal(sent.id, m.id)
  return m
end

describe("a poll", function()
  local pair = share()

  it("is heard with its question and its choices, one of which may be chosen", support.async(function()
    local m = heard_of(pair, LUNCH)
    assert.same({ "poll", "Lunch?" }, { m.kind, m.text })
    assert.same({ question = "Lunch?", choices = { "Soup", "Salad", "Bread" }, multiple = 1, quiz = false }, m.poll)
    assert.equal(32, #m.message.messageContextInfo.messageSecret)
    assert.truthy(m.message.pollCreationMessageV3)
  end))

  it("may leave open how many are chosen, or say how many", support.async(function()
    local _, ana, ben = pair()
    for _, row in ipairs { { true, 0 }, { 0, 0 }, { 2, 2 }, { 3, 3 } } do
      assert(ana.client:send(ben.jid, with { multiple = row[1] }))
      local m = ben:next()
      assert.equal(row[2], m.poll.multiple)
      assert.truthy(m.message.pollCreationMessage)
    end
  end))

  it("tells the server that it is one, and hides no failure to read it", support.async(function()
    local rig = pair()
    local sent = rig:record("to-server", function(node) return node.tag == "message" and node.attrs.type == "poll" end)
    heard_of(pair, LUNCH)
    assert.equal(1, #sent)
    assert.equal("creation", tap.child(sent[1], "meta").attrs.polltype)
    local enc = tap.child(tap.child(tap.child(sent[1], "participants"), "to"), "enc")
    assert.is_nil(enc.attrs["decrypt-fail"])
  end))

  it("with an answer is a quiz", support.async(function()
    local m = heard_of(pair, with { quiz = true, answer = "Salad" })
    assert.same({ true, "Salad", 1 }, { m.poll.quiz, m.poll.answer, m.poll.multiple })
    local content = m.message.pollCreationMessageV3
    assert.equal("QUIZ", content.pollType)
    assert.equal(crypto.hex(crypto.sha256 "Salad"), content.correctAnswer.optionHash)
  end))

  it("may end", support.async(function()
    local ends = math.floor(core.net.time()) + 3600
    assert.equal(ends, heard_of(pair, with { ends = ends }).poll.ends)
  end))

  -- What the versions of polls are, and that of an image poll, whose pictures are media.
  local content = { name = "Lunch?", options = { { optionName = "Soup" }, { optionName = "Salad" } }, selectableOptionsCount = 1 }
  local versions = {
    pollCreationMessage = content, pollCreationMessageV2 = content, pollCreationMessageV3 = content,
    pollCreationMessageV4 = { message = { pollCreationMessageV3 = content } }, pollCreationMessageV5 = content,
    pollCreationMessageV6 = content,
  }
  it("is read in every version there is", support.async(function()
    local _, ana, ben = pair()
    for name, value in pairs(versions) do
      assert(ana.client:send(ben.jid, { [name] = value }))
      local m = ben:next()
      assert.same({ name, "poll", "Lunch?", { "Soup", "Salad" } }, { name, m.kind, m.poll.question, m.poll.choices })
    end
  end))

  it("may have its results posted", support.async(function()
    local _, ana, ben = pair()
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

-- Ana asks, Ben hears it: who they are, the poll as Ben heard it, and as Ana names it.
local function asked(pair, spec)
  local _, ana, ben = pair()
  local sent = assert(ana.client:send(ben.jid, spec or LUNCH))
  local poll = ben:next()
  assert.equal(sent.id, poll.id)
  return ana, ben, poll, { chat = ben.lid, id = sent.id, sender = ana.lid }
end

local function counts(contact, poll)
  local list, tally = {}, assert(contact.client:votes(poll))
  for i, one in ipairs(tally) do list[i] = ("%s %d"):format(one.choice, one.count) end
  return table.concat(list, ", "), tally
end

-- A vote as another client might write it: `of` has what differs.
local function vote_message(poll, hashes, of)
  of = of or {}
  local named = {
    secret = of.secret or poll.message.messageContextInfo.messageSecret, id = poll.id, author = of.author or poll.sender,
    actor = assert(of.actor),
  }
  local plaintext = of.plaintext or assert(core.proto.encode("Message.PollVoteMessage", { selectedOptions = hashes }))
  local payload, iv = secrets.seal("vote", named, plaintext)
  return { pollUpdateMessage = {
    pollCreationMessageKey = of.key or { remoteJid = poll.chat, fromMe = false, id = poll.id },
    vote = { encPayload = payload, encIv = iv }, senderTimestampMs = of.time or 1769296600000,
  } }
end

local function hashes_of(...)
  local list = {}
  for i, choice in ipairs { ... } do list[i] = crypto.sha256(choice) end
  return list
end

describe("a vote", function()
  local pair = share()

  it("is heard by who asked, and counted", support.async(function()
    local ana, ben, poll, own = asked(pair)
    assert.equal("Soup 0, Salad 0, Bread 0", (counts(ana, own)))
    assert(ben.client:vote(poll, "Salad"))
    local vote = ana:next()
    assert.same({ "vote", { "Salad" }, ben.lid }, { vote.kind, vote.vote.choices, vote.sender })
    assert.same({ chat = ben.lid, id = poll.id, sender = ana.lid, from_me = true }, vote.target)
    local text, tally = counts(ana, own)
    assert.equal("Soup 0, Salad 1, Bread 0", text)
    assert.same({ ben.lid }, tally[2].voters)
    assert.same({ 1, "Salad" }, { tally.total, tally:winner().choice })
  end))

  it("leads from itself to the count", support.async(function()
    local ana, ben, poll = asked(pair)
    assert(ben.client:vote(poll, { "Soup" }))
    assert.equal("Soup 1, Salad 0, Bread 0", (counts(ana, ana:next())))
  end))

  it("is counted by who votes, too", support.async(function()
    local _, ben, poll = asked(pair)
    assert(ben.client:vote(poll, "Soup"))
    local text, tally = counts(ben, poll)
    assert.equal("Soup 1, Salad 0, Bread 0", text)
    assert.same({ ben.lid }, tally[1].voters)
  end))

  it("may be one's own", support.async(function()
    local ana, ben, poll, own = asked(pair)
    assert(ana.client:vote(own, "Bread"))
    assert.same({ "Bread" }, ben:next().vote.choices)
    assert.equal("Soup 0, Salad 0, Bread 1", (counts(ana, own)))
    assert.equal("Soup 0, Salad 0, Bread 1", (counts(ben, poll)))
  end))

  it("of another own device is counted", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local other = rig:contact("Ana", { own = true })
    local sent = assert(ben.client:send(ana.jid, LUNCH))
    local poll, copy = ana:next(), other:next()
    assert(ana.client:vote(poll, "Salad"))
    local vote = other:next()
    assert.same({ "vote", true, { "Salad" } }, { vote.kind, vote.from_me, vote.vote.choices })
    assert.equal("Soup 0, Salad 1, Bread 0", (counts(other, copy)))
    ben:next()
    assert.equal("Soup 0, Salad 1, Bread 0", (counts(ben, { chat = ana.lid, id = sent.id, sender = ben.lid })))
  end))

  it("replaces the one before, and may be taken back", support.async(function()
    local ana, ben, poll, own = asked(pair, with { multiple = true })
    local rows = {
      { { "Soup", "Bread" }, "Soup 1, Salad 0, Bread 1", 1 }, { "Salad", "Soup 0, Salad 1, Bread 0", 1 },
      { {}, "Soup 0, Salad 0, Bread 0", 0 },
    }
    for _, row in ipairs(rows) do
      assert(ben.client:vote(poll, row[1]))
      assert.equal(type(row[1]) == "table" and #row[1] or 1, #ana:next().vote.choices)
      local text, tally = counts(ana, own)
      assert.same({ row[2], row[3] }, { text, tally.total })
    end
    assert.is_nil((ana.client:votes(own)):winner())
  end))

  it("that is older than what the same person said last does not count", support.async(function()
    local ana, ben, poll, own = asked(pair)
    assert(ben.client:send(ana.jid, vote_message(poll, hashes_of "Soup", { actor = ben.lid, time = 2000 })))
    ana:next()
    assert(ben.client:send(ana.jid, vote_message(poll, hashes_of "Salad", { actor = ben.lid, time = 1000 })))
    assert(ben.client:send(ana.jid, "that was late"))
    assert.equal("that was late", ana:next().text)
    assert.equal("Soup 1, Salad 0, Bread 0", (counts(ana, own)))
  end))

  it("tells the server what it is, and is hidden where it cannot be read", support.async(function()
    local rig = pair()
    local ana, ben, poll = asked(pair)
    local sent = rig:record("to-server", function(node) return node.tag == "message" end)
    assert(ben.client:vote(poll, "Soup"))
    ana:next()
    assert.same({ "poll", "vote" }, { sent[1].attrs.type, tap.child(sent[1], "meta").attrs.polltype })
    assert.equal("hide", tap.child(tap.child(tap.child(sent[1], "participants"), "to"), "enc").attrs["decrypt-fail"])
  end))

  it("holds no secret of its own, and shows nothing of the choice", support.async(function()
    local ana, ben, poll = asked(pair)
    assert(ben.client:vote(poll, "Soup"))
    local vote = ana:next()
    assert.is_nil(vote.message.messageContextInfo)
    assert.is_nil(vote.raw:find(crypto.sha256 "Soup", 1, true))
  end))

  it("reads the same whichever names stand in its key, and stays one person's", support.async(function()
    local ana, ben, poll, own = asked(pair)
    local names = {
      { ana.lid, ben.lid, "Soup" }, { ana.jid, ben.jid, "Salad" }, { ana.jid, ben.lid, "Bread" }, { ana.lid, ben.jid, "Soup" },
    }
    for i, row in ipairs(names) do
      local of = { author = row[1], actor = row[2], time = i }
      assert(ben.client:send(ana.jid, vote_message(poll, hashes_of(row[3]), of)))
      assert.same({ row[3] }, ana:next().vote.choices)
      assert.equal(1, select(2, counts(ana, own)).total)
    end
  end))

  it("counts with nonsense in its key, and from before there was time", support.async(function()
    local ana, ben, poll, own = asked(pair)
    local vote = vote_message(poll, hashes_of "Soup", { actor = ben.lid, time = -5, author = ana.lid })
    vote.pollUpdateMessage.pollCreationMessageKey.participant = "nonsense" -- between two people it says nothing
    assert(ben.client:send(ana.jid, vote))
    assert.same({ "Soup" }, ana:next().vote.choices)
    assert.equal(1, ana.client:votes(own).total)
  end))

  it("is counted again after a restart", support.async(function()
    local rig <close> = start()
    local folder = support.tmpdir() .. "/state"
    local ana, ben = rig:contact("Ana", { store = folder }), rig:contact "Ben"
    local sent = assert(ana.client:send(ben.jid, LUNCH))
    assert(ben.client:vote(ben:next(), "Bread"))
    ana:next()
    ana.client:close()
    local again = rig:contact("Ana", { store = folder })
    assert.equal("Soup 0, Salad 0, Bread 1", (counts(again, { chat = ben.lid, id = sent.id, sender = again.lid })))
  end))
end)

describe("a vote that does not count", function()
  local pair = share()

  -- What Ben sends for Ana's poll, and why Ana does not count it.
  local function refused(of, hashes, code, spec)
    return support.async(function()
      local ana, ben, poll, own = asked(pair, spec)
      local values = { actor = ben.lid }
      for name, value in pairs(of) do values[name] = value end
      assert(ben.client:send(ana.jid, vote_message(poll, hashes, values)))
      assert(ben.client:send(ana.jid, "after"))
      assert.equal("after", ana:next().text)
      local err = assert(ana.errors:pop(30))
      assert.same({ code, true }, { err.code, tostring(err):find("a vote ", 1, true) ~= nil }, tostring(err))
      if poll.id == (of.key or poll).id then assert.equal(0, select(2, counts(ana, own)).total) end
    end)
  end

  it("is for something that is no choice", refused({}, hashes_of "Cake", "malformed"))
  it("is for something else beside a choice", refused({}, hashes_of("Soup", "Cake"), "malformed", with { multiple = true }))
  it("is for more choices than may be chosen", refused({}, hashes_of("Soup", "Salad"), "malformed"))
  it("was made under another secret", refused({ secret = ("\1"):rep(32) }, hashes_of "Soup", "crypto"))
  it("is somebody else's, sent again", refused({ actor = "333333333333333@lid" }, hashes_of "Soup", "crypto"))
  it("holds no vote", refused({ plaintext = "\255\255" }, {}, "malformed"))
  it("names no poll", refused({ key = {} }, hashes_of "Soup", "malformed"))
  it("is for a poll nobody knows", refused({ key = { fromMe = false, id = "NOBODY" } }, hashes_of "Soup", "no-message"))
  it("names nonsense for who asked", refused({ key = { fromMe = false, id = "NOBODY", participant = "nonsense" } }, hashes_of "Soup",
    "no-message"))
  it("is for a message that is no poll", support.async(function()
    local _, ana, ben = pair()
    assert(ana.client:send(ben.jid, "no poll"))
    local text = ben:next()
    assert(ben.client:send(ana.jid, vote_message(text, hashes_of "Soup", { actor = ben.lid })))
    assert.equal("malformed", assert(ana.errors:pop(30)).code)
  end))

  it("is for a poll too large to be read for each", support.async(function()
    local _, ana, ben = pair()
    local options = {}
    for i = 1, 12000 do options[i] = { optionName = ("choice %d"):format(i) } end
    assert(ana.client:send(ben.jid, { pollCreationMessageV3 = { name = "?", options = options, selectableOptionsCount = 1 } }))
    assert(ben.client:send(ana.jid, vote_message(ben:next(), hashes_of "choice 1", { actor = ben.lid })))
    assert.equal("limit", assert(ana.errors:pop(30)).code)
  end))

  it("came after the poll's end", support.async(function()
    local _, ana, ben = pair()
    local over = { name = "?", options = { { optionName = "Soup" }, { optionName = "No" } }, selectableOptionsCount = 1, endTime = 1000 }
    local sent = assert(ana.client:send(ben.jid, { pollCreationMessageV3 = over }))
    assert(ben.client:send(ana.jid, vote_message(ben:next(), hashes_of "Soup", { actor = ben.lid })))
    assert.equal("late", assert(ana.errors:pop(30)).code)
    assert.equal(0, ana.client:votes({ chat = ben.lid, id = sent.id, sender = ana.lid }).total)
  end))
end)

describe("a vote that comes before its poll", function()
  local pair = share()

  it("is told, kept, and heard once the poll has come", support.async(function()
    local rig, ana, ben = pair()
    tap.meet(ana, ben)
    local content = { name = "Tea?", options = { { optionName = "Yes" }, { optionName = "No" } }, selectableOptionsCount = 1 }
    local secret = ("\7"):rep(32)
    local poll = {
      id = "3EB0LATE", chat = ben.lid, sender = ben.lid,
      message = { pollCreationMessageV3 = content, messageContextInfo = { messageSecret = secret } },
    }
    local vote = vote_message(poll, hashes_of "Yes", { actor = ben.lid, key = { fromMe = true, id = poll.id } })
    local sent = assert(ben.client:send(ana.jid, vote))
    local err = assert(ana.errors:pop(30))
    assert.equal("no-message", err.code)
    assert.matches("kept until that comes", tostring(err), 1, true)
    local bytes = assert(core.proto.encode("Message", poll.message))
    local one = ben.client.account:encrypt({ tap.device_jid(ana, "lid") }, bytes)[1]
    tap.hand(rig, ana, stanza.node("message", {
      from = tap.device_jid(ben, "lid"), sender_pn = ben.jid, id = poll.id, t = "1769296600", type = "poll", notify = "Ben",
    }, { stanza.node("enc", { v = "2", type = one.type }, one.ciphertext), stanza.node("meta", { polltype = "creation" }) }))
    assert.same({ "poll", poll.id }, { (function(m) return m.kind, m.id end)(ana:next()) })
    local heard = ana:next()
    assert.same({ "vote", { "Yes" }, sent.id }, { heard.kind, heard.vote.choices, heard.id })
    assert.equal("Yes 1, No 0", (counts(ana, { chat = ben.lid, id = poll.id, sender = ben.lid })))
  end))
end)

describe("voting", function()
  local pair = share()

  it("is refused when the choices are wrong, by the name of the call", support.async(function()
    local _, ben, poll = asked(pair)
    local rows = {
      { "Cake", "polls_spec.lua:%d+: client:vote: a vote: 'Cake' is no choice of 'Lunch%?'" },
      { { "Soup", "Salad" }, "a vote: 2 of 3 choices, of which 1 may be" }, { { 5 }, "a vote: choice 1 is a number, not a text" },
      { 1, "client:vote: a vote is a choice or an array of choices, not a number" },
    }
    for _, row in ipairs(rows) do
      local ok, why = pcall(function() assert(ben.client:vote(poll, row[1])) end)
      assert.is_false(ok)
      assert.matches(row[2], tostring(why))
    end
  end))

  it("on what is not known fails, and says so", support.async(function()
    local _, ana = pair()
    local none = { chat = "1@lid", id = "NONE", sender = "1@lid" }
    for _, method in ipairs { "vote", "votes", "respond", "responses" } do
      local done, err = ana.client[method](ana.client, none, "going")
      assert.is_nil(done)
      assert.equal("no-message", err.code)
    end
  end))
end)

describe("in a group", function()
  it("each counts the votes of all, the author's own among them", support.async(function()
    local rig <close> = start()
    local ana, ben, cem = rig:contact "Ana", rig:contact "Ben", rig:contact "Cem"
    local group = writer.make(rig, ana, ben, cem)
    local sent = assert(ana.client:send(group, with { multiple = true }))
    local at_ben, at_cem = ben:next(), cem:next()
    local own = { chat = group, id = sent.id, sender = ana.lid }
    assert(ben.client:vote(at_ben, { "Soup", "Salad" }))
    for _, one in ipairs { ana, cem } do
      local vote = one:next()
      assert.same({ { "Soup", "Salad" }, ben.lid, group }, { vote.vote.choices, vote.sender, vote.chat })
      assert.same({ sent.id, ana.lid, one == ana }, { vote.target.id, vote.target.sender, vote.target.from_me })
    end
    assert(cem.client:vote(at_cem, "Salad"))
    ana:next()
    ben:next()
    assert(ana.client:vote(own, "Salad"))
    ben:next()
    cem:next()
    for _, one in ipairs { ana, ben, cem } do
      local text, tally = counts(one, own)
      assert.equal("Soup 1, Salad 3, Bread 0", text)
      assert.same({ 3, "Salad" }, { tally.total, tally:winner().choice })
    end
  end))

  it("whose members are named by phone number votes go under numbers", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local status, made = tap.admin(rig, "POST", "/admin/mock-phone/group", {
      creator = ana.jid, subject = "Tea", members = { ben.jid }, mode = "pn",
    })
    assert.equal(200, status)
    assert(ana.client:send(made.jid, LUNCH))
    local poll = ben:next()
    assert(ben.client:vote(poll, "Soup"))
    local vote = ana:next()
    assert.same({ { "Soup" }, ben.lid }, { vote.vote.choices, vote.sender })
    local content = vote.message.pollUpdateMessage
    assert.equal(ana.jid, content.pollCreationMessageKey.participant)
    local under = { secret = poll.message.messageContextInfo.messageSecret, id = poll.id, author = ana.jid, actor = ben.jid }
    assert.is_string((secrets.open("vote", under, content.vote.encPayload, content.vote.encIv)))
  end))

  it("nobody votes for somebody else", support.async(function()
    local rig <close> = start()
    local ana, ben, cem = rig:contact "Ana", rig:contact "Ben", rig:contact "Cem"
    for _, one in ipairs { ana, ben } do one.errors = tap.event(one.client, "error") end
    local group = writer.make(rig, ana, ben, cem)
    local sent = assert(ana.client:send(group, LUNCH))
    local poll = ben:next()
    local key = { remoteJid = group, fromMe = false, id = sent.id, participant = ana.lid }
    local vote = vote_message(poll, hashes_of "Soup", { actor = ben.lid, key = key })
    assert(ben.client:send(group, vote))
    assert.same({ "Soup" }, ana:next().vote.choices)
    assert(cem.client:send(group, vote)) -- Ben's ciphertext in Cem's name
    assert.equal("crypto", assert(ana.errors:pop(30)).code)
    assert.same({ ben.lid }, select(2, counts(ana, { chat = group, id = sent.id, sender = ana.lid }))[1].voters)
  end))
end)

describe("a bot", function()
  it("votes in the polls it hears, hears votes with their choices, and counts them", support.async(function()
    local rig <close> = start()
    local bot = rig:bot()
    local heard = task.queue()
    bot:on("message", { kind = "poll" }, function(ctx) ctx:vote(ctx.poll.choices[2]) end)
    bot:on("message", { kind = "vote" }, function(ctx)
      local tally = ctx:votes()
      heard:push { choices = ctx.vote.choices, target = ctx.target.id, total = tally.total, winner = tally:winner().choice }
    end)
    bot:command("count", function(ctx) ctx:reply(("%d"):format(ctx:votes().total)) end)
    local me, ana = rig:run(bot), rig:contact "Ana"
    local sent = assert(ana.client:send(me.jid, LUNCH))
    local own = { chat = me.lid, id = sent.id, sender = ana.lid, message = { conversation = "" } }
    assert.same({ "vote", { "Salad" } }, { (function(m) return m.kind, m.vote.choices end)(ana:next()) })
    assert(ana.client:vote(own, "Salad"))
    assert.same({ choices = { "Salad" }, target = sent.id, total = 2, winner = "Salad" }, heard:pop(30))
    own.message = ana.client.archive:get(own.chat, own.id, own.sender):message()
    assert(ana.client:send(me.jid, "!count", { quote = own }))
    assert.equal("2", ana:next().text)
  end))

  it("finds its poll again in the next run, with all votes", support.async(function()
    local rig <close> = start()
    local folder, ana = support.tmpdir() .. "/state", rig:contact "Ana"
    local function run(fn)
      local bot = rig:bot { store = folder }
      bot:command("poll", function(ctx)
        local sent = ctx:send(LUNCH)
        ctx:reply(sent.id)
      end)
      bot:command("count", function(ctx, args)
        local poll = bot:message(ctx.chat, args[1])
        ctx:reply(("%s %d"):format(poll:votes():winner().choice, poll:votes().total))
      end)
      local me = rig:run(bot)
      fn(me)
      bot:stop()
      rig.bots[#rig.bots].running:join(30)
    end
    local id
    run(function(me)
      assert(ana.client:send(me.jid, "!poll"))
      local poll = ana:next()
      id = ana:next().text
      assert(ana.client:vote(poll, "Bread"))
    end)
    run(function(me)
      assert(ana.client:send(me.jid, "!count " .. id))
      assert.equal("Bread 1", ana:next().text)
    end)
  end))

  it("answers events, and lists who comes", support.async(function()
    local rig <close> = start()
    local bot = rig:bot()
    local heard = task.queue()
    bot:on("message", { kind = "event" }, function(ctx) ctx:respond("going", { guests = 1 }) end)
    bot:on("message", { kind = "response" }, function(ctx) heard:push { ctx.response.answer, ctx:responses().going } end)
    local me, ana = rig:run(bot), rig:contact "Ana"
    local sent = assert(ana.client:send(me.jid, { event = "Tea", starts = 1800000000 }))
    assert.same({ answer = "going", guests = 1 }, ana:next().response)
    assert(ana.client:respond({ chat = me.lid, id = sent.id, sender = ana.lid }, "going"))
    assert.same({ "going", 3 }, heard:pop(30))
  end))
end)

describe("a poll that is changed", function()
  local pair = share()

  -- An edit under the poll's secret, of one type; `actor` makes it.
  local function edit(from, to, poll, purpose, type, message)
    local payload, iv = secrets.seal(purpose, {
      secret = poll.message.messageContextInfo.messageSecret, id = poll.id, author = poll.sender, actor = from.lid,
    }, assert(core.proto.encode("Message", message)))
    return from.client:send(to.jid, { secretEncryptedMessage = {
      targetMessageKey = { remoteJid = to.lid, fromMe = from.lid == poll.sender, id = poll.id }, encPayload = payload, encIv = iv,
      secretEncType = type,
    } })
  end

  it("has the new question and choices", support.async(function()
    local ana, ben, poll = asked(pair)
    assert(ben.client:vote(poll, "Salad"))
    local options = { { optionName = "Cake" }, { optionName = "Salad" } }
    assert(edit(ana, ben, poll, "poll_edit", "POLL_EDIT", { pollCreationMessageV3 = { name = "Dinner?", options = options } }))
    local m = ben:next()
    assert.same({ "edit", "Dinner?", { "Cake", "Salad" } }, { m.kind, m.poll.question, m.poll.choices })
    assert.equal("Cake 0, Salad 1", (counts(ben, poll)))
  end))

  it("has a choice more, of its author or of anybody where it lets them", support.async(function()
    local ana, ben, poll = asked(pair)
    local more = { pollAddOptionMessage = { addOption = { optionName = "Cake" } } }
    for _, purpose in ipairs { "poll_option", "poll_edit" } do -- whatsmeow names both (05 §8.6)
      assert(edit(ana, ben, poll, purpose, "POLL_ADD_OPTION", more))
      assert.equal(more.pollAddOptionMessage.addOption.optionName, ben:next().poll.choices[purpose == "poll_option" and 4 or 5])
      more.pollAddOptionMessage.addOption.optionName = "Tea"
    end
    assert.equal("Soup 0, Salad 0, Bread 0, Cake 0, Tea 0", (counts(ben, poll)))
    assert(edit(ben, ana, poll, "poll_option", "POLL_ADD_OPTION", { pollAddOptionMessage = { addOption = { optionName = "Mine" } } }))
    assert.equal("forbidden", assert(ana.errors:pop(30)).code)
  end))

  it("grows no larger than what is read for each vote, whichever way it is changed", support.async(function()
    local ana, ben, poll = asked(pair)
    local function said(text) return { name = text, options = { { optionName = "Soup" } }, selectableOptionsCount = 1 } end
    local long = ("x"):rep(200000)
    for _, one in ipairs {
      { "poll_edit", "POLL_EDIT", { pollCreationMessageV3 = said(long) } },
      { "poll_option", "POLL_ADD_OPTION", { pollAddOptionMessage = { addOption = { optionName = long } } } },
    } do
      assert(edit(ana, ben, poll, one[1], one[2], one[3]))
      local err = assert(ben.errors:pop(30))
      assert.equal("limit", err.code)
      assert.matches("would have 200%d%d%d bytes", err.message)
    end
    assert.equal("Soup 0, Salad 0, Bread 0", (counts(ben, poll)))
    assert(ana.client:send(ben.jid, { protocolMessage = {
      type = "MESSAGE_EDIT", key = { remoteJid = ben.lid, fromMe = true, id = poll.id },
      editedMessage = { pollCreationMessageV3 = said(long) }, timestampMs = math.floor(core.net.time() * 1000),
    } }))
    assert.equal("edit", ben:next().kind)
    assert(ana.client:send(ben.jid, vote_message(poll, hashes_of "Soup", {
      actor = ana.lid, key = { remoteJid = ben.lid, fromMe = true, id = poll.id },
    })))
    assert.equal("limit", assert(ben.errors:pop(30)).code)
  end))

  it("without choices gets its first one", support.async(function()
    local ana, ben, poll = asked(pair, { pollCreationMessage = { name = "?", allowAddOption = true },
      messageContextInfo = { messageSecret = ("s"):rep(32) } })
    assert(edit(ben, ana, poll, "poll_option", "POLL_ADD_OPTION", { pollAddOptionMessage = { addOption = { optionName = "Mine" } } }))
    assert.same({ "Mine" }, ana:next().poll.choices)
  end))
end)
