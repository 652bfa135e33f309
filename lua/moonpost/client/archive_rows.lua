--- Rows of the archive (moonpost.client.archive): their keys, and what their bytes say.
-- @module moonpost.client.archive_rows
local core = require "moonpost.core"
local messages = require "moonpost.client.messages"
local rows = require "moonpost.client.rows"

local proto, crypto = core.proto, core.crypto

local PART = 80 -- bytes of a chat, id or person in a key; what is longer is hashed

local archive_rows = {}

-- What an own message has become, by its number in StoreMessage.
local words = { "pending", "sent", "delivered", "read", "played", "failed" }
local numbers = {}
for number, word in ipairs(words) do numbers[word] = number end

-- Contents that act on another message, and are nothing to refer to themselves. Own ones are kept for resends alone.
local acts = {
  protocolMessage = true, reactionMessage = true, encReactionMessage = true, pollUpdateMessage = true, encEventResponseMessage = true,
  secretEncryptedMessage = true, editedMessage = true, pinInChatMessage = true, keepInChatMessage = true, pollAddOptionMessage = true,
  deviceSentMessage = true, messageHistoryBundle = true, stickerSyncRmrMessage = true,
}

-- What people answer for weeks.
local long = { eventMessage = true }
for _, version in ipairs { "", "V2", "V3", "V4", "V5", "V6" } do long["pollCreationMessage" .. version] = true end

--- How long a Message is kept, as a letter: "o" an ordinary one, "l" polls and events, "s" for resends alone; nil when it is nothing
-- to keep at all.
function archive_rows.class_of(message)
  for _ = 1, 2 do -- polls may be named by a wrapper
    local name = messages.content(message)
    if not name then return nil end
    if long[name] then return "l" end
    if acts[name] then return "s" end
    message = messages.unwrap(message)
  end
  return messages.content(message) and "o"
end

--- A part of a key. Text of others may be long, and hold what separates parts.
function archive_rows.part(text)
  if #text <= PART and not text:find("\0", 1, true) and not text:find("#", 1, true) then return text end
  return "#" .. crypto.hex(crypto.sha256(text))
end

local part = archive_rows.part

--- What the key of a message and those of its add-ons have in common.
function archive_rows.key(chat, id, author) return part(chat) .. "\0" .. part(id) .. "\0" .. part(author) end

--- The messageSecret of a Message, 32 bytes, or nil.
function archive_rows.secret_of(message)
  local secret = message and message.messageContextInfo and message.messageContextInfo.messageSecret
  return secret and #secret == rows.SECRET_BYTES and secret or nil
end

--- Reads a message's row.
-- @treturn ?table StoreMessage
-- @treturn string|table the letter of how long it is kept; an error when it is damaged
-- @treturn ?int time
function archive_rows.read(value)
  if #value < 9 then return nil, core.error("damaged", "it ends without its time") end
  local row, err = proto.decode("StoreMessage", value:sub(1, -10))
  if not row then return nil, core.error("damaged", "it cannot be decoded: " .. err.message) end
  return row, value:sub(-9, -9), (">I8"):unpack(value, #value - 7)
end

--- Fields of an entry from a row, its key's parts given.
function archive_rows.to_fields(row, chat, id, author)
  chat = row.chat or chat
  return {
    chat = chat, id = row.id or id, sender = row.sender or author, from_me = row.fromMe or false, name = row.name, bytes = row.message,
    only_secret = row.secret, status = words[row.status or 0], to = row.to or chat, edited_bytes = row.edited, edited = row.editedAt,
    revoked = row.revokedBy, revoked_at = row.revokedAt,
    deleted = row.deletedAt,
  }
end

--- The row of an entry.
function archive_rows.write(entry)
  local chat, id, sender = entry.chat, entry.id, entry.sender
  return assert(proto.encode("StoreMessage", {
    message = entry.bytes, secret = entry.only_secret, name = entry.name, fromMe = entry.from_me or nil,
    status = numbers[entry.status], to = entry.to ~= chat and entry.to or nil, edited = entry.edited_bytes, editedAt = entry.edited,
    revokedBy = entry.revoked, revokedAt = entry.revoked_at, deletedAt = entry.deleted, chat = part(chat) ~= chat and chat or nil,
    id = part(id) ~= id and id or nil, sender = part(sender) ~= sender and sender or nil,
  })) .. entry.keep .. rows.time(entry.time)
end

--- An add-on's row.
function archive_rows.write_addon(who, bytes) return ("s4"):pack(who) .. bytes .. rows.time(core.net.time()) end

--- Reads an add-on's row: who, bytes, time; nil when it is damaged.
function archive_rows.read_addon(value)
  local read, who, from = pcall(string.unpack, "s4", value)
  if not read or #value - from < 7 then return nil end
  return who, value:sub(from, -9), (">I8"):unpack(value, #value - 7)
end

return archive_rows
