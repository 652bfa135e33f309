-- Chunks of history that are interrupted, broken, gone, or not the phone's (fact sheet 04 §12.2, §12.6).
local core = require "moonpost.core"
local phones = require "moonpost.sandbox.phone"
local process = require "spec.process"
local rows = require "moonpost.client.rows"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"
local task = require "moonpost.task"

local crypto, proto = core.crypto, core.proto

local function never() task.queue():pop() end

-- A client that is linked and heard by fn(page); nothing it waits for takes long. Its queue of errors.
local function new_client(rig, fn, options)
  local client, errors = tap.client(rig, options), task.queue()
  client.past.close_seconds, client.past.pace = 0, { first = 0.01, longest = 0.02, phone = 0.02 }
  client.media.pace = setmetatable({ step = 0.01, longest = 0.02 }, { __index = client.media.pace })
  client:on("error", function(err) errors:push(err) end)
  if fn then client:on("history", fn) end
  if not client:linked() then assert(client:pair(tap.scanner(rig))) end
  assert(client:connect())
  return client, errors
end

local function queue_of(pages) return function(page) pages:push(page) end end

local function next_done(pages)
  local page
  repeat page = assert(pages:pop(30)) until page.done
  return page
end

local function count(client)
  client:committed()
  return client.store:count("history", "j")
end

-- Waits until no chunk is left.
local function drain(client)
  support.eventually(function() return client.store:count("history", "j") == 0 end, "no job left", 60)
  client:committed()
end

-- Has a client's own phone announce a chunk, greeted before.
local function announce(rig, client, notification)
  local device, account = tap.device(rig, client)
  return phones.of(rig.sandbox, account):tell(device, {
    protocolMessage = { type = "HISTORY_SYNC_NOTIFICATION", historySyncNotification = notification },
  })
end

local function chunk_of(text)
  return core.wire.deflate(assert(proto.encode("HistorySync", { syncType = "RECENT", conversations = { {
    id = "15550001@s.whatsapp.net", messages = { { message = {
      key = { remoteJid = "15550001@s.whatsapp.net", fromMe = false, id = "A1" }, messageTimestamp = 1, message = { conversation = text },
    } } },
  } } })))
end

local script = [[
local bot = require("moonpost").bot { store = "state", name = "Ana" }
bot:on("history", function(page)
  if #page.messages == 0 then return end
  io.stdout:write(("page %s %s %s\n"):format(page.messages[1].id, #page.messages, page.redelivered))
  io.stdout:flush()
end)
bot:run()
]]

describe("a page of history", function()
  it("comes again, marked, when its handler had not ended; those before it do not", support.async(function()
    local rig <close> = start()
    rig:admin("mock-phone/past", { name = "Ana", chats = 2, groups = 0, messages = 30 })
    local store, first, stuck = assert(core.store.open {}), {}, task.queue()
    local client = new_client(rig, function(page)
      first[#first + 1] = page
      if #first < 3 then return end
      stuck:push(true)
      never()
    end, { store_handle = store })
    assert(stuck:pop(30))
    client:close()
    local pages, second = task.queue(), {}
    local again = new_client(rig, queue_of(pages), { store_handle = store })
    repeat second[#second + 1] = assert(pages:pop(30)) until second[#second].progress == 100 and second[#second].done
    assert.is_true(second[1].redelivered)
    assert.same({ first[3].type, first[3].chat }, { second[1].type, second[1].chat })
    for i = 2, #second do assert.is_false(second[i].redelivered) end
    local seen = {}
    for _, list in ipairs { { first[1], first[2] }, second } do
      for _, page in ipairs(list) do
        for _, m in ipairs(page.messages) do
          assert.is_nil(seen[m.id])
          seen[m.id] = true
        end
      end
    end
    drain(again)
    again:close()
  end))

  it("that three runs have ended in is passed over, and told", support.async(function()
    local rig <close> = start()
    rig:admin("mock-phone/past", { name = "Ana", chats = 1, groups = 0, messages = 3 })
    local store = assert(core.store.open {})
    for _ = 1, 3 do
      local stuck = task.queue()
      local client = new_client(rig, function()
        stuck:push(true)
        never()
      end, { store_handle = store })
      assert(stuck:pop(30))
      client:close()
    end
    local pages = task.queue()
    local client, errors = new_client(rig, queue_of(pages), { store_handle = store })
    assert.equal("parked", assert(errors:pop(30)).code)
    assert.is_false(assert(pages:pop(30)).redelivered)
    client:close()
  end))

  it("whose handler fails is told as an error, and the next one comes", support.async(function()
    local rig <close> = start()
    rig:admin("mock-phone/past", { name = "Ana", chats = 2, groups = 0, messages = 3 })
    local pages = task.queue()
    local client, errors = new_client(rig, function(page)
      pages:push(page)
      if page.chat then error("oh no") end
    end)
    assert.truthy(tostring(assert(errors:pop(30))):find("oh no", 1, true))
    while assert(pages:pop(30)).progress < 100 do end
    client:close()
  end))

  it("is read when the handler has ended with the one before", support.async(function()
    local rig <close> = start()
    rig:admin("mock-phone/past", { name = "Ana", chats = 1, groups = 0, messages = 350, chunk = 400 })
    local running, most, pages = 0, 0, task.queue()
    local client = new_client(rig, function(page)
      running = running + 1
      most = math.max(most, running)
      task.sleep(0)
      running = running - 1
      pages:push(page)
    end)
    repeat local page = assert(pages:pop(30)) until page.done and page.progress == 100
    assert.equal(1, most)
    client:close()
  end))

  it("comes on after kill -9, the one that was handled once more", support.async(function()
    local rig <close> = start { tls = true }
    rig:admin("mock-phone/past", { name = "Ana", chats = 3, groups = 0, messages = 400, inline = 0, chunk = 500 })
    local folder = support.tmpdir()
    local file = assert(io.open(folder .. "/bot.lua", "w"))
    assert(file:write(script)):close()
    local seen, total, shape = {}, 0, "^page (%S+) (%d+) (%a+)"
    local function run()
      return process.start(("moonpost run %s/bot.lua --sandbox %s --store %s/state"):format(folder, rig.sandbox.url, folder))
    end
    local function note(id, size, redelivered)
      assert.is_true(not seen[id] or redelivered == "true", "a page came twice without a word")
      total = total + (seen[id] and 0 or tonumber(size))
      seen[id] = true
    end
    for _ = 1, 2 do
      local bot <close> = run()
      for _ = 1, 4 do bot:wait "^page" end
      bot:signal "KILL"
      bot:wait_end()
      for _, line in ipairs(bot.output) do -- it may have come further meanwhile
        if line:find "^page" then note(line:match(shape)) end
      end
    end
    local bot <close> = run()
    while total < 1201 do note(bot:wait(shape)) end -- with a status post
    assert.equal(1201, total)
  end))
end)

describe("a chunk of history", function()
  -- A client of an account with a past that comes in files; `meddle`: fn(store of the media host) before it is linked.
  local function with_files(rig, meddle)
    rig:admin("mock-phone/past", { name = "Ana", chats = 1, groups = 0, messages = 30, inline = 0 })
    meddle(rig.sandbox.media)
    local pages = task.queue()
    local client, errors = new_client(rig, queue_of(pages))
    return client, pages, errors
  end

  it("that the media host has no more is uploaded again by the phone", support.async(function()
    local rig <close> = start { tls = true }
    local withdrawn = 0
    local client, pages = with_files(rig, function(media)
      local link = media.link
      function media.link(...)
        local path = link(...)
        withdrawn = withdrawn + 1
        if withdrawn == 1 then media:withdraw((select(2, ...))) end
        return path
      end
    end)
    local page = assert(pages:pop(30))
    assert.same({ "initial", 5 }, { page.type, #page.messages })
    while page.progress < 100 do page = next_done(pages) end
    client:close()
  end))

  it("that is broken is asked for once more", support.async(function()
    local rig <close> = start { tls = true }
    local added = 0
    local client, pages, errors = with_files(rig, function(media)
      local add = media.add
      function media.add(self, bytes)
        added = added + 1
        return add(self, added == 1 and bytes:sub(1, -2) .. string.char(bytes:byte(-1) ~ 1) or bytes)
      end
    end)
    local page = next_done(pages)
    assert.equal("initial", page.type)
    assert.equal(0, #errors)
    client:close()
  end))

  it("that stays broken is dropped with its reason, and the others are read", support.async(function()
    local rig <close> = start { tls = true }
    local bad
    local client, pages, errors = with_files(rig, function(media)
      local add = media.add
      function media.add(self, bytes)
        bad = bad or #bytes
        return add(self, #bytes == bad and bytes:sub(1, -2) .. string.char(bytes:byte(-1) ~ 1) or bytes)
      end
    end)
    local err = assert(errors:pop(30))
    assert.equal("media-enc-hash", err.code)
    assert.truthy(err.message:find("(initial) is dropped", 1, true), err.message)
    assert.equal("names", next_done(pages).type)
    client:close()
  end))

  it("that the phone has no more either is dropped", support.async(function()
    local rig <close> = start { tls = true }
    local first = true
    local client, pages, errors = with_files(rig, function(media)
      local link = media.link
      function media.link(...)
        local path = link(...)
        if first then
          media:withdraw((select(2, ...)))
          local phone = rig.sandbox.accounts.by_name.Ana.phone
          task.spawn(function()
            task.sleep(0)
            phone.chunks = nil
          end)
        end
        first = false
        return path
      end
    end)
    assert.equal("media-gone", assert(errors:pop(30)).code)
    next_done(pages)
    client:close()
  end))

  it("that cannot be had now is tried again, in order, and dropped after 14 days", support.async(function()
    local rig <close> = start { tls = true }
    local refused = 0
    local client, pages, errors = with_files(rig, function(media)
      local find = media.find
      function media.find(...)
        refused = refused + 1
        if refused < 8 then return nil, 503, "busy" end
        return find(...)
      end
    end)
    assert.equal("initial", next_done(pages).type)
    assert.equal("names", next_done(pages).type)
    assert.is_true(refused >= 8)
    local page
    repeat page = next_done(pages) until page.progress == 100
    drain(client)
    rig.sandbox.media.find = function() return nil, 503, "busy" end
    announce(rig, client, {
      syncType = "RECENT", directPath = "/v/t1/a.enc?ccb=1&oh=1&oe=FFFFFFFF", mediaKey = crypto.random(32), fileSha256 = crypto.random(32),
      fileEncSha256 = crypto.random(32), fileLength = 10,
    })
    support.eventually(function() return client.store:count("history", "j") > 0 end, "a job", 60)
    client:committed()
    local key = client.store:last("history", "j") -- it came long ago
    local row = rows.get(client.store, "history", key, "StoreHistory")
    row.time = row.time - 15 * 24 * 3600
    rows.put(client.store, "history", key, "StoreHistory", row)
    local err = assert(errors:pop(30))
    assert.equal("media-refused", err.code)
    assert.equal(0, count(client))
    client:close()
  end))

  it("that is garbage, a part, or no HistorySync is told with what is wrong, and keeps no other from coming", support.async(function()
    local rig <close> = start()
    local pages = task.queue()
    local client, errors = new_client(rig, queue_of(pages))
    next_done(pages)
    local good = chunk_of "good"
    for _, one in ipairs {
      { "malformed", ("garbage"):rep(10) }, { "truncated", good:sub(1, -8) }, { "truncated", assert(core.wire.deflate "\x12\x7f") },
      { "malformed", assert(core.wire.deflate "\x0b\x0c") },
    } do
      announce(rig, client, { syncType = "RECENT", initialHistBootstrapInlinePayload = one[2] })
      local err = assert(errors:pop(30))
      assert.equal(one[1], err.code)
      assert.truthy(err.message:find("(recent) is dropped", 1, true), err.message)
    end
    announce(rig, client, { syncType = "RECENT" })
    assert.equal("malformed", assert(errors:pop(30)).code)
    announce(rig, client, { syncType = "RECENT", initialHistBootstrapInlinePayload = good })
    assert.equal("good", next_done(pages).messages[1].text)
    client:close()
  end))

  it("with a message nobody can read, nested without end, loses that one alone", support.async(function()
    local rig <close> = start()
    local pages = task.queue()
    local client = new_client(rig, queue_of(pages))
    next_done(pages)
    local deep = "\x0a\1x"
    local function wrap(tag, bytes) return tag .. string.char(#bytes & 127 | 128, #bytes >> 7) .. bytes end
    for _ = 1, 100 do deep = wrap("\xc2\x02", wrap("\x0a", deep)) end -- an ephemeralMessage, over and over
    local function info(id, bytes)
      local head = assert(proto.encode("WebMessageInfo", {
        key = { remoteJid = "15550001@s.whatsapp.net", fromMe = false, id = id }, messageTimestamp = 1,
      }))
      return wrap("\x12", wrap("\x0a", head .. wrap("\x12", bytes)))
    end
    local conversation = "\x0a\x17" .. "15550001@s.whatsapp.net" .. info("DEEP", deep)
      .. info("GOOD", assert(proto.encode("Message", { conversation = ("good"):rep(50) })))
    announce(rig, client, {
      syncType = "RECENT", initialHistBootstrapInlinePayload = core.wire.deflate("\x08\3" .. wrap("\x12", conversation)),
    })
    local page = next_done(pages)
    local ids = {}
    for i, m in ipairs(page.messages) do ids[i] = m.id end
    assert.same({ "GOOD" }, ids)
    client:close()
  end))

  it("has what reads it loaded when there is some: not by a later login, before which it is all read", support.async(function()
    local rig <close> = start()
    local folder, pages = support.tmpdir() .. "/state", task.queue()
    local first = new_client(rig, queue_of(pages), { store = folder })
    next_done(pages)
    drain(first)
    first:close()
    local client = tap.client(rig, { store = folder })
    assert(client:connect())
    client:committed()
    assert.is_nil(client:made "past")
    client:on("history", queue_of(pages))
    assert(announce(rig, client, { syncType = "RECENT", chunkOrder = 1, initialHistBootstrapInlinePayload = chunk_of "late" }))
    assert.equal("late", assert(pages:pop(20)).messages[1].text)
    client:close()
  end))

  it("of chats and people that cannot be loses these alone", support.async(function()
    local rig <close> = start()
    local pages = task.queue()
    local client, errors = new_client(rig, queue_of(pages))
    next_done(pages)
    local own, conversations, mappings, names = client.lids:lid_of(client.me.jid), {}, {}, {}
    local strange = {
      ("9"):rep(5000), ("g"):rep(5000) .. "@g.us", ("9"):rep(5000) .. "@c.us", ("9"):rep(5000) .. "@lid", "", "@", "x", "a@b@c", "\0@lid",
      "1:99@", "15550001@s.whatsapp.net",
    }
    for i, name in ipairs(strange) do
      conversations[i] = { id = name, lidJid = name, pnJid = name, messages = { { message = {
        key = { remoteJid = name, participant = name, id = "A" .. i }, messageTimestamp = math.mininteger, participant = name,
        message = { conversation = "good" }, reactions = { { key = { remoteJid = name, participant = name, id = "" }, text = "x" } },
      } } } }
      mappings[i] = { pnJid = name, lidJid = "66@lid" }
      mappings[#strange + i] = { pnJid = client.me.jid, lidJid = name }
      names[i] = { id = name, pushname = name }
    end
    announce(rig, client, { syncType = "RECENT", initialHistBootstrapInlinePayload = core.wire.deflate(assert(proto.encode("HistorySync", {
      syncType = "RECENT", conversations = conversations, phoneNumberToLidMappings = mappings, pushnames = names,
      companionMetaNonce = "a\r\nX: y",
    }))) })
    local heard = {}
    local page
    repeat
      page = assert(pages:pop(30))
      for _, m in ipairs(page.messages) do heard[m.chat] = m.text end
    until page.done
    assert.equal("good", heard["66@lid"])
    assert.same({ 0, own }, { #errors, client.lids:lid_of(client.me.jid) })
    assert.is_nil(client.store:get("setting", "companion-nonce"))
    client:close()
  end))

  it("that something unforeseen keeps from being read is tried again, for 14 days at most", support.async(function()
    local rig <close> = start()
    local pages = task.queue()
    local client, errors = new_client(rig, queue_of(pages))
    next_done(pages)
    function client.past.read() error "unforeseen" end
    announce(rig, client, { syncType = "RECENT", initialHistBootstrapInlinePayload = chunk_of "never" })
    for _ = 1, 2 do assert.matches("unforeseen", assert(errors:pop(30))) end
    local key = client.store:last("history", "j")
    local row = rows.get(client.store, "history", key, "StoreHistory")
    row.time = row.time - 15 * 24 * 3600
    rows.put(client.store, "history", key, "StoreHistory", row)
    drain(client)
    client:close()
  end))

  it("may be a marker alone: there is no history", support.async(function()
    local rig <close> = start()
    local pages = task.queue()
    local client = new_client(rig, queue_of(pages))
    next_done(pages)
    announce(rig, client, { syncType = "NO_HISTORY" })
    local page = next_done(pages)
    assert.same({ "none", 0 }, { page.type, #page.messages })
    client:close()
  end))

  it("is the own phone's alone to give: no other own device's, and nobody else's", support.async(function()
    local rig <close> = start()
    local pages = task.queue()
    local client, errors = new_client(rig, queue_of(pages))
    next_done(pages)
    local laptop, ben = rig:contact "Ana", rig:contact "Ben"
    local lie = { protocolMessage = { type = "HISTORY_SYNC_NOTIFICATION", historySyncNotification = {
      syncType = "RECENT", initialHistBootstrapInlinePayload = chunk_of "a lie",
    } } }
    assert(ben.client:send(client.me.jid, { message = lie }))
    local stanza = require "moonpost.stanza"
    local to = core.wire.jid.make((core.wire.jid.parse(client.me.lid)), "lid", client.me.device)
    assert(laptop.client.devices:ensure_sessions { to })
    local sealed = laptop.client.account:encrypt({ to }, assert(proto.encode("Message", lie)))[1]
    assert(laptop.client.connection:send(stanza.node("message", { to = to, id = "LIE1", type = "text", category = "peer" }, {
      stanza.node("enc", { v = "2", type = sealed.type }, sealed.ciphertext),
      sealed.type == "pkmsg" and stanza.node("device-identity", nil, laptop.client.me.deviceIdentity) or nil,
    })))
    assert.equal("forged", assert(errors:pop(30)).code)
    assert.equal(0, count(client))
    assert.equal(0, #pages)
    client:close()
  end))
end)

describe("history that is asked for", function()
  it("fails after a while when the phone does not answer, and comes to the handlers when it does so late", support.async(function()
    local rig <close> = start()
    rig:admin("mock-phone/past", { name = "Ana", chats = 1, groups = 0, messages = 30, recent = 10 })
    local pages = task.queue()
    local client = new_client(rig, queue_of(pages))
    local page
    repeat page = next_done(pages) until page.progress == 100
    local held
    local stop = rig:tap(function(direction, node)
      if direction == "to-server" and node.tag == "message" and node.attrs.category == "peer" then held = node return false end
    end)
    client.past.asks.seconds = 0.05
    local friend = rig.sandbox.accounts.by_name["Friend 1"]:jid "lid"
    local older, err = client:history(friend, { count = 3 })
    assert.is_nil(older)
    assert.equal("timeout", err.code)
    assert.equal("1", held.attrs.privacy_sensitive)
    stop()
    announce(rig, client, {
      syncType = "ON_DEMAND", peerDataRequestSessionId = held.attrs.id, initialHistBootstrapInlinePayload = chunk_of "late",
    })
    page = next_done(pages)
    assert.same({ true, "late" }, { page.on_demand, page.messages[1].text })
    client:close()
  end))

  it("is told what is wrong with the question", support.async(function()
    local rig <close> = start()
    local client = new_client(rig)
    local _, err = client:history("15550001@s.whatsapp.net")
    assert.equal("no-message", err.code)
    _, err = client:history("15550001@s.whatsapp.net", { before = { id = "X" } })
    assert.equal("no-message", err.code)
    assert.has_error(function() client:history("nobody") end)
    assert.has_error(function() client:history("15550001@s.whatsapp.net", { count = 0 }) end)
    assert.has_error(function() client:history("15550001@s.whatsapp.net", { before = "X" }) end)
    client:close()
  end))
end)
