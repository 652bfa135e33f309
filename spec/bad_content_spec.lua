-- Contents as nobody should write them, through real sockets: each is refused with its reason told, or heard without harm, and none stops
-- the next message. What stands elsewhere: groups too large (group_metadata_spec, group_changes_spec), sender keys (groups_spec), votes
-- (polls_spec), edits and revokes (edits_spec, revokes_spec), receipts (receipts_spec), wrappers (kinds_talk_spec).
local core = require "moonpost.core"
local labels = require "moonpost.client.labels"
local stanza = require "moonpost.stanza"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"
local task = require "moonpost.task"
local writer = require "spec.group_writer"

local proto = core.proto

-- Ana and Ben of one sandbox for all specs of a group, who have written to each other, and a group of theirs.
local function share()
  local rig, ana, ben, group
  setup(support.async(function()
    rig = start()
    ana, ben = rig:contact "Ana", rig:contact "Ben"
    ben.errors = tap.event(ben.client, "error")
    tap.meet(ana, ben)
    group = writer.make(rig, ana, ben)
    assert(ana.client:send(group, "hello"))
    ben:next()
  end))
  teardown(support.async(function() rig:__close() end))
  return function()
    for _, queue in ipairs { ana.heard, ben.heard, ben.errors } do
      while queue:pop(0) do end
    end
    return rig, ana, ben, group
  end
end

local count = 0

-- Hands Ben a Message of Ana's past the server and her client, which would not write it so.
local function hand(rig, ana, ben, message, group)
  count = count + 1
  local bytes = type(message) == "string" and message or assert(proto.encode("Message", message))
  local attrs, more, meta = labels(type(message) == "table" and message or {})
  local id, device = ("3EB0BAD%d"):format(count), tap.device_jid(ana, "lid")
  local enc
  if group then
    enc = stanza.node("enc", { v = "2", type = "skmsg" }, assert(ana.client.account:encrypt_group(group, bytes)))
    attrs.from, attrs.participant, attrs.participant_pn, attrs.addressing_mode = group, device, ana.jid, "lid"
  else
    enc = writer.pairwise(ana, ben, bytes)
    attrs.from, attrs.sender_pn = device, ana.jid
  end
  for name, value in pairs(more) do enc.attrs[name] = value end
  attrs.id, attrs.t, attrs.notify = id, tostring(math.floor(core.net.time())), "Ana"
  tap.hand(rig, ben, stanza.node("message", attrs, { enc, meta }))
  return id
end

-- The next message is heard, whatever was before it; what was heard until then.
local function next_is_heard(ana, ben)
  local before = {}
  assert(ana.client:send(ben.jid, "next"))
  repeat
    local m = ben:next()
    before[#before + 1] = m.text ~= "next" and m or nil
  until m.text == "next"
  return before
end

describe("what is not one's own to say", function()
  local pair = share()

  -- What only the own devices, or the own phone, may say (05 §7.5); in a stranger's message it does nothing.
  local types = {
    APP_STATE_SYNC_KEY_SHARE = { appStateSyncKeyShare = { keys = { {
      keyId = { keyId = "forged" }, keyData = { keyData = ("k"):rep(32) },
    } } } },
    APP_STATE_SYNC_KEY_REQUEST = { appStateSyncKeyRequest = { keyIds = { { keyId = "forged" } } } },
    APP_STATE_FATAL_EXCEPTION_NOTIFICATION = { appStateFatalExceptionNotification = { collectionNames = { "regular" } } },
    HISTORY_SYNC_NOTIFICATION = { historySyncNotification = { chunkOrder = 1 } },
    PEER_DATA_OPERATION_REQUEST_MESSAGE = { peerDataOperationRequestMessage = {
      peerDataOperationRequestType = "PLACEHOLDER_MESSAGE_RESEND", placeholderMessageResendRequest = { { messageKey = { id = "A" } } },
    } },
    PEER_DATA_OPERATION_REQUEST_RESPONSE_MESSAGE = { peerDataOperationRequestResponseMessage = {
      peerDataOperationRequestType = "PLACEHOLDER_MESSAGE_RESEND", stanzaId = "A",
    } },
    LID_MIGRATION_MAPPING_SYNC = { lidMigrationMappingSyncMessage = { encodedMappingPayload = "\8\1" } },
    INITIAL_SECURITY_NOTIFICATION_SETTING_SYNC = { initialSecurityNotificationSettingSync = { securityNotificationEnabled = false } },
  }

  for _, place in ipairs { "to one person", "in a group" } do
    it(("%s does nothing, and answers nothing"):format(place), support.async(function()
      local rig, ana, ben, group = pair()
      local answers = rig:record("to-server", function(node, conn)
        return tap.is_to(conn, ben) and (node.tag == "message" or node.attrs.category == "peer")
      end)
      local keys, salt = ben.client.store:count("appstate-key", ""), ben.client.store:get("setting", "nct-salt")
      for type, fields in pairs(types) do
        local protocol = { type = type }
        for name, value in pairs(fields) do protocol[name] = value end
        hand(rig, ana, ben, { protocolMessage = protocol }, place == "in a group" and group or nil)
      end
      assert.same({}, next_is_heard(ana, ben))
      assert.same({ keys, salt }, { ben.client.store:count("appstate-key", ""), ben.client.store:get("setting", "nct-salt") })
      assert.equal(0, #answers)
    end))

    it(("%s as another own device is told, and not heard, however deep it stands"):format(place), support.async(function()
      local rig, ana, ben, group = pair()
      local forged = { deviceSentMessage = { destinationJid = ben.lid, message = { conversation = "pay" } } }
      for _, message in ipairs { forged, { ephemeralMessage = { message = forged } }, { viewOnceMessage = { message = {
        ephemeralMessage = { message = forged },
      } } } } do
        local id = hand(rig, ana, ben, message, place == "in a group" and group or nil)
        local err = ben.errors:pop(30)
        assert.equal("forged", err.code)
        assert.matches(id .. ".*claims to be an own device", err.message)
      end
      assert.same({}, next_is_heard(ana, ben))
    end))
  end

  it("by a sender the group does not have is told, and the next message is heard", support.async(function()
    local rig, ana, ben, group = pair()
    local enc = stanza.node("enc", { v = "2", type = "skmsg" }, assert(ana.client.account:encrypt_group(group, writer.text "hi")))
    tap.hand(rig, ben, stanza.node("message", {
      from = group, participant = "333333333333333:1@lid", id = "STRANGER", t = "1769296600", type = "text", addressing_mode = "lid",
    }, enc))
    local err = ben.errors:pop(30)
    assert.equal("undecryptable", err.code)
    assert.matches("message STRANGER from 333333333333333:1@lid cannot be read %(there is no sender key", err.message)
    assert.same({}, next_is_heard(ana, ben))
  end))

  it("of another own device in the phone's name is told, and not done", support.async(function()
    local rig, _, ben = pair()
    local desk = rig:contact "Ben"
    local bytes = assert(proto.encode("HistorySync", { syncType = "INITIAL_BOOTSTRAP", nctSalt = "forged" }))
    local device = tap.device_jid(ben, "lid")
    assert(desk.client.devices:ensure_sessions { device })
    local one = desk.client.account:encrypt({ device }, assert(proto.encode("Message", { protocolMessage = {
      type = "HISTORY_SYNC_NOTIFICATION",
      historySyncNotification = { syncType = "INITIAL_BOOTSTRAP", initialHistBootstrapInlinePayload = bytes },
    } })))[1]
    local salt = ben.client.store:get("setting", "nct-salt")
    tap.hand(rig, ben, stanza.node("message", {
      from = tap.device_jid(desk, "lid"), id = "3EB0PEER", t = "1769296600", type = "text", category = "peer",
    }, { stanza.node("enc", { v = "2", type = one.type }, one.ciphertext),
      stanza.node("device-identity", nil, desk.client.me.deviceIdentity) }))
    local err
    repeat err = assert(ben.errors:pop(30)) until err.code == "forged"
    assert.matches("message 3EB0PEER: .* claims to be the own phone", err.message)
    assert.equal(salt, ben.client.store:get("setting", "nct-salt"))
  end))
end)

local BIG = ("x"):rep(900000)

local function many(n, fn)
  local list = {}
  for i = 1, n do list[i] = fn(i) end
  return list
end

local function deep(open, close, n) return open:rep(n) .. close:rep(n) end

-- What is heard of it: name, Message, fn(m) that checks it.
local heard = {
  { "a poll of 40,000 choices", { pollCreationMessageV3 = { name = "?", selectableOptionsCount = 1,
    options = many(40000, function(i) return { optionName = "choice " .. i } end) } },
    function(m) assert.same({ "poll", 40000 }, { m.kind, #m.poll.choices }) end },
  { "a poll without anything", { pollCreationMessage = {} },
    function(m) assert.same({ "poll", "", {}, 0 }, { m.kind, m.poll.question, m.poll.choices, m.poll.multiple }) end },
  { "a poll that ends before and after all time", { pollCreationMessageV3 = { name = "?", endTime = math.maxinteger } },
    function(m) assert.is_nil(m.poll.ends) end },
  { "an event that begins after all time", { eventMessage = { name = "?", startTime = math.maxinteger, endTime = math.mininteger } },
    function(m) assert.same({ "event" }, { m.kind, m.event.starts, m.event.ends }) end },
  { "an invite that lasts for ever", { groupInviteMessage = { groupJid = "x", inviteCode = "", inviteExpiration = math.maxinteger } },
    function(m) assert.same({ "invite" }, { m.kind, m.invite.expires }) end },
  { "a place that is nowhere", { locationMessage = { degreesLatitude = 0 / 0, degreesLongitude = math.huge } },
    function(m) assert.same({ "location" }, { m.kind, m.location.lat, m.location.lon }) end },
  { "a live place beyond the poles", { liveLocationMessage = { degreesLatitude = 1e300, degreesLongitude = -181 } },
    function(m) assert.same({ "live_location" }, { m.kind, m.location.lat, m.location.lon }) end },
  { "a card of a megabyte", { contactMessage = { displayName = "Ada", vcard = "BEGIN:VCARD\n" .. ("TEL:1\n"):rep(150000) } },
    function(m) assert.same({ "contact", 64 }, { m.kind, #m.contacts[1].phones }) end },
  { "a card of one folded line", { contactMessage = { vcard = ("FN:a\n "):rep(1) .. ("b\n "):rep(200000) } },
    function(m) assert.equal("contact", m.kind) end },
  { "a menu whose JSON is deep", { interactiveMessage = { nativeFlowMessage = { buttons = {
    { name = "single_select", buttonParamsJson = deep("[", "]", 30000) },
    { name = "single_select", buttonParamsJson = deep('{"sections":[', "]}", 4000) },
    { name = "quick_reply", buttonParamsJson = '{"id":1e999,"display_text":{}}' }, { name = "cta_url", buttonParamsJson = BIG },
  } } } }, function(m) assert.equal("interactive", m.kind) end },
  { "a list of 50,000 rows", { listMessage = { sections = { { rows = many(50000, function(i) return { rowId = "r" .. i } end) } } } },
    function(m) assert.same({ "list", 256 }, { m.kind, #m.menu.choices }) end },
  { "mentions of nonsense", { extendedTextMessage = { text = "@1", contextInfo = { mentionedJid = {
    "", "@", "nobody", "a@b@c", "@lid", "x@lid", "\0@lid", "1@g.us", "%d%s@lid",
  } } } }, function(m)
    assert.equal("@1", m.text)
    for _, one in ipairs(m.mentions) do assert.equal(one, core.wire.jid.bare(one)) end
    assert.falsy(m.mentions.me)
  end },
  { "40,000 mentions", { extendedTextMessage = { text = "all", contextInfo = { mentionedJid = many(40000, function(i)
    return i .. "@lid"
  end) } } }, function(m) assert.equal(1024, #m.mentions) end },
  { "a quote of nonsense", { extendedTextMessage = { text = "hm", contextInfo = { stanzaId = BIG, participant = "a@b@c",
    remoteJid = "\1", quotedMessage = { extendedTextMessage = { contextInfo = { quotedMessage = { conversation = "x" } } } } } } },
    function(m) assert.equal("hm", m.text) end },
  { "a forward with a score below zero", { extendedTextMessage = { text = "f", contextInfo = {
    isForwarded = true, forwardingScore = 4294967295, expiration = 4294967295, ephemeralSettingTimestamp = math.mininteger,
  } } }, function(m) assert.equal("f", m.text) end },
  { "an order of nothing for too much", { orderMessage = { totalAmount1000 = math.mininteger, itemCount = -1 } },
    function(m) assert.equal("order", m.kind) end },
  { "a text that is no UTF-8", "\10\3a\255b", function(m) assert.equal("a\u{fffd}b", m.text) end },
  { "a text that hides what it does", { conversation = "a\0b\27[2J\u{202e}" }, function(m) assert.equal("a\0b\27[2J\u{202e}", m.text) end },
}

describe("a content without measure", function()
  local pair = share()

  for _, row in ipairs(heard) do
    it(("is heard within its limits: %s"):format(row[1]), support.async(function()
      local rig, ana, ben = pair()
      local id = hand(rig, ana, ben, row[2])
      local all = next_is_heard(ana, ben)
      assert.same({ 1, id }, { #all, all[1] and all[1].id })
      row[3](all[1])
      assert.equal(0, #ben.errors)
    end))
  end

  local function reaction(id, text)
    return { reactionMessage = { key = { remoteJid = "1@lid", fromMe = true, id = id }, text = text, senderTimestampMs = 1 } }
  end

  -- What is told of it, and not heard: name, Message, code, pattern.
  local refused = {
    { "a reaction of a megabyte", reaction("A", BIG), "refused", "its text has 900000 bytes" },
    { "3,000 cards", { contactsArrayMessage = { contacts = many(3000, function() return { displayName = "A" } end) } }, "refused",
      "3000" },
    { "a reaction to nothing", { reactionMessage = { text = "x" } }, "refused", "does not say which message" },
    { "a reaction to an id without end", reaction(BIG, "x"), "malformed", "reacts to nothing" },
    { "an edit of nothing", { protocolMessage = { type = "MESSAGE_EDIT", editedMessage = { conversation = "x" } } },
      "refused", "does not say which message" },
    { "a revoke of nothing", { protocolMessage = { type = "REVOKE" } }, "malformed", "deletes nothing" },
    { "a pin of nothing", { pinInChatMessage = { type = "PIN_FOR_ALL" } }, "refused", "does not say which message" },
    { "a vote for a poll that is not there", { pollUpdateMessage = { pollCreationMessageKey = { id = "NOPOLL", fromMe = false },
      vote = { encPayload = BIG, encIv = ("i"):rep(12) } } }, "no%-message", "NOPOLL is not known" },
    { "a response to an event that is not there", { encEventResponseMessage = { eventCreationMessageKey = { id = "NOEVENT" },
      encPayload = ("x"):rep(40), encIv = ("i"):rep(12) } }, "no%-message", "NOEVENT is not known" },
  }
  for _, row in ipairs(refused) do
    it(("is told with its reason: %s"):format(row[1]), support.async(function()
      local rig, ana, ben = pair()
      local id = hand(rig, ana, ben, row[2])
      local err = assert(ben.errors:pop(30))
      assert.matches(row[3], err.code)
      assert.matches(id, err.message, 1, true)
      assert.matches(row[4], err.message)
      assert.is_true(#err.message < 1000)
      for _, m in ipairs(next_is_heard(ana, ben)) do assert.equal("undecryptable", m.kind) end
    end))
  end
end)

describe("a flood", function()
  local pair = share()

  it("of one person's reactions and votes leaves one of each", support.async(function()
    local rig, ana, ben = pair()
    local own = assert(ben.client:send(ana.jid, { poll = "Tea?", choices = { "Yes", "No" } }))
    local at_ana = ana:next()
    local before = ben.client.store:count("message", "a")
    for i = 1, 60 do
      hand(rig, ana, ben, { reactionMessage = { key = { fromMe = false, id = own.id }, text = "👍", senderTimestampMs = i } })
    end
    for i = 1, 30 do assert(ana.client:vote(at_ana, i % 2 == 0 and "Yes" or "No")) end
    next_is_heard(ana, ben)
    local own_poll = { chat = ana.lid, id = own.id, sender = ben.lid }
    assert.equal(1, #ben.client.effects:reactions(own_poll))
    assert.same({ 1, 1 }, { ben.client:votes(own_poll)[1].count, ben.client:votes(own_poll).total })
    assert.is_true(ben.client.store:count("message", "a") - before <= 3)
  end))

  it("of choices with one name counts each voter once, and hides no vote for what is no choice", support.async(function()
    local _, ana, ben = pair()
    local sent = assert(ben.client:send(ana.jid, { pollCreationMessage = { name = "?", selectableOptionsCount = 0, options = {
      { optionName = "A" }, { optionName = "A" }, { optionName = "B" },
    } }, messageContextInfo = { messageSecret = ("s"):rep(32) } }))
    assert(ana.client:vote(ana:next(), "A"))
    assert.equal("vote", ben:next().kind)
    local tally = ben.client:votes { chat = ana.lid, id = sent.id, sender = ben.lid }
    assert.same({ 1, 0, 0, 1 }, { tally[1].count, tally[2].count, tally[3].count, tally.total })
    local poll = require "moonpost.client.kinds.poll"
    local choices, why = poll.chosen({ choices = { "A", "A" }, multiple = 0 }, { core.crypto.sha256 "A", core.crypto.sha256 "Z" })
    assert.is_nil(choices)
    assert.matches("no choice of the poll", why)
  end))

  it("of timers from the future does not keep later ones out", support.async(function()
    local rig, ana, ben = pair()
    local function set(seconds, at)
      hand(rig, ana, ben, { protocolMessage = {
        type = "EPHEMERAL_SETTING", ephemeralExpiration = seconds, ephemeralSettingTimestamp = at,
      } })
      assert.equal("expiration", ben:next().kind)
      return ben.client.timers:of(ana.lid)
    end
    assert.equal(86400, set(86400, math.maxinteger))
    assert.equal(604800, set(604800, math.floor(core.net.time())))
  end))
end)

describe("a bot", function()
  it("goes on after a handler that trips over what it was sent", support.async(function()
    local rig <close> = start()
    local ana, bot, errors = rig:contact "Ana", rig:bot(), task.queue()
    bot:on("error", function(err) errors:push(tostring(err)) end)
    bot:on("message", { kind = "location" }, function(ctx) ctx:reply(("%.1f"):format(ctx.location.lat)) end)
    bot:on("message", { kind = "text" }, function(ctx) ctx:reply(ctx.text) end)
    local me = rig:run(bot)
    assert(ana.client:send(me.lid, { locationMessage = { degreesLatitude = 0 / 0 } }))
    assert.matches("number expected, got nil", errors:pop(30))
    assert(ana.client:send(me.lid, "still there?"))
    assert.equal("still there?", ana:next().text)
  end))
end)

describe("a clumsy user", function()
  local build = require("moonpost.client.kinds").build
  local ODD = { true, 5, print, io.stdout, coroutine.create(print) }
  local TIMES = { math.huge, -math.huge, 0 / 0, 1e300, -1, 0 }

  -- What is wrong with a spec, in a sentence that says so.
  local function wrong(spec)
    local message, why = build(spec, { chat = "1@lid" })
    assert.is_nil(message)
    assert.is_nil(why:find "attempt to" or why:find "bad argument" or why:find "%.lua:", why)
    return why
  end

  it("is told that a spec is no message", function()
    for _, odd in ipairs(ODD) do
      assert.equal("a message is a text or a table, not a " .. type(odd), wrong(odd))
      assert.equal("a contact is { name =, phone = }, not a " .. type(odd), wrong { contact = { odd } })
      assert.equal("a contact is { name =, phone = }, not a " .. type(odd), wrong { contacts = { odd, odd } })
      for _, field in ipairs { "chat", "sender", "message" } do
        assert.matches("^a message's 'quote': '" .. field .. "' is a %a+, not a " .. type(odd),
          wrong { text = "x", quote = { id = "A", [field] = odd } })
      end
    end
  end)

  it("is told which time is none", function()
    for _, time in ipairs(TIMES) do
      local said = ("is a time in Unix seconds, not %s"):format(time)
      for what, spec in pairs {
        ["an event: 'starts' "] = { event = "E", starts = time }, ["an event: 'ends' "] = { event = "E", starts = 1, ends = time },
        ["a poll: 'ends' "] = { poll = "P", choices = { "a", "b" }, ends = time },
      } do assert.equal(what .. said, wrong(spec)) end
    end
  end)

  it("is told where a method was called with a dot, and that a community is of groups", support.async(function()
    local rig <close> = start()
    local ana, bot = rig:contact "Ana", rig:bot()
    local me = rig:run(bot)
    local group = bot:group(writer.make(rig, ana, { jid = me.jid }))
    local sent = bot:send(ana.lid, "hi")
    for _, odd in ipairs { false, 5, "text", print } do
      for _, name in ipairs { "edit", "delete", "react", "pin", "votes", "forward" } do
        assert.error_matches(function() sent[name](odd) end, name .. " was called with a dot: write message:" .. name)
      end
      for _, name in ipairs { "link", "unlink" } do
        assert.error_matches(function() group[name](group, odd) end, "is no group's JID")
      end
    end
  end))
end)
