--- Events and the responses to them (fact sheet 05 §8.3).
-- @module moonpost.client.kinds.event
local core = require "moonpost.core"
local check = require "moonpost.client.kinds.check"
local key = require "moonpost.client.kinds.key"
local moment = require "moonpost.client.kinds.moment"

local crypto, proto = core.crypto, core.proto

local event = { read = {}, build = {}, takes = { event = { "location" } }, acts = { "response" } }

local GUESTS_MAX = 1000

-- By the word handlers know.
local answers = { going = "GOING", not_going = "NOT_GOING", maybe = "MAYBE" }
local words = {}
for word, name in pairs(answers) do words[name] = word end

local function place_of(location)
  if not location then return nil end
  return { lat = location.degreesLatitude, lon = location.degreesLongitude, name = location.name, address = location.address }
end

--- What an event says, as handlers are told.
-- @tparam table content EventMessage
function event.describe(content)
  return {
    name = content.name or "", description = content.description, starts = moment.read(content.startTime),
    ends = moment.read(content.endTime),
    location = place_of(content.location), link = content.joinLink, cancelled = content.isCanceled or false,
    guests = content.extraGuestsAllowed or false,
  }
end

function event.read.eventMessage(content, m)
  m.kind, m.event = "event", event.describe(content)
  m.text = m.event.name
end

--- A response: `m.opened` is what was decrypted of it (StoreOpened).
function event.read.encEventResponseMessage(content, m, client)
  m.kind, m.target = "response", key.read(content.eventCreationMessageKey, m, client)
  local opened = m.opened and m.opened.response
  if opened then m.response = event.response(assert(proto.decode("Message.EventResponseMessage", opened))) end
end

--- A response as handlers are told of it.
-- @tparam table content EventResponseMessage
-- @treturn ?table {answer, guests}; nil when it answers nothing
function event.response(content)
  local answer = words[content.response or ""]
  return answer and { answer = answer, guests = math.max(0, math.min(GUESTS_MAX, content.extraGuestCount or 0)) } or nil
end

local place_fields = { "number", "number", lat = "number", lon = "number", name = "string", address = "string" }

-- Where it is: a name alone, or a place as { location = … } has it.
local function place(given)
  if given == nil then return nil end
  local what = "an event's location"
  if type(given) == "string" then return { name = check.text("an event", "location", given) } end
  check.fields(what, given, place_fields)
  local lat, lon = given.lat or given[1], given.lon or given[2]
  if lat or lon then lat, lon = check.number(what, "lat", lat, -90, 90), check.number(what, "lon", lon, -180, 180) end
  return { degreesLatitude = lat, degreesLongitude = lon, name = given.name, address = given.address }
end

local fields = {
  event = "string", description = "string", starts = "number", ends = "number", location = "table|string", link = "string",
  guests = "boolean", cancelled = "boolean",
}

--- The EventMessage of a spec.
function event.content(spec)
  check.fields("an event", spec, fields)
  local starts = check.time("an event", "starts", spec.starts)
  local ends = spec.ends and check.time("an event", "ends", spec.ends)
  if ends and ends < starts then check.wrong "an event: 'ends' is before 'starts'" end
  return {
    name = check.text("an event", "event", spec.event), description = spec.description, startTime = starts,
    endTime = ends, location = place(spec.location), joinLink = spec.link,
    extraGuestsAllowed = spec.guests or false, isCanceled = spec.cancelled or false,
  }
end

--- { event = "Picnic", starts = Unix seconds, ends =, description =, location = { lat, lon, name =, address = } or a name,
-- link = of a call, guests = true (people may bring others) }
-- @tparam table spec
-- @treturn table Message
function event.build.event(spec)
  return { eventMessage = event.content(spec), messageContextInfo = { messageSecret = crypto.random(32) } }
end

--- The EventResponseMessage of an answer.
-- @string answer "going", "not_going" or "maybe"
-- @tparam ?int guests how many come along
-- @number now Unix seconds
-- @treturn table
function event.answer(answer, guests, now)
  if not answers[answer] then check.wrong("a response is 'going', 'not_going' or 'maybe', not %s", tostring(answer)) end
  if guests ~= nil then
    check.value("a response", "guests", guests, "integer")
    check.number("a response", "guests", guests, 0, GUESTS_MAX)
  end
  return { response = answers[answer], timestampMs = math.floor(now * 1000), extraGuestCount = guests }
end

return event
