--- What the tools make of a file that is sent, where they are there (moonpost.client.media_tools): what it says of itself, a small picture,
-- the format its kind has. Without them, and where they fail, a file goes as it is.
-- @module moonpost.client.attached_tools
local core = require "moonpost.core"
local mimes = require "moonpost.client.mimes"
local tools = require "moonpost.client.media_tools"

-- Which file is converted, and into what: by the kind it is sent as.
local conversions = {
  sticker = { to = "to_webp", mime = "image/webp", wanted = function(file) return file.mime ~= "image/webp" end },
  voice = { to = "to_opus", mime = mimes.OPUS, wanted = function(file) return file.mime ~= mimes.OPUS end },
  gif = { to = "to_mp4", mime = "video/mp4", wanted = function(file) return file.mime ~= "video/mp4" end },
}

local looks = { image = 100, video = 100, gif = 100, round_video = 100, preview = 192 } -- pixels of the small picture (05 §15.2)

local Dressed = {}
Dressed.__index = Dressed

function Dressed:__close()
  for _, path in ipairs(self) do os.remove(path) end
end

-- Writes what an iterator gives; nil and an error when it gives something else.
local function write_pieces(file, what, reader)
  for piece in reader do
    if type(piece) ~= "string" then
      return nil, core.error("media-source", ("%s: the iterator gives a %s, not a text"):format(what, type(piece)))
    end
    local ok, why = file:write(piece)
    if not ok then return nil, core.error("media-disk", "no temporary file: " .. why) end
  end
  return true
end

-- The bytes of a source that is no file, in one, for the tools.
local function to_file(dressed, file)
  local path, bytes = os.tmpname(), file.source.bytes
  dressed[#dressed + 1] = path
  local out <close>, why = io.open(path, "wb")
  if not out then return nil, core.error("media-disk", "no temporary file: " .. why) end
  local ok, err = write_pieces(out, file.what, bytes and function()
    local piece = bytes
    bytes = nil
    return piece
  end or file.source.reader)
  if not ok then return nil, err end
  ok, why = out:flush()
  if not ok then return nil, core.error("media-disk", "no temporary file: " .. why) end
  return path
end

local function note(client, file, err)
  if err.code ~= "no-tools" then client.log:debug("%s: '%s' goes without what the tools add: %s", file.what, file.name, err.message) end
end

-- Another format, where the kind has one of its own.
local function convert(client, dressed, file)
  local conversion = conversions[file.kind]
  if not conversion or not conversion.wanted(file.source) then return end
  local path, moves = tools[conversion.to](dressed.path)
  if not path then return note(client, file, moves) end
  dressed[#dressed + 1] = path
  dressed.path, file.source.mime = path, conversion.mime
  if file.kind == "sticker" then file.animated = moves end
end

local function describe(client, dressed, file)
  local found, err = tools.probe(dressed.path)
  if not found then return note(client, file, err) end
  file.width, file.height, file.duration = found.width, found.height, found.duration
  if looks[file.kind] then file.thumbnail = tools.thumbnail(dressed.path, looks[file.kind]) end
  if file.kind == "voice" then
    local bars, seconds = tools.waveform(dressed.path)
    if bars then file.waveform, file.duration = bars, seconds end
  end
end

--- Has the tools look at a file. In a task.
-- @param client
-- @tparam table file of moonpost.client.attached: gets width, height, duration, thumbnail, waveform, animated
-- @treturn ?table closes what it holds; path: the file to upload, nil: the source itself
-- @treturn ?table err code "media-source", "media-disk"
return function(client, file)
  local dressed = setmetatable({ path = file.source.path }, Dressed)
  if file.kind == "document" or not tools.available() then return dressed end
  if not dressed.path then
    local path, err = to_file(dressed, file)
    dressed.path = path
    if not path then
      dressed:__close()
      return nil, err
    end
  end
  convert(client, dressed, file)
  describe(client, dressed, file)
  return dressed
end
