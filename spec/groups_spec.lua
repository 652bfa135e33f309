-- Groups: what members hear, what they confirm, and what they ask for again (fact sheets 04 §3, §9; 08 §12.2, §16), through real sockets.
local core = require "moonpost.core"
local stanza = require "moonpost.stanza"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"
local task = require "moonpost.task"
local writer = require "spec.group_writer"

local jid = core.wire.jid

-- Ana writes, Ben hears; both are in a group.
local function two(rig, options)
  local ana, ben = rig:contact "Ana", rig:contact("Ben", options)
  ben.errors = tap.event(ben.client, "error")
  return ana, ben, writer.make(rig, ana, ben)
end

-- What a contact's client confirms from now on, but for notifications and what its own phone says: a queue of nodes.
local function confirmations(rig, contact)
  local said, device = task.queue(), tap.device(rig, contact.client)
  rig:tap(function(direction, node, conn)
    local confirms = node.tag == "receipt" or node.tag == "ack" and node.attrs.class == "message"
    local of_phone = node.attrs.type == "peer_msg" or node.attrs.type == "hist_sync"
    if direction == "to-server" and conn.device == device and confirms and not of_phone then said:push(node) end
  end)
  return said
end

local function next_said(said)
  local node = said:pop(30)
  assert(node, "nothing was confirmed")
  local text = node.tag .. " " .. (node.attrs.type or node.attrs.error or "delivery") .. " " .. node.attrs.id
  return node.tag == "ack" and text:gsub(" delivery", "") or text, node
end

-- A stanza as the server would hand it to a contact, past its own checks.
local function inject(rig, to, from, group, id, content, more)
  local attrs = {
    from = group, participant = writer.device(from), participant_pn = from.jid, addressing_mode = "lid", id = id, t = "1769296600",
    type = "text", notify = from.name,
  }
  for name, value in pairs(more or {}) do attrs[name] = value or nil end
  tap.inject(tap.device(rig, to.client).connection, stanza.node("message", attrs, content))
end

-- Settles the sessions of two: from then on they write `msg`, which only the session of its author opens.
local function acquaint(from, to, said)
  assert(to.client:send(from.jid, "hello"))
  from:next()
  assert(from.client:send(to.jid, "hello"))
  to:next()
  assert.matches("^receipt delivery", (next_said(said)))
end

local function spoil(enc, at)
  local bytes = enc.content
  at = at or #bytes
  enc.content = bytes:sub(1, at - 1) .. string.char(bytes:byte(at) ~ 1) .. bytes:sub(at + 1)
  return enc
end

describe("a message in a group", function()
  it("is heard with its group, its author and the author's names", support.async(function()
    local rig <close> = start()
    local ana, ben, group = two(rig)
    local id = writer.send(ana, group, "hello all", { ben })
    local m = ben:next()
    assert.same({ id, group, true, ana.lid, ana.jid:match "^%d+", "Ana", "hello all", "text", false },
      { m.id, m.chat, m.group, m.sender, m.phone, m.name, m.text, m.kind, m.from_me })
  end))

  it("is told apart from one to a person", support.async(function()
    local rig <close> = start()
    local ana, ben = two(rig)
    assert(ana.client:send(ben.jid, "just you"))
    assert.is_false(ben:next().group)
  end))

  it("is confirmed by one receipt that names its author, after it is safe", support.async(function()
    local rig <close> = start()
    local ana, ben, group = two(rig)
    local said = confirmations(rig, ben)
    local id = writer.send(ana, group, "hello all", { ben })
    local text, receipt = next_said(said)
    assert.equal("receipt delivery " .. id, text)
    assert.same({ group, writer.device(ana) }, { receipt.attrs.to, receipt.attrs.participant })
    assert.equal(0, #said)
  end))

  it("whose receipt reaches its author tells who has it", support.async(function()
    local rig <close> = start()
    local ana, ben, group = two(rig)
    local id = assert(ana.client:send(group, "hello all")).id
    local receipt = assert(ana.receipts:pop(30))
    assert.same({ group, writer.device(ben), id }, { receipt.chat, receipt.sender, receipt.ids[1] })
  end))

  it("needs the sender key once: what follows is read in order", support.async(function()
    local rig <close> = start()
    local ana, ben, group = two(rig)
    writer.send(ana, group, "1", { ben })
    for i = 2, 20 do writer.send(ana, group, tostring(i)) end
    for i = 1, 20 do assert.equal(tostring(i), ben:next().text) end
    assert.equal(0, #ben.errors)
  end))

  it("of one author is read by all members, and of each author with a key of its own", support.async(function()
    local rig <close> = start()
    local ana, ben, cem = rig:contact "Ana", rig:contact "Ben", rig:contact "Cem"
    local group = writer.make(rig, ana, ben, cem)
    writer.send(ana, group, "from Ana", { ben, cem })
    writer.send(ben, group, "from Ben", { ana, cem })
    assert.equal("from Ana", ben:next().text)
    assert.equal("from Ben", ana:next().text)
    local heard = { [cem:next().text] = true, [cem:next().text] = true }
    assert.same({ ["from Ana"] = true, ["from Ben"] = true }, heard)
  end))

  it("that comes twice is confirmed twice and heard once", support.async(function()
    local rig <close> = start()
    local ana, ben, group = two(rig)
    local said = confirmations(rig, ben)
    local both = { writer.pairwise(ana, ben, writer.key(ana, group)), writer.skmsg(ana, group, "hi") }
    for _ = 1, 2 do
      inject(rig, ben, ana, group, "AAAA", both)
      assert.equal("receipt delivery AAAA", (next_said(said)))
    end
    inject(rig, ben, ana, group, "BBBB", both)
    assert.equal("receipt delivery BBBB", (next_said(said)))
    assert.equal("AAAA", ben:next().id)
    assert.equal(0, #ben.heard + #ben.errors)
  end))

  it("of the own account is heard by a client that wants to, and confirmed by an ack", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local deaf, hears = rig:contact "Ben", rig:contact("Ben", { own = true })
    local group = writer.make(rig, ana, deaf)
    local said, others = confirmations(rig, hears), confirmations(rig, deaf)
    local own = rig:contact "Ben"
    local id = writer.send(own, group, "note", { deaf, hears, ana })
    assert.equal("ack " .. id, (next_said(said)))
    assert.equal("ack " .. id, (next_said(others)))
    local m = hears:next()
    assert.same({ "note", true, group }, { m.text, m.from_me, m.chat })
    assert.equal("note", ana:next().text)
    assert.equal(0, #deaf.heard)
  end))

  it("in a group of phone numbers is its author's under the LID", support.async(function()
    local rig <close> = start()
    local ana, ben, group = two(rig)
    local number = ana.jid:gsub("@", (":%d@"):format(ana.client.me.device))
    local by_number = { participant = number, participant_pn = false, participant_lid = ana.lid, addressing_mode = "pn" }
    inject(rig, ben, ana, group, "AAAA", {
      writer.pairwise(ana, ben, writer.key(ana, group)), writer.skmsg(ana, group, "hi"),
    }, by_number)
    local m = ben:next()
    assert.same({ "hi", ana.lid, group }, { m.text, m.sender, m.chat })
    inject(rig, ben, ana, group, "BBBB", { writer.skmsg(ana, group, "by LID") })
    assert.equal("by LID", ben:next().text)
  end))

  it("is read with a key that was told under a number before the LID was known", support.async(function()
    local rig <close> = start()
    local ana, ben, group = two(rig)
    local number = ana.jid:gsub("@", (":%d@"):format(ana.client.me.device))
    ben.client.lids:learn_answer(ana.jid, ana.lid)
    assert(ben.client.account:process_sender_key(group, number, ana.client.account:sender_key_distribution(group)))
    writer.send(ana, group, "hi")
    assert.equal("hi", ben:next().text)
    assert.equal(0, #ben.errors)
  end))
end)

describe("a group message without its sender key", function()
  it("is asked for with fresh keys, heard when it comes again, and what follows is read", support.async(function()
    local rig <close> = start()
    local ana, ben, group = two(rig)
    local said, asked = confirmations(rig, ben), tap.on(rig)
    local id = writer.send(ana, group, "hi")
    local text, receipt = next_said(said)
    assert.equal("receipt retry " .. id, text)
    assert.same({ group, writer.device(ana) }, { receipt.attrs.to, receipt.attrs.participant })
    assert.same({ "1", "1" }, { tostring(receipt.content[1].attrs.count), tostring(receipt.content[1].attrs.error) })
    assert.is_table(stanza.child(receipt, "keys"))
    assert.equal("ack " .. id, (next_said(said)))
    local told = asked:next(function(direction, node)
      return direction == "to-client" and node.tag == "receipt" and node.attrs.type == "retry"
    end)
    assert.same({ group, writer.device(ben) }, { told.attrs.from, told.attrs.participant })
    local again = writer.pairwise(ana, ben, writer.key(ana, group, { conversation = "hi" }), { count = "1" })
    ana.client.connection:send(writer.stanza(ana, group, id, again, nil, { participant = writer.device(ben) }))
    local m = ben:next()
    assert.same({ id, "hi", group, true }, { m.id, m.text, m.chat, m.group })
    assert.equal("receipt delivery " .. id, (next_said(said)))
    writer.send(ana, group, "next")
    assert.equal("next", ben:next().text)
  end))

  it("is given up after four times, which is told in its place", support.async(function()
    local rig <close> = start()
    local ana, ben, group = two(rig)
    local said = confirmations(rig, ben)
    for count = 1, 5 do
      inject(rig, ben, ana, group, "AAAA", writer.skmsg(ana, group, "hi"))
      if count < 5 then assert.equal("receipt retry AAAA", (next_said(said))) end
      assert.equal("ack AAAA", (next_said(said)))
    end
    local m = ben:next()
    assert.same({ "undecryptable", "AAAA", group }, { m.kind, m.id, m.chat })
    assert.equal(0, #said + #ben.heard)
  end))

  it("whose pairwise part cannot be read is asked for once, as a whole", support.async(function()
    local rig <close> = start()
    local ana, ben, group = two(rig)
    local said = confirmations(rig, ben)
    acquaint(ana, ben, said)
    inject(rig, ben, ana, group, "AAAA", {
      spoil(writer.pairwise(ana, ben, writer.key(ana, group))), writer.skmsg(ana, group, "hi"),
    })
    local text, receipt = next_said(said)
    assert.equal("receipt retry AAAA", text)
    assert.equal("7", tostring(receipt.content[1].attrs.error))
    assert.equal("ack AAAA", (next_said(said)))
    assert.equal(0, #said + #ben.heard)
  end))

  it("that is damaged keeps the key that came with it", support.async(function()
    local rig <close> = start()
    local ana, ben, group = two(rig)
    local said = confirmations(rig, ben)
    inject(rig, ben, ana, group, "AAAA", {
      writer.pairwise(ana, ben, writer.key(ana, group)), spoil(writer.skmsg(ana, group, "hi")),
    })
    local text, receipt = next_said(said)
    assert.equal("receipt retry AAAA", text)
    assert.equal("5", tostring(receipt.content[1].attrs.error))
    assert.equal("ack AAAA", (next_said(said)))
    writer.send(ana, group, "next")
    assert.equal("next", ben:next().text)
  end))
end)

describe("a sender key", function()
  it("for another group is not taken", support.async(function()
    local rig <close> = start()
    local ana, ben, group = two(rig)
    local other, said = writer.make(rig, ana, ben), confirmations(rig, ben)
    inject(rig, ben, ana, group, "AAAA", { writer.pairwise(ana, ben, writer.key(ana, other)), writer.skmsg(ana, group, "hi") })
    local told = tostring(ben.errors:pop(30)) .. tostring(ben.errors:pop(30))
    assert.matches("tells a sender key for another group", told)
    assert.matches("AAAA .* cannot be read", told)
    assert.equal("receipt retry AAAA", (next_said(said)))
    assert.equal("ack AAAA", (next_said(said)))
    inject(rig, ben, ana, other, "BBBB", writer.skmsg(ana, other, "hi"))
    assert.equal("receipt retry BBBB", (next_said(said)))
    assert.equal(0, #ben.heard)
  end))

  it("in somebody else's name is not taken", support.async(function()
    local rig <close> = start()
    local ana, ben, cem = rig:contact "Ana", rig:contact "Ben", rig:contact "Cem"
    local group, said = writer.make(rig, ana, ben, cem), confirmations(rig, ben)
    acquaint(cem, ben, said)
    for _, one in ipairs { ben, cem } do tap.event(one.client, "error") end -- they complain of what they cannot read
    writer.send(ana, group, "hi", { ben })
    assert.equal("hi", ben:next().text)
    assert.matches("^receipt delivery", (next_said(said)))
    -- the server says it is Ana's; the session it was encrypted in is Cem's
    inject(rig, ben, ana, group, "AAAA", { writer.pairwise(cem, ben, writer.key(cem, group)), writer.skmsg(cem, group, "I am Ana") })
    assert.equal("receipt retry AAAA", (next_said(said)))
    assert.equal("ack AAAA", (next_said(said)))
    writer.send(ana, group, "it is me")
    assert.equal("it is me", ben:next().text)
    assert.equal(0, #ben.heard)
  end))

  it("in a message to one person is not taken", support.async(function()
    local rig <close> = start()
    local ana, ben, group = two(rig)
    local said = confirmations(rig, ben)
    assert(ana.client:send(ben.jid, { conversation = "psst", senderKeyDistributionMessage = {
      groupId = group, axolotlSenderKeyDistributionMessage = ana.client.account:sender_key_distribution(group),
    } }))
    assert.equal("psst", ben:next().text)
    assert.matches("^receipt delivery", (next_said(said)))
    writer.send(ana, group, "hi")
    assert.matches("^receipt retry", (next_said(said)))
  end))

  it("that is none is told, and the message is read if it can be", support.async(function()
    local rig <close> = start()
    local ana, ben, group = two(rig)
    writer.send(ana, group, "one", { ben })
    assert.equal("one", ben:next().text)
    local junk = assert(core.proto.encode("Message", { senderKeyDistributionMessage = {
      groupId = group, axolotlSenderKeyDistributionMessage = "\x33junk",
    } }))
    inject(rig, ben, ana, group, "AAAA", { writer.pairwise(ana, ben, junk), writer.skmsg(ana, group, "two") })
    assert.matches("no distribution message", tostring(ben.errors:pop(30)))
    assert.equal("two", ben:next().text)
  end))

  it("alone is no message for anybody", support.async(function()
    local rig <close> = start()
    local ana, ben, group = two(rig)
    local said = confirmations(rig, ben)
    inject(rig, ben, ana, group, "AAAA", writer.pairwise(ana, ben, writer.key(ana, group)))
    assert.equal("receipt delivery AAAA", (next_said(said)))
    writer.send(ana, group, "hi")
    assert.equal("hi", ben:next().text)
    assert.equal(0, #ben.errors)
  end))
end)

describe("a bot in a group", function()
  it("hears commands and texts, and answers them there", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local bot, heard = rig:bot(), task.queue()
    bot:command("tea", function(ctx, args)
      heard:push { "command", args.text, ctx.chat, ctx.group.subject }
      ctx:typing()
      ctx:reply "at five"
    end)
    bot:on("message", function(ctx)
      heard:push { "text", ctx.text, ctx.chat, ctx.group.jid, ctx.sender }
      ctx:react "👍"
      ctx:send "hello yourself"
    end)
    local me = rig:run(bot)
    local group = writer.make(rig, ana, me)
    local echo = { client = bot.client, lid = me.lid }
    writer.send(ana, group, "!tea with milk", { echo })
    writer.send(ana, group, "hello")
    assert.same({ "command", "with milk", group, "Tea" }, heard:pop(30))
    assert.same({ "text", "hello", group, group, ana.lid }, heard:pop(30))
    local reply, reaction, text = ana:next(), ana:next(), ana:next()
    assert.same({ "at five", group, me.lid, "!tea with milk" }, { reply.text, reply.chat, reply.sender, reply.quoted.text })
    assert.same({ "reaction", "hello yourself" }, { reaction.kind, text.text })
    assert.equal(ana.lid, reaction.message.reactionMessage.key.participant)
  end))
end)

describe("the sandbox's groups", function()
  local function ask(contact, type, to, child)
    return contact.client:query(stanza.node("iq", { xmlns = "w:g2", type = type, to = to }, child))
  end

  local function create(contact, ...)
    local members = {}
    for i, one in ipairs { ... } do members[i] = stanza.node("participant", { jid = one }) end
    return ask(contact, "set", "g.us", stanza.node("create", { subject = "Tea", key = "k" }, members))
  end

  it("are made by a client, whose answer tells who is in them; every member is told", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local told = rig:record("to-client", function(node) return node.attrs.type == "w:gp2" end)
    local group = stanza.child(assert(create(ana, ben.jid, ana.lid, "15550000000@s.whatsapp.net")), "group")
    assert.same({ "Tea", ana.lid, "2", "lid" }, {
      group.attrs.subject, group.attrs.creator, group.attrs.size, group.attrs.addressing_mode,
    })
    local people = {}
    for i, one in stanza.children(group, "participant") do
      people[i] = ("%s %s"):format(one.attrs.jid, one.attrs.type or one.attrs.error or "member")
    end
    assert.same({ ana.lid .. " superadmin", ben.lid .. " member", "15550000000@s.whatsapp.net 404" }, people)
    assert(ben.client:committed())
    local to = { [told[1].attrs.to] = true, [told[2].attrs.to] = true }
    assert.same({ [writer.device(ana)] = true, [writer.device(ben)] = true }, to)
    assert.equal(group.attrs.id, told[1].content[1].content[1].attrs.id)
  end))

  it("are shown to members only", support.async(function()
    local rig <close> = start()
    local ana, ben, cem = rig:contact "Ana", rig:contact "Ben", rig:contact "Cem"
    local group = writer.make(rig, ana, ben)
    local query = stanza.node("query", { request = "interactive" })
    assert.equal(jid.parse(group), stanza.child(assert(ask(ben, "get", group, query)), "group").attrs.id)
    assert.equal(403, select(2, ask(cem, "get", group, query)).status)
    assert.equal(404, select(2, ask(ben, "get", "120363000000000001@g.us", query)).status)
    local function taking_part(contact)
      return #(stanza.child(assert(ask(contact, "get", "g.us", stanza.node "participating")), "groups").content or {})
    end
    assert.same({ 1, 0 }, { taking_part(ana), taking_part(cem) })
  end))

  it("let members write only", support.async(function()
    local rig <close> = start()
    local ana, ben, cem = rig:contact "Ana", rig:contact "Ben", rig:contact "Cem"
    local group = writer.make(rig, ana, ben)
    local seen = tap.on(rig)
    local id = writer.send(cem, group, "let me in", { ben })
    local answer = seen:next(function(direction, node) return direction == "to-client" and node.tag == "ack" and node.attrs.id == id end)
    assert.same({ group, "403" }, { answer.attrs.from, tostring(answer.attrs.error) })
    writer.send(ana, group, "quiet", { ben })
    assert.equal("quiet", ben:next().text)
    assert.equal(0, #ben.heard)
  end))

  it("tell a sender whose hash of the devices is wrong the right one, with or without its own", support.async(function()
    local rig <close> = start()
    local ana, ben, group = two(rig)
    local phones = { ana.lid, ben.lid, writer.device(ben) }
    local with_own = { writer.device(ana), table.unpack(phones) }
    local devices = require "moonpost.sandbox.devices"
    local seen = tap.on(rig)
    local function answer_to(phash)
      ana.client.connection:send(writer.stanza(ana, group, "3EB0" .. phash, writer.skmsg(ana, group, "hi"), {
        { ben, writer.pairwise(ana, ben, writer.key(ana, group)) },
      }, { phash = phash }))
      return seen:next(function(direction, node)
        return direction == "to-client" and node.tag == "ack" and node.attrs.id == "3EB0" .. phash
      end).attrs.phash
    end
    assert.is_nil(answer_to(devices.hash_of(with_own)))
    assert.is_nil(answer_to(devices.hash_of(phones)))
    assert.equal(devices.hash_of(with_own), answer_to "2:AAAAAAAA")
  end))

  it("outlive a restart of the sandbox with its world", support.async(function()
    local world = support.tmpdir()
    local function make()
      local rig <close> = start { world = world }
      return writer.make(rig, rig:contact "Ana", rig:contact "Ben")
    end
    local group = make()
    local rig <close> = start { world = world }
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    writer.send(ana, group, "still here", { ben })
    assert.equal("still here", ben:next().text)
  end))
end)
