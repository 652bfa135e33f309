--- What files need to look well in a chat: their dimensions and duration, small pictures of them, waveforms; and files in the formats
-- that stickers, voice messages and GIFs have (fact sheet 05 §15).
--
-- All of it is done by Debian's `ffmpeg` and `ffprobe` in processes of their own, with limits: no byte of a stranger meets a decoder
-- in this one. They are optional: without them each function here returns nil and an error of code "no-tools", and files go as they are.
-- Nothing is read in before it is used, and nothing that came is looked at unless somebody asks.
--
-- All of it is called in a task, except `available`; when that is cancelled, the work ends. Other errors: "media-source" (the file
-- cannot be read), "media-format" (it is none of the formats here, or broken), "media-timeout", "media-limit" (what comes out is too
-- large), "media-disk" (no temporary file).
-- @module moonpost.client.media_tools
local lazy = require "moonpost.lazy"

local ffmpeg = lazy "moonpost.client.tools.ffmpeg"
local pictures = lazy "moonpost.client.tools.pictures"
local probe = lazy "moonpost.client.tools.probe"
local sound = lazy "moonpost.client.tools.sound"
local stickers = lazy "moonpost.client.tools.stickers"

local tools = {}

local PROFILE_SIDE = 640 -- pixels (05 §16.1)

--- Whether the tools are there. Each time looked up anew: they may have been installed meanwhile.
-- @treturn boolean
-- @treturn table the names of the programs that are missing
function tools.available()
  local missing = ffmpeg.missing()
  return #missing == 0, missing
end

--- What a file is and says of itself.
-- @string path
-- @treturn ?table `{ mime, width, height, duration, animated, video, audio }`: mime by its content; width and height in pixels, as it
-- is shown, turned where it says so; duration in seconds, a fraction, nil of still pictures and where the file does not say; animated:
-- a video or a picture that moves; video, audio: whether it has such a stream
-- @return nil and an error
function tools.probe(path) return probe(path) end

--- A small picture of a picture or of a video's first frame, for `jpegThumbnail`.
-- @string path
-- @tparam ?number side how many pixels its longer side may have (100); 192 for link previews
-- @treturn ?string JPEG, 10 KiB at most
-- @return nil and an error
function tools.thumbnail(path, side) return pictures.thumbnail(path, side) end

--- A square JPEG out of the middle of a picture: for profiles, groups and channels.
-- @string path
-- @tparam ?number side pixels (640)
-- @treturn ?string JPEG
-- @return nil and an error
function tools.to_square(path, side) return pictures.to_square(path, side or PROFILE_SIDE) end

--- How loud an audio file (or a video) is over its time.
-- @string path
-- @treturn ?string 64 bytes, each 0 to 100
-- @treturn ?number its duration in seconds, counted; or the error
function tools.waveform(path) return sound.waveform(path) end

--- A voice message of an audio file or a video: Ogg Opus, mono, 48 kHz, mime type "audio/ogg; codecs=opus".
-- @string path
-- @treturn ?string path of a temporary file, the caller's to remove
-- @return nil and an error
function tools.to_opus(path) return sound.to_opus(path) end

--- A sticker of a picture, GIF or video: WebP, 512 by 512 pixels, transparent around the picture; 100 KB at most, or 500 KB and the first
-- ten seconds of what moves.
-- @string path
-- @treturn ?string path of a temporary file, the caller's to remove
-- @treturn ?boolean whether it moves; or the error
function tools.to_webp(path) return pictures.to_webp(path) end

--- What a sticker says of the pack it is from. It is taken apart by libwebpmux, in this process, and no picture is decoded; not in a
-- task.
-- @string webp the sticker
-- @treturn ?table `{ id, name, publisher, emojis }`: texts, nil where it says nothing; a list
-- @return nil and an error: code "no-tools" (libwebpmux is missing), "not-found" (it says nothing of a pack), "malformed", "limit"
function tools.read_pack(webp) return stickers.read(webp) end

--- A sticker that says which pack it is from. Not in a task.
-- @string webp the sticker
-- @tparam table pack `{ name, publisher, emojis, id }`; all may be missing; the id is made of name and publisher
-- @treturn ?string the sticker with it, in place of what it said before
-- @return nil and an error, as above
function tools.write_pack(webp, pack) return stickers.write(webp, pack) end

--- A GIF, or a video without its sound, as GIFs are on the wire: MP4 (H.264); two minutes at most.
-- @string path
-- @treturn ?string path of a temporary file, the caller's to remove
-- @return nil and an error
function tools.to_mp4(path) return pictures.to_mp4(path) end

return tools
