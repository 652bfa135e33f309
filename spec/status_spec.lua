-- Status posts: heard by those they are shown to, and by no bot that did not ask (fact sheets 03 §11, 09 §4.12, 08 S-423).
local stanza = require "moonpost.stanza"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"
local task = require "moonpost.task"
local writer = require "spec.group_writer"

local STATUS = "status@broadcast"

-- A post of a contact, put together here: the text for all, the sender key for these.
local function post(from, id, text, readers)
  local to, identity = {}, false
  for i, one in ipairs(readers) do
    local own = writer.pairwise(from, one, writer.key(from, STATUS))
    to[i] = stanza.node("to", { jid = writer.device(one) }, own)
    identity = identity or own.attrs.type == "pkmsg"
  end
  from.client.connection:send(stanza.node("message", { id = id, to = STATUS, type = "text" }, {
    stanza.node("participants", nil, to), writer.skmsg(from, STATUS, text),
    identity and stanza.node("device-identity", nil, from.client.me.deviceIdentity) or nil,
  }))
end

describe("a status post", function()
  it("is heard with its author, as one of place 'status'", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    post(ana, "3EB0STATUS1", "good morning", { ben })
    local m = ben:next()
    assert.same({ "3EB0STATUS1", STATUS, "status", ana.lid, ana.jid:match "^%d+", "Ana", "good morning", "text", false, false },
      { m.id, m.chat, m.place, m.sender, m.phone, m.name, m.text, m.kind, m.group, m.from_me })
  end))

  it("is not shown to whom it does not name", support.async(function()
    local rig <close> = start()
    local ana, ben, cem = rig:contact "Ana", rig:contact "Ben", rig:contact "Cem"
    post(ana, "3EB0STATUS1", "for Ben", { ben })
    assert.equal("for Ben", ben:next().text)
    assert(ana.client:send(cem.jid, "for Cem"))
    assert.equal("for Cem", cem:next().text)
  end))

  it("is confirmed to its author by a receipt", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local heard = tap.on(rig)
    post(ana, "3EB0STATUS1", "good morning", { ben })
    ben:next()
    local receipt = heard:next(function(direction, node)
      return direction == "to-server" and node.tag == "receipt" and node.attrs.id == "3EB0STATUS1"
    end)
    assert.same({ STATUS, writer.device(ana) }, { receipt.attrs.to, receipt.attrs.participant })
    local told = ana.receipts:pop(5)
    assert.same({ STATUS, writer.device(ben), { "3EB0STATUS1" } }, { told.chat, told.sender, told.ids })
  end))

  it("is heard under its own tag too, and then acknowledged as well", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    rig:admin("status-tag", { tag = "status" })
    local heard = tap.on(rig)
    post(ana, "3EB0STATUS1", "good morning", { ben })
    local m = ben:next()
    assert.same({ "status", "good morning" }, { m.place, m.text })
    heard:next(function(_, node) return node.tag == "ack" and node.attrs.class == "status" and node.attrs.id == "3EB0STATUS1" end)
    assert.equal(STATUS, ana.receipts:pop(5).chat)
    assert(ana.client:send(ben.jid, "hello"))
    ben:next()
    assert.equal(ben.lid, ana.receipts:pop(5).chat)
    for node in tap.device(rig, ben.client).queue:each() do assert.not_equal("status", node.tag) end
  end))

  it("of the own account is heard on its other devices", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local desk = rig:contact("Ana", { own = true })
    post(ana, "3EB0STATUS1", "from me", { ben, desk })
    local m = desk:next()
    assert.same({ "status", "from me", true }, { m.place, m.text, m.from_me })
  end))

  it("that cannot be read is asked for again under its place", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local heard = tap.on(rig)
    ben.client:on("error", function() end)
    rig:fault { what = "damage", jid = ben.lid, direction = "to-client", enc = "skmsg" }
    post(ana, "3EB0STATUS1", "good morning", { ben })
    local receipt = heard:from_client("receipt", "retry")
    assert.same({ "retry", STATUS, writer.device(ana) }, { receipt.attrs.type, receipt.attrs.to, receipt.attrs.participant })
    assert.equal(STATUS, heard:to_client("receipt", "retry").attrs.from)
  end))
end)

describe("a bot", function()
  -- A bot that answers every text, and what it has heard of status posts.
  local function echo(rig, filter)
    local bot, heard = rig:bot { name = "Echo" }, task.queue()
    bot:on("message", function(ctx) ctx:reply(ctx.text) end)
    bot:command("ping", function(ctx) ctx:reply "pong" end)
    if filter then bot:on("message", filter, function(ctx) heard:push(ctx.text) end) end
    local me = rig:run(bot)
    return { jid = me.jid, lid = me.lid, client = bot.client, name = "Echo" }, heard
  end

  it("answers no status post, not even a command in one", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local bot = echo(rig)
    post(ana, "3EB0STATUS1", "good morning", { bot })
    post(ana, "3EB0STATUS2", "!ping", { bot })
    assert.equal("hello", ana:ask(bot.jid, "hello").text)
  end))

  it("hears status posts where its filter names the place", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local bot, heard = echo(rig, { place = "status" })
    post(ana, "3EB0STATUS1", "good morning", { bot })
    assert.equal("good morning", heard:pop(5))
  end))

  it("hears none by a filter that is a function", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local bot, heard = echo(rig, function(ctx) return ctx.text ~= nil end)
    post(ana, "3EB0STATUS1", "good morning", { bot })
    assert(ana.client:send(bot.jid, "hello"))
    assert.equal("hello", heard:pop(5))
  end))

  it("takes no status post for the answer it waits for", support.async(function()
    local rig <close> = start()
    local ana, bot = rig:contact "Ana", rig:bot { name = "Echo" }
    bot:command("tea", function(ctx) ctx:reply("with " .. ctx:ask("What with?").text) end)
    local me = rig:run(bot)
    assert.equal("What with?", ana:ask(me.jid, "!tea").text)
    rig:admin("mock-phone/broadcast", { from = ana.jid, text = "to all", to = { me.jid } })
    assert.equal("with milk", ana:ask(me.jid, "milk").text)
  end))
end)

describe("what somebody sends to a list of people", function()
  it("is heard in the chat of its author, with the list", support.async(function()
    local rig <close> = start()
    local ana, ben, cem = rig:contact "Ana", rig:contact "Ben", rig:contact "Cem"
    local status, answer = tap.admin(rig, "POST", "/admin/mock-phone/broadcast",
      { from = ana.jid, text = "to you all", to = { ben.jid, cem.jid } })
    assert.equal(200, status)
    for _, one in ipairs { ben, cem } do
      local m = one:next()
      assert.same({ answer.id, ana.lid, ana.lid, "broadcast", answer.jid, "to you all", false },
        { m.id, m.chat, m.sender, m.place, m.broadcast, m.text, m.group })
    end
  end))

  it("is answered by no bot that did not ask for it, and heard by one that did", support.async(function()
    local rig <close> = start()
    local ana, bot, heard = rig:contact "Ana", rig:bot { name = "Echo" }, task.queue()
    bot:on("message", function(ctx) ctx:reply(ctx.text) end)
    bot:on("message", { place = "broadcast" }, function(ctx) heard:push(ctx.broadcast) end)
    local me = rig:run(bot)
    local _, answer = tap.admin(rig, "POST", "/admin/mock-phone/broadcast", { from = ana.jid, text = "to all", to = { me.jid } })
    assert.equal(answer.jid, heard:pop(5))
    assert.equal("hello", ana:ask(me.jid, "hello").text)
  end))

  it("cannot be sent from here, which is told", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local sent, err = ana.client:send("1234567@broadcast", "to all")
    assert.is_nil(sent)
    assert.same({ "unsupported", true }, { err.code, err.message:find("list", 1, true) ~= nil })
  end))
end)
