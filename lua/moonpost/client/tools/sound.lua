--- Voice messages and their waveforms.
-- @module moonpost.client.tools.sound
local core = require "moonpost.core"
local ffmpeg = require "moonpost.client.tools.ffmpeg"
local temporary = require "moonpost.client.tools.temporary"

local sound = {}

local RATE = 16000           -- samples a second that a waveform is made of
local SECONDS = 300          -- of time and of work, for hours of sound
local OPUS_MAX = 64 << 20    -- bytes of a voice message

--- See moonpost.client.media_tools, as for all below.
function sound.waveform(path)
  local shape = core.media.waveform()
  local ok, err = ffmpeg.run(path, { "-map", "0:a:0", "-vn", "-af", "pan=mono|c0=c0", "-ar", tostring(RATE), "-f", "s16le", "pipe:1" },
    { seconds = SECONDS, output = function(bytes) shape:update(bytes) end })
  if not ok then return nil, err end
  local bars, samples = shape:finish()
  if samples == 0 then return nil, core.error("media-format", ("%s holds no sound"):format(path)) end
  return bars, samples / RATE
end

function sound.to_opus(path)
  local out <close>, why = temporary()
  if not out then return nil, why end
  local size = 0
  local function write(bytes)
    size = size + #bytes
    if size > OPUS_MAX then return core.error("media-limit", ("%s is too long for a voice message"):format(path)) end
    return out:write(bytes)
  end
  local ok, err = ffmpeg.run(path, { "-map", "0:a:0", "-vn", "-ac", "1", "-ar", "48000", "-c:a", "libopus", "-b:a", "32k", "-f", "ogg",
    "pipe:1" }, { seconds = SECONDS, output = write })
  err = ok and out:finish() or err
  if err then return nil, err end
  return out:keep()
end

return sound
