--- The fields of an encoded protobuf message as bytes, without knowing what they mean: for what has to stay exactly as it came.
-- @module moonpost.client.wire_fields
local wire_fields = {}

local VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5

-- The varint at a position, and where the next byte is; nil when there is none. Most have one byte.
local function varint(bytes, at)
  local first = bytes:byte(at)
  if first and first < 0x80 then return first, at + 1 end
  local value, shift = 0, 0
  while shift < 70 do
    local byte = bytes:byte(at)
    if not byte then return nil end
    value, at = value | (byte & 0x7f) << shift, at + 1
    if byte < 0x80 then return value, at end
    shift = shift + 7
  end
end

-- Where the value of a field begins and where the field ends, by its wire type; nil when it is cut off or no type in use.
local function extent(bytes, at, wire)
  if wire == VARINT then
    local _, after = varint(bytes, at)
    return at, after
  elseif wire == FIXED64 then return at, at + 8
  elseif wire == FIXED32 then return at, at + 4
  elseif wire == BYTES then
    local length, from = varint(bytes, at)
    if not length or length < 0 or length > #bytes then return nil end
    return from, from + length
  end
end

local function next_field(bytes, at)
  if at > #bytes then return nil end
  local tag, from = varint(bytes, at)
  if not tag then return nil end
  local value, after = extent(bytes, from, tag & 7)
  if not after or after > #bytes + 1 then return nil end
  return after, tag >> 3, at, value, tag & 7
end

--- Goes over the fields: for after, number, from, value, wire in wire_fields.each(bytes). A field's bytes are from `from` to `after` - 1,
-- those of its value begin at `value`. Ends where the bytes are no message any more.
function wire_fields.each(bytes) return next_field, bytes, 1 end

--- The bytes without the fields of some numbers.
-- @string bytes
-- @tparam table numbers set
-- @treturn string
function wire_fields.without(bytes, numbers)
  local parts = {}
  for after, number, from in wire_fields.each(bytes) do
    if not numbers[number] then parts[#parts + 1] = bytes:sub(from, after - 1) end
  end
  return table.concat(parts)
end

--- The value of a field of bytes that is there once; nil when it is not there, or several times.
function wire_fields.value(bytes, wanted)
  local found
  for after, number, _, value, wire in wire_fields.each(bytes) do
    if number == wanted then
      if found or wire ~= BYTES then return nil end
      found = bytes:sub(value, after - 1)
    end
  end
  return found
end

return wire_fields
