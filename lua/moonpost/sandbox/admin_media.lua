--- Admin calls of files: what phones send, have and lose, and what the media host has. Bodies that are files stream, whatever their size.
-- @module moonpost.sandbox.admin_media
local core = require "moonpost.core"
local fields = require "moonpost.sandbox.fields"
local json = require "cjson.safe"
local kinds = require "moonpost.sandbox.phone_kinds"
local phone = require "moonpost.sandbox.phone"
local phone_files = require "moonpost.sandbox.phone_files"
local phone_mail = require "moonpost.sandbox.phone_mail"
local phone_send = require "moonpost.sandbox.phone_send"
local pictures = require "moonpost.sandbox.pictures"
local printable = require "moonpost.printable"
local task = require "moonpost.task"

local SLICE = 64 * 1024
local FILES_MAX = 50 -- handed in and not sent yet
local ALBUM_MAX = 30

local settings = { "max_bytes", "image_mb", "video_mb", "audio_mb", "auth_seconds", "ttl" }

-- Takes in a file to be sent: its id.
local function take_file(sandbox, exchange)
  local spool, size = core.media.spool(), 0
  while true do
    local bytes, err = exchange:read()
    if bytes then
      size = size + #bytes
      bytes, err = spool:write(bytes)
    elseif not err then
      break
    end
    if not bytes then
      spool:close()
      return nil, err
    end
  end
  local files = sandbox.handed_in
  files.last = files.last + 1
  files[files.last] = spool
  local old = files[files.last - FILES_MAX]
  if old then
    old:close()
    files[files.last - FILES_MAX] = nil
  end
  return { file = files.last, size = size }
end

-- A file that was handed in, piece by piece; it is gone then.
local function pieces_of(sandbox, id)
  local spool, offset = sandbox.handed_in[id], 0
  if not spool then return nil end
  sandbox.handed_in[id] = nil
  return function()
    local bytes = assert(spool:read(offset, SLICE))
    offset = offset + #bytes
    if bytes ~= "" then return bytes end
    spool:close()
  end
end

-- A file that was handed in, whole; nil when it is no picture.
local function picture_of(sandbox, id)
  local next_piece, list, size = pieces_of(sandbox, id), {}, 0
  for bytes in next_piece or function() end do
    size = size + #bytes
    if size <= pictures.BYTES_MAX then list[#list + 1] = bytes end
  end
  local jpeg = size <= pictures.BYTES_MAX and table.concat(list) or ""
  return pictures.fits(jpeg) and jpeg or nil
end

local about = {
  kind = fields.one_of(table.unpack(kinds.words)), file = fields.whole(1, 1 << 40), caption = fields.text(4096),
  filename = fields.text(500), mime = fields.text(200), seconds = fields.whole(0, 1 << 31), width = fields.whole(1, 100000),
  height = fields.whole(1, 100000),
  pages = fields.whole(1, 100000), animated = fields.flag, view_once = fields.flag,
}

-- The spec of a file, or what is wrong.
local function spec_of(sandbox, value)
  local spec, err = fields.read(value, about, { "kind", "file" })
  if not spec then return nil, err end
  local source = pieces_of(sandbox, spec.file)
  if not source then return nil, ("there is no file %d: POST /admin/file hands one in, for one message"):format(spec.file) end
  local word = spec.kind
  spec.kind, spec.file, spec[word] = nil, nil, source
  return spec
end

local function album(value)
  if type(value) == "table" and #value >= 1 and #value <= ALBUM_MAX then return value end
  return nil, ("a list of 1 to %d files"):format(ALBUM_MAX)
end

-- What is to be sent: a text, a file, or an album.
local function content_of(sandbox, value)
  if value.text then return { text = value.text } end
  if not value.album then
    value.from, value.to = nil, nil
    return spec_of(sandbox, value)
  end
  local list = {}
  for i, one in ipairs(value.album) do
    local err
    if type(one) == "table" then list[i], err = spec_of(sandbox, one) end
    if not list[i] then return nil, err or "an album is a list of files" end
  end
  return { album = list }
end

-- What a phone has of a message, for JSON: what a client chose is made printable.
local function described(one)
  local file = one.media
  return {
    id = one.id, chat = one.chat, sender = one.sender, from_me = one.from_me, time = one.time,
    text = one.message.conversation and printable.text(one.message.conversation, 4096),
    media = file and {
      kind = file.kind, view_once = file.view_once, size = file.reference.fileLength,
      object = core.crypto.base64(file.reference.fileEncSha256 or file.reference.fileSha256 or ""),
    } or nil,
  }
end

-- The fields of a query; a JID has none of what separates them.
local function query_of(text)
  local found = {}
  for name, value in (text or ""):gmatch "([^&=]+)=([^&]*)" do found[name] = value end
  return found
end

local function find_message(sandbox, text)
  local query = query_of(text)
  local account = sandbox.accounts:lookup(query.jid)
  if not account then return nil, "the query is jid=…&id=…: no such account" end
  local one = phone_mail.find(phone.of(sandbox, account), query.id or "")
  if not one then return nil, "the phone has no such message" end
  return one
end

local function respond(exchange, status, value)
  exchange:respond(status, { ["content-type"] = "application/json" }, json.encode(value) .. "\n")
end

-- Calls whose bodies stream, by "METHOD /path": fn(sandbox, exchange).
local streams = {}

-- A file that a phone is to send, as it is; answers with the number it has until then.
streams["POST /admin/file"] = function(sandbox, exchange)
  local taken, err = take_file(sandbox, exchange)
  if taken then return respond(exchange, 200, taken) end
  respond(exchange, 400, { error = err.message })
end

-- ?jid=…&id=…: the file of a message, as the phone opens it.
streams["GET /admin/mock-phone/file"] = function(sandbox, exchange)
  local one, why = find_message(sandbox, exchange.query)
  if not one or not one.media then return respond(exchange, 404, { error = why or "the message is no file" }) end
  local bytes, err = one.media.bytes()
  if not bytes then return respond(exchange, 409, { error = err.message, code = err.code }) end
  exchange:respond(200, { ["content-type"] = "application/octet-stream" }, bytes)
end

--- The calls, by "METHOD /path": fn(sandbox, request); and those whose bodies stream, fn(sandbox, exchange).
-- @tparam table tools of moonpost.sandbox.admin
return function(tools)
  local answer, read_json, JID = tools.answer, tools.read_json, tools.JID
  local calls = {}

  -- {from, to, text}, {from, to, kind, file, …} or {from, to, album = {{kind, file, …}, …}}: the owner of a phone sends it.
  calls["POST /admin/mock-phone/send"] = function(sandbox, request)
    local known = { from = JID, to = JID, text = fields.text(4096), album = album }
    for name, kind in pairs(about) do known[name] = kind end
    local value = read_json(request, known, { "from", "to" })
    local accounts = value and tools.find_accounts(sandbox, request, { value.from })
    if not accounts then return end
    local to = value.to
    local spec, err = content_of(sandbox, value)
    if not spec then return answer(request, 400, { error = err }) end
    task.spawn(function()
      local id, more = phone_send.send(sandbox, accounts[1], to, spec)
      if not id then return answer(request, 409, { error = more.message, code = more.code }) end
      answer(request, 200, { id = id, ids = more })
    end)
  end

  -- ?jid=…&id=…: what the phone of an account has of a message.
  calls["GET /admin/mock-phone/message"] = function(sandbox, request)
    local one, err = find_message(sandbox, request.query)
    if one then return answer(request, 200, described(one)) end
    answer(request, 404, { error = err })
  end

  -- {jid, id}: the phone of an account loses the file of a message.
  calls["POST /admin/mock-phone/lose-file"] = function(sandbox, request)
    local value = read_json(request, { jid = JID, id = fields.text(128) }, { "jid", "id" })
    local accounts = value and tools.find_accounts(sandbox, request, { value.jid })
    if not accounts then return end
    if phone_files.lose(phone.of(sandbox, accounts[1]), value.id) then return answer(request, 200, {}) end
    answer(request, 404, { error = "the phone has no such file" })
  end

  -- {jid, file}: the owner of an account changes the picture on the phone; without a file there is none any more.
  calls["POST /admin/mock-phone/picture"] = function(sandbox, request)
    local value = read_json(request, { jid = JID, file = fields.whole(1, 1 << 40) }, { "jid" })
    local accounts = value and tools.find_accounts(sandbox, request, { value.jid })
    if not accounts then return end
    local jpeg = value.file and picture_of(sandbox, value.file)
    if value.file and not jpeg then
      return answer(request, 400, { error = "a picture is a JPEG of at most 4 MiB, handed in by POST /admin/file" })
    end
    sandbox:read_mail()
    answer(request, 200, { id = pictures.by_phone(sandbox, accounts[1], jpeg) })
  end

  -- How the media host is set, and how much it has.
  calls["GET /admin/media"] = function(sandbox, request)
    local objects, size = sandbox.media:count()
    local told = { objects = objects, bytes = size, address = sandbox.media_address, link_seconds = sandbox.media.link_seconds }
    for _, name in ipairs(settings) do told[name] = sandbox.media_settings[name] end
    answer(request, 200, told)
  end

  -- {max_bytes, image_mb, video_mb, audio_mb, auth_seconds, ttl, link_seconds, forward}: sets it; `forward`: its time is so many
  -- seconds later from now on.
  calls["POST /admin/media"] = function(sandbox, request)
    local seconds, mb = fields.whole(1, 1 << 31), fields.whole(1, 1 << 20)
    local value = read_json(request, {
      max_bytes = fields.whole(1, 1 << 40), image_mb = mb, video_mb = mb, audio_mb = mb, auth_seconds = seconds, ttl = seconds,
      link_seconds = seconds, forward = seconds,
    })
    if not value then return end
    for _, name in ipairs(settings) do
      if value[name] then sandbox.media_settings[name] = value[name] end
    end
    if value.link_seconds then sandbox.media.link_seconds = value.link_seconds end
    if value.forward then sandbox.media:forward(value.forward) end
    calls["GET /admin/media"](sandbox, request)
  end

  -- {object, unknown}: an object is off the host: its links lead to what is gone (410), or is unknown (404).
  calls["POST /admin/media-gone"] = function(sandbox, request)
    local value = read_json(request, { object = fields.hash, unknown = fields.flag }, { "object" })
    local object = value and sandbox.media:object(value.object)
    if not value then return end
    if not object then return answer(request, 404, { error = "there is no such object" }) end
    sandbox:read_mail()
    sandbox.media:withdraw(object, value.unknown)
    answer(request, 200, {})
  end

  return calls, streams
end
