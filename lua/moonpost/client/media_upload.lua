--- Uploading (fact sheet 05 §14.2, §14.3): encrypted first, since the hash of what is stored is part of its address; then sent to one host
-- after the other until one has it. What a host has of a large file already is not sent again.
-- @module moonpost.client.media_upload
local core = require "moonpost.core"
local exchange = require "moonpost.client.media_exchange"
local hosts_in_turn = require "moonpost.client.media_hosts_in_turn"
local json = require "cjson.safe"
local media_limits = require "moonpost.client.media_limits"
local open_source = require "moonpost.client.media_source"
local progress_of = require "moonpost.client.media_progress"
local task = require "moonpost.task"
local transfer = require "moonpost.client.media_transfer"
local urls = require "moonpost.client.media_url"

local media_core = core.media

local KEY = 32                     -- bytes
local RESUMED = 5 * 1024 * 1024    -- bytes of an upload from which hosts are asked what they have of it
local PIECE = 64 * 1024            -- bytes sent at once
local AT_ONCE = 512 * 1024         -- bytes encrypted in a turn of the loop
local LITTLE = 1024                -- bytes a piece counts as there, be it an empty one
local ANSWER_MAX = 64 * 1024       -- bytes of a host's answer
local HANDLE_MAX = 4096            -- bytes

local function disk(err)
  return core.error("media-disk", "what is to be uploaded cannot be set aside: " .. err.message)
end

-- Encrypts all of a source into a spool. Raises nothing; nil, err.
local function seal(source, spool, encryptor, most)
  local size, turn = 0, 0
  while true do
    local piece, err = source.read()
    if not piece and err then return nil, err end
    if not piece then break end
    size, turn = size + #piece, turn + math.max(LITTLE, #piece)
    if size > most.bytes then return nil, most.exceeded "a file of more" end
    local sealed = assert(encryptor:update(piece))
    local written, why = spool:write(sealed)
    if not written then return nil, disk(why) end
    if turn >= AT_ONCE then
      turn = 0
      task.sleep(0)
    end
  end
  local last, told = assert(encryptor:finish())
  local written, why = spool:write(last)
  if not written then return nil, disk(why) end
  return told
end

-- The most bytes a file of that type may have, and the error of one that has more.
local function most_of(self, type, options)
  local bytes = media_limits.upload(self.client, type)
  local whose = "the service takes"
  if options.limit and options.limit < bytes then bytes, whose = options.limit, "the caller takes" end
  return { bytes = bytes, exceeded = function(what) return media_limits.exceeded(what, bytes, whose) end }
end

-- Reads the source, checks its size and encrypts it.
local function prepare(self, source, type_name, options, spool)
  local type = media_core.types[type_name]
  local most = most_of(self, type, options)
  local opened <close>, err = open_source(source)
  if not opened then return nil, err end
  if opened.size and opened.size > most.bytes then return nil, most.exceeded(("a file of %d bytes"):format(opened.size)) end
  local key = type.encrypted and (options.mediaKey or core.crypto.random(KEY)) or nil
  local encryptor <close> = media_core.encryptor(key, type_name)
  local told
  told, err = seal(opened, spool, encryptor, most)
  if not told then return nil, err end
  told.mediaKey, told.mediaKeyTimestamp = key, key and math.floor(core.net.time()) or nil
  return told
end

-- Where a host says the file is.
local function read_place(text)
  local told = json.decode(text)
  if type(told) ~= "table" then return nil end
  local place = urls.is_path(told.direct_path) and type(told.url) == "string" and urls.host(told.url) and told or nil
  return place and { url = told.url, directPath = told.direct_path, handle = type(told.handle) == "string" and #told.handle <= HANDLE_MAX
    and told.handle or nil }, told
end

-- The body of an answer, and its place if it names one.
local function answer_of(response, host)
  local text, err = exchange.body(response, ANSWER_MAX)
  if not text then return nil, exchange.network(err, host), err.code ~= "limit" and "again" or "next" end
  local place, told = read_place(text)
  return { place = place, told = told or {} }
end

-- What a host has of the file: where it is, or how many bytes. Any failure: nothing, and all of it is sent.
local function held(job, one, known)
  if job.size < RESUMED then return nil, 0 end
  local response <close> = exchange.request(job.client, {
    method = "POST", url = urls.upload(one.host, job.path, job.token, known.auth, "&resume=1"), body = "", stall = job.stall,
  })
  if not response or response.status ~= 200 then return nil, 0 end
  local answer = answer_of(response, one.host)
  local resume = answer and answer.told.resume
  if resume == "complete" then return answer.place, 0 end
  local offset = math.tointeger(tonumber(resume))
  return nil, offset and offset > 0 and offset < job.size and offset or 0
end

-- Gives out what is sent from an offset on.
local function reader_of(job, offset)
  local at = offset
  return function()
    local going, stopped = job.progress(at, job.size)
    if not going then return nil, stopped end
    if at >= job.size then return nil end
    local piece, err = job.spool:read(at, PIECE)
    if not piece then return nil, disk(err) end
    at = at + #piece
    return piece
  end
end

-- Sends the file to one host.
local function send(job, one, known)
  if one.limit and job.size > one.limit then
    return nil, media_limits.exceeded(("an upload of %d bytes"):format(job.size), one.limit, "media host " .. one.host .. " takes"), "next"
  end
  local place, offset = held(job, one, known)
  if place then return place end
  local response <close>, err, verdict = exchange.request(job.client, {
    method = "POST", stall = job.stall, headers = { ["content-type"] = "application/octet-stream" },
    url = urls.upload(one.host, job.path, job.token, known.auth, offset > 0 and "&file_offset=" .. offset or nil),
    reader = reader_of(job, offset), length = job.size - offset,
  })
  if not response then
    if err.code == "media-cancelled" or err.code == "media-disk" then return nil, err end
    return nil, err, verdict
  end
  if response.status ~= 200 then return nil, exchange.refusal(response, one.host) end
  local answer
  answer, err, verdict = answer_of(response, one.host)
  if not answer then return nil, err, verdict end
  if answer.place then return answer.place end
  return nil, core.error("media-answer", ("media host %s does not say where the file is"):format(one.host)), "next"
end

local function candidates(known)
  local list = {}
  for i, host in ipairs(known.hosts) do list[i] = { host = host.name, limit = host.limit } end
  return list
end

-- Sends what was sealed.
local function deliver(self, type, told, spool, options)
  local job = {
    client = self.client, path = type.path, token = told.fileEncSha256 or told.fileSha256, spool = spool, size = spool:size(),
    stall = self.pace.stall, progress = progress_of(options),
  }
  return transfer.run(self, self.uploads, job.size, function()
    local place, err = hosts_in_turn(self, candidates, function(one, known) return send(job, one, known) end)
    if place then
      local going, stopped = job.progress(job.size, job.size)
      if not going then return nil, stopped end
    end
    return place, err
  end)
end

local upload = {}

--- Uploads a file: `client.media:upload`.
function upload.upload(self, source, type_name, options)
  local type = media_core.types[type_name]
  if not type or not type.path then error(("nothing is uploaded as '%s'"):format(tostring(type_name)), 3) end
  if options.mediaKey and #options.mediaKey ~= KEY then error("option 'mediaKey' must be 32 bytes", 3) end
  if self.ended then return nil, self.ended end
  local spool <close> = media_core.spool()
  local told, err = prepare(self, source, type_name, options, spool)
  if not told then return nil, err end
  local place
  place, err = deliver(self, type, told, spool, options)
  if not place then return nil, err end
  told.url, told.directPath, told.handle = place.url, place.directPath, place.handle
  return told
end

--- Deletes one: `client.media:delete`.
function upload.delete(self, reference, type_name)
  local kind = media_core.types[type_name]
  if not kind or not kind.path then error(("nothing is deleted as '%s'"):format(tostring(type_name)), 3) end
  if not urls.is_path(reference.directPath) or type(reference.fileEncSha256) ~= "string" then
    return nil, core.error("media-reference", "it does not say where the file is")
  end
  -- What the phone has encrypted for its companions is deleted with the secret it gave them in the history.
  local secret = reference.encHandle and self.client.store:get("setting", "companion-nonce")
  return transfer.run(self, self.uploads, 0, function()
    return hosts_in_turn(self, candidates, function(one, known)
      local response <close>, err, verdict = exchange.request(self.client, {
        method = "DELETE", url = urls.delete(one.host, kind.path, reference, known.auth), stall = self.pace.stall,
        headers = { Companion_User_Secret = secret },
      })
      if not response then return nil, err, verdict end
      if response.status // 100 == 2 then return true end
      return nil, exchange.refusal(response, one.host)
    end)
  end)
end

return upload
