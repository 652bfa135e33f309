-- A server, or somebody through it, that speaks in another's name: own devices nobody vouches for, pairs of names that are not so, keys
-- that are not the owner's (fact sheet 02 §2.5, §9, §10.6; 04 §3.4, §3.5, §3.7).
local core = require "moonpost.core"
local keys = require "moonpost.sandbox.keys"
local stanza = require "moonpost.stanza"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"
local task = require "moonpost.task"

local jid, proto, crypto = core.wire.jid, core.proto, core.crypto

-- A Signal account of the server's own making, with a one-time key to be had.
local function new_ghost()
  local account = core.signal.account(assert(core.store.open {}), "ghost")
  account:create()
  local prekey = account:new_prekeys(1)[1]
  account:mark_uploaded(prekey.id, prekey.id)
  return account, prekey
end

-- What the server hands out of a contact's device, in the form process_bundle takes.
local function bundle_of(rig, contact)
  local one = keys.bundle(rig.sandbox, tap.device(rig, contact.client):jid "lid")
  return {
    registration_id = (">I4"):unpack(one.registration), identity = one.identity,
    signed_prekey = { id = (">I3"):unpack(one.skey_id), public = one.skey_value, signature = one.skey_signature },
    prekey = { id = (">I3"):unpack(one.key), public = one.key:sub(4) },
  }
end

-- A `<user>` of a bundle answer with the keys of a ghost.
local function bundle_node(name, ghost, prekey, more)
  local public = ghost:public()
  local function id(n) return stanza.node("id", nil, (">I3"):pack(n)) end
  return stanza.node("user", { jid = name }, {
    stanza.node("registration", nil, (">I4"):pack(public.registration_id)), stanza.node("type", nil, "\5"),
    stanza.node("identity", nil, public.identity), stanza.node("skey", nil, {
      id(public.signed_prekey.id), stanza.node("value", nil, public.signed_prekey.public),
      stanza.node("signature", nil, public.signed_prekey.signature),
    }), stanza.node("key", nil, { id(prekey.id), stanza.node("value", nil, prekey.public) }), more,
  })
end

local function seal(account, to, message)
  local one = account:encrypt({ to }, assert(proto.encode("Message", message)))[1]
  return stanza.node("enc", { v = "2", type = one.type }, assert(one.ciphertext, tostring(one.error)))
end

local function key_share(name)
  return { protocolMessage = { type = "APP_STATE_SYNC_KEY_SHARE", appStateSyncKeyShare = { keys = { {
    keyId = { keyId = name }, keyData = { keyData = "k" },
  } } } } }
end

local inject = tap.hand

-- The receipts and acks of a contact's messages from now on, as `receipt retry AAAA`.
local function confirmations(rig, contact)
  local said, device = task.queue(), tap.device(rig, contact.client)
  rig:tap(function(direction, node, conn)
    if direction ~= "to-server" or conn.device ~= device then return end
    if node.tag == "receipt" or node.tag == "ack" and node.attrs.class == "message" then
      said:push(("%s %s%s"):format(node.tag, node.attrs.type and node.attrs.type .. " " or "", node.attrs.id))
    end
  end)
  return said
end

-- Changes what a contact's client is answered: fn(node) for each `<iq>` to it.
local function meddle(rig, contact, fn)
  local device = tap.device(rig, contact.client)
  return rig:tap(function(direction, node, conn)
    if direction == "to-client" and node.tag == "iq" and conn.device == device then fn(node) end
  end)
end

local function at_device(bare, number) return (bare:gsub("@", ":" .. number .. "@")) end

-- The blob a phone with other keys would give the ghost.
local function forged_blob(ghost)
  local phone, details = crypto.keypair(), "\8\1\x10\x80\xe2\xcf\xaa\6\x18\1"
  local identity = ghost:identity()
  return assert(proto.encode("ADVSignedDeviceIdentity", {
    details = details, accountSignatureKey = phone:public(),
    accountSignature = phone:sign("\6\0" .. details .. identity:public()),
    deviceSignature = identity:sign("\6\1" .. details .. identity:public() .. phone:public()),
  }))
end

describe("a device in the own account's name", function()
  it("is not believed when the own phone does not vouch for its keys", support.async(function()
    local rig <close> = start()
    local ana = rig:contact("Ana", { own = true })
    local ghost = new_ghost()
    assert(ghost:process_bundle("ana", bundle_of(rig, ana)))
    local blobs = {
      none = false, garbage = "\xff\xff", ["another phone's"] = forged_blob(ghost), ["the victim's"] = ana.client.me.deviceIdentity,
    }
    local errors, said = tap.event(ana.client, "error"), confirmations(rig, ana)
    for name, blob in pairs(blobs) do
      for _, attrs in ipairs { { category = "peer" }, { recipient = "10000000000009@lid" } } do
        attrs.from, attrs.id, attrs.t, attrs.type = at_device(ana.lid, 7), crypto.hex(crypto.random(8)), "1700000000", "text"
        local message = attrs.category and key_share "forged" or { deviceSentMessage = { message = { conversation = "!shutdown" } } }
        inject(rig, ana, stanza.node("message", attrs, {
          seal(ghost, "ana", message), blob and stanza.node("device-identity", nil, blob) or nil,
        }))
        assert.equal("undecryptable", assert(errors:pop(30)).code, name)
        repeat until assert(said:pop(30)) == "receipt retry " .. attrs.id
      end
    end
    assert.is_nil(ana.client.store:get("appstate-key", "forged"))
    assert.is_false(ana.client.account:has_session(at_device(ana.lid, 7)))
    assert.equal(0, #ana.heard)
  end))

  it("gets no copy of what is sent when its keys are not vouched for", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local ghost, prekey = new_ghost()
    local errors, sent = tap.event(ana.client, "error"), rig:record("to-server", function(node) return node.tag == "message" end)
    meddle(rig, ana, function(node)
      for _, user in stanza.children(stanza.path(node, "usync", "list"), "user") do
        local list = stanza.path(user, "devices", "device-list")
        if user.attrs.jid == ana.lid then
          for _, number in ipairs { "7", "8" } do
            list.content[#list.content + 1] = stanza.node("device", { id = number, ["key-index"] = number })
          end
        end
      end
      local list = stanza.child(node, "list")
      for i, user in stanza.children(list, "user") do
        if user.attrs.jid == ana.lid then list.content[i] = bundle_node(ana.lid, ghost, prekey) end
      end
      if list then
        list.content[#list.content + 1] = bundle_node(at_device(ana.lid, 7), ghost, prekey)
        list.content[#list.content + 1] = bundle_node(at_device(ana.lid, 8), ghost, prekey,
          stanza.node("device-identity", nil, forged_blob(ghost)))
      end
    end)
    ana.client.account:delete_session(ana.lid)
    assert(ana.client:send(ben.lid, "private"))
    assert.equal("private", ben:next().text)
    local codes = {}
    for i = 1, 3 do codes[i] = assert(errors:pop(30)).code end
    table.sort(codes)
    assert.same({ "untrusted", "unvouched", "unvouched" }, codes)
    for _, to in stanza.children(stanza.child(sent[1], "participants"), "to") do
      assert.are_not.equal(ana.lid, jid.bare(to.attrs.jid))
    end
  end))
end)

describe("a contact with new keys", function()
  it("is written to under them", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    assert(ana.client:send(ben.lid, "hello"))
    local device = tap.device(rig, ben.client):jid "lid"
    local before = ana.client.account:remote_identity(device)
    ana.client.account:delete_session(device)
    local ghost, prekey = new_ghost()
    meddle(rig, ana, function(node)
      local list = stanza.child(node, "list")
      for i, user in stanza.children(list, "user") do
        if user.attrs.jid == device then list.content[i] = bundle_node(device, ghost, prekey) end
      end
    end)
    assert(ana.client.devices:ensure_sessions { device })
    assert.equal(ghost:public().identity, ana.client.account:remote_identity(device))
    assert.are_not.equal(before, ana.client.account:remote_identity(device))
  end))
end)

describe("somebody who claims to be an own device", function()
  it("is not one because the server gives this account a contact's LID", support.async(function()
    local rig <close> = start()
    local ana = rig:contact("Ana", { own = true })
    rig:contact "Mallory"
    local mallory = rig:contact "Mallory" -- a device of another number than Ana's, whose words would be passed over
    ana.client.connection.pace = { stable = 30, first_pause = 0.01, longest_pause = 0.05 }
    assert(ana.client:send(mallory.lid, "hello"))
    mallory:next()
    local online, errors, device = tap.event(ana.client, "online"), tap.event(ana.client, "error"), tap.device(rig, ana.client)
    rig:tap(function(direction, node)
      if direction == "to-client" and node.tag == "success" then node.attrs.lid = mallory.lid end
    end)
    device.connection:drop()
    assert(online:pop(30))
    assert.equal(mallory.lid, ana.client.me.lid)
    local enc = seal(mallory.client.account, device:jid "lid", key_share "forged")
    assert.equal("msg", enc.attrs.type)
    inject(rig, ana, stanza.node("message", {
      from = at_device(mallory.lid, mallory.client.me.device), id = "AAAA", t = "1700000000", type = "text", category = "peer",
    }, enc))
    assert.equal("undecryptable", errors:pop(30).code)
    assert.is_nil(ana.client.store:get("appstate-key", "forged"))
  end))

  it("is not listened to inside a wrapper either", support.async(function()
    local rig <close> = start()
    local ana, mallory = rig:contact("Ana", { own = true }), rig:contact "Mallory"
    local errors = tap.event(ana.client, "error")
    rig:tap(function(direction, node) -- a client that does not say what may be seen once: servers would keep that from linked devices
      local meta = direction == "to-server" and node.tag == "message" and tap.child(node, "meta")
      if meta then meta.attrs.view_once = nil end
    end)
    for _, wrapper in ipairs { "ephemeralMessage", "viewOnceMessageV2", "documentWithCaptionMessage" } do
      assert(mallory.client:send(ana.lid, { [wrapper] = { message = {
        deviceSentMessage = { destinationJid = ana.jid, message = { conversation = "pay" } },
      } } }))
      assert.equal("forged", errors:pop(30).code)
    end
    assert(mallory.client:send(ana.lid, "next"))
    assert.equal("next", ana:next().text)
  end))
end)

describe("a pair of names", function()
  local function message(from, id, attrs, enc)
    local all = { from = from, id = id, t = "1700000000", type = "text" }
    for name, value in pairs(attrs) do all[name] = value end
    return stanza.node("message", all, enc or stanza.node("enc", { v = "2", type = "msg" }, ("\x33"):rep(80)))
  end

  it("is not learnt from a message or status post that cannot be read, nor from one that was heard before", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    assert(ben.client:send(ana.lid, "hello"))
    ana:next()
    ana.client:on("error", function() end)
    local said, store = confirmations(rig, ana), ana.client.store
    local device = tap.device(rig, ana.client):jid "lid"
    local enc = seal(ben.client.account, device, { conversation = "again" })
    local from = at_device(ben.lid, ben.client.me.device)
    inject(rig, ana, message(from, "AAAA", {}, enc))
    assert.equal("again", ana:next().text)
    repeat until assert(said:pop(30)) == "receipt AAAA" -- behind what the phone told it after linking
    store:delete("lid", "p" .. ben.jid:match "^%d+")
    store:delete("lid", "l" .. ben.lid:match "^%d+")
    ana.client.lids:changed()
    local before = store:count("lid", "")
    inject(rig, ana, message("77:1@lid", "BBBB", { sender_pn = "1555@s.whatsapp.net" }))
    assert.equal("ack BBBB", said:pop(30))
    inject(rig, ana, message("status@broadcast", "CCCC", { participant = "77:1@lid", participant_pn = "1555@s.whatsapp.net" },
      stanza.node("enc", { v = "2", type = "skmsg" }, ("\x33"):rep(80))))
    assert.equal("ack CCCC", said:pop(30))
    inject(rig, ana, message(from, "DDDD", { sender_pn = "1555@s.whatsapp.net" }, enc))
    assert.equal("receipt DDDD", said:pop(30))
    inject(rig, ana, message(from, "AAAA", { sender_pn = "1555@s.whatsapp.net" }, enc))
    assert.equal("receipt AAAA", said:pop(30))
    assert.equal(before, store:count("lid", ""))
  end))

  it("that is known stays what it is, whatever a message or a notification says", support.async(function()
    local rig <close> = start()
    local ana, ben, mallory = rig:contact "Ana", rig:contact "Ben", rig:contact "Mallory"
    for _, one in ipairs { ben, mallory } do
      assert(one.client:send(ana.lid, "hello"))
      ana:next()
    end
    local stop = rig:tap(function(direction, node)
      if direction == "to-client" and node.tag == "message" then node.attrs.sender_pn = ben.jid end
    end)
    assert(mallory.client:send(ana.lid, "I am Ben"))
    assert.equal(mallory.jid:match "^%d+", ana:next().phone)
    stop()
    local seen = tap.on(rig)
    for i, from in ipairs { ben.jid, ana.jid } do
      inject(rig, ana, stanza.node("notification", { type = "devices", from = from, lid = mallory.lid, id = "n" .. i, t = "1700000000" },
        stanza.node("update", { hash = "2:AAAAAAAA" })))
      seen:from_client "ack"
    end
    assert.same({ ben.lid, ana.lid }, { ana.client.lids:stable(ben.jid), ana.client.lids:stable(ana.jid) })
    assert(ana.client:send(ben.jid, "for Ben"))
    assert.equal("for Ben", ben:next().text)
  end))

  it("is replaced by an answer about just this person, and by none about the own account", support.async(function()
    local rig <close> = start()
    local ana, ben, mallory = rig:contact "Ana", rig:contact "Ben", rig:contact "Mallory"
    local function also(name, lid)
      return meddle(rig, ana, function(node)
        local list = stanza.path(node, "usync", "list")
        if list then list.content[#list.content + 1] = stanza.node("user", { jid = name }, stanza.node("lid", { val = lid })) end
      end)
    end
    assert(ana.client:send(mallory.jid, "hello"))
    mallory:next()
    local off = { also(ana.jid, mallory.lid), also(mallory.jid, "77@lid"), also("1555@s.whatsapp.net", ana.lid) }
    assert(ana.client:send(ben.jid, "hello"))
    assert.equal("hello", ben:next().text)
    assert.same({ ana.lid, mallory.lid }, { ana.client.lids:stable(ana.jid), ana.client.lids:stable(mallory.jid) })
    for _, stop in ipairs(off) do stop() end
    ana.client.devices:forget(ben.jid)
    meddle(rig, ana, function(node)
      for _, user in stanza.children(stanza.path(node, "usync", "list"), "user") do
        if user.attrs.jid == ben.jid then stanza.child(user, "lid").attrs.val = "88@lid" end
      end
    end)
    assert(ana.client.devices:of { ben.jid })
    assert.equal("88@lid", ana.client.lids:stable(ben.jid))
  end))
end)
