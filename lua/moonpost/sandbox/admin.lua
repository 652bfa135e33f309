--- The admin calls over HTTP (fact sheet 08 §4), for scripts on this machine: a page in a browser is kept out by its Origin, a
-- name that was pointed at loopback by its Host.
-- @module moonpost.sandbox.admin
local core = require "moonpost.core"
local json = require "cjson.safe"
local loopback = require "moonpost.loopback"
local printable = require "moonpost.printable"
local stanza = require "moonpost.stanza"
local login = require "moonpost.sandbox.login"
local pairing = require "moonpost.sandbox.pairing"
local task = require "moonpost.task"

local admin = {}

local SCAN_SECONDS = 2 -- a ref may be scanned before the server has filed it (S-030)

local function allowed(headers)
  local origin, host = headers.origin, headers.host
  if origin then
    local authority = origin:match "^https?://(.+)$"
    if not authority or not loopback.is_authority(authority) then return false end
  end
  return host ~= nil and loopback.is_authority(host)
end

-- Debian's cjson writes every empty table as an object: this text stands for an empty list until it is written.
local EMPTY_LIST, EMPTY_LIST_WRITTEN = "\1[]", [["\u0001%[%]"]]

local function list(values) return #values > 0 and values or EMPTY_LIST end

local function answer(request, status, value)
  local text = json.encode(value):gsub(EMPTY_LIST_WRITTEN, "[]")
  request:respond(status, "application/json", text .. "\n")
end

-- By "METHOD /path": fn(sandbox, request).
local calls = {}

calls["GET /admin/noise-root"] = function(sandbox, request)
  if (request.query or ""):find "json" then return answer(request, 200, { noise_root = core.crypto.hex(sandbox.root) }) end
  request:respond(200, "text/plain", core.crypto.hex(sandbox.root) .. "\n")
end

calls["GET /admin/certificate"] = function(sandbox, request)
  if not sandbox.certificate then return answer(request, 404, { error = "this sandbox speaks no TLS" }) end
  request:respond(200, "application/x-pem-file", sandbox.certificate)
end

local function tell_account(sandbox, account)
  local devices = {}
  for _, device in ipairs(sandbox.accounts:companions(account)) do
    devices[#devices + 1] = {
      jid = device:jid(), lid = device:jid "lid", connected = device.connection ~= nil, queued = device.queue.count,
      prekeys = device.one_time:count(),
    }
  end
  local name = printable.line(account.name, 200) -- a client chose it
  return { push_name = name, phone = account.pn, jid = account:jid(), lid = account:jid "lid", devices = list(devices) }
end

calls["GET /admin/state"] = function(sandbox, request)
  local accounts = {}
  for i, account in ipairs(sandbox.accounts.list) do accounts[i] = tell_account(sandbox, account) end
  answer(request, 200, {
    accounts = list(accounts), violations = list(sandbox.violations), violations_total = sandbox.violations_total,
    unknown_queries = sandbox.unknown,
  })
end

calls["POST /admin/mock-phone/scan-qr"] = function(sandbox, request)
  task.spawn(function()
    local deadline = core.net.now() + SCAN_SECONDS
    local status, value = pairing.scan(sandbox, request.body or "")
    while status == 404 and core.net.now() < deadline do
      task.sleep(0.05)
      status, value = pairing.scan(sandbox, request.body or "")
    end
    answer(request, status, value)
  end)
end

local function read_json(request)
  local value, err = json.decode(request.body or "")
  if type(value) ~= "table" then
    return nil, answer(request, 400, { error = "the body is no JSON object: " .. printable.line(err, 200) })
  end
  return value
end

local function find_device(sandbox, request)
  local value = read_json(request)
  if not value then return nil end
  local device = sandbox.accounts:device(tostring(value.jid))
  if not device then return nil, answer(request, 404, { error = ("no linked device '%s'"):format(printable.line(value.jid, 200)) }) end
  return device, value
end

calls["POST /admin/mock-phone/unlink"] = function(sandbox, request)
  local device = find_device(sandbox, request)
  if not device then return end
  login.unlink(sandbox, device)
  answer(request, 200, {})
end

-- {jid, reason, ...}: the device's next login is refused with these attributes (S-118).
calls["POST /admin/refuse"] = function(sandbox, request)
  local device, value = find_device(sandbox, request)
  if not device then return end
  if not tostring(value.reason):match "^%d%d%d$" then return answer(request, 400, { error = "reason is a number of three digits" }) end
  value.jid = nil
  for name, one in pairs(value) do
    if type(one) ~= "string" and math.type(one) == nil then
      return answer(request, 400, { error = ("'%s' is no text or number"):format(printable.line(name, 200)) })
    end
    value[name] = tostring(math.tointeger(one) or one) -- JSON's numbers come as floats
  end
  device.refusal = value
  answer(request, 200, {})
end

-- {jid, error, count}: the device's next messages are refused with this error (S-404).
calls["POST /admin/refuse-messages"] = function(sandbox, request)
  local device, value = find_device(sandbox, request)
  if not device then return end
  local error_code, count = math.tointeger(tonumber(value.error)), math.tointeger(value.count or 1)
  if not error_code or error_code // 100 < 4 or error_code // 100 > 5 then
    return answer(request, 400, { error = "error is a number, 400 to 599" })
  end
  if not count or count < 1 then return answer(request, 400, { error = "count is a whole number, 1 or more" }) end
  device.refused_messages = { error = error_code, count = count }
  answer(request, 200, {})
end

-- {jid, kind}: ways to end a device's connection.
local kicks = {
  close = function(conn) conn:close() end,
  drop = function(conn) conn:drop() end,
  replaced = function(conn) conn:stream_error(nil, stanza.node("conflict", { type = "replaced" })) end,
  ["503"] = function(conn) conn:stream_error "503" end,
  ["515"] = function(conn) conn:stream_error "515" end,
}

calls["POST /admin/kick"] = function(sandbox, request)
  local device, value = find_device(sandbox, request)
  if not device then return end
  local kick = kicks[tostring(value.kind)]
  if not kick then return answer(request, 400, { error = "kind is one of close, drop, replaced, 503, 515" }) end
  if not device.connection then return answer(request, 409, { error = "the device is not connected" }) end
  kick(device.connection)
  answer(request, 200, {})
end

--- Answers an HTTP request.
function admin.request(sandbox, request)
  if not request.path:match "^/admin/" then
    return request:respond(200, "text/plain", "a moonpost sandbox: WebSocket at /ws/chat, admin calls below /admin\n")
  end
  if not allowed(request.headers) then
    return answer(request, 403, { error = "admin calls are for this machine: the Origin or Host is foreign" })
  end
  local call = calls[request.method .. " " .. request.path]
  if call then return call(sandbox, request) end
  for _, method in ipairs { "GET", "POST" } do
    if calls[method .. " " .. request.path] then
      return answer(request, 405, { error = ("%s is called with %s"):format(request.path, method) })
    end
  end
  return answer(request, 404, { error = "no admin call " .. printable.line(request.path, 200) })
end

return admin
