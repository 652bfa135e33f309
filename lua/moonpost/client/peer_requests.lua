--- What this device asks of the own phone (fact sheet 03 §9), kept for a day: a phone that could not read it gets it once more.
--
--     <message id to="own account" type="text" category="peer" push_priority="high_force" [privacy_sensitive="1"]>
--       <meta appdata="default"/><enc/>
--     </message>
--
-- Table "dedupe": "q" id -> the Message, time.
-- @module moonpost.client.peer_requests
local core = require "moonpost.core"
local rows = require "moonpost.client.rows"
local stanza = require "moonpost.stanza"
local proto = core.proto

local PeerRequests = {}
PeerRequests.__index = PeerRequests

--- The own account as these messages name it; also the phone, device 0, as its session is named.
function PeerRequests:phone() return self.client.me.lid or self.client.me.jid end

-- Whether a request tells of what people write to each other (03 §9).
local function is_sensitive(bytes)
  local protocol = assert(proto.decode("Message", bytes)).protocolMessage
  local request = protocol and protocol.peerDataOperationRequestMessage
  return request ~= nil and request.peerDataOperationRequestType == "HISTORY_SYNC_ON_DEMAND"
end

--- The stanza of a request; a ratchet moves, so it belongs into a transaction with the outbox row.
-- @string id
-- @string to as the stanza names the phone
-- @string bytes of the Message
-- @string device the phone as its session is named
-- @tparam ?int count of an answer to a retry receipt
-- @treturn ?table node
-- @treturn ?table err when the phone cannot be encrypted for
function PeerRequests:build(id, to, bytes, device, count)
  local one = self.client.account:encrypt({ device }, bytes)[1]
  if not one.ciphertext then return nil, one.error end
  return stanza.node("message", {
    id = id, to = to, type = "text", category = "peer", push_priority = "high_force",
    privacy_sensitive = is_sensitive(bytes) and "1" or nil,
  }, {
    stanza.node("meta", { appdata = "default" }), stanza.node("enc", { v = "2", type = one.type, count = count }, one.ciphertext),
    one.type == "pkmsg" and stanza.node("device-identity", nil, self.client.me.deviceIdentity) or nil,
  })
end

--- Puts a request into the outbox; inside a transaction, with a session there.
-- @tparam table message Message
-- @treturn ?string id of the request
-- @treturn ?table err
function PeerRequests:send(message)
  local client, id, to = self.client, self.client.sender:new_id(), self:phone()
  local bytes = assert(proto.encode("Message", message))
  local node, err = self:build(id, to, bytes, to)
  if not node then return nil, err end
  local added
  added, err = client.outbox:add { id = id, to = to, stanza = core.wire.encode(node) }
  if not added then return nil, err end
  client.store:put("dedupe", "q" .. id, bytes .. rows.time(core.net.time()))
  return id
end

--- The Message of a request, as bytes; nil when it is not known any more.
function PeerRequests:find(id)
  local value = self.client.store:get("dedupe", "q" .. rows.short(id))
  return value and value:sub(1, -9)
end

return function(client) return setmetatable({ client = client }, PeerRequests) end
