--- What the tools make of a file that is sent, where they are there (moonpost.client.media_tools): what it says of itself, a small picture,
-- the format its kind has. Without them a file goes as it is. One that cannot be turned into the format its kind has is not sent: nobody
-- could see it; one that only cannot be looked at goes without what it would have said.
-- @module moonpost.client.attached_tools
local core = require "moonpost.core"
local media_limits = require "moonpost.client.media_limits"
local mimes = require "moonpost.client.mimes"
local task = require "moonpost.task"
local temporary = require "moonpost.client.tools.temporary"
local tools = require "moonpost.client.media_tools"

-- Which file is converted, and into what: by the kind it is sent as.
local conversions = {
  sticker = { to = "to_webp", mime = "image/webp", wanted = function(file) return file.mime ~= "image/webp" end },
  voice = { to = "to_opus", mime = mimes.OPUS, wanted = function(file) return file.mime ~= mimes.OPUS end },
  gif = { to = "to_mp4", mime = "video/mp4", wanted = function(file) return file.mime ~= "video/mp4" end },
}

local STICKER_MAX = 4 << 20 -- bytes; more is no sticker (core.media.sticker_write says so)

local untouched = { document = true, sticker_pack = true } -- nobody looks into these

local looks = { image = 100, video = 100, gif = 100, round_video = 100, preview = 192 } -- pixels of the small picture (05 §15.2)

local Dressed = {}
Dressed.__index = Dressed

function Dressed:__close()
  for _, path in ipairs(self) do os.remove(path) end
end

-- A temporary file has become another one's to remove.
local function take(dressed, path)
  dressed[#dressed + 1] = path
  dressed.path = path
end

local AT_ONCE = 512 * 1024 -- bytes written in a turn of the loop
local LITTLE = 1024        -- bytes a piece counts as there, be it an empty one

-- Calls fn with the pieces of a source that is no file, which may have no end; the error, if any.
local function each_piece(what, source, fn)
  if source.bytes then return fn(source.bytes) end
  local turn = 0
  while true do
    local piece, wrong = source.reader()
    if piece == nil then return wrong and (type(wrong) == "table" and wrong or core.error("media-source", tostring(wrong))) end
    if type(piece) ~= "string" then
      return core.error("media-source", ("%s: the iterator gives a %s, not a text"):format(what, type(piece)))
    end
    local err = fn(piece)
    if err then return err end
    turn = turn + math.max(LITTLE, #piece)
    if turn >= AT_ONCE then
      turn = 0
      task.sleep(0)
    end
  end
end

-- Writes a source that is no file into one, of `most` bytes; the error, if any.
local function to_file(dressed, what, source, most)
  local out <close>, err = temporary()
  if not out then return err end
  local size = 0
  err = each_piece(what, source, function(piece)
    size = size + #piece
    if size > most then return media_limits.exceeded("a file of more", most, "the service takes") end
    return out:write(piece)
  end)
  err = err or out:finish()
  if not err then take(dressed, out:keep()) end
  return err
end

local function note(client, file, err)
  if err.code ~= "no-tools" then client.log:debug("%s: '%s' goes without what the tools add: %s", file.what, file.name, err.message) end
end

-- Another format, where the kind has one of its own.
local function convert(dressed, file)
  local conversion = conversions[file.kind]
  if not conversion or not conversion.wanted(file.source) then return end
  local path, moves = tools[conversion.to](dressed.path)
  if not path then return moves end
  take(dressed, path)
  file.source.mime = conversion.mime
  if file.kind == "sticker" then file.animated = moves end
end

-- All of a file, of a sticker's size.
local function read(path)
  local file <close>, why = io.open(path, "rb")
  local bytes = file and (file:read(STICKER_MAX + 1) or "")
  if not bytes then return nil, core.error("media-source", ("cannot read %s: %s"):format(path, why)) end
  return bytes
end

-- The pack the sender wants it to be from.
local function pack(dressed, file)
  if not file.pack then return end
  if file.source.mime ~= "image/webp" then
    return core.error("no-tools", "a pack can be told in a WebP alone (ffmpeg, if it were here, could make one)")
  end
  local bytes, err = read(dressed.path)
  local packed
  if bytes then packed, err = tools.write_pack(bytes, file.pack) end
  if not packed then return err end
  return to_file(dressed, file.what, { bytes = packed }, #packed)
end

local function describe(client, dressed, file)
  if file.kind == "voice" then
    file.waveform, file.duration = tools.waveform(dressed.path)
    if file.waveform then return end
    file.duration = nil
  end
  local found, err = tools.probe(dressed.path)
  if not found then return note(client, file, err) end
  file.width, file.height, file.duration = found.width, found.height, found.duration
  if looks[file.kind] then file.thumbnail = tools.thumbnail(dressed.path, looks[file.kind]) end
end

-- Its steps; the error of one that it cannot be sent without.
local function dress(client, dressed, file)
  local err
  if not dressed.path then
    err = to_file(dressed, file.what, file.source, media_limits.upload(client, core.media.types[file.type]))
    if err then return err end
  end
  local there = tools.available()
  err = there and convert(dressed, file) or pack(dressed, file)
  if err and err.code ~= "no-tools" then return err end
  if err then client.log:warn("%s: '%s' goes as it is: %s", file.what, file.name, err.message) end
  if there then describe(client, dressed, file) end
end

local attached_tools = {}

--- Whether a file that came would become another if it were sent as a kind: it cannot be sent on where it lies, then.
-- @tparam table media of a message
-- @string kind it is to be sent as
function attached_tools.converts(media, kind)
  local conversion = conversions[kind]
  return conversion ~= nil and media.kind ~= kind and conversion.wanted(media) and tools.available()
end

--- Has the tools look at a file. In a task.
-- @param client
-- @tparam table file of moonpost.client.attached: gets width, height, duration, thumbnail, waveform, animated; pack: what the sticker is
-- to say of its pack
-- @treturn ?table closes what it holds; path: the file to upload, nil: the source itself
-- @treturn ?table err code "media-source", "media-disk", "media-format", "media-limit", "media-timeout", "malformed"
function attached_tools.dress(client, file)
  local dressed = setmetatable({ path = file.source.path }, Dressed)
  if untouched[file.kind] or not (file.pack or tools.available()) then return dressed end
  local done = false
  local guard <close> = setmetatable({}, { __close = function() -- also when it is cancelled, or an iterator raises
    if not done then dressed:__close() end
  end })
  local err = dress(client, dressed, file)
  done = guard and not err
  return done and dressed or nil, err
end

return attached_tools
