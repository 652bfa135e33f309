--- Confirming what came, and hearing what became of what we sent (fact sheet 04 §7, §8).
-- @module moonpost.client.receipts
local attributes = require "moonpost.client.attrs"
local core = require "moonpost.core"
local limits = require "moonpost.client.limits"
local stanza = require "moonpost.stanza"
local jid = core.wire.jid

local MALFORMED, UNHANDLED = 487, 500 -- refusals (§14.1)
local GATHERED = 256 -- ids of one receipt (§7.3)

-- What is confirmed at all, and the codes of failures that are no stanza's fault.
local confirmed = { message = true, status = true, receipt = true, notification = true, call = true }
local ours = { store = true, full = true, damaged = true, memory = true, busy = true, closed = true }

local Receipts = {}
Receipts.__index = Receipts

-- The official client writes no `type` on these, whatever the stanza says (§7.1), and of a call what it is about (10 §10.3).
local function ack_type(node)
  if node.tag == "call" then return (stanza.child(node) or {}).tag end
  if node.tag == "message" or node.tag == "status" then return nil end
  if node.tag == "notification" and (node.attrs.type == "devices" or node.attrs.type == "encrypt") then return nil end
  return node.attrs.type
end

-- What is no JID is not repeated: the ack itself has to be well-formed.
local function named(node, name)
  local value = node.attrs[name]
  return value and jid.parse(value) and value or nil
end

local function ack_address(node)
  return not (node.attrs.type == "server_sync" and node.tag == "notification") and named(node, "from") or "s.whatsapp.net"
end

--- The ack of a stanza; with an error it is a refusal (§14).
function Receipts:ack_of(node, error_code)
  local me = self.client.me
  return stanza.node("ack", {
    class = node.tag, id = node.attrs.id, to = ack_address(node), participant = named(node, "participant"),
    recipient = named(node, "recipient"), type = ack_type(node), error = error_code,
    from = (node.tag == "message" or node.tag == "status") and me and jid.make((jid.parse(me.jid)), "s.whatsapp.net", me.device) or nil,
  })
end

--- Acknowledges a stanza, or refuses it.
function Receipts:ack(node, error_code) self.client.connection:send(self:ack_of(node, error_code)) end

--- Refuses a stanza over which a handler has failed, so that it does not come back at every login (§14.1). What the store has kept
-- from being done is not refused: it is to come again.
-- @tparam table node
-- @param err what the handler raised
function Receipts:refuse(node, err)
  if not confirmed[node.tag] or not node.attrs.id or not node.attrs.from then return end
  local code = type(err) == "table" and err.code
  if ours[code] or err == "not enough memory" then return end
  self:ack(node, code == "malformed" and MALFORMED or UNHANDLED)
end

-- The receipt's type, and the chat of an own copy (§7.3). What comes while nobody is there is delivered, but not to anybody.
local function receipt_kind(self, envelope)
  if envelope.kind == "peer" then return "peer_msg" end
  if envelope.from_me then
    local chat = envelope.node.attrs.recipient
    return "sender", chat and jid.bare(chat)
  end
  return not self.client.presence:is_available() and "inactive" or nil
end

-- Sends what was gathered in a turn.
local function send_gathered(self)
  local gathered = self.gathered
  self.gathered = nil
  for _, receipt in ipairs(gathered) do
    local items = {}
    for i = 2, #receipt.ids do items[i - 1] = stanza.node("item", { id = receipt.ids[i] }) end
    receipt.attrs.id = receipt.ids[1]
    self.client.connection:send(stanza.node("receipt", receipt.attrs, #items > 0 and stanza.node("list", nil, items) or nil))
  end
end

-- Puts a message among those of its kind in this turn: one receipt tells of all that one device has written in a chat (§7.3).
local function gather(self, envelope)
  local attrs = envelope.node.attrs
  local type, recipient = receipt_kind(self, envelope)
  local key = table.concat({ attrs.from, attrs.participant or "", type or "", recipient or "" }, " ")
  if not self.gathered then
    self.gathered = {}
    self.client.turn:wait(function(ok)
      if ok then send_gathered(self) else self.gathered = nil end
    end)
  end
  local receipt = self.gathered[key]
  if not receipt or #receipt.ids == GATHERED then
    receipt = { ids = {}, attrs = { to = attrs.from, type = type, participant = attrs.participant, recipient = recipient } }
    self.gathered[key] = receipt
    self.gathered[#self.gathered + 1] = receipt
  end
  receipt.ids[#receipt.ids + 1] = envelope.id
end

--- Confirms a message once this turn is durable: one that waited while this device was away together with others.
-- @tparam table envelope
function Receipts:confirm_safe(envelope)
  local alone = envelope.node.tag ~= "message" or envelope.kind == "peer" or envelope.from_me and envelope.kind == "group"
  if envelope.offline and not alone then return gather(self, envelope) end
  self.client.store:after_commit(function() self:confirm(envelope) end)
end

--- Confirms a message that is safe in the store (§7.2, §7.3).
-- @tparam table envelope of the message (moonpost.client.envelope)
function Receipts:confirm(envelope)
  local node = envelope.node
  if envelope.from_me and envelope.kind == "group" then return self:ack(node) end
  if node.tag == "status" then self:ack(node) end -- the receipt confirms it to its author, not to the server
  local type, recipient = receipt_kind(self, envelope)
  self.client.connection:send(stanza.node("receipt", {
    id = envelope.id, to = node.attrs.from, type = type, participant = node.attrs.participant, recipient = recipient,
  }))
end

--- Confirms a history notification, besides its peer receipt.
function Receipts:history(envelope)
  local me = self.client.me
  if not me then return end -- unlinked in this very turn
  self.client.connection:send(stanza.node("receipt", { id = envelope.id, to = me.jid, type = "hist_sync" }))
end

-- Keys for a sender who has lost ours, or whose we have lost (§9.2).
local function keys_node(client, envelope)
  local public, prekey = client.account:public(), client.retry_keys:of(client.lids:stable(envelope.sender), envelope.id)
  return stanza.node("keys", nil, {
    stanza.node("type", nil, "\5"), stanza.node("identity", nil, public.identity),
    stanza.node("key", nil, { stanza.node("id", nil, (">I3"):pack(prekey.id)), stanza.node("value", nil, prekey.public) }),
    client.signed_prekey.node(public.signed_prekey),
    stanza.node("device-identity", nil, client.me.deviceIdentity),
  })
end

local keys_at_once = { [1] = true, [3] = true } -- reasons that only new keys mend

--- Asks the sender for the message again (§9.2), with fresh keys where they help, once those are durable.
-- @int count how often this message was asked for, from 1
-- @int reason why it could not be read (§9.3)
function Receipts:retry(envelope, count, reason)
  local client, node = self.client, envelope.node
  local receipt = stanza.node("receipt", {
    id = envelope.id, to = node.attrs.from, type = "retry", participant = node.attrs.participant, recipient = node.attrs.recipient,
    category = envelope.kind == "peer" and "peer" or nil,
  }, {
    stanza.node("retry", { v = "1", count = count, id = envelope.id, t = node.attrs.t, error = reason }),
    stanza.node("registration", nil, (">I4"):pack(client.account:public().registration_id)),
    (count > 1 or keys_at_once[reason]) and keys_node(client, envelope) or nil,
  })
  client.store:after_commit(function() client.connection:send(receipt) end)
end

-- What own devices read tells about a chat, not about our messages (§8.2).
local own_types = { read = "read-self", played = "played-self" }

-- How far a receipt brings its sender with a message.
local status_of = { delivery = "delivered", inactive = "delivered", read = "read", played = "played" }

-- What one reader's receipt says.
local function read(self, node, user, ids)
  local client, name = self.client, user == node and (node.attrs.participant and "participant" or "from") or "jid"
  local sender = client.lids:stable(attributes.jid(user, name))
  local own = jid.bare(sender) == client.lids:stable(client.me.jid)
  local type = user.attrs.type or node.attrs.type or "delivery"
  return {
    chat = client.lids:stable(attributes.bare(node, own and node.attrs.recipient and "recipient" or "from")), sender = sender, own = own,
    ids = ids, type = own and own_types[type] or type, time = attributes.time(user.attrs.t or node.attrs.t),
  }
end

-- One stanza may be of many readers of one message (§8.1).
local function read_all(self, node)
  local found, participants = {}, stanza.child(node, "participants")
  if participants then
    local id = participants.attrs.message_id or participants.attrs.key or node.attrs.id
    for _, user in stanza.children(participants, "user") do
      if user.attrs.jid and #found < limits.RECEIPT then found[#found + 1] = read(self, node, user, { id }) end
    end
    return found
  end
  local ids = { node.attrs.id }
  for _, item in stanza.children(stanza.child(node, "list"), "item") do
    if #ids < limits.RECEIPT then ids[#ids + 1] = item.attrs.id end
  end
  return { read(self, node, node, ids) }
end

-- Takes note of one reader's receipt: of its ids those stay that are right. Whether it has to be written, and whom it brings further.
local function take(self, receipt, further)
  local delivered, ids, waits = self.client.delivered, {}, false
  for _, id in ipairs(receipt.ids) do
    local write, changed = delivered:receipt(receipt, id)
    if write == nil then
      self.client.log:debug("a receipt of %s in %s for message %s is passed over: %s", receipt.sender, receipt.chat, id, changed)
    else
      waits = waits or write
      ids[#ids + 1] = id
      if changed and not receipt.own then
        further[#further + 1] = {
          id = id, chat = receipt.chat, sender = jid.bare(receipt.sender), status = status_of[receipt.type], time = receipt.time,
        }
      end
    end
  end
  receipt.ids = ids
  return waits
end

--- A receipt that came: acknowledged whatever it says, as soon as nothing of it can be lost, and told.
-- @raise "malformed": it is to be refused
function Receipts:receipt(node)
  if not node.attrs.from or not node.attrs.id then return end -- nothing an ack could name
  if node.attrs.type == "retry" then return self.client.retry:receipt(node) end
  local found, further, waits = read_all(self, node), {}, false
  for _, receipt in ipairs(found) do waits = take(self, receipt, further) or waits end
  if waits then self.client.delivered:written(function() self:ack(node) end) else self:ack(node) end
  for _, receipt in ipairs(found) do
    if #receipt.ids > 0 then self.client:emit("receipt", receipt) end
  end
  for _, change in ipairs(further) do self.client:emit("status", change) end
end

return function(client) return setmetatable({ client = client }, Receipts) end
