--- What assistants (bot JIDs) answer: encrypted not by a session but under the secret of the question (fact sheet 05 §10).
-- @module moonpost.client.assistants
local core = require "moonpost.core"
local messages = require "moonpost.client.messages"
local people = require "moonpost.client.kinds.people"
local stanza = require "moonpost.stanza"

local proto, jid = core.proto, core.wire.jid

local Assistants = {}
Assistants.__index = Assistants

local function refuse(text, ...) error(core.error("no-secret", text:format(...)), 0) end

local function attributes(node, tag)
  local child = stanza.child(node, tag)
  return child and child.attrs or {}
end

-- Who asked: as the stanza says, else this account, by the name the assistant knows.
local function asker(self, envelope, meta)
  local named = people.stable(nil, meta.target_sender_jid)
  if named then return named end
  local me = self.client.me
  return select(2, jid.parse(envelope.sender)) == "bot" and me.lid or me.jid
end

-- The answer a piece goes on with, when it is none of its own.
local function goes_on(node)
  local of = attributes(node, "bot")
  return (of.edit == "inner" or of.edit == "last") and of.edit_target_id or nil, of
end

--- Decrypts `<enc type="msmsg">`.
-- @tparam table envelope with its names settled
-- @string bytes MessageSecretMessage
-- @treturn string Message
-- @raise code "no-secret": the question is not known, or it was not encrypted under its secret
function Assistants:decrypt(envelope, bytes)
  local meta = attributes(envelope.node, "meta")
  local who, chat = asker(self, envelope, meta), meta.target_chat_jid or envelope.chat
  local question = meta.target_id and self.client.archive:get(chat, meta.target_id, who)
  local secret = question and question:secret()
  if not secret then refuse("what it answers, message %s, is not known", meta.target_id or "nil") end
  local plaintext, err = self.client.secrets:open_answer(secret, goes_on(envelope.node) or envelope.id, who,
    jid.bare(envelope.sender), bytes)
  if not plaintext then refuse("it does not fit what it answers, message %s (%s)", meta.target_id, err.message) end
  return plaintext
end

--- The edit a later piece of an answer stands for: it takes the place of the first.
-- @tparam table envelope
-- @tparam table message as it came
-- @treturn table the Message it stands for, or the same
-- @treturn ?table StoreOpened, for the journal
function Assistants.stands_for(_, envelope, message)
  local enc = envelope.node and stanza.child(envelope.node, "enc")
  if not enc or enc.attrs.type ~= "msmsg" then return message end
  local first, of = goes_on(envelope.node)
  if not first or messages.unwrap(message).protocolMessage then return message end
  local edit = { protocolMessage = {
    key = { remoteJid = envelope.chat, fromMe = true, id = first }, type = "MESSAGE_EDIT", editedMessage = message,
    timestampMs = math.tointeger(tonumber(of.sender_timestamp_ms)) or envelope.time * 1000,
  } }
  return edit, { message = assert(proto.encode("Message", edit)) }
end

return function(client) return setmetatable({ client = client }, Assistants) end
