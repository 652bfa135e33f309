--- Forwarding (fact sheet 05 §5.3): the same content again, with a mark that counts how often; what it quoted and whom it mentioned stay
-- behind, and so does its secret. A content nobody reads goes on exactly as it came, bit for bit.
-- @module moonpost.client.kinds.forward
local core = require "moonpost.core"
local context = require "moonpost.client.kinds.context"
local messages = require "moonpost.client.messages"
local wire_fields = require "moonpost.client.wire_fields"

local MANY, MANY_MARK = 5, 127 -- forwarded so often it is marked as forwarded many times

-- Of Message: what belongs to one sending and not to the content.
local SENDER_KEY, DEVICE_SENT, CONTEXT = 2, 31, 35
local OF_DEVICE_SENT = 2 -- DeviceSentMessage.message

local not_content = { [SENDER_KEY] = true, [15] = true, [CONTEXT] = true }

-- Of ContextInfo: what belongs to the chat it came from.
local stays = {
  "stanzaId", "participant", "quotedMessage", "remoteJid", "mentionedJid", "groupMentions", "nonJidMentions", "expiration",
  "ephemeralSettingTimestamp", "ephemeralSharedSecret", "disappearingMode", "afterReadDuration", "quotedType",
}

-- Wrappers that belong to the content: without them it is not shown, or shown as something else.
local kept = { "documentWithCaptionMessage", "lottieStickerMessage" }

-- The content of a message nobody reads, as it came.
local function exactly(m)
  local raw = m.raw
  if not raw then return { _unknown = m.message._unknown } end
  local sent = wire_fields.value(raw, DEVICE_SENT)
  return { _unknown = wire_fields.without(sent and wire_fields.value(sent, OF_DEVICE_SENT) or raw, not_content) }
end

local function copy_of(fields)
  local copy = {}
  for name, value in pairs(fields) do copy[name] = value end
  return copy
end

--- The Message that forwards one.
-- @tparam table m message event, or a message out of the archive: kind, message, raw
-- @tparam function is_content fn(kind): whether it can be forwarded at all
-- @treturn ?table Message
-- @treturn ?table err code "forward": it is no content, or to be seen once only
return function(m, is_content)
  if not is_content(m.kind) then return nil, core.error("forward", ("a message of kind '%s' cannot be forwarded"):format(m.kind)) end
  if m.view_once then return nil, core.error("forward", "what may be seen once only cannot be forwarded") end
  if m.kind == "unknown" then return exactly(m) end
  local content, wrappers = messages.unwrap(m.message)
  local name = messages.content(content)
  local info = copy_of(context.of(content[name]) or {})
  for _, field in ipairs(stays) do info[field] = nil end
  local score = (info.forwardingScore or 0) + (info.isForwarded and 1 or 0)
  info.isForwarded, info.forwardingScore = true, score >= MANY and MANY_MARK or score
  local value = content[name]
  if type(value) == "table" then
    value = copy_of(value)
    value.contextInfo = nil
  end
  local message = context.add({ [name] = value }, info)
  for _, wrapper in ipairs(kept) do
    if wrappers and wrappers[wrapper] then message = { [wrapper] = { message = message } } end
  end
  return message
end
