--- What the stanza around a message says of its content (fact sheet 03 §14): `type`, `edit`, and on each enc `mediatype` and
-- `decrypt-fail`.
-- @module moonpost.client.labels
local messages = require "moonpost.client.messages"

local function or_else(field, value, otherwise)
  return function(content) return content[field] and value or otherwise end
end

-- §14.2, by the field that holds the content: the value, or fn(content) -> value.
local mediatypes = {
  imageMessage = "image", videoMessage = or_else("gifPlayback", "gif", "video"), ptvMessage = "ptv",
  audioMessage = or_else("ptt", "ptt", "audio"), documentMessage = "document", stickerMessage = "sticker",
  stickerPackMessage = "sticker_pack", locationMessage = or_else("isLive", "livelocation", "location"),
  liveLocationMessage = "livelocation", contactMessage = "vcard", contactsArrayMessage = "contact_array",
  groupInviteMessage = "url", listMessage = "list", listResponseMessage = "list_response",
  buttonsResponseMessage = "buttons_response", orderMessage = "order", productMessage = "product",
  interactiveResponseMessage = "native_flow_response", messageHistoryBundle = "group_history",
  extendedTextMessage = function(content) return (content.matchedText or ""):find "%S" and "url" or nil end,
}

-- §14.1: what is neither `text` nor, by its mediatype, `media`.
local types = {
  reactionMessage = "reaction", encReactionMessage = "reaction", pollCreationMessage = "poll", pollCreationMessageV2 = "poll",
  pollCreationMessageV3 = "poll", pollCreationMessageV5 = "poll", pollUpdateMessage = "poll", eventMessage = "event",
  encEventResponseMessage = "event",
}

-- §14.4: what leaves no "waiting for this message" behind when it cannot be read.
local hidden = {
  reactionMessage = true, encReactionMessage = true, pollUpdateMessage = true, pinInChatMessage = true, keepInChatMessage = true,
  editedMessage = true, encEventResponseMessage = true, messageHistoryNotice = true,
}

local function protocol_edit(protocol)
  if protocol.editedMessage then return "1" end
  return (protocol.type == "REVOKE" or protocol.type == 0) and "7" or nil
end

-- §14.3, by the field that holds the content: fn(content) -> value or nil. Between two people nobody revokes for another.
local edits = {
  editedMessage = function() return "1" end,
  protocolMessage = protocol_edit,
  pinInChatMessage = function() return "2" end,
  reactionMessage = function(content) return content.text == "" and "7" or nil end,
  keepInChatMessage = function(content)
    return content.keepType == "UNDO_KEEP_FOR_ALL" and content.key and content.key.fromMe and "7" or nil
  end,
}

--- The labels of a message.
-- @tparam table message Message
-- @treturn table stanza attributes: type, edit
-- @treturn table attributes of each enc: mediatype, decrypt-fail
return function(message)
  local inner = messages.unwrap(message)
  local name = messages.content(inner)
  local content = name and inner[name]
  local mediatype = mediatypes[name]
  if message.lottieStickerMessage then mediatype = "sticker" end
  if type(mediatype) == "function" then mediatype = mediatype(content) end
  local hide = hidden[name] or name == "protocolMessage" and content.editedMessage ~= nil
  return { type = types[name] or (mediatype and "media" or "text"), edit = edits[name] and edits[name](content) },
    { mediatype = mediatype, ["decrypt-fail"] = hide and "hide" or nil }
end
