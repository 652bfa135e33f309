-- Messages deleted for the own account alone, and the app state that tells its devices (fact sheet 06, 08 §11).
local appstate = require "moonpost.sandbox.appstate"
local appstate_phone = require "moonpost.sandbox.appstate_phone"
local core = require "moonpost.core"
local start = require("spec.rig").start
local stanza = require "moonpost.stanza"
local support = require "spec.support"
local tap = require "spec.tap"
local task = require "moonpost.task"
local writer = require "spec.group_writer"

local crypto, proto = core.crypto, core.proto

-- Whether a stanza asks for collections, or changes one; of an answer whether it is one to that.
local function is_sync(node) return node.tag == "iq" and stanza.child(node, "sync") ~= nil end
local function is_upload(node) return stanza.path(node, "sync", "collection", "patch") ~= nil end

-- Waits until a client knows a collection up to a version.
local function until_version(contact, version, collection)
  local rows = require "moonpost.client.appstate_rows"
  return support.eventually(function()
    local state = rows.state(contact.client.store, collection or "regular_high")
    return state and state.version >= version and not rows.is_stale(state) and state
  end, ("version %d of the collection"):format(version))
end

-- Two linked devices of Ana's, which hear what the owner does and know what there is of the app state, and Ben.
local function two_devices(rig)
  local one, two, ben = rig:contact("Ana", { own = true }), rig:contact("Ana", { own = true }), rig:contact "Ben"
  for _, device in ipairs { one, two } do tap.knows_app_state(device.client) end
  return one, two, ben
end

-- A text of Ben's that both devices have heard.
local function heard_by_both(one, two, ben, text)
  local sent = assert(ben.client:send(one.jid, text or "hello"))
  one:next()
  two:next()
  return sent
end

describe("a message deleted for me", function()
  it("is gone on the other devices, which hear of it, and nobody else is told", support.async(function()
    local rig <close> = start()
    local one, two, ben = two_devices(rig)
    local sent = heard_by_both(one, two, ben)
    local messages = rig:record("to-server", function(node) return node.tag == "message" end)
    assert.is_true(one.client:delete_for_me { chat = ben.lid, id = sent.id, sender = ben.lid })
    local m = two:next()
    assert.same({ "deleted_for_me", ben.lid, true, one.lid }, { m.kind, m.chat, m.from_me, m.sender })
    assert.same({ chat = ben.lid, id = sent.id, sender = ben.lid, from_me = false }, m.target)
    for _, device in ipairs { one, two } do
      local gone = device.client:message(ben.lid, sent.id)
      assert.same({ nil, nil, nil, "integer" }, { gone.text, gone.message, gone.revoked, math.type(gone.deleted) })
    end
    assert.equal(0, #messages)
    assert.equal("hello", ben.client:message(one.lid, sent.id).text)
    assert.equal(0, #one.heard)
  end))

  it("is an own one, or one of a group, whose author is named as the group names him", support.async(function()
    local rig <close> = start()
    local one, two, ben = two_devices(rig)
    local group = writer.make(rig, ben, one)
    local from_ben = assert(ben.client:send(group, "from Ben"))
    one:next()
    two:next()
    local own = assert(one.client:send(ben.jid, "mine"))
    two:next()
    assert(one.client:delete_for_me { chat = group, id = from_ben.id, sender = ben.lid })
    assert.same({ chat = group, id = from_ben.id, sender = ben.lid, from_me = false }, two:next().target)
    assert(one.client:delete_for_me { chat = ben.lid, id = own.id, from_me = true })
    assert.same({ chat = ben.lid, id = own.id, sender = one.lid, from_me = true }, two:next().target)
    assert.is_nil(two.client:message(ben.lid, own.id).text)
  end))

  it("by the phone is heard by its companions", support.async(function()
    local rig <close> = start()
    local one, two, ben = two_devices(rig)
    local sent = heard_by_both(one, two, ben)
    rig:admin("mock-phone/delete-for-me", { jid = one.jid, chat = ben.jid, id = sent.id })
    for _, device in ipairs { one, two } do
      local m = device:next()
      assert.same({ "deleted_for_me", sent.id, ben.lid }, { m.kind, m.target.id, m.target.sender })
      assert.is_nil(device.client:message(ben.lid, sent.id).text)
    end
  end))

  it("before it comes is never heard, nor is an edit of it", support.async(function()
    local rig <close> = start()
    local one, _, ben = two_devices(rig)
    local cause = { { chat = "1@lid", sender = "1@lid", id = "A" }, 1 } -- gives the send an id that can be known before
    local id = "3EB0" .. crypto.hex(ben.client.account:derive((">s4s4s4I8"):pack("1@lid", "1@lid", "A", 1)):sub(1, 9)):upper()
    rig:admin("mock-phone/delete-for-me", { jid = one.jid, chat = ben.lid, id = id })
    local m = one:next()
    assert.same({ "deleted_for_me", id }, { m.kind, m.target.id })
    assert.equal(id, assert(ben.client:send(one.jid, "late", { cause = cause })).id)
    assert(ben.client:edit({ chat = one.lid, id = id, from_me = true }, "later"))
    assert(ben.client:send(one.jid, "next"))
    local heard = one:next()
    while heard.kind == "edit" do heard = one:next() end
    assert.equal("next", heard.text)
    assert.is_nil(one.client:message(ben.lid, id).text)
  end))

  it("twice is told once", support.async(function()
    local rig <close> = start()
    local one, two, ben = two_devices(rig)
    local sent = heard_by_both(one, two, ben)
    local uploads = rig:record("to-server", is_upload)
    for _ = 1, 2 do assert(one.client:delete_for_me { chat = ben.lid, id = sent.id, sender = ben.lid }) end
    two:next()
    assert.is_true(two.client:delete_for_me { chat = ben.lid, id = sent.id, sender = ben.lid })
    assert.equal(1, #uploads)
  end))

  it("is a method of a bot's messages, and of ctx, and is heard by a bot that hears the owner", support.async(function()
    local rig <close> = start()
    local ben = rig:contact "Ben"
    local bot, heard = rig:bot { own = true }, task.queue()
    bot:on("message", { text = "forget" }, function(ctx)
      ctx:delete_for_me()
      heard:push(bot:message(ctx.chat, ctx.id))
    end)
    bot:on("message", { kind = "deleted_for_me" }, function(ctx) heard:push(ctx.target) end)
    local me = rig:run(bot)
    local sent = assert(ben.client:send(me.jid, "forget"))
    local gone = heard:pop(30)
    assert.same({ sent.id, nil, "integer" }, { gone.id, gone.text, math.type(gone.deleted) })
    local other = assert(ben.client:send(me.jid, "other"))
    rig:admin("mock-phone/delete-for-me", { jid = me.jid, chat = ben.lid, id = other.id })
    assert.same({ chat = ben.lid, id = other.id, sender = ben.lid, from_me = false }, heard:pop(30))
  end))
end)

describe("the app state", function()
  it("is heard at the next login by who was away, told once for many changes", support.async(function()
    local rig <close> = start()
    local one, ben, folder = rig:contact("Ana", { own = true }), rig:contact "Ben", support.tmpdir() .. "/state"
    local two, sent = rig:contact("Ana", { own = true, store = folder }), {}
    until_version(two, 0, "regular_low")
    for i = 1, 3 do sent[i] = heard_by_both(one, two, ben, "number " .. i) end
    local device = tap.device(rig, two.client)
    two.client:close()
    for i = 1, 3 do assert(one.client:delete_for_me { chat = ben.lid, id = sent[i].id, sender = ben.lid }) end
    assert.equal(1, device.queue.count)
    two = rig:contact("Ana", { own = true, store = folder })
    for i = 1, 3 do assert.equal(sent[i].id, two:next().target.id) end
  end))

  it("is asked for at the next login where the server has told of a change and could not be asked", support.async(function()
    local rig <close> = start()
    local one, ben, folder = rig:contact("Ana", { own = true }), rig:contact "Ben", support.tmpdir() .. "/state"
    local two = rig:contact("Ana", { own = true, store = folder })
    until_version(two, 0, "regular_low")
    local sent, device, lost = heard_by_both(one, two, ben), tap.device(rig, two.client), task.queue()
    local untap = rig:tap(function(direction, node, conn)
      if direction ~= "to-server" or not is_sync(node) or conn.device ~= device then return end
      lost:push(true)
      return false
    end)
    assert(one.client:delete_for_me { chat = ben.lid, id = sent.id, sender = ben.lid })
    assert.is_true(lost:pop(30))
    support.eventually(function() return device.queue.count == 0 end, "the notification is confirmed, and does not come again")
    two.client:close()
    untap()
    two = rig:contact("Ana", { own = true, store = folder })
    assert.equal(sent.id, two:next().target.id)
  end))

  it("takes what two devices change at the same time, one on top of the other", support.async(function()
    local rig <close> = start()
    local one, two, ben = two_devices(rig)
    local sent = { heard_by_both(one, two, ben, "a"), heard_by_both(one, two, ben, "b") }
    local uploads = rig:record("to-server", is_upload)
    local conflicts = rig:record("to-client", function(node)
      local err = stanza.path(node, "sync", "collection", "error")
      return err and tostring(err.attrs.code) == "409"
    end)
    local other = task.spawn(two.client.delete_for_me, two.client, { chat = ben.lid, id = sent[2].id, sender = ben.lid })
    assert.is_true(one.client:delete_for_me { chat = ben.lid, id = sent[1].id, sender = ben.lid })
    assert.is_true(other:join(30))
    assert.equal(sent[2].id, one:next().target.id)
    assert.equal(sent[1].id, two:next().target.id)
    assert.same({ 3, 1 }, { #uploads, #conflicts })
    assert.equal(until_version(one, 2).hash, until_version(two, 2).hash)
  end))

  it("is changed once although the server's answer is lost", support.async(function()
    local rig <close> = start()
    local one, two, ben = two_devices(rig)
    one.client.connection.pace = { stable = 30, first_pause = 0.01, longest_pause = 0.05 }
    local sent = heard_by_both(one, two, ben)
    local uploads, account, lost = rig:record("to-server", is_upload), rig.sandbox.accounts.by_name.Ana, false
    rig:tap(function(direction, node, conn)
      if lost or direction ~= "to-client" or not is_sync(node) or not tap.is_to(conn, one) then return end
      lost = true
      conn:drop()
      return false
    end)
    assert.is_true(one.client:delete_for_me { chat = ben.lid, id = sent.id, sender = ben.lid })
    assert.equal(sent.id, two:next().target.id)
    assert.same({ 1, 1 }, { #uploads, account.app_state.regular_high.version })
    assert.equal(0, #one.heard)
  end))

  it("asks the phone for a key that is missing, and waits for it; what was under the old one is taken away", support.async(function()
    local rig <close> = start()
    local one, two, ben = two_devices(rig)
    local sent = heard_by_both(one, two, ben)
    assert(one.client:delete_for_me { chat = ben.lid, id = sent.id, sender = ben.lid })
    two:next()
    rig:admin("mock-phone/new-app-state-key", { jid = one.jid })
    local other = heard_by_both(one, two, ben, "other")
    rig:admin("mock-phone/delete-for-me", { jid = one.jid, chat = ben.lid, id = other.id })
    assert.same({ other.id, other.id }, { one:next().target.id, two:next().target.id })
    assert.is_true(one.client.appstate:set("deleteMessageForMe", { ben.lid, sent.id, "0", "0" }, { deleteMedia = true }))
    local macs = 0
    for _ in pairs(rig.sandbox.accounts.by_name.Ana.app_state.regular_high.macs) do macs = macs + 1 end
    assert.equal(2, macs)
    assert.equal(until_version(two, 3).hash, rig.sandbox.accounts.by_name.Ana.app_state.regular_high.hash)
  end))

  it("is changed once the key has come under which others have changed it meanwhile", support.async(function()
    local rig <close> = start()
    local one, two, ben = two_devices(rig)
    local sent, other = heard_by_both(one, two, ben), heard_by_both(one, two, ben, "other")
    rig:tap(function(direction, node, conn)
      if direction == "to-client" and node.attrs.type == "server_sync" and tap.is_to(conn, one) then return false end
    end)
    rig:admin("mock-phone/new-app-state-key", { jid = one.jid })
    rig:admin("mock-phone/delete-for-me", { jid = one.jid, chat = ben.lid, id = other.id })
    assert.equal(other.id, two:next().target.id)
    assert.is_true(one.client:delete_for_me { chat = ben.lid, id = sent.id, sender = ben.lid })
    assert.equal(other.id, one:next().target.id)
    assert.equal(sent.id, two:next().target.id)
  end))

  it("is asked for again when the server says that it has changed unheard, which is then told to be known", support.async(function()
    local rig <close> = start()
    local one = two_devices(rig)
    local asked = rig:record("to-server", is_sync)
    local seen = tap.on(rig)
    tap.device(rig, one.client).connection:send(stanza.node("ib", { from = "s.whatsapp.net" }, stanza.node("dirty", {
      type = "syncd_app_state", timestamp = 1700000000,
    })))
    local clean = stanza.child(seen:from_client("iq", "clean"), "clean")
    assert.same({ type = "syncd_app_state", timestamp = "1700000000" }, clean.attrs)
    local names = {}
    for _, one_of in stanza.children(stanza.child(asked[1], "sync"), "collection") do names[#names + 1] = one_of.attrs.name end
    assert.same({ "critical_block", "critical_unblock_low", "regular_high", "regular", "regular_low" }, names)
  end))

  it("is kept over a restart: nothing is asked for again, and what is written goes on top", support.async(function()
    local rig <close> = start()
    local one, two, ben = two_devices(rig)
    local sent = { heard_by_both(one, two, ben, "a"), heard_by_both(one, two, ben, "b") }
    assert(one.client:delete_for_me { chat = ben.lid, id = sent[1].id, sender = ben.lid })
    two:next()
    local folder = support.tmpdir() .. "/state"
    local third = rig:contact("Ana", { own = true, store = folder })
    until_version(third, 1)
    until_version(third, 0, "regular_low")
    third.client:close()
    local asked = rig:record("to-server", function(node, conn) return is_sync(node) and conn.device.number == 3 end)
    third = rig:contact("Ana", { own = true, store = folder })
    assert(third.client:delete_for_me { chat = ben.lid, id = sent[2].id, sender = ben.lid })
    assert.equal(sent[2].id, two:next().target.id)
    assert.equal(1, #asked)
    assert.equal(0, #third.heard)
  end))

  it("passes over, at first, what was deleted before the device was there", support.async(function()
    local rig <close> = start()
    local one, two, ben = two_devices(rig)
    local sent = heard_by_both(one, two, ben)
    assert(one.client:delete_for_me { chat = ben.lid, id = sent.id, sender = ben.lid })
    local third = rig:contact("Ana", { own = true })
    until_version(third, 1)
    assert(ben.client:send(one.jid, "next"))
    assert.equal("next", third:next().text)
  end))

  it("cannot be changed before the phone has shared a key", support.async(function()
    local rig <close> = start()
    local one, two, ben = two_devices(rig)
    local sent = heard_by_both(one, two, ben)
    one.client.store:delete("appstate-key", one.client.appstate.keys:newest())
    local done, err = one.client:delete_for_me { chat = ben.lid, id = sent.id, sender = ben.lid }
    assert.same({ nil, "no-key" }, { done, err.code })
  end))

  it("is the same in a world that is started again", support.async(function()
    local world = support.tmpdir() .. "/world"
    local hash
    do
      local rig <close> = start { world = world }
      local one = rig:contact("Ana", { own = true })
      until_version(one, 0, "regular_low")
      for i = 1, 2 do assert(one.client:delete_for_me { chat = "100000000000001@lid", id = "M" .. i, sender = "100000000000001@lid" }) end
      hash = until_version(one, 2).hash
    end
    local rig <close> = start { world = world }
    local again = rig:contact("Ana", { own = true })
    assert.equal(hash, until_version(again, 2).hash)
    assert(again.client:delete_for_me { chat = "100000000000001@lid", id = "M3", sender = "100000000000001@lid" })
    assert.equal(until_version(again, 3).hash, rig.sandbox.accounts.by_name.Ana.app_state.regular_high.hash)
  end))

  it("comes in pages", support.async(function()
    local rig <close> = start()
    local one, ben = rig:contact("Ana", { own = true }), rig:contact "Ben"
    local account = rig.sandbox.accounts.by_name.Ana
    for i = 1, 201 do
      appstate.set(rig.sandbox, account, "regular_high", { "deleteMessageForMe", ben.lid, "M" .. i, "0", "0" }, 3, {
        deleteMessageForMeAction = {},
      })
    end
    local sizes = {}
    rig:tap(function(direction, node, conn)
      if direction ~= "to-client" or not conn.device or conn.device.number ~= 2 then return end
      for _, collection in stanza.children(stanza.child(node, "sync"), "collection") do
        local patches = stanza.child(collection, "patches")
        if patches and collection.attrs.name == "regular_high" then sizes[#sizes + 1] = #patches.content end
      end
    end)
    local two = rig:contact("Ana", { own = true })
    assert.equal(account.app_state.regular_high.hash, until_version(two, 201).hash)
    assert.same({ 100, 100, 1 }, sizes)
    assert.equal(0, #two.heard)
    assert.is_truthy(two.client:message(ben.lid, "M201").deleted)
    assert.is_truthy(one)
  end))

  it("keeps records nobody reads yet, and does not hear of them", support.async(function()
    local rig <close> = start()
    local one = two_devices(rig)
    appstate.set(rig.sandbox, rig.sandbox.accounts.by_name.Ana, "regular_low", { "pin_v1", one.jid }, 5, { pinAction = { pinned = true } })
    until_version(one, 1, "regular_low")
    assert.equal(1, one.client.store:count("appstate", "rregular_low\0"))
    assert.equal(0, #one.heard)
  end))
end)

-- A patch of the phone's that deletes message X, changed by fn(patch, mutation).
local function patch_of(rig, fn)
  local account = rig.sandbox.accounts.by_name.Ana
  local state = account.app_state.regular_high
  local patch = appstate_phone.build(rig.sandbox, account, "regular_high", state, { "deleteMessageForMe", "1@lid", "X", "0", "0" }, 3, {
    deleteMessageForMeAction = {},
  })
  patch.version = { version = state.version + 1 }
  fn(patch, patch.mutations[1])
  return assert(proto.encode("SyncdPatch", patch))
end

local function turned(bytes, at) return bytes:sub(1, at - 1) .. string.char(bytes:byte(at) ~ 1) .. bytes:sub(at + 1) end

-- What a patch is refused for, by code and words, and what makes it so.
local damages = {
  { "whose MAC is wrong", "forged", "the MAC of patch 1 is wrong", function(patch) patch.patchMac = turned(patch.patchMac, 1) end },
  { "without a MAC", "forged", "the MAC of patch 1 is wrong", function(patch) patch.patchMac = nil end },
  { "whose record was damaged", "forged", "the MAC of patch 1 is wrong", function(_, mutation)
    mutation.record.value.blob = turned(mutation.record.value.blob, #mutation.record.value.blob)
  end },
  { "whose ciphertext was damaged", "forged", "mutation 1 of patch 1 cannot be read: an app-state record's MAC is wrong",
    function(_, mutation) mutation.record.value.blob = turned(mutation.record.value.blob, 20) end },
  { "filed under another index", "forged", "mutation 1 of patch 1 is filed under another index", function(_, mutation)
    mutation.record.index.blob = turned(mutation.record.index.blob, 1)
  end },
  { "that says it removes", "forged", "mutation 1 of patch 1 cannot be read", function(_, mutation) mutation.operation = "REMOVE" end },
  { "without a record", "malformed", "mutation 1 of patch 1 is incomplete", function(_, mutation) mutation.record = nil end },
  { "of the version before", "out-of-order", "a patch of version 0 came where 1 is next", function(patch) patch.version.version = 0 end },
  { "of a version far ahead", "out-of-order", "came where 1 is next", function(patch) patch.version.version = 1 << 60 end },
  { "without a version", "out-of-order", "a patch of version nil came where 1 is next", function(patch) patch.version = nil end },
  { "kept in a file without a key", "malformed", "the file it is kept in is not told as one", function(patch)
    patch.externalMutations = { directPath = "/x" }
  end },
  { "of 100,000 mutations", "malformed", "a patch cannot be decoded", function(patch)
    for i = 1, 100000 do patch.mutations[i] = { operation = "SET" } end
  end },
  { "of 2,001 mutations", "limit", "patch 1 of 2001 mutations is not read: at most 2000 are", function(patch)
    for i = 1, 2001 do patch.mutations[i] = { operation = "SET" } end
  end },
  { "of more than a megabyte", "limit", "bytes is not read: at most 1048576 are", function(_, mutation)
    mutation.record.value.blob = ("x"):rep(1 << 20)
  end },
}

describe("a patch", function()
  it("of each damage is refused with its reason, and the next message is heard", support.async(function()
    local rig <close> = start()
    local one, _, ben = two_devices(rig)
    local errors = tap.event(one.client, "error")
    local sound = patch_of(rig, function() end)
    for _, damage in ipairs(damages) do
      local bytes = patch_of(rig, damage[4])
      local untap = rig:tap(function(direction, node, conn)
        local patches = direction == "to-client" and tap.is_to(conn, one) and stanza.path(node, "sync", "collection", "patches")
        if patches then patches.content = { stanza.node("patch", nil, bytes) } end
      end)
      rig.sandbox.store:put("world", ("y%s\0regular_high\0"):format(rig.sandbox.accounts.by_name.Ana.pn) .. (">I8"):pack(1), sound)
      tap.hand(rig, one, stanza.node("notification", { type = "server_sync", from = "s.whatsapp.net", id = damage[1], t = 1700000000 },
        stanza.node("collection", { name = "regular_high", version = 1 })))
      local err = errors:pop(30)
      assert.same({ damage[1], damage[2] }, { damage[1], err and err.code })
      assert.is_truthy(err.message:find(damage[3], 1, true), err.message)
      untap()
      assert(ben.client:send(one.jid, damage[1]))
      assert.equal(damage[1], one:next().text)
    end
    assert.equal(0, one.client.store:count("appstate", "rregular_high\0"))
  end))

  it("of who counts other records is heard, and said to be so once", support.async(function()
    local rig <close> = start()
    local one, two, ben = two_devices(rig)
    local sent = { heard_by_both(one, two, ben, "a"), heard_by_both(one, two, ben, "b") }
    local account, errors = rig.sandbox.accounts.by_name.Ana, tap.event(one.client, "error")
    tap.event(two.client, "error")
    account.app_state.regular_high.hash = ("x"):rep(128)
    for i = 1, 2 do
      rig:admin("mock-phone/delete-for-me", { jid = one.jid, chat = ben.lid, id = sent[i].id })
      assert.equal(sent[i].id, one:next().target.id)
    end
    assert.is_true(until_version(one, 2).diverged)
    assert.same({ "diverged", 0 }, { errors:pop(30).code, #errors })
  end))
end)

describe("a collection", function()
  it("the server refuses is told with its code", support.async(function()
    local rig <close> = start()
    local one, two, ben = two_devices(rig)
    local sent = heard_by_both(one, two, ben)
    rig:tap(function(direction, node)
      local collection = direction == "to-client" and stanza.path(node, "sync", "collection")
      if not collection then return end
      collection.attrs.type, collection.content = "error", { stanza.node("error", { code = "404", text = "item-not-found" }) }
    end)
    local errors = tap.event(two.client, "error")
    local done, err = one.client:delete_for_me { chat = ben.lid, id = sent.id, sender = ben.lid }
    assert.equal("refused", errors:pop(30).code)
    assert.same({ nil, "refused", 404 }, { done, err.code, err.status })
  end))
end)
