--- What a JPEG says of its size, without decoding it.
-- @module moonpost.client.jpeg

local MARKER = 0xff
local alone = { [0x01] = true } -- markers without a segment
for marker = 0xd0, 0xd8 do alone[marker] = true end
local no_frame = { [0xc4] = true, [0xc8] = true, [0xcc] = true } -- tables, among the markers of frames

--- @string bytes
-- @treturn ?int width in pixels; nil: it is no JPEG
-- @treturn ?int height
return function(bytes)
  local at = 3
  if bytes:sub(1, 3) ~= "\xff\xd8\xff" then return nil end
  while at + 8 <= #bytes and bytes:byte(at) == MARKER do
    local marker = bytes:byte(at + 1)
    if marker == MARKER then
      at = at + 1
    elseif alone[marker] then
      at = at + 2
    else
      local length = (">I2"):unpack(bytes, at + 2)
      if marker >= 0xc0 and marker <= 0xcf and not no_frame[marker] then
        local height, width = (">I2I2"):unpack(bytes, at + 5)
        if width > 0 and height > 0 then return width, height end
        return nil
      end
      at = at + 2 + math.max(length, 2)
    end
  end
  return nil
end
