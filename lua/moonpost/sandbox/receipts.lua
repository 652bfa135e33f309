--- Receipts and acks of clients (fact sheet 08 §13): they confirm what was delivered, and reach the author of the message.
-- @module moonpost.sandbox.receipts
local core = require "moonpost.core"
local calls = require "moonpost.sandbox.calls"
local group_messages = require "moonpost.sandbox.group_messages"
local history = require "moonpost.sandbox.history"
local newsletters = require "moonpost.sandbox.newsletters"
local phone = require "moonpost.sandbox.phone"
local sent = require "moonpost.sandbox.sent"
local status = require "moonpost.sandbox.status"
local stanza = require "moonpost.stanza"

local jid = core.wire.jid

local receipts = {}

-- Receipt types that say "this device has the message" (S-507).
local confirms = { delivery = true, inactive = true, sender = true, peer_msg = true, retry = true }

-- Types that reach a companion (official: a closed list, S-503), and how: to all devices of the account, to the one named, or
-- to the reader's own other devices.
local routed = {
  delivery = "all", inactive = "all", read = "all", played = "all", ["server-error"] = "phone",
  sender = "one", retry = "one", ["read-self"] = "own", ["played-self"] = "own",
}

local function ids_of(node)
  local ids = { node.attrs.id }
  for _, item in stanza.children(stanza.child(node, "list"), "item") do ids[#ids + 1] = item.attrs.id end
  return ids
end

local function recipients(conn, how, target, number)
  local accounts = conn.sandbox.accounts
  if how == "one" then
    local device = target.devices[number]
    return device and device.active and { device } or {}
  end
  return accounts:companions(how == "own" and conn.device.account or target)
end

-- Of the ids in a receipt those of messages between its two sides: nobody else has a say in what became of a message.
local function between(conn, node, target)
  local reader, written, list = conn.device.account, sent.of(conn.sandbox, target), {}
  for _, id in ipairs(ids_of(node)) do
    if target == reader or written:chat_of(id) == reader.pn then list[#list + 1] = id end
  end
  return list
end

-- The content of a receipt that names fewer ids than the one that came.
local function content_of(node, ids, all)
  if #ids == all then return node.content end
  local items = {}
  for i = 2, #ids do items[i - 1] = stanza.node("item", { id = ids[i] }) end
  return #items > 0 and stanza.node("list", nil, items) or nil
end

-- Whether others may know what an account has read (S-844).
local function setting_of(conn) return conn.device.account.privacy.readreceipts == "none" and "none" or "all" end

-- A person is not told what was read by one who keeps that to themselves, whatever the client believes; groups are.
local function keeps_to_itself(conn, type) return type == "read" and setting_of(conn) == "none" end

-- The ack of what was read says how the setting stands (04 §7.1).
local of_reading = { read = true, ["read-self"] = true, played = true, ["played-self"] = true }

local function forward(conn, node, target, number, server)
  if node.attrs.type == "server-error" and node.attrs.category == "peer" and target == conn.device.account then
    return history.retry(phone.of(conn.sandbox, target), conn.device, node)
  end
  local how = routed[node.attrs.type or "delivery"]
  if how == "phone" and target == conn.device.account then return phone.find_file(conn.sandbox, conn.device, node) end
  if not how or how == "phone" then return end
  if node.attrs.type == "retry" and number == 0 and not target.crowd then return phone.retry(conn.sandbox, target, conn.device, node) end
  if keeps_to_itself(conn, node.attrs.type) then
    return conn.sandbox:note(("%s: %s is not told what was read: the account keeps it to itself"):format(tostring(conn), target:jid()))
  end
  local ids = between(conn, node, target)
  if #ids == 0 then
    return conn.sandbox:note(("%s: a receipt for what %s did not write to it"):format(tostring(conn), target:jid()))
  end
  local copy = stanza.node("receipt", {
    from = conn.device:jid(server), id = ids[1], t = conn.sandbox.time(), type = node.attrs.type,
    recipient = how == "own" and jid.bare(node.attrs.to) or node.attrs.recipient,
  }, content_of(node, ids, #ids_of(node)))
  for _, device in ipairs(recipients(conn, how, target, number)) do
    if device ~= conn.device then device.queue:push(copy) end
  end
end

--- A receipt of a client.
function receipts.receipt(conn, node)
  local id, to = node.attrs.id, node.attrs.to
  if not id then return conn:refuse() end
  local ids = ids_of(node)
  if confirms[node.attrs.type or "delivery"] then
    for _, one in ipairs(ids) do conn.device.queue:confirm("message", one, to) end
  end
  if node.attrs.type == "retry" then conn.sandbox:count "retries" end
  local target, number, server = conn.sandbox.accounts:lookup(to or node.attrs.recipient)
  if stanza.child(node, "offer") then
    calls.receipt(conn, node)
  elseif select(2, jid.parse(to or "")) == "g.us" then
    group_messages.receipt(conn, node, routed[node.attrs.type or "delivery"], ids, function(kept) return content_of(node, kept, #ids) end)
  elseif node.attrs.type == "view" then
    newsletters.viewed(conn, node)
  elseif status.is(to) then
    status.receipt(conn, node, routed, ids, function(kept) return content_of(node, kept, #ids) end)
  elseif target then
    forward(conn, node, target, number, server)
  end
  local answer = stanza.node("ack", {
    class = "receipt", id = id, from = to or "s.whatsapp.net", type = node.attrs.type, participant = node.attrs.participant,
    readreceipts = of_reading[node.attrs.type] and setting_of(conn) or nil,
  })
  conn:send(answer)
end

--- An ack of a client: the stanza it names is done with, a refusal as well (S-506).
function receipts.ack(conn, node)
  if not node.attrs.class or not node.attrs.id then return end
  if node.attrs.error then
    conn.sandbox:count "refusals"
    conn.sandbox:note(("%s refuses %s %s: %s"):format(tostring(conn), node.attrs.class, node.attrs.id, node.attrs.error))
  end
  conn.device.queue:confirm(node.attrs.class, node.attrs.id, node.attrs.to)
end

return receipts
