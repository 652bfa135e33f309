-- Our own sender key in a group: who is told it, when it is replaced, and how a device that lost it gets a message after all (fact sheets
-- 03 §10.4, §17, §18.3, 04 §9.4).
local core = require "moonpost.core"
local stanza = require "moonpost.stanza"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"
local task = require "moonpost.task"
local writer = require "spec.group_writer"
local sandbox_groups = require "moonpost.sandbox.groups"

local function to_group(node) return node.tag == "message" and node.attrs.to:find "@g.us$" ~= nil end

-- Whom a stanza tells the sender key, but for the author's own devices: device JIDs, sorted.
local function told(node, author)
  local jids = {}
  for _, to in stanza.children(stanza.child(node, "participants"), "to") do
    if to.attrs.jid:gsub(":%d+@", "@") ~= author.lid then jids[#jids + 1] = to.attrs.jid end
  end
  table.sort(jids)
  return jids
end

local function devices(...)
  local jids = {}
  for _, one in ipairs { ... } do
    jids[#jids + 1] = one.lid
    jids[#jids + 1] = writer.device(one)
  end
  table.sort(jids)
  return jids
end

-- Ana writes; Ben and Cem have heard her. What she sends to the group from then on is in `stanzas`.
local function settled(rig)
  local ana, ben, cem = rig:contact "Ana", rig:contact "Ben", rig:contact "Cem"
  local group = writer.make(rig, ana, ben, cem)
  assert(ana.client:send(group, "first"))
  for _, one in ipairs { ben, cem } do assert.equal("first", one:next().text) end
  return ana, ben, cem, group, rig:record("to-server", to_group)
end

-- Somebody is no member any more, of which nobody is told; Ana's client asks for the members.
local function leaves(rig, group, who, ana)
  sandbox_groups.lookup(rig.sandbox, group):drop((rig.sandbox.accounts:lookup(who.jid)))
  ana.client.groups:forget(group)
end

-- A queue of what a contact's client hears of changes of devices, from now on.
local function device_changes(contact)
  local queue, keys = task.queue(), contact.client.sender_keys
  local changed = keys.devices_changed
  function keys.devices_changed(...)
    changed(...)
    queue:push(true)
  end
  return queue
end

-- The id of the key a group message is encrypted with: the first field of its protobuf.
local function key_id(node)
  for _, enc in stanza.children(node, "enc") do
    if enc.attrs.type == "skmsg" then return enc.content:match("^3\8([\128-\255]*[\0-\127])") end
  end
end

describe("a sender key of ours", function()
  it("is told to a device that is new, and to no other", support.async(function()
    local rig <close> = start()
    local ana, ben, cem, group, stanzas = settled(rig)
    local changed = device_changes(ana)
    local ben2 = rig:contact "Ben"
    assert(changed:pop(30))
    assert(ana.client:send(group, "second"))
    for _, one in ipairs { ben, ben2, cem } do assert.equal("second", one:next().text) end
    assert.same({ writer.device(ben2) }, told(stanzas[1], ana))
  end))

  it("is replaced when a member has left, who is not told the new one", support.async(function()
    local rig <close> = start()
    local ana, ben, cem, group, stanzas = settled(rig)
    assert(ana.client:send(group, "second"))
    leaves(rig, group, cem, ana)
    assert(ana.client:send(group, "third"))
    assert.same({ "second", "third" }, { ben:next().text, ben:next().text })
    assert.equal("second", cem:next().text)
    assert.same(devices(ben), told(stanzas[2], ana))
    assert.are_not.equal(key_id(stanzas[1]), key_id(stanzas[2]))
    assert(ana.client:send(group, "fourth"))
    assert.equal(key_id(stanzas[2]), key_id(stanzas[3]))
    assert.same({}, told(stanzas[3], ana))
    assert.equal("fourth", ben:next().text)
  end))

  it("is replaced when this account has removed a member, or another has left", support.async(function()
    local rig <close> = start()
    local ana, ben, cem, group, stanzas = settled(rig)
    local changes = tap.event(ana.client, "group")
    assert(ana.client:send(group, "second"))
    assert(ana.client.groups:remove(group, { cem.jid }))
    assert(ana.client:send(group, "third"))
    assert.same(devices(ben), told(stanzas[2], ana))
    assert.are_not.equal(key_id(stanzas[1]), key_id(stanzas[2]))
    local change
    assert(ben.client.groups:leave(group))
    repeat change = assert(changes:pop(30)) until change.action == "leave"
    assert(ana.client:send(group, "fourth"))
    assert.same({}, told(stanzas[3], ana))
    assert.are_not.equal(key_id(stanzas[2]), key_id(stanzas[3]))
    assert.same({ "second", "third" }, { ben:next().text, ben:next().text })
    assert.equal("second", cem:next().text)
  end))

  it("is replaced when one has left and come back before the next message", support.async(function()
    local rig <close> = start()
    local ana, ben, cem, group, stanzas = settled(rig)
    assert(ana.client:send(group, "second"))
    ana.client.sender_keys:members_left(group)
    assert(ana.client:send(group, "third"))
    assert.are_not.equal(key_id(stanzas[1]), key_id(stanzas[2]))
    assert.same(devices(ben, cem), told(stanzas[2], ana))
  end))

  it("is replaced when a member's device was unlinked", support.async(function()
    local rig <close> = start()
    local ana, ben, cem = rig:contact "Ana", rig:contact "Ben", rig:contact "Cem"
    local ben2 = rig:contact "Ben"
    local group = writer.make(rig, ana, ben, cem)
    local stanzas = rig:record("to-server", to_group)
    assert(ana.client:send(group, "first"))
    local changed = device_changes(ana)
    local gone = writer.device(ben2)
    assert(ben2.client:logout())
    assert(changed:pop(30))
    assert(ana.client:send(group, "second"))
    assert.are_not.equal(key_id(stanzas[1]), key_id(stanzas[2]))
    local list = told(stanzas[2], ana)
    assert.same(devices(ben, cem), list)
    assert.are_not.equal(gone, list[1])
  end))

  it("is not told to a member who leaves while it is being told", support.async(function()
    local rig <close> = start()
    local ana, ben, cem = rig:contact "Ana", rig:contact "Ben", rig:contact "Cem"
    local group = writer.make(rig, ana, ben, cem)
    local stanzas, client = rig:record("to-server", to_group), ana.client
    local ensure = client.devices.ensure_sessions
    function client.devices.ensure_sessions(...)
      client.devices.ensure_sessions = nil
      local ok, err = ensure(...)
      assert(client.groups:remove(group, { cem.jid }))
      return ok, err
    end
    assert(client:send(group, "first"))
    assert.equal(1, #stanzas)
    assert.same(devices(ben), told(stanzas[1], ana))
    assert.equal("first", ben:next().text)
    assert.equal(0, #cem.heard)
  end))

  it("is told again to the devices of a member whose identity is new", support.async(function()
    local rig <close> = start()
    local ana, ben, cem, group, stanzas = settled(rig)
    ana.client.identities:announced(ben.lid)
    assert(ana.client:send(group, "second"))
    assert.same(devices(ben), told(stanzas[1], ana))
    for _, one in ipairs { ben, cem } do assert.equal("second", one:next().text) end
  end))

  it("that may be older than the store is replaced", support.async(function()
    local rig <close> = start()
    local ana, ben, cem, group, stanzas = settled(rig)
    assert(ana.client:send(group, "second"))
    local row = ana.client.store:get("told", group)
    ana.client.store:put("told", group, row:sub(1, 1) .. (">I4"):pack(7) .. row:sub(6))
    assert(ana.client:send(group, "third"))
    assert.are_not.equal(key_id(stanzas[1]), key_id(stanzas[2]))
    assert.same(devices(ben, cem), told(stanzas[2], ana))
  end))

  it("is told again when the server refused what told it", support.async(function()
    local rig <close> = start()
    local ana, ben, cem = rig:contact "Ana", rig:contact "Ben", rig:contact "Cem"
    local group = writer.make(rig, ana, ben, cem)
    local there, me = sandbox_groups.lookup(rig.sandbox, group), (rig.sandbox.accounts:lookup(ana.jid))
    ana.client.groups:get(group)
    there:drop(me)
    local sent, err = ana.client:send(group, "first")
    assert.is_nil(sent)
    assert.same({ "forbidden", 403 }, { err.code, err.status })
    there:put(me, "superadmin")
    local stanzas = rig:record("to-server", to_group)
    assert(ana.client:send(group, "second"))
    assert.same(devices(ben, cem), told(stanzas[1], ana))
    assert.equal("second", ben:next().text)
  end))

  it("stays when a number's LID becomes known", support.async(function()
    local rig <close> = start()
    local ana, _, _, group = settled(rig)
    local told_rows, marks = ana.client.fanout_group.told, require "moonpost.client.marks"
    local row = told_rows:of(group, "lid")
    local number, lid = "15550001111@s.whatsapp.net", "99887766@lid"
    told_rows:accepted(group, marks.note(row.generation, { number, "15550001111:3@s.whatsapp.net" }))
    ana.client.sender_keys:renamed(number, lid, true)
    local set = marks.set(told_rows:of(group, "lid").marks)
    assert.is_true(set[marks.of(lid)] and set[marks.of "99887766:3@lid"])
    assert.is_nil(set[marks.of(number)])
  end))
end)

describe("a device that has not got our sender key", function()
  it("asks once, hears the message, and what follows", support.async(function()
    local rig <close> = start()
    local ana, ben, cem = rig:contact "Ana", rig:contact "Ben", rig:contact "Cem"
    local group = writer.make(rig, ana, ben, cem)
    local stanzas = rig:record("to-server", to_group)
    rig:fault { what = "damage", jid = ben.lid, direction = "to-client", enc = "pkmsg" }
    local sent = assert(ana.client:send(group, "first"))
    local m = ben:next()
    assert.same({ sent.id, "first", group, ana.lid }, { m.id, m.text, m.chat, m.sender })
    assert.equal("first", cem:next().text)
    local again = stanzas[2]
    assert.same({ writer.device(ben), "lid", "1", sent.id },
      { again.attrs.participant, again.attrs.addressing_mode, tostring(stanza.child(again, "enc").attrs.count), again.attrs.id })
    assert(ana.client:send(group, "second"))
    assert.same({}, told(stanzas[3], ana))
    for _, one in ipairs { ben, cem } do assert.equal("second", one:next().text) end
    assert.equal(0, #ben.heard + #cem.heard)
  end))

  it("is not served when it is in the group no more", support.async(function()
    local rig <close> = start()
    local ana, ben, cem = rig:contact "Ana", rig:contact "Ben", rig:contact "Cem"
    local errors = tap.event(ana.client, "error")
    local group = writer.make(rig, ana, ben, cem)
    local swallowed = task.queue()
    local stop = rig:tap(function(way, node, conn)
      if way == "to-client" and node.tag == "message" and tap.is_to(conn, ben) then
        swallowed:push(node)
        return false
      end
    end)
    local sent = assert(ana.client:send(group, "first"))
    assert(swallowed:pop(30))
    stop()
    leaves(rig, group, ben, ana)
    tap.hand(rig, ana, stanza.node("receipt", {
      id = sent.id, from = group, participant = writer.device(ben), type = "retry", t = "1769296600",
    }, {
      stanza.node("retry", { v = "1", count = "1", id = sent.id, t = "1769296600" }),
      stanza.node("registration", nil, (">I4"):pack(ben.client.account:public().registration_id)),
    }))
    local err = errors:pop(30)
    assert.equal("unknown-device", err.code)
    assert.matches("is not in " .. group, tostring(err), 1, true)
  end))

  it("because our list lacked it gets the message after the server has told so, once", support.async(function()
    local rig <close> = start()
    local ana, ben, cem = rig:contact "Ana", rig:contact "Ben", rig:contact "Cem"
    local group = writer.make(rig, ana, ben, cem)
    local known, fewer = assert(ana.client.groups:get(group)), {}
    for name, value in pairs(known) do fewer[name] = value end
    fewer.participants = {}
    for _, member in ipairs(known.participants) do
      if member.jid ~= cem.lid then table.insert(fewer.participants, member) end
    end
    ana.client.groups:keep(fewer)
    rig:tap(function(way, node) -- Cem does not ask for it
      return not (way == "to-server" and node.tag == "receipt" and node.attrs.type == "retry")
    end)
    local sent = assert(ana.client:send(group, "first"))
    local m = cem:next()
    assert.same({ sent.id, "first" }, { m.id, m.text })
    assert.equal("first", ben:next().text)
    local stanzas = rig:record("to-server", to_group)
    assert(ana.client:send(group, "second"))
    assert.same({}, told(stanzas[1], ana))
    assert.same({ "second", "second" }, { ben:next().text, cem:next().text })
  end))

  it("has one copy of a message waiting for it, whoever asked for that, until the server has it", support.async(function()
    local rig <close> = start()
    local ana, ben, _, group = settled(rig)
    local acks = tap.on(rig)
    local outbox, device = ana.client.outbox, writer.device(ben)
    local sent = assert(ana.client:send(group, "second"))
    local function is_ack(way, node)
      return way == "to-client" and node.tag == "ack" and node.attrs.id == sent.id and node.attrs.class == "message"
    end
    acks:next(is_ack)
    ana.client.store:atomic(function()
      for _ = 1, 2 do
        local node = ana.client.fanout_group:build_for(sent.id, group, "lid", { conversation = "second" }, device)
        assert(outbox:add { id = sent.id, to = group, stanza = core.wire.encode(node), device = device })
      end
    end)
    acks:next(is_ack)
    acks:next(is_ack)
    assert(ana.client:send(group, "third")) -- whose ack comes behind those
    assert(ana.client:committed())
    assert.is_true(outbox:idle())
    assert.same({ "second", "third" }, { ben:next().text, ben:next().text })
  end))

  it("gets nothing again that it could read, when the server has told that somebody else is gone", support.async(function()
    local rig <close> = start()
    local ana, ben, cem, group, stanzas = settled(rig)
    sandbox_groups.lookup(rig.sandbox, group):drop((rig.sandbox.accounts:lookup(cem.jid))) -- of which nobody is told
    local hashes = rig:record("to-client", function(node) return node.tag == "ack" and node.attrs.phash ~= nil end)
    assert(ana.client:send(group, "second"))
    assert.equal(1, #hashes)
    for _, text in ipairs { "third", "fourth" } do assert(ana.client:send(group, text)) end
    assert.same({ 3, devices(ben) }, { #stanzas, told(stanzas[2], ana) })
    assert.same({ "second", "third", "fourth" }, { ben:next().text, ben:next().text, ben:next().text })
  end))
end)

describe("a group whose addressing has changed", function()
  it("is asked about again, and the message sent anew under its id", support.async(function()
    local rig <close> = start()
    local ana, ben, cem, group, stanzas = settled(rig)
    local stop
    stop = rig:tap(function(way, node)
      if way == "to-server" and to_group(node) then
        stop()
        tap.hand(rig, ana, stanza.node("ack", {
          class = "message", id = node.attrs.id, from = group, t = "1769296600", error = "421", addressing_mode = "lid",
        }))
        return false
      end
    end)
    local asked = rig:record("to-server", function(node) return node.tag == "iq" and node.attrs.xmlns == "w:g2" end)
    local sent = assert(ana.client:send(group, "second"))
    for _, one in ipairs { ben, cem } do
      local m = one:next()
      assert.same({ sent.id, "second" }, { m.id, m.text })
    end
    assert.equal(1, #asked)
    assert.same(devices(ben, cem), told(stanzas[#stanzas], ana))
  end))

  it("is asked about again for a message that an earlier run has left, too", support.async(function()
    local rig <close> = start()
    local store = support.tmpdir() .. "/state"
    local ana, ben = rig:contact("Ana", { store = store }), rig:contact "Ben"
    local group = writer.make(rig, ana, ben)
    local swallowed = task.queue()
    local stop = rig:tap(function(way, node)
      if way ~= "to-server" or not to_group(node) then return end
      swallowed:push(node)
      return false
    end)
    task.spawn(function() ana.client:send(group, "first") end)
    local first = assert(swallowed:pop(30))
    ana.client:close()
    local again = rig:contact("Ana", { store = store })
    assert.equal(first.attrs.id, assert(swallowed:pop(30)).attrs.id)
    stop()
    tap.hand(rig, again, stanza.node("ack", {
      class = "message", id = first.attrs.id, from = group, t = "1769296600", error = "421", addressing_mode = "lid",
    }))
    local m = ben:next()
    assert.same({ first.attrs.id, "first" }, { m.id, m.text })
  end))
end)
