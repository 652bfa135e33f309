--- From what a caller wants to say to the bytes that are encrypted: whom it goes to, its files, which are uploaded, and its Message.
-- @module moonpost.client.compose
local core = require "moonpost.core"
local kinds = require "moonpost.client.kinds"
local limits = require "moonpost.client.limits"
local new_attached = require "moonpost.client.attached"
local messages = require "moonpost.client.messages"
local places = require "moonpost.client.places"
local rows = require "moonpost.client.rows"

local crypto, proto, jid = core.crypto, core.proto, core.wire.jid

local compose = {}

-- What answers nothing and is answered by nothing has no secret (fact sheet 05 §2.5).
local no_secret = {
  reactionMessage = true, encReactionMessage = true, pollUpdateMessage = true, encEventResponseMessage = true, pinInChatMessage = true,
  keepInChatMessage = true, protocolMessage = true, editedMessage = true,
}

-- A copy with a secret of its own; one the caller set is kept (§13).
local function with_secret(message)
  if no_secret[messages.content(messages.unwrap(message))] then return message end
  if type(message.messageContextInfo or {}) ~= "table" then return message end -- the encoder tells what is wrong
  local copy = {}
  for name, value in pairs(message) do copy[name] = value end
  local info = {}
  for name, value in pairs(message.messageContextInfo or {}) do info[name] = value end
  info.messageSecret = info.messageSecret or crypto.random(32)
  copy.messageContextInfo = info
  return copy
end

-- The bare JID to write to, and which room it is in: "group", "newsletter", "status", or nil: a person's.
local function recipient(to)
  local user, server = jid.parse(to)
  if user and user ~= "" and (server == "s.whatsapp.net" or server == "lid") then return jid.make(user, server) end
  if user and user ~= "" and server == "g.us" then return to, "group" end
  if user and user ~= "" and server == "newsletter" then return to, "newsletter" end
  if to == places.STATUS then return to, "status" end
  if server == "broadcast" then
    return nil, core.error("unsupported", ("%s is a list of people: moonpost sends nothing in bulk"):format(to))
  end
  local number = to:find "^%+?[%d ()-]+$" and to:gsub("%D", "")
  return nil, core.error("invalid", ("'%s' is neither a person's JID (digits@s.whatsapp.net or digits@lid) nor a group's (digits@g.us)%s")
    :format(to, number and number ~= "" and (": that number's JID is %s@s.whatsapp.net"):format(number) or ""))
end

-- Refuses what is too large before anything is made of it.
local function check_size(message, bytes)
  local text = messages.text_of(message) or ""
  local characters = #text > limits.TEXT and utf8.len(text) or 0
  if characters > limits.TEXT then return nil, limits.exceeded("a text", characters, limits.TEXT, "characters") end
  if #bytes > limits.MESSAGE then return nil, limits.exceeded("a message", #bytes, limits.MESSAGE, "bytes") end
  return true
end

-- What a message must hold to be one; a sentence when it does not.
local function lacking(message)
  if messages.text_of(message) == "" then return "the text is empty" end
  if not messages.content(message) then return "the Message is empty" end
  local secret = message.messageContextInfo and message.messageContextInfo.messageSecret
  if secret and #secret ~= rows.SECRET_BYTES then return ("messageSecret must be %d bytes"):format(rows.SECRET_BYTES) end
end

-- Has a group's names and timer known before a message to it is built. What keeps them unknown keeps the message from being sent as
-- well, and is told there.
local function know_group(client, group, by_handler)
  if client.groups:known(group) then return end
  if client.connection:wait_online(client.outbox:patience(by_handler)) then client.groups:get(group) end
end

--- Calls fn; what is wrong with the caller's spec is an error at the caller's line.
-- @string name how the caller's call reads
-- @int level how many calls it is away
function compose.said(name, level, fn, ...)
  local found = table.pack(pcall(fn, ...))
  if found[1] then return table.unpack(found, 2, found.n) end
  local err = found[2]
  if type(err) ~= "table" or err.code ~= "spec" then error(err, 0) end
  error(("%s: %s"):format(name, err.message), level + 1)
end

--- Whom a message goes to. In a task.
-- @string to
-- @tparam table options quote; cause: whether a handler's send
-- @treturn ?table to (bare JID), room ("group", "newsletter", "status", or nil: a person's), chat (stable), quote
-- @treturn ?table err
function compose.aim(client, to, options)
  local bare, room = recipient(to)
  if not bare then return nil, room end
  if room == "group" then know_group(client, bare, options.cause ~= nil) end
  local quote = room ~= "newsletter" and room ~= "status" and options.quote or nil -- nothing is quoted there (03 §12)
  return { to = bare, room = room, chat = client.lids:stable(bare), quote = quote, forwarded = options.forwarded }
end

-- Whether the file of a forwarded message cannot be had where that goes: newsletters have files as they are, each post its own upload,
-- and other chats encrypted ones.
local function is_foreign(aim, m)
  if not m or not m.media or not new_attached.takes(m.kind) then return false end
  return aim.room == "newsletter" or (m.media.reference.mediaKey or "") == ""
end

-- Loads that file and uploads it anew; the Message says where it is then.
local function upload_again(client, aim, m, message)
  local files = new_attached(client, aim.room == "newsletter")
  local fits, file = pcall(files.add, files, "a file", m.kind, m.kind, m.media)
  if not fits then return nil, core.error("forward", tostring(file)) end
  local ok, err = files:upload()
  if not ok then return nil, err end
  local content = messages.unwrap(message)
  files.place(content[messages.content(content)], file)
  return files
end

-- What a forwarded text cannot bring into a newsletter: the large picture of its preview, which is encrypted.
local function leave_picture(aim, message)
  local text = aim.room == "newsletter" and aim.forwarded and messages.unwrap(message).extendedTextMessage
  if text then new_attached.unpicture(text) end
end

--- The Message of a spec, its files uploaded. In a task.
-- @tparam table aim whom to, and `forwarded`: the message whose content the spec is
-- @tparam string|table spec
-- @treturn ?table { message =, handle = of a newsletter's file }
-- @treturn ?table err code "media-…"
-- @raise what is wrong with the spec, at the line of the caller `level` calls away
function compose.draft(client, aim, spec, name, level)
  local again, err
  if is_foreign(aim, aim.forwarded) then
    again, err = upload_again(client, aim, aim.forwarded, spec)
    if not again then return nil, err end
  end
  leave_picture(aim, spec)
  local files = new_attached(client, aim.room == "newsletter")
  local given = { client = client, chat = aim.chat, quote = aim.quote, files = files }
  local message, wrong = kinds.build(spec, given)
  if not message then error(("%s: %s"):format(name, wrong), level) end
  if not files:any() then return { message = message, handle = again and again:handle() } end
  local ok
  ok, err = files:upload()
  if not ok then return nil, err end
  message, wrong = kinds.build(spec, given)
  if not message then error(("%s: %s"):format(name, wrong), level) end
  return { message = message, handle = files:handle() }
end

--- The bytes of a Message, with a secret where it is one that has one.
-- @treturn ?table Message
-- @treturn ?string|table bytes; err code "limit"
-- @raise what is wrong with it, at the line of the caller `level` calls away
function compose.encode(aim, message, name, level)
  if aim.room ~= "newsletter" then message = with_secret(message) end
  local bytes, err = proto.encode("Message", message)
  local wrong = not bytes and tostring(err) or lacking(message)
  if wrong then error(("%s: %s"):format(name, wrong), level) end
  local fits
  fits, err = check_size(message, bytes)
  if not fits then return nil, err end
  return message, bytes
end

return compose
