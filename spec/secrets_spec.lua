-- What is encrypted under a message's secret: vectors of fact sheet 05 §20.5.
local core = require "moonpost.core"
local messages = require "moonpost.client.messages"
local secrets = require "moonpost.client.secrets"
local start = require("spec.rig").start
local stanza = require "moonpost.stanza"
local support = require "spec.support"
local tap = require "spec.tap"

local crypto = core.crypto

local function hex(text) return assert(crypto.unhex((text:gsub("%s", "")))) end

local SECRET = hex "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
local IV = hex "000102030405060708090a0b"
local AUTHOR, ACTOR = "111111111111111@lid", "222222222222222@lid"
local OF = { secret = SECRET, id = "3EB0ABCDEF0123456789", author = AUTHOR, actor = ACTOR }

local VOTE = hex "0a2085a39ab345d672ff8ca9b9c6876f3adcacf45ee7c1e2dbd2408fd338bd55e07e"
local SEALED_VOTE = "1a5f37b88e88909850dbf2d8711ad3799741f679b6716469585068d847208882dc1c7a4dc124de8eb8a462fae96da052c90a"

local function changed(of)
  local copy = {}
  for name, value in pairs(OF) do copy[name] = of[name] or value end
  return copy
end

describe("a message's secret", function()
  it("encrypts a vote as the sheet does", function()
    assert.equal(SEALED_VOTE, crypto.hex((secrets.seal("vote", OF, VOTE, IV))))
  end)

  it("encrypts a withdrawn vote as the sheet does", function()
    assert.equal("70690239d93e1a12763666e62202af5e", crypto.hex((secrets.seal("vote", OF, "", IV))))
  end)

  it("encrypts a reaction as the sheet does", function()
    assert.equal("f5c20b76d360af767a2a069a9925b7cd1d1f4cad2881fda0",
      crypto.hex((secrets.seal("reaction", OF, hex "1204f09f94a52001", IV))))
  end)

  it("derives the key of each purpose the sheet gives", function()
    local keys = {
      comment = "b4f6d76a718c0400b6667a7b14831579db63ffb1d1ab216d7e380dd184ef979b",
      response = "0a8ffafc9d3836ff938a842251927eb02b9a84d18dae609c3e8f3240bef85d40",
      event_edit = "190c1b57657484e193e627bf86aa6a9e1fbb0f19deb0a766b1afade995c93249",
      message_edit = "ea98cc18f4f3561a12453ea74a2aedf24f59ad98503becd02dd1cb39d551852a",
      poll_edit = "8e363d16ec8fa70570b92baa25ef43c3939209df65e7104faa5e0b75823fc668",
      poll_option = "fd1f1b286afadfd3af5ae50a9d96864484d16c0f339640d3fd78a65357b62ed8",
    }
    local labels = { comment = "Enc Comment", response = "Event Response", event_edit = "Event Edit", message_edit = "Message Edit",
      poll_edit = "Poll Edit", poll_option = "Poll Add Option" }
    for purpose, key in pairs(keys) do
      assert.equal(key, crypto.hex(crypto.hkdf(SECRET, 32, OF.id .. AUTHOR .. ACTOR .. labels[purpose])))
      local aad = purpose == "response" and OF.id .. "\0" .. ACTOR or ""
      assert.equal("Yes", crypto.secret_open(SECRET, OF.id .. AUTHOR .. ACTOR .. labels[purpose], IV, aad,
        (secrets.seal(purpose, OF, "Yes", IV))))
    end
  end)

  it("opens what was encrypted under it", function()
    assert.equal(VOTE, secrets.open("vote", OF, hex(SEALED_VOTE), IV))
  end)

  it("opens nothing under another message, author, actor, purpose or secret", function()
    local wrong = {
      { id = "3EB0ABCDEF0123456780" }, { author = "111111111111112@lid" }, { actor = "222222222222223@lid" },
      { secret = ("\1"):rep(32) },
    }
    for _, one in ipairs(wrong) do
      local plaintext, err = secrets.open("vote", changed(one), hex(SEALED_VOTE), IV)
      assert.is_nil(plaintext)
      assert.equal("crypto", err.code)
    end
    assert.is_nil((secrets.open("response", OF, hex(SEALED_VOTE), IV)))
  end)

  it("opens nothing that was cut or changed, and says so of an iv of another size", function()
    local sealed = hex(SEALED_VOTE)
    assert.equal("crypto", select(2, secrets.open("vote", OF, sealed:sub(1, -2), IV)).code)
    assert.equal("crypto", select(2, secrets.open("vote", OF, "", IV)).code)
    assert.equal("crypto", select(2, secrets.open("vote", OF, "x" .. sealed:sub(2), IV)).code)
    assert.equal("malformed", select(2, secrets.open("vote", OF, sealed, IV .. "x")).code)
    assert.equal("malformed", select(2, secrets.open("vote", OF, sealed, nil)).code)
  end)

  it("takes a new iv each time", function()
    local _, one = secrets.seal("vote", OF, VOTE)
    local _, other = secrets.seal("vote", OF, VOTE)
    assert.equal(12, #one)
    assert.are_not.equal(one, other)
  end)
end)

describe("the names in a key", function()
  -- Who is whom: two people known by both names, one by the number alone.
  local lids = { ["111111111111111@lid"] = "15551110001@s.whatsapp.net", ["222222222222222@lid"] = "15552220002@s.whatsapp.net" }
  local pns = {}
  for lid, pn in pairs(lids) do pns[pn] = lid end
  local client = {
    me = { jid = "15550000000@s.whatsapp.net", lid = "999@lid" },
    lids = { stable = function(_, any) return pns[any] or any end, pn_of = function(_, lid) return lids[lid] end },
  }
  local of_client = secrets(client)

  for _, author in ipairs { "111111111111111@lid", "15551110001@s.whatsapp.net" } do
    for _, actor in ipairs { "222222222222222@lid", "15552220002@s.whatsapp.net" } do
      it(("may be %s with %s, however it is read"):format(author, actor), function()
        local sealed, iv = secrets.seal("vote", changed { author = author, actor = actor }, VOTE)
        assert.equal(VOTE, of_client:open("vote", SECRET, OF.id, "111111111111111@lid", "222222222222222@lid", sealed, iv))
        assert.equal(VOTE, of_client:open("vote", SECRET, OF.id, "15551110001@s.whatsapp.net", "222222222222222@lid", sealed, iv))
      end)
    end
  end

  it("are tried as they stand where no other is known", function()
    local sealed, iv = secrets.seal("vote", changed { author = "15553330003@s.whatsapp.net", actor = "15554440004@s.whatsapp.net" }, VOTE)
    assert.equal(VOTE, of_client:open("vote", SECRET, OF.id, "15553330003@s.whatsapp.net", "15554440004@s.whatsapp.net", sealed, iv))
  end)

  it("are nobody else's", function()
    local sealed, iv = secrets.seal("vote", changed { actor = "333333333333333@lid" }, VOTE)
    local plaintext, err = of_client:open("vote", SECRET, OF.id, AUTHOR, ACTOR, sealed, iv)
    assert.is_nil(plaintext)
    assert.equal("crypto", err.code)
  end)

  it("have one's own in the namespace of the author's", function()
    assert.equal("999@lid", of_client:own_name(AUTHOR))
    assert.equal("15550000000@s.whatsapp.net", of_client:own_name "15551110001@s.whatsapp.net")
  end)

  it("make the key of an assistant's answer", function()
    local answer = core.proto.encode("MessageSecretMessage", {
      version = 1, encIv = IV, encPayload = hex "bf1b1bdf61d71c9d49896a0905f3c3e5b844b854",
    })
    assert.equal("\10\2hi", of_client:open_answer(SECRET, "ABCDEF1234567890", "11122233344@s.whatsapp.net",
      "867051314767696@bot", answer))
  end)
end)

-- Ana writes, Ben hears it: who they are, the message as Ben heard it, and as Ana names it.
local function written(rig, text)
  local ana, ben = rig:contact "Ana", rig:contact "Ben"
  ana.errors = tap.event(ana.client, "error")
  local sent = assert(ana.client:send(ben.jid, text or "hello"))
  local m = ben:next()
  return ana, ben, m, { chat = ben.lid, id = sent.id, sender = ana.lid, from_me = true }
end

describe("an encrypted reaction", function()
  it("is heard as a reaction, and as one taken back", support.async(function()
    local rig <close> = start()
    local ana, ben, m = written(rig)
    local sent = rig:record("to-server", function(node) return node.tag == "message" end)
    for _, emoji in ipairs { "🔥", "" } do
      assert(ben.client.answering:react(m, emoji))
      local heard = ana:next()
      assert.same({ "reaction", { emoji = emoji }, m.id, ben.lid }, { heard.kind, heard.reaction, heard.target.id, heard.sender })
      assert.equal("encReactionMessage", messages.content(assert(core.proto.decode("Message", heard.raw))))
    end
    assert.equal("reaction", sent[1].attrs.type)
    assert.is_nil(sent[1].attrs.edit)
  end))

  it("that does not fit its message is told and not heard", support.async(function()
    local rig <close> = start()
    local ana, ben, m = written(rig)
    assert(ben.client:send(ana.jid, { encReactionMessage = {
      targetMessageKey = { remoteJid = ana.lid, fromMe = false, id = m.id }, encPayload = ("x"):rep(30), encIv = ("i"):rep(12),
    } }))
    assert(ben.client:send(ana.jid, "after"))
    assert.equal("after", ana:next().text)
    assert.equal("crypto", assert(ana.errors:pop(30)).code)
  end))
end)

describe("a comment", function()
  it("is heard with what it says and what it is on", support.async(function()
    local rig <close> = start()
    local ana, ben, m = written(rig)
    local sent = rig:record("to-server", function(node) return node.tag == "message" end)
    assert(ben.client:comment(m, "well said"))
    local heard = ana:next()
    assert.same({ "comment", "well said", m.id, ana.lid }, { heard.kind, heard.text, heard.target.id, heard.target.sender })
    local meta = tap.child(sent[1], "meta").attrs
    assert.same({ m.id, ana.lid }, { meta.thread_msg_id, meta.thread_msg_sender_jid })
  end))
end)

describe("an encrypted edit", function()
  -- What `from` says `m` says now.
  local function edit(from, to, m, author, actor, text)
    local plaintext = assert(core.proto.encode("Message", { protocolMessage = {
      type = "MESSAGE_EDIT", editedMessage = { conversation = text }, timestampMs = math.floor(core.net.time() * 1000),
    } }))
    local payload, iv = secrets.seal("message_edit", {
      secret = m.message.messageContextInfo.messageSecret, id = m.id, author = author, actor = actor,
    }, plaintext)
    return from.client:send(to.jid, { secretEncryptedMessage = {
      targetMessageKey = { remoteJid = to.lid, fromMe = true, id = m.id }, encPayload = payload, encIv = iv, secretEncType = "MESSAGE_EDIT",
    } })
  end

  it("is heard, and does, what a plain one does", support.async(function()
    local rig <close> = start()
    local ana, ben, m = written(rig)
    assert(edit(ana, ben, m, ana.lid, ana.lid, "hello again"))
    local heard = ben:next()
    assert.same({ "edit", "hello again", m.id }, { heard.kind, heard.text, heard.target.id })
    assert.equal("hello again", ben.client:message(m.chat, m.id, m.sender).text)
  end))

  it("of somebody else's message does nothing", support.async(function()
    local rig <close> = start()
    local ana, ben, m, own = written(rig)
    assert(edit(ben, ana, m, ana.lid, ben.lid, "I was wrong"))
    assert.equal("no-message", assert(ana.errors:pop(30)).code) -- Ben has no message of that id
    assert.equal("hello", ana.client:message(own.chat, own.id, own.sender).text)
  end))
end)

describe("an assistant's answer", function()
  local BOT = "867051314767696@bot"

  -- Ana's question, and a function that hands her an answer as the server would: fn(id, message, of = attributes of <bot>, secret)
  local function asked(rig)
    local ana, ben, m = written(rig, "what is the time?")
    local secret = m.message.messageContextInfo.messageSecret
    local function answer(id, message, of, other)
      of = of or {}
      local sealed, iv = secrets.seal("bot", {
        secret = crypto.hkdf(other or secret, 32, "Bot Message"), id = of.edit_target_id or id, author = ana.lid, actor = BOT,
      }, assert(core.proto.encode("Message", message)))
      local bytes = assert(core.proto.encode("MessageSecretMessage", { version = 1, encIv = iv, encPayload = sealed }))
      tap.hand(rig, ana, stanza.node("message", { from = BOT, id = id, t = "1769296600", type = "text" }, {
        stanza.node("enc", { v = "2", type = "msmsg" }, bytes),
        stanza.node("meta", { target_id = m.id, target_sender_jid = ana.lid, target_chat_jid = ben.lid }), stanza.node("bot", of),
      }))
    end
    return ana, answer
  end

  it("is read under the secret of the question", support.async(function()
    local rig <close> = start()
    local ana, answer = asked(rig)
    answer("AB12", { conversation = "noon" })
    local heard = ana:next()
    assert.same({ "text", "noon", BOT, BOT }, { heard.kind, heard.text, heard.sender, heard.chat })
  end))

  it("that goes on takes the place of what it said first", support.async(function()
    local rig <close> = start()
    local ana, answer = asked(rig)
    answer("AB12", { conversation = "it is" }, { edit = "first" })
    assert.equal("it is", ana:next().text)
    answer("AB13", { conversation = "it is noon" }, { edit = "last", edit_target_id = "AB12" })
    local heard = ana:next()
    assert.same({ "edit", "it is noon", "AB12" }, { heard.kind, heard.text, heard.target and heard.target.id })
    assert.equal("it is noon", ana.client:message(BOT, "AB12").text)
  end))

  it("to a question nobody asked is refused", support.async(function()
    local rig <close> = start()
    local ana, answer = asked(rig)
    local refused = rig:record("to-server", function(node) return node.tag == "ack" and node.attrs.error ~= nil end)
    answer("AB12", { conversation = "noon" }, nil, ("\1"):rep(32))
    assert.equal("no-secret", assert(ana.errors:pop(30)).code)
    local unread = ana:next()
    assert.same({ "undecryptable", "no-secret" }, { unread.kind, unread.reason })
    answer("AB13", { conversation = "noon" })
    assert.equal("noon", ana:next().text)
    assert.same({ "AB12", "495" }, { refused[1].attrs.id, refused[1].attrs.error })
  end))
end)

describe("in a community's announcement group", function()
  it("members write nothing of their own, but react, comment and vote in secret", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local community = assert(ana.client.groups:create_community { subject = "Village" })
    assert(ana.client.groups:create { subject = "Tea", members = { ben.jid }, community = community.jid })
    local hall
    for _, one in ipairs(assert(ana.client.groups:sub_groups(community.jid))) do hall = one.announcements and one.jid or hall end
    assert(ana.client.groups:get(hall))
    assert(ana.client:send(hall, "tea is ready"))
    local news = ben:next()
    assert.same({ "tea is ready", hall }, { news.text, news.chat })
    local sent, err = ben.client:send(hall, "I want to say something")
    assert.same({ "nil", 403 }, { tostring(sent), err.status })
    assert(ben.client:react(news, "👍"))
    local reaction = ana:next()
    assert.same({ "reaction", "👍" }, { reaction.kind, reaction.reaction.emoji })
    assert.equal("encReactionMessage", messages.content(assert(core.proto.decode("Message", reaction.raw))))
    assert(ben.client:comment(news, "at last"))
    assert.same({ "comment", "at last" }, { (function(m) return m.kind, m.text end)(ana:next()) })
    local poll = assert(ana.client:send(hall, { poll = "Milk?", choices = { "Yes", "No" } }))
    local asked = ben:next()
    assert.truthy(asked.message.pollCreationMessageV2)
    assert(ben.client:vote(asked, "Yes"))
    assert.same({ "Yes" }, ana:next().vote.choices)
    assert.equal(1, ana.client:votes({ chat = hall, id = poll.id, sender = ana.lid })[1].count)
  end))
end)
