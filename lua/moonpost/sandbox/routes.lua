--- What each stanza of a client leads to. A capability adds its lines here.
-- @module moonpost.sandbox.routes
local jid = require("moonpost.core").wire.jid
local iq = require "moonpost.sandbox.iq"

local routes = {}

-- Modules are loaded at first use: they need connection and login, which need this.
local function to(module_name, name)
  return function(...) return require("moonpost.sandbox." .. module_name)[name](...) end
end

-- IQs by namespace: fn(conn, node); each answers once.
local queries = {
  ["w:p"] = to("settings", "ping"), passive = to("settings", "passive"), abt = to("settings", "props"),
  blocklist = to("settings", "blocklist"), privacy = to("settings", "privacy"), ["w:m"] = to("media", "query"),
  ["urn:xmpp:whatsapp:dirty"] = to("settings", "empty"), ["w:stats"] = to("settings", "empty"), tos = to("settings", "empty"),
  disappearing_mode = to("settings", "disappearing_mode"), ["w:profile:picture"] = to("pictures", "query"),
  ["w:mex"] = to("mex", "query"), status = to("status", "query"), newsletter = to("newsletters", "query"),
  ["w:g2"] = to("groups", "query"), encrypt = to("keys", "query"), usync = to("devices", "usync"),
  ["w:sync:app:state"] = to("appstate", "query"), md = to("settings", "multi_device"),
}

-- What an unregistered client may ask.
local unregistered = { ["w:p"] = queries["w:p"], md = to("phone_code", "query") }

local function query(conn, node)
  local type, xmlns = node.attrs.type, node.attrs.xmlns
  if type == "result" or type == "error" then
    return require("moonpost.sandbox.pairing").answer(conn, node)
  end
  if not node.attrs.id then return end -- nobody could be answered
  local fn = (conn.device and queries or unregistered)[xmlns]
  if not fn and not conn.device then return iq.error(conn, node, 401) end
  if fn then return fn(conn, node) end
  conn.sandbox:unknown_query(conn, node)
  if type == "set" then return iq.result(conn, node) end
  return iq.error(conn, node, 501)
end

local function ignore() end

local function in_group(node) return select(2, jid.parse(node.attrs.to or "")) == "g.us" end

local group_message, direct_message = to("group_messages", "message"), to("messages", "message")
local status_message, newsletter_message = to("status", "message"), to("newsletters", "message")

local function message(conn, node)
  if in_group(node) then return group_message(conn, node) end
  if node.attrs.to == "status@broadcast" then return status_message(conn, node) end
  if select(2, jid.parse(node.attrs.to or "")) == "newsletter" then return newsletter_message(conn, node) end
  return direct_message(conn, node)
end

-- Stanzas by tag: fn(conn, node).
local tags = {
  iq = query, ib = ignore,
  message = message, receipt = to("receipts", "receipt"), ack = to("receipts", "ack"),
  presence = to("presence", "presence"), chatstate = to("presence", "chatstate"), call = to("calls", "call"),
}

-- What a client may send before its login. Acks are of notifications about its linking, and nothing waits for them; Baileys tells its
-- name by a presence when a linking by code has changed it.
local early = { iq = query, ib = ignore, ack = ignore, presence = ignore }

--- Handles a stanza of a client.
function routes.route(conn, node)
  if not tags[node.tag] then
    return conn.sandbox:note(("%s: a stanza this server does not know"):format(tostring(conn)), node)
  end
  local fn = (conn.device and tags or early)[node.tag]
  if fn then return fn(conn, node) end
  conn:refuse()
end

return routes
