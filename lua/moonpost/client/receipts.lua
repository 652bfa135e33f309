--- Confirming what came, and hearing what became of what we sent (fact sheet 04 §7, §8).
-- @module moonpost.client.receipts
local core = require "moonpost.core"
local stanza = require "moonpost.stanza"
local jid = core.wire.jid

local Receipts = {}
Receipts.__index = Receipts

-- The official client writes no `type` on these, whatever the stanza says (§7.1).
local function ack_type(node)
  if node.tag == "message" then return nil end
  if node.tag == "notification" and (node.attrs.type == "devices" or node.attrs.type == "encrypt") then return nil end
  return node.attrs.type
end

local function ack_address(node)
  return node.attrs.type == "server_sync" and node.tag == "notification" and "s.whatsapp.net" or node.attrs.from
end

--- Acknowledges a stanza; with an error it is a refusal (§14).
function Receipts:ack(node, error_code)
  local me = self.client.me
  self.client.connection:send(stanza.node("ack", {
    class = node.tag, id = node.attrs.id, to = ack_address(node), participant = node.attrs.participant, recipient = node.attrs.recipient,
    type = ack_type(node), error = error_code,
    from = node.tag == "message" and me and jid.make((jid.parse(me.jid)), "s.whatsapp.net", me.device) or nil,
  }))
end

--- Confirms a message that is safe in the store (§7.2, §7.3).
-- @tparam table envelope of the message (moonpost.client.envelope)
function Receipts:confirm(envelope)
  local node = envelope.node
  local attrs = { id = envelope.id, to = node.attrs.from, participant = node.attrs.participant }
  if envelope.kind == "peer" then
    attrs.type = "peer_msg"
  elseif envelope.from_me and envelope.kind == "direct" then
    attrs.type, attrs.recipient = "sender", node.attrs.recipient
  elseif envelope.from_me and envelope.kind == "group" then
    return self:ack(node)
  end
  self.client.connection:send(stanza.node("receipt", attrs))
end

--- Confirms a history notification, besides its peer receipt.
function Receipts:history(envelope)
  self.client.connection:send(stanza.node("receipt", { id = envelope.id, to = self.client.me.jid, type = "hist_sync" }))
end

--- Asks the sender for the message again (§9.2), with fresh keys, once those are durable.
-- @int count how often this message was asked for, from 1
-- @int reason why it could not be read (§9.3)
function Receipts:retry(envelope, count, reason)
  local client, node = self.client, envelope.node
  local public = client.account:public()
  local prekey = client.account:new_prekeys(1)[1]
  client.account:mark_uploaded(prekey.id, prekey.id)
  local receipt = stanza.node("receipt", {
    id = envelope.id, to = node.attrs.from, type = "retry", participant = node.attrs.participant, recipient = node.attrs.recipient,
    category = envelope.kind == "peer" and "peer" or nil,
  }, {
    stanza.node("retry", { v = "1", count = count, id = envelope.id, t = node.attrs.t, error = reason }),
    stanza.node("registration", nil, (">I4"):pack(public.registration_id)),
    stanza.node("keys", nil, {
      stanza.node("type", nil, "\5"), stanza.node("identity", nil, public.identity),
      stanza.node("key", nil, { stanza.node("id", nil, (">I3"):pack(prekey.id)), stanza.node("value", nil, prekey.public) }),
      stanza.node("skey", nil, {
        stanza.node("id", nil, (">I3"):pack(public.signed_prekey.id)), stanza.node("value", nil, public.signed_prekey.public),
        stanza.node("signature", nil, public.signed_prekey.signature),
      }),
      stanza.node("device-identity", nil, client.me.deviceIdentity),
    }),
  })
  client.store:after_commit(function() client.connection:send(receipt) end)
end

--- A receipt that came.
function Receipts:receipt(node)
  local from, id = node.attrs.from, node.attrs.id
  if not from or not id then return self:ack(node, 487) end
  self:ack(node)
  local ids = { id }
  for _, item in stanza.children(stanza.child(node, "list"), "item") do ids[#ids + 1] = item.attrs.id end
  local client = self.client
  client:emit("receipt", {
    chat = client.lids:stable(jid.bare(node.attrs.recipient or from)), sender = client.lids:stable(node.attrs.participant or from),
    ids = ids, type = node.attrs.type or "delivery", time = math.tointeger(tonumber(node.attrs.t)),
  })
end

return function(client) return setmetatable({ client = client }, Receipts) end
