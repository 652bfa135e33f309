--- Small pictures, square ones, stickers, and GIFs as videos.
-- @module moonpost.client.tools.pictures
local core = require "moonpost.core"
local ffmpeg = require "moonpost.client.tools.ffmpeg"
local probe = require "moonpost.client.tools.probe"
local temporary = require "moonpost.client.tools.temporary"

local pictures = {}

local THUMBNAIL_MAX = 10 * 1024     -- bytes (05 §15.2)
local THUMBNAIL_SIDE = 100          -- pixels of its longer side
local JPEG_MAX = 1 << 20            -- bytes of another picture
local STICKER_SIDE = 512            -- 05 §15.6, as the next two
local STICKER_MAX = { [false] = 100 * 1000, [true] = 500 * 1000 } -- bytes of one that is still, that moves
local STICKER_SECONDS = 10
local STICKER_WORK = 60             -- seconds of work, for one try
local GIF_SECONDS, GIF_WORK = 120, 120
local GIF_MAX = 64 << 20            -- bytes

-- JPEG knows no transparency: what shows through is white, as on the chat's own paper.
local ON_WHITE = "format=rgba,split[front][back];[back]lutrgb=r=255:g=255:b=255:a=255[paper];[paper][front]overlay=format=auto"

-- Tries one setting after the other until what comes out is small enough; a try ends as soon as it is not.
local function until_it_fits(path, settings, max, words_of, options)
  local run = { max = max, seconds = options and options.seconds, before = options and options.before }
  for _, setting in ipairs(settings) do
    local bytes, err = ffmpeg.run(path, words_of(setting), run)
    if bytes and #bytes > 0 then return bytes end
    if bytes then return nil, core.error("media-format", ("%s holds no picture"):format(path)) end
    if err.code ~= "media-limit" then return nil, err end
  end
  return nil, core.error("media-limit", ("%s does not become smaller than %d bytes"):format(path, max))
end

local function jpeg(path, filter, max)
  return until_it_fits(path, { 4, 8, 16, 31 }, max, function(quality)
    return { "-map", "0:v:0", "-frames:v", "1", "-an", "-vf", filter .. "," .. ON_WHITE .. ",format=yuvj420p", "-c:v", "mjpeg", "-q:v",
      tostring(quality), "-f", "image2pipe", "pipe:1" }
  end)
end

--- See moonpost.client.media_tools, as for all below.
function pictures.thumbnail(path, side)
  side = side or THUMBNAIL_SIDE
  local fit = ("scale=w='max(1,trunc(iw*min(1,%d/max(iw,ih))))':h='max(1,trunc(ih*min(1,%d/max(iw,ih))))'"):format(side, side)
  return jpeg(path, fit, THUMBNAIL_MAX)
end

function pictures.to_square(path, side)
  return jpeg(path, ("crop='min(iw,ih)':'min(iw,ih)',scale=%d:%d"):format(side, side), JPEG_MAX)
end

-- Into the square; what does not get small enough loses its detail: it is made smaller (`side`) first.
local function fit(side)
  local words = ("scale=%d:%d:force_original_aspect_ratio=decrease"):format(side, side)
  if side < STICKER_SIDE then words = words .. (",scale=%d:%d:force_original_aspect_ratio=decrease"):format(STICKER_SIDE, STICKER_SIDE) end
  return words .. (",format=yuva420p,pad=%d:%d:-1:-1:color=0x00000000"):format(STICKER_SIDE, STICKER_SIDE)
end

local STILL = { { 512, 80 }, { 512, 50 }, { 512, 20 }, { 512, 0 }, { 128, 0 } }                         -- side, quality
local MOVING = { { 512, 60, 15 }, { 512, 30, 12 }, { 256, 10, 10 }, { 128, 0, 8 }, { 64, 0, 4 } }       -- and frames a second

local function still_sticker(setting)
  return { "-map", "0:v:0", "-frames:v", "1", "-an", "-vf", fit(setting[1]), "-c:v", "libwebp", "-quality", tostring(setting[2]),
    "-f", "webp", "pipe:1" }
end

-- Its pictures keep their times; of those that come too fast some are left out.
local function moving_sticker(setting)
  local slow = ("select='isnan(prev_selected_t)+gte(t-prev_selected_t,%f)'"):format(0.99 / setting[3])
  return { "-map", "0:v:0", "-t", tostring(STICKER_SECONDS), "-an", "-vf", slow .. "," .. fit(setting[1]), "-fps_mode", "vfr",
    "-c:v", "libwebp_anim", "-loop", "0", "-quality", tostring(setting[2]), "-f", "webp", "pipe:1" }
end

-- Whether it is of a kind that may move, and does.
local function moves(path)
  local mime, err = ffmpeg.mime(path)
  if not mime then return nil, err end
  if mime == "image/jpeg" or mime == "image/png" then return false end
  local found
  found, err = probe(path)
  return found and found.animated, err
end

function pictures.to_webp(path)
  local moving, err = moves(path)
  if moving == nil then return nil, err end
  local bytes
  if moving then
    bytes, err = until_it_fits(path, MOVING, STICKER_MAX[true], moving_sticker, {
      seconds = STICKER_WORK, before = { "-t", tostring(STICKER_SECONDS) },
    })
  else
    bytes, err = until_it_fits(path, STILL, STICKER_MAX[false], still_sticker)
  end
  if not bytes then return nil, err end
  local out <close>, why = temporary()
  err = why or out:write(bytes) or out:finish()
  if err then return nil, err end
  return out:keep(), bytes:sub(13, 16) == "VP8X" and bytes:byte(21) & 2 ~= 0
end

function pictures.to_mp4(path)
  local out <close>, why = temporary()
  if not out then return nil, why end
  local ok, err = ffmpeg.run(path, { "-map", "0:v:0", "-t", tostring(GIF_SECONDS), "-an", "-vf",
    "scale='trunc(min(iw,1280)/2)*2':-2,format=yuv420p", "-c:v", "libx264", "-preset", "veryfast", "-movflags", "+faststart", "-f", "mp4",
    "file:" .. out.path }, { seconds = GIF_WORK, file = GIF_MAX, before = { "-t", tostring(GIF_SECONDS) } })
  if not ok then return nil, err end
  return out:keep()
end

return pictures
