--- What of calls stands in a chat (fact sheet 05 §4.11): `m.call = {action, video, …}`. Calls that ring are events of their own.
-- @module moonpost.client.kinds.call
local key = require "moonpost.client.kinds.key"
local limits = require "moonpost.client.limits"
local people = require "moonpost.client.kinds.people"

local read = {}

local function word(name) return name ~= nil and tostring(name):lower() or nil end

local function call(m, action, about)
  about.action = action
  m.kind, m.call = "call", about
end

--- The line of a call that is over, or that goes on: outcome "connected", "missed", "failed", "rejected", "ongoing", …
function read.callLogMesssage(content, m, client)
  local who = {}
  for i, one in ipairs(content.participants or {}) do
    if i > limits.MENTIONS then break end
    who[#who + 1] = { jid = people.stable(client, one.jid), outcome = word(one.callOutcome) }
  end
  call(m, "log", {
    video = content.isVideo or false, outcome = word(content.callOutcome), seconds = content.durationSecs, type = word(content.callType),
    participants = who,
  })
end

function read.scheduledCallCreationMessage(content, m)
  local at = content.scheduledTimestampMs
  call(m, "scheduled", { video = content.callType == "VIDEO", at = at and at / 1000, title = content.title })
  m.text = content.title
end

function read.scheduledCallEditMessage(content, m, client)
  call(m, "cancelled", {})
  m.target = key.read(content.key, m, client)
end

function read.call(_, m) call(m, "offer", {}) end

function read.bcallMessage(content, m)
  call(m, "broadcast", { video = content.mediaType == "VIDEO" })
  m.text = content.caption
end

return { read = read }
