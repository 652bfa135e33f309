--- Fetching a file, or a part of one, from media hosts (fact sheet 05 §13.3, §13.5, §14.4): what came is decrypted and checked on its
-- way into a target. A broken connection goes on where it was; what turns out to be another file begins anew at the next host.
-- @module moonpost.client.media_fetch
local core = require "moonpost.core"
local exchange = require "moonpost.client.media_exchange"
local limits = require "moonpost.client.limits"
local media_limits = require "moonpost.client.media_limits"
local urls = require "moonpost.client.media_url"

local media = core.media

local KEY, HASH = 32, 32 -- bytes
local PROFILE = "ppic"   -- the type of pictures of profiles
local PADDING = 16 + 10  -- bytes a blob has beside the file, at most: of the last block, and the MAC

local Fetch = {}
Fetch.__index = Fetch

-- What a host may have sent wrongly, so that another is asked; anything else is wrong with the reference.
local of_host = { ["media-truncated"] = true, ["media-enc-hash"] = true, ["media-length"] = true, ["media-sidecar"] = true }

-- Begins anew, at the file's first byte or the part's.
function Fetch:restart()
  if self.decoder then self.decoder:close() end
  self.received = 0
  if self.part then
    self.decoder = assert(media.range(self.told))
  else
    self.decoder = media.decryptor(self.told)
  end
  if self.begun then return self.target:restart() end
  self.begun = true
  return true
end

function Fetch:__close()
  if self.decoder then self.decoder:close() end
end

-- A failure over what came: what is in the target is of no use.
local function spoilt(self, err)
  local ok, why = self:restart()
  if not ok then return nil, why end
  return nil, err, of_host[err.code] and "next" or nil
end

local function too_long(self)
  return core.error("media-length", ("more came than the %d bytes it can have"):format(self.most))
end

-- Takes bytes of the blob. True once no more are wanted.
local function take(self, bytes)
  local left = self.most - self.received
  if #bytes > left then
    if not self.part then return spoilt(self, too_long(self)) end
    bytes = bytes:sub(1, left)
  end
  self.received = self.received + #bytes
  local plain, err = self.decoder:update(bytes)
  if not plain then return spoilt(self, err) end
  local written, why = self.target:write(plain)
  if not written then return nil, why end
  return self.part ~= nil and self.received == self.most
end

-- Reads a body, without its first `skip` bytes.
local function read(self, response, host, skip)
  while true do
    local bytes, err = response:read()
    if not bytes and err then return nil, exchange.network(err, host), "again" end
    if not bytes then return true end
    if skip > 0 then
      bytes, skip = bytes:sub(skip + 1), math.max(0, skip - #bytes)
    end
    local full, wrong, verdict = take(self, bytes)
    if full == nil then return nil, wrong, verdict end
    local going, stopped = self.progress(self.received, self.wanted)
    if not going then return nil, stopped end
    if full then return true end
  end
end

-- All of it is there: what the checks say.
local function finish(self)
  local last, err = self.decoder:finish()
  self.decoder = nil
  if not last then return spoilt(self, err) end
  local written, why = self.target:write(last)
  if not written then return nil, why end
  return true
end

-- The first byte a 206 answer brings.
local function first_of(response) return math.tointeger(tonumber((response.headers["content-range"] or ""):match "^bytes (%d+)%-")) end

-- A whole file whose announced length is not the one it must have is not worth reading.
local function wrong_length(self, response)
  if self.part or not self.wanted or not response.length or response.status ~= 200 or response.length == self.wanted then return nil end
  return core.error("media-length", ("the host offers %d bytes, where the file has %d"):format(response.length, self.wanted))
end

-- The answer to a request from byte `at` on: how many bytes of it are to be skipped.
local function check_answer(self, response, host, at)
  if response.status == 200 then
    local err = wrong_length(self, response)
    if err then return nil, err, "next" end
    return at
  end
  if response.status == 206 and first_of(response) == at then return 0 end
  if response.status == 206 then
    return nil, core.error("media-refused", ("media host %s sends another part than was asked for"):format(host)), "next"
  end
  return nil, exchange.refusal(response, host)
end

local function range_of(self, at)
  if self.unranged or at == 0 and not self.part then return nil end
  return ("bytes=%d-%s"):format(at, self.part and self.last or "")
end

--- Fetches from one candidate, going on where an earlier one stopped; moonpost.client.media_hosts_in_turn calls it.
-- @tparam table one { host = name, url = address }
-- @treturn ?boolean true: all is in the target, and right
-- @treturn ?table err
-- @treturn ?string verdict
function Fetch:attempt(one)
  local at = self.first + self.received
  local range = range_of(self, at)
  local response <close>, err, verdict = exchange.request(self.client, {
    url = one.url, headers = { range = range }, stall = self.stall,
  })
  if not response then return nil, err, verdict end
  if response.status == 416 and range then
    self.unranged = true
    response:close()
    return self:attempt(one)
  end
  local skip
  skip, err, verdict = check_answer(self, response, one.host, at)
  if not skip then return nil, err, verdict end
  local done
  done, err, verdict = read(self, response, one.host, skip)
  if not done then return nil, err, verdict end
  return finish(self)
end

local function wrong(text, ...) return nil, core.error("media-reference", text:format(...)) end

local function is_bytes(value, size) return value == nil or type(value) == "string" and #value == size end

-- A hash or key of no bytes is none: some senders write such.
local function given(value) return value ~= "" and value or nil end

-- What the decoders are told, from a reference that anybody may have written. Of a profile's picture, which the service itself names,
-- nothing is told.
local function read_reference(reference, type)
  local told = {
    type = type, fileSha256 = given(reference.fileSha256), fileLength = reference.fileLength,
    fileEncSha256 = given(reference.fileEncSha256), mediaKey = given(reference.mediaKey), strict = true,
  }
  if not media.types[type].encrypted or not told.fileEncSha256 then told.mediaKey, told.fileEncSha256 = nil, nil end -- §13.3
  if not is_bytes(told.mediaKey, KEY) then return wrong "its mediaKey is no key" end
  if not is_bytes(told.fileSha256, HASH) or not is_bytes(told.fileEncSha256, HASH) then return wrong "its hashes are none" end
  if told.fileLength ~= nil and (math.type(told.fileLength) ~= "integer" or told.fileLength < 0) then return wrong "its length is none" end
  if not told.fileSha256 and not told.mediaKey and type ~= PROFILE then
    return wrong "it has neither a key nor a hash to check the file by"
  end
  return told
end

-- How many of a file's bytes the caller wants.
local function part_length(length, options)
  return math.min(options.last or length - 1, length - 1) - (options.first or 0) + 1
end

-- The bytes of the blob to fetch, and at most; for a part, which.
local function plan(self, options, told)
  local most = math.min(options.limit or limits.MEDIA_FILE, limits.MEDIA_FILE)
  local size = told.fileLength and part_length(told.fileLength, options)
  if size and size > most then
    local what = (options.first or options.last) and "a part" or "a file"
    return nil, media_limits.exceeded(("%s of %d bytes"):format(what, size), most, options.limit and "the caller takes" or "there can be")
  end
  if options.first or options.last then
    if not told.fileLength then return wrong "of a file of unknown length no part can be had" end
    told.first, told.last = options.first or 0, options.last
    local range, err = media.range(told)
    if not range then return nil, err end
    self.part, self.first, self.last = true, range:wants()
    range:close()
    self.wanted = self.last - self.first + 1
    self.most = self.wanted
    return true
  end
  self.first = 0
  self.wanted = told.fileLength and (told.mediaKey and media.blob_length(told.fileLength) or told.fileLength)
  self.most = self.wanted or most + PADDING
  return true
end

local fetch = {}

--- Makes one ready.
-- @tparam table client
-- @tparam table reference
-- @string type
-- @tparam table target moonpost.client.media_target's
-- @tparam table options client.media's
-- @func progress moonpost.client.media_progress's
-- @number stall seconds
-- @treturn ?table to be closed, as a `<close>` variable
-- @treturn ?table err code "media-reference", "media-too-large"
function fetch.new(client, reference, type, target, options, progress, stall)
  local told, err = read_reference(reference, type)
  if not told then return nil, err end
  if options.first or options.last then told.streamingSidecar = given(reference.streamingSidecar) end
  local self = setmetatable({ client = client, told = told, target = target, progress = progress, stall = stall }, Fetch)
  local ok
  ok, err = plan(self, options, told)
  if not ok then return nil, err end
  ok, err = self:restart()
  if not ok then return nil, err end
  return self
end

--- Where a file is to be had: at every media host, then at the url it came with when that is one of theirs.
-- @tparam table client
-- @tparam table reference
-- @string type
-- @tparam table known hosts, as moonpost.client.media_hosts gives them
-- @treturn ?table array of { host =, url = }
-- @treturn ?table err code "media-reference"
function fetch.candidates(client, reference, type, known)
  local list, path = {}, reference.directPath
  if path ~= nil and path ~= "" and not urls.is_path(path) then return wrong "its directPath is no path" end
  if path and path ~= "" then
    for i, host in ipairs(known.hosts) do
      list[i] = { host = host.name, url = urls.download(host.name, path, reference.fileEncSha256, media.types[type].mms) }
    end
  end
  local at = urls.host(reference.url)
  if at and urls.is_media_host(client, at, known.hosts) then list[#list + 1] = { host = at, url = reference.url } end
  if #list > 0 then return list end
  return wrong(at and "its url is at a host that is no media host: %s" or "it does not say where the file is", at)
end

return fetch
