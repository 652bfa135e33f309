-- Messages that a device of the other side could not read: asked for by retry receipts and brought again (fact sheet 03 §18.3, 04 §9),
-- between clients over real sockets; what the sandbox cannot be made to do is put on them past its checks.
local core = require "moonpost.core"
local messages = require "moonpost.client.messages"
local stanza = require "moonpost.stanza"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"
local task = require "moonpost.task"

local proto = core.proto

local device_jid = tap.device_jid

local function acquainted(rig, options)
  local ana, ben = rig:contact("Ana", options), rig:contact "Ben"
  tap.meet(ana, ben)
  ana.errors, ben.errors = tap.event(ana.client, "error"), tap.event(ben.client, "error")
  return ana, ben
end

local is_to = tap.is_to

-- Damages the encs of the next `count` messages to a contact; those of peers are left alone. Counts them.
local function damage(rig, contact, count, type)
  local damaged = { count = 0 }
  rig:tap(function(direction, node, conn)
    if direction ~= "to-client" or node.tag ~= "message" or node.attrs.category or not is_to(conn, contact) then return end
    local enc = stanza.child(node, "enc")
    if not enc or damaged.count >= count or type and enc.attrs.type ~= type then return end
    damaged.count = damaged.count + 1
    tap.spoil(enc)
  end)
  return damaged
end

-- The retry receipts clients send, and the resends: arrays.
local function watch(rig)
  return rig:record("to-server", function(node) return node.tag == "receipt" and node.attrs.type == "retry" end),
    rig:record("to-server", function(node)
      local enc = node.tag == "message" and stanza.child(node, "enc")
      return enc and enc.attrs.count ~= nil
    end)
end

-- From now on no client hears that what it sends was delivered; what was not is brought again. What did come before has been heard.
local function unconfirmed(rig)
  rig:tap(function(direction, node)
    if direction == "to-client" and node.tag == "receipt" and node.attrs.type ~= "retry" then return false end
  end)
end

-- The acks a contact's client gives to retry receipts: a queue of ids, refused ones with their error.
local function retry_acks(rig, contact)
  local said = task.queue()
  rig:tap(function(direction, node, conn)
    if direction == "to-server" and node.tag == "ack" and node.attrs.class == "receipt" and node.attrs.type == "retry"
      and is_to(conn, contact) then
      said:push(node.attrs.id .. (node.attrs.error and " " .. node.attrs.error or ""))
    end
  end)
  return said
end

local inject = tap.hand

-- A retry receipt of `asker` for a message of `contact`, as the server hands it on.
local function ask(rig, contact, asker, id, more, children)
  local attrs = { from = device_jid(asker, "lid"), id = id, t = "1769296600", type = "retry" }
  local about = { count = "1", registration = (">I4"):pack(asker.client.account:public().registration_id) }
  for name, value in pairs(more or {}) do
    if about[name] then about[name] = value else attrs[name] = value or nil end
  end
  inject(rig, contact, stanza.node("receipt", attrs, {
    stanza.node("retry", { v = "1", count = about.count, id = id, t = "1769296600" }), stanza.node("registration", nil, about.registration),
    table.unpack(children or {}),
  }))
end

-- Fresh keys of a client, as a retry receipt brings them.
local function keys_of(contact, change)
  local account = contact.client.account
  local public, one = account:public(), account:new_prekeys(1)[1]
  local all = { identity = public.identity, value = public.signed_prekey.public, signature = public.signed_prekey.signature }
  for name, value in pairs(change or {}) do all[name] = value end
  return stanza.node("keys", nil, {
    stanza.node("type", nil, "\5"), stanza.node("identity", nil, all.identity),
    stanza.node("key", nil, { stanza.node("id", nil, (">I3"):pack(one.id)), stanza.node("value", nil, one.public) }),
    stanza.node("skey", nil, {
      stanza.node("id", nil, (">I3"):pack(public.signed_prekey.id)), stanza.node("value", nil, all.value),
      stanza.node("signature", nil, all.signature),
    }),
    stanza.node("device-identity", nil, contact.client.me.deviceIdentity),
  })
end

local function device_of(contact) return device_jid(contact, "lid") end

describe("a message that came damaged", function()
  it("is brought again under its id, to that device alone, and heard once", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    local asked, again = watch(rig)
    damage(rig, ben, 1)
    local sent = assert(ana.client:send(ben.jid, "hi"))
    local m = ben:next()
    assert.same({ "hi", sent.id }, { m.text, m.id })
    assert.equal(1, #asked)
    assert.equal(1, #again)
    assert.same({ sent.id, device_of(ben), "text" }, { again[1].attrs.id, again[1].attrs.to, again[1].attrs.type })
    assert.equal("1", tostring(stanza.child(again[1], "enc").attrs.count))
    assert.is_nil(stanza.child(again[1], "participants"))
    assert(ana.client:send(ben.jid, "next"))
    assert.equal("next", ben:next().text)
    assert.equal(1, #asked)
  end))

  it("as the first of a session is brought again in a session that is read", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local asked = watch(rig)
    local damaged = damage(rig, ben, 1, "pkmsg")
    assert(ana.client:send(ben.jid, "hi"))
    assert.equal("hi", ben:next().text)
    assert.same({ 1, 1 }, { damaged.count, #asked })
    assert(ben.client:send(ana.jid, "hi yourself"))
    assert.equal("hi yourself", ana:next().text)
  end))

  it("again and again is asked for with keys, in a new session, and heard when it comes whole", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    local asked, again = watch(rig)
    local before = ana.client.account:base_key(device_of(ben))
    damage(rig, ben, 3)
    assert(ana.client:send(ben.jid, "hi"))
    assert.equal("hi", ben:next().text)
    assert.equal(3, #asked)
    for i, node in ipairs(again) do
      assert.equal(tostring(i), tostring(stanza.child(node, "enc").attrs.count))
      assert.equal(i > 1 and "pkmsg" or "msg", stanza.child(node, "enc").attrs.type)
    end
    assert.are_not.equal(before, ana.client.account:base_key(device_of(ben)))
    assert(ben.client:send(ana.jid, "thanks"))
    assert.equal("thanks", ana:next().text)
  end))

  it("for good is given up after four receipts and brought no more", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    local asked, again = watch(rig)
    damage(rig, ben, 5)
    assert(ana.client:send(ben.jid, "hi"))
    for i = 1, 4 do assert.matches("time " .. i, tostring(ben.errors:pop(30))) end
    assert.matches("given up", tostring(ben.errors:pop(30)))
    assert.same({ 4, 4 }, { #asked, #again })
    assert(ana.client:send(ben.jid, "next"))
    assert.equal("next", ben:next().text)
  end))

  it("with many others is brought again like all of them", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    damage(rig, ben, 60)
    local done = task.queue()
    for i = 1, 30 do
      task.spawn(function()
        assert(ana.client:send(ben.jid, tostring(i)))
        done:push(true)
      end)
    end
    local heard = {}
    for _ = 1, 30 do
      local text = ben:next().text
      assert.is_nil(heard[text])
      heard[text] = true
    end
  end))

  it("is brought again after a restart of its sender", support.async(function()
    local rig <close> = start()
    local handle = assert(core.store.open {})
    local ana, ben = acquainted(rig, { store_handle = handle })
    local held = task.queue()
    damage(rig, ben, 1)
    local stop = rig:tap(function(direction, node)
      if direction ~= "to-client" or node.tag ~= "receipt" or node.attrs.type ~= "retry" then return end
      held:push(node)
      return false
    end)
    local sent = assert(ana.client:send(ben.jid, "hi"))
    assert(held:pop(30))
    ana.client:close()
    stop()
    rig:contact("Ana", { store_handle = handle })
    local m = ben:next()
    assert.same({ "hi", sent.id }, { m.text, m.id })
  end))

  it("to another own device is brought again under its chat", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    local ana2 = rig:contact("Ana", { own = true })
    local asked, again = watch(rig)
    assert(ana.client:send(ben.jid, "first"))
    assert.equal("first", ana2:next().text)
    damage(rig, ana2, 1)
    local sent = assert(ana.client:send(ben.jid, "hi"))
    local m = ana2:next()
    assert.same({ "hi", sent.id, ben.lid, true }, { m.text, m.id, m.chat, m.from_me })
    assert.equal(1, #asked)
    assert.same({ device_of(ana2), ben.lid }, { again[1].attrs.to, again[1].attrs.recipient })
  end))

  it("as a reaction keeps its labels when it is brought again", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    local sent = assert(ben.client:send(ana.jid, "see"))
    local m = ana:next()
    local _, again = watch(rig)
    damage(rig, ben, 1)
    assert(ana.client:react(m, "👍"))
    assert.equal(sent.id, ben:next().message.reactionMessage.key.id)
    local enc = stanza.child(again[1], "enc").attrs
    assert.same({ "reaction", "hide" }, { again[1].attrs.type, enc["decrypt-fail"] })
  end))
end)

describe("a device that lost its session", function()
  it("is written to in a new one, made with the keys it gave at once", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    local asked, again = watch(rig)
    ben.client.account:delete_session(device_of(ana))
    assert(ana.client:send(ben.jid, "hi"))
    assert.equal("hi", ben:next().text)
    assert.is_truthy(stanza.child(asked[1], "keys"))
    assert.equal("pkmsg", stanza.child(again[1], "enc").attrs.type)
    assert.is_truthy(stanza.child(again[1], "device-identity"))
  end))

  it("gets all of several messages in one session, though each receipt brings the same key", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    unconfirmed(rig)
    local first, second = assert(ana.client:send(ben.jid, "1")), assert(ana.client:send(ben.jid, "2"))
    for _ = 1, 2 do ben:next() end
    local keys, said = keys_of(ben), retry_acks(rig, ana)
    for _, one in ipairs { first, second } do ask(rig, ana, ben, one.id, { count = "2" }, { keys }) end
    for _ = 1, 2 do assert(said:pop(30)) end
    assert(ana.client:send(ben.jid, "3"))
    assert.equal("3", ben:next().text)
    assert.equal(0, #ben.errors)
  end))

  it("gets a message in the session its keys made already, when the receipt comes again to a later run", support.async(function()
    local rig <close> = start()
    local handle = assert(core.store.open {})
    local ana, ben = acquainted(rig, { store_handle = handle })
    unconfirmed(rig)
    local sent = assert(ana.client:send(ben.jid, "1"))
    ben:next()
    local keys = keys_of(ben)
    for run = 1, 2 do
      local said = retry_acks(rig, ana)
      ask(rig, ana, ben, sent.id, { count = "1" }, { keys })
      assert.equal(sent.id, said:pop(30))
      assert(ana.client:send(ben.jid, "after " .. run))
      assert.equal("after " .. run, ben:next().text)
      ana.client:close()
      ana = rig:contact("Ana", { store_handle = handle })
    end
    assert.equal(0, #ben.errors)
  end))

  it("and names another registration is written to with keys from the server", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    unconfirmed(rig)
    local sent = assert(ana.client:send(ben.jid, "hi"))
    ben:next()
    local said, before = retry_acks(rig, ana), ana.client.account:base_key(device_of(ben))
    ask(rig, ana, ben, sent.id, { registration = "\0\0\0\7" })
    assert.equal(sent.id, said:pop(30))
    assert.are_not.equal(before, ana.client.account:base_key(device_of(ben)))
    assert(ana.client:send(ben.jid, "next"))
    assert.equal("next", ben:next().text)
  end))

  it("and says so only once an hour without keys: between, the session stays", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    unconfirmed(rig)
    local said, ids, keys = retry_acks(rig, ana), {}, {}
    for i = 1, 3 do
      ids[i] = assert(ana.client:send(ben.jid, tostring(i))).id
      ben:next()
    end
    for i = 1, 3 do
      ask(rig, ana, ben, ids[i], { count = i == 1 and "1" or "2" })
      assert.equal(ids[i], said:pop(30))
      keys[i] = ana.client.account:base_key(device_of(ben))
    end
    assert.are_not.equal(keys[1], keys[2])
    assert.equal(keys[2], keys[3])
  end))

  it("and could not read the resend either gets a new one, by the base key of the one that failed", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    unconfirmed(rig)
    local said, keys = retry_acks(rig, ana), {}
    local sent = assert(ana.client:send(ben.jid, "hi"))
    ben:next()
    for count = 1, 4 do
      ask(rig, ana, ben, sent.id, { count = tostring(count) })
      assert.equal(sent.id, said:pop(30))
      keys[count] = ana.client.account:base_key(device_of(ben))
    end
    assert.are_not.equal(keys[2], keys[3])
    assert.are_not.equal(keys[3], keys[4])
  end))
end)

describe("a retry receipt", function()
  -- Nothing is brought again for it, whatever its ack says.
  local function expect_refusal(rig, ana, ben, answer, id, more, children)
    local _, again = watch(rig)
    local said = retry_acks(rig, ana)
    ask(rig, ana, ben, id, more, children)
    assert.equal(answer, said:pop(30))
    ana.client:committed()
    assert.equal(0, #again)
  end

  local function one_sent(ana, ben)
    local sent = assert(ana.client:send(ben.jid, "hi"))
    ben:next()
    return sent.id
  end

  it("for a message nobody sent is acknowledged and not served", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    expect_refusal(rig, ana, ben, "3EB0FFFFFFFFFFFFFFFFFF", "3EB0FFFFFFFFFFFFFFFFFF")
  end))

  it("of somebody the message was not for is not served", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    unconfirmed(rig)
    local cem = rig:contact "Cem"
    tap.meet(ana, cem)
    local id = one_sent(ana, ben)
    expect_refusal(rig, ana, cem, id, id)
    expect_refusal(rig, ana, cem, id, id, { recipient = ben.lid })
    expect_refusal(rig, ana, cem, id, id, {}, { keys_of(cem) })
  end))

  it("of an own device for another chat than the message's is not served", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    unconfirmed(rig)
    local ana2, cem = rig:contact "Ana", rig:contact "Cem"
    local id = one_sent(ana, ben)
    expect_refusal(rig, ana, ana2, id, id, { recipient = cem.lid })
    expect_refusal(rig, ana, ana2, id, id)
  end))

  it("of a device its account has not is not served, though its keys are there; the list is asked for once", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    local id = one_sent(ana, ben)
    local usyncs = rig:record("to-server", function(node) return node.tag == "iq" and node.attrs.xmlns == "usync" end)
    local stranger = device_jid(ben, "lid"):gsub(":%d+@", ":77@")
    expect_refusal(rig, ana, ben, id, id, { from = stranger }, { keys_of(ben) })
    expect_refusal(rig, ana, ben, id, id, { from = stranger })
    assert.equal(1, #usyncs)
    assert.matches("no device of its account", tostring(ana.errors:pop(30)))
  end))

  it("of a new device that is not in the list yet is served after the list was asked for", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    local id = one_sent(ana, ben)
    local ben2 = rig:contact "Ben"
    ana.client:committed()
    local row = { jids = { ben.lid, device_of(ben) }, time = 1 }
    require("moonpost.client.rows").put(ana.client.store, "device-list", ben.lid, "StoreDevices", row)
    ask(rig, ana, ben2, id)
    assert.equal(id, ben2:next().id)
  end))

  it("with a count of five, or none, or for the fifth time again is not served", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    unconfirmed(rig)
    local id = one_sent(ana, ben)
    for _, count in ipairs { "0", "5", "99" } do expect_refusal(rig, ana, ben, id, id, { count = count }) end
    local said = retry_acks(rig, ana)
    local _, again = watch(rig)
    for _ = 1, 8 do
      ask(rig, ana, ben, id)
      assert.equal(id, said:pop(30))
    end
    assert.equal(5, #again)
  end))

  it("with keys that are no bundle, or not signed, is not served, and the session stays", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    unconfirmed(rig)
    local id, before = one_sent(ana, ben), ana.client.account:base_key(device_of(ben))
    expect_refusal(rig, ana, ben, id .. " 487", id, {}, { keys_of(ben, { identity = "short" }) })
    expect_refusal(rig, ana, ben, id .. " 487", id, {}, { keys_of(ben, { signature = ("s"):rep(63) }) })
    expect_refusal(rig, ana, ben, id .. " 487", id, {}, { stanza.node "keys" })
    expect_refusal(rig, ana, ben, id, id, {}, { keys_of(ben, { signature = ("s"):rep(64) }) })
    assert.equal(before, ana.client.account:base_key(device_of(ben)))
  end))

  it("that is malformed is refused with 487", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    local id = one_sent(ana, ben)
    expect_refusal(rig, ana, ben, id .. " 487", id, { registration = "\0\0\7" })
    expect_refusal(rig, ana, ben, id .. " 487", id, { count = "many" })
    expect_refusal(rig, ana, ben, id .. " 487", id, { from = "s.whatsapp.net" })
    local said = retry_acks(rig, ana)
    inject(rig, ana, stanza.node("receipt", { from = device_of(ben), id = id, t = "1769296600", type = "retry" }))
    assert.equal(id .. " 487", said:pop(30))
  end))

  it("in an own device's name, with keys the phone does not vouch for, is not served", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    unconfirmed(rig)
    local ana2 = rig:contact("Ana", { own = true })
    local id = assert(ana.client:send(ben.jid, "hi")).id
    assert.equal(id, ana2:next().id)
    expect_refusal(rig, ana, ana2, id, id, { recipient = ben.lid }, { keys_of(ben) })
    assert.matches("is not taken", tostring(ana.errors:pop(30)))
    expect_refusal(rig, ana, ana2, id, id, { recipient = ben.lid, registration = "\0\0\0\7" }, { keys_of(ana2) })
    assert.matches("another registration", tostring(ana.errors:pop(30)))
  end))

  it("is acknowledged only when the resend is stored: a connection lost before brings it again", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    unconfirmed(rig)
    ana.client.connection.pace = { stable = 30, first_pause = 0.01, longest_pause = 0.05 }
    local sent = assert(ana.client:send(ben.jid, "hi"))
    ben:next()
    ben.client.account:delete_session(device_of(ana)) -- for a retry receipt on the wire, keys and all
    local dropped = false
    rig:tap(function(direction, node, conn)
      if direction ~= "to-server" or dropped or node.tag ~= "iq" or node.attrs.xmlns ~= "usync" or not is_to(conn, ana) then return end
      dropped = true
      conn:drop()
      return false
    end)
    ana.client.devices:forget(ben.lid)
    local said = retry_acks(rig, ana)
    tap.device(rig, ana.client).queue:push(stanza.node("receipt", {
      from = device_of(ben), id = sent.id, t = "1769296600", type = "retry",
    }, {
      stanza.node("retry", { v = "1", count = "2", id = sent.id, t = "1769296600" }),
      stanza.node("registration", nil, (">I4"):pack(ben.client.account:public().registration_id)), keys_of(ben),
    }))
    assert.equal(sent.id, said:pop(30))
    assert.is_true(dropped)
    assert(ana.client:send(ben.jid, "next"))
    assert.equal("next", ben:next().text)
    assert.equal(0, #ben.errors)
  end))
end)

describe("a message a device has confirmed", function()
  -- A text of Ana's that Ben's device has confirmed, by the receipt its client has sent.
  local function confirmed(ana, ben)
    local told = tap.event(ana.client, "receipt")
    local sent = assert(ana.client:send(ben.jid, "hi"))
    ben:next()
    local receipt
    repeat receipt = assert(told:pop(30)) until receipt.ids[1] == sent.id
    assert.equal(device_of(ben), receipt.sender)
    return sent.id
  end

  -- Nothing is brought again, and the session stays, for a retry receipt with keys of one's own making.
  local function expect_nothing(rig, ana, ben, id, more)
    local _, again = watch(rig)
    local said, before = retry_acks(rig, ana), ana.client.account:base_key(device_of(ben))
    local mallory = rig:contact "Mallory"
    ask(rig, ana, ben, id, more, { keys_of(mallory) })
    assert.equal(id, said:pop(30))
    ana.client:committed()
    assert.equal(0, #again)
    assert.equal(before, ana.client.account:base_key(device_of(ben)))
  end

  it("is not brought to it again, whatever keys a retry receipt in its name brings", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    local id = confirmed(ana, ben)
    expect_nothing(rig, ana, ben, id)
    expect_nothing(rig, ana, ben, id, { from = device_jid(ben), count = "2" })
  end))

  it("is not brought to it again by a later run either", support.async(function()
    local rig <close> = start()
    local handle = assert(core.store.open {})
    local ana, ben = acquainted(rig, { store_handle = handle })
    local id = confirmed(ana, ben)
    ana.client:close()
    ana = rig:contact("Ana", { store_handle = handle })
    expect_nothing(rig, ana, ben, id)
  end))

  it("is not brought to a phone that has confirmed it for its account", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    unconfirmed(rig)
    local told = tap.event(ana.client, "receipt")
    local sent = assert(ana.client:send(ben.jid, "hi"))
    inject(rig, ana, stanza.node("receipt", { from = ben.lid, id = sent.id, t = "1769296600", type = "read" }))
    assert.equal("read", told:pop(30).type)
    expect_nothing(rig, ana, ben, sent.id, { from = ben.lid })
  end))

  it("is brought to another device of the account, which has not", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    local id = confirmed(ana, ben)
    local ben2 = rig:contact "Ben"
    ask(rig, ana, ben2, id)
    assert.equal(id, ben2:next().id)
  end))

  it("is known by a mark that waits for the next commit and costs none of its own", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    ana.client.delivered.write_seconds = 60
    local id = confirmed(ana, ben)
    task.sleep(0)
    local store = ana.client.store
    assert.is_true(ana.client.delivered:has(id, device_of(ben)))
    assert.equal(0, store:count("dedupe", "d" .. id))
    assert(ana.client:send(ben.jid, "next"))
    assert.equal(1, store:count("dedupe", "d" .. id))
    assert.is_true(ana.client.delivered:has(id, device_of(ben)))
    ana.client.sweep:run(core.net.time() + 31 * 24 * 3600)
    assert.equal(0, store:count("dedupe", "d"))
  end))

  it("stays marked when the turn that was to write it is lost", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    local id = confirmed(ana, ben)
    ana.client.delivered:write(true)
    ana.client.delivered:turn_lost()
    ana.client.store:delete("dedupe", "d" .. id .. "\0" .. ben.lid)
    assert.is_true(ana.client.delivered:has(id, device_of(ben)))
    ana.client:committed()
    assert.equal(1, ana.client.store:count("dedupe", "d" .. id))
  end))

  it("that nobody sent leaves no mark", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    local told = tap.event(ana.client, "receipt")
    inject(rig, ana, stanza.node("receipt", { from = device_of(ben), id = "3EB0FFFFFFFFFFFFFFFFFF", t = "1769296600" }))
    assert(ana.client:query(stanza.node("iq", { xmlns = "w:p", type = "get", to = "s.whatsapp.net" })))
    for receipt in function() return #told > 0 and told:pop(30) or nil end do
      assert.not_equal("3EB0FFFFFFFFFFFFFFFFFF", receipt.ids[1])
    end
    assert.is_false(ana.client.delivered:has("3EB0FFFFFFFFFFFFFFFFFF", device_of(ben)))
  end))
end)

describe("messages kept to be brought again", function()
  it("are so for three days, and gone with the account", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    local sent = assert(ana.client:send(ben.jid, "hi"))
    assert.equal("hi", messages.text_of(proto.decode("Message", ana.client.sent:find(sent.id).message)))
    ana.client.archive:update(ben.lid, sent.id, ana.lid, function(entry) entry.time = entry.time - 3 * 24 * 3600 - 1 end)
    assert.is_nil(ana.client.sent:find(sent.id))
    ana.client:close()
    ana.client:forget_account()
    assert.equal(0, ana.client.store:count("message", ""))
  end))
end)

describe("a contact who comes back with new keys", function()
  -- The account's phone is set up anew, and a companion linked again, in a store of its own.
  local function reinstall(rig, ben, silent)
    rig:admin("fault", { what = "swap-identity", jid = ben.jid, silent = silent })
    local again = rig:contact "Ben"
    assert.equal(ben.jid, again.jid)
    return again
  end

  it("is written to with them, and told of once, after the server has announced it", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    local told = tap.event(ana.client, "identity")
    local again = reinstall(rig, ben)
    assert.equal(ben.lid, told:pop(30).jid)
    assert(ana.client:send(ben.jid, "still there?"))
    assert.equal("still there?", again:next().text)
    assert(again.client:send(ana.jid, "yes"))
    assert.equal("yes", ana:next().text)
    assert.equal(0, #told)
  end))

  it("is written to with them though nobody has announced it", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    local told = tap.event(ana.client, "identity")
    local again = reinstall(rig, ben, true)
    assert(ana.client:send(ben.jid, "still there?"))
    assert.equal("still there?", again:next().text)
    assert(again.client:send(ana.jid, "yes"))
    assert.equal("yes", ana:next().text)
    assert.equal(ben.lid, told:pop(30).jid)
    assert.equal(0, #told)
  end))

  it("between a message and its delivery gets it, by a retry receipt with the new keys", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    ben.client:close()
    local sent = assert(ana.client:send(ben.jid, "are you there?"))
    rig:admin("fault", { what = "swap-identity", jid = device_jid(ben), silent = true })
    local again = rig:contact "Ben"
    assert.equal(device_of(ben), device_of(again))
    ask(rig, ana, again, sent.id, { count = "2" }, { keys_of(again) })
    local m = again:next()
    assert.same({ sent.id, "are you there?" }, { m.id, m.text })
  end))

  it("is heard, and told of, when the first thing that comes is a message", support.async(function()
    local rig <close> = start()
    local ana, ben = acquainted(rig)
    local told, device = tap.event(ana.client, "identity"), device_of(ben)
    local before = ana.client.account:remote_identity(device)
    rig:admin("fault", { what = "swap-identity", jid = device_jid(ben), silent = true })
    local again = rig:contact "Ben"
    assert.equal(device, device_of(again))
    assert(again.client:send(ana.jid, "it is me"))
    assert.equal("it is me", ana:next().text)
    assert.equal(ben.lid, told:pop(30).jid)
    assert.are_not.equal(before, ana.client.account:remote_identity(device))
    assert(ana.client:send(ben.jid, "I see"))
    assert.equal("I see", again:next().text)
  end))
end)
