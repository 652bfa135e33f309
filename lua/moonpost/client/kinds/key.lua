--- The key by which a message points at another (fact sheet 03 §16, 04 §15.1, §15.2).
-- @module moonpost.client.kinds.key
local core = require "moonpost.core"
local people = require "moonpost.client.kinds.people"

local ID_MAX = 128 -- bytes, as of a message's own id

local key = {}

-- Whose message a key points at, by who wrote it: `fromMe` is the writer's. Nil when it does not say.
local function author_of(found, m, client)
  local named = found.participant and people.stable(client, found.participant)
  if m.from_me then
    if found.fromMe then return m.sender end
    return named or not m.group and m.chat or nil
  end
  if found.fromMe then return m.sender end
  return named or not m.group and people.me(client) or nil
end

--- The message a key points at, seen from here.
-- @tparam ?table found MessageKey
-- @tparam table m the event whose message holds it: chat, sender, from_me, group
-- @param client
-- @treturn ?table {chat, id, sender = nil when the key does not name the author, from_me}; nil when it points at nothing
function key.read(found, m, client)
  local id = found and found.id
  if not id or id == "" or #id > ID_MAX then return nil end
  local sender = author_of(found, m, client)
  return { chat = m.chat, id = id, sender = sender, from_me = sender ~= nil and people.is_me(client, sender) }
end

local of_two = { lid = true, ["s.whatsapp.net"] = true } -- chats of two people, by their server

--- The key of a message.
-- @tparam table m what is pointed at: chat, id, sender, from_me
-- @param client whose group wants its members named by number; nil: people are named as `m` does
-- @treturn table MessageKey
function key.write(m, client)
  local from_me = m.from_me or false
  local named = not from_me and m.sender and not of_two[select(2, core.wire.jid.parse(m.chat))]
  return { remoteJid = m.chat, fromMe = from_me, id = m.id, participant = named and people.namer(client, m.chat)(m.sender) or nil }
end

return key
