--- How large a file may be (fact sheet 05 §14.7): as the server's properties say for its type, as its hosts say for one upload, and as the
-- caller does.
-- @module moonpost.client.media_limits
local core = require "moonpost.core"
local limits = require "moonpost.client.limits"

local MIB = 1024 * 1024

-- Server properties in MiB, and their official defaults: {code, default}.
local IMAGE, VIDEO, AUDIO = { 3660, 16 }, { 3185, 16 }, { 3657, 16 }

-- By what the type is called on the wire; others are as large as the hosts take them.
local properties = { image = IMAGE, sticker = IMAGE, video = VIDEO, gif = VIDEO, audio = AUDIO, ptt = AUDIO }

local media_limits = {}

--- The error of a file that is too large.
-- @string what "a file of 5 bytes", …
-- @int limit
-- @string whose "the service takes", …
function media_limits.exceeded(what, limit, whose)
  return core.error("media-too-large", ("%s is too large: %s %d bytes at most"):format(what, whose, limit))
end

--- The bytes a file of a type may have when it is uploaded. In a task.
-- @tparam table client
-- @tparam table type core.media.types'
-- @treturn int
function media_limits.upload(client, type)
  local property = properties[type.mms:gsub("^newsletter%-", "")]
  if not property then return limits.MEDIA_FILE end
  local mib = client.properties:number(property[1], property[2])
  return mib > 0 and math.min(limits.MEDIA_FILE, math.floor(mib * MIB)) or limits.MEDIA_FILE
end

return media_limits
