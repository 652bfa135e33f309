--- Contents that are files (fact sheet 05 §4.2 to §4.6): what they are, and their caption.
-- @module moonpost.client.kinds.media
local read = {}

-- A reader of one kind, whose caption is the text.
local function captioned(kind)
  return function(content, m)
    m.kind, m.text = kind, content.caption
  end
end

read.imageMessage = captioned "image"
read.documentMessage = captioned "document"
read.ptvMessage = captioned "round_video"
read.stickerMessage = captioned "sticker"
read.stickerPackMessage = captioned "sticker_pack"

function read.videoMessage(content, m) m.kind, m.text = content.gifPlayback and "gif" or "video", content.caption end
function read.audioMessage(content, m) m.kind = content.ptt and "voice" or "audio" end

--- The head of an album: the pictures come as messages of their own, one by one.
function read.albumMessage(content, m)
  m.kind, m.album = "album", { images = content.expectedImageCount or 0, videos = content.expectedVideoCount or 0 }
end

return { read = read }
