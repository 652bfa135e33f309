--- How a connection can end: an error with `final` when logging in again is no use, `prompt` when it may be made again at once,
-- `penalty` seconds to wait at least. `code`: "unlinked" (the store is forgotten), "replaced", "banned", "outdated", "refused",
-- "restart", "network". Facts: sheet 01 §7.3, §7.4, §9.
-- @module moonpost.client.endings
local core = require "moonpost.core"
local loopback = require "moonpost.loopback"
local stanza = require "moonpost.stanza"

local endings = {}

local function ending(code, message, fields)
  local err = core.error(code, message)
  for name, value in pairs(fields or {}) do err[name] = value end
  return err
end

local function final(code, message) return ending(code, message, { final = true }) end

local LINK_AGAIN = "; run it again to link the account anew"
local KEPT = "; the store is kept: look for a newer version of moonpost, then run it again"

local ban_reasons = {
  ["101"] = "it wrote to too many people who do not know it", ["102"] = "too many people blocked it",
  ["103"] = "it put too many strangers into groups", ["104"] = "it sent the same message too often",
  ["106"] = "it used broadcast lists too much",
}

local BAN_MAX = 366 * 24 * 3600 -- seconds of a ban that are believed: after that the service may say anew how long it lasts

-- A time to wait as people say it, never less than it is.
local function duration(seconds)
  if seconds < 120 then return ("%d s"):format(seconds) end
  if seconds < 90 * 60 then return ("%d minutes"):format(math.ceil(seconds / 60)) end
  return ("%.1f hours"):format(math.ceil(seconds / 360) / 10)
end

local function banned(node)
  local seconds = math.tointeger(tonumber(node.attrs.expire))
  seconds = seconds and seconds > 0 and math.min(seconds, BAN_MAX) or nil
  return ending("banned", ("the account is banned%s (402, code %s%s): do not log in before that is over"):format(
    seconds and " for " .. duration(seconds) or " for a time", node.attrs.code or "?",
    ban_reasons[node.attrs.code] and ": " .. ban_reasons[node.attrs.code] or ""), { final = true, seconds = seconds })
end

local function locked(node)
  local why = {}
  for _, name in ipairs { "logout_message_header", "logout_message_subtext" } do why[#why + 1] = node.attrs[name] end
  return final("unlinked", ("the account is locked or its phone is gone (403%s): look at WhatsApp on the phone%s"):format(
    #why > 0 and ": " .. table.concat(why, " ") or "", LINK_AGAIN))
end

local failures = {
  [400] = function() return final("refused", "the service refused the login as malformed (400)" .. KEPT) end,
  [401] = function() return final("unlinked", "the account was unlinked from the phone (401)" .. LINK_AGAIN) end,
  [402] = banned,
  [403] = locked,
  [405] = function()
    return final("outdated", "the service refused the login as outdated (405): give the version of today's web client, "
      .. "--wa-version 2.3000.NUMBER or the option version = { 2, 3000, NUMBER }")
  end,
  [406] = function() return final("unlinked", "the account was logged out by the service (406)" .. LINK_AGAIN) end,
  [409] = function() return final("refused", "the service refused the login: it does not take this kind of client (409)" .. KEPT) end,
  [411] = function()
    return final("refused", "the service refused the login: the phone's multi-device setting does not fit (411); the store is kept: "
      .. "look at Linked devices on the phone, then run it again")
  end,
  [429] = function() return ending("refused", "the service refused the login: too often (429)", { penalty = 8 }) end,
  [500] = function() return ending("refused", "the service refused the login: it is in trouble (500)") end,
  [503] = function() return ending("refused", "the service refused the login: it is unavailable (503)") end,
}

--- What a `<failure>` means.
function endings.of_failure(node)
  local known = failures[math.tointeger(tonumber(node.attrs.reason))]
  if known then return known(node) end
  return final("refused", ("the service refused the login (%s)"):format(node.attrs.reason or "no reason given") .. KEPT)
end

local function of_conflict(kind)
  if kind == "replaced" then
    return final("replaced", "another program logged in as this device: a store must not be used twice")
  elseif kind == "device_removed" then
    return final("unlinked", "this device was removed on the phone" .. LINK_AGAIN)
  end
  return final("refused", ("the server ended the session: a conflict (%s)"):format(kind or "of no kind"))
end

--- What a `<stream:error>` means.
function endings.of_stream_error(node)
  local code = math.tointeger(tonumber(node.attrs.code))
  local conflict = stanza.child(node, "conflict")
  if conflict then return of_conflict(conflict.attrs.type) end
  if code == 515 then
    return ending("restart", "the server asks for a new connection (515)", { prompt = true })
  elseif code == 401 or code == 409 or code == 516 then
    return final("refused", ("the server ended the session (%d)"):format(code))
  elseif code == 429 then
    return ending("network", "the server ended the stream: too many requests (429)", { penalty = 8 })
  end
  local child = stanza.child(node)
  return ending("network", ("the server ended the stream (%s)"):format(code or child and child.tag or "no code"))
end

--- What an IQ's answer of type "error" means: code "iq", `status` the server's number.
function endings.of_iq_error(node)
  local detail = stanza.child(node, "error")
  local status = detail and math.tointeger(tonumber(detail.attrs.code)) or 0
  return ending("iq", ("the server answered %d %s"):format(status, detail and detail.attrs.text or ""), { status = status })
end

--- What a user can do about an end that comes again and again: a server whose certificate is not the one's this client trusts. It is no
-- final end, since anybody between could cause it.
-- @tparam table err of a connection
-- @string root the Noise root key this client trusts
-- @string url the server's address
-- @treturn ?string a sentence's second half
function endings.advice(err, root, url)
  if err.code ~= "crypto" or not err.message:find "certificate is not signed" then return nil end
  if root == core.noise.ROOT and loopback.is_host(url:match "^%a+://([^/:]+)" or "") then
    return "this looks like a sandbox, which has a Noise root of its own: give it as the option 'root' (`moonpost run --sandbox` does)"
  elseif root == core.noise.ROOT then
    return "somebody else answers in WhatsApp's place (a proxy, a network that inspects what passes), or this moonpost is too old"
  end
  return "this is another sandbox than the one the bot was started for: without --world it begins anew each time; start the bot again, "
    .. "with another store"
end

return endings
