--- Calls that come in (fact sheet 04 §13.3, 07 §7). This client takes none: it tells of them, and can refuse them. What the other
-- devices of the account do with a call is heard as well.
-- @module moonpost.client.calls
local attributes = require "moonpost.client.attrs"
local core = require "moonpost.core"
local new_memory = require "moonpost.client.memory"
local stanza = require "moonpost.stanza"
local jid = core.wire.jid

local KEPT = 100 -- calls remembered, so that their end is understood

local ID_MAX = 128 -- bytes of a call's id; those in use have 32

-- How a call ends that still rings, by the reason its end gives; any other reason only ends it.
local endings = {
  [""] = "missed", timeout = "missed", group_call_ended = "missed", accepted_elsewhere = "accepted", rejected_elsewhere = "rejected",
}

local Calls = {}
Calls.__index = Calls

-- Kinds of signalling this client understands: fn(self, node, child).
local on = {}

local function call_of(self, node, child)
  local from = attributes.jid(node, "from")
  local creator, group = attributes.jid(child, "call-creator") or from, attributes.bare(child, "group-jid")
  local caller, other = jid.bare(creator), child.attrs.caller_pn or child.attrs.caller_lid
  if other then self.client.lids:learn(caller, other) end
  local sender = self.client.lids:stable(caller)
  return {
    id = child.attrs["call-id"], sender = sender, phone = self.client.lids:phone(sender), name = node.attrs.notify,
    video = child.attrs.media == "video" or stanza.child(child, "video") ~= nil, group = group or child.attrs.type == "group",
    time = attributes.time(node.attrs.t) or self.client.connection:server_time(), address = from, creator = creator,
  }
end

local function change(self, call, state)
  call.state = state
  self.client:emit("call", call)
end

-- The caller sees that it rings here.
local function say_it_rings(self, node, call)
  self.client.connection:send(stanza.node("receipt", { to = node.attrs.from, id = node.attrs.id }, stanza.node("offer", {
    ["call-id"] = call.id, ["call-creator"] = call.creator,
  })))
end

local function rings(self, node, child)
  if self.known:get(child.attrs["call-id"]) then return nil end
  local call = call_of(self, node, child)
  self.known:put(call.id, call)
  change(self, call, node.attrs.offline and "missed" or "ringing") -- one that came late does not ring any more
  return call
end

function on.offer(self, node, child)
  local call = rings(self, node, child)
  if call and call.state == "ringing" then say_it_rings(self, node, call) end
end

-- A call in a group tells who was not asked in person by a notice.
on.offer_notice = rings

function on.terminate(self, _, child)
  local call = self.known:get(child.attrs["call-id"])
  if call and call.state == "ringing" then change(self, call, endings[child.attrs.reason or ""] or "ended") end
end

--- A `<call>` that came; acknowledged whatever it says.
-- @raise "malformed": it is to be refused
function Calls:call(node)
  if not node.attrs.from or not node.attrs.id then return end -- nothing an ack could name
  local child = stanza.child(node)
  local id, handler = child and child.attrs["call-id"], child and on[child.tag]
  if handler and id and id ~= "" and #id <= ID_MAX then handler(self, node, child) end
  self.client.receipts:ack(node)
end

--- Refuses a call that rings: it ends for everybody who was called by this account's devices.
-- @tparam table call as handlers are told of it
-- @treturn ?boolean true
-- @treturn ?table err code "not-ringing": it is over, or was taken on another device; "closed": not connected
function Calls:reject(call)
  local known = self.known:get(call.id)
  if not known or known.state ~= "ringing" then
    return nil, core.error("not-ringing", ("the call of %s does not ring any more"):format(call.sender))
  end
  local sent, err = self.client.connection:send(stanza.node("call", { id = self.client:next_id(), to = jid.bare(known.address) },
    stanza.node("reject", { ["call-id"] = known.id, ["call-creator"] = known.creator, count = "0" })))
  if not sent then return nil, err end
  known.state = "rejected"
  return true
end

return function(client) return setmetatable({ client = client, known = new_memory(KEPT) }, Calls) end
