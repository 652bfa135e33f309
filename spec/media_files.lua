--- Files for specs about media, made by ffmpeg or byte by byte, in a folder that goes away.
--
--     local files = require("spec.media_files").new()
--     files:make("cat.jpg", "testsrc=s=64x48", "-frames:v 1")
local support = require "spec.support"

local Files = {}
Files.__index = Files

--- The path of a file of that name.
function Files:path(name) return self.folder .. "/" .. name end

--- Writes bytes.
-- @treturn string path
function Files:write(name, bytes)
  local file <close> = assert(io.open(self:path(name), "wb"))
  assert(file:write(bytes))
  return self:path(name)
end

--- All of a file.
function Files.read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

local function quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

--- Has ffmpeg make a file.
-- @string name its ending says the format
-- @string source of ffmpeg's lavfi, such as "testsrc=s=64x48:d=1" or "sine=d=1"
-- @tparam ?string words further ones
-- @treturn string path
function Files:make(name, source, words)
  local path = self:path(name)
  assert(os.execute(("ffmpeg -nostdin -loglevel error -y -f lavfi -i %s -threads 1 %s %s"):format(quote(source), words or "", quote(path))))
  return path
end

--- Has ffmpeg make a file of another.
function Files:turn(name, from, words)
  local path = self:path(name)
  assert(os.execute(("ffmpeg -nostdin -loglevel error -y -i %s %s %s"):format(quote(from), words or "", quote(path))))
  return path
end

--- A PNG that says it is of that size, and holds next to nothing.
function Files:png_head(name, width, height)
  local crc32 = require("spec.crc32")
  local function chunk(kind, data) return (">I4"):pack(#data) .. kind .. data .. (">I4"):pack(crc32(kind .. data)) end
  local idat = "\x78\x9c\x63\x00\x00\x00\x01\x00\x01"
  return self:write(name, "\x89PNG\r\n\x1a\n" .. chunk("IHDR", (">I4I4BBBBB"):pack(width, height, 8, 6, 0, 0, 0)) .. chunk("IDAT", idat)
    .. chunk("IEND", ""))
end

--- A GIF of one pixel that takes hours: each of its pictures is shown for eleven minutes.
function Files:endless_gif(name, pictures)
  local picture = "\x21\xf9\x04\x00\xff\xff\x00\x00" .. "\x2c" .. ("<I2I2I2I2B"):pack(0, 0, 1, 1, 0) .. "\x02\x02\x44\x01\x00"
  return self:write(name, "GIF89a" .. ("<I2I2BBB"):pack(1, 1, 0x80, 0, 0) .. "\0\0\0\xff\xff\xff" .. picture:rep(pictures) .. "\x3b")
end

local function new() return setmetatable({ folder = support.tmpdir() }, Files) end

return { new = new }
