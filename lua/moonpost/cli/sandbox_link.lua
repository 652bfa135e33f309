--- What a command needs to use a sandbox by its URL alone: its Noise root, its certificate, and a phone that scans QRs and types codes.
-- @module moonpost.cli.sandbox_link
local core = require "moonpost.core"
local json = require "cjson.safe"
local loopback = require "moonpost.loopback"
local printable = require "moonpost.printable"
local task = require "moonpost.task"
local options = require "moonpost.cli.options"

local EXCHANGE_SECONDS = 10

local Link = {}
Link.__index = Link

-- One HTTP exchange, as a value; runs inside a task.
local function request(link, method, path, body)
  return task.await(function(resume)
    local handle, err = core.net.request {
      method = method, url = link.base .. path, body = body, timeout = EXCHANGE_SECONDS,
      done = function(response, why) resume(response, why) end,
    }
    if not handle and err then resume(nil, err) end
  end)
end

local function must(link, method, path, body)
  local response, err = request(link, method, path, body)
  if not response then return nil, core.error("network", ("no sandbox at %s: %s"):format(link.url, tostring(err))) end
  if response.status // 100 ~= 2 then
    local told = json.decode(response.body or "")
    local why = type(told) == "table" and type(told.error) == "string" and told.error or ("the answer to %s %s is %d %s"):format(
      method, path, response.status, response.body or "")
    return nil, core.error("sandbox", ("the sandbox at %s: %s"):format(link.url, printable.line(why, 300)))
  end
  return response.body
end

--- Takes the Noise root and the certificate from the sandbox, whose files are fetched over https in any case; inside a task.
-- @treturn ?boolean true
-- @treturn ?table err
function Link:prepare()
  local body, err = must(self, "GET", "/admin/noise-root?format=json")
  if not body then return nil, err end
  local told = json.decode(body)
  local root = type(told) == "table" and type(told.noise_root) == "string" and core.crypto.unhex(told.noise_root)
  if not root or #root ~= 32 then
    return nil, core.error("sandbox", self.url .. ": /admin/noise-root did not answer 64 hex digits")
  end
  if self.tls and tostring(told.url):find "^ws:" then
    return nil, core.error("sandbox", ("the sandbox at %s: this sandbox speaks no TLS: its address begins with ws://, unless it is "
      .. "started with --tls"):format(self.url))
  end
  self.root = root
  self.ca, err = must(self, "GET", "/admin/certificate")
  return self.ca and true, err
end

--- Has the sandbox's simulated phone scan a QR; the result comes back on the WebSocket.
-- @string text the QR's text
-- @treturn ?boolean true
-- @treturn ?table err
function Link:scan(text)
  local answer, err = must(self, "POST", "/admin/mock-phone/scan-qr", text)
  return answer and true, err
end

--- Has the sandbox's simulated phone with a number type a linking code; waits until the device has answered.
-- @string phone digits
-- @string code
-- @treturn ?boolean true
-- @treturn ?table err
function Link:confirm(phone, code)
  local answer, err = must(self, "POST", "/admin/mock-phone/confirm-code", json.encode { phone = phone, code = code })
  return answer and true, err
end

--- Has the phone of an account call another account.
-- @string from JID
-- @string to JID
-- @bool video
-- @treturn ?string the call's id
-- @treturn ?table err
function Link:call(from, to, video)
  local body, err = must(self, "POST", "/admin/mock-phone/call", json.encode { from = from, to = to, video = video })
  if not body then return nil, err end
  return (json.decode(body) or {}).id
end

--- What has become of that call.
-- @string id of the call
-- @treturn ?string "ringing", "accepted", "rejected", …
-- @treturn ?table err
function Link:call_state(id)
  local body, err = must(self, "GET", "/admin/mock-phone/call?id=" .. id)
  if not body then return nil, err end
  return (json.decode(body) or {}).state
end

--- Has that phone hang up; a call that is over already is none to end.
-- @string id of the call
-- @treturn ?boolean true
-- @treturn ?table err
function Link:end_call(id)
  local answer, err = must(self, "POST", "/admin/mock-phone/end-call", json.encode { id = id })
  return answer and true, err
end

--- The accounts the sandbox knows, page by page.
-- @treturn ?table as /admin/state tells them
-- @treturn ?table err
function Link:accounts()
  local accounts, following = {}, 1
  while following do
    local body, err = must(self, "GET", ("/admin/state?from=%d"):format(following))
    if not body then return nil, err end
    local state, why = json.decode(body)
    if not state then return nil, core.error("sandbox", "/admin/state: " .. why) end
    table.move(state.accounts, 1, #state.accounts, #accounts + 1, accounts)
    following = math.tointeger(state.next)
  end
  return accounts
end

--- Makes a link of a sandbox's WebSocket URL; a URL of another form ends the command with a usage line.
-- Certificates are only taken on trust from loopback: anywhere else they could be anybody's.
-- @string url ws://HOST:PORT/path or wss://HOST:PORT/path
-- @treturn table link
return function(url)
  local scheme, host, port = url:match "^(wss?)://([^/]-):(%d+)/"
  if not scheme or not url:find("/ws", #scheme + 4, true) then
    options.fail("--sandbox expects ws://HOST:PORT/ws/chat or wss://…, got '%s'", url)
  end
  if not loopback.is_host(host) then options.fail("--sandbox expects an address of this machine (127.0.0.1), got '%s'", host) end
  return setmetatable({ url = url, tls = scheme == "wss", base = ("http://%s:%s"):format(host, port) }, Link)
end
