--- Files that are sent (fact sheet 05 §4.2 to §4.6, §18). Where the file is comes from `given.files` (moonpost.client.attached).
-- @module moonpost.client.kinds.files
local check = require "moonpost.client.kinds.check"
local file_names = require "moonpost.client.file_names"
local limits = require "moonpost.client.limits"
local mimes = require "moonpost.client.mimes"

local build = {}

-- Fields any of them takes: what is known of the file goes before what is found out.
local shared = { width = "integer", height = "integer", duration = "number", thumbnail = "string" }

-- The fields a spec of a kind takes: its own, and some of the shared ones.
local function fields_of(kind, names, own)
  local fields = { [kind] = "any", progress = "function" } -- moonpost.client.kinds.source looks at the first
  for name in names:gmatch "%S+" do fields[name] = shared[name] or "string" end
  for name, type in pairs(own or {}) do fields[name] = type end
  return fields
end

local fields = {
  image = fields_of("image", "caption width height thumbnail"),
  video = fields_of("video", "caption width height duration thumbnail"),
  gif = fields_of("gif", "caption width height duration thumbnail"),
  round_video = fields_of("round_video", "width height duration thumbnail"),
  audio = fields_of("audio", "duration"),
  voice = fields_of("voice", "duration waveform"),
  document = fields_of("document", "caption filename mime title thumbnail", { pages = "integer" }),
  sticker = fields_of("sticker", "width height label", { pack = "table" }),
}

local pack_fields = { name = "string", publisher = "string", id = "string", emojis = "table" }

local function check_pack(what, pack)
  if not pack then return end
  check.fields(what .. ": 'pack'", pack, pack_fields)
  for i, emoji in ipairs(pack.emojis or {}) do check.value(what .. ": 'pack'", ("emojis[%d]"):format(i), emoji, "string") end
end

local function check_thumbnail(what, thumbnail)
  if not thumbnail then return end
  if not thumbnail:find "^\xff\xd8\xff" then check.wrong("%s: 'thumbnail' is no JPEG", what) end
  if #thumbnail > limits.THUMBNAIL then
    check.wrong("%s: 'thumbnail' has %d bytes, and %d at most", what, #thumbnail, limits.THUMBNAIL)
  end
end

local function check_waveform(what, waveform)
  if not waveform then return end
  if #waveform == 0 or #waveform > limits.WAVEFORM or waveform:find "[^\0-\100]" then
    check.wrong("%s: 'waveform' is up to %d bytes of 0 to 100 each", what, limits.WAVEFORM)
  end
end

local function whole(what, name, value)
  if not value then return nil end
  return math.floor(check.number(what, name, value, 0, 0xffffffff))
end

-- The content of a file, as all kinds have it, and the file. `progress` of a spec = fn(done, total) is told how far the upload is.
local function start(what, kind, spec, given)
  check.fields(what, spec, fields[kind])
  check_thumbnail(what, spec.thumbnail)
  check_waveform(what, spec.waveform)
  if not given.files then check.wrong("%s: a file is sent with a message of its own", what) end
  local file = given.files:add(what, kind, kind, spec[kind])
  file.progress = spec.progress
  local content = {
    mimetype = file.mime, caption = spec.caption, width = whole(what, "width", spec.width or file.width),
    height = whole(what, "height", spec.height or file.height), seconds = whole(what, "duration", spec.duration or file.duration),
    jpegThumbnail = spec.thumbnail or file.thumbnail,
  }
  for name, value in pairs(file.reference) do content[name] = value end
  content.handle = nil -- of the stanza, not of the Message
  return content, file
end

--- { image = SOURCE, caption =, width =, height =, thumbnail = JPEG bytes }
function build.image(spec, given) return { imageMessage = start("an image", "image", spec, given) } end

--- { video = SOURCE, caption =, width =, height =, duration = seconds, thumbnail = JPEG bytes }
function build.video(spec, given) return { videoMessage = start("a video", "video", spec, given) } end

--- { gif = SOURCE, … }: an MP4 that plays by itself
function build.gif(spec, given)
  local content = start("a gif", "gif", spec, given)
  content.gifPlayback = true
  return { videoMessage = content }
end

--- { round_video = SOURCE, width =, height =, duration =, thumbnail = }
function build.round_video(spec, given) return { ptvMessage = start("a round video", "round_video", spec, given) } end

--- { audio = SOURCE, duration = seconds }
function build.audio(spec, given) return { audioMessage = start("an audio", "audio", spec, given) } end

--- { voice = SOURCE, duration = seconds, waveform = bytes of 0 to 100 }
function build.voice(spec, given)
  local content, file = start("a voice message", "voice", spec, given)
  content.ptt, content.waveform = true, spec.waveform or file.waveform
  if content.mimetype == "audio/ogg" then content.mimetype = mimes.OPUS end
  return { audioMessage = content }
end

--- { document = SOURCE, filename =, mime =, caption =, title =, pages =, thumbnail = JPEG bytes }
function build.document(spec, given)
  local what = "a document"
  local content, file = start(what, "document", spec, given)
  local name = spec.filename or file.filename
  if spec.filename then check.text(what, "filename", spec.filename) end
  content.mimetype = spec.mime or spec.filename and mimes.of_name(spec.filename) or file.mime
  content.fileName = name or file_names.of { kind = "file", mime = content.mimetype }
  content.title, content.pageCount = spec.title or content.fileName, whole(what, "pages", spec.pages or file.pages)
  if not spec.caption then return { documentMessage = content } end
  return { documentWithCaptionMessage = { message = { documentMessage = content } } }
end

--- { sticker = SOURCE, label = what it shows, for those who do not see it, pack = { name =, publisher =, emojis =, id = } }
function build.sticker(spec, given)
  check_pack("a sticker", spec.pack)
  local content, file = start("a sticker", "sticker", spec, given)
  file.pack = spec.pack
  content.jpegThumbnail, content.isAnimated, content.accessibilityLabel = nil, file.animated or false, spec.label
  return { stickerMessage = content }
end

--- { album = { spec, … } } is several messages: moonpost.client.album sends them.
function build.album() check.wrong "an album is sent with messages of its own" end

return { build = build }
