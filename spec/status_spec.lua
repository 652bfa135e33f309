-- Status posts: heard by those they are shown to, and by no bot that did not ask (fact sheets 03 §11, 09 §4.12, 08 S-423).
local core = require "moonpost.core"
local stanza = require "moonpost.stanza"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"
local task = require "moonpost.task"
local writer = require "spec.group_writer"

local STATUS = "status@broadcast"

-- A contact's post for these; its id.
local function post(from, text, readers)
  local to = {}
  for i, one in ipairs(readers) do to[i] = one.jid end
  return assert(from.client:send(STATUS, text, { to = to })).id
end

describe("a status post", function()
  it("is heard with its author, as one of place 'status'", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local id = post(ana, "good morning", { ben })
    local m = ben:next()
    assert.same({ id, STATUS, "status", ana.lid, ana.jid:match "^%d+", "Ana", "good morning", "text", false, false },
      { m.id, m.chat, m.place, m.sender, m.phone, m.name, m.text, m.kind, m.group, m.from_me })
  end))

  it("is not shown to whom it does not name", support.async(function()
    local rig <close> = start()
    local ana, ben, cem = rig:contact "Ana", rig:contact "Ben", rig:contact "Cem"
    post(ana, "for Ben", { ben })
    assert.equal("for Ben", ben:next().text)
    assert(ana.client:send(cem.jid, "for Cem"))
    assert.equal("for Cem", cem:next().text)
  end))

  it("is confirmed to its author by a receipt", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local heard = tap.on(rig)
    local id = post(ana, "good morning", { ben })
    ben:next()
    local receipt = heard:next(function(direction, node)
      return direction == "to-server" and node.tag == "receipt" and node.attrs.id == id
    end)
    assert.same({ STATUS, writer.device(ana) }, { receipt.attrs.to, receipt.attrs.participant })
    local told = ana.receipts:pop(30)
    assert.same({ STATUS, writer.device(ben), { id } }, { told.chat, told.sender, told.ids })
  end))

  it("is read by a receipt of which the server passes on what its author made alone", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local id = post(ana, "good morning", { ben })
    local m = ben:next()
    local heard = tap.on(rig)
    assert(ben.client:mark_read { { id = "NONE", chat = STATUS, sender = ana.lid }, m })
    local receipt = heard:next(function(direction, node)
      return direction == "to-client" and node.tag == "receipt" and node.attrs.type == "read"
    end)
    assert.same({ id, nil }, { receipt.attrs.id, receipt.content })
  end))

  it("is heard under its own tag too, and then acknowledged as well", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    rig:admin("status-tag", { tag = "status" })
    local heard = tap.on(rig)
    local id = post(ana, "good morning", { ben })
    local m = ben:next()
    assert.same({ "status", "good morning" }, { m.place, m.text })
    heard:next(function(_, node) return node.tag == "ack" and node.attrs.class == "status" and node.attrs.id == id end)
    assert.equal(STATUS, ana.receipts:pop(30).chat)
    assert(ana.client:send(ben.jid, "hello"))
    ben:next()
    local receipt = ana.receipts:pop(30)
    while receipt.chat ~= ben.lid do receipt = assert(ana.receipts:pop(30)) end
    for node in tap.device(rig, ben.client).queue:each() do assert.not_equal("status", node.tag) end
  end))

  it("of the own account is heard on its other devices", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local desk = rig:contact("Ana", { own = true })
    post(ana, "from me", { ben, desk })
    local m = desk:next()
    assert.same({ "status", "from me", true }, { m.place, m.text, m.from_me })
  end))

  it("that cannot be read is asked for again under its place", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local heard = tap.on(rig)
    ben.client:on("error", function() end)
    rig:fault { what = "damage", jid = ben.lid, direction = "to-client", enc = "skmsg" }
    post(ana, "good morning", { ben })
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
    post(ana, "good morning", { bot })
    post(ana, "!ping", { bot })
    assert.equal("hello", ana:ask(bot.jid, "hello").text)
  end))

  it("hears status posts where its filter names the place", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local bot, heard = echo(rig, { place = "status" })
    post(ana, "good morning", { bot })
    assert.equal("good morning", heard:pop(30))
  end))

  it("hears none by a filter that is a function", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local bot, heard = echo(rig, function(ctx) return ctx.text ~= nil end)
    post(ana, "good morning", { bot })
    assert(ana.client:send(bot.jid, "hello"))
    assert.equal("hello", heard:pop(30))
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
    assert.equal(answer.jid, heard:pop(30))
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

describe("a status post of one's own", function()
  it("is seen by those it is for, and by nobody else", support.async(function()
    local rig <close> = start()
    local ana, ben, cem = rig:contact "Ana", rig:contact "Ben", rig:contact "Cem"
    local sent = assert(ana.client:send(STATUS, "good morning", { to = { ben.jid } }))
    local m = ben:next()
    assert.same({ sent.id, "status", ana.lid, "good morning" }, { m.id, m.place, m.sender, m.text })
    assert(ana.client:send(cem.jid, "for Cem"))
    assert.equal("for Cem", cem:next().text)
  end))

  it("names its readers and the setting, and how it looks", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local passed = tap.on(rig)
    assert(ana.client:send(STATUS, { text = "green", background = "#1f6f4a", font = 2 }, { to = { ben.jid } }))
    local node = passed:from_client("message", "meta")
    assert.equal("contacts", tap.child(node, "meta").attrs.status_setting)
    assert.is_nil(node.attrs.addressing_mode)
    local text = ben:next().message.extendedTextMessage
    assert.same({ "green", 0xff1f6f4a }, { text.text, text.backgroundArgb })
  end))

  it("goes on with the same key, and names those who have it as people", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    assert(ana.client:send(STATUS, "one", { to = { ben.jid } }))
    ben:next()
    local passed = tap.on(rig)
    assert(ana.client:send(STATUS, "two", { to = { ben.jid } }))
    local found
    for _, to in stanza.children(tap.child(passed:from_client("message", "participants"), "participants"), "to") do
      found = found or to.attrs.jid == ben.lid and to
    end
    assert.is_nil(assert(found, "Ben is not named").content)
    assert.equal("two", ben:next().text)
  end))

  it("is encrypted anew when somebody is left out, who cannot read it then", support.async(function()
    local rig <close> = start()
    local ana, ben, cem = rig:contact "Ana", rig:contact "Ben", rig:contact "Cem"
    assert(ana.client:send(STATUS, "for both", { to = { ben.jid, cem.jid } }))
    assert.same({ "for both", "for both" }, { ben:next().text, cem:next().text })
    local passed = tap.on(rig)
    assert(ana.client:send(STATUS, "for Ben", { to = { ben.jid } }))
    assert.equal("for Ben", ben:next().text)
    local shared = tap.child(passed:from_client("message", "participants"), "enc").content
    assert.is_nil((cem.client.account:decrypt_group(STATUS, writer.device(ana), shared)))
  end))

  it("is heard on the account's other devices", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local desk = rig:contact("Ana", { own = true })
    assert(ana.client:send(STATUS, "mine", { to = { ben.jid } }))
    local m = desk:next()
    assert.same({ "mine", "status", true }, { m.text, m.place, m.from_me })
  end))

  it("keeps to the account's own setting", support.async(function()
    local rig <close> = start()
    local ana, ben, cem = rig:contact "Ana", rig:contact "Ben", rig:contact "Cem"
    rig:admin("mock-phone/status-privacy", { jid = ana.jid, setting = "blacklist", people = { cem.jid } })
    local passed = tap.on(rig)
    assert(ana.client:send(STATUS, "not for Cem", { to = { ben.jid, cem.jid } }))
    local node = passed:from_client("message", "meta")
    assert.equal("denylist", tap.child(node, "meta").attrs.status_setting)
    for _, to in stanza.children(tap.child(node, "participants"), "to") do
      assert.not_equal(cem.lid, core.wire.jid.bare(to.attrs.jid))
    end
    rig:admin("mock-phone/status-privacy", { jid = ana.jid, setting = "whitelist", people = { cem.jid } })
    assert(ana.client:send(STATUS, "for Cem"))
    assert.equal("for Cem", cem:next().text)
    local sent, err = ana.client:send(STATUS, "for Ben", { to = { ben.jid } })
    assert.same({ nil, "audience" }, { sent, err.code })
  end))

  it("is for nobody while nobody is named", support.async(function()
    local rig <close> = start()
    local sent, err = rig:contact("Ana").client:send(STATUS, "hello?")
    assert.is_nil(sent)
    assert.equal("audience", err.code)
  end))

  it("names what is wrong with it at the caller's line", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    for wrong, spec in pairs { ["'background' is a colour"] = { text = "x", background = "green" },
      ["'font' is a number"] = { text = "x", font = 12 }, ["it has no 'size'"] = { text = "x", font = 1, size = 3 } } do
      local ok, err = pcall(function()
        local sent = ana.client:send(STATUS, spec, { to = { ana.jid } })
        return sent
      end)
      assert.is_false(ok)
      assert.matches("status_spec.lua:%d+: client:send: .*" .. wrong, err)
    end
  end))

  it("is taken back from those it was shown to", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local sent = assert(ana.client:send(STATUS, "oops", { to = { ben.jid } }))
    ben:next()
    local passed = tap.on(rig)
    local key = { remoteJid = STATUS, fromMe = true, id = sent.id }
    assert(ana.client:send(STATUS, { protocolMessage = { type = "REVOKE", key = key } }))
    local node = passed:from_client("message", "participants")
    local named = {}
    for _, to in stanza.children(tap.child(node, "participants"), "to") do named[core.wire.jid.bare(to.attrs.jid)] = true end
    assert.same({ "7", { [ben.lid] = true, [ana.lid] = true } }, { node.attrs.edit, named })
    assert.is_nil(tap.child(node, "meta"))
    local none, err = ana.client:send(STATUS, { protocolMessage = { type = "REVOKE", key = { remoteJid = STATUS, id = "none" } } })
    assert.same({ nil, "unknown-message" }, { none, err.code })
  end))

  it("is brought again to who could not read it, and to nobody it was not for", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    ben.client:on("error", function() end)
    rig:fault { what = "damage", jid = ben.lid, direction = "to-client", enc = "skmsg" }
    assert(ana.client:send(STATUS, "good morning", { to = { ben.jid } }))
    assert.equal("good morning", ben:next().text)
  end))
end)

describe("what answers a status post", function()
  it("is a reaction, which its author alone gets", support.async(function()
    local rig <close> = start()
    local ana, ben, cem = rig:contact "Ana", rig:contact "Ben", rig:contact "Cem"
    local sent = assert(ana.client:send(STATUS, "good morning", { to = { ben.jid, cem.jid } }))
    cem:next()
    local passed = tap.on(rig)
    assert(ben.client:react(ben:next(), "👍"))
    local node = passed:from_client("message", "participants")
    assert.same({ STATUS, "reaction" }, { node.attrs.to, node.attrs.type })
    assert.is_nil(tap.child(node, "tctoken") or tap.child(node, "meta"))
    local m = ana:next()
    assert.same({ "reaction", "👍", "status", ben.lid, sent.id }, { m.kind, m.reaction.emoji, m.place, m.sender, m.target.id })
    assert.equal(0, #cem.heard)
  end))

  it("is an answer in the chat with its author, which quotes it", support.async(function()
    local rig <close> = start()
    local ana, bot = rig:contact "Ana", rig:bot { name = "Echo" }
    bot:on("message", { place = "status" }, function(ctx) ctx:reply("nice: " .. ctx.text) end)
    local me = rig:run(bot)
    local sent = assert(ana.client:send(STATUS, "good morning", { to = { me.jid } }))
    local m = ana:next()
    assert.same({ "nice: good morning", "direct", me.lid, sent.id, STATUS }, { m.text, m.place, m.chat, m.quoted.id, m.quoted.chat })
  end))

  it("is a bot's own word to take it back", support.async(function()
    local rig <close> = start()
    local ana, bot = rig:contact "Ana", rig:bot { name = "Echo" }
    rig:run(bot)
    local made = bot:status { text = "oops", to = { ana.jid } }
    assert.equal("oops", ana:next().text)
    made:delete()
    local m = ana:next()
    assert.same({ "revoke", "status", made.id }, { m.kind, m.place, m.target.id })
  end))

  it("is a bot's own post, where it makes one", support.async(function()
    local rig <close> = start()
    local ana, bot = rig:contact "Ana", rig:bot { name = "Echo" }
    bot:command("post", function(ctx, args) bot:status { text = args.text, background = "#202020", to = { ctx.sender } } end)
    local me = rig:run(bot)
    local m = ana:ask(me.jid, "!post hello world")
    assert.same({ "hello world", "status", me.lid }, { m.text, m.place, m.sender })
  end))
end)
