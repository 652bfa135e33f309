--- What a message does to others (fact sheet 04 §15, 05 §7): edits, revokes, reactions, pins, and the timer of a chat. It is done in the
-- message's own transaction, so that `bot:message` shows it before any handler hears of it. What somebody has no right to is told as
-- an error and heard by nobody.
-- @module moonpost.client.effects
local act = require "moonpost.client.kinds.act"
local context = require "moonpost.client.kinds.context"
local core = require "moonpost.core"
local key = require "moonpost.client.kinds.key"
local limits = require "moonpost.client.limits"
local messages = require "moonpost.client.messages"
local task = require "moonpost.task"

local proto = core.proto

local ONLINE_SECONDS = 1 -- of a wait for the connection, before it is looked whether the client ends

local Effects = {}
Effects.__index = Effects

-- The envelope as keys inside its message are read by.
local function viewpoint(envelope)
  return { chat = envelope.chat, sender = envelope.author, from_me = envelope.from_me, group = messages.is_group(envelope.chat) }
end

-- Tells why something was not done. Returns that no handler is to hear of it.
local function refuse(self, envelope, code, text, ...)
  local err = core.error(code, ("message %s from %s in %s "):format(envelope.id, envelope.author, envelope.chat) .. text:format(...))
  self.client.store:after_commit(function() self.client:emit("error", err) end)
  return false
end

-- What is merely out of date: not done, not heard, no error.
local function pass_over(self, envelope, text, ...)
  self.client.log:debug("message %s from %s in %s is passed over: " .. text, envelope.id, envelope.author, envelope.chat, ...)
  return false
end

local function time_of(given, envelope) return math.max(0, given or envelope.time * 1000) end

local function apply_edit(entry, new, at) entry.edited, entry.edited_bytes = at, new end

--- Puts other words in place of an own message's, or takes them from it, as this device has told everybody.
function Effects:edited(target, new, at)
  self.client.archive:update(target.chat, target.id, target.sender, function(entry)
    apply_edit(entry, assert(proto.encode("Message", new)), at)
  end)
end

local function edit(self, envelope, protocol)
  local archive, target = self.client.archive, key.read(protocol.key, viewpoint(envelope), self.client)
  local new = act.new_content(protocol)
  if not target or not new then return refuse(self, envelope, "malformed", "edits nothing") end
  local entry = archive:get(target.chat, target.id, envelope.author)
  local other = not entry and archive:get(target.chat, target.id)
  if other or target.sender and target.sender ~= envelope.author then
    return refuse(self, envelope, "not-allowed", "edits message %s, which is %s's", target.id, other and other.sender or target.sender)
  end
  if not entry then return true end
  local at = time_of(protocol.timestampMs, envelope)
  if entry.revoked or entry.deleted then return pass_over(self, envelope, "message %s was deleted", target.id) end
  if envelope.time - entry.time > limits.EDIT_SECONDS then
    return refuse(self, envelope, "too-late", "edits message %s, which is %d s old", target.id, envelope.time - entry.time)
  end
  if entry.edited and entry.edited >= at then return pass_over(self, envelope, "a later edit of message %s is known", target.id) end
  local bytes = assert(proto.encode("Message", new))
  if #bytes > limits.MESSAGE then return refuse(self, envelope, "limit", "edits message %s into %d bytes", target.id, #bytes) end
  archive:update(target.chat, target.id, envelope.author, function(one) apply_edit(one, bytes, at) end)
  return true
end

--- Marks a message as deleted for everybody: its words go. One that has not come yet is not heard when it comes.
-- @tparam table target chat, id, sender, from_me
-- @string by bare JID
-- @int time Unix seconds
function Effects:revoked(target, by, time)
  local found = self.client.archive:update(target.chat, target.id, target.sender, function(entry)
    entry.revoked, entry.revoked_at, entry.bytes, entry.edited_bytes, entry.only_secret = by, time, nil, nil, nil
  end)
  if not found then self.client.archive:put_revoked(target, by, time) end
end

-- Whether somebody may delete what others write in a group: nil when the group's members are not known.
local function is_admin(self, group, who)
  local known = self.client.groups:known(group)
  if not known then return nil end
  local member = self.client.groups:member(known, who)
  return member ~= nil and member.rank ~= nil
end

local function revoke(self, envelope, protocol)
  local target = key.read(protocol.key, viewpoint(envelope), self.client)
  if not target then return refuse(self, envelope, "malformed", "deletes nothing") end
  local entry = not target.sender and self.client.archive:get(target.chat, target.id)
  target.sender = target.sender or entry and entry.sender
  if not target.sender then return true end
  if target.sender ~= envelope.author and not envelope.from_me then
    local allowed = messages.is_group(envelope.chat) and is_admin(self, envelope.chat, envelope.author)
    if allowed == nil then return "ask" end
    if not allowed then return refuse(self, envelope, "not-allowed", "deletes message %s of %s", target.id, target.sender) end
  end
  self:revoked(target, envelope.author, envelope.time)
  return true
end

local REACTION = ">I8" -- of a reaction's add-on, before the emoji: when, Unix milliseconds

--- Keeps somebody's reaction to a message; "" is one that was taken back. Inside a transaction.
-- @tparam table target chat, id, sender (may be missing)
-- @string who bare JID
-- @string emoji
-- @int at Unix milliseconds, by the clock of who reacts
-- @treturn ?boolean false: a later one is known; nil: there is no such message
function Effects:reacted(target, who, emoji, at)
  local archive = self.client.archive
  local entry = archive:get(target.chat, target.id, target.sender)
  if not entry then return nil end
  local before = archive:addon_get("reaction", entry.chat, entry.id, entry.sender, who)
  if before and REACTION:unpack(before) > at then return false end
  archive:addon_put("reaction", entry.chat, entry.id, entry.sender, who, REACTION:pack(at) .. emoji)
  return true
end

local function react(self, envelope, content)
  local target, emoji = key.read(content.key, viewpoint(envelope), self.client), content.text or ""
  if not target then return refuse(self, envelope, "malformed", "reacts to nothing") end
  if #emoji > limits.REACTION then return refuse(self, envelope, "malformed", "reacts with %d bytes", #emoji) end
  local kept = self:reacted(target, envelope.author, emoji, time_of(content.senderTimestampMs, envelope))
  if kept == nil then
    self.client.log:debug("message %s from %s reacts to message %s, which is not known", envelope.id, envelope.author, target.id)
  end
  if kept == false then return pass_over(self, envelope, "a later reaction to message %s is known", target.id) end
  return true
end

--- Notes that a message was pinned, or kept in a chat that forgets, or is so no more. Inside a transaction.
-- @string kind "pin" or "keep"
-- @tparam table target chat, id, sender (may be missing)
-- @string by bare JID
-- @bool on
-- @tparam ?int seconds for how long
function Effects:marked(kind, target, by, on, seconds)
  local archive = self.client.archive
  local entry = archive:get(target.chat, target.id, target.sender)
  if not entry then return end
  if not on then return archive:addon_delete(kind, entry.chat, entry.id, entry.sender, "") end
  archive:addon_put(kind, entry.chat, entry.id, entry.sender, "", (">I4s2"):pack(math.min(seconds or 0, 0xffffffff), by))
end

local function mark(self, kind, envelope, content, on, seconds)
  local target = key.read(content.key, viewpoint(envelope), self.client)
  if not target then return refuse(self, envelope, "malformed", "names no message to %s", kind) end
  self:marked(kind, target, envelope.author, on, seconds)
  return true
end

-- When a timer was set, by the clock of who says so: no later than that was said, since what is set later replaces it.
local function not_later(seconds, envelope) return math.max(0, math.min(seconds, envelope.time)) end

local function set_timer(self, envelope, protocol)
  if messages.is_group(envelope.chat) then
    return refuse(self, envelope, "not-allowed", "sets a timer as in a chat of two")
  end
  local since = not_later(protocol.ephemeralSettingTimestamp or envelope.time, envelope)
  if self.client.timers:set(envelope.chat, protocol.ephemeralExpiration or 0, since) then return true end
  return pass_over(self, envelope, "a later timer is known")
end

local protocols = {
  MESSAGE_EDIT = edit, REVOKE = revoke, EPHEMERAL_SETTING = set_timer, EPHEMERAL_SYNC_RESPONSE = set_timer,
}

local contents = { reactionMessage = react }

function contents.protocolMessage(self, envelope, protocol)
  local fn = protocols[protocol.type or "REVOKE"]
  return not fn or fn(self, envelope, protocol)
end

function contents.editedMessage(self, envelope, _, content) return edit(self, envelope, act.protocol_of(content) or {}) end

function contents.pinInChatMessage(self, envelope, pin, _, message)
  local info = message.messageContextInfo or {}
  return mark(self, "pin", envelope, pin, pin.type == "PIN_FOR_ALL", info.messageAddOnDurationInSecs)
end

function contents.keepInChatMessage(self, envelope, keep)
  return mark(self, "keep", envelope, keep, keep.keepType == "KEEP_FOR_ALL")
end

--- Does what a message that came does to others; inside its transaction.
-- @tparam table envelope
-- @tparam table message
-- @tparam table content the same without its wrappers
-- @treturn boolean|string whether handlers are to hear of it; "ask": the group's members have to be asked for first (`settle`)
function Effects:apply(envelope, message, content)
  local name = messages.content(content)
  local fn, value = contents[name], content[name]
  if fn then return fn(self, envelope, value, content, message) end
  local info = envelope.kind == "direct" and context.of(value)
  if info then self.client.timers:learn(envelope.chat, info.expiration or 0, not_later(info.ephemeralSettingTimestamp or 0, envelope)) end
  return true
end

-- A group, which has to be asked for; while there is no connection that waits. Nil without an error: the client ends.
local function asked_for(client, chat)
  while not client.journal.closing do
    local group, err = client.groups:get(chat)
    if group or err.code ~= "closed" then return group, err end
    if client.connection.final or client.connection.stopped then return nil end
    task.sleep(0) -- the connection counts as online until the loop has heard of its end
    client.connection:wait_online(ONLINE_SECONDS)
  end
end

--- Does what had to wait for a group's members, in the turn of its handler. In a task.
-- @tparam table row of the journal
-- @treturn ?boolean whether handlers are to hear of it; nil: the client ends, and it is to be done in the next run
function Effects:settle(row)
  local client = self.client
  local group, err = asked_for(client, row.chat)
  if not group and not err then return nil end
  local envelope = { id = row.id, chat = row.chat, author = row.sender, from_me = row.fromMe, time = row.time }
  if not group then return refuse(self, envelope, err.code, "deletes a message, and its right is not known: %s", err.message) end
  local content = messages.unwrap(assert(proto.decode("Message", row.message)))
  return client.store:atomic(function() return revoke(self, envelope, act.protocol_of(content)) == true end)
end

--- The reactions to a message: array of {sender (bare JID), emoji, time (Unix seconds, by the clock of who reacts)}, oldest first.
function Effects:reactions(target)
  local archive, list = self.client.archive, {}
  local entry = archive:get(target.chat, target.id, target.sender)
  if not entry then return list end
  archive:addon_each("reaction", entry.chat, entry.id, entry.sender, function(who, bytes)
    if #bytes <= 8 then return end
    list[#list + 1] = { sender = who, emoji = bytes:sub(9), time = REACTION:unpack(bytes) / 1000 }
  end)
  table.sort(list, function(a, b)
    if a.time ~= b.time then return a.time < b.time end
    return a.sender < b.sender
  end)
  return list
end

--- How a message is pinned or kept: {by =, seconds =, time =}; nil when it is not.
function Effects:mark_of(kind, target)
  local archive = self.client.archive
  local entry = archive:get(target.chat, target.id, target.sender)
  if not entry then return nil end
  local bytes, time = archive:addon_get(kind, entry.chat, entry.id, entry.sender, "")
  if not bytes or #bytes < 6 then return nil end
  local seconds, by = (">I4s2"):unpack(bytes)
  if kind == "pin" and seconds > 0 and time + seconds < core.net.time() then return nil end
  return { by = by, seconds = seconds, time = time }
end

return function(client) return setmetatable({ client = client }, Effects) end
