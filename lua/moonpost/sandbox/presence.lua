--- Presence and typing (fact sheet 08 §15).
-- @module moonpost.sandbox.presence
local core = require "moonpost.core"
local group_messages = require "moonpost.sandbox.group_messages"
local privacy_tokens = require "moonpost.sandbox.privacy_tokens"
local stanza = require "moonpost.stanza"

local jid = core.wire.jid

local CHATSTATE_SECONDS = 30 -- a typing mark for a device that is away is worth nothing after this (S-606)

local presence = {}

-- Somebody is there when any of their devices is, the phone included (S-620).
local function is_available(sandbox, account)
  if account.phone_is_open then return true end
  for _, device in ipairs(sandbox.accounts:companions(account)) do
    if device.connection and device.available then return true end
  end
  return false
end

-- Whether an account lets another know when it was last seen, by its privacy settings (S-844).
local function shows_last(account, viewer)
  local setting = account.privacy.last or "all"
  return viewer == account or setting == "all" or setting ~= "none" and account.contacts[viewer.pn] == true
end

local function shows_coming(account, viewer)
  return account.privacy.online ~= "match_last_seen" or shows_last(account, viewer)
end

local function presence_node(sandbox, account, from, viewer)
  if is_available(sandbox, account) and shows_coming(account, viewer) then return stanza.node("presence", { from = from }) end
  local last = "deny"
  if shows_last(account, viewer) then last = account.last_seen end
  return stanza.node("presence", { from = from, type = "unavailable", last = last })
end

-- Tells everybody who subscribed, under the name they used, and may know.
local function publish(sandbox, account)
  for conn in pairs(sandbox.connections) do
    local device = conn.device
    local from = device and device.subscriptions and device.subscriptions[account]
    if from and conn.active and shows_coming(account, device.account) then
      conn:send(presence_node(sandbox, account, from, device.account))
    end
  end
end

--- The owner of an account looks at the phone, or puts it away.
function presence.phone(sandbox, account, open)
  local before = is_available(sandbox, account)
  account.phone_is_open = open
  if not open then account.last_seen = sandbox.time() end
  if is_available(sandbox, account) ~= before then publish(sandbox, account) end
end

--- The account's device went away.
function presence.device_gone(sandbox, device)
  if not device.available then return end
  device.available = false
  device.account.last_seen = sandbox.time()
  publish(sandbox, device.account)
end

local function rename(sandbox, account, name)
  if not name or name == "" or name == account.name then return end
  account.name = name
  sandbox.accounts:save(account)
end

local function subscribe(conn, node, on)
  local account = conn.sandbox.accounts:lookup(node.attrs.to)
  if not account then return end
  local device = conn.device
  if on and not privacy_tokens.shows(conn.sandbox, device.account, account, node) then return end -- S-622
  device.subscriptions = device.subscriptions or {}
  device.subscriptions[account] = on and jid.bare(node.attrs.to) or nil
  if on then conn:send(presence_node(conn.sandbox, account, device.subscriptions[account], device.account)) end
end

--- A presence of a client.
function presence.presence(conn, node)
  local type, device = node.attrs.type, conn.device
  if type == "subscribe" or type == "unsubscribe" then return subscribe(conn, node, type == "subscribe") end
  rename(conn.sandbox, device.account, node.attrs.name)
  if type ~= "available" and type ~= "unavailable" then return end
  local before = is_available(conn.sandbox, device.account)
  device.available = type == "available"
  if type == "unavailable" then device.account.last_seen = conn.sandbox.time() end
  if is_available(conn.sandbox, device.account) ~= before then publish(conn.sandbox, device.account) end
end

-- Hands a typing mark to a device; for one that is away the newest of each chat and author is kept a while.
local function hand(device, copy, of)
  if device.connection and device.connection.active then return device.connection:send(copy) end
  device.chatstates = device.chatstates or {}
  device.chatstates[of] = { node = copy, at = core.net.now() }
end

--- Typing: to all devices of the peer, or of a group's members.
function presence.chatstate(conn, node)
  local state = stanza.child(node)
  if not state then return end
  state = stanza.node(state.tag, { media = state.attrs.media == "audio" and "audio" or nil })
  if select(2, jid.parse(node.attrs.to or "")) == "g.us" then return group_messages.chatstate(conn, node, state, hand) end
  local target, _, server = conn.sandbox.accounts:lookup(node.attrs.to)
  if not target or target == conn.device.account then return end
  local copy = stanza.node("chatstate", { from = conn.device.account:jid(server) }, state)
  for _, device in ipairs(conn.sandbox.accounts:reachable(target)) do hand(device, copy, conn.device.account) end
end

--- What waited for a device while it was away, and what it subscribed to before.
function presence.deliver_late(conn)
  local device, now = conn.device, core.net.now()
  for _, kept in pairs(device.chatstates or {}) do
    if now - kept.at <= CHATSTATE_SECONDS then conn:send(kept.node) end
  end
  device.chatstates = nil
  for account, from in pairs(device.subscriptions or {}) do conn:send(presence_node(conn.sandbox, account, from, device.account)) end
end

return presence
