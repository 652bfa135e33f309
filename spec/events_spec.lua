-- Events and the responses to them (fact sheet 05 §8.3), through real sockets.
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"

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
