--- Acting on messages (fact sheet 03 §16.2-16.8, 11): methods of the client. Each takes the message it acts on, m: a message event, what
-- `client:message` returns, or {chat=, id=, sender=, from_me=}; options as `client:send` takes them. In a task; each returns
-- {id=, time=} of the message that tells it, or nil and an error.
-- @module moonpost.client.actions
local core = require "moonpost.core"
local hidden = require "moonpost.client.hidden"
local key = require "moonpost.client.kinds.key"
local kinds = require "moonpost.client.kinds"
local limits = require "moonpost.client.limits"
local message_status = require "moonpost.client.message_status"
local messages = require "moonpost.client.messages"
local places = require "moonpost.client.places"

local DAY = 24 * 3600

local actions = {}

local function milliseconds() return math.floor(core.net.time() * 1000) end

local function not_allowed(text, ...) return nil, core.error("not-allowed", text:format(...)) end

-- The message acted on, under its stable names.
local function target_of(client, m)
  local sender = m.sender or m.from_me and client.me.jid or nil
  return {
    chat = client.lids:stable(m.chat), id = m.id, sender = sender and client.lids:stable(sender), from_me = m.from_me or false,
  }
end

-- Sends what tells it, and does the same here once the server has it.
local function tell(client, chat, message, options, effect)
  local sent, err = client:send(chat, message, options)
  if sent then client.store:atomic(effect, sent) end
  return sent, err
end

local function unknown(m, revoked)
  local why = revoked and "was deleted" or "is not known any more"
  return nil, core.error("unknown-message", ("message %s in %s %s"):format(m.id, m.chat, why))
end

local captioned = { imageMessage = true, videoMessage = true, documentMessage = true }

-- A copy of a content that has a caption, with another.
local function with_caption(message, caption)
  local content, wrappers = messages.unwrap(message)
  local name = messages.content(content)
  if not captioned[name] then return nil end
  local copy = {}
  for field, value in pairs(content[name]) do copy[field] = value end
  copy.caption = caption
  local new = { [name] = copy }
  return wrappers and wrappers.documentWithCaptionMessage and { documentWithCaptionMessage = { message = new } } or new
end

-- What an edit puts in place: another text, or the same picture with another caption.
local function new_content(client, entry, spec, options)
  local name = options.said_by or "client:edit"
  local text = type(spec) == "table" and spec.text or spec
  local same = type(text) == "string" and with_caption(entry:latest() or {}, text)
  if same then return same end
  local message, wrong = kinds.build(spec, { client = client, chat = entry.chat })
  if not message then error(("%s: %s"):format(name, wrong), 0) end
  if (messages.text_of(message) or "") == "" then error(name .. ": a message is edited into a text that is not empty", 0) end
  return message
end

local worded = { conversation = true, extendedTextMessage = true }

-- Whether a message can be edited now.
local function check_editable(entry, m)
  if not entry or not entry.bytes then return unknown(m, entry and entry.revoked) end
  local content = messages.content((messages.unwrap(entry:latest())))
  if not worded[content] and not captioned[content] then
    return nil, core.error("not-allowed", ("message %s is no text: only texts, captions and events can be edited"):format(m.id))
  end
  local age = core.net.time() - entry.time
  if age > limits.EDIT_SECONDS then
    return nil, core.error("too-late", ("message %s is %d minutes old: it can be edited for %d"):format(m.id, age // 60,
      limits.EDIT_SECONDS // 60))
  end
  return true
end

--- Edits an own text, the caption of an own picture, video or document, or an own event.
-- @tparam table m
-- @tparam string|table spec a text, or { text =, mentions = }; of an event what is to be another: { starts =, cancelled = true, … }
-- @treturn ?table {id=, time=}
-- @treturn ?table err code "not-allowed": it is somebody else's; "too-late": it is older than 20 minutes; "unknown-message"
function actions:edit(m, spec, options)
  options = options or {}
  if not m.from_me then return not_allowed("message %s is %s's: only its author can edit it", m.id, m.sender) end
  local target = target_of(self, m)
  local entry = self.archive:get(target.chat, target.id, target.sender)
  if entry and entry.bytes and messages.unwrap(entry:latest()).eventMessage then return self.answering:edit_event(target, spec, options) end
  local done = options.cause and self.sender:done(options.cause)
  local ok, err = done, nil
  if not done then ok, err = check_editable(entry, m) end
  if not ok then return nil, err end
  if not entry then return done end
  local new, at = new_content(self, entry, spec, options), milliseconds()
  return tell(self, entry.chat, { editedMessage = { message = { protocolMessage = {
    key = key.write(target, self), type = "MESSAGE_EDIT", editedMessage = new, timestampMs = at,
  } } } }, options, function() self.effects:edited(target, new, at) end)
end

-- Whether the own account may delete what somebody else wrote.
local function may_delete(client, m)
  if m.from_me then return true end
  if not messages.is_group(m.chat) then
    return not_allowed("message %s is %s's: in a chat of two only its author can delete it for all", m.id, m.sender)
  end
  local group, err = client.groups:get(m.chat)
  local me = group and client.groups:member(group, client.me.jid)
  if group and not (me and me.rank) then
    return not_allowed("message %s is %s's, and this account is no admin of %s", m.id, m.sender, m.chat)
  end
  return group, err
end

--- Deletes a message for everybody: an own one, or as an admin one of a group.
-- @treturn ?table {id=, time=}
-- @treturn ?table err code "not-allowed"
function actions:delete(m, options)
  local ok, err = may_delete(self, m)
  if not ok then return nil, err end
  local target = target_of(self, m)
  return tell(self, m.chat, { protocolMessage = { key = key.write(target, self), type = "REVOKE" } }, options, function(sent)
    if target.sender then self.effects:revoked(target, self.lids:stable(self.me.jid), sent.time) end
  end)
end

--- Deletes a message for this account alone, on all its devices; nobody else is told, and it cannot be taken back.
-- @treturn ?boolean true
-- @treturn ?table err code "no-key": the phone has not shared the key for it; those of moonpost.client.appstate
function actions:delete_for_me(m) return hidden.delete(self, target_of(self, m), m.time and math.floor(m.time)) end

--- Reacts to a message; an empty emoji takes the reaction back. In the announcement group of a community only its author is told.
-- @string emoji
function actions:react(m, emoji, options)
  local group = messages.is_group(m.chat) and self.groups:get(m.chat)
  if group and group.announcements then return self.answering:react(target_of(self, m), emoji, options) end
  local target, at = target_of(self, m), milliseconds()
  return tell(self, m.chat, { reactionMessage = { key = key.write(target, self), text = emoji, senderTimestampMs = at } }, options,
    function() self.effects:reacted(target, self.lids:stable(self.me.jid), emoji, at) end)
end

local pin_seconds = { [DAY] = true, [7 * DAY] = true, [30 * DAY] = true }

local function pin(client, m, on, seconds, options)
  local target = target_of(client, m)
  return tell(client, m.chat, {
    pinInChatMessage = {
      key = key.write(target, client), type = on and "PIN_FOR_ALL" or "UNPIN_FOR_ALL", senderTimestampMs = milliseconds(),
    },
    messageContextInfo = { messageAddOnDurationInSecs = seconds },
  }, options, function() client.effects:marked("pin", target, client.lids:stable(client.me.jid), on, seconds) end)
end

--- Pins a message for everybody.
-- @tparam ?int seconds a day, a week (usual) or 30 days
function actions:pin(m, seconds, options)
  seconds = seconds or 7 * DAY
  if not pin_seconds[seconds] then error("a message is pinned for 86400, 604800 or 2592000 seconds, not " .. tostring(seconds), 0) end
  return pin(self, m, true, math.tointeger(seconds), options)
end

--- Takes a pin off.
function actions:unpin(m, options) return pin(self, m, false, 0, options) end

local function keep(client, m, on, options)
  local target = target_of(client, m)
  return tell(client, m.chat, { keepInChatMessage = {
    key = key.write(target, client), keepType = on and "KEEP_FOR_ALL" or "UNDO_KEEP_FOR_ALL", timestampMs = milliseconds(),
  } }, options, function() client.effects:marked("keep", target, client.lids:stable(client.me.jid), on) end)
end

--- Keeps a message in a chat whose messages disappear.
function actions:keep(m, options) return keep(self, m, true, options) end

--- Keeps it no more.
function actions:unkeep(m, options) return keep(self, m, false, options) end

--- Forwards a message to another chat.
-- @tparam table m a message event, or what `client:message` returns
-- @string chat
-- @treturn ?table {id=, time=}
-- @treturn ?table err code "forward": it cannot be
function actions:forward(m, chat, options)
  if not m.kind then m = self:message(m.chat, m.id) or m end
  if not m.kind then return unknown(m, m.revoked) end
  local message, err = kinds.forward(m)
  if not message then return nil, err end
  local all = { forwarded = m }
  for name, value in pairs(options or {}) do all[name] = value end
  return self:send(chat, message, all)
end

local timers = { [0] = true, [DAY] = true, [7 * DAY] = true, [90 * DAY] = true }

--- Sets after how long messages of a chat disappear.
-- @string chat a person's or a group's
-- @int seconds 0 (never), 86400, 604800 or 7776000
function actions:set_expiration(chat, seconds, options)
  if not timers[seconds] then error("messages disappear after 86400, 604800 or 7776000 seconds, or never: 0", 0) end
  if messages.is_group(chat) then return self.groups:set(chat, { ephemeral = seconds }) end
  local now = math.floor(core.net.time())
  return tell(self, chat, { protocolMessage = {
    type = "EPHEMERAL_SETTING", ephemeralExpiration = math.tointeger(seconds), ephemeralSettingTimestamp = now,
  } }, options, function() self.timers:set(self.lids:stable(chat), math.tointeger(seconds), now) end)
end

-- An entry of the archive as handlers are told of messages.
local function describe(client, entry)
  local m = {
    id = entry.id, chat = entry.chat, group = messages.is_group(entry.chat), place = places.of(entry.chat), sender = entry.sender,
    phone = client.lids:phone(entry.sender), from_me = entry.from_me, name = entry.name, time = entry.time,
    age = math.max(0, client.connection:server_time() - entry.time), raw = entry.edited_bytes or entry.bytes,
    edited = entry.edited and entry.edited / 1000, revoked = entry.revoked, revoked_at = entry.revoked_at,
    deleted = entry.deleted,
  }
  local message = entry:latest()
  if not message then return m end
  kinds.read(message, m, client)
  if entry.edited and not m.quoted then m.quoted = kinds.read(entry:message(), { chat = m.chat, sender = m.sender }, client).quoted end
  return m
end

for _, name in ipairs { "vote", "respond", "comment" } do -- moonpost.client.answering
  actions[name] = function(client, m, ...) return client.answering[name](client.answering, m, ...) end
end

--- A message that came or was sent, as it is now.
-- @string chat bare JID
-- @string id
-- @tparam ?string sender bare JID; without it the own message of that id, else the oldest one
-- @treturn ?table m: fields as of a message event; edited (when, Unix seconds), revoked (by whom) and revoked_at;
--   deleted (when, for this account alone); kind nil when its words
--   are not known: deleted, too large, or older than there is an archive. Nil when there is no such message
function actions:message(chat, id, sender)
  if type(chat) ~= "string" or type(id) ~= "string" then error("client:message expects a chat and an id", 0) end
  local entry = self.archive:get(chat, id, sender)
  return entry and describe(self, entry)
end

--- What has become of an own message: "pending", "sent", "failed", or how far all it was for have come: "delivered", "read", "played".
-- Nil when it is not known.
function actions:status_of(m)
  local target = target_of(self, m)
  local entry = self.archive:get(target.chat, target.id, self.me.jid)
  return entry and message_status(self, entry)
end

return actions
