--- Peer messages: what the own phone tells its companions, never shown to people (fact sheet 04 §5).
-- @module moonpost.client.peer
local core = require "moonpost.core"

local jid = core.wire.jid

local Peer = {}
Peer.__index = Peer

-- By ProtocolMessage.type: fn(self, envelope, protocol, plaintext).
local on = {}

function on.APP_STATE_SYNC_KEY_SHARE(self, _, protocol) self.client.appstate:keys_came(protocol.appStateSyncKeyShare) end

function on.HISTORY_SYNC_NOTIFICATION(self, envelope, protocol)
  self.client.past:came(envelope, protocol.historySyncNotification or {})
end

-- What the phone answers to what this device has asked it for.
function on.PEER_DATA_OPERATION_REQUEST_RESPONSE_MESSAGE(self, envelope, protocol, plaintext)
  local answer = protocol.peerDataOperationRequestResponseMessage or {}
  if answer.peerDataOperationRequestType == "PLACEHOLDER_MESSAGE_RESEND" then return self.client.missing:answered(envelope, answer) end
  self.client.journal:keep_raw(envelope.node, plaintext)
end

-- What only the phone may say, no other own device (05 §7.5).
local of_phone = { HISTORY_SYNC_NOTIFICATION = true, PEER_DATA_OPERATION_REQUEST_RESPONSE_MESSAGE = true }

local function pretends(self, envelope, protocol)
  if not of_phone[protocol.type] or select(3, jid.parse(envelope.sender)) == 0 then return false end
  local err = core.error("forged", ("message %s: %s claims to be the own phone"):format(envelope.id, envelope.sender))
  self.client.store:after_commit(function() self.client:emit("error", err) end)
  return true
end

--- Handles the message of the own phone or of another own device; inside the message's transaction.
function Peer:message(envelope, message, plaintext)
  local protocol = message.protocolMessage
  if protocol and pretends(self, envelope, protocol) then return end
  local handler = protocol and on[protocol.type]
  if handler then return handler(self, envelope, protocol, plaintext) end
  self.client.journal:keep_raw(envelope.node, plaintext)
end

return function(client) return setmetatable({ client = client }, Peer) end
