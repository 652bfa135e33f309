--- Places (fact sheet 05 §4.8). Of a live location a client gets the first position only: later ones do not travel as messages.
-- @module moonpost.client.kinds.place
local check = require "moonpost.client.kinds.check"

local read, build = {}, {}

-- A number within bounds; nil of what is none, or is nowhere.
local function within(value, most) return value and value >= -most and value <= most and value or nil end

local function position(content)
  return {
    lat = within(content.degreesLatitude, 90), lon = within(content.degreesLongitude, 180), accuracy = content.accuracyInMeters,
    speed = content.speedInMps, heading = content.degreesClockwiseFromMagneticNorth,
  }
end

function read.locationMessage(content, m)
  local place = position(content)
  place.name, place.address, place.url = content.name, content.address, content.url
  m.kind, m.text, m.location = content.isLive and "live_location" or "location", content.comment, place
end

function read.liveLocationMessage(content, m)
  m.kind, m.text, m.location = "live_location", content.caption, position(content)
end

-- Latitude and longitude of { lat, lon } or { lat =, lon = }.
local function coordinates(what, place)
  return check.number(what, "lat", place.lat or place[1], -90, 90), check.number(what, "lon", place.lon or place[2], -180, 180)
end

local fields = {
  "number", "number", lat = "number", lon = "number", accuracy = "integer", speed = "number", heading = "integer", thumbnail = "string",
}

local function with(more)
  for name, type in pairs(fields) do more[name] = type end
  return more
end

local place_fields, live_fields = with { name = "string", address = "string", url = "string" }, with { sequence = "integer" }

--- { location = { 52.5, 13.4, name = "…", address = "…", accuracy = meters }, text = "…" }
function build.location(spec)
  local what, place = "a location", spec.location
  check.fields(what, spec, { location = "table", text = "string" })
  check.fields(what, place, place_fields)
  local lat, lon = coordinates(what, place)
  return { locationMessage = {
    degreesLatitude = lat, degreesLongitude = lon, name = place.name, address = place.address, url = place.url, comment = spec.text,
    accuracyInMeters = place.accuracy, speedInMps = place.speed, degreesClockwiseFromMagneticNorth = place.heading,
    jpegThumbnail = place.thumbnail,
  } }
end

--- { live_location = { 52.5, 13.4, accuracy = meters, speed = meters per second, heading = degrees }, text = "…" }
function build.live_location(spec)
  local what, place = "a live location", spec.live_location
  check.fields(what, spec, { live_location = "table", text = "string" })
  check.fields(what, place, live_fields)
  local lat, lon = coordinates(what, place)
  return { liveLocationMessage = {
    degreesLatitude = lat, degreesLongitude = lon, caption = spec.text, accuracyInMeters = place.accuracy, speedInMps = place.speed,
    degreesClockwiseFromMagneticNorth = place.heading, sequenceNumber = place.sequence or 1, jpegThumbnail = place.thumbnail,
  } }
end

return { read = read, build = build, takes = { location = { "text" }, live_location = { "text" } } }
