--- What is given to be sent as a file: a path, { bytes = text }, an iterator, or the file of a message that came. What is wrong with it is
-- raised before anything is uploaded.
-- @module moonpost.client.kinds.source
local check = require "moonpost.client.kinds.check"
local core = require "moonpost.core"
local lazy = require "moonpost.lazy"
local file_names = require "moonpost.client.file_names"
local mimes = require "moonpost.client.mimes"

local tools = lazy "moonpost.client.media_tools"

local source = {}

local IS_DIRECTORY = 21 -- the system's number for reading a folder

-- What a file can be sent as: the beginnings of the types that fit, and what such a file is called.
local picture, film, sound = { "^image/", "a picture" }, { "^video/", "a video" }, { "^audio/", "a sound" }

local families = {
  image = picture, sticker = picture, video = film, gif = film, round_video = film, audio = sound, voice = sound,
  preview = { "^image/jpeg$", "a JPEG" }, document = { "", "a file" }, sticker_pack = { "^application/zip$", "a pack of stickers" },
}

-- What a file is taken for when nothing tells.
local usual = {
  image = "image/jpeg", preview = "image/jpeg", sticker = "image/webp", video = "video/mp4", gif = "video/mp4",
  round_video = "video/mp4", audio = "audio/mpeg", voice = mimes.OPUS, document = "application/octet-stream",
  sticker_pack = "application/zip",
}

-- The first bytes and the size of a file that can be read.
local function look_at(what, name, path)
  if path == "" then check.wrong("%s: '%s' is an empty path", what, name) end
  if path:find("\0", 1, true) then check.wrong("%s: '%s' is no path: it holds a NUL", what, name) end
  local opened, why, code = core.system.open_file(path)
  if code == IS_DIRECTORY then check.wrong("%s: '%s' is a folder, not a file: %s", what, name, path) end
  if not opened then check.wrong("%s: the file of '%s' cannot be read: %s: %s", what, name, path, why) end
  local file <close> = opened
  local head, told = file:read(mimes.HEAD)
  if told then check.wrong("%s: the file of '%s' cannot be read: %s: %s", what, name, path, told) end
  return head or "" -- an empty file has no first bytes
end

-- The type of a file to be sent as a kind: its bytes do not lie, but those of a document may say less than its name (a .docx is a ZIP).
local function type_of(kind, head, path)
  local by_bytes, by_name = mimes.of_bytes(head), path and mimes.of_name(path)
  if kind == "document" then return by_name or by_bytes end
  local mime = by_bytes or by_name
  return families[kind][1] == "^audio/" and mime == "video/mp4" and "audio/mp4" or mime -- the same container holds both
end

-- What the tools make a file of the kind of, where they are there.
local converted = { sticker = "^video/", voice = "^video/", gif = "^image/gif$" }

local function check_family(what, name, kind, mime)
  local family = families[kind]
  if not mime or mime:find(family[1]) then return end
  local can = converted[kind] and mime:find(converted[kind]) ~= nil
  if can and tools.available() then return end
  check.wrong("%s: '%s' is a file of type %s, not %s%s", what, name, mime, family[2],
    can and " (ffmpeg, if it were here, could make one)" or "")
end

--- The type of a file whose first bytes have become known.
-- @string kind
-- @string head
-- @treturn string
-- @raise code "spec": it is no file of the kind
function source.settle(what, name, kind, head)
  local mime = type_of(kind, head)
  check_family(what, name, kind, mime)
  return mime or usual[kind]
end

local function of_path(what, name, kind, path)
  local head = look_at(what, name, path)
  local mime = type_of(kind, head, path)
  check_family(what, name, kind, mime)
  return { path = path, head = head, mime = mime or usual[kind], filename = file_names.harmless(path) }
end

local function of_media(what, name, kind, media)
  check_family(what, name, kind, media.mime)
  return { media = media, head = "", mime = media.mime or usual[kind], filename = media.filename }
end

--- Reads a source.
-- @string what the spec, as errors name it: "an image"
-- @string name the field
-- @string kind "image", "voice", …
-- @param value path, { bytes = text }, fn() -> text or nil at the end, or the `media` of a message
-- @treturn table one of path, bytes, reader, media; head (first bytes), mime (nil: a reader's bytes tell it), filename
-- @raise code "spec"
function source.read(what, name, kind, value)
  check.value(what, name, value, "string|table|function", true)
  if type(value) == "string" then return of_path(what, name, kind, value) end
  if type(value) == "function" then return { reader = value } end
  if type(value.reference) == "table" and type(value.type) == "string" then return of_media(what, name, kind, value) end
  check.fields(("%s: '%s'"):format(what, name), value, { bytes = "string" })
  check.value(("%s: '%s'"):format(what, name), "bytes", value.bytes, "string", true)
  return { bytes = value.bytes, head = value.bytes:sub(1, mimes.HEAD), mime = source.settle(what, name, kind, value.bytes) }
end

return source
