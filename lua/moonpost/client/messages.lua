--- Messages as tables: building the few kinds we send, reading what kind came.
-- @module moonpost.client.messages
local messages = {}

--- A Message of a text, quoting `quote` (a message event) when it is given.
function messages.text(text, quote)
  if not quote then return { conversation = text } end
  return { extendedTextMessage = { text = text, contextInfo = {
    stanzaId = quote.id, participant = quote.sender_address or quote.sender, quotedMessage = quote.message,
  } } }
end

--- A reaction to a message event; an empty emoji takes it back (fact sheet 03 §16).
function messages.reaction(m, emoji, now)
  return { reactionMessage = {
    key = { remoteJid = m.chat_address or m.chat, fromMe = m.from_me, id = m.id }, text = emoji, senderTimestampMs = math.floor(now * 1000),
  } }
end

local wrappers = { "ephemeralMessage", "viewOnceMessage", "viewOnceMessageV2", "documentWithCaptionMessage" }

--- What is inside the wrappers that only say how a message is shown.
function messages.unwrap(message)
  for _ = 1, 4 do
    local inner
    for _, name in ipairs(wrappers) do inner = inner or (message[name] and message[name].message) end
    if not inner then return message end
    message = inner
  end
  return message
end

--- The text a person wrote, or nil; a reaction has none.
function messages.text_of(message)
  return message.conversation or message.extendedTextMessage and message.extendedTextMessage.text
end

local not_content = { messageContextInfo = true, senderKeyDistributionMessage = true, _unknown = true }

--- What a message is: "text", "reaction", "image", "protocol", … or nil when it holds nothing for people.
function messages.kind(message)
  if message.conversation or message.extendedTextMessage then return "text" end
  for name in pairs(message) do
    if not not_content[name] then return (name:gsub("Message$", "")) end
  end
end

--- The quoted message {id=, sender=, text=, message=} of a message, or nil.
function messages.quoted(message)
  for _, content in pairs(message) do
    local info = type(content) == "table" and content.contextInfo
    if type(info) == "table" and info.stanzaId and info.quotedMessage then
      return { id = info.stanzaId, sender = info.participant, message = info.quotedMessage, text = messages.text_of(info.quotedMessage) }
    end
  end
end

--- The stanza's `type` for a message (fact sheet 03 §14).
function messages.stanza_type(message)
  if message.reactionMessage then return "reaction" end
  local kind = messages.kind(message)
  return (kind == "text" or kind == "protocol" or kind == nil) and "text" or "media"
end

return messages
