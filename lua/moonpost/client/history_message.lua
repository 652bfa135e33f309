--- A message of the past: a WebMessageInfo of the phone's (fact sheet 06 §13.6, 04 §6.3).
-- @module moonpost.client.history_message
local act = require "moonpost.client.kinds.act"
local core = require "moonpost.core"
local kinds = require "moonpost.client.kinds"
local messages = require "moonpost.client.messages"
local people = require "moonpost.client.kinds.people"
local places = require "moonpost.client.places"

local proto, jid = core.proto, core.wire.jid

local ID_MAX = 128 -- bytes, as of a message that comes

local past = {}

--- A JID as the phone's history writes it, in the form that stays the same: numbers may be of `c.us`, or alone. Nil when it is none.
-- @param client
-- @param any
function past.jid(client, any)
  if type(any) ~= "string" then return nil end
  local user, server = jid.parse(any)
  if not server or server == "" then user, server = any:match "^%d+$", "s.whatsapp.net" end
  if server == "c.us" then server = "s.whatsapp.net" end
  if not user or user == "" or not jid.parse(user .. "@" .. server) then return nil end
  return client.lids:stable(jid.make(user, server))
end

--- A push name; nil of what stands for none.
function past.name(name) return name ~= "" and name ~= "-" and name or nil end

local of_two = { lid = true, ["s.whatsapp.net"] = true, newsletter = true }

-- What is known of a chat: a chunk has thousands of messages of each.
local function about(self, chat)
  local known = self.chats[chat]
  if not known then
    known = { of_two = of_two[select(2, jid.parse(chat))] or false, group = messages.is_group(chat), place = places.of(chat) }
    self.chats[chat] = known
  end
  return known
end

-- Who wrote it. In a group the phone may not say of what nobody wrote.
local function sender_of(self, info, chat, from_me)
  if from_me then return self.me end
  if about(self, chat).of_two then return chat end
  return past.jid(self.client, info.participant) or past.jid(self.client, info.key.participant) or chat
end

-- The number of who wrote it, or nil.
local function phone_of(self, sender)
  local known = self.phones[sender]
  if known == nil then
    known = self.client.lids:phone(sender) or false
    self.phones[sender] = known
  end
  return known or nil
end

-- An edit stands for the message that was edited, as it reads now.
local function as_edited(one)
  if one.message.conversation or one.message.extendedTextMessage then return end -- nearly always
  local protocol = act.protocol_of(messages.unwrap(one.message))
  local new = protocol and protocol.type == "MESSAGE_EDIT" and act.new_content(protocol)
  local id = new and protocol.key and protocol.key.id
  if not id or id == "" or #id > ID_MAX then return end
  one.id, one.message, one.bytes = id, new, assert(proto.encode("Message", new))
  one.edited = (protocol.timestampMs or one.time * 1000) / 1000
end

local Past = {}
Past.__index = Past

--- Reads one.
-- @string bytes WebMessageInfo
-- @tparam ?string chat the conversation it is of, stable; else its own key says so
-- @treturn ?table {id, chat, sender, from_me, time, name, info (StorePast), message, bytes (Message), edited}; nil when it is no message
--   of a chat, or cannot be read
function Past:read(bytes, chat)
  local client, info = self.client, proto.decode("StorePast", bytes)
  local key = info and info.key
  local id = key and key.id
  chat = chat or key and past.jid(client, key.remoteJid)
  if not id or id == "" or #id > ID_MAX or not chat then return nil end
  local message = proto.decode("Message", info.message or "")
  if not message then return nil end
  local from_me = key.fromMe or false
  local one = {
    id = id, chat = chat, sender = sender_of(self, info, chat, from_me), from_me = from_me, time = info.messageTimestamp or 0,
    name = past.name(info.pushName), info = info, message = messages.from_own_device(message), bytes = info.message or "",
  }
  as_edited(one)
  return one
end

-- How far an own message has come.
local statuses = {
  ERROR = "failed", PENDING = "pending", SERVER_ACK = "sent", DELIVERY_ACK = "delivered", READ = "read", PLAYED = "played",
}

--- How far an own message has come, as a word; nil of others'.
function past.status(one) return one.from_me and (statuses[one.info.status] or "sent") or nil end

--- Who does something to a message of the past, by the key of that.
-- @tparam table one the message
-- @tparam ?table key MessageKey
-- @treturn ?string bare JID
function past.actor(client, one, key)
  if not key then return nil end
  if key.fromMe then return people.me(client) end
  return past.jid(client, key.participant) or not messages.is_group(one.chat) and past.jid(client, key.remoteJid) or nil
end

local function reactions_of(client, one)
  local list = {}
  for _, reaction in ipairs(one.info.reactions) do
    local who = past.actor(client, one, reaction.key)
    if who and (reaction.text or "") ~= "" then
      list[#list + 1] = { sender = who, emoji = reaction.text, time = (reaction.senderTimestampMs or 0) / 1000 }
    end
  end
  return #list > 0 and list or nil
end

--- A message of the past as handlers are told of it: fields as of a message event, and `status`, `starred`, `edited`, `reactions`; kind
-- "system" with `system` = { type, parameters } of what no person wrote, such as that somebody has joined a group.
-- @tparam table one as `read` gives it
-- @treturn table m
function Past:describe(one)
  local info, known = one.info, about(self, one.chat)
  local m = {
    id = one.id, chat = one.chat, group = known.group, place = known.place, sender = one.sender, phone = phone_of(self, one.sender),
    from_me = one.from_me, name = one.name, time = one.time, age = math.max(0, self.now - one.time), raw = one.bytes,
    status = past.status(one), starred = info.starred, edited = one.edited, reactions = info.reactions and reactions_of(self.client, one),
    history = true,
  }
  if info.messageStubType and info.messageStubType ~= "UNKNOWN" then
    m.kind, m.system = "system", { type = tostring(info.messageStubType), parameters = info.messageStubParameters or {} }
  end
  return kinds.read(one.message, m, self.client)
end

--- What reads the messages of a chunk: it remembers whom they are of.
function past.reader(client)
  return setmetatable({
    client = client, chats = {}, phones = {}, me = people.me(client), now = client.connection:server_time(),
  }, Past)
end

return past
