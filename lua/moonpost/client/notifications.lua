--- Notifications: what the server tells unasked. Each is confirmed by an ack once its effect is durable (fact sheet 04 §7.2).
-- @module moonpost.client.notifications
local stanza = require "moonpost.stanza"
local task = require "moonpost.task"

local Notifications = {}
Notifications.__index = Notifications

-- By `type`: fn(self, node).
local on = {}

-- Its first child says what it is about.
function on.encrypt(self, node)
  local client, about = self.client, stanza.child(node)
  if about and about.tag == "count" then
    task.spawn(function()
      local ok, err = client.prekeys:refill()
      if not ok and err.code ~= "closed" then client:emit("error", err) end
    end)
  elseif about and about.tag == "digest" then
    task.spawn(client.digest.run, client.digest)
  elseif about and about.tag == "identity" then
    client.devices:identity_changed(node)
  end
end

function on.devices(self, node) self.client.devices:on_notification(node) end

on["w:gp2"] = function(self, node) self.client.group_changes:on_notification(node) end

function on.newsletter(self, node) self.client.newsletters:notification(node) end

function on.server_sync(self, node) self.client.appstate:notification(node) end

function on.privacy_token(self, node) self.client.privacy_tokens:notification(node) end

function on.picture(self, node) self.client.pictures:notification(node) end

function on.mediaretry(self, node)
  local media = self.client:made "media"
  if media then media.retry:notification(node) end
end

function on.account_sync(self, node)
  if stanza.child(node, "devices") then self.client.devices:forget(self.client.me.jid) end
  local privacy = stanza.child(node, "privacy")
  if privacy then self.client.privacy_settings:changed(privacy) end
end

--- Handles one, in a transaction of its own, and acks it after the commit.
function Notifications:notification(node)
  local client = self.client
  if not node.attrs.id or not node.attrs.from then return end
  local handler = on[node.attrs.type]
  if handler then client.store:atomic(handler, self, node) end
  client.store:after_commit(function() client.receipts:ack(node) end)
end

return function(client) return setmetatable({ client = client }, Notifications) end
