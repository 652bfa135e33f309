-- Messages that cannot be read, or that came without content (fact sheet 04 §6, §9.5): asked of the own phone, told to the handlers in
-- the end, and heard after all when a copy comes that can be read.
local core = require "moonpost.core"
local stanza = require "moonpost.stanza"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"
local task = require "moonpost.task"

local proto = core.proto

local device_jid = tap.device_jid

local QUICK = { phone = 0.05, answer = 30 }

-- Ana writes, Ben hears; his client does not wait long before it asks.
local function acquainted(rig, options, pace)
  local ana, ben = rig:contact "Ana", rig:contact("Ben", options)
  tap.meet(ana, ben)
  ana.errors, ben.errors = tap.event(ana.client, "error"), tap.event(ben.client, "error")
  ben.client.missing.pace = pace or QUICK
  return ana, ben
end

local is_to = tap.is_to

-- Damages the messages of people to a contact from now on; the function returned ends it.
local function damage(rig, contact)
  return rig:tap(function(direction, node, conn)
    local enc = node.tag == "message" and stanza.child(node, "enc")
    if direction == "to-client" and enc and not node.attrs.category and is_to(conn, contact) then tap.spoil(enc) end
  end)
end

-- Loses the retry receipts of a contact, so that nobody brings anything again.
local function mute(rig, contact)
  return rig:tap(function(direction, node, conn)
    return not (direction == "to-server" and node.tag == "receipt" and node.attrs.type == "retry" and is_to(conn, contact))
  end)
end

-- The peer messages a contact's client sends: what it asks its phone for.
local function requests(rig, contact)
  local list = task.queue()
  rig:tap(function(direction, node, conn)
    if direction ~= "to-server" or node.tag ~= "message" or not is_to(conn, contact) then return end
    if node.attrs.category == "peer" then list:push(node) end
  end)
  return list
end

local inject = tap.hand

local function delivered(from, id, content, more)
  local attrs = { from = device_jid(from, "lid"), sender_pn = from.jid, id = id, t = math.floor(core.net.time()), type = "text" }
  for name, value in pairs(more or {}) do attrs[name] = value or nil end
  return stanza.node("message", attrs, content)
end

local function unavailable(from, id, attrs) return delivered(from, id, stanza.node("unavailable", attrs)) end

local function phone_of(rig, contact)
  local account = assert(rig.sandbox.accounts:lookup(contact.jid))
  return require("moonpost.sandbox.phone").of(rig.sandbox, account)
end

-- Has a contact's phone know a message it never read, as one that was read long ago.
local function give_to_phone(rig, contact, id, chat, message)
  require("moonpost.sandbox.recent").put(phone_of(rig, contact).kept, id, {
    chat = assert(rig.sandbox.accounts:lookup(chat)), from_me = false, message = message, time = math.floor(core.net.time()), name = "Ana",
  })
end

local function told(m) return { m.kind, m.id, m.reason, m.text == nil } end

describe("what the own phone is asked", function()
  it("is asked once more of a phone that could not read it", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    local asked = requests(rig, ben)
    local stop = mute(rig, ben)
    rig:fault { what = "swallow", jid = ben.jid, direction = "to-server", tag = "message", category = "peer" }
    inject(rig, ben, unavailable(ana, "AAAA"))
    local first = assert(asked:pop(30))
    stop()
    inject(rig, ben, stanza.node("receipt", { id = first.attrs.id, from = ben.lid, type = "retry", t = "1769296600", category = "peer" }, {
      stanza.node("retry", { v = "1", count = "1", id = first.attrs.id, t = "1769296600" }),
      stanza.node("registration", nil, (">I4"):pack(ben.client.account:registration_id(ben.lid))),
    }))
    local again = assert(asked:pop(30))
    local enc = stanza.child(again, "enc")
    assert.same({ first.attrs.id, "peer", "1" }, { again.attrs.id, again.attrs.category, tostring(enc.attrs.count) })
    assert.are_not.equal(stanza.child(first, "enc").content, enc.content)
    assert.equal("undecryptable", ben:next().kind) -- the phone has read it, and has nothing of that id
  end))
end)

describe("a message that nobody brings again", function()
  it("is got from the own phone, heard once, in its sender's name", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    local asked = requests(rig, ben)
    local stop = mute(rig, ben)
    local whole = damage(rig, ben)
    local sent = assert(ana.client:send(ben.jid, "hi"))
    local m = ben:next()
    whole()
    stop()
    assert.same({ "hi", sent.id, ana.lid, "text", "Ana" }, { m.text, m.id, m.chat, m.kind, m.name })
    local request = asked:pop(30)
    assert.same({ "text", ben.lid, "high_force" }, { request.attrs.type, request.attrs.to, request.attrs.push_priority })
    assert.equal("default", stanza.child(request, "meta").attrs.appdata)
    assert(ana.client:send(ben.jid, "next"))
    assert.equal("next", ben:next().text)
    assert.equal(0, #asked)
  end))

  it("is told as undecryptable when the phone has nothing, before what comes later in its chat", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    local stop = mute(rig, ben)
    local whole = damage(rig, ben)
    local sent = assert(ana.client:send(ben.jid, "hi"))
    require("moonpost.sandbox.recent").put(phone_of(rig, ben).kept, sent.id, nil)
    whole()
    local m = ben:next()
    assert.same({ "undecryptable", sent.id, "crypto", true }, told(m))
    assert.same({ ana.lid, ana.lid, "Ana", false }, { m.chat, m.sender, m.name, m.from_me })
    assert(ana.client:send(ben.jid, "next"))
    assert.equal("next", ben:next().text)
    stop()
  end))

  it("is told when the phone does not answer in time", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig, nil, { phone = 0.05, answer = 0.2 })
    mute(rig, ben)
    rig:tap(function(direction, node, conn)
      return not (direction == "to-client" and node.tag == "message" and node.attrs.category == "peer" and is_to(conn, ben))
    end)
    local whole = damage(rig, ben)
    local sent = assert(ana.client:send(ben.jid, "hi"))
    assert.same({ "undecryptable", sent.id, "crypto", true }, told(ben:next()))
    whole()
  end))

  it("is heard after all, once, when it is brought again after it was told", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig, nil, { phone = 0.05, answer = 0.1 })
    local held = {}
    local stop = rig:tap(function(direction, node, conn)
      if direction ~= "to-client" or node.tag ~= "receipt" or node.attrs.type ~= "retry" or not is_to(conn, ana) then return end
      held[#held + 1] = node
      return false
    end)
    rig:tap(function(direction, node, conn)
      return not (direction == "to-client" and node.tag == "message" and node.attrs.category == "peer" and is_to(conn, ben))
    end)
    local whole = damage(rig, ben)
    local sent = assert(ana.client:send(ben.jid, "hi"))
    assert.equal("undecryptable", ben:next().kind)
    whole()
    stop()
    inject(rig, ana, held[1])
    local m = ben:next()
    assert.same({ "hi", sent.id, "text" }, { m.text, m.id, m.kind })
    assert(ana.client:send(ben.jid, "next"))
    assert.equal("next", ben:next().text)
  end))

  it("is waited for on over a restart", support.async(function()
    local rig <close> = start()
    local handle = assert(core.store.open {})
    local ana, ben = acquainted(rig, { store_handle = handle }, { phone = 3600, answer = 3600 })
    mute(rig, ben)
    local whole = damage(rig, ben)
    local sent = assert(ana.client:send(ben.jid, "hi"))
    assert.equal("undecryptable", ben.errors:pop(30).code)
    whole()
    ben.client:close()
    local client = tap.client(rig, { name = "Ben", store_handle = handle })
    client.missing.pace = QUICK
    local heard = tap.event(client, "message")
    assert(client:connect())
    local m = assert(heard:pop(30))
    assert.same({ "hi", sent.id }, { m.text, m.id })
  end))

  it("of another own device is not asked of the phone, and told to who hears the owner", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local ben2 = rig:contact("Ben", { own = true })
    ben2.client.missing.pace = { phone = 0.05, answer = 0.1 }
    ben2.errors = tap.event(ben2.client, "error")
    mute(rig, ben2)
    local asked = requests(rig, ben2)
    local whole = damage(rig, ben2)
    local sent = assert(ben.client:send(ana.jid, "hi"))
    local m = ben2:next()
    assert.same({ "undecryptable", sent.id, "crypto", true }, told(m))
    assert.same({ true, ana.lid }, { m.from_me, m.chat })
    assert.equal(0, #asked)
    whole()
  end))

  it("is told at once, and once, when it was refused", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    for _ = 1, 2 do inject(rig, ben, delivered(ana, "AAAA", stanza.node("enc", { v = "2", type = "msg" }, "\x33"))) end
    assert.same({ "undecryptable", "AAAA", "malformed", true }, told(ben:next()))
    assert(ana.client:send(ben.jid, "next"))
    assert.equal("next", ben:next().text)
  end))

  it("leaves no trace for people when it was a reaction", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig, nil, { phone = 0.01, answer = 0.02 })
    assert(ben.client:send(ana.jid, "see"))
    local m = ana:next()
    mute(rig, ben)
    local whole = damage(rig, ben)
    assert(ana.client:react(m, "👍"))
    assert.equal("undecryptable", ben.errors:pop(30).code)
    whole()
    assert(ana.client:send(ben.jid, "next"))
    assert.equal("next", ben:next().text)
  end))

  it("is asked for within limits: one more that waits is told at once", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig, nil, { phone = 3600, answer = 3600 })
    mute(rig, ben)
    local waiting = ben.client.missing.waiting
    for i = 1, 512 do waiting["x" .. i] = core.net.now() + 3600 end
    local whole = damage(rig, ben)
    local sent = assert(ana.client:send(ben.jid, "hi"))
    assert.same({ "undecryptable", sent.id, "crypto", true }, told(ben:next()))
    whole()
  end))
end)

describe("what cannot be read", function()
  it("comes again when there was no room to tell it, and is told then", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    local capacity = ben.client.journal.capacity
    local most = capacity.most_bytes
    rig:tap(function(direction, node, conn)
      local enc = node.tag == "message" and stanza.child(node, "enc")
      if direction == "to-client" and enc and is_to(conn, ben) then enc.content = "\x33" end
    end)
    capacity.most_bytes = -1
    local sent = assert(ana.client:send(ben.jid, "hi"))
    assert.equal("full", ben.errors:pop(30).code)
    capacity.most_bytes = most
    ben.client.connection:abort(core.error("network", "cut"))
    assert.same({ "undecryptable", sent.id, "malformed", true }, told(ben:next()))
  end))

  it("is told at once when the phone cannot be asked", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    mute(rig, ben)
    ben.client.account:delete_session(ben.lid)
    rig:fault { what = "error", jid = ben.jid, tag = "iq", xmlns = "encrypt", child = "key", code = 503, times = "always" }
    local whole = damage(rig, ben)
    local sent = assert(ana.client:send(ben.jid, "hi"))
    assert.equal("undecryptable", ben.errors:pop(30).code)
    assert.same({ "undecryptable", sent.id, "crypto", true }, told(ben:next()))
    assert.equal(503, ben.errors:pop(30).status)
    whole()
  end))

  it("and is no message for people is not told, in the next run neither", support.async(function()
    local rig <close> = start()
    local _, ben = acquainted(rig, { own = true })
    rig:tap(function(direction, node, conn)
      local enc = node.tag == "message" and node.attrs.category == "peer" and stanza.child(node, "enc")
      if direction == "to-client" and enc and is_to(conn, ben) then tap.spoil(enc) end
    end)
    phone_of(rig, ben):tell(tap.device(rig, ben.client), { protocolMessage = { type = "APP_STATE_SYNC_KEY_SHARE" } })
    assert.equal("undecryptable", ben.errors:pop(30).code)
    assert.equal(1, ben.client.store:count("dedupe", "u"))
    ben.client.missing.resumed = nil -- as in a run that begins
    ben.client.missing:go()
    assert.is_nil(next(ben.client.missing.waiting))
  end))
end)

describe("a message without content", function()
  it("is asked of the phone, acked, and heard when the phone has it", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    local acks = rig:record("to-server", function(node) return node.tag == "ack" and node.attrs.id == "AAAA" end)
    give_to_phone(rig, ben, "AAAA", ana.jid, { conversation = "from the phone" })
    inject(rig, ben, unavailable(ana, "AAAA"))
    local m = ben:next()
    assert.same({ "from the phone", "AAAA", ana.lid }, { m.text, m.id, m.chat })
    assert.same({ 1, nil }, { #acks, acks[1].attrs.error })
    for _ = 1, 2 do inject(rig, ben, unavailable(ana, "AAAA")) end
    assert(ana.client:send(ben.jid, "next"))
    assert.equal("next", ben:next().text)
  end))

  it("beyond so many of one sender in a minute is told, and not asked for; those of others are", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    local cem = rig:contact "Cem"
    tap.meet(cem, ben)
    ben.client.missing.asks = 2
    local asked = requests(rig, ben)
    for i = 1, 5 do inject(rig, ben, unavailable(ana, "AAA" .. i)) end
    local heard = {}
    for _ = 1, 5 do heard[ben:next().id] = true end
    for i = 1, 5 do assert.is_true(heard["AAA" .. i]) end
    assert.equal(2, #asked)
    inject(rig, ben, unavailable(cem, "CCCC"))
    assert.equal("CCCC", ben:next().id)
    assert.equal(3, #asked)
    ben.client.missing.asked:get(ana.lid).since = core.net.now() - 60
    inject(rig, ben, unavailable(ana, "AAA6"))
    assert.equal("AAA6", ben:next().id)
    assert.equal(4, #asked)
  end))

  it("that the phone does not have either is told as undecryptable, once", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    for _ = 1, 2 do inject(rig, ben, unavailable(ana, "AAAA")) end
    assert.same({ "undecryptable", "AAAA", "unavailable", true }, told(ben:next()))
    assert(ana.client:send(ben.jid, "next"))
    assert.equal("next", ben:next().text)
  end))

  it("of a kind the phone gives to nobody, or too old, is told without asking it", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    local asked = requests(rig, ben)
    inject(rig, ben, unavailable(ana, "AAAA", { type = "view_once" }))
    inject(rig, ben, unavailable(ana, "BBBB", { hosted = "true" }))
    inject(rig, ben, delivered(ana, "CCCC", stanza.node "unavailable", { t = "1600000000" }))
    local reasons = {}
    for i = 1, 3 do reasons[i] = ben:next().reason end
    assert.same({ "unavailable: view_once", "unavailable: hosted", "unavailable" }, reasons)
    assert.equal(0, #asked)
  end))

  it("whose answer is not the phone's, or of another message, or unasked for, is not believed", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig, nil, { phone = 0.01, answer = 3600 })
    local sandbox_phone = phone_of(rig, ben)
    local function info(key) return assert(proto.encode("WebMessageInfo", { key = key, message = { conversation = "forged" } })) end
    local function answer(id, key)
      return { protocolMessage = { type = "PEER_DATA_OPERATION_REQUEST_RESPONSE_MESSAGE", peerDataOperationRequestResponseMessage = {
        peerDataOperationRequestType = "PLACEHOLDER_MESSAGE_RESEND", stanzaId = id,
        peerDataOperationResult = { { placeholderMessageResendResponse = { webMessageInfoBytes = info(key) } } },
      } } }
    end
    rig:tap(function(direction, node) -- the phone itself stays silent
      return not (direction == "to-server" and node.attrs.category == "peer")
    end)
    local asked = requests(rig, ben)
    inject(rig, ben, unavailable(ana, "AAAA"))
    local id = assert(asked:pop(30)).attrs.id
    local good = { remoteJid = ana.jid, fromMe = false, id = "AAAA" }
    assert(ana.client:send(ben.jid, answer(id, good)))
    local device = tap.device(rig, ben.client)
    sandbox_phone:tell(device, answer("3EB0UNASKED", good))
    sandbox_phone:tell(device, answer(id, { remoteJid = ana.jid, fromMe = false, id = "BBBB" }))
    assert.same({ "undecryptable", "AAAA", "unavailable", true }, told(ben:next()))
    assert(ana.client:send(ben.jid, "next"))
    assert.equal("next", ben:next().text)
  end))
end)

describe("a bot", function()
  it("hears what cannot be read only where it asks for it", support.async(function()
    local rig <close> = start()
    local bot = rig:bot()
    local heard, answers = task.queue(), 0
    bot:on("message", function(ctx)
      answers = answers + 1
      ctx:reply(ctx.text)
    end)
    bot:on("message", { from_me = false }, function(ctx) ctx:reply(ctx.text:upper()) end)
    bot:on("message", { kind = "undecryptable" }, function(ctx) heard:push { ctx.kind, ctx.id, ctx.reason, ctx.text == nil } end)
    bot:on("error", function(err) heard:push(err) end)
    rig:run(bot)
    local ana = rig:contact "Ana"
    assert.equal("hi", ana:ask(bot.client.me.jid, "hi").text)
    assert.equal("HI", ana:next().text)
    inject(rig, { client = bot.client }, unavailable(ana, "AAAA", { type = "view_once" }))
    assert.same({ "undecryptable", "AAAA", "unavailable: view_once", true }, heard:pop(30))
    assert.equal(1, answers)
  end))

  it("that waits for an answer is not given what cannot be read", support.async(function()
    local rig <close> = start()
    local bot = rig:bot()
    bot:command("tea", function(ctx)
      local answer = ctx:ask "Tea?"
      ctx:reply(answer.text)
    end)
    rig:run(bot)
    local ana = rig:contact "Ana"
    assert.equal("Tea?", ana:ask(bot.client.me.jid, "!tea").text)
    inject(rig, { client = bot.client }, unavailable(ana, "AAAA", { type = "view_once" }))
    assert.equal("yes", ana:ask(bot.client.me.jid, "yes").text)
  end))
end)

describe("the sandbox's phone", function()
  it("asks for what it cannot read, and reads what is brought again", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    local asked = rig:record("to-client", function(node) return node.tag == "receipt" and node.attrs.type == "retry" end)
    local spoiled = false
    local again = task.queue()
    rig:tap(function(direction, node)
      if direction ~= "to-server" or node.tag ~= "message" or node.attrs.category then return end
      local enc = stanza.child(node, "enc")
      if enc and enc.attrs.count and node.attrs.to == ben.lid then again:push(node) end
      for _, to in stanza.children(stanza.child(node, "participants"), "to") do
        if to.attrs.jid == ben.lid and not spoiled then
          spoiled = true
          tap.spoil(stanza.child(to, "enc"))
        end
      end
    end)
    local sent = assert(ana.client:send(ben.jid, "hi"))
    assert.equal("hi", ben:next().text)
    assert.equal(sent.id, assert(again:pop(30)).attrs.id)
    assert.equal(ben.lid, asked[1].attrs.from)
    assert(ana.client:send(ben.jid, "next"))
    assert.equal("next", ben:next().text)
    local phone = phone_of(rig, ben) -- which reads its mail at last
    assert.equal("hi", require("moonpost.sandbox.recent").get(phone.kept, sent.id).message.conversation)
    assert.equal(1, #asked)
  end))

  it("tells a companion again what that could not read", support.async(function()
    local rig <close> = start()
    local _, ben = acquainted(rig)
    local keys = ben.client.store:count("appstate-key", "")
    local spoiled, receipts = 0, task.queue()
    rig:tap(function(direction, node, conn)
      if not is_to(conn, ben) then return end
      local enc = node.tag == "message" and node.attrs.category == "peer" and stanza.child(node, "enc")
      if direction == "to-client" and enc and spoiled < 2 then
        spoiled = spoiled + 1
        tap.spoil(enc)
      end
      if direction == "to-server" and node.tag == "receipt" then receipts:push(node.attrs.type) end
    end)
    phone_of(rig, ben):tell(tap.device(rig, ben.client), { protocolMessage = {
      type = "APP_STATE_SYNC_KEY_SHARE", appStateSyncKeyShare = { keys = { { keyId = { keyId = "told" }, keyData = { keyData = "k" } } } },
    } })
    assert.same({ "retry", "retry", "peer_msg" }, { receipts:pop(30), receipts:pop(30), receipts:pop(30) })
    ben.client:committed()
    assert.equal(keys + 1, ben.client.store:count("appstate-key", ""))
  end))
end)

describe("a message of a number whose LID becomes known while it is missing", function()
  -- Ben does not know Ana's LID, and a message of hers came without content, from her number.
  local function missing_one(rig)
    local ana, ben = acquainted(rig)
    local held, store = task.queue(), ben.client.store
    store:delete("lid", "p" .. core.wire.jid.parse(ana.jid))
    store:delete("lid", "l" .. core.wire.jid.parse(ana.lid))
    ben.client.lids:changed()
    rig:tap(function(direction, node, conn)
      if direction ~= "to-client" or node.tag ~= "message" or node.attrs.category ~= "peer" or not is_to(conn, ben) then return end
      held:push(node)
      return false
    end)
    give_to_phone(rig, ben, "AAAA", ana.jid, { conversation = "from the phone" })
    inject(rig, ben, delivered(ana, "AAAA", stanza.node "unavailable", { from = device_jid(ana), sender_pn = false }))
    local answer = assert(held:pop(30))
    assert.equal(1, store:count("dedupe", "u" .. ana.jid))
    return ana, ben, answer
  end

  it("is heard under the LID when the phone answers", support.async(function()
    local rig <close> = start()
    local ana, ben, answer = missing_one(rig)
    ben.client.lids:learn(ana.jid, ana.lid)
    assert.equal(0, ben.client.store:count("dedupe", "u" .. ana.jid))
    inject(rig, ben, answer)
    local m = ben:next()
    assert.same({ "from the phone", "AAAA", ana.lid, ana.lid }, { m.text, m.id, m.chat, m.sender })
    assert.equal(0, ben.client.store:count("dedupe", "u"))
    assert.is_nil(next(ben.client.missing.waiting))
  end))

  it("is not told when a copy under the LID was read", support.async(function()
    local rig <close> = start()
    local ana, ben = missing_one(rig)
    local enc = ana.client.account:encrypt({ device_jid(ben, "lid") }, assert(proto.encode("Message", { conversation = "hi" })))[1]
    inject(rig, ben, delivered(ana, "AAAA", stanza.node("enc", { v = "2", type = enc.type }, enc.ciphertext)))
    local m = ben:next()
    assert.same({ "hi", "AAAA", ana.lid }, { m.text, m.id, m.chat })
    assert.equal(0, ben.client.store:count("dedupe", "u"))
    ben.client:committed()
    assert.is_nil(next(ben.client.missing.waiting))
  end))
end)
