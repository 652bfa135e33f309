--- What the media host keeps (fact sheets 05 §17, 08 S-821, S-823): objects by the hash of their bytes, which it cannot read, and the
-- links under which they are handed out. In a world each object is a file of its own beside the store; without one small objects share
-- an unlinked file. Rows of the world:
--
--     "Mo" hash (32 bytes) -> when it came, how large it is
--     "Ml" name -> a link: which object, since when, until when, whether it is gone
--     "Mh" handle -> hash: what an upload for a newsletter is called by
-- @module moonpost.sandbox.media_store
local core = require "moonpost.core"
local files = require "moonpost.sandbox.media_files"
local json = require "cjson.safe"

local crypto = core.crypto

local DAY = 24 * 3600
local KEPT = 30 * DAY        -- how long an object stays
local REMEMBERED = 60 * DAY  -- how long a link is known to have been one
local LINK_SECONDS = 45 * DAY -- how long its signature is good
local PARTS_MAX = 32         -- uploads that broke off, waiting for their rest
local SWEEP_EVERY = 3600     -- seconds

-- Directories of the usual names (public samples); any work.
local directories = {
  image = "t62.7118-24", sticker = "t62.15575-24", document = "t62.7119-24", audio = "t62.7117-24", video = "t62.7161-24",
}

local Store = {}
Store.__index = Store

local function put(self, key, value) self.sandbox.store:put("world", key, assert(json.encode(value))) end

local function each_row(self, prefix, fn)
  for _, row in ipairs(self.sandbox.store:range("world", prefix)) do
    local value = assert(json.decode(row[2]))
    for name, number in pairs(value) do value[name] = type(number) == "number" and math.tointeger(number) or number end
    fn(row[1]:sub(#prefix + 1), value)
  end
end

--- The media host's time, Unix seconds: the sandbox's, and what an admin call has put it forward by.
function Store:now() return self.sandbox.time() + self.ahead end

local function file_object(self, hash, value)
  local object = { hash = hash, size = value.size, at = value.at, held = 0, links = {} }
  self.objects[hash] = object
  return object
end

local function file_link(self, name, value)
  local link = { name = name, hash = value.hash, at = value.at, expires = value.expires, gone = value.gone, folder = value.folder }
  self.links[name] = link
  local object = self.objects[link.hash]
  if object and not link.gone then object.links[name] = link end
  return link
end

local function save_link(self, link)
  put(self, "Ml" .. link.name, {
    hash = crypto.base64(link.hash), at = link.at, expires = link.expires, gone = link.gone, folder = link.folder,
  })
end

local function load(self)
  each_row(self, "Mo", function(hash, value)
    if self.files:has(hash) then file_object(self, hash, value) else self.sandbox.store:delete("world", "Mo" .. hash) end
  end)
  each_row(self, "Ml", function(name, value)
    value.hash = crypto.unbase64(value.hash)
    file_link(self, name, value)
  end)
  each_row(self, "Mh", function(handle, value) self.handles[handle] = crypto.unbase64(value.hash) end)
end

-- Deletes the bytes, when neither the host nor a phone wants them any more.
local function release(self, object)
  if next(object.links) or object.held > 0 then return end
  self.files:delete(object.hash)
  self.objects[object.hash] = nil
  self.sandbox.store:delete("world", "Mo" .. object.hash)
end

--- An object by the hash of its bytes; nil when there is none.
function Store:object(hash) return self.objects[hash] end

--- Whether anything leads to it.
function Store.on_host(_, object) return next(object.links) ~= nil end

--- Begins an upload.
-- @string hash of what is to come, 32 bytes
-- @int offset bytes that are here already, of an upload that broke off
-- @treturn ?table writer, as of media_files; nil when so many bytes are not here
function Store:begin(hash, offset)
  if offset == 0 then return self.files:writer() end
  local part = self.parts[hash]
  if not part or part.size ~= offset then return nil end
  self.parts[hash] = nil
  return part
end

--- How many bytes are here of an upload that broke off.
function Store:held_of(hash) return self.parts[hash] and self.parts[hash].size or 0 end

--- An upload has broken off: what came stays for a while, unless more of it is here already.
function Store:break_off(hash, writer)
  if writer.size <= self:held_of(hash) or self.closed then return writer:discard() end
  if self.parts[hash] then self.parts[hash]:discard() end
  self.parts[hash] = writer
  local count, oldest = 0, nil
  for one, part in pairs(self.parts) do
    count = count + 1
    if not oldest or part.number < self.parts[oldest].number then oldest = one end
  end
  if count > PARTS_MAX then
    self.parts[oldest]:discard()
    self.parts[oldest] = nil
  end
end

--- An upload is complete.
-- @string hash that its bytes must have
-- @tparam table writer
-- @treturn ?table the object; nil when the bytes are others
-- @treturn ?table err when they could not be kept
function Store:finish(hash, writer)
  self:sweep()
  if writer:hash() ~= hash then
    writer:discard()
    return nil
  end
  local object = self.objects[hash]
  if object then
    writer:discard()
    object.at = self:now()
  else
    local ok, err = self.files:keep(hash, writer)
    if not ok then return nil, err end
    object = file_object(self, hash, { size = writer.size, at = self:now() })
  end
  put(self, "Mo" .. hash, { size = object.size, at = object.at })
  if self.parts[hash] then
    self.parts[hash]:discard()
    self.parts[hash] = nil
  end
  return object
end

local function sign(self, name, expires)
  return "01_" .. crypto.base64(crypto.hmac_sha256(self.secret, ("%s\0%x"):format(name, expires)):sub(1, 24), "url")
end

local function path_of(self, link)
  local signature = sign(self, link.name, link.expires)
  return ("/v/%s/%s.enc?ccb=11-4&oh=%s&oe=%X&_nc_sid=5e03e0"):format(link.folder, link.name, signature, link.expires)
end

local function new_name()
  local a, b = (">I4I6"):unpack(crypto.random(10))
  return ("%09d_%015d_%d_n"):format(a % 1000000000, b, (">I4"):unpack(crypto.random(4)))
end

--- A link to an object, as `direct_path` tells it: the one there is, or another when none is good or it should be new.
-- @tparam table object
-- @string kind "image", "video", …
-- @tparam ?bool fresh
function Store:link(object, kind, fresh)
  if not fresh then
    for _, link in pairs(object.links) do
      if link.expires > self:now() then return path_of(self, link) end
    end
  end
  local name = new_name()
  local link = file_link(self, name, {
    hash = object.hash, at = self:now(), expires = self:now() + self.link_seconds, folder = directories[kind] or directories.image,
  })
  save_link(self, link)
  return path_of(self, link)
end

--- A handle for what was uploaded to be posted in a newsletter.
function Store:handle(object)
  local handle = crypto.base64(crypto.random(24), "url")
  self.handles[handle] = object.hash
  put(self, "Mh" .. handle, { hash = crypto.base64(object.hash) })
  return handle
end

--- The object of a handle; nil when it is none.
function Store:of_handle(handle) return self.objects[self.handles[handle] or ""] end

--- The object a link names.
-- @string name the last part of its path, without `.enc`
-- @tparam table query its fields `oh` and `oe`
-- @treturn ?table object; nil when there is none to be had
-- @treturn ?int the status it is answered with then
-- @treturn ?string why
function Store:find(name, query)
  self:sweep()
  local link = self.links[name]
  if not link then return nil, 404, "no such object" end
  local expires = tonumber(query.oe or "", 16)
  if not expires or not crypto.equal(query.oh or "", sign(self, name, math.tointeger(expires))) then
    return nil, 403, "the signature of the link is wrong"
  end
  if link.gone then return nil, 410, "the object is gone" end
  if self:now() >= expires then return nil, 403, "the link has expired" end
  return self.objects[link.hash]
end

--- Takes an object off the host: its links lead nowhere from now on.
-- @tparam table object
-- @tparam ?bool forgotten they are unknown (404) and not gone (410)
function Store:withdraw(object, forgotten)
  for name, link in pairs(object.links) do
    object.links[name] = nil
    if forgotten then
      self.links[name] = nil
      self.sandbox.store:delete("world", "Ml" .. name)
    else
      link.gone = true
      save_link(self, link)
    end
  end
  release(self, object)
end

--- A phone has the object as well: its bytes stay while it does.
function Store.hold(_, object) object.held = object.held + 1 end

--- That phone has it no more.
function Store:let_go(object)
  object.held = object.held - 1
  release(self, object)
end

--- Puts an object on the host that it may have already, as an upload does.
-- @treturn ?table object
-- @treturn ?table err
function Store:add(bytes)
  local writer, hash = self.files:writer(), crypto.sha256(bytes)
  local ok, err = writer:write(bytes)
  if not ok then
    writer:discard()
    return nil, err
  end
  return self:finish(hash, writer)
end

--- Takes off what has been here for 30 days, and forgets links that led nowhere for as long.
function Store:sweep()
  local now = self:now()
  if now < self.next_sweep then return end
  self.next_sweep = now + SWEEP_EVERY
  self.sandbox:read_mail()
  for _, object in pairs(self.objects) do
    if now >= object.at + KEPT and next(object.links) then self:withdraw(object) end
  end
  for name, link in pairs(self.links) do
    if link.gone and now >= link.at + REMEMBERED then
      self.links[name] = nil
      self.sandbox.store:delete("world", "Ml" .. name)
    end
  end
end

--- Puts the host's time forward by so many seconds.
function Store:forward(seconds)
  self.ahead, self.next_sweep = self.ahead + seconds, 0
  self:sweep()
end

--- How many objects there are, and their bytes.
function Store:count()
  local count, size = 0, 0
  for _, object in pairs(self.objects) do count, size = count + 1, size + object.size end
  return count, size
end

--- A reader of an object: read(offset, count) -> bytes | nil, err; close().
function Store:open(object) return self.files:reader(object.hash) end

--- The sandbox closes.
function Store:close()
  self.closed = true
  for _, part in pairs(self.parts) do part:discard() end
  self.parts = {}
  self.files:close()
end

--- Opens the host's objects.
-- @param sandbox
-- @tparam ?string folder of the world
-- @treturn ?table store
-- @treturn ?table err
return function(sandbox, folder)
  local self = setmetatable({
    sandbox = sandbox, files = files(folder), objects = {}, links = {}, handles = {}, parts = {}, ahead = 0, next_sweep = 0,
    link_seconds = LINK_SECONDS,
  }, Store)
  self.secret = sandbox.store:get("world", "Ms")
  if not self.secret then
    self.secret = crypto.random(32)
    sandbox.store:put("world", "Ms", self.secret)
  end
  if folder then load(self) end
  for _, object in pairs(self.objects) do release(self, object) end -- what only phones had: they have begun anew
  return self
end
