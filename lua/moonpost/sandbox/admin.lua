--- The admin calls over HTTP (fact sheet 08 §4), for scripts on this machine: a page in a browser is kept out by its Origin, a
-- name that was pointed at loopback by its Host.
-- @module moonpost.sandbox.admin
local core = require "moonpost.core"
local fields = require "moonpost.sandbox.fields"
local json = require "cjson.safe"
local loopback = require "moonpost.loopback"
local printable = require "moonpost.printable"
local pairing = require "moonpost.sandbox.pairing"
local phone_code = require "moonpost.sandbox.phone_code"
local stanza = require "moonpost.stanza"
local task = require "moonpost.task"

local admin = {}

local SCAN_SECONDS = 2 -- a ref may be scanned before the server has filed it (S-030)

local DEVICES_NAMED = 5 -- of an account, to who names the account in a device's place

local FOREIGN = "admin calls are for this machine: the Origin or Host is foreign"
local MEMBERS_MAX = 1024 -- of a group
local PAGE_ACCOUNTS, PAGE_DEVICES = 200, 1000 -- of /admin/state, below MP_HTTP_BODY_MAX
local ROUTING_SHOWN = 64 -- bytes of the edge routing a connection began with

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

-- A whole number from 1 on in the query; nil when there is none, and what is wrong with the query.
local function query_number(request, name)
  local query = request.query or ""
  if query == "" then return nil end
  local number = math.tointeger(tonumber(query:match("^" .. name .. "=(%d+)$")))
  if not number or number < 1 then return nil, ("the query is %s=N, N a whole number from 1 on"):format(name) end
  return number
end

-- By "METHOD /path": fn(sandbox, request).
local calls = {}

calls["GET /admin/noise-root"] = function(sandbox, request)
  if (request.query or ""):find "json" then
    return answer(request, 200, { noise_root = core.crypto.hex(sandbox.root), url = sandbox.url })
  end
  request:respond(200, "text/plain", core.crypto.hex(sandbox.root) .. "\n")
end

calls["GET /admin/certificate"] = function(sandbox, request)
  request:respond(200, "application/x-pem-file", sandbox.certificate)
end

local function tell_account(sandbox, account)
  local devices = {}
  for _, device in ipairs(sandbox.accounts:companions(account)) do
    devices[#devices + 1] = {
      jid = device:jid(), lid = device:jid "lid", connected = device.connection ~= nil, queued = device.queue.count,
      prekeys = device.one_time:count(), os = device.os, platform = device.platform,
      routing = device.connection and device.connection.routing and core.crypto.hex(device.connection.routing:sub(1, ROUTING_SHOWN)),
    }
  end
  local name = printable.line(account.name, 200) -- a client chose it
  return { push_name = name, phone = account.pn, jid = account:jid(), lid = account:jid "lid", devices = list(devices) }
end

-- A page of accounts from the nth on: so many that the answer stays below what one may hold, whatever clients have made of them.
local function page(sandbox, first)
  local accounts, devices = {}, 0
  for i = first, #sandbox.accounts.list do
    local told = tell_account(sandbox, sandbox.accounts.list[i])
    accounts[#accounts + 1] = told
    devices = devices + (told.devices ~= EMPTY_LIST and #told.devices or 0)
    if #accounts == PAGE_ACCOUNTS or devices >= PAGE_DEVICES then return accounts, i < #sandbox.accounts.list and i + 1 or nil end
  end
  return accounts
end

-- ?from=N: the accounts from the Nth on; `next` is where the answer ended, if there are more.
calls["GET /admin/state"] = function(sandbox, request)
  local first, err = query_number(request, "from")
  if err then return answer(request, 400, { error = err }) end
  local accounts, following = page(sandbox, first or 1)
  answer(request, 200, {
    accounts = list(accounts), accounts_total = #sandbox.accounts.list, next = following, violations = list(sandbox.violations),
    violations_total = sandbox.violations_total, unknown_queries = sandbox.unknown, counts = sandbox.counts,
  })
end

-- Answers with what fn(...) returns; what it does not find yet may still be on the way from the client.
local function answer_soon(request, fn, ...)
  task.spawn(function(...)
    local deadline = core.net.now() + SCAN_SECONDS
    local status, value = fn(...)
    while status == 404 and core.net.now() < deadline do
      task.sleep(0.05)
      status, value = fn(...)
    end
    answer(request, status, value)
  end, ...)
end

calls["POST /admin/mock-phone/scan-qr"] = function(sandbox, request)
  answer_soon(request, pairing.scan, sandbox, request.body or "")
end

-- The body's fields, as `known` kinds (see fields); answers what is wrong.
local function read_json(request, known, needed)
  local value, err = json.decode(request.body or "")
  if type(value) ~= "table" then
    return nil, answer(request, 400, { error = "the body is no JSON object: " .. printable.line(err, 200) })
  end
  if not known then return value end
  value, err = fields.read(value, known, needed)
  if not value then return nil, answer(request, 400, { error = err }) end
  return value
end

local JID = fields.text(200)

-- A phone number with its country code: its digits.
local function phone(value)
  local digits = type(value) == "string" and value:gsub("[%s%+%-%(%)]", "") or ""
  if digits:find "^%d+$" and #digits <= 15 then return digits end
  return nil, "a phone number with its country code, as a text"
end

-- A linking code: its 8 characters.
local function linking_code(value)
  local code = type(value) == "string" and value:gsub("[%s%-]", ""):upper() or ""
  if #code == 8 then return code end
  return nil, "a code of 8 characters"
end

-- {phone, code}: the phone of that number types the code (S-031); answered when the device has shown its part, or has not.
calls["POST /admin/mock-phone/confirm-code"] = function(sandbox, request)
  local value = read_json(request, { phone = phone, code = linking_code }, { "phone", "code" })
  if value then answer_soon(request, phone_code.confirm, sandbox, value.phone, value.code) end
end

-- {phone, force_manual_refresh}: the client that shows a code for this number is asked to renew it (S-063).
calls["POST /admin/refresh-code"] = function(sandbox, request)
  local value = read_json(request, { phone = phone, force_manual_refresh = fields.flag }, { "phone" })
  if value then answer_soon(request, phone_code.refresh, sandbox, value.phone, value.force_manual_refresh) end
end

-- {push_name, child}: the clients of this name that show a QR are asked to renew its secret (S-063).
calls["POST /admin/rotate-qr"] = function(sandbox, request)
  local child = fields.one_of("companion_reg_refresh", "pair-device-rotate-qr")
  local value = read_json(request, { push_name = fields.text(200), child = child }, { "push_name" })
  if value then answer_soon(request, pairing.rotate, sandbox, value.push_name, value.child or "companion_reg_refresh") end
end

-- Does or arms a fault; answers with it.
local function fault(sandbox, request, value)
  local armed, err = sandbox.faults:add(value)
  if not armed then return answer(request, err.status, { error = err.error }) end
  answer(request, 200, sandbox.faults.tell(armed))
end

-- Why a JID names no linked device.
local function no_device(sandbox, text)
  local account, number = sandbox.accounts:lookup(text)
  text = printable.line(text, 200)
  if not account or number ~= 0 then return ("no linked device '%s'"):format(text) end
  local devices = {}
  for i, device in ipairs(sandbox.accounts:companions(account)) do devices[i] = i <= DEVICES_NAMED and device:jid() or nil end
  if #devices == 0 then return ("no linked device '%s': it is an account that has none"):format(text) end
  return ("no linked device '%s': it is an account, whose linked devices are %s"):format(text, table.concat(devices, ", "))
end

-- One linked device, by either of its names.
local function find_device(sandbox, request, value)
  if sandbox.accounts:device(value.jid) then return true end
  return nil, answer(request, 404, { error = no_device(sandbox, value.jid) })
end

-- {jid}: the phone unlinks a device (S-117).
calls["POST /admin/mock-phone/unlink"] = function(sandbox, request)
  local value = read_json(request, { jid = JID }, { "jid" })
  if value and find_device(sandbox, request, value) then fault(sandbox, request, { what = "unlink", jid = value.jid }) end
end

-- The server's Noise key is another from now on (S-012).
calls["POST /admin/rotate-noise-key"] = function(sandbox, request)
  sandbox:rotate_noise_key()
  answer(request, 200, {})
end

-- {jid, info, refuse}: the device is told this edge routing, hex; a connection that begins with it is dropped when `refuse` says so.
calls["POST /admin/edge-routing"] = function(sandbox, request)
  local value = read_json(request, { jid = JID, info = fields.text(8192), refuse = fields.flag }, { "jid", "info" })
  if not value or not find_device(sandbox, request, value) then return end
  local info, conn = core.crypto.unhex(value.info), sandbox.accounts:device(value.jid).connection
  if not info then return answer(request, 400, { error = "info is bytes in hex" }) end
  if not conn then return answer(request, 409, { error = "the device is not connected" }) end
  sandbox.refused_routing = value.refuse and info or nil
  conn:send(stanza.node("ib", { from = "s.whatsapp.net" }, stanza.node("edge_routing", nil, stanza.node("routing_info", nil, info))))
  answer(request, 200, {})
end

-- Ways to end a device's connection at once (S-031).
local kicks = {
  close = { what = "close" }, drop = { what = "drop" }, replaced = { what = "stream-error", conflict = "replaced" },
  ["503"] = { what = "stream-error", code = 503 }, ["515"] = { what = "stream-error", code = 515 },
}

-- {jid, kind}
calls["POST /admin/kick"] = function(sandbox, request)
  local value = read_json(request, { jid = JID, kind = fields.one_of("close", "drop", "replaced", "503", "515") }, { "jid", "kind" })
  if not value or not find_device(sandbox, request, value) then return end
  local kick = { jid = value.jid }
  for name, one in pairs(kicks[value.kind]) do kick[name] = one end
  fault(sandbox, request, kick)
end

-- Texts of JIDs, as many as a group has members.
local function jids(value)
  local sentence = ("a list of JIDs, 1 to %d"):format(MEMBERS_MAX)
  if type(value) ~= "table" or #value == 0 or #value > MEMBERS_MAX then return nil, sentence end
  for _, one in ipairs(value) do
    if type(one) ~= "string" then return nil, sentence end
  end
  return value
end

-- The accounts of JIDs; answers which there is not.
local function find_accounts(sandbox, request, list_of_jids)
  local accounts = {}
  for i, one in ipairs(list_of_jids) do
    accounts[i] = (sandbox.accounts:lookup(one))
    if not accounts[i] then return nil, answer(request, 404, {
      error = ("no account '%s': its JID names it, as /admin/state tells"):format(printable.line(one, 200)),
    }) end
  end
  return accounts
end

-- What admin calls of other files are made with.
local tools = {
  answer = answer, read_json = read_json, find_accounts = find_accounts, find_device = find_device, jids = jids, JID = JID, list = list,
}
local streams = {} -- whose bodies stream: fn(sandbox, exchange)
for _, name in ipairs { "admin_places", "admin_groups", "admin_calls", "admin_media" } do
  local whole, streamed = require("moonpost.sandbox." .. name)(tools)
  for call, fn in pairs(whole) do calls[call] = fn end
  for call, fn in pairs(streamed or {}) do streams[call] = fn end
end

-- A fault as `faults` describes it: done at once, or armed.
calls["POST /admin/fault"] = function(sandbox, request)
  local value = read_json(request)
  if value then fault(sandbox, request, value) end
end

calls["GET /admin/faults"] = function(sandbox, request)
  local found = sandbox.faults:list()
  answer(request, 200, { armed = list(found.armed), struck = list(found.struck), struck_total = found.struck_total })
end

-- ?fault=N: that one; all without it.
calls["DELETE /admin/faults"] = function(sandbox, request)
  local number, err = query_number(request, "fault")
  if err then return answer(request, 400, { error = err }) end
  local count = sandbox.faults:clear(number)
  if number and count == 0 then return answer(request, 404, { error = ("no fault %d is armed"):format(number) }) end
  answer(request, 200, { cleared = count })
end

--- What serves a call whose bodies stream, for moonpost.http; nil: it is none.
-- @treturn ?func fn(exchange)
function admin.stream(sandbox, head)
  local call = streams[head.method .. " " .. head.path]
  if not call then return nil end
  return function(exchange)
    if allowed(exchange.headers) then return call(sandbox, exchange) end
    exchange:respond(403, { ["content-type"] = "text/plain" }, FOREIGN .. "\n")
  end
end

--- Answers an HTTP request.
function admin.request(sandbox, request)
  if not request.path:match "^/admin/" then
    return request:respond(200, "text/plain", "a moonpost sandbox: WebSocket at /ws/chat, admin calls below /admin\n")
  end
  if not allowed(request.headers) then
    return answer(request, 403, { error = FOREIGN })
  end
  local call = calls[request.method .. " " .. request.path]
  if call then return call(sandbox, request) end
  for _, method in ipairs { "GET", "POST", "DELETE" } do
    if calls[method .. " " .. request.path] then
      return answer(request, 405, { error = ("%s is called with %s"):format(request.path, method) })
    end
  end
  return answer(request, 404, { error = "no admin call " .. printable.line(request.path, 200) })
end

return admin
