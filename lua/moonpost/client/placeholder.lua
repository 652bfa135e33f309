--- Asking the own phone for a message this device could not read, and its answer (fact sheet 04 §6.2, §6.3):
--
--     ProtocolMessage PEER_DATA_OPERATION_REQUEST_MESSAGE, PLACEHOLDER_MESSAGE_RESEND   ->   …_RESPONSE_MESSAGE, a WebMessageInfo
-- @module moonpost.client.placeholder
local core = require "moonpost.core"
local messages = require "moonpost.client.messages"

local proto, jid = core.proto, core.wire.jid

local KIND = "PLACEHOLDER_MESSAGE_RESEND"

local placeholder = {}

-- The key the phone finds the message by.
local function key_of(row)
  local participant = messages.is_group(row.chat) and not row.fromMe and row.sender or nil
  return { remoteJid = row.chat, fromMe = row.fromMe or false, id = row.id, participant = participant }
end

--- Makes sure there is a session with the phone. In a task.
function placeholder.prepare(client) return client.devices:ensure_sessions { client.peer_requests:phone() } end

--- Puts the request into the outbox; inside a transaction, with a session there.
-- @tparam table row StoreMissing
-- @treturn ?string id of the request
-- @treturn ?table err
function placeholder.ask(client, row)
  return client.peer_requests:send { protocolMessage = {
    type = "PEER_DATA_OPERATION_REQUEST_MESSAGE", peerDataOperationRequestMessage = {
      peerDataOperationRequestType = KIND, placeholderMessageResendRequest = { { messageKey = key_of(row) } },
    },
  } }
end

-- Whether a message of the phone's is the one a row stands for.
local function is_of(client, row, info)
  local key, lids = info.key or {}, client.lids
  if key.id ~= row.id or (key.fromMe or false) ~= (row.fromMe or false) or not jid.parse(key.remoteJid or "") then return false end
  if lids:stable(jid.bare(key.remoteJid)) ~= row.chat then return false end
  local author = info.participant or key.participant
  if not messages.is_group(row.chat) or row.fromMe then return true end
  return author ~= nil and jid.parse(author) ~= nil and lids:stable(jid.bare(author)) == row.sender
end

--- The message in an answer; nil when the phone has nothing, or something else.
-- @tparam table answer PeerDataOperationRequestResponseMessage
-- @tparam table row StoreMissing
-- @treturn ?table Message
function placeholder.read(client, answer, row)
  if answer.peerDataOperationRequestType ~= KIND then return nil end
  for _, result in ipairs(answer.peerDataOperationResult or {}) do
    local bytes = result.placeholderMessageResendResponse and result.placeholderMessageResendResponse.webMessageInfoBytes
    local info = bytes and proto.decode("WebMessageInfo", bytes)
    if info and info.message and is_of(client, row, info) then return info.message end
  end
end

return placeholder
