--- What assistants (bot JIDs) answer: encrypted not by a session but under the secret of the question (fact sheet 05 §10).
-- @module moonpost.client.assistants
local core = require "moonpost.core"
local messages = require "moonpost.client.messages"
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
  if meta.target_sender_jid then return jid.bare(meta.target_sender_jid) end
  local me = self.client.me
  return select(2, jid.parse(envelope.sender)) == "bot" and me.lid or me.jid
end

-- An answer comes in pieces: a later one takes the place of the first.
local function as_edit(envelope, of, plaintext)
  local message = assert(proto.decode("Message", plaintext))
  if messages.unwrap(message).protocolMessage then return plaintext end
  return assert(proto.encode("Message", { protocolMessage = {
    key = { remoteJid = envelope.chat, fromMe = true, id = of.edit_target_id }, type = "MESSAGE_EDIT", editedMessage = message,
    timestampMs = math.tointeger(tonumber(of.sender_timestamp_ms)) or envelope.time * 1000,
  } }))
end

--- Decrypts `<enc type="msmsg">`.
-- @tparam table envelope with its names settled
-- @string bytes MessageSecretMessage
-- @treturn string Message
-- @raise code "no-secret": the question is not known, or it was not encrypted under its secret
function Assistants:decrypt(envelope, bytes)
  local meta, of = attributes(envelope.node, "meta"), attributes(envelope.node, "bot")
  local goes_on = (of.edit == "inner" or of.edit == "last") and of.edit_target_id ~= nil
  local who, chat = asker(self, envelope, meta), meta.target_chat_jid or envelope.chat
  local question = meta.target_id and self.client.archive:get(chat, meta.target_id, who)
  local secret = question and question:secret()
  if not secret then refuse("what it answers, message %s, is not known", meta.target_id or "nil") end
  local plaintext, err = self.client.secrets:open_answer(secret, goes_on and of.edit_target_id or envelope.id, who,
    jid.bare(envelope.sender), bytes)
  if not plaintext then refuse("it does not fit what it answers, message %s (%s)", meta.target_id, err.message) end
  return goes_on and proto.decode("Message", plaintext) and as_edit(envelope, of, plaintext) or plaintext
end

return function(client) return setmetatable({ client = client }, Assistants) end
