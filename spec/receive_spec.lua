-- Receiving: what is heard, what is kept, and what confirms it (fact sheet 04), through real sockets; hostile stanzas are put on them
-- past the sandbox's own checks.
local core = require "moonpost.core"
local messages = require "moonpost.client.messages"
local stanza = require "moonpost.stanza"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"
local task = require "moonpost.task"

local proto = core.proto

local device_jid = tap.device_jid

-- Two contacts who have written to each other: their sessions are settled.
local function acquainted(rig, options)
  local ana, ben = rig:contact "Ana", rig:contact("Ben", options)
  tap.meet(ana, ben)
  ben.errors = tap.event(ben.client, "error")
  return ana, ben
end

-- What a contact's client confirms from now on: a queue of short texts, such as `receipt sender AAAA` and `ack 487 AAAA`.
local function confirmations(rig, contact)
  local said = task.queue()
  local device = tap.device(rig, contact.client)
  rig:tap(function(direction, node, conn)
    if direction ~= "to-server" or conn.device ~= device then return end
    if node.tag == "receipt" then
      said:push(("receipt %s %s"):format(node.attrs.type or "delivery", node.attrs.id))
    elseif node.tag == "ack" and node.attrs.class ~= "receipt" and node.attrs.class ~= "notification" then
      said:push(("ack %s %s%s"):format(node.attrs.class, node.attrs.id, node.attrs.error and " " .. node.attrs.error or ""))
    end
  end)
  return said
end

local function encrypt(from, to, plaintext)
  local one = from.client.account:encrypt({ device_jid(to, "lid") }, plaintext)[1]
  return stanza.node("enc", { v = "2", type = one.type }, assert(one.ciphertext, tostring(one.error)))
end

local function encode(message) return assert(proto.encode("Message", message)) end

-- A message stanza as the server would hand it to `to`.
local function delivered(from, id, content, more)
  local attrs = { from = device_jid(from, "lid"), sender_pn = from.jid, id = id, t = "1769296600", type = "text", notify = from.name }
  for name, value in pairs(more or {}) do attrs[name] = value or nil end
  return stanza.node("message", attrs, content)
end

local inject = tap.hand

local function kick(rig, contact) rig:admin("kick", { jid = device_jid(contact), kind = "drop" }) end

local function raw_count(contact)
  contact.client:committed()
  return contact.client.store:count("raw", "")
end

describe("a message", function()
  it("is confirmed by one receipt and by no ack, after it is safe", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    local said, safe = confirmations(rig, ben), nil
    tap.knows_app_state(ben.client)
    rig:tap(function(direction, node)
      if direction == "to-server" and node.tag == "receipt" then safe = not ben.client.store:dirty() end
    end)
    local sent = assert(ana.client:send(ben.jid, "hi"))
    assert.equal("receipt delivery " .. sent.id, said:pop(30))
    assert.is_true(safe)
    ben:next()
    assert(ana.client:send(ben.jid, "next"))
    assert.matches("^receipt delivery", said:pop(30))
    assert.equal(0, #said)
  end))

  it("whose receipt was lost comes again, is confirmed again and heard once", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    local lost = task.queue()
    local device = tap.device(rig, ben.client)
    local stop = rig:tap(function(direction, node, conn)
      if direction ~= "to-server" or node.tag ~= "receipt" or conn.device ~= device then return end
      lost:push(node.attrs.id)
      return false
    end)
    local sent = assert(ana.client:send(ben.jid, "hi"))
    assert.equal(sent.id, lost:pop(30))
    stop()
    local said, copies = confirmations(rig, ben), rig:record("to-client", function(node) return node.tag == "message" end)
    kick(rig, ben)
    assert.equal("receipt delivery " .. sent.id, said:pop(30))
    assert.equal("2", tostring(copies[1].attrs.offline))
    assert(ana.client:send(ben.jid, "next"))
    assert.equal("hi", ben:next().text)
    assert.equal("next", ben:next().text)
    assert.equal(0, #ben.errors)
  end))

  it("under the same id with another ciphertext is heard once, and the ratchet moves", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    local said = confirmations(rig, ben)
    for _ = 1, 3 do
      inject(rig, ben, delivered(ana, "AAAA", encrypt(ana, ben, encode { conversation = "hi" })))
      assert.equal("receipt delivery AAAA", said:pop(30))
    end
    assert(ana.client:send(ben.jid, "next"))
    assert.equal("hi", ben:next().text)
    assert.equal("next", ben:next().text)
  end))

  it("whose ciphertext was used before is confirmed and not heard", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    local said, enc = confirmations(rig, ben), encrypt(ana, ben, encode { conversation = "hi" })
    inject(rig, ben, delivered(ana, "AAAA", enc))
    inject(rig, ben, delivered(ana, "BBBB", enc))
    assert.equal("receipt delivery AAAA", said:pop(30))
    assert.equal("receipt delivery BBBB", said:pop(30))
    assert.equal("AAAA", ben:next().id)
    assert.equal(0, #ben.heard + #ben.errors)
  end))

  it("addressed by number belongs to the same chat as one addressed to the LID", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    inject(rig, ben, delivered(ana, "AAAA", encrypt(ana, ben, encode { conversation = "hi" }), {
      from = device_jid(ana), sender_pn = false, sender_lid = ana.lid,
    }))
    local m = ben:next()
    assert.same({ ana.lid, ana.lid, ana.jid:match "^%d+" }, { m.chat, m.sender, m.phone })
  end))

  it("under the LID is read with the session that was made under the number", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    local store, account = ben.client.store, ben.client.account
    store:delete("lid", "p" .. ana.jid:match "^%d+")
    store:delete("lid", "l" .. ana.lid:match "^%d+")
    ben.client.lids:changed()
    assert.is_true(account:migrate(device_jid(ana, "lid"), device_jid(ana)))
    assert(ana.client:send(ben.jid, "hi"))
    assert.equal("hi", ben:next().text)
    assert.is_true(account:has_session(device_jid(ana, "lid")))
    assert.is_false(account:has_session(device_jid(ana)))
    assert.equal(0, #ben.errors)
  end))

  it("of a new session is heard also before the first of it", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local held, arrived = nil, task.queue()
    local stop = rig:tap(function(direction, node, conn)
      if direction ~= "to-client" or node.tag ~= "message" or node.attrs.category or conn.device.account.name ~= "Ben" then return end
      held = held or node
      arrived:push(true)
      return node ~= held
    end)
    assert(ana.client:send(ben.jid, "1"))
    assert(arrived:pop(30))
    assert(ana.client:send(ben.jid, "2"))
    assert.equal("2", ben:next().text)
    stop()
    assert.equal("pkmsg", stanza.child(held, "enc").attrs.type)
    inject(rig, ben, held)
    assert.equal("1", ben:next().text)
  end))

  it("is heard through the wrappers that only say how it is shown", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    assert(ana.client:send(ben.jid, { ephemeralMessage = { message = { extendedTextMessage = { text = "soon gone" } } } }))
    local m = ben:next()
    assert.same({ "soon gone", "text" }, { m.text, m.kind })
  end))

  it("of the owner is heard by a client that asks for it alone", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    local quiet, listening = rig:contact "Ben", rig:contact("Ben", { own = true })
    assert(ben.client:send(ana.jid, "from Ben"))
    assert.is_true(listening:next().from_me)
    assert(ana.client:send(ben.jid, "from Ana"))
    for _, one in ipairs { quiet, listening, ben } do assert.equal("from Ana", one:next().text) end
  end))

  it("from a name as long as a JID can be is heard like any other", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    local long = ("7"):rep(255)
    inject(rig, ben, stanza.node("message", { from = long .. "@lid", id = ("x"):rep(128), t = "1", type = "text" },
      stanza.node("enc", { v = "2", type = "msg" }, "x")))
    assert.equal("malformed", ben.errors:pop(30).code)
    assert.equal("undecryptable", ben:next().kind)
    ben.client.account:migrate(device_jid(ana, "lid"), long .. "@lid")
    inject(rig, ben, stanza.node("message", { from = long .. "@lid", id = ("x"):rep(128), t = "1", type = "text" }, (function()
      return encrypt(ana, ben, encode { conversation = "hi" })
    end)()))
    assert.equal("hi", ben:next().text)
  end))

  it("of which only a key or a secret is set is confirmed and nobody hears of it", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    local said, before = confirmations(rig, ben), raw_count(ben)
    inject(rig, ben, delivered(ana, "AAAA", encrypt(ana, ben, encode { messageContextInfo = { messageSecret = ("s"):rep(32) } })))
    assert.equal("receipt delivery AAAA", said:pop(30))
    assert.equal(before, raw_count(ben))
    assert.equal(0, #ben.heard)
  end))

  it("that edits or revokes what is not known is heard all the same", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    local key = { remoteJid = ben.lid, fromMe = true, id = "3EB0AAAA" }
    assert(ana.client:send(ben.jid, { editedMessage = { message = { protocolMessage = {
      key = key, type = "MESSAGE_EDIT", editedMessage = { conversation = "better" }, timestampMs = 1,
    } } } }))
    local edit = ben:next()
    assert.same({ "edit", "better", key.id, true }, { edit.kind, edit.text, edit.target.id, edit.target.unknown })
    assert(ana.client:send(ben.jid, { protocolMessage = { key = key, type = "REVOKE" } }))
    local revoke = ben:next()
    assert.same({ "revoke", key.id }, { revoke.kind, revoke.target.id })
  end))
end)

describe("a message that cannot be read", function()
  -- A byte inside the ciphertext or its MAC is wrong, wherever a pkmsg has its ids.
  local function spoiled(from, to, message)
    local enc = encrypt(from, to, encode(message or { conversation = "hi" }))
    tap.spoil(enc)
    return enc
  end

  it("is asked for four times, with keys from the second, and acked each time", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    local said = confirmations(rig, ben)
    local retries = rig:record("to-server", function(node) return node.tag == "receipt" and node.attrs.type == "retry" end)
    local before = #ben.client.account:prekeys(true)
    for i = 1, 5 do
      inject(rig, ben, delivered(ana, "AAAA", spoiled(ana, ben)))
      if i <= 4 then assert.equal("receipt retry AAAA", said:pop(30)) end
      assert.equal("ack message AAAA", said:pop(30))
      assert.equal("undecryptable", ben.errors:pop(30).code)
    end
    for i, receipt in ipairs(retries) do
      local retry = stanza.child(receipt, "retry").attrs
      assert.same({ tostring(i), "AAAA", "7", "1769296600" }, { tostring(retry.count), retry.id, tostring(retry.error), tostring(retry.t) })
      assert.equal(i > 1, stanza.child(receipt, "keys") ~= nil)
      assert.equal(device_jid(ana, "lid"), receipt.attrs.to)
    end
    assert.equal(before + 1, #ben.client.account:prekeys(true))
    assert.equal("undecryptable", ben:next().kind) -- too old for the phone to be asked
    assert(ana.client:send(ben.jid, "next"))
    assert.equal("next", ben:next().text)
  end))

  it("is not asked for with a count its sender made up", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    local said = confirmations(rig, ben)
    for i, count in ipairs { "-7", "x", "4", "99999999999" } do
      local enc = spoiled(ana, ben)
      enc.attrs.count = count
      inject(rig, ben, delivered(ana, "A" .. i, enc))
      if i <= 2 then assert.equal("receipt retry A" .. i, said:pop(30)) end
      assert.equal("ack message A" .. i, said:pop(30))
    end
  end))

  it("is counted on over a restart", support.async(function()
    local rig <close> = start()
    local handle = assert(core.store.open {})
    local ana, ben = acquainted(rig, { store_handle = handle })
    inject(rig, ben, delivered(ana, "AAAA", spoiled(ana, ben)))
    assert(ben.errors:pop(30))
    ben.client:close()
    ben = rig:contact("Ben", { store_handle = handle })
    ben.errors = tap.event(ben.client, "error")
    local retries = rig:record("to-server", function(node) return node.attrs.type == "retry" and node.tag == "receipt" end)
    inject(rig, ben, delivered(ana, "AAAA", spoiled(ana, ben)))
    assert.matches("time 2", tostring(ben.errors:pop(30)))
    ben.client:committed()
    assert(ana.client:send(ben.jid, "next"))
    assert.equal("next", ben:next().text)
    assert.equal("2", tostring(stanza.child(retries[1], "retry").attrs.count))
  end))

  it("for want of a session is asked for with keys at once", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    ben.client.account:delete_session(device_jid(ana, "lid"))
    local retries = rig:record("to-server", function(node) return node.attrs.type == "retry" and node.tag == "receipt" end)
    local said = confirmations(rig, ben)
    assert(ana.client:send(ben.jid, "hi"))
    assert.equal("undecryptable", ben.errors:pop(30).code)
    assert.matches("^receipt retry", said:pop(30))
    assert.matches("^ack message", said:pop(30))
    assert.equal("1", tostring(stanza.child(retries[1], "retry").attrs.error))
    assert.is_truthy(stanza.path(retries[1], "keys", "key"))
  end))

  it("because it is no Signal message is refused with 487", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    local said = confirmations(rig, ben)
    for _, bytes in ipairs { "\0", "\x33", "\x33\8\1", ("\xff"):rep(500) } do
      for _, type in ipairs { "msg", "pkmsg" } do
        inject(rig, ben, delivered(ana, "AAAA", stanza.node("enc", { v = "2", type = type }, bytes)))
        assert.equal("ack message AAAA 487", said:pop(30))
      end
    end
    assert.equal("malformed", ben.errors:pop(30).code)
  end))

  it("because no Message is inside is refused with 491, and the next one is read", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    local said = confirmations(rig, ben)
    inject(rig, ben, delivered(ana, "AAAA", encrypt(ana, ben, "\xff\xff\xff")))
    assert.equal("ack message AAAA 491", said:pop(30))
    assert.matches("message AAAA from", tostring(ben.errors:pop(30)))
    assert.same({ "undecryptable", "AAAA" }, (function(m) return { m.kind, m.id } end)(ben:next()))
    assert(ana.client:send(ben.jid, "next"))
    assert.equal("next", ben:next().text)
  end))

  it("of another own device is asked for under its chat, and done with by its receipt", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    local ben2 = rig:contact("Ben", { own = true })
    ben2.errors = tap.event(ben2.client, "error")
    local said = confirmations(rig, ben2)
    local sent = assert(ben.client:send(ana.jid, "first"))
    ben2:next()
    repeat until assert(said:pop(30)) == "receipt sender " .. sent.id -- behind what the phone told it after linking
    local enc = spoiled(ben, ben2, messages.for_own_devices(ana.lid, { conversation = "hi" }))
    local retries = rig:record("to-server", function(node) return node.attrs.type == "retry" and node.tag == "receipt" end)
    inject(rig, ben2, delivered(ben, "AAAA", enc, { sender_pn = false, recipient = ana.lid, peer_recipient_pn = ana.jid }))
    assert.equal("receipt retry AAAA", said:pop(30))
    assert.equal("receipt sender AAAA", said:pop(30))
    assert.equal(ana.lid, retries[1].attrs.recipient)
    assert.equal("undecryptable", ben2.errors:pop(30).code)
  end))
end)

describe("a forged message", function()
  it("of somebody who claims to be an own device is not listened to", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig, { own = true })
    local said = confirmations(rig, ben)
    local sent = assert(ana.client:send(ben.jid, { deviceSentMessage = { destinationJid = ana.lid, message = { conversation = "pay" } } }))
    assert.equal("receipt delivery " .. sent.id, said:pop(30))
    assert.equal("forged", ben.errors:pop(30).code)
    assert.equal(0, #ben.heard)
  end))

  it("of a stranger with what only the own phone may say changes nothing", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    local said, keys = confirmations(rig, ben), ben.client.store:count("appstate-key", "")
    assert(ana.client:send(ben.jid, { protocolMessage = { type = "APP_STATE_SYNC_KEY_SHARE", appStateSyncKeyShare = { keys = { {
      keyId = { keyId = "forged" }, keyData = { keyData = ("k"):rep(32) },
    } } } } }))
    assert(ana.client:send(ben.jid, { protocolMessage = {
      type = "HISTORY_SYNC_NOTIFICATION", historySyncNotification = { chunkOrder = 1 },
    } }))
    for _ = 1, 2 do assert.matches("^receipt delivery", said:pop(30)) end
    ben.client:committed()
    assert.equal(keys, ben.client.store:count("appstate-key", ""))
    assert.equal(0, #ben.heard + #said)
  end))

  it("in the own phone's name, under another identity, moves nothing", support.async(function()
    local rig <close> = start()
    local _, ben = acquainted(rig)
    local bundle = require("moonpost.sandbox.keys").bundle(rig.sandbox, device_jid(ben, "lid"))
    local mallory = core.signal.account(assert(core.store.open {}), "mallory")
    mallory:create()
    assert(mallory:process_bundle("victim", {
      registration_id = (">I4"):unpack(bundle.registration), identity = bundle.identity,
      signed_prekey = { id = (">I3"):unpack(bundle.skey_id), public = bundle.skey_value, signature = bundle.skey_signature },
      prekey = { id = (">I3"):unpack(bundle.key), public = bundle.key:sub(4) },
    }))
    local keys, known = ben.client.store:count("appstate-key", ""), ben.client.account:remote_identity(ben.lid)
    local function share(name)
      return { protocolMessage = { type = "APP_STATE_SYNC_KEY_SHARE", appStateSyncKeyShare = { keys = { {
        keyId = { keyId = name }, keyData = { keyData = "k" },
      } } } } }
    end
    local one = mallory:encrypt({ "victim" }, encode(share "forged"))[1]
    local said = confirmations(rig, ben)
    inject(rig, ben, stanza.node("message", { from = ben.jid, id = "AAAA", t = "1769296600", type = "text", category = "peer" },
      stanza.node("enc", { v = "2", type = one.type }, one.ciphertext)))
    assert.equal("receipt retry AAAA", said:pop(30))
    assert.matches("the own phone's name", tostring(ben.errors:pop(30)))
    assert.equal(keys, ben.client.store:count("appstate-key", ""))
    assert.equal(known, ben.client.account:remote_identity(ben.lid))
    local account = rig.sandbox.accounts.by_name.Ben
    require("moonpost.sandbox.phone").of(rig.sandbox, account):tell(tap.device(rig, ben.client), share "honest")
    assert.equal("ack message AAAA", said:pop(30))
    assert.matches("^receipt peer_msg", said:pop(30))
    assert.equal(keys + 1, ben.client.store:count("appstate-key", ""))
  end))

  it("whose envelope is wrong is refused with 487, and says why", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    local said, enc = confirmations(rig, ben), encrypt(ana, ben, encode { conversation = "hi" })
    local wrong = {
      { delivered(ana, "AAAA", enc, { from = "s.whatsapp.net" }), "nobody's JID" },
      { delivered(ana, "AAAA", enc, { from = "120363000000000001@g.us" }), "names no participant" },
      { delivered(ana, ("x"):rep(500), enc), "id of 500 bytes" },
    }
    for _, row in ipairs(wrong) do
      inject(rig, ben, row[1])
      assert.equal(("ack message %s 487"):format(row[1].attrs.id), said:pop(30))
      assert.matches(row[2], tostring(ben.errors:pop(30)))
    end
    inject(rig, ben, delivered(ana, nil, enc))
    assert.matches("without id", tostring(ben.errors:pop(30)))
    inject(rig, ben, delivered(ana, "BBBB", enc))
    assert.equal("receipt delivery BBBB", said:pop(30))
    assert.equal("BBBB", ben:next().id)
  end))

  it("that echoes this very device is done with by an ack", support.async(function()
    local rig <close> = start()
    local _, ben = acquainted(rig, { own = true })
    local said = confirmations(rig, ben)
    inject(rig, ben, stanza.node("message", { from = device_jid(ben, "lid"), recipient = ben.lid, id = "AAAA", t = "1", type = "text" },
      stanza.node("enc", { v = "2", type = "msg" }, "x")))
    assert.equal("ack message AAAA", said:pop(30))
    assert.equal(0, #ben.heard + #ben.errors)
  end))
end)

describe("what this client does not read yet", function()
  -- Each: the stanza and what confirms it. All are kept.
  local function stanzas(ana)
    return {
      { "one with nothing inside", delivered(ana, "AAAA"), "ack message AAAA 488" },
    }
  end

  it("is kept as it came and confirmed, never refused, never asked for again", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    local said, before = confirmations(rig, ben), raw_count(ben)
    for i, row in ipairs(stanzas(ana)) do
      inject(rig, ben, row[2])
      assert.equal(row[3], said:pop(30), row[1])
      assert.equal(before + i, raw_count(ben), row[1])
      local bytes = (">s4s4"):unpack(ben.client.store:get("raw", ben.client.store:last("raw", "")))
      assert.equal(core.wire.encode(row[2]), bytes, row[1])
    end
    assert.equal(0, #said + #ben.heard + #ben.errors)
    assert(ana.client:send(ben.jid, "next"))
    assert.equal("next", ben:next().text)
  end))
end)

describe("what the phone tells after linking", function()
  it("is its keys, which are stored, and its history, which is read: both are confirmed, and nobody hears of them", support.async(function()
    local rig <close> = start()
    local receipts, done = {}, task.queue()
    rig:tap(function(direction, node)
      if direction ~= "to-server" or node.tag ~= "receipt" then return end
      receipts[#receipts + 1] = node
      if #receipts == 3 then done:push(true) end
    end)
    local ana = rig:contact "Ana"
    assert(done:pop(30))
    local types = { receipts[1].attrs.type, receipts[2].attrs.type, receipts[3].attrs.type }
    table.sort(types)
    assert.same({ "hist_sync", "peer_msg", "peer_msg" }, types)
    local rows = ana.client.store:range("appstate-key", "")
    assert.equal(1, #rows)
    assert.equal(32, #proto.decode("Message.AppStateSyncKeyData", rows[1][2]).keyData)
    support.eventually(function() return ana.client.store:count("history", "j") == 0 end, "the history is read")
    assert.same({ 0, 0 }, { raw_count(ana), #ana.heard })
  end))
end)
