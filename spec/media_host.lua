--- The sandbox's media host as any HTTP client uses it, for specs.
--
--     local rig <close>, at = require("spec.media_host").scene()
--     local status, told = at:upload "ciphertext"
--     local status, bytes, headers = at:ask("GET", told.direct_path)
local core = require "moonpost.core"
local http = require "moonpost.http"
local json = require "cjson.safe"
local moonpost = require "moonpost"
local rig = require "spec.rig"
local sockets = require "spec.sockets"
local stanza = require "moonpost.stanza"
local support = require "spec.support"
local task = require "moonpost.task"

local crypto = core.crypto

local host = {}

local Host = {}
Host.__index = Host

--- The `<media_conn/>` a contact's client is told.
function host.ask(contact)
  local answer = assert(contact.client:query(stanza.node("iq", { to = "s.whatsapp.net", type = "set", xmlns = "w:m" },
    stanza.node "media_conn")))
  return stanza.child(answer, "media_conn")
end

--- What an upload of these bytes is called by.
function host.token(bytes) return crypto.base64(crypto.sha256(bytes), "url") end

--- A sandbox, and the media host as somebody on it is told of it: auth, address, conn, contact, rig.
function host.scene(options)
  local one = rig.start(options)
  local contact = one:contact "Ana"
  local conn = host.ask(contact)
  return one, setmetatable({
    rig = one, contact = contact, conn = conn, auth = conn.attrs.auth, address = stanza.child(conn, "host").attrs.hostname,
    certificate = one.sandbox.certificate,
  }, Host)
end

-- Where bytes are uploaded to.
local function target(self, bytes, more)
  local token = more.token or host.token(more.of or bytes)
  local place = ("%s/%s?auth=%s&token=%s"):format(more.place or "/mms/image", more.path_token or token, more.auth or self.auth, token)
  if more.offset then place = ("%s&file_offset=%d"):format(place, more.offset) end
  return place
end

--- The media host of a sandbox in a process of its own, as somebody there is told of it.
-- @string url of its WebSocket
-- @string root its Noise root
-- @string certificate
-- @int port of its admin calls
function host.outside(url, root, certificate, port)
  local client = moonpost.client { store_handle = assert(core.store.open {}), url = url, root = root, ca = certificate, name = "Ana" }
  assert(client:pair { qr = function(text)
    task.spawn(support.http, "POST", ("http://127.0.0.1:%d/admin/mock-phone/scan-qr"):format(port), text)
  end })
  assert(client:connect())
  local contact = { client = client }
  local conn = host.ask(contact)
  return setmetatable({
    contact = contact, conn = conn, auth = conn.attrs.auth, address = stanza.child(conn, "host").attrs.hostname, certificate = certificate,
  }, Host)
end

--- Uploads so many bytes without having them all at once: status, and what was told.
function Host:stream_up(size)
  local piece, left, hasher = crypto.random(65536), size, assert(core.media.encryptor(nil, "document"))
  for _ = 1, size // #piece do hasher:update(piece) end
  local token = crypto.base64(select(2, hasher:finish()).fileSha256, "url")
  local response = assert(self:open("POST", target(self, "", { token = token }), nil, nil, { length = size, reader = function()
    left = left - #piece
    return left >= 0 and piece or nil
  end }))
  return response.status, json.decode((host.read(response)))
end

--- Downloads and forgets: how many bytes there were.
function Host:stream_down(link)
  local response, size = assert(self:open("GET", link)), 0
  while true do
    local bytes, err = response:read()
    if not bytes then
      assert(not err, tostring(err))
      return size
    end
    size = size + #bytes
  end
end

--- Begins an exchange: the response, its body unread, or nil and an error. `more`: reader, length, stall.
function Host:open(method, path, body, headers, more)
  local options = {
    method = method, url = ("https://%s%s"):format(self.address, path), body = body, headers = headers, ca = self.certificate,
  }
  for name, value in pairs(more or {}) do options[name] = value end
  return http.request(options)
end

--- All of a response's body, or what came of it and an error.
function host.read(response)
  local pieces = {}
  while true do
    local bytes, err = response:read()
    if not bytes then return table.concat(pieces), err end
    pieces[#pieces + 1] = bytes
  end
end

--- A whole exchange: status, body and headers.
function Host:ask(method, path, body, headers)
  local response = assert(self:open(method, path, body, headers))
  local bytes, err = host.read(response)
  assert(not err, tostring(err))
  return response.status, bytes, response.headers
end

--- Where bytes are uploaded to; `more` as for `upload`.
function Host:target(bytes, more) return target(self, bytes, more or {}) end

--- Uploads: status, and what was told. `more`: token, path_token, auth, place, offset, of (the bytes it is a part of).
function Host:upload(bytes, more)
  local status, body = self:ask("POST", target(self, bytes, more or {}), bytes)
  return status, json.decode(body)
end

--- What is there of these bytes already.
function Host:resume(bytes) return json.decode((select(2, self:ask("POST", target(self, bytes, {}) .. "&resume=1", "")))) end

--- Uploads the first `count` bytes, and is gone.
function Host:break_off(bytes, count)
  local at = 1
  local _, err = self:open("POST", target(self, bytes, {}), nil, nil, { length = #bytes, reader = function()
    if at > count then return nil, core.error("tired", "enough") end
    local piece = bytes:sub(at, math.min(count, at + 9999))
    at = at + #piece
    return piece
  end })
  assert(err.code == "tired", tostring(err))
end

--- Uploads in chunks, over a socket of its own to the plain port: status, and the bytes as they are handed out then.
function Host:chunked(pieces)
  local bytes = table.concat(pieces)
  local list = { ("POST %s HTTP/1.1\r\nHost: %s\r\nTransfer-Encoding: chunked\r\n\r\n"):format(target(self, bytes, {}), self.address) }
  for _, piece in ipairs(pieces) do list[#list + 1] = ("%x\r\n%s\r\n"):format(#piece, piece) end
  list[#list + 1] = "0\r\n\r\n"
  local answer = sockets.raw(self.rig.sandbox.port, table.concat(list))
  local status = tonumber(answer:match "^HTTP/1.1 (%d+)")
  if status ~= 200 then return status end
  local told = json.decode(answer:match "\r?\n\r?\n(.*)$")
  return status, (select(2, self:ask("GET", told.direct_path)))
end

--- How many objects the host has.
function host.count(self) return (self.rig.sandbox.media:count()) end

return host
