-- Messages in the sandbox's groups (fact sheets 08 §12.2, §13, S-630): who may write, under which names it arrives, what is told of it.
local core = require "moonpost.core"
local stanza = require "moonpost.stanza"
local scene = require "spec.group_scene"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"
local task = require "moonpost.task"
local writer = require "spec.group_writer"

local act, ask, node = scene.act, scene.ask, stanza.node
local jid = core.wire.jid

-- Sends a text to a group, read by nobody; the server's ack.
local function post(rig, contact, group, more)
  local seen = tap.on(rig)
  local one = writer.stanza(contact, group, contact.client:next_id(), writer.skmsg(contact, group, "hi"), nil, more)
  contact.client.connection:send(one)
  return seen:next(function(direction, ack)
    return direction == "to-client" and ack.tag == "ack" and ack.attrs.id == one.attrs.id
  end).attrs
end

-- The stanzas of a tag that a contact's client is handed from now on.
local function handed(rig, contact, tag)
  return rig:record("to-client", function(one, conn) return one.tag == tag and tap.is_to(conn, contact) end)
end

-- Everything sent to a contact until now has arrived.
local function settle(contact) assert(contact.client:query(node("iq", { xmlns = "w:p", type = "get", to = "s.whatsapp.net" }))) end

describe("a message to a group of the sandbox", function()
  it("is refused from who is not in it, and from members where admins announce", support.async(function()
    local rig <close> = start()
    local ana, ben, bea = rig:contact "Ana", rig:contact "Ben", scene.phone(rig, "Bea", "15550000001")
    local group = scene.group(rig, bea, { ben })
    local got = handed(rig, ben, "message")
    assert.equal(403, post(rig, ana, group).error)
    assert(act(rig, group, bea, "add", { members = { ana.jid } }))
    assert(act(rig, group, bea, "announcement"))
    assert.equal(403, post(rig, ana, group).error)
    assert(act(rig, group, bea, "promote", { members = { ana.jid } }))
    assert.is_nil(post(rig, ana, group).error)
    settle(ben)
    assert.equal(1, #got)
    assert.equal(404, post(rig, ana, "120363999999999999@g.us").error)
  end))

  it("that takes back somebody else's is an admin's", support.async(function()
    local rig <close> = start()
    local ana, bea = rig:contact "Ana", scene.phone(rig, "Bea", "15550000001")
    local group = scene.group(rig, bea, { ana })
    assert.equal(403, post(rig, ana, group, { edit = "8" }).error)
    assert.is_nil(post(rig, ana, group, { edit = "7" }).error)
    assert(act(rig, group, bea, "promote", { members = { ana.jid } }))
    assert.is_nil(post(rig, ana, group, { edit = "8" }).error)
  end))

  it("in the wrong mode is refused with the right one", support.async(function()
    local rig <close> = start()
    local ana, bea = rig:contact "Ana", scene.phone(rig, "Bea", "15550000001")
    local by_lid, by_number = scene.group(rig, bea, { ana }), scene.group(rig, bea, { ana }, { mode = "pn" })
    local refused, other = post(rig, ana, by_lid, { addressing_mode = "pn" }), post(rig, ana, by_number)
    assert.same({ 421, "lid", 421, "pn" }, { refused.error, refused.addressing_mode, other.error, other.addressing_mode })
    assert.is_nil(post(rig, ana, by_number, { addressing_mode = "pn" }).error)
  end))

  it("in a mode the group no longer has is written again in the right one by a client", support.async(function()
    local rig <close> = start()
    local ana, ben, bea = rig:contact "Ana", rig:contact "Ben", scene.phone(rig, "Bea", "15550000001")
    local group = scene.group(rig, bea, { ana, ben }, { mode = "pn" })
    assert(ana.client:send(group, "by number"))
    assert.equal("by number", ben:next().text)
    assert(act(rig, group, bea, "migrate", { text = "lid" }))
    local answers = handed(rig, ana, "ack")
    assert(ana.client:send(group, "by LID"))
    local m = ben:next()
    assert.same({ "by LID", ana.lid, group }, { m.text, m.sender, m.chat })
    local errors = {}
    for _, ack in ipairs(answers) do errors[#errors + 1] = ack.attrs.class == "message" and (ack.attrs.error or "taken") or nil end
    assert.same({ 421, "taken" }, errors)
    assert(ben.client:send(group, "and back"))
    assert.equal("and back", ana:next().text)
  end))

  it("arrives under the names of the group's mode", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local got = handed(rig, ben, "message")
    for _, mode in ipairs { "lid", "pn" } do
      post(rig, ana, scene.group(rig, ana, { ben }, { mode = mode }), { addressing_mode = mode })
    end
    settle(ben)
    local first, second = got[1].attrs, got[2].attrs
    assert.same({ writer.device(ana), ana.jid, "none", "lid" }, {
      first.participant, first.participant_pn, first.participant_lid or "none", first.addressing_mode,
    })
    assert.same({ tap.device_jid(ana), "none", ana.lid, "pn" }, {
      second.participant, second.participant_pn or "none", second.participant_lid, second.addressing_mode,
    })
  end))

  it("comes to each device of its members but its author's, its own key first", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local other_ana, other_ben = rig:contact "Ana", rig:contact "Ben"
    local group = scene.group(rig, ana, { ben })
    local got = {}
    for i, one in ipairs { ana, ben, other_ana, other_ben } do got[i] = handed(rig, one, "message") end
    writer.send(ana, group, "hi", { ben, other_ana })
    for _, one in ipairs { ana, ben, other_ana, other_ben } do settle(one) end
    assert.same({ 0, 1, 1 }, { #got[1], #got[2], #got[3] })
    local function encs(message)
      local types = {}
      for i, enc in stanza.children(message, "enc") do types[i] = enc.attrs.type end
      return types
    end
    assert.same({ "pkmsg", "skmsg" }, encs(got[2][1]))
    assert.same({ "skmsg" }, encs(got[4][1]))
  end))
end)

describe("a notification of a group of the sandbox", function()
  it("names people by their numbers where the group does, on both sides", support.async(function()
    local rig <close> = start()
    local ana, bea, cem = rig:contact "Ana", scene.phone(rig, "Bea", "15550000001"), scene.phone(rig, "Cem", "15550000002")
    local told = scene.told(rig, ana)
    local group = scene.group(rig, bea, { ana }, { mode = "pn" })
    assert(act(rig, group, bea, "add", { members = { cem.lid } }))
    assert.same({ "create", "add" }, scene.tags(ana, told))
    local attrs, one = told[2].attrs, told[2].content[1].content[1].attrs
    assert.same({ bea.jid, "pn", tap.device_jid(ana), cem.jid, cem.lid }, {
      attrs.participant, attrs.addressing_mode, attrs.to, one.jid, one.lid,
    })
    assert.same({ [ana.jid] = "member", [bea.jid] = "superadmin", [cem.jid] = "member" }, scene.ranks(scene.shown(ana, group)))
    local answer = assert(ask(ana, "get", group, node("query", { request = "interactive" })))
    assert.equal("pn", answer.attrs.addressing_mode)
  end))
end)

describe("a receipt in a group of the sandbox", function()
  local function receipt(contact, group, author, id, type, more)
    contact.client.connection:send(node("receipt", {
      to = group, participant = author, id = id, type = type, t = tostring(math.floor(core.net.time())),
    }, more))
  end

  it("that tells who read goes to all devices of the author, for what he wrote there", support.async(function()
    local rig <close> = start()
    local ana, ben, second = rig:contact "Ana", rig:contact "Ben", rig:contact "Ana"
    local group = scene.group(rig, ana, { ben })
    local id = writer.send(ana, group, "hi", { ben, second })
    ben:next()
    settle(ana)
    local first_got, second_got = handed(rig, ana, "receipt"), handed(rig, second, "receipt")
    receipt(ben, group, writer.device(ana), "3EB0NEVER", "read")
    receipt(ben, group, writer.device(ana), "3EB0NEVER", "read", node("list", nil, node("item", { id = id })))
    settle(ben)
    settle(ana)
    settle(second)
    for _, got in ipairs { first_got, second_got } do
      local reads = {}
      for _, one in ipairs(got) do reads[#reads + 1] = one.attrs.type == "read" and one or nil end
      assert.equal(1, #reads)
      assert.same({ group, writer.device(ben), ben.jid, id }, {
        reads[1].attrs.from, reads[1].attrs.participant, reads[1].attrs.participant_pn, reads[1].attrs.id,
      })
      assert.is_nil(reads[1].content)
    end
  end))

  it("of what was read in silence goes to the reader's other devices only", support.async(function()
    local rig <close> = start()
    local ana, ben, second = rig:contact "Ana", rig:contact "Ben", rig:contact "Ben"
    local group = scene.group(rig, ana, { ben })
    local id = writer.send(ana, group, "hi", { ben, second })
    ben:next()
    second:next()
    settle(ana)
    local to_ana, to_second = handed(rig, ana, "receipt"), handed(rig, second, "receipt")
    receipt(ben, group, writer.device(ana), id, "read-self")
    settle(ben)
    settle(ana)
    settle(second)
    assert.equal(0, #to_ana)
    assert.same({ "read-self", group, writer.device(ben) }, {
      to_second[1].attrs.type, to_second[1].attrs.from, to_second[1].attrs.participant,
    })
  end))
end)

describe("typing in a group of the sandbox", function()
  it("is shown to the other members' devices, and to nobody else", support.async(function()
    local rig <close> = start()
    local ana, ben, cem = rig:contact "Ana", rig:contact "Ben", rig:contact "Cem"
    local group = scene.group(rig, ana, { ben })
    local to_ben, to_cem, to_ana = handed(rig, ben, "chatstate"), handed(rig, cem, "chatstate"), handed(rig, ana, "chatstate")
    for _, one in ipairs { ana, cem } do one.client.connection:send(node("chatstate", { to = group }, node "composing")) end
    for _, one in ipairs { ana, cem, ben } do settle(one) end
    assert.same({ 1, 0, 0 }, { #to_ben, #to_cem, #to_ana })
    assert.same({ group, ana.lid, ana.jid, "composing" }, {
      to_ben[1].attrs.from, to_ben[1].attrs.participant, to_ben[1].attrs.participant_pn, to_ben[1].content[1].tag,
    })
  end))
end)

describe("a crowd in a group of the sandbox", function()
  it("has devices with keys of their own, which a client believes and writes to", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local group = scene.group(rig, ana, {}, { crowd = { members = 3, devices = 2 } })
    local people, devices, identities = {}, {}, {}
    for one in pairs(scene.ranks(scene.shown(ana, group))) do people[#people + 1] = one ~= ana.lid and one or nil end
    for _, one in ipairs(people) do
      for number = 0, 2 do devices[#devices + 1] = jid.make((jid.parse(one)), "lid", number) end
    end
    assert.equal(9, #devices)
    assert(ana.client.devices:of(people))
    assert(ana.client.devices:ensure_sessions(devices))
    for _, sealed in ipairs(ana.client.account:encrypt(devices, writer.text "hi")) do assert.equal("pkmsg", sealed.type) end
    for _, one in ipairs(devices) do
      local bundle = assert(require("moonpost.sandbox.keys").bundle(rig.sandbox, one))
      identities[bundle.identity] = true
    end
    local count = 0
    for _ in pairs(identities) do count = count + 1 end
    assert.equal(9, count)
  end))

  it("is the same after a restart", support.async(function()
    local world, keys = support.tmpdir(), require "moonpost.sandbox.keys"
    local function made()
      local rig <close> = start { world = world }
      local bea = scene.phone(rig, "Bea", "15550000001")
      scene.group(rig, bea, {}, { crowd = { members = 1, devices = 1 } })
      local account = assert(rig.sandbox.accounts.list[2])
      local name = account:jid "lid"
      return name, keys.bundle(rig.sandbox, name).identity, keys.bundle(rig.sandbox, (name:gsub("@", ":1@"))).identity
    end
    local name, phone, device = made()
    local rig <close> = start { world = world }
    assert.same({ phone, device }, {
      keys.bundle(rig.sandbox, name).identity, keys.bundle(rig.sandbox, (name:gsub("@", ":1@"))).identity,
    })
  end))
end)

describe("what a group of very many devices is told", function()
  local devices = require "moonpost.sandbox.devices"
  local settings, book = require "moonpost.sandbox.group_settings", require "moonpost.sandbox.group_book"

  -- Linked devices that are never there.
  local function absent(rig, count)
    local list = {}
    for i = 1, count do
      local one = scene.phone(rig, "Absent " .. i, ("1555000%04d"):format(1000 + i))
      local device = rig.sandbox.accounts:add_device(one.account, { noise = ("n"):rep(32), identity = ("i"):rep(32) })
      device.active = true
      devices.open_queue(rig.sandbox, device)
      list[i] = one
    end
    return list
  end

  local function tags(device)
    local list = {}
    for one in device.queue:each() do list[#list + 1] = one.content and one.content[1].tag or one.tag end
    return list
  end

  it("reaches them a few at a time, each in the order it was sent", support.async(function()
    local rig <close> = start()
    local bea, away = scene.phone(rig, "Bea", "15550000001"), absent(rig, 150)
    local group = book.of(rig.sandbox):lookup((scene.group(rig, bea, away)))
    rig.sandbox.spread:finish()
    local last, done = away[150].account.devices[1], task.queue()
    assert(settings.subject(group, bea.account, "one"))
    last.queue:push(node("receipt", { id = "R" }))
    assert(settings.subject(group, bea.account, "two"))
    last.queue:push(node("receipt", { id = "end" }))
    assert.same({ "create" }, tags(last))
    local put = last.queue.put
    function last.queue.put(queue, one)
      put(queue, one)
      if one.attrs.id == "end" then done:push(true) end
    end
    assert.is_true(done:pop(30))
    assert.same({ "create", "subject", "receipt", "subject", "receipt" }, tags(last))
  end))

  it("is written before the sandbox ends, and passes by who was unlinked meanwhile", support.async(function()
    local rig <close> = start()
    local bea, away = scene.phone(rig, "Bea", "15550000001"), absent(rig, 150)
    local group = book.of(rig.sandbox):lookup((scene.group(rig, bea, away)))
    local first, second = away[1].account.devices[1], away[2].account.devices[1]
    rig.sandbox.spread:finish()
    assert(settings.subject(group, bea.account, "one"))
    second.queue:clear()
    rig.sandbox.spread:finish()
    assert.same({ "create", "subject" }, tags(first))
    assert.same({}, tags(second))
  end))
end)
