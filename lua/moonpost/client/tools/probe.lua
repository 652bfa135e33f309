--- What a file says of itself: its size in pixels, as it is shown, and how long it takes.
-- @module moonpost.client.tools.probe
local core = require "moonpost.core"
local ffmpeg = require "moonpost.client.tools.ffmpeg"
local json = require "moonpost.client.kinds.json"

-- Of a picture one frame is decoded: only there stands how it is to be turned. Two packets tell whether it moves.
local PICTURE = { "-read_intervals", "%+#2", "-show_frames", "-show_streams", "-show_entries",
  "stream=codec_type,width,height,duration:frame=width,height:frame_side_data=rotation", "-of", "json" }
local OTHER = { "-show_entries",
  "stream=codec_type,width,height,duration:stream_disposition=attached_pic:stream_side_data=rotation:format=duration", "-of", "json" }

local function sideways(list)
  for _, data in ipairs(list or {}) do
    local rotation = tonumber(data.rotation)
    if rotation and math.abs(math.abs(rotation) % 180 - 90) < 45 then return true end
  end
  return false
end

local function size(found, of, turned)
  local width, height = math.tointeger(of.width), math.tointeger(of.height)
  if not (width and height and width > 0 and height > 0) then return end
  if turned then width, height = height, width end
  found.width, found.height = width, height
end

local function seconds(text)
  local value = tonumber(text)
  return value and value > 0 and value < math.huge and value or nil
end

local function picture(found, said)
  local frames = said.frames or {}
  local of = frames[1]
  if not of then return nil end
  size(found, of, sideways(of.side_data_list))
  found.animated = #frames > 1
  if found.animated then found.duration = seconds((said.streams or {})[1].duration) end
  return found.width and found
end

local function other(found, said)
  for _, stream in ipairs(said.streams or {}) do
    local cover = stream.disposition and stream.disposition.attached_pic == 1
    if stream.codec_type == "video" and not cover and not found.video then
      found.video = true
      size(found, stream, sideways(stream.side_data_list))
    elseif stream.codec_type == "audio" then
      found.audio = true
    end
    found.duration = found.duration or not cover and seconds(stream.duration) or nil
  end
  found.duration = said.format and seconds(said.format.duration) or found.duration
  found.animated = found.video
  return (found.audio or found.video and found.width) and found
end

-- ffmpeg knows no animated WebP, whose first bytes tell what is asked for (05 §15.1, §15.6).
local function moving_webp(path)
  local file <close> = assert(io.open(path, "rb"))
  local head = file:read(30) or ""
  if #head < 30 or head:sub(13, 16) ~= "VP8X" or head:byte(21) & 2 == 0 then return nil end
  return { mime = "image/webp", width = ("<I3"):unpack(head, 25) + 1, height = ("<I3"):unpack(head, 28) + 1, animated = true,
    video = false, audio = false }
end

--- See moonpost.client.media_tools.
return function(path)
  local mime, err = ffmpeg.mime(path)
  if not mime then return nil, err end
  local still = mime:find "^image/" ~= nil
  if mime == "image/webp" and #ffmpeg.missing() == 0 then
    local found = moving_webp(path)
    if found then return found end
  end
  local text
  text, err = ffmpeg.probe(path, still and PICTURE or OTHER)
  if not text then return nil, err end
  local said = json(text)
  local found = said and (still and picture or other)({ mime = mime, video = false, audio = false, animated = false }, said)
  if not found then return nil, core.error("media-format", ("%s holds nothing that can be shown or played"):format(path)) end
  return found
end
