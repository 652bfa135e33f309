--- The media host over HTTP (fact sheets 05 §14, §17, 08 S-821 to S-826): who asks for what, and what becomes of it. What goes wrong on
-- request is a plan, which `media_strikes` fill in and `media_body` follows.
-- @module moonpost.sandbox.media_host
local core = require "moonpost.core"
local json = require "cjson.safe"
local media = require "moonpost.sandbox.media"
local media_body = require "moonpost.sandbox.media_body"

local crypto = core.crypto

local HASH = 32 -- bytes

local media_host = {}

-- The fields of a query: the first of each name, whatever separates them (some append a second `?`).
local function fields_of(text)
  local found = {}
  for name, value in (text or ""):gmatch "([^&?=]+)=?([^&?]*)" do
    if not found[name] then found[name] = value:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end) end
  end
  return found
end

local upload_places = {
  "^/mms/([^/]+)/([^/]+)$", "^/newsletter/(newsletter%-[^/]+)/([^/]+)$", "^/product/([^/]+)/([^/]+)$", "^/pps/([^/]+)/([^/]+)$",
  "^/wa%-msgr/mms/([^/]+)/([^/]+)$",
}

-- A path to upload to: "image", "newsletter-image", …, and the token, which may stand alone (Baileys).
local function upload_path(path)
  for _, place in ipairs(upload_places) do
    local kind, token = path:match(place)
    if kind then return kind, token end
  end
  local token = path:match "^/([%w_=%%-]+)$"
  if token and #token >= 43 then return "md-app-state", token end
end

-- The hash a token says; nil when it is none. Some pad it.
local function hash_of(token)
  local hash = crypto.unbase64((token or ""):gsub("%%3[dD]", "="):gsub("=+$", ""), "url")
  return hash and #hash == HASH and hash or nil
end

local function answer(exchange, status, value, headers)
  local all = { ["content-type"] = "application/json" }
  for name, one in pairs(headers or {}) do all[name] = one end
  exchange:respond(status, all, json.encode(value):gsub("\\/", "/") .. "\n")
end

local function refuse(exchange, status, why, headers) answer(exchange, status, { error = why }, headers) end

-- What an upload is answered with.
local function described(sandbox, object, kind)
  local path = sandbox.media:link(object, (kind:gsub("^newsletter%-", "")))
  return {
    url = ("https://%s%s&mms3=true"):format(sandbox.media_address, path), direct_path = path, object_id = crypto.hex(object.hash:sub(1, 8)),
    handle = kind:find "^newsletter%-" and sandbox.media:handle(object) or nil,
  }
end

-- The requests, by name: fn(sandbox, exchange, asked, plan).
local requests = {}

function requests.resume(sandbox, exchange, asked)
  local object = sandbox.media:object(asked.hash)
  if not object or not sandbox.media:on_host(object) then
    return answer(exchange, 200, { resume = tostring(sandbox.media:held_of(asked.hash)) })
  end
  local value = described(sandbox, object, asked.kind)
  value.resume = "complete"
  answer(exchange, 200, value)
end

-- Answers a body that has not come as it should; what is here of one that broke off stays.
local function not_taken(sandbox, exchange, asked, writer, err)
  if err.code == "limit" then
    writer:discard()
    return refuse(exchange, 413, err.message)
  end
  sandbox.media:break_off(asked.hash, writer)
  if err.code == "disk" then return refuse(exchange, 507, err.message) end
  exchange:cut()
end

function requests.upload(sandbox, exchange, asked, plan)
  local most = sandbox.media_settings.max_bytes
  local offset = math.tointeger(tonumber(asked.query.file_offset or "0"))
  if exchange.length and exchange.length + (offset or 0) > most then return refuse(exchange, 413, "the file is too large") end
  local writer = offset and sandbox.media:begin(asked.hash, offset)
  if not writer then return refuse(exchange, 400, ("%d bytes are here"):format(sandbox.media:held_of(asked.hash))) end
  local ok, err = media_body.take(exchange, writer, most, plan)
  if not ok then return not_taken(sandbox, exchange, asked, writer, err) end
  local object
  object, err = sandbox.media:finish(asked.hash, writer)
  if err then return refuse(exchange, 507, err.message) end
  if not object then return refuse(exchange, 400, "the bytes have another hash than the token says") end
  local value = described(sandbox, object, asked.kind)
  sandbox:safe()
  answer(exchange, 200, value)
end

-- "bytes=a-b" of an object: first and last byte; false when there are none such; nil: all of it.
local function range_of(text, size)
  local first, last = (text or ""):match "^bytes=(%d*)%-(%d*)$"
  if not first or first == "" and last == "" then return nil end
  if first == "" then first, last = math.max(0, size - tonumber(last)), size - 1 end
  first, last = math.tointeger(tonumber(first)) or math.huge, math.tointeger(tonumber(last)) or math.huge
  if first >= size then return false end
  if last < first then return nil end
  return { first = first, last = math.min(last, size - 1) }
end

function requests.download(sandbox, exchange, asked, plan)
  local object, status, why = asked.object, asked.status, asked.why
  if not object then return refuse(exchange, status, why) end
  local range = range_of(exchange.headers.range, object.size)
  local headers = { ["content-type"] = "application/octet-stream", ["accept-ranges"] = "bytes", ["cache-control"] = "max-age=1209600" }
  if range == false then
    headers["content-range"] = ("bytes */%d"):format(object.size)
    return exchange:respond(416, headers, "")
  end
  local first, count = 0, object.size
  if range then
    first, count = range.first, range.last - range.first + 1
    headers["content-range"] = ("bytes %d-%d/%d"):format(range.first, range.last, object.size)
  end
  if exchange.method == "HEAD" then return exchange:start(range and 206 or 200, headers, count) end
  local reader, err = sandbox.media:open(object)
  if not reader then return refuse(exchange, 500, err.message) end
  media_body.give(exchange, reader, { status = range and 206 or 200, headers = headers, first = first, count = count }, plan)
  reader:close()
end

function requests.delete(sandbox, exchange, asked)
  local object = sandbox.media:object(asked.hash)
  sandbox:read_mail()
  if object then sandbox.media:withdraw(object, true) end
  sandbox:safe()
  answer(exchange, 200, {})
end

-- Which request it is, and of which object; nil when it is none.
local function read(sandbox, exchange)
  local query, method = fields_of(exchange.query), exchange.method
  if method == "GET" or method == "HEAD" then
    local name = exchange.path:match "^/v/[^/]+/([^/&?]+)%.enc" or ""
    local object, status, why = sandbox.media:find(name, query)
    return { what = "download", query = query, object = object, hash = object and object.hash, status = status, why = why }
  end
  local kind, token = upload_path(exchange.path)
  if not kind or method ~= "POST" and method ~= "DELETE" then return nil end
  local what = method == "DELETE" and "delete" or query.resume == "1" and "resume" or "upload"
  return { what = what, query = query, kind = kind, hash = hash_of(token), account = media.account_of(sandbox, query.auth) }
end

local function serve(sandbox, exchange)
  local asked = read(sandbox, exchange)
  if not asked then return refuse(exchange, 405, "uploads are POSTs, downloads GETs") end
  local plan = sandbox.faults:media(asked)
  if plan.status then return refuse(exchange, plan.status, "a fault", plan.headers) end
  if asked.what ~= "download" then
    if not asked.account then return refuse(exchange, 401, "the token is unknown, or too old") end
    if not asked.hash or hash_of(asked.query.token) ~= asked.hash then
      return refuse(exchange, 400, "the token is no hash, or not the one of the path")
    end
  end
  requests[asked.what](sandbox, exchange, asked, plan)
end

--- What serves a request, for moonpost.http; nil: it is none for the media host.
-- @tparam table head
-- @treturn ?func fn(exchange)
function media_host.handler(sandbox, head)
  local path = head.path
  if not upload_path(path) and not path:find "^/v/" and not path:find "^/mms/" then return nil end
  return function(exchange) serve(sandbox, exchange) end
end

return media_host
