--- Who handles which stanza that comes over a connection (fact sheet 01 §6, 04 §14.1).
-- @module moonpost.client.routes
local core = require "moonpost.core"
local endings = require "moonpost.client.endings"
local room = require "moonpost.client.room"
local stanza = require "moonpost.stanza"

local UNRECOGNISED = 488 -- a refusal (04 §14.1)

-- By tag: fn(connection, node).
local on = {}

function on.success(self, node)
  if self.welcomed then return end
  self.welcomed = true
  self.login:push(node)
end

function on.failure(self, node) self:abort(endings.of_failure(node)) end
on["stream:error"] = function(self, node) self:abort(endings.of_stream_error(node)) end
function on.xmlstreamend(self) self:abort(core.error("network", "the server ended the stream")) end

function on.iq(self, node)
  local type = node.attrs.type
  if type == "result" or type == "error" then
    local resume = self.waiting[node.attrs.id]
    if resume then resume(node) end
  elseif node.attrs.xmlns == "urn:xmpp:ping" or stanza.child(node, "ping") then
    self:send(stanza.node("iq", { to = node.attrs.from or "s.whatsapp.net", type = "result", id = node.attrs.id }))
  end
end

function on.ib(self, node)
  local preview = stanza.child(node, "offline_preview")
  if preview then self.backlog:preview(preview) end
  local routing = stanza.child(node, "edge_routing")
  if routing then self.client.resume:edge_routing(routing) end
  if stanza.child(node, "offline") then self.backlog:ended(true) end
  local dirty = stanza.child(node, "dirty")
  if dirty and dirty.attrs.type == "groups" then self.client.group_changes:dirty(dirty) end
  if dirty and dirty.attrs.type == "syncd_app_state" then self.client.appstate:dirty(dirty) end
end

function on.message(self, node) self.client.receive:message(node) end
function on.status(self, node) self.client.receive:message(node) end
function on.receipt(self, node) self.client.receipts:receipt(node) end
function on.notification(self, node) self.client.notifications:notification(node) end
function on.call(self, node) self.client.calls:call(node) end
function on.ack(self, node)
  self.client.outbox:ack(node)
  self.client.read_marks:ack(node)
end
function on.presence(self, node) self.client.presence:presence(node) end
function on.chatstate(self, node) self.client.presence:chatstate(node) end

local function on_stanza(self, node)
  self.keepalive:heard()
  self.backlog:stanza(node)
  local handler = on[node.tag]
  if handler then return handler(self, node) end
  if node.attrs.id and node.attrs.from then self.client.receipts:ack(node, UNRECOGNISED) end
end

--- Handles a stanza. One that trips its handler must not end the loop's turn for the others: it is told and refused, and the
-- connection goes on.
-- @param self moonpost.client.connection
-- @tparam table node
return function(self, node)
  local ok, err = xpcall(on_stanza, room.placed, self, node)
  if ok then return end
  if type(err) ~= "table" or not err.told_before then self.client:emit("error", err) end
  self.client.receipts:refuse(node, err)
end
