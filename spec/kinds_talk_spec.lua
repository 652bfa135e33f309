--- Kinds of messages through real sockets: said by one client, heard by another and by a bot (05 §4, §5, §11; 03 §14).
local core = require "moonpost.core"
local start = require("spec.rig").start
local stanza = require "moonpost.stanza"
local support = require "spec.support"
local tap = require "spec.tap"
local task = require "moonpost.task"
local writer = require "spec.group_writer"

local function is_message(node) return node.tag == "message" end

-- Specs, what is heard of them, and how their stanza is labelled: type, mediatype, attributes of <meta>.
local said = {
  { { text = "*bold* _it_ ~no~ `code`\n> quote" }, { kind = "text", text = "*bold* _it_ ~no~ `code`\n> quote" }, "text" },
  { { text = "see https://a.example/x", preview = { title = "A", description = "page" } },
    { kind = "text", preview = { url = "https://a.example/x", title = "A", description = "page" } }, "media", "url" },
  { { text = "all", mentions = "everyone" }, { kind = "text", mentions = { everyone = true, me = true } }, "text" },
  { { location = { 52.5, 13.25, name = "Lab", address = "Street 1" } },
    { kind = "location", location = { lat = 52.5, lon = 13.25, name = "Lab", address = "Street 1" } }, "media", "location" },
  { { live_location = { lat = -1.5, lon = 2, accuracy = 10, speed = 1.5, heading = 90 }, text = "walking" },
    { kind = "live_location", text = "walking", location = { lat = -1.5, lon = 2, accuracy = 10, speed = 1.5, heading = 90 } },
    "media", "livelocation" },
  { { contact = { name = "Ada", phone = "+1 555 123 4567" } }, { kind = "contact" }, "media", "vcard" },
  { { contacts = { { name = "Ada", phone = "+1 555 123 4567" }, { name = "Bob", phone = "030" } } }, { kind = "contacts" }, "media",
    "contact_array" },
  { { invite = { group = "120363000000000001@g.us", code = "code", expires = 1800000000, subject = "Tea" }, text = "come" },
    { kind = "invite", text = "come",
      invite = { group = "120363000000000001@g.us", code = "code", expires = 1800000000, subject = "Tea" } },
    "media", "url" },
  { { product = { id = "7", title = "Cup", owner = "15550000009@s.whatsapp.net", price = 12.5, currency = "EUR" }, text = "look" },
    { kind = "product", text = "look", product = {
      id = "7", title = "Cup", owner = "15550000009@s.whatsapp.net", price = 12.5, currency = "EUR",
    } }, "media", "product" },
  { { phone_request = true }, { kind = "phone_request" }, "text" },
  { { phone_share = true }, { kind = "phone_share" }, "text" },
  { { text = "psst", view_once = true }, -- the service shows it to phones alone
    { kind = "undecryptable", reason = "unavailable: view_once", view_once = true }, "text", nil, { view_once = "true" } },
}

describe("what is said", function()
  it("is heard as it was meant, and labelled as the official client labels it", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local stanzas = rig:record("to-server", is_message)
    for i, row in ipairs(said) do
      assert(ana.client:send(ben.jid, row[1]))
      local m = ben:next()
      for name, value in pairs(row[2]) do assert.same({ i, name, value }, { i, name, m[name] }) end
      local enc, meta = stanza.path(stanzas[i], "participants", "to", "enc"), stanza.child(stanzas[i], "meta")
      assert.same({ i, row[3], row[4], row[5] }, { i, stanzas[i].attrs.type, enc.attrs.mediatype, meta and meta.attrs })
    end
  end))

  it("in any of the kinds that are only heard is told by its own words", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    for _, row in ipairs(require "spec.kinds") do
      assert(ana.client:send(ben.jid, row[2]))
      local m = ben:next()
      assert.same({ row[1], row[3].kind, row[3].text }, { row[1], m.kind, m.text })
    end
  end))

  it("mentions the one who hears it, by either name", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    ben:hears(ana, "hello") -- from now on Ana knows both names
    for _, name in ipairs { ben.jid, ben.lid } do
      assert(ana.client:send(ben.jid, { text = ("hello @%s"):format(ben.jid:match "^%d+"), mentions = { name } }))
      local m = ben:next()
      assert.same({ ben.lid, me = true }, m.mentions)
      assert.equal(("hello @%s"):format(ben.lid:match "^%d+"), m.text)
    end
    assert(ana.client:send(ben.jid, { text = "not you", mentions = { ana.jid } }))
    assert.same({ ana.lid }, ben:next().mentions)
  end))

  it("as a native flow has its stanza tell of it", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local group, stanzas = writer.make(rig, ana, ben), rig:record("to-server", is_message)
    local function flow(name)
      local buttons = { { name = name, buttonParamsJson = "{}" } }
      return { interactiveMessage = { body = { text = "Tea?" }, nativeFlowMessage = { buttons = buttons } } }
    end
    local rows = { { ben.lid, "quick_reply", "1" }, { ben.lid, "review_and_pay", "1", "order_details" }, { group, "quick_reply" } }
    for i, row in ipairs(rows) do
      assert(ana.client:send(row[1], flow(row[2])))
      assert.equal("interactive", ben:next().kind)
      local biz, bot = stanza.child(stanzas[i], "biz"), stanza.child(stanzas[i], "bot")
      local nested = stanza.path(biz, "interactive", "native_flow")
      assert.same({ row[3], row[4] }, { bot and bot.attrs.biz_bot, biz.attrs.native_flow_name })
      assert.equal(not row[4] and "mixed" or nil, nested and nested.attrs.name)
    end
  end))

  it("answers a menu in the menu's way", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    for _, row in ipairs {
      { { buttonsMessage = { contentText = "Tea?", buttons = { { buttonId = "y", buttonText = { displayText = "Yes" } } } } },
        "media", "buttons_response" },
      { { listMessage = { description = "Tea?", sections = { { rows = { { rowId = "y", title = "Yes" } } } } } },
        "media", "list_response" },
      { { templateMessage = { hydratedTemplate = { hydratedContentText = "Tea?", hydratedButtons = {
        { quickReplyButton = { id = "y", displayText = "Yes" } } } } } }, "text" },
      { { interactiveMessage = { body = { text = "Tea?" }, nativeFlowMessage = { buttons = {
        { name = "quick_reply", buttonParamsJson = '{"id":"y","display_text":"Yes"}' } } } } }, "media", "native_flow_response" },
    } do
      local menu = assert(ana.client:send(ben.jid, row[1]))
      local heard, stanzas = ben:next(), rig:record("to-server", is_message)
      assert(ben.client:send(ana.jid, { button = heard.menu.choices[1], quote = heard }))
      local m = ana:next()
      assert.same({ "button", "y", "Yes", menu.id, "Tea?" }, { m.kind, m.button.id, m.text, m.quoted.id, m.quoted.text })
      local enc = stanza.path(stanzas[1], "participants", "to", "enc")
      assert.same({ row[2], row[3] }, { stanzas[1].attrs.type, enc.attrs.mediatype })
    end
  end))
end)

describe("a message nobody here can read", function()
  local content = "\xc2\x3e\x0a\x0a\x06future\x10\x01" -- field 1000 of Message, with fields of its own

  it("is heard with its bytes, and goes on exactly as it came", support.async(function()
    local rig <close> = start()
    local ana, ben, cem = rig:contact "Ana", rig:contact "Ben", rig:contact "Cem"
    assert(ana.client:send(ben.jid, { _unknown = content }))
    local m = ben:next()
    assert.same({ "unknown", content, 32 }, { m.kind, m.message._unknown, #m.message.messageContextInfo.messageSecret })
    assert.equal(m.raw, core.proto.encode("Message", m.message))
    assert(ben.client:forward(m, cem.jid))
    local forwarded = cem:next()
    assert.same({ "unknown", content }, { forwarded.kind, forwarded.message._unknown })
    assert.are_not.equal(m.message.messageContextInfo.messageSecret, forwarded.message.messageContextInfo.messageSecret)
  end))
end)

describe("a message that is forwarded", function()
  it("is heard with its score, and without what it quoted", support.async(function()
    local rig <close> = start()
    local ana, ben, cem = rig:contact "Ana", rig:contact "Ben", rig:contact "Cem"
    assert(ana.client:send(ben.jid, { location = { 1, 2, name = "Lab" }, quote = { id = "AAAA", chat = ben.lid, sender = ben.lid } }))
    local m = ben:next()
    assert.is_nil(m.forwarded)
    assert(ben.client:forward(m, cem.jid))
    local once = cem:next()
    assert.same({ "location", "Lab", 0, nil }, { once.kind, once.location.name, once.forwarded, once.quoted })
    assert(cem.client:forward(once, ana.jid))
    assert.equal(1, ana:next().forwarded)
  end))
end)

describe("in a chat with a disappearing timer", function()
  it("everything that is said bears it, between two people and in a group", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local group = writer.make(rig, ana, ben)
    ben:hears(ana, "before")
    assert(ana.client:set_expiration(ben.lid, 86400))
    assert.equal("expiration", ben:next().kind)
    assert(ana.client:set_expiration(group, 604800))
    for _, row in ipairs { { ben.lid, 86400 }, { group, 604800 } } do
      for _, spec in ipairs { "text", { location = { 1, 2 } }, { contact = { name = "Ada" } }, { poll = "?", choices = { "A", "B" } } } do
        assert(ana.client:send(row[1], spec))
        local m = ben:next()
        assert.same({ row[1], row[2] }, { m.chat == ana.lid and ben.lid or m.chat, m.expires })
      end
    end
    assert(ana.client:send(ben.lid, { extendedTextMessage = { text = "mine", contextInfo = { expiration = 7776000 } } }))
    assert.equal(7776000, ben:next().expires)
  end))
end)

describe("a message in wrappers", function()
  local function wrapped(times)
    local message = { conversation = "deep" }
    for i = 1, times do message = { [i % 2 == 0 and "ephemeralMessage" or "botInvokeMessage"] = { message = message } } end
    return message
  end

  it("is heard through eight of them; through more it is refused with its reason, and the next one is heard", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local errors = tap.event(ben.client, "error")
    assert(ana.client:send(ben.jid, wrapped(8)))
    assert.equal("deep", ben:next().text)
    local sent = assert(ana.client:send(ben.jid, wrapped(9)))
    local err = errors:pop(30)
    assert.equal("limit", err.code)
    assert.matches(sent.id .. ".*: it is wrapped more than 8 times$", err.message)
    local m = ben:next()
    assert.same({ "undecryptable", "limit", sent.id }, { m.kind, m.reason, m.id })
    assert(ana.client:send(ben.jid, "next"))
    assert.equal("next", ben:next().text)
  end))
end)

describe("a bot", function()
  it("is told every field, and answers with any kind", support.async(function()
    local rig <close> = start()
    local bot, seen = rig:bot(), task.queue()
    bot:command("where", function(ctx)
      ctx:reply { location = { 1, 2, name = "Here" } }
      ctx:send { contact = { name = ctx.name, phone = "+" .. ctx.phone } }
      bot:send(ctx.chat, { text = "hello @you", mentions = { ctx.sender } })
    end)
    bot:on("message", function(ctx) seen:push(ctx) end)
    local me = rig:run(bot)
    local ana = rig:contact "Ana"
    local place, asked = ana:ask(me.jid, "!where")
    assert.same({ "location", "Here", asked.id, "!where" }, { place.kind, place.location.name, place.quoted.id, place.quoted.text })
    local card, greeting = ana:next(), ana:next()
    assert.same({ "Ana", ana.jid }, { card.contacts[1].name, card.contacts[1].jid })
    assert.same({ "@" .. ana.lid:match "^%d+" .. " hello @you", true }, { greeting.text, greeting.mentions.me })
    assert(ana.client:send(me.jid, { message = { extendedTextMessage = { text = "news", contextInfo = {
      isForwarded = true, forwardingScore = 2, expiration = 86400,
    } } } }))
    local ctx = seen:pop(30)
    assert.same({ "text", "news", 2, 86400, false, 0 }, { ctx.kind, ctx.text, ctx.forwarded, ctx.expires, ctx.view_once, #ctx.mentions })
    assert.equal(ctx.raw, core.proto.encode("Message", ctx.message))
    assert.is_nil(ctx.entry)
  end))

  it("that asks takes a content for the answer, not a reaction", support.async(function()
    local rig <close> = start()
    local bot, seen = rig:bot(), task.queue()
    bot:command("ask", function(ctx)
      local answer = ctx:ask "Where?"
      ctx:reply("kind " .. answer.kind)
    end)
    bot:on("message", function(ctx) seen:push(ctx.kind) end)
    local me = rig:run(bot)
    local ana = rig:contact "Ana"
    local question = ana:ask(me.jid, "!ask")
    assert(ana.client:react(question, "🤔"))
    assert.equal("reaction", seen:pop(30))
    assert.equal("kind location", ana:ask(me.jid, { location = { 1, 2 } }).text)
  end))
end)

describe("in a group", function()
  it("members are mentioned by the name the group has for them, and quoted where they wrote it", support.async(function()
    local rig <close> = start()
    local ana, ben, cem = rig:contact "Ana", rig:contact "Ben", rig:contact "Cem"
    local group = writer.make(rig, ana, ben, cem)
    assert(ana.client:send(group, { text = "hello @" .. ben.jid:match "^%d+", mentions = { ben.jid } }))
    local m, other = ben:next(), cem:next()
    assert.same({ { ben.lid, me = true }, { ben.lid } }, { m.mentions, other.mentions })
    assert(ben.client:send(ana.jid, { text = "between us", quote = m }))
    local private = ana:next()
    assert.same({ "between us", group, m.id, ana.lid }, { private.text, private.quoted.chat, private.quoted.id, private.quoted.sender })
    assert(ben.client:send(group, { text = "to all", quote = m }))
    assert.is_nil(ana:next().message.extendedTextMessage.contextInfo.remoteJid)
  end))

  it("a member's label is told, and that it was taken away", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local group = writer.make(rig, ana, ben)
    for _, label in ipairs { "cook", "" } do
      local sent = assert(ana.client:send(group, { message = { protocolMessage = {
        type = "GROUP_MEMBER_LABEL_CHANGE", memberLabel = { label = label, labelTimestamp = 1700000000 },
      } } }))
      local m = ben:next()
      assert.same({ sent.id, "member_label", label, ana.lid }, { m.id, m.kind, m.label, m.sender })
    end
  end))
end)
