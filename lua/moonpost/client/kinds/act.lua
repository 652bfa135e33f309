--- What is done to messages, and to a chat (fact sheet 03 §16.2-16.8, 05 §7): edits, revokes, pins, messages kept in a chat that forgets,
-- and its timer. What a reaction is stands in moonpost.client.kinds.reaction; what all of it does, in moonpost.client.effects.
-- @module moonpost.client.kinds.act
local context = require "moonpost.client.kinds.context"
local key = require "moonpost.client.kinds.key"
local messages = require "moonpost.client.messages"

local act = { read = {}, protocol = {}, acts = { "edit", "revoke", "pin", "keep", "expiration", "member_label", "deleted_for_me" } }

--- The ProtocolMessage of a content: bare, or in the wrapper of edits. Nil when there is none.
function act.protocol_of(content)
  if content.protocolMessage then return content.protocolMessage end
  local edited = content.editedMessage and content.editedMessage.message
  return edited and messages.unwrap(edited).protocolMessage
end

--- The Message an edit puts in place of another; nil when it has none.
function act.new_content(protocol) return protocol and protocol.editedMessage end

-- An edit shows what the message says now: its text, whom it mentions, the table of its kind.
function act.protocol.MESSAGE_EDIT(protocol, m, client)
  local new = act.new_content(protocol)
  local content = messages.unwrap(new or {})
  local info = context.of(content[messages.content(content)])
  if info then context.read(info, m, client) end
  local said = { chat = m.chat, sender = m.sender, from_me = m.from_me, group = m.group }
  context.kinds.describe(content, said, client)
  for name, value in pairs(said) do
    if m[name] == nil then m[name] = value end
  end
  m.kind, m.edited, m.target = "edit", true, key.read(protocol.key, m, client)
end

function act.read.editedMessage(content, m, client)
  act.protocol.MESSAGE_EDIT(act.protocol_of { editedMessage = content } or {}, m, client)
end

function act.protocol.REVOKE(protocol, m, client)
  m.kind, m.target = "revoke", key.read(protocol.key, m, client)
end

--- `m.expiration`: seconds after which messages of the chat disappear from now on; 0: never.
function act.protocol.EPHEMERAL_SETTING(protocol, m)
  m.kind, m.expiration = "expiration", protocol.ephemeralExpiration or 0
end

--- `m.label`: what a member of a group is called there from now on; "" when that was taken away (05 §7.5).
function act.protocol.GROUP_MEMBER_LABEL_CHANGE(protocol, m)
  m.kind, m.label = "member_label", protocol.memberLabel and protocol.memberLabel.label or ""
end

--- `m.pinned`: whether it was pinned, or taken off; `m.seconds`: for how long.
function act.read.pinInChatMessage(content, m, client, message)
  local info = message.messageContextInfo or m.message and m.message.messageContextInfo or {}
  m.kind, m.target, m.pinned = "pin", key.read(content.key, m, client), content.type == "PIN_FOR_ALL"
  m.seconds = m.pinned and info.messageAddOnDurationInSecs or nil
end

--- `m.kept`: whether it stays in a chat that forgets, or does so no more.
function act.read.keepInChatMessage(content, m, client)
  m.kind, m.target = "keep", key.read(content.key, m, client)
  m.kept = content.keepType == "KEEP_FOR_ALL"
end

return act
