--- The reporting token (fact sheet 03 §15.1, 05 §12.5): by it the service believes who reports a message that it was sent. It is made of
-- some fields of the very bytes that are encrypted, under the message's own secret, and says nothing about them.
-- @module moonpost.client.reporting
local core = require "moonpost.core"
local messages = require "moonpost.client.messages"
local stanza = require "moonpost.stanza"
local wire_fields = require "moonpost.client.wire_fields"

local crypto = core.crypto

local VERSION, LABEL, BYTES = "2", "Report Token", 16
local LENGTH_DELIMITED = 2

-- Of a Message: the fields that count; true: whole; a table: those of its own that count.
local counted = {}

local function fields(...)
  local set = {}
  for _, number in ipairs { ... } do set[number] = true end
  return set
end

local forwarded = fields(21, 22) -- of ContextInfo: forwardingScore and isForwarded

-- A content with a ContextInfo in field 17.
local function content(...)
  local set = fields(...)
  set[17] = forwarded
  return set
end

local function poll() return { [2] = true, [3] = fields(1, 2), [5] = forwarded, [8] = fields(1, 2) } end

local wrapper = { [1] = counted } -- whose field 1 is a whole Message

counted[1] = true
counted[3], counted[4], counted[5], counted[6] = content(2, 3, 8, 11, 25), content(1, 16), content(3, 4, 5, 16), content(1, 30)
counted[7], counted[8], counted[9] = content(2, 7, 10, 20), content(2, 7, 9, 21), content(2, 6, 7, 13, 20)
counted[12] = { [1] = true, [2] = true, [14] = counted, [15] = true }
counted[18], counted[26] = content(6, 16), content(4, 5, 8, 13)
counted[28] = { [1] = true, [2] = true, [4] = true, [5] = true, [6] = true, [7] = forwarded }
counted[49], counted[60], counted[64], counted[66] = poll(), poll(), poll(), content(2, 6, 7, 13, 20)
counted[88] = { [1] = true, [2] = fields(1), [3] = forwarded }
for _, number in ipairs { 37, 53, 55, 58, 59, 74, 87, 92, 93, 94 } do counted[number] = wrapper end

local function varint(value)
  if value <= 0x7f then return string.char(value) end
  local bytes = {}
  while value > 0x7f do
    bytes[#bytes + 1] = string.char(value & 0x7f | 0x80)
    value = value >> 7
  end
  return table.concat(bytes) .. string.char(value)
end

-- Puts the bytes of fields in the order of their numbers, those of one number as they came.
local function sort(kept, numbers)
  local order, sorted = {}, {}
  for i = 1, #kept do order[i] = i end
  table.sort(order, function(a, b) return numbers[a] < numbers[b] or numbers[a] == numbers[b] and a < b end)
  for i, from in ipairs(order) do sorted[i] = kept[from] end
  return sorted
end

-- The fields of a message that count, in the order of their numbers, as nearly every encoder writes them.
local function filter(bytes, wanted)
  local kept, numbers, last, ordered = {}, {}, 0, true
  for after, number, from, value, wire in wire_fields.each(bytes) do
    local inner, part = wanted[number], nil
    if inner == true then
      part = bytes:sub(from, after - 1)
    elseif inner and wire == LENGTH_DELIMITED then
      part = filter(bytes:sub(value, after - 1), inner)
      part = part ~= "" and varint(number << 3 | wire) .. varint(#part) .. part or nil
    end
    if part then
      kept[#kept + 1], numbers[#numbers + 1] = part, number
      ordered, last = ordered and number >= last, number
    end
  end
  return table.concat(ordered and kept or sort(kept, numbers))
end

local reporting = {}

--- What of a message's bytes counts.
-- @string bytes of a Message, without padding
-- @treturn string "" when nothing does
function reporting.content(bytes) return filter(bytes, counted) end

--- The token of a message.
-- @string secret its messageSecret
-- @string id of the message
-- @string sender bare JID of its author, of the namespace of the chat
-- @string chat where it goes
-- @string counts what counts of it
-- @treturn string 16 bytes
function reporting.token(secret, id, sender, chat, counts)
  return crypto.hmac_sha256(crypto.hkdf(secret, 32, id .. sender .. chat .. LABEL), counts):sub(1, BYTES)
end

local without_token = {
  reactionMessage = true, encReactionMessage = true, pollUpdateMessage = true, encEventResponseMessage = true, keepInChatMessage = true,
}

--- The child of a message's stanza that holds its token; nil when it has none.
-- @tparam table message
-- @string bytes the same, encoded
-- @string id
-- @string sender bare JID of its author, of the namespace of the chat
-- @string chat the stanza's `to`
-- @treturn ?table node
function reporting.node(message, bytes, id, sender, chat)
  local secret = message.messageContextInfo and message.messageContextInfo.messageSecret
  if not secret or without_token[messages.content(messages.unwrap(message))] then return nil end
  local counts = reporting.content(bytes)
  if counts == "" then return nil end
  return stanza.node("reporting", nil, {
    stanza.node("reporting_token", { v = VERSION }, reporting.token(secret, id, sender, chat, counts)),
  })
end

return reporting
