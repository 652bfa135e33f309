-- Newsletters: making, following, posting, changing, reacting, counting (fact sheets 03 §12, 07 §8, §9, 08 §18), through real sockets.
local core = require "moonpost.core"
local stanza = require "moonpost.stanza"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"
local task = require "moonpost.task"

-- Ana's newsletter, which Ben follows.
local function channel(rig, options)
  local ana, ben = rig:contact "Ana", rig:contact("Ben", options)
  local news = assert(ana.client.newsletters:create { name = "Garden news", description = "what grows" })
  assert(ben.client.newsletters:follow(news.jid))
  return news.jid, ana, ben
end

describe("a newsletter", function()
  it("is made, and found by its JID and by its invite", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local news = assert(ana.client.newsletters:create { name = "Garden news", description = "what grows" })
    assert.same({ "Garden news", "what grows", "owner", 1, false, false },
      { news.name, news.description, news.role, news.subscribers, news.verified, news.muted })
    for _, key in ipairs { news.jid, news.invite, "https://whatsapp.com/channel/" .. news.invite } do
      local found = assert(ben.client.newsletters:get(key))
      assert.same({ news.jid, "Garden news", "guest" }, { found.jid, found.name, found.role })
    end
    local none, err = ben.client.newsletters:get "120363999999999999@newsletter"
    assert.is_nil(none)
    assert.equal("not-found", err.code)
  end))

  it("is among those one follows, until one does not any more", support.async(function()
    local rig <close> = start()
    local news, _, ben = channel(rig)
    local list = assert(ben.client.newsletters:list())
    assert.same({ 1, news, "subscriber", 2 }, { #list, list[1].jid, list[1].role, list[1].subscribers })
    assert(ben.client.newsletters:unfollow(news))
    assert.same({}, ben.client.newsletters:list())
  end))

  it("is changed by its admins alone", support.async(function()
    local rig <close> = start()
    local news, ana, ben = channel(rig)
    assert.equal("Kitchen news", assert(ana.client.newsletters:update(news, { name = "Kitchen news" })).name)
    local _, err = ben.client.newsletters:update(news, { name = "Ben's" })
    assert.same({ "mex", 403 }, { err.code, err.status })
  end))

  it("outlives the sandbox's process, with its posts", support.async(function()
    local world, store = support.tmpdir(), support.tmpdir() .. "/ana"
    local news
    do
      local rig <close> = start { world = world }
      local ana = rig:contact("Ana", { store = store })
      news = assert(ana.client.newsletters:create { name = "Garden news" }).jid
      assert(ana.client:send(news, "one"))
    end
    local rig <close> = start { world = world }
    local ana = rig:contact("Ana", { store = store })
    assert.equal("one", assert(ana.client.newsletters:messages(news))[1].text)
  end))
end)

describe("a post", function()
  it("is heard by those who follow, with its number, as one of place 'newsletter'", support.async(function()
    local rig <close> = start()
    local news, ana, ben = channel(rig)
    local sent = assert(ana.client:send(news, "ripe tomatoes"))
    assert.equal(100, sent.server_id)
    local m = ben:next()
    assert.same({ sent.id, news, news, "newsletter", "text", "ripe tomatoes", 100, false },
      { m.id, m.chat, m.sender, m.place, m.kind, m.text, m.newsletter.server_id, m.from_me })
  end))

  it("goes in plaintext and is confirmed by an ack", support.async(function()
    local rig <close> = start()
    local news, ana = channel(rig)
    local passed = tap.on(rig)
    local sent = assert(ana.client:send(news, "ripe tomatoes"))
    local node = passed:from_client("message", "plaintext")
    assert.same({ "text", news }, { node.attrs.type, node.attrs.to })
    assert.equal("ripe tomatoes", core.proto.decode("Message", tap.child(node, "plaintext").content).conversation)
    passed:next(function(direction, ack)
      return direction == "to-server" and ack.tag == "ack" and ack.attrs.class == "message" and ack.attrs.id == sent.id
    end)
  end))

  it("is taken of admins alone", support.async(function()
    local rig <close> = start()
    local news, _, ben = channel(rig)
    local sent, err = ben.client:send(news, "me too")
    assert.is_nil(sent)
    assert.same({ "forbidden", 403 }, { err.code, err.status })
  end))

  it("of the own account is heard on its other devices, once", support.async(function()
    local rig <close> = start()
    local ana = rig:contact("Ana", { own = true })
    local desk = rig:contact("Ana", { own = true })
    local news = assert(ana.client.newsletters:create { name = "Garden news" }).jid
    assert(ana.client:send(news, "one"))
    assert(ana.client:send(news, "two"))
    for _, text in ipairs { "one", "two" } do
      local m = desk:next()
      assert.same({ text, true }, { m.text, m.from_me })
    end
    assert.equal(0, #ana.heard)
  end))

  it("that was missed is read later, in order, within bounds", support.async(function()
    local rig <close> = start()
    local news, ana = channel(rig)
    for i = 1, 4 do assert(ana.client:send(news, "post " .. i)) end
    local cem = rig:contact "Cem"
    local function texts(options)
      local list = {}
      for i, m in ipairs(assert(cem.client.newsletters:messages(news, options))) do list[i] = m.text end
      return list
    end
    assert.same({ "post 1", "post 2", "post 3", "post 4" }, texts())
    assert.same({ "post 2", "post 3" }, texts { before = 103, count = 2 })
    assert.same({ "post 3" }, texts { after = 101, count = 1 })
  end))

  it("without a number there can be is refused and told", support.async(function()
    local rig <close> = start()
    local news, _, ben = channel(rig)
    local errors, passed = tap.event(ben.client, "error"), tap.on(rig)
    tap.hand(rig, ben, stanza.node("message", { from = news, id = "AAAA", t = "1769296600", type = "text", server_id = "98" },
      stanza.node("plaintext", nil, core.proto.encode("Message", { conversation = "x" }))))
    assert.matches("no number", tostring(errors:pop(30)))
    local ack = passed:from_client "ack"
    assert.same({ "AAAA", "406" }, { ack.attrs.id, ack.attrs.error })
    assert.equal(0, #ben.heard)
  end))

  it("that is no Message is refused, and the next one is heard", support.async(function()
    local rig <close> = start()
    local news, ana, ben = channel(rig)
    local errors = tap.event(ben.client, "error")
    tap.hand(rig, ben, stanza.node("message", { from = news, id = "AAAA", t = "1769296600", type = "text", server_id = "150" },
      stanza.node("plaintext", nil, "\255\255\255")))
    assert(errors:pop(30))
    assert(ana.client:send(news, "next"))
    assert.equal("next", ben:next().text)
  end))

  it("counted in numbers there cannot be is told without them", support.async(function()
    local rig <close> = start()
    local news, ana, ben = channel(rig)
    local told = tap.event(ben.client, "newsletter")
    local counted = { stanza.node("views_count", { count = "-5" }), stanza.node("forwards_count", { count = "many" }),
      stanza.node("reactions", nil, { stanza.node("reaction", { code = "👍", count = "x" }), stanza.node "reaction" }) }
    for i, from in ipairs { ana.jid, news } do
      tap.hand(rig, ben, stanza.node("notification", { type = "newsletter", from = from, id = "17-" .. i, t = "1769296600" },
        stanza.node("live_updates", nil, stanza.node("messages", nil, { stanza.node("message", { server_id = "7" }, counted),
          stanza.node("message", { server_id = "150" }, counted) }))))
    end
    assert.same({ chat = news, server_id = 150, reactions = { ["👍"] = 0 } }, told:pop(30))
    assert.equal(0, #told)
    assert(ana.client:send(news, "next"))
    assert.equal("next", ben:next().text)
  end))

  it("that comes as a status of the channel is heard as one of place 'status'", support.async(function()
    local rig <close> = start()
    local news, _, ben = channel(rig)
    local passed = tap.on(rig)
    tap.hand(rig, ben, stanza.node("status", { from = news, id = "AAAA", t = "1769296600", type = "text", server_id = "150" },
      stanza.node("plaintext", nil, core.proto.encode("Message", { conversation = "for a day" }))))
    local m = ben:next()
    assert.same({ "status", "for a day", news }, { m.place, m.text, m.chat })
    assert.equal("status", passed:from_client("ack").attrs.class)
  end))
end)

describe("what becomes of a post", function()
  local function edit_of(news, id, text)
    return { protocolMessage = { type = "MESSAGE_EDIT", key = { remoteJid = news, fromMe = true, id = id },
      editedMessage = { conversation = text } } }
  end

  local function revoke_of(news, id)
    return { protocolMessage = { type = "REVOKE", key = { remoteJid = news, fromMe = true, id = id } } }
  end

  it("is an edit under its own id, told with when that was", support.async(function()
    local rig <close> = start()
    local news, ana, ben = channel(rig)
    local sent, passed = assert(ana.client:send(news, "one")), tap.on(rig)
    assert(ana.client:send(news, edit_of(news, sent.id, "two")))
    local node = passed:to_client("message", "plaintext")
    assert.same({ sent.id, "3", "100" }, { node.attrs.id, node.attrs.edit, tostring(node.attrs.server_id) })
    assert.equal("one", ben:next().text)
    local m = ben:next()
    assert.same({ "edit", "two", sent.id }, { m.kind, m.text, m.target.id })
    local now = assert(ben.client.newsletters:messages(news))[1]
    assert.equal("two", now.text)
    assert.is_true(math.abs(now.edited - core.net.time()) < 60)
  end))

  it("is a revoke under its own id; nothing of it is left", support.async(function()
    local rig <close> = start()
    local news, ana, ben = channel(rig)
    local sent, passed = assert(ana.client:send(news, "one")), tap.on(rig)
    assert(ana.client:send(news, revoke_of(news, sent.id)))
    local node = passed:to_client("message", "plaintext")
    assert.same({ sent.id, "8", "" }, { node.attrs.id, node.attrs.edit, tap.child(node, "plaintext").content or "" })
    assert.equal("one", ben:next().text)
    local m = ben:next()
    assert.same({ "revoke", sent.id }, { m.kind, m.target.id })
    local now = assert(ben.client.newsletters:messages(news))[1]
    assert.same({ "revoke", sent.id }, { now.kind, now.id })
    assert.is_nil(now.text)
  end))

  it("is reactions: counted once for each account, taken back, and told live", support.async(function()
    local rig <close> = start()
    local news, ana, ben = channel(rig)
    assert(ana.client:send(news, "one"))
    local m = ben:next()
    local told = tap.event(ana.client, "newsletter")
    assert(ana.client.newsletters:watch(news))
    assert(ben.client:react(m, "👍"))
    assert.same({ news, 100, { ["👍"] = 1 } }, (function(t) return { t.chat, t.server_id, t.reactions } end)(told:pop(30)))
    assert(ben.client:react(m, "🍅"))
    assert.same({ ["🍅"] = 1 }, told:pop(30).reactions)
    assert(ben.client:react(m, ""))
    assert.same({}, told:pop(30).reactions)
    assert.equal(0, #told)
  end))

  it("is views, which are told and read", support.async(function()
    local rig <close> = start()
    local news, ana, ben = channel(rig)
    assert(ana.client:send(news, "one"))
    local told = tap.event(ana.client, "newsletter")
    assert(ana.client.newsletters:watch(news))
    assert(ben.client.newsletters:viewed(news, ben:next().newsletter.server_id))
    assert.equal(1, told:pop(30).views)
    assert.equal(1, assert(ana.client.newsletters:updates(news, { count = 10 }))[1].newsletter.views)
  end))

  it("is no reaction to a post that nobody here knows", support.async(function()
    local rig <close> = start()
    local news, _, ben = channel(rig)
    local sent, err = ben.client:send(news, { reactionMessage = { key = { remoteJid = news, fromMe = false, id = "none" }, text = "👍" } })
    assert.is_nil(sent)
    assert.equal("unknown-message", err.code)
  end))

  it("is told live even after a connection that was lost", support.async(function()
    local rig <close> = start()
    local news, ana, ben = channel(rig)
    assert(ana.client:send(news, "one"))
    ana.client.connection.pace = { stable = 30, first_pause = 0.01, longest_pause = 0.05 }
    local told, online, passed = tap.event(ana.client, "newsletter"), tap.event(ana.client, "online"), tap.on(rig)
    assert(ana.client.newsletters:watch(news))
    tap.device(rig, ana.client).live = nil
    rig:fault { what = "drop", jid = ana.jid, at = "now" }
    assert(online:pop(30))
    passed:next(function(direction, node) return direction == "to-client" and tap.child(node, "live_updates") ~= nil end)
    passed:next(function(direction, node) return direction == "to-client" and tap.child(node, "live_updates") ~= nil end)
    assert(ben.client:react(ben:next(), "👍"))
    assert.same({ ["👍"] = 1 }, told:pop(30).reactions)
  end))

  it("is told live again although the server could not do that at first", support.async(function()
    local rig <close> = start()
    local news, ana, ben = channel(rig)
    assert(ana.client:send(news, "one"))
    ana.client.connection.pace = { stable = 30, first_pause = 0.01, longest_pause = 0.05 }
    local told = tap.event(ana.client, "newsletter")
    assert(ana.client.newsletters:watch(news))
    ana.client.newsletters.watched[news].again.first = 0.01
    local passed = tap.on(rig)
    rig:fault { what = "error", code = 503, direction = "to-server", xmlns = "newsletter", child = "live_updates" }
    tap.device(rig, ana.client).live = nil
    rig:fault { what = "drop", jid = ana.jid, at = "now" }
    passed:next(function(direction, node) return direction == "to-client" and tap.child(node, "live_updates") ~= nil end)
    assert(ben.client:react(ben:next(), "👍"))
    assert.same({ ["👍"] = 1 }, told:pop(30).reactions)
  end))
end)

describe("a bot", function()
  it("makes a newsletter, posts into it, and reads what came of it", support.async(function()
    local rig <close> = start()
    local ana, bot = rig:contact "Ana", rig:bot { name = "Gardener" }
    rig:run(bot)
    local news = bot:create_newsletter { name = "Garden news" }
    assert.same({ "Garden news", "owner" }, { news.name, news.role })
    assert(ana.client.newsletters:follow(news.jid))
    news:send "one"
    assert.equal("one", ana:next().text)
    assert.equal("one", news:messages()[1].text)
    assert.equal("Kitchen news", news:update({ name = "Kitchen news" }).name)
    assert.same({ 1, news.jid, 2 }, { #bot:newsletters(), bot:newsletters()[1].jid, bot:newsletter(news.invite).subscribers })
    local ok, err = pcall(bot.newsletter, bot, "120363999999999999@newsletter")
    assert.same({ false, "not-found" }, { ok, err.code })
  end))

  it("answers no post, and hears posts where its filter names the place", support.async(function()
    local rig <close> = start()
    local ana, bot, heard = rig:contact "Ana", rig:bot { name = "Echo" }, task.queue()
    bot:on("message", function(ctx) ctx:reply(ctx.text) end)
    bot:on("message", { place = "newsletter" }, function(ctx) heard:push(ctx.newsletter.server_id) end)
    rig:run(bot)
    local news = assert(ana.client.newsletters:create { name = "Garden news" }).jid
    assert(bot.client.newsletters:follow(news))
    assert(ana.client:send(news, "one"))
    assert.equal(100, heard:pop(30))
    assert.equal("hello", ana:ask(bot.client.me.jid, "hello").text)
  end))
end)
