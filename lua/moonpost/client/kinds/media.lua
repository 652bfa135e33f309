--- Contents that are files (fact sheet 05 §4.2 to §4.6). What is told of a file is its sender's claim; the file itself is loaded by
-- client.media, with `media.type` and `media.reference`.
-- @module moonpost.client.kinds.media
local file_names = require "moonpost.client.file_names"
local key = require "moonpost.client.kinds.key"

local STICKERS = 256 -- of a pack, as handlers are told: it has 60 at most (§15.6)

local read = {}

-- A number that says something; nil of others.
local function positive(value) return value and value > 0 and value or nil end

local function said(value) return value ~= "" and value or nil end

-- What every file has (§4).
local function file(kind, type, content)
  return {
    kind = kind, type = type, mime = said(content.mimetype), size = content.fileLength and math.max(0, content.fileLength),
    width = positive(content.width), height = positive(content.height), duration = content.seconds,
    thumbnail = said(content.jpegThumbnail), reference = content,
  }
end

function read.imageMessage(content, m)
  m.kind, m.text = "image", content.caption
  m.media = file("image", "image", content)
end

local function video(kind, content, m)
  m.kind, m.text = kind, content.caption
  m.media = file(kind, "video", content)
end

function read.videoMessage(content, m) video(content.gifPlayback and "gif" or "video", content, m) end
function read.ptvMessage(content, m) video("round_video", content, m) end

function read.audioMessage(content, m)
  m.kind = content.ptt and "voice" or "audio"
  m.media = file(m.kind, "audio", content)
  m.media.waveform = said(content.waveform)
end

function read.documentMessage(content, m)
  m.kind, m.text = "document", content.caption
  m.media = file("document", "document", content)
  m.media.filename = file_names.harmless(said(content.fileName) or content.title)
  m.media.title, m.media.pages = said(content.title), positive(content.pageCount)
end

function read.stickerMessage(content, m)
  m.kind = "sticker"
  m.media = file("sticker", "sticker", content)
  m.media.thumbnail, m.media.animated = said(content.pngThumbnail), content.isAnimated or content.isLottie or false
  m.media.lottie, m.media.emojis, m.media.label = content.isLottie or false, said(content.emojis), said(content.accessibilityLabel)
end

--- A pack of stickers is one file, a ZIP of them all; what is in it is told beside it.
function read.stickerPackMessage(content, m)
  local stickers = {}
  for i, one in ipairs(content.stickers or {}) do
    if i > STICKERS then break end
    stickers[i] = {
      filename = file_names.harmless(one.fileName), animated = one.isAnimated or one.isLottie or false, lottie = one.isLottie or false,
      emojis = one.emojis or {}, label = said(one.accessibilityLabel), mime = said(one.mimetype),
    }
  end
  m.kind, m.text = "sticker_pack", content.caption
  m.pack = {
    id = content.stickerPackId, name = content.name, publisher = content.publisher, description = content.packDescription,
    stickers = stickers,
  }
  m.media = file("sticker_pack", "sticker-pack", content)
  m.media.mime = "application/zip"
end

--- The head of an album: the pictures come as messages of their own, one by one.
function read.albumMessage(content, m)
  m.kind, m.album = "album", { images = content.expectedImageCount or 0, videos = content.expectedVideoCount or 0 }
end

local MEDIA_ALBUM = { MEDIA_ALBUM = true, [1] = true } -- of MessageAssociation.AssociationType

--- The album a picture belongs to (§8.4).
-- @tparam ?table info the picture's messageContextInfo
-- @tparam table m event
-- @param client
-- @treturn ?table {chat, id, sender, from_me} of the album's head; nil: it belongs to none
local function album_of(info, m, client)
  local association = info and info.messageAssociation
  if not association or not MEDIA_ALBUM[association.associationType] then return nil end
  return key.read(association.parentMessageKey, m, client)
end

return { read = read, album_of = album_of }
