--- What the stanza around a message says of its content (fact sheet 03 §14, 05 §12): `type`, `edit`, on each enc `mediatype` and
-- `decrypt-fail`, and the child `<meta>`.
-- @module moonpost.client.labels
local messages = require "moonpost.client.messages"
local stanza = require "moonpost.stanza"

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

local function number_of(value, names) return names[value] or value end

local secret_types = { EVENT_EDIT = 1, MESSAGE_EDIT = 2, MESSAGE_SCHEDULE = 3, POLL_EDIT = 4, POLL_ADD_OPTION = 5 }
local EVENT_EDIT, MESSAGE_EDIT, POLL_EDIT, POLL_ADD_OPTION = 1, 2, 4, 5

local function secret_type(content) return number_of(content.secretEncType, secret_types) end

local secret_edits = { [EVENT_EDIT] = "event", [POLL_EDIT] = "poll", [POLL_ADD_OPTION] = "poll" }

-- §14.1: what is neither `text` nor, by its mediatype, `media`.
local types = {
  reactionMessage = "reaction", encReactionMessage = "reaction", pollCreationMessage = "poll", pollCreationMessageV2 = "poll",
  pollCreationMessageV3 = "poll", pollCreationMessageV5 = "poll", pollCreationMessageV6 = "poll", pollUpdateMessage = "poll",
  eventMessage = "event", encEventResponseMessage = "event",
  secretEncryptedMessage = function(content) return secret_edits[secret_type(content)] end,
}

local hidden_protocols = {
  MESSAGE_EDIT = true, [14] = true, EPHEMERAL_SYNC_RESPONSE = true, [4] = true, REQUEST_WELCOME_MESSAGE = true, [18] = true,
  GROUP_MEMBER_LABEL_CHANGE = true, [30] = true,
}

-- §14.4: what leaves no "waiting for this message" behind when it cannot be read. Never a revoke: the server drops hidden ones.
local hidden = {
  reactionMessage = true, encReactionMessage = true, pollUpdateMessage = true, pinInChatMessage = true, keepInChatMessage = true,
  editedMessage = true, encEventResponseMessage = true, messageHistoryNotice = true, conditionalRevealMessage = true,
  secretEncryptedMessage = function(content)
    local type = secret_type(content)
    return type == MESSAGE_EDIT or secret_edits[type] ~= nil
  end,
  protocolMessage = function(content) return content.editedMessage ~= nil or hidden_protocols[content.type] end,
}

-- The author's own revoke, or an admin's of somebody else's words.
local function protocol_edit(protocol)
  if protocol.editedMessage or protocol.type == "MESSAGE_EDIT" or protocol.type == 14 then return "1" end
  if protocol.type ~= "REVOKE" and protocol.type ~= 0 then return nil end
  return (protocol.key or {}).fromMe == false and "8" or "7"
end

-- §14.3, by the field that holds the content: fn(content) -> value or nil.
local edits = {
  editedMessage = function() return "1" end,
  protocolMessage = protocol_edit,
  pinInChatMessage = function() return "2" end,
  reactionMessage = function(content) return content.text == "" and "7" or nil end,
  keepInChatMessage = function(content)
    return content.keepType == "UNDO_KEEP_FOR_ALL" and content.key and content.key.fromMe and "7" or nil
  end,
  secretEncryptedMessage = function(content)
    local type = secret_type(content)
    return (type == MESSAGE_EDIT or type == EVENT_EDIT) and "1" or nil
  end,
}

local function is_quiz(content) return content.pollType == "QUIZ" or content.pollType == 1 end

local function poll_creation(content) return { polltype = is_quiz(content) and "quiz_creation" or "creation" } end

local function member_label(content)
  local label = content.memberLabel and content.memberLabel.label or ""
  return { appdata = "member_tag", tag_reason = label == "" and "user_delete" or "user_update" }
end

-- §14.7, by the field that holds the content: fn(content) -> attributes of <meta>, or nil.
local metas = {
  pollCreationMessage = poll_creation, pollCreationMessageV2 = poll_creation, pollCreationMessageV3 = poll_creation,
  pollCreationMessageV5 = poll_creation, pollCreationMessageV6 = poll_creation,
  pollUpdateMessage = function() return { polltype = "vote" } end,
  pollResultSnapshotMessage = function() return { polltype = "result_snapshot" } end,
  pollResultSnapshotMessageV3 = function() return { polltype = "result_snapshot" } end,
  eventMessage = function() return { event_type = "creation" } end,
  encEventResponseMessage = function() return { event_type = "response" } end,
  secretEncryptedMessage = function(content)
    local kind = secret_edits[secret_type(content)]
    return kind == "poll" and { polltype = "edit" } or kind == "event" and { event_type = "edit" } or nil
  end,
  encCommentMessage = function(content)
    local key = content.targetMessageKey or {}
    return { thread_msg_id = key.id, thread_msg_sender_jid = key.participant }
  end,
  protocolMessage = function(content)
    local is_label = content.type == "GROUP_MEMBER_LABEL_CHANGE" or content.type == 30
    return is_label and member_label(content) or nil
  end,
}

local once = { viewOnceMessage = true, viewOnceMessageV2 = true, viewOnceMessageV2Extension = true }

local function is_once(wrappers, content)
  for name in pairs(wrappers or {}) do
    if once[name] then return true end
  end
  return type(content) == "table" and content.viewOnce or false
end

local function value_of(row, content)
  if type(row) == "function" then return row(content) end
  return row
end

--- The labels of a message.
-- @tparam table message Message
-- @treturn table stanza attributes: type, edit
-- @treturn table attributes of each enc: mediatype, decrypt-fail
-- @treturn ?table the child <meta>, or nil
return function(message)
  local inner, wrappers = messages.unwrap(message)
  local name = messages.content(inner)
  local content = name and inner[name]
  local mediatype = wrappers and wrappers.lottieStickerMessage and "sticker" or value_of(mediatypes[name], content)
  local meta = value_of(metas[name], content)
  if is_once(wrappers, content) then
    meta = meta or {}
    meta.view_once = "true"
  end
  return { type = value_of(types[name], content) or (mediatype and "media" or "text"), edit = value_of(edits[name], content) },
    { mediatype = mediatype, ["decrypt-fail"] = value_of(hidden[name], content) and "hide" or nil },
    meta and stanza.node("meta", meta)
end
