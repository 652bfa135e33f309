--- Messages with files as a phone writes them (fact sheet 05 §4, §8.4, §12.1), and where the file of one is.
-- @module moonpost.sandbox.phone_kinds
local core = require "moonpost.core"

local crypto = core.crypto

local phone_kinds = {}

-- By the field of a Message: the type its file is encrypted as, and the stanza's mediatype where it is always the same.
local fields = {
  imageMessage = { type = "image", mediatype = "image" }, videoMessage = { type = "video" },
  ptvMessage = { type = "video", mediatype = "ptv" }, audioMessage = { type = "audio" },
  documentMessage = { type = "document", mediatype = "document" }, stickerMessage = { type = "image", mediatype = "sticker" },
}

local wrappers = {
  "viewOnceMessage", "viewOnceMessageV2", "viewOnceMessageV2Extension", "ephemeralMessage", "documentWithCaptionMessage",
  "associatedChildMessage", "lottieStickerMessage", "groupMentionedMessage",
}

--- A message without what is around it: its content, and whether it may be seen once only.
function phone_kinds.unwrap(message)
  local once = false
  for _ = 1, 8 do
    local inner
    for _, name in ipairs(wrappers) do
      if message[name] then
        inner, once = message[name].message or {}, once or name:find "^viewOnce" ~= nil
        break
      end
    end
    if not inner then break end
    message = inner
  end
  return message, once
end

-- What it is called: by the field and what it says of itself.
local function kind_of(name, content)
  if name == "videoMessage" then return content.gifPlayback and "gif" or "video" end
  if name == "audioMessage" then return content.ptt and "voice" or "audio" end
  return name == "ptvMessage" and "round_video" or name:match "^(%l+)Message$"
end

--- The file of a message.
-- @tparam table message Message
-- @treturn ?table { kind = "image", "voice", …, type = as what it is encrypted, reference = the content, once = boolean }
function phone_kinds.file(message)
  local inner, once = phone_kinds.unwrap(message)
  for name, about in pairs(fields) do
    local content = inner[name]
    if content and content.directPath then
      return { kind = kind_of(name, content), type = about.type, reference = content, once = once or content.viewOnce == true }
    end
  end
end

--- What a stanza says of a message: its `type`, and the mediatype of its ciphertexts.
function phone_kinds.stanza(message)
  local inner = phone_kinds.unwrap(message)
  for name, about in pairs(fields) do
    local content = inner[name]
    if content then
      local of = name == "videoMessage" and (content.gifPlayback and "gif" or "video")
        or name == "audioMessage" and (content.ptt and "ptt" or "audio")
      return "media", of or about.mediatype
    end
  end
  return "text"
end

-- By the word of a spec: the field, the type, the usual mime type, and what else such a message says.
local specs = {
  image = { "imageMessage", "image", "image/jpeg" }, video = { "videoMessage", "video", "video/mp4" },
  gif = { "videoMessage", "video", "video/mp4", { gifPlayback = true } }, round_video = { "ptvMessage", "video", "video/mp4" },
  audio = { "audioMessage", "audio", "audio/mpeg" }, document = { "documentMessage", "document", "application/octet-stream" },
  voice = { "audioMessage", "audio", "audio/ogg; codecs=opus", { ptt = true } },
  sticker = { "stickerMessage", "image", "image/webp" },
}

--- The words a spec of a file may begin with.
phone_kinds.words = { "image", "video", "gif", "round_video", "audio", "voice", "document", "sticker" }

-- What the sender says of the file besides, by the name it has in a spec.
local said = { caption = "caption", seconds = "seconds", width = "width", height = "height", waveform = "waveform", pages = "pageCount",
  thumbnail = "jpegThumbnail", animated = "isAnimated" }

local function once(spec, message)
  local _, content = next(message)
  if not spec.view_once then return message end
  content.viewOnce = true
  return { [message.audioMessage and "viewOnceMessageV2Extension" or "viewOnceMessage"] = { message = message } }
end

--- A Message with a file.
-- @tparam table spec { image = SOURCE, … }: caption, mime, filename, seconds, width, height, waveform, thumbnail, pages, animated,
--   view_once
-- @func upload fn(source, type) -> what the file is found and read by | nil, err
-- @treturn ?table Message
-- @treturn ?table err
function phone_kinds.build(spec, upload)
  for _, word in ipairs(phone_kinds.words) do
    local field, type, mime, more = table.unpack(specs[word])
    if spec[word] then
      local content, err = upload(spec[word], type)
      if not content then return nil, err end
      content.mimetype = spec.mime or mime
      for name, value in pairs(more or {}) do content[name] = value end
      for name, at in pairs(said) do content[at] = spec[name] end
      if word == "document" then content.fileName, content.title = spec.filename, spec.filename end
      local message = { [field] = content }
      if word == "document" and spec.caption then message = { documentWithCaptionMessage = { message = message } } end
      return once(spec, message)
    end
  end
  return nil, core.error("invalid", "a file is one of " .. table.concat(phone_kinds.words, ", "))
end

--- The Message that stands before the pictures and videos of an album.
function phone_kinds.album(list)
  local count = { image = 0, video = 0 }
  for _, spec in ipairs(list) do
    local word = spec.image and "image" or spec.video and "video"
    if not word then return nil, core.error("invalid", "an album is pictures and videos") end
    count[word] = count[word] + 1
  end
  return { albumMessage = { expectedImageCount = count.image, expectedVideoCount = count.video },
    messageContextInfo = { messageSecret = crypto.random(32) } }
end

--- Has a Message be one of an album's, whose first message has this key.
function phone_kinds.of_album(message, key)
  return { associatedChildMessage = { message = message }, messageContextInfo = {
    messageSecret = crypto.random(32), messageAssociation = { associationType = "MEDIA_ALBUM", parentMessageKey = key },
  } }
end

return phone_kinds
