--- The media host over HTTP (fact sheets 05 §14, §17, 08 S-821 to S-826): uploads, downloads, deletions.
-- @module moonpost.sandbox.media_host
local core = require "moonpost.core"
local json = require "cjson.safe"
local media = require "moonpost.sandbox.media"

local crypto = core.crypto

local HASH = 32 -- bytes

local media_host = {}

-- The fields of a query: the first of each name, whatever separates them (some append a second `?`).
local function fields_of(text)
  local found = {}
  for name, value in (text or ""):gmatch "([^&?=]+)=?([^&?]*)" do
    found[name] = found[name] or value:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end)
  end
  return found
end

-- A path to upload to: "image", "newsletter-image", …, and the token.
local function upload_path(path)
  local kind, token
  for _, place in ipairs { "^/mms/([^/]+)/([^/]+)$", "^/newsletter/(newsletter%-[^/]+)/([^/]+)$", "^/product/([^/]+)/([^/]+)$",
    "^/pps/([^/]+)/([^/]+)$", "^/wa%-msgr/mms/([^/]+)/([^/]+)$" } do
    kind, token = path:match(place)
    if kind then return kind, token end
  end
  token = path:match "^/([%w_=-]+)$"
  if token and #token >= 43 then return "md-app-state", token end
end

-- The hash a token says; nil when it is none. Some pad it.
local function hash_of(token)
  local hash = crypto.unbase64((token or ""):gsub("%%3[dD]", "="):gsub("=+$", ""), "url")
  return hash and #hash == HASH and hash or nil
end

--- Whether a request is one for the media host.
function media_host.knows(request)
  return upload_path(request.path) ~= nil or request.path:match "^/v/" ~= nil or request.path:match "^/mms/" ~= nil
end

local function answer(request, status, value)
  request:respond(status, "application/json", json.encode(value):gsub("\\/", "/") .. "\n")
end

local function refuse(request, status, why) answer(request, status, { error = why }) end

-- What an upload is answered with.
local function described(sandbox, object, kind)
  local path = sandbox.media:link(object, kind:gsub("^newsletter%-", ""))
  return {
    url = ("https://%s%s&mms3=true"):format(sandbox.media_address, path), direct_path = path, object_id = crypto.hex(object.hash:sub(1, 8)),
    handle = kind:find "^newsletter%-" and sandbox.media:handle(object) or nil,
  }
end

-- Who uploads what; answers what is wrong.
local function admit(sandbox, request, token, query)
  if not media.account_of(sandbox, query.auth) then return refuse(request, 401, "the token is unknown, or too old") end
  local hash = hash_of(token)
  if not hash or hash_of(query.token) ~= hash then return refuse(request, 400, "the token is no hash, or not the one of the path") end
  return hash
end

local function resume(sandbox, request, hash, kind)
  local object = sandbox.media:object(hash)
  if object then
    local value = described(sandbox, object, kind)
    value.resume = "complete"
    return answer(request, 200, value)
  end
  answer(request, 200, { resume = tostring(sandbox.media:held_of(hash)) })
end

local function upload(sandbox, request, kind, token, query)
  local hash = admit(sandbox, request, token, query)
  if not hash then return end
  if query.resume == "1" then return resume(sandbox, request, hash, kind) end
  local offset = math.tointeger(tonumber(query.file_offset or 0))
  local writer = offset and sandbox.media:begin(hash, offset)
  if not writer then return refuse(request, 400, ("%d bytes are here"):format(sandbox.media:held_of(hash))) end
  local ok, err = writer:write(request.body)
  local object
  if ok then object, err = sandbox.media:finish(hash, writer) end
  if not object then return refuse(request, err and 500 or 400, tostring(err or "the bytes have another hash than the token says")) end
  local value = described(sandbox, object, kind)
  sandbox:durable(function() answer(request, 200, value) end)
end

-- What a companion has read it takes off again (S-824).
local function delete(sandbox, request, token, query)
  local hash = admit(sandbox, request, token, query)
  local object = hash and sandbox.media:object(hash)
  if object then sandbox.media:withdraw(object) end
  if hash then answer(request, 200, {}) end
end

local function download(sandbox, request, query)
  local name = request.path:match "^/v/[^/]+/([^/&?]+)%.enc"
  local object, status, why = sandbox.media:find(name or "", query)
  if not object then return refuse(request, status, why) end
  local reader, err = sandbox.media:open(object)
  if not reader then return refuse(request, 500, err.message) end
  local pieces, offset = {}, 0
  while offset < object.size do
    local bytes = assert(reader:read(offset, object.size - offset))
    pieces[#pieces + 1], offset = bytes, offset + #bytes
  end
  reader:close()
  request:respond(200, "application/octet-stream", table.concat(pieces))
end

--- Answers an HTTP request for the media host.
function media_host.request(sandbox, request)
  local query = fields_of(request.query)
  if request.method == "GET" then return download(sandbox, request, query) end
  local kind, token = upload_path(request.path)
  if request.method == "POST" and kind then return upload(sandbox, request, kind, token, query) end
  if request.method == "DELETE" and kind then return delete(sandbox, request, token, query) end
  refuse(request, 405, "uploads are POSTs, downloads GETs")
end

return media_host
