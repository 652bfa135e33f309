--- The files of one message that is sent. Its spec is built twice: the first time they are found and looked at, then they are uploaded,
-- and the second time the content says where they are.
--
--     local attached = new_attached(client, plain)
--     kinds.build(spec, { files = attached })      -- raises what is wrong with the spec
--     if attached:any() then assert(attached:upload()) end
--     kinds.build(spec, { files = attached })      -- the Message
-- @module moonpost.client.attached
local core = require "moonpost.core"
local lazy = require "moonpost.lazy"
local mimes = require "moonpost.client.mimes"
local owners = require "moonpost.client.kinds.owners"
local source = require "moonpost.client.kinds.source"

local attached_tools = lazy "moonpost.client.attached_tools"

-- What the key of a file is made for (fact sheet 05 §13.1), by the kind it is sent as.
local types = {
  image = "image", sticker = "sticker", video = "video", gif = "video", round_video = "video", audio = "audio", voice = "audio",
  document = "document", sticker_pack = "sticker-pack", preview = "thumbnail-link",
}

-- The same in newsletters, where nothing is encrypted (§14.3).
local plain_types = {
  image = "newsletter-image", sticker = "newsletter-sticker", video = "newsletter-video", gif = "newsletter-gif",
  round_video = "newsletter-video", audio = "newsletter-audio", voice = "newsletter-ptt", document = "newsletter-document",
  sticker_pack = "newsletter-sticker-pack", preview = "newsletter-thumbnail-link",
}

local key_of = { sticker = "image" } -- types that share the keys, and so the files, of another

-- Fields of a content that say where its file is.
local located = {
  "url", "directPath", "mediaKey", "mediaKeyTimestamp", "fileSha256", "fileEncSha256", "fileLength", "streamingSidecar",
}

-- What is known of a file that came, as far as it is true of what it is sent as.
local told = { "width", "height", "duration", "thumbnail", "waveform", "animated", "pages" }

local Attached = {}
Attached.__index = Attached

-- The next of what the first build found, or what `make` makes of it.
local function next_one(self, make, ...)
  self.at = self.at + 1
  if self.uploaded then return self.list[self.at] end
  local one = make(...)
  self.list[self.at] = one
  return one
end

local VP8X, ANIMATION = "^RIFF....WEBPVP8X", 0x02 -- a WebP with a list of features, and one of its flags (05 §15.6)

local function is_animated(head) return head ~= nil and head:find(VP8X) ~= nil and (head:byte(21) or 0) & ANIMATION ~= 0 end

local function new_file(plain, what, name, kind, value)
  local type = (plain and plain_types or types)[kind]
  return { what = what, name = name, kind = kind, type = type, source = source.read(what, name, kind, value), reference = {} }
end

--- A file of the spec, for its builder.
-- @string what the spec, as errors name it: "an image"
-- @string name the field
-- @string kind what it is sent as
-- @param value the source (moonpost.client.kinds.source)
-- @treturn table reference (empty until it is uploaded); mime, filename, width, height, duration, thumbnail, waveform, animated as far as
-- they are known
-- @raise code "spec"
function Attached:add(what, name, kind, value)
  self.count = self.count + (self.uploaded and 0 or 1)
  local file = next_one(self, new_file, self.plain, what, name, kind, value)
  file.mime, file.filename = file.source.mime, file.source.filename
  if file.animated == nil then file.animated = is_animated(file.source.head) end
  return file
end

--- What fn returns, called in the first build alone: what a caller's function has said, it is not asked twice.
function Attached:once(fn, ...)
  return next_one(self, function(...) return { (fn(...)) } end, ...)[1]
end

--- Whether the spec has files at all.
function Attached:any() return self.count > 0 end

-- Whether a file that came can be sent on as it is: encrypted, under the same sort of key.
local function can_be_shared(self, file)
  local media = file.source.media
  if self.plain or not media.reference.mediaKey or not media.reference.fileEncSha256 then return false end
  if file.kind == "sticker" and media.mime ~= "image/webp" or file.pack or attached_tools.converts(media, file.kind) then return false end
  return (key_of[media.type] or media.type) == (key_of[file.type] or file.type)
end

local function share(file)
  local media = file.source.media
  for _, name in ipairs(located) do file.reference[name] = media.reference[name] end
  for _, name in ipairs(told) do file[name] = media[name] end
  return true
end

-- An iterator's pieces, the first of which says what they are of.
local function read_first(file)
  local reader = file.source.reader
  local first, wrong = reader()
  if first == nil and wrong ~= nil then
    return nil, type(wrong) == "table" and wrong or core.error("media-source", tostring(wrong))
  end
  if first ~= nil and type(first) ~= "string" then
    return nil, core.error("media-source", ("%s: the iterator of '%s' gives a %s, not a text"):format(file.what, file.name, type(first)))
  end
  local head = (first or ""):sub(1, mimes.HEAD)
  local ok, mime = pcall(source.settle, file.what, file.name, file.kind, head)
  if not ok then return nil, core.error("media-source", mime.message) end
  file.source.mime, file.source.head = mime, head
  local given, ended = false, first == nil
  file.source.reader = function()
    if ended then return nil end -- an iterator that has ended may not be asked again
    if given then return reader() end
    given = true
    return first
  end
  return true
end

-- Writes bytes into a spool; an error of the disk ends what brings them.
local function spooler(spool)
  return function(bytes)
    local ok, err = spool:write(bytes)
    if not ok then error(err, 0) end
  end
end

local PIECE = 65536 -- bytes that are read at once

-- A file that came and cannot be shared is loaded, and uploaded as one's own.
local function load_media(self, file, spool)
  local media = file.source.media
  local ok, err = self.client.media:download(media.reference, media.type, spooler(spool), { message = owners[media] })
  if not ok then return nil, err end
  local at = 0
  file.source.reader = function()
    if at == spool:size() then return nil end
    local piece, why = spool:read(at, PIECE)
    at = at + #(piece or "")
    return piece, why
  end
  return true
end

local function put(self, file)
  local from = file.source
  local dressed <close>, why = attached_tools.dress(self.client, file)
  if not dressed then return nil, why end
  local reference, err = self.client.media:upload(
    dressed.path and { file = dressed.path } or from.bytes and { bytes = from.bytes } or { reader = from.reader }, file.type,
    { progress = file.progress })
  if not reference then return nil, err end
  file.reference = reference
  return true
end

local function upload(self, file)
  local from = file.source
  if from.path or from.bytes then return put(self, file) end
  if from.media and can_be_shared(self, file) then return share(file) end
  local spool
  local guard <close> = setmetatable({}, { __close = function()
    if spool then spool:close() end
  end })
  local ok, err
  if from.media then
    spool = core.media.spool()
    ok, err = load_media(self, file, spool)
  else
    ok, err = read_first(file)
  end
  if not (ok and guard) then return nil, err end
  return put(self, file)
end

--- Uploads them, one after another. In a task.
-- @treturn ?boolean true
-- @treturn ?table err code "media-…"
function Attached:upload()
  for _, file in ipairs(self.list) do
    if file.source then
      local ok, err = upload(self, file)
      if not ok then return nil, err end
    end
  end
  self.uploaded, self.at = true, 0
  return true
end

--- Whether files are sent as a kind at all.
function Attached.takes(kind) return types[kind] ~= nil end

-- Fields of a content that say where a small picture of its file is, which is under the same key.
local pictured = { "thumbnailDirectPath", "thumbnailSha256", "thumbnailEncSha256", "thumbnailWidth", "thumbnailHeight" }

local unnamed = { sticker_pack = "url" } -- fields a content has not got (§4.6), by kind

--- Has a content that was made of another one say where its file is now.
-- @tparam table content is changed
-- @tparam table file as `add` returned it, uploaded
function Attached.place(content, file)
  for _, name in ipairs(located) do
    if unnamed[file.kind] ~= name then content[name] = file.reference[name] end
  end
  for _, name in ipairs(pictured) do content[name] = nil end
end

--- Has the preview of a link tell of no large picture: where that goes, its key does not.
-- @tparam table content ExtendedTextMessage, is changed
function Attached.unpicture(content)
  content.mediaKey, content.mediaKeyTimestamp = nil, nil
  for _, name in ipairs(pictured) do content[name] = nil end
end

--- What a newsletter's server calls the file of a post (fact sheet 05 §14.3); nil elsewhere.
function Attached:handle()
  for _, file in ipairs(self.list) do
    if file.source and file.reference.handle then return file.reference.handle end
  end
end

-- Called, this makes those of one message: fn(client, plain); plain: they are not encrypted, as in newsletters.
return setmetatable({ takes = Attached.takes, unpicture = Attached.unpicture }, { __call = function(_, client, plain)
  return setmetatable({ client = client, plain = plain or nil, list = {}, at = 0, count = 0 }, Attached)
end })
