--- Files for specs: bytes that begin as files of a type do, and folders with some in them.
local crypto = require("moonpost.core").crypto
local support = require "spec.support"
local tools = require "moonpost.client.media_tools"

local files = {}

local heads = {
  jpg = "\xff\xd8\xff\xe0\0\16JFIF", png = "\x89PNG\r\n\x1a\n", webp = "RIFF\x1e\0\0\0WEBPVP8L", mp4 = "\0\0\0\x18ftypisom",
  moving = "RIFF\x1e\0\0\0WEBPVP8X\10\0\0\0\2", mp3 = "ID3\4\0", ogg = "OggS\0\2" .. ("\0"):rep(22) .. "OpusHead",
  pdf = "%PDF-1.7\n", gif = "GIF89a",
}

--- Bytes of a file: no two alike.
-- @string ending "jpg", "mp4", …; "moving": of a WebP that moves
-- @tparam ?int size bytes
function files.bytes(ending, size)
  local head = heads[ending]
  return head .. crypto.random((size or #head + 100) - #head)
end

--- A file of those bytes, or of others.
-- @string name
-- @tparam ?string bytes
-- @treturn string its path
-- @treturn string its bytes
function files.write(name, bytes)
  local path = support.tmpdir() .. "/" .. name
  bytes = bytes or files.bytes(name:match "%.(%w+)$")
  local file = assert(io.open(path, "wb"))
  assert(file:write(bytes))
  assert(file:close())
  return path, bytes
end

--- What a file holds.
function files.read(path)
  local file = assert(io.open(path, "rb"))
  local bytes = file:read "a"
  file:close()
  return bytes
end

--- The file of a message a client has heard.
function files.load(client, media)
  local pieces = {}
  assert(client.media:download(media.reference, media.type, function(piece) pieces[#pieces + 1] = piece end))
  return table.concat(pieces)
end

--- An iterator over pieces of a text.
function files.pieces(text, size)
  local at = 1
  return function()
    local piece = text:sub(at, at + size - 1)
    at = at + size
    return piece ~= "" and piece or nil
  end
end

--- Has nothing be there that looks into files, until the value it returns is closed.
function files.without_tools()
  local available = tools.available
  tools.available = function() return false, { "ffmpeg" } end
  return setmetatable({}, { __close = function() tools.available = available end })
end

return files
