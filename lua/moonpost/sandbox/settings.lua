--- The small queries: ping, active, server properties, blocklist, privacy and the like (fact sheet 08 §6, §7, §21).
-- @module moonpost.sandbox.settings
local stanza = require "moonpost.stanza"
local iq = require "moonpost.sandbox.iq"
local login = require "moonpost.sandbox.login"
local privacy_tokens = require "moonpost.sandbox.privacy_tokens"

local settings = {}

function settings.ping(conn, node) iq.result(conn, node, nil, { t = conn.sandbox.time() }) end

function settings.empty(conn, node) iq.result(conn, node) end

--- `<active/>`: the backlog follows the answer (S-102).
function settings.passive(conn, node)
  iq.result(conn, node)
  if stanza.child(node, "active") then login.active(conn) end
end

--- Server properties: those that decide what a client sends in a 1:1 chat (S-807), and how large files may be (MiB).
function settings.props(conn, node)
  local sizes = conn.sandbox.media_settings
  iq.result(conn, node, stanza.node("props", { protocol = "1", hash = "moonpost", refresh = "86400", ab_key = "moonpost" }, {
    stanza.node("prop", { config_code = "10518", config_value = "1" }), -- tokens go with all messages to a person
    stanza.node("prop", { config_code = "9666", config_value = "1" }),  -- and with questions for pictures
    stanza.node("prop", { config_code = "14303", config_value = "1" }), -- they are issued to LIDs
    stanza.node("prop", { config_code = "24941", config_value = conn.device.account.flags.nct_send_ab == false and "0" or "1" }),
    stanza.node("prop", { config_code = "3660", config_value = tostring(sizes.image_mb) }),
    stanza.node("prop", { config_code = "3185", config_value = tostring(sizes.video_mb) }),
    stanza.node("prop", { config_code = "3657", config_value = tostring(sizes.audio_mb) }),
  }))
end

--- Nobody blocks anybody yet: an empty list (S-843).
function settings.blocklist(conn, node)
  if node.attrs.type == "set" then return iq.error(conn, node, 501) end
  iq.result(conn, node, stanza.node("list", { dhash = "0", addressing_mode = "lid" }))
end

-- The privacy settings of a new account (S-844), in the order they are told.
local privacy = {
  { "last", "all" }, { "online", "all" }, { "profile", "all" }, { "status", "all" }, { "readreceipts", "all" }, { "groupadd", "all" },
  { "calladd", "all" }, { "messages", "all" }, { "defense", "off" }, { "stickers", "contacts" },
}

-- Keeps the settings a client makes, and tells it those back.
local function set_privacy(conn, node, wanted)
  local account, changed = conn.device.account, {}
  for _, category in stanza.children(wanted, "category") do
    local name, value = category.attrs.name, category.attrs.value
    if not name or not value then return iq.error(conn, node, 400) end
    account.privacy[name] = value
    changed[#changed + 1] = stanza.node("category", { name = name, value = value })
  end
  conn.sandbox.accounts:save(account)
  iq.result(conn, node, stanza.node("privacy", nil, changed))
end

--- The privacy settings (S-844), and the tokens an account gives to those it writes to (S-800).
function settings.privacy(conn, node)
  local wanted = stanza.child(node, "privacy")
  if node.attrs.type == "set" then
    local tokens = stanza.child(node, "tokens")
    if wanted then return set_privacy(conn, node, wanted) end
    if tokens then privacy_tokens.issue(conn.sandbox, conn.device.account, tokens) end
    return iq.result(conn, node)
  end
  local categories = {}
  for i, pair in ipairs(privacy) do
    categories[i] = stanza.node("category", { name = pair[1], value = conn.device.account.privacy[pair[1]] or pair[2] })
  end
  iq.result(conn, node, stanza.node("privacy", nil, categories))
end

function settings.disappearing_mode(conn, node)
  if node.attrs.type == "set" then return iq.result(conn, node) end
  iq.result(conn, node, stanza.node("disappearing_mode", { duration = "0", t = "0" }))
end

--- Logout by the device itself (S-119); nothing else of this namespace after the login, no linking above all.
function settings.multi_device(conn, node)
  if stanza.child(node, "link_code_companion_reg") then return iq.error(conn, node, 400) end
  local remove = stanza.child(node, "remove-companion-device")
  local device = remove and conn.sandbox.accounts:device(remove.attrs.jid)
  if not remove then return iq.error(conn, node, 501) end
  if not device or device.account ~= conn.device.account then return iq.error(conn, node, 404) end
  iq.result(conn, node)
  login.unlink(conn.sandbox, device)
end

return settings
