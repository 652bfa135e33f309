--- Login and the life of a session (fact sheet 08 §6): success or failure, one session for each device, the backlog, unlinking.
-- @module moonpost.sandbox.login
local core = require "moonpost.core"
local stanza = require "moonpost.stanza"
local calls = require "moonpost.sandbox.calls"
local devices = require "moonpost.sandbox.devices"
local keys = require "moonpost.sandbox.keys"
local phone = require "moonpost.sandbox.phone"
local repeats = require "moonpost.sandbox.repeats"

local ACTIVE_SECONDS = 1 -- a client that never says it is active gets its backlog after this (S-102)
local PROOF_SECONDS = 20 -- from an IK login to the client's first frame

local login = {}

--- Refuses a login.
-- @tparam table attrs of the failure: reason, ...; whatever a fault says
function login.refuse(conn, attrs)
  local all = { location = "loc", t = conn.sandbox.time() }
  for name, value in pairs(attrs) do all[name] = value end
  conn:close_with(stanza.node("failure", all), true)
end

local function replace(device)
  local old = device.connection
  if not old then return end
  login.detach(old)
  devices.unavailable(old.sandbox, device) -- until the new session says otherwise (S-104)
  old:stream_error(nil, stanza.node("conflict", { type = "replaced" }))
end

-- The device is this connection's from now on.
local function take_in(conn, device)
  replace(device)
  conn.device, device.connection = device, conn
  conn.timer = core.net.timer(ACTIVE_SECONDS, function() login.active(conn) end)
end

--- A client logs in (S-100); refused when its credentials do not fit, or when a fault is due (S-118).
function login.start(conn, payload, noise)
  local sandbox = conn.sandbox
  local account = sandbox.accounts.by_pn[tostring(payload.username or "")]
  local device = account and account.devices[payload.device or 0]
  if not device or not device.active or device.noise ~= noise then
    return login.refuse(conn, { reason = "401" })
  end
  conn.claimed = device
  if sandbox.faults:moment("login", conn) then return end
  if conn.unproven then
    conn.timer = core.net.timer(PROOF_SECONDS, function() conn:drop() end)
  else
    take_in(conn, device)
  end
  conn:send(stanza.node("success", {
    t = sandbox.time(), creation = account.created, lid = device:jid "lid", props = "27", abprops = "2", location = "loc",
  }))
end

--- A client whose login came in an IK hello is there: what it sent decrypts. An old hello that is sent again by another, who cannot
-- read the answer, changes nothing for the device.
function login.proven(conn)
  local device = conn.claimed
  if not device then return end
  conn.timer:stop()
  if not device.active then return login.refuse(conn, { reason = "401" }) end
  take_in(conn, device)
end

local function backlog_written(conn, count)
  conn:send(stanza.node("ib", { from = "s.whatsapp.net" }, stanza.node("offline", { count = count })))
  local device = conn.device
  if not device.fresh then return keys.remind(conn.sandbox, device) end
  device.fresh = false
  conn.sandbox.accounts:save(device.account)
  phone.greet(conn.sandbox, device)
end

--- The client is ready: its backlog, the marker behind it, then what comes (S-102, S-103, S-601).
function login.active(conn)
  if conn.active or not conn.device or conn.dead then return end
  conn.active = true
  conn.timer:stop()
  local queue = conn.device.queue
  calls.expire(conn.sandbox, conn.device)
  local preview = queue:preview()
  if preview.count > 0 then
    conn:send(stanza.node("ib", { from = "s.whatsapp.net" }, stanza.node("offline_preview", preview)))
  end
  queue:start(conn, function(count) backlog_written(conn, count) end)
  devices.deliver_late(conn)
end

--- There is room in the socket again.
function login.drain(conn)
  if conn.device and conn.device.connection == conn then conn.device.queue:pump() end
end

--- Takes a connection off its device.
function login.detach(conn)
  local device = conn.device
  if not device or device.connection ~= conn then return end
  device.connection = nil
  device.queue:stop()
end

--- The connection is over (S-105). A late close of one that was replaced changes nothing (S-101).
function login.gone(conn)
  local device = conn.device
  if not device or device.connection ~= conn then return end
  login.detach(conn)
  devices.unavailable(conn.sandbox, device)
end

--- Unlinks a device: it is told, forgotten, and the others learn of it (S-117).
-- @tparam ?bool silent nobody else is told
function login.unlink(sandbox, device, silent)
  local conn = device.connection
  device.queue:clear()
  repeats.clear(device)
  device.active = false
  sandbox.accounts:remove_device(device)
  device.one_time:clear()
  phone.forget(sandbox, device)
  if not silent then devices.announce(sandbox, device, "remove") end
  if not conn then return end
  login.detach(conn)
  conn:stream_error("401", stanza.node("conflict", { type = "device_removed" }))
end

return login
