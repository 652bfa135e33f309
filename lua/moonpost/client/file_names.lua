--- Names of files that strangers chose, made harmless: a name is one component of a path, shows all it is, and can be made on any system.
-- @module moonpost.client.file_names
local mimes = require "moonpost.client.mimes"

local file_names = {}

local LOOKED_AT = 1024 -- bytes of what somebody calls a name, from its end
local LENGTH = 180 -- bytes of a name; file systems have room for 255, of which a number and the name of a temporary file take some
local ENDING = 16  -- bytes of an ending that is kept when a name is cut

-- Names that are devices on Windows, whatever their ending.
local reserved = { con = true, prn = true, aux = true, nul = true, conin = true, conout = true, clock = true }
for i = 0, 9 do
  reserved["com" .. i], reserved["lpt" .. i] = true, true
end

-- Characters that are not seen, or turn the order of others around, so that a name shows another ending than it has.
local function hidden(code)
  return code < 0x20 or code >= 0x7f and code < 0xa0 or code == 0xad or code == 0x61c or code == 0x180e
    or code >= 0x200b and code <= 0x200f or code >= 0x2028 and code <= 0x202e or code >= 0x2060 and code <= 0x206f
    or code == 0xfeff or code >= 0xfff0 and code <= 0xfffb or code >= 0xe0000 and code <= 0xe0fff
end

-- The text without what is no UTF-8 and what is not seen.
local function visible(text)
  local parts, at = {}, 1
  while at <= #text do
    local stop = utf8.len(text, at) and #text + 1 or select(2, utf8.len(text, at))
    for _, code in utf8.codes(text:sub(at, stop - 1)) do
      if not hidden(code) then parts[#parts + 1] = utf8.char(code) end
    end
    at = stop + 1
  end
  return table.concat(parts)
end

-- The beginning of a text, cut at a character.
local function beginning(text, length)
  if #text <= length then return text end
  while length > 0 and (text:byte(length + 1) & 0xc0) == 0x80 do length = length - 1 end
  return text:sub(1, length)
end

local function trimmed(name) return (name:gsub("^[%s.]+", ""):gsub("[%s.]+$", "")) end

-- A long name with its end cut off in the middle, so that the ending stays.
local function shortened(name)
  if #name <= LENGTH then return name end
  local stem, ending = name:match "^(.+)(%.[^.]+)$"
  if not ending or #ending > ENDING then return trimmed(beginning(name, LENGTH)) end
  return trimmed(beginning(stem, LENGTH - #ending)) .. ending
end

--- A name made harmless. It holds no folder, no control or hidden character, nothing that is special to a file system or a shell's
-- options, is no device's name, not hidden itself, and has 180 bytes at most.
-- @tparam ?string name as somebody sent it
-- @treturn ?string nil: nothing is left of it
function file_names.harmless(name)
  name = visible((name or ""):sub(-LOOKED_AT):match "[^/\\]*$"):gsub('[<>:"|?*]', "_")
  name = shortened(trimmed(name))
  if name == "" then return nil end
  if reserved[name:match("^[^.]*"):gsub("[%s$]+$", ""):lower()] or name:find "^[-~]" then name = "_" .. name end
  return name
end

--- A name for a file that came: its own, or one of its kind and its message.
-- @tparam table media m.media of a message: kind, mime, filename
-- @tparam ?string id of the message
-- @treturn string
function file_names.of(media, id)
  local own = media.filename and file_names.harmless(media.filename)
  if own then return own end
  local unique, ending = beginning((id or ""):gsub("[^%w-]", ""), 64), mimes.ending(media.mime)
  return (media.kind or "file") .. (unique ~= "" and "-" .. unique or "") .. (ending and "." .. ending or "")
end

--- A name with a number, for when there is a file of that name: "photo (2).jpg".
-- @string name
-- @int number
function file_names.numbered(name, number)
  local stem, ending = name:match "^(.+)(%.[^.]+)$"
  return ("%s (%d)%s"):format(stem or name, number, ending or "")
end

return file_names
