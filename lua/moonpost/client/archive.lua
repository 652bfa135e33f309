--- The archive: messages that came and were sent, with what became of them, for as long as somebody may refer to them: resends to
-- devices that could not read one, quotes, edits, votes. One row each, written with the message's ratchet step, in table "message":
--
--     "m" chat 00 id 00 author                      -> StoreMessage, how long it is kept (a letter), time
--     "a" chat 00 id 00 author 00 kind 00 who       -> an add-on: who, and what they have to say to the message (a reaction, a vote); time
--
-- Rows go when they are old, and the oldest first when there are too many (moonpost.client.archive_sweep).
-- A chat or person known by the number at the time is found by the LID as well.
-- @module moonpost.client.archive
local archive_rows = require "moonpost.client.archive_rows"
local core = require "moonpost.core"
local limits = require "moonpost.client.limits"
local messages = require "moonpost.client.messages"
local new_sweep = require "moonpost.client.archive_sweep"
local rows = require "moonpost.client.rows"

local proto, jid = core.proto, core.wire.jid

local AUTHORS = 16 -- of messages with one id that are looked at

local Archive = {}
Archive.__index = Archive

local Entry = {}
Entry.__index = Entry

--- The Message as a table, without what wraps copies of own devices; nil when it was not kept.
function Entry:message()
  return self.bytes and messages.from_own_device(assert(proto.decode("Message", self.bytes)))
end

--- The Message as it reads after the last edit.
function Entry:latest()
  if self.edited_bytes then return assert(proto.decode("Message", self.edited_bytes)) end
  return self:message()
end

--- Its messageSecret, 32 bytes; nil when it has none.
function Entry:secret() return self.only_secret or archive_rows.secret_of(self:message()) end

-- What somebody, or something, may be filed under: as it is named now, and by the number it had before.
local function names_of(self, any)
  local stable = self.client.lids:stable(any)
  return { stable, self.client.lids:pn_of(stable) }
end

-- Calls fn(key, chat, author) for each name a message may be filed under, until it returns something.
local function under_each_name(self, chat, id, author, fn)
  local authors = names_of(self, author)
  for _, c in ipairs(names_of(self, chat)) do
    for _, a in ipairs(authors) do
      local found = fn(archive_rows.key(c, id, a), c, a)
      if found then return found end
    end
  end
end

-- A row as an entry. A damaged one is as good as none.
local function to_entry(key, bytes, chat, id, author)
  local row, keep, time = archive_rows.read(bytes)
  if not row then return nil end
  local entry = archive_rows.to_fields(row, chat, id, author)
  entry.key, entry.keep, entry.time = key, keep, time
  return setmetatable(entry, Entry)
end

-- An own message as the server has it: that it took one, and when, stands with the ids of what was sent (moonpost.client.sent), so that
-- its row is written once. Those ids are kept for some days.
local function settled(self, entry)
  if not entry or entry.status ~= "pending" then return entry end
  local time = self.client.sent:time(entry.id)
  if time or not self.client.outbox:holds(entry.id) then entry.status, entry.time = "sent", time or entry.time end
  return entry
end

local function write(self, entry)
  local value = archive_rows.write(entry)
  self.client.store:put("message", "m" .. entry.key, value)
  self.sweeper:grown(#value)
end

local function new(entry, keep)
  return {
    key = archive_rows.key(entry.chat, entry.id, entry.sender), keep = keep, chat = entry.chat, id = entry.id, sender = entry.sender,
    from_me = entry.from_me, name = entry.name, time = entry.time, status = entry.status, to = entry.to or entry.chat,
  }
end

--- Keeps a message; inside its transaction. One that is too large is kept by its secret alone; one that holds nothing for people, or
-- came and only acts on another message, not at all.
-- @tparam table entry chat, id, sender (bare JIDs, stable), from_me, time (Unix seconds), bytes (the Message as its recipients get it),
--   message (the same as a table, without what wraps copies of own devices); name; status and to (the stanza's) of a sent one;
--   known_secret: its messageSecret, where the Message itself may lack it
function Archive:put(entry)
  local keep = archive_rows.class_of(entry.message)
  if not keep or keep == "s" and not entry.status then return end
  local row = new(entry, keep)
  local secret = archive_rows.secret_of(entry.message)
  if #entry.bytes <= limits.MESSAGE then row.bytes = entry.bytes else row.only_secret = secret end
  if not secret and #(entry.known_secret or "") == rows.SECRET_BYTES then row.only_secret = entry.known_secret end
  write(self, row)
end

--- Keeps what is known of a message by its secret alone.
-- @tparam table entry chat, id, sender, from_me, time, secret
function Archive:put_secret(entry)
  local row = new(entry, "l")
  row.only_secret = entry.secret
  write(self, row)
end

--- Keeps that a message was deleted before it came.
-- @tparam table target chat, id, sender, from_me
-- @string by bare JID
-- @int time Unix seconds
function Archive:put_revoked(target, by, time)
  local row = new({
    chat = self.client.lids:stable(target.chat), id = target.id, sender = target.sender, from_me = target.from_me, time = time,
  }, "o")
  row.revoked, row.revoked_at = by, time
  write(self, row)
end

--- Marks a message as deleted for this account alone: its words go. One that has not come yet is not heard when it comes. Inside a
-- transaction.
-- @tparam table target chat, id, sender, from_me
-- @int time Unix seconds
function Archive:hide(target, time)
  local found = self:update(target.chat, target.id, target.sender, function(entry)
    entry.deleted, entry.bytes, entry.edited_bytes, entry.only_secret = time, nil, nil, nil
  end)
  if found then return end
  local row = new({ chat = target.chat, id = target.id, sender = target.sender, from_me = target.from_me, time = time }, "o")
  row.deleted = time
  write(self, row)
end

--- Whether a message was deleted before it came, under whichever name its chat and author were known then.
function Archive:was_deleted(chat, id, author)
  return under_each_name(self, chat, id, author, function(key)
    local bytes = self.client.store:get("message", "m" .. key)
    local row = bytes and archive_rows.read(bytes)
    return row and (row.revokedBy or row.deletedAt) ~= nil
  end) or false
end

-- Which of several authors' messages with one id is meant: the own one, else the oldest.
local function better(one, other)
  if not one or one.from_me ~= other.from_me then return (not one or other.from_me) and other or one end
  return other.time < one.time and other or one
end

local function by_any_author(self, chat, id)
  local best
  for _, c in ipairs(names_of(self, chat)) do
    local prefix = ("m%s\0%s\0"):format(archive_rows.part(c), archive_rows.part(id))
    for _, pair in ipairs(self.client.store:range("message", prefix, AUTHORS)) do
      local entry = to_entry(pair[1]:sub(2), pair[2], c, id, pair[1]:sub(#prefix + 1))
      best = entry and better(best, entry) or best
    end
  end
  return best
end

--- A message that is kept.
-- @string chat bare JID
-- @string id
-- @tparam ?string author bare JID; without it the own message of that id, else the oldest one
-- @treturn ?table entry chat, id, sender, from_me, name, time, bytes (nil when it was too large), to; status ("pending", "sent",
--   "delivered", "read", "played", "failed"; nil of others' messages); edited (Unix milliseconds) and edited_bytes after an edit;
--   revoked (by whom) and revoked_at; deleted (when, for this account alone); methods message(), latest() and secret()
function Archive:get(chat, id, author)
  if not author then return settled(self, by_any_author(self, chat, id)) end
  return settled(self, under_each_name(self, chat, id, author, function(key, c, a)
    local bytes = self.client.store:get("message", "m" .. key)
    return bytes and to_entry(key, bytes, c, id, a)
  end))
end

local function holds(self, chat, id, author)
  return under_each_name(self, chat, id, author, function(key) return self.client.store:get("message", "m" .. key) end) ~= nil
end

--- Changes a message that is kept; inside a transaction.
-- @func fn fn(entry) changes its fields; false leaves the row as it is
-- @treturn ?table entry, nil when there is none
function Archive:update(chat, id, author, fn)
  local entry = self:get(chat, id, author)
  if entry and fn(entry) ~= false then write(self, entry) end
  return entry
end

-- Of an outbox that was filled before there was an archive.
local function put_late(self, row, status, time)
  local client = self.client
  self:put {
    chat = client.lids:stable(row.to), id = row.id, sender = client.lids:stable(client.me.jid), from_me = true, name = client.me.name,
    time = time or row.time, bytes = row.message, message = assert(proto.decode("Message", row.message)), to = row.to, status = status,
  }
end

--- Notes that a message of the outbox will not be sent.
-- @tparam table row of the outbox, the message itself
function Archive:failed(row)
  local entry = self:update(row.to, row.id, self.client.me.jid, function(entry) entry.status = "failed" end)
  if not entry then put_late(self, row, "failed") end
end

--- Sees to it that a message of the outbox is kept which the server took.
-- @tparam table row of the outbox, the message itself
-- @number time Unix seconds: when
function Archive:sent(row, time)
  if not holds(self, row.to, row.id, self.client.me.jid) then put_late(self, row, "sent", time) end
end

-- What the keys of a message's add-ons of a kind begin with: it is as the message is filed, or would be now.
local function addon_prefix(self, kind, chat, id, author)
  local key = under_each_name(self, chat, id, author, function(key) return self.client.store:get("message", "m" .. key) and key end)
  key = key or archive_rows.key(self.client.lids:stable(chat), id, self.client.lids:stable(author))
  return ("a%s\0%s\0"):format(key, kind)
end

local function names_of_who(self, who) return jid.parse(who) and names_of(self, who) or { who } end

--- Keeps an add-on, in place of the one this person had of the kind; inside a transaction.
-- @string kind a word
-- @string chat of the message it is for
-- @string id
-- @string author
-- @string who bare JID, or another name of one add-on of the message
-- @string bytes
function Archive:addon_put(kind, chat, id, author, who, bytes)
  local prefix, names = addon_prefix(self, kind, chat, id, author), names_of_who(self, who)
  if names[2] then self.client.store:delete("message", prefix .. archive_rows.part(names[2])) end
  local value = archive_rows.write_addon(names[1], bytes)
  self.client.store:put("message", prefix .. archive_rows.part(names[1]), value)
  self.sweeper:grown(#value)
end

--- Takes an add-on away.
function Archive:addon_delete(kind, chat, id, author, who)
  local prefix = addon_prefix(self, kind, chat, id, author)
  for _, name in ipairs(names_of_who(self, who)) do self.client.store:delete("message", prefix .. archive_rows.part(name)) end
end

--- An add-on's bytes, and when it was kept (Unix seconds); nil when there is none.
function Archive:addon_get(kind, chat, id, author, who)
  local prefix = addon_prefix(self, kind, chat, id, author)
  for _, name in ipairs(names_of_who(self, who)) do
    local value = self.client.store:get("message", prefix .. archive_rows.part(name))
    if value then return select(2, archive_rows.read_addon(value)) end
  end
end

--- Calls fn(who, bytes, time) for each add-on of a kind.
function Archive:addon_each(kind, chat, id, author, fn)
  rows.each(self.client.store, "message", addon_prefix(self, kind, chat, id, author), function(_, value)
    local who, bytes, time = archive_rows.read_addon(value)
    if who then fn(jid.parse(who) and self.client.lids:stable(who) or who, bytes, time) end
  end)
end

--- Drops what is too old or too much. In a task.
-- @number now Unix seconds
function Archive:sweep(now) self.sweeper:run(now) end

--- The rows are not what they were.
function Archive:recount() self.sweeper:recount() end

return function(client) return setmetatable({ client = client, sweeper = new_sweep(client) }, Archive) end
