--- How a connection can end: an error with `final` when logging in again is no use, `penalty` seconds to wait at least.
-- Facts: sheet 01 §7.3, §7.4, §9.
-- @module moonpost.client.endings
local core = require "moonpost.core"
local stanza = require "moonpost.stanza"

local endings = {}

local function ending(code, message, fields)
  local err = core.error(code, message)
  for name, value in pairs(fields or {}) do err[name] = value end
  return err
end

local LINK_AGAIN = "; run it again to link the account anew"

local function outdated()
  return ending("outdated", "the service refused the login as outdated (405): give the version of today's web client, "
    .. "--wa-version 2.3000.NUMBER or the option version = { 2, 3000, NUMBER }", { final = true })
end

local failures = {
  [401] = function() return ending("unlinked", "the account was unlinked from the phone (401)" .. LINK_AGAIN, { final = true }) end,
  [402] = function(node)
    return ending("banned", ("the account is banned for %s s (402, code %s)"):format(node.attrs.expire or "?", node.attrs.code or "?"),
      { final = true })
  end,
  [403] = function(node)
    return ending("unlinked", ("the account is locked or its phone is gone (403%s)"):format(
      node.attrs.logout_message_header and ": " .. node.attrs.logout_message_header or ""), { final = true })
  end,
  [405] = outdated,
  [406] = function() return ending("unlinked", "the account was logged out by the service (406)" .. LINK_AGAIN, { final = true }) end,
  [429] = function() return ending("refused", "the service refused the login: too often (429)", { penalty = 8 }) end,
  [500] = function() return ending("refused", "the service refused the login: it is in trouble (500)") end,
  [503] = function() return ending("refused", "the service refused the login: it is unavailable (503)") end,
}

--- What a `<failure>` means.
function endings.of_failure(node)
  local reason = math.tointeger(tonumber(node.attrs.reason)) or 0
  local known = failures[reason]
  if known then return known(node) end
  return ending("refused", ("the service refused the login (%s)"):format(node.attrs.reason or "no reason given"), { final = true })
end

--- What a `<stream:error>` means.
function endings.of_stream_error(node)
  local code = math.tointeger(tonumber(node.attrs.code))
  local conflict = stanza.child(node, "conflict")
  local kind = conflict and conflict.attrs.type
  if kind == "replaced" then
    return ending("replaced", "another program logged in as this device: a store must not be used twice", { final = true })
  elseif kind == "device_removed" then
    return ending("unlinked", "this device was removed on the phone" .. LINK_AGAIN, { final = true })
  elseif code == 515 then
    return ending("restart", "the server asks for a new connection")
  elseif code == 401 or code == 409 or code == 516 then
    return ending("refused", ("the server ended the session (%d)"):format(code), { final = true })
  elseif code == 429 then
    return ending("network", "the server ended the stream: too many requests (429)", { penalty = 8 })
  end
  local child = stanza.child(node)
  return ending("network", ("the server ended the stream (%s)"):format(code or child and child.tag or "no code"))
end

return endings
