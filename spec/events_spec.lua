-- Events and the responses to them (fact sheet 05 §8.3), through real sockets.
local core = require "moonpost.core"
local secrets = require "moonpost.client.secrets"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"
local writer = require "spec.group_writer"

local STARTS = 1800000000
local PICNIC = {
  event = "Picnic", starts = STARTS, ends = STARTS + 7200, description = "Bring cake", link = "https://call.whatsapp.com/voice/abc",
  location = { 52.5, 13.25, name = "The lake", address = "Lake Street 1" }, guests = true,
}

describe("an event", function()
  it("is heard with all that it says", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    assert(ana.client:send(ben.jid, PICNIC))
    local m = ben:next()
    assert.same({ "event", "Picnic" }, { m.kind, m.text })
    assert.same({
      name = "Picnic", starts = STARTS, ends = STARTS + 7200, description = "Bring cake", link = "https://call.whatsapp.com/voice/abc",
      location = { lat = 52.5, lon = 13.25, name = "The lake", address = "Lake Street 1" }, guests = true, cancelled = false,
    }, m.event)
    assert.equal(32, #m.message.messageContextInfo.messageSecret)
  end))

  it("needs a name and a beginning only, and may name its place", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    assert(ana.client:send(ben.jid, { event = "Tea", starts = STARTS, location = "At home" }))
    assert.same({ name = "Tea", starts = STARTS, location = { name = "At home" }, guests = false, cancelled = false }, ben:next().event)
  end))

  it("tells the server that it is one", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local sent = rig:record("to-server", function(node) return node.tag == "message" end)
    assert(ana.client:send(ben.jid, PICNIC))
    ben:next()
    assert.same({ "event", "creation" }, { sent[1].attrs.type, tap.child(sent[1], "meta").attrs.event_type })
  end))

  local rows = {
    { {}, "an event needs 'starts'" },
    { { starts = "noon" }, "an event: 'starts' is a number, not a string" },
    { { event = "", starts = STARTS }, "an event: 'event' is empty" },
    { { starts = STARTS, ends = STARTS - 1 }, "an event: 'ends' is before 'starts'" },
    { { starts = STARTS, location = { 91, 0 } }, "an event's location: 'lat' is between -90 and 90, not 91" },
    { { starts = STARTS, location = { 1 } }, "an event's location needs 'lon'" },
    { { starts = STARTS, location = { where = 1 } }, "an event's location has no field 'where'" },
    { { starts = STARTS, colour = "red" }, "an event has no field 'colour'" },
  }
  for _, row in ipairs(rows) do
    it(("is not sent when it is wrong: %s"):format(row[2]), function()
      local spec = { event = "Picnic" }
      for name, value in pairs(row[1]) do spec[name] = value end
      local message, why = require("moonpost.client.kinds").build(spec, { chat = "1@lid" })
      assert.is_nil(message)
      assert.equal(row[2], why:sub(1, #row[2]))
    end)
  end
end)

-- Ana invites, Ben hears it: who they are, the event as Ben heard it, and as Ana names it.
local function invited(rig, spec)
  local ana, ben = rig:contact "Ana", rig:contact "Ben"
  ana.errors = tap.event(ana.client, "error")
  local sent = assert(ana.client:send(ben.jid, spec or PICNIC))
  local event = ben:next()
  assert.equal(sent.id, event.id)
  return ana, ben, event, { chat = ben.lid, id = sent.id, sender = ana.lid }
end

describe("a response", function()
  it("is heard by who invited, and listed", support.async(function()
    local rig <close> = start()
    local ana, ben, event, own = invited(rig)
    assert(ben.client:respond(event, "going", { guests = 2 }))
    local m = ana:next()
    assert.same({ "response", { answer = "going", guests = 2 }, ben.lid }, { m.kind, m.response, m.sender })
    assert.same({ chat = ben.lid, id = event.id, sender = ana.lid, from_me = true }, m.target)
    local wanted = { { jid = ben.lid, answer = "going", guests = 2 }, going = 3, maybe = 0, not_going = 0 }
    assert.same(wanted, ana.client:responses(own))
    assert.same(wanted, ana.client:responses(m))
    assert.same(wanted, ben.client:responses(event))
  end))

  it("replaces the one before", support.async(function()
    local rig <close> = start()
    local ana, ben, event, own = invited(rig)
    for _, answer in ipairs { "going", "maybe", "not_going" } do
      assert(ben.client:respond(event, answer))
      assert.equal(answer, ana:next().response.answer)
      local list = ana.client:responses(own)
      assert.same({ 1, 1 }, { #list, list[answer] })
    end
  end))

  it("tells the server what it is, and is hidden where it cannot be read", support.async(function()
    local rig <close> = start()
    local ana, ben, event = invited(rig)
    local sent = rig:record("to-server", function(node) return node.tag == "message" end)
    assert(ben.client:respond(event, "maybe"))
    ana:next()
    assert.same({ "event", "response" }, { sent[1].attrs.type, tap.child(sent[1], "meta").attrs.event_type })
    assert.equal("hide", tap.child(tap.child(tap.child(sent[1], "participants"), "to"), "enc").attrs["decrypt-fail"])
  end))

  it("is read whichever names stand in its key", support.async(function()
    local rig <close> = start()
    local ana, ben, event = invited(rig)
    for _, row in ipairs { { ana.lid, ben.lid }, { ana.jid, ben.jid } } do
      local plaintext = assert(core.proto.encode("Message.EventResponseMessage", { response = "MAYBE", timestampMs = 5000 }))
      local payload, iv = secrets.seal("response", {
        secret = event.message.messageContextInfo.messageSecret, id = event.id, author = row[1], actor = row[2],
      }, plaintext)
      assert(ben.client:send(ana.jid, { encEventResponseMessage = {
        eventCreationMessageKey = { remoteJid = ana.lid, fromMe = false, id = event.id }, encPayload = payload, encIv = iv,
      } }))
      assert.equal("maybe", ana:next().response.answer)
    end
  end))

  it("is refused by the name of the call when it is none", support.async(function()
    local rig <close> = start()
    local _, ben, event = invited(rig)
    local ok, why = pcall(ben.client.respond, ben.client, event, "perhaps")
    assert.is_false(ok)
    assert.truthy(tostring(why):find("client:respond: a response is 'going', 'not_going' or 'maybe', not perhaps", 1, true), tostring(why))
    assert.is_false((pcall(ben.client.respond, ben.client, event, "going", { guests = -1 })))
    assert.is_false((pcall(ben.client.vote, ben.client, event, "going")))
  end))

  it("to what is no event does not count, and says so", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    ana.errors = tap.event(ana.client, "error")
    assert(ana.client:send(ben.jid, "no event"))
    local text = ben:next()
    assert(ben.client:send(ana.jid, { encEventResponseMessage = {
      eventCreationMessageKey = { remoteJid = ana.lid, fromMe = false, id = text.id }, encPayload = ("x"):rep(20), encIv = ("i"):rep(12),
    } }))
    local err = assert(ana.errors:pop(30))
    assert.equal("malformed", err.code)
    assert.matches("what it is for is no event", tostring(err), 1, true)
  end))
end)

describe("in a group an event", function()
  it("is answered by the others, and each has the list", support.async(function()
    local rig <close> = start()
    local ana, ben, cem = rig:contact "Ana", rig:contact "Ben", rig:contact "Cem"
    local group = writer.make(rig, ana, ben, cem)
    assert(ana.client:send(group, PICNIC))
    local at_ben, at_cem = ben:next(), cem:next()
    assert(ben.client:respond(at_ben, "going", { guests = 1 }))
    assert.same({ "going", ben.lid }, { (function(m) return m.response.answer, m.sender end)(ana:next()) })
    cem:next()
    assert(cem.client:respond(at_cem, "not_going"))
    ana:next()
    ben:next()
    for _, one in ipairs { ana, ben, cem } do
      local list = one.client:responses(at_ben)
      assert.same({ 2, 2, 0, 1 }, { #list, list.going, list.maybe, list.not_going })
    end
  end))
end)

describe("an event that is changed", function()
  local function as_known(contact, event)
    local content = contact.client.archive:get(event.chat, event.id, event.sender):latest().eventMessage
    return { content.name, content.startTime, content.isCanceled or false }
  end

  it("is so for both sides, and may be called off", support.async(function()
    local rig <close> = start()
    local ana, ben, event, own = invited(rig)
    own.from_me = true
    local sent = rig:record("to-server", function(node) return node.tag == "message" end)
    assert(ana.client:edit(own, { starts = STARTS + 60, cancelled = true }))
    local m = ben:next()
    assert.same({ "edit", event.id, true, STARTS + 60 }, { m.kind, m.target.id, m.event.cancelled, m.event.starts })
    for _, one in ipairs { { ana, own }, { ben, event } } do assert.same({ "Picnic", STARTS + 60, true }, as_known(one[1], one[2])) end
    assert.same({ "event", "edit", "1" }, { sent[1].attrs.type, tap.child(sent[1], "meta").attrs.event_type, sent[1].attrs.edit })
    assert(ben.client:respond(event, "going")) -- under the secret it had before
    assert.equal("going", ana:next().response.answer)
  end))

  it("by somebody else is not", support.async(function()
    local rig <close> = start()
    local ana, ben, event, own = invited(rig)
    assert.equal("not-allowed", select(2, ben.client:edit(event, { event = "Mine" })).code)
    local payload, iv = secrets.seal("event_edit", {
      secret = event.message.messageContextInfo.messageSecret, id = event.id, author = ana.lid, actor = ben.lid,
    }, assert(core.proto.encode("Message", { eventMessage = { name = "Mine" } })))
    assert(ben.client:send(ana.jid, { secretEncryptedMessage = {
      targetMessageKey = { remoteJid = ana.lid, fromMe = false, id = event.id }, encPayload = payload, encIv = iv,
      secretEncType = "EVENT_EDIT",
    } }))
    assert.equal("forbidden", assert(ana.errors:pop(30)).code)
    assert.same({ "Picnic", STARTS, false }, as_known(ana, own))
  end))
end)
