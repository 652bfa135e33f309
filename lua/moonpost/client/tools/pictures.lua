--- Small pictures, square ones, stickers, and GIFs as videos.
-- @module moonpost.client.tools.pictures
local core = require "moonpost.core"
local ffmpeg = require "moonpost.client.tools.ffmpeg"
local probe = require "moonpost.client.tools.probe"

local pictures = {}

local THUMBNAIL_MAX = 10 * 1024           -- bytes (05 §15.2)
local THUMBNAIL_SIDE = 100                -- pixels of its longer side
local STICKER_SIDE = 512                  -- 05 §15.6, with the two below
local STICKER_MAX = { [false] = 100 * 1000, [true] = 500 * 1000 } -- bytes: static, animated
local STICKER_SECONDS = 10
local PICTURE_MAX = 1 << 20               -- bytes of a JPEG
local GIF_MAX, GIF_SECONDS = 64 << 20, 120

-- JPEG knows no transparency: what shows through is white, as on the chat's own paper.
local ON_WHITE = "format=rgba,split[front][back];[back]lutrgb=r=255:g=255:b=255:a=255[paper];[paper][front]overlay=format=auto"

-- Tries one setting after the other until what comes out is small enough.
local function until_it_fits(path, settings, max, words_of, options)
  for _, setting in ipairs(settings) do
    local bytes, err = ffmpeg.run(path, words_of(setting), options)
    if not bytes then return nil, err end
    if #bytes == 0 then return nil, core.error("media-format", ("%s holds no picture"):format(path)) end
    if #bytes <= max then return bytes end
  end
  return nil, core.error("limit", ("%s does not become smaller than %d bytes"):format(path, max))
end

local function jpeg(path, filter, max)
  return until_it_fits(path, { 4, 8, 16, 31 }, max, function(quality)
    return { "-map", "0:v:0", "-frames:v", "1", "-an", "-vf", filter .. "," .. ON_WHITE .. ",format=yuvj420p", "-c:v", "mjpeg", "-q:v",
      tostring(quality), "-f", "image2pipe", "pipe:1" }
  end, { max = PICTURE_MAX })
end

--- See moonpost.client.media_tools, as for all below.
function pictures.thumbnail(path, side)
  side = side or THUMBNAIL_SIDE
  local fit = ("scale=w='max(1,trunc(iw*min(1,%d/max(iw,ih))))':h='max(1,trunc(ih*min(1,%d/max(iw,ih))))'"):format(side, side)
  return jpeg(path, fit, THUMBNAIL_MAX)
end

function pictures.to_square(path, side)
  return jpeg(path, ("crop='min(iw,ih)':'min(iw,ih)',scale=%d:%d"):format(side, side), PICTURE_MAX)
end

-- A temporary file with these bytes.
local function temporary(bytes)
  local path = os.tmpname()
  local file, why = io.open(path, "wb")
  local ok = file and file:write(bytes)
  if file then ok = file:close() and ok end
  if ok then return path end
  os.remove(path)
  return nil, core.error("media-disk", ("no temporary file: %s"):format(why or path))
end

local FIT = ("scale=%d:%d:force_original_aspect_ratio=decrease,format=yuva420p,pad=%d:%d:-1:-1:color=0x00000000"):format(STICKER_SIDE,
  STICKER_SIDE, STICKER_SIDE, STICKER_SIDE)

local function still_sticker(quality)
  return { "-map", "0:v:0", "-frames:v", "1", "-an", "-vf", FIT, "-c:v", "libwebp", "-quality", tostring(quality), "-f", "webp",
    "pipe:1" }
end

local function moving_sticker(setting)
  return { "-map", "0:v:0", "-t", tostring(STICKER_SECONDS), "-an", "-vf", ("fps=%d,%s"):format(setting.fps, FIT), "-c:v", "libwebp_anim",
    "-loop", "0", "-quality", tostring(setting.quality), "-f", "webp", "pipe:1" }
end

local MOVING = { { fps = 15, quality = 60 }, { fps = 10, quality = 30 }, { fps = 8, quality = 5 }, { fps = 4, quality = 1 } }

function pictures.to_webp(path)
  local found, err = probe(path)
  if not found then return nil, err end
  local bytes
  if found.animated then
    bytes, err = until_it_fits(path, MOVING, STICKER_MAX[true], moving_sticker, { max = 16 << 20, seconds = 60,
      before = { "-t", tostring(STICKER_SECONDS) } })
  else
    bytes, err = until_it_fits(path, { 80, 60, 40, 20, 5, 0 }, STICKER_MAX[false], still_sticker)
  end
  if not bytes then return nil, err end
  local out
  out, err = temporary(bytes)
  return out, not out and err or found.animated
end

function pictures.to_mp4(path)
  local out = os.tmpname()
  local ok, err = ffmpeg.run(path, { "-map", "0:v:0", "-t", tostring(GIF_SECONDS), "-an", "-vf",
    "scale='trunc(min(iw,1280)/2)*2':-2,format=yuv420p", "-c:v", "libx264", "-preset", "veryfast", "-movflags", "+faststart", "-f", "mp4",
    "file:" .. out }, { seconds = 60, file = GIF_MAX, before = { "-t", tostring(GIF_SECONDS) } })
  if ok then return out end
  os.remove(out)
  return nil, err
end

return pictures
