-- The archive: what is kept of messages, for how long, and what was said to them.
local core = require "moonpost.core"
local messages = require "moonpost.client.messages"
local rows = require "moonpost.client.rows"
local rig_of = require "spec.rig"
local support = require "spec.support"
local task = require "moonpost.task"

local proto = core.proto
local DAY = 24 * 3600

local function text_of(entry) return entry and messages.text_of(entry:message()) end

-- Files a message as if it had come.
local function file(client, id, fields)
  local message = { conversation = id, messageContextInfo = { messageSecret = ("k"):rep(32) } }
  local entry = {
    chat = "1@lid", sender = "1@lid", id = id, from_me = false, name = "Ana", time = math.floor(core.net.time()), message = message,
  }
  for name, value in pairs(fields or {}) do entry[name] = value end
  entry.bytes = entry.bytes or assert(proto.encode("Message", entry.message))
  client.store:atomic(client.archive.put, client.archive, entry)
end

local function alone()
  local rig = rig_of.start()
  return rig, rig:contact("Ana").client
end

describe("a message in the archive", function()
  it("is found by sender and receiver, with its text, secret and status, in the next run too", support.async(function()
    local rig <close> = rig_of.start()
    local folder = support.tmpdir() .. "/state"
    local ana, ben = rig:contact("Ana", { store = folder }), rig:contact "Ben"
    local sent = assert(ana.client:send(ben.jid, "hello"))
    local m = ben:next()
    local entry = ben.client.archive:get(ana.lid, m.id)
    assert.equal("hello", text_of(entry))
    assert.same({ ana.lid, ana.lid, false, "Ana", m.time }, { entry.chat, entry.sender, entry.from_me, entry.name, entry.time })
    assert.is_nil(entry.status)
    ana.client:close()
    ana = rig:contact("Ana", { store = folder })
    local own = ana.client.archive:get(ben.lid, sent.id)
    assert.equal("hello", text_of(own))
    assert.same({ ana.lid, true, "sent", sent.time }, { own.sender, own.from_me, own.status, own.time })
    assert.equal(32, #own:secret())
    assert.equal(own:secret(), entry:secret())
  end))

  it("that the server refuses has failed", support.async(function()
    local rig <close> = rig_of.start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    assert(ana.client:send(ben.jid, "hello"))
    rig:fault { what = "error", tag = "message", code = 479, text = "smax-invalid" }
    local sent, err = ana.client:send(ben.jid, "no")
    assert.is_nil(sent)
    local entry = ana.client.archive:get(ben.lid, err.message:match "message (%w+)")
    assert.equal("failed", entry.status)
  end))

  it("is found by the LID when it was filed under the number", support.async(function()
    local rig <close>, client = alone()
    file(client, "A", { chat = "4917@s.whatsapp.net", sender = "4917@s.whatsapp.net" })
    client.archive:addon_put("reaction", "4917@s.whatsapp.net", "A", "4917@s.whatsapp.net", "4917@s.whatsapp.net", "one")
    client.lids:learn("4917@s.whatsapp.net", "77@lid")
    local entry = client.archive:get("77@lid", "A", "77@lid")
    assert.equal("A", text_of(entry))
    client.archive:addon_put("reaction", "77@lid", "A", "77@lid", "77@lid", "two")
    local found = {}
    client.archive:addon_each("reaction", "77@lid", "A", "77@lid", function(who, bytes) found[#found + 1] = { who, bytes } end)
    assert.same({ { "77@lid", "two" } }, found)
    assert(rig)
  end))

  it("of several people with one id is the own one, else the oldest, unless its author is named", support.async(function()
    local rig <close>, client = alone()
    local group = "120363000000000001@g.us"
    local now = math.floor(core.net.time())
    file(client, "A", { chat = group, sender = "2@lid", name = "younger", time = now })
    file(client, "A", { chat = group, sender = "3@lid", name = "older", time = now - 5 })
    assert.equal("older", client.archive:get(group, "A").name)
    assert.equal("younger", client.archive:get(group, "A", "2@lid").name)
    file(client, "A", { chat = group, sender = client.me.lid, from_me = true, name = "own" })
    assert.equal("own", client.archive:get(group, "A").name)
    assert.is_nil(client.archive:get(group, "B"))
    assert(rig)
  end))

  it("that was deleted before it came stays so when its author is known by another name by then", support.async(function()
    local rig, client = alone()
    local done <close> = rig
    local pn, lid = "15559990001@s.whatsapp.net", "799990001@lid"
    client.store:atomic(function()
      client.archive:put_revoked({ chat = pn, id = "GONE", sender = pn, from_me = false }, pn, math.floor(core.net.time()))
    end)
    client.lids:learn(pn, lid)
    assert.is_true(client.archive:was_deleted(lid, "GONE", lid))
    assert.is_false(client.archive:was_deleted(lid, "HERE", lid))
    assert(done)
  end))

  it("keeps ids apart that are long, or hold what separates them", support.async(function()
    local rig <close>, client = alone()
    for _, id in ipairs { ("x"):rep(120), "A\0001@lid", "#A" } do
      file(client, id)
      assert.equal(id, client.archive:get("1@lid", id).id)
      assert.equal(id, client.archive:get("1@lid", id, "1@lid").id)
    end
    assert.is_nil(client.archive:get("1@lid", "A"))
    assert(rig)
  end))

  it("larger than any honest one is known by its secret alone", support.async(function()
    local rig <close>, client = alone()
    file(client, "A", { bytes = ("x"):rep(1024 * 1024 + 1) })
    local entry = client.archive:get("1@lid", "A")
    assert.same({ nil, ("k"):rep(32) }, { entry.bytes, entry:secret() })
    assert.is_nil(entry:message())
    assert(rig)
  end))

  it("is no reaction, edit, vote or pin that came", support.async(function()
    local rig <close>, client = alone()
    for name, content in pairs {
      reactionMessage = { text = "x" }, editedMessage = { message = { conversation = "x" } }, pollUpdateMessage = {},
      pinInChatMessage = { type = "PIN_FOR_ALL" }, protocolMessage = { type = "REVOKE" },
    } do
      file(client, "A", { message = { [name] = content } })
      assert.is_nil(client.archive:get("1@lid", "A"), name)
    end
    assert(rig)
  end))

  it("may be changed, by who finds it", support.async(function()
    local rig <close>, client = alone()
    file(client, "A")
    assert.is_truthy(client.archive:update("1@lid", "A", "1@lid", function(entry)
      entry.edited, entry.edited_bytes = 5, assert(proto.encode("Message", { conversation = "edited" }))
    end))
    local entry = client.archive:get("1@lid", "A")
    assert.same({ 5, "edited", "A" }, { entry.edited, messages.text_of(entry:latest()), text_of(entry) })
    client.archive:update("1@lid", "A", "1@lid", function(one)
      one.edited = 6
      return false
    end)
    assert.equal(5, client.archive:get("1@lid", "A").edited)
    assert.is_nil(client.archive:update("1@lid", "B", "1@lid", error))
    assert(rig)
  end))
end)

describe("an add-on", function()
  it("is one per person and kind", support.async(function()
    local rig <close>, client = alone()
    local archive = client.archive
    file(client, "A")
    archive:addon_put("vote", "1@lid", "A", "1@lid", "2@lid", "first")
    archive:addon_put("vote", "1@lid", "A", "1@lid", "2@lid", "second")
    archive:addon_put("vote", "1@lid", "A", "1@lid", "3@lid", "third")
    archive:addon_put("reaction", "1@lid", "A", "1@lid", "3@lid", "other")
    local votes = {}
    archive:addon_each("vote", "1@lid", "A", "1@lid", function(who, bytes) votes[who] = bytes end)
    assert.same({ ["2@lid"] = "second", ["3@lid"] = "third" }, votes)
    archive:addon_delete("vote", "1@lid", "A", "1@lid", "2@lid")
    assert.is_nil(archive:addon_get("vote", "1@lid", "A", "1@lid", "2@lid"))
    assert.equal("third", (archive:addon_get("vote", "1@lid", "A", "1@lid", "3@lid")))
    assert(rig)
  end))

  it("goes with its message", support.async(function()
    local rig <close>, client = alone()
    file(client, "A", { time = math.floor(core.net.time()) - 31 * DAY })
    for i = 1, 30 do client.archive:addon_put("vote", "1@lid", "A", "1@lid", i .. "@lid", "yes") end
    client.archive.sweeper:run(core.net.time(), true)
    assert.equal(0, client.store:count("message", ""))
    assert(rig)
  end))
end)

describe("the archive", function()
  it("keeps messages for 30 days, polls and events for 90, own reactions for resends alone", support.async(function()
    local rig <close>, client = alone()
    file(client, "text")
    file(client, "poll", { message = { pollCreationMessageV3 = { name = "Lunch?" } } })
    file(client, "event", { message = { ephemeralMessage = { message = { eventMessage = { name = "Party" } } } } })
    file(client, "reaction", { message = { reactionMessage = { text = "x" } }, from_me = true, status = "sent" })
    local function left(days)
      client.archive:sweep(core.net.time() + days * DAY)
      local found = {}
      for _, id in ipairs { "text", "poll", "event", "reaction" } do found[#found + 1] = client.archive:get("1@lid", id) and id end
      return table.concat(found, " ")
    end
    assert.equal("text poll event reaction", left(1))
    assert.equal("text poll event", left(5))
    assert.equal("text poll event", left(29))
    assert.equal("poll event", left(31))
    assert.equal("poll event", left(89))
    assert.equal("", left(91))
    assert(rig)
  end))

  local function ids(client)
    local found = {}
    for i = 1, 50 do found[#found + 1] = client.archive:get("1@lid", "M" .. i) and i or nil end
    return found
  end

  it("drops the oldest when there are too many", support.async(function()
    local rig <close>, client = alone()
    client.archive.sweeper.most_rows = 20
    local now = core.net.time() // 1 | 0
    for i = 1, 50 do file(client, "M" .. i, { time = now - (51 - i) * 3600 }) end
    repeat task.sleep(0) until not client.archive.sweeper.running
    client.archive.sweeper:run(now, true)
    local left = ids(client)
    assert.is_true(#left <= 20 and #left >= 15, #left .. " are left")
    assert.equal(50, left[#left])
    assert.is_true(left[1] >= 30)
    assert(rig)
  end))

  it("drops the oldest when they take too many bytes, without being asked", support.async(function()
    local rig <close>, client = alone()
    client.archive.sweeper.most_bytes = 20000
    local now = core.net.time() // 1 | 0
    for i = 1, 50 do
      file(client, "M" .. i, { time = now - (51 - i) * 3600, message = { conversation = ("x"):rep(1000) } })
      task.sleep(0)
    end
    repeat task.sleep(0) until not client.archive.sweeper.running
    local left = ids(client)
    assert.is_true(#left < 26, #left .. " are left") -- the limit, and what may come between two sweeps
    assert.equal(50, left[#left])
    assert(rig)
  end))

  it("takes over what a store of version 2 has of sent messages and secrets", support.async(function()
    local rig <close> = rig_of.start()
    local folder = support.tmpdir() .. "/state"
    local ana, ben = rig:contact("Ana", { store = folder }), rig:contact "Ben"
    assert(ana.client:send(ben.jid, "hi"))
    ana.client:close()
    do
      local store <close> = assert(core.store.open { path = folder })
      local now = rows.time(core.net.time())
      local sent = assert(proto.encode("StoreSent", {
        to = ben.lid, message = assert(proto.encode("Message", {
          conversation = "of old", messageContextInfo = { messageSecret = ("s"):rep(32) },
        })),
      }))
      store:put("recent", "sq" .. rows.sequence(1), (rows.RECENT):pack("OLD1", (">I8"):unpack(now), sent))
      store:put("recent", "snOLD1", rows.sequence(1))
      store:put("secret", rows.message_key(ben.lid, ana.lid, "OLD1"), ("s"):rep(32) .. now)
      for i = 1, 250 do store:put("secret", rows.message_key(ben.lid, ben.lid, "OLD-" .. i), ("t"):rep(32) .. now) end
      assert(store:commit())
    end
    ana = rig:contact("Ana", { store = folder })
    local store, archive = ana.client.store, ana.client.archive
    assert.same({ 0, 0, 0 }, { store:count("secret", ""), store:count("recent", "sq"), store:count("recent", "sn") })
    assert.equal("of old", text_of(archive:get(ben.lid, "OLD1")))
    assert.equal(ben.lid, ana.client.sent:find("OLD1").to)
    assert.equal(("s"):rep(32), archive:get(ben.lid, "OLD1"):secret())
    assert.equal(("t"):rep(32), archive:get(ben.lid, "OLD-250", ben.lid):secret())
  end))
end)

describe("an echoed message", function()
  it("is written once when it comes, and its answer once when it goes, for good", support.async(function()
    local rig <close> = rig_of.start()
    local bot, ana = rig:bot { name = "Echo" }, rig:contact "Ana"
    bot:on("message", function(ctx) ctx:reply(ctx.text) end)
    rig:run(bot)
    ana:ask(bot.client.me.jid, "first")
    local store, puts = bot.client.store, {}
    bot.client.store = setmetatable({ put = function(_, name, ...)
      puts[name] = (puts[name] or 0) + 1
      return store:put(name, ...)
    end }, { __index = function(_, name)
      local value = store[name]
      return type(value) == "function" and function(_, ...) return value(store, ...) end or value
    end })
    for i = 1, 5 do ana:ask(bot.client.me.jid, tostring(i)) end
    repeat task.sleep(0) until bot.client.outbox:idle()
    bot.client.store = store
    assert.equal(10, puts.message)
    assert.same({}, { puts.recent, puts.secret })
  end))
end)
