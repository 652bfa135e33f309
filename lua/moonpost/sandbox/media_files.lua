--- The bytes of the media host's objects. What is being written stays in memory while it is small, and in a file from then on; nothing
-- is ever in memory as a whole that is larger.
-- @module moonpost.sandbox.media_files
local core = require "moonpost.core"

local crypto = core.crypto

local MEMORY_MAX = 256 * 1024 -- bytes of an upload in memory
local SHARED_MAX = 16 * 1024 * 1024 -- of an object in a file with others
local SLICE = 64 * 1024

local Files = {}
Files.__index = Files

local function failed(what, why) return nil, core.error("disk", ("%s: %s"):format(what, tostring(why))) end

local Writer = {}
Writer.__index = Writer

-- What was in memory goes to a file, and what comes from now on.
local function to_file(self)
  local file, why
  if self.files.folder then
    self.path = ("%s/media-part-%d"):format(self.files.folder, self.number)
    os.remove(self.path) -- of a process that was killed
    file, why = core.system.private_file(self.path, "r+")
  else
    file, why = io.tmpfile()
  end
  if not file then return failed("no file for an upload", why) end
  file:setvbuf "no"
  self.file = file
  local pieces = self.pieces
  self.pieces = nil
  for _, piece in ipairs(pieces) do
    local ok
    ok, why = file:write(piece)
    if not ok then return failed("an upload was not written", why) end
  end
  return true
end

--- Adds bytes.
-- @treturn ?boolean true
-- @treturn ?table err
function Writer:write(bytes)
  assert(self.hasher:update(bytes))
  self.size = self.size + #bytes
  if self.pieces then
    self.pieces[#self.pieces + 1] = bytes
    if self.size <= MEMORY_MAX then return true end
    return to_file(self)
  end
  local ok, why = self.file:write(bytes)
  if not ok then return failed("an upload was not written", why) end
  return true
end

--- SHA-256 of all that was written; the last call but keep and discard.
function Writer:hash()
  local _, told = assert(self.hasher:finish())
  return told.fileSha256
end

--- Drops it.
function Writer:discard()
  if self.file then self.file:close() end
  if self.path then os.remove(self.path) end
  self.file, self.path, self.pieces = nil, nil, nil
end

--- A new writer: size, number (rising).
function Files:writer()
  self.last = self.last + 1
  local hasher = assert(core.media.encryptor(nil, "document"))
  return setmetatable({ files = self, number = self.last, pieces = {}, size = 0, hasher = hasher }, Writer)
end

local function name_of(self, hash) return ("%s/media-%s"):format(self.folder, crypto.hex(hash)) end

-- A file of its own, under the name of its hash: whole or not at all.
local function keep_file(self, hash, writer)
  if not writer.file then
    local ok, err = to_file(writer)
    if not ok then return nil, err end
  end
  local ok, why = writer.file:close()
  writer.file = nil
  if ok then ok, why = os.rename(writer.path, name_of(self, hash)) end
  if not ok then
    writer:discard()
    return failed("an upload was not kept", why)
  end
  return true
end

-- What a writer has, piece by piece.
local function each_piece(writer)
  if writer.pieces then
    local i = 0
    return function()
      i = i + 1
      return writer.pieces[i]
    end
  end
  writer.file:seek("set", 0)
  return function() return writer.file:read(SLICE) end
end

-- One behind the other in a file that all share: each has no file open of its own, but those it would take long to copy.
local function keep_shared(self, hash, writer)
  if writer.size > SHARED_MAX then
    self.open[hash] = { file = writer.file, from = 0, size = writer.size }
    return true
  end
  if not self.shared then
    local file, why = io.tmpfile()
    if not file then return failed("no file for uploads", why) end
    self.shared = { file = file, size = 0 }
  end
  self.shared.file:seek("set", self.shared.size)
  for piece in each_piece(writer) do
    local ok, why = self.shared.file:write(piece)
    if not ok then return failed("an upload was not written", why) end
  end
  self.open[hash] = { file = self.shared.file, from = self.shared.size, size = writer.size }
  self.shared.size = self.shared.size + writer.size
  writer:discard()
  return true
end

--- Keeps what a writer has got as the object of a hash.
-- @treturn ?boolean true
-- @treturn ?table err
function Files:keep(hash, writer)
  if self.folder then return keep_file(self, hash, writer) end
  return keep_shared(self, hash, writer)
end

--- Whether the bytes of a hash are here; of files from an earlier process too.
function Files:has(hash)
  if not self.folder then return self.open[hash] ~= nil end
  return core.system.stat(name_of(self, hash)) ~= nil
end

--- Deletes them.
function Files:delete(hash)
  if self.folder then
    os.remove(name_of(self, hash))
    return
  end
  local one = self.open[hash]
  self.open[hash] = nil
  if one and one.file ~= (self.shared or {}).file then one.file:close() end
end

local Reader = {}
Reader.__index = Reader

--- So many bytes from an offset on, at most 64 KiB.
function Reader:read(offset, count)
  if io.type(self.file) ~= "file" then return failed("an object", "was deleted") end
  if not self.file:seek("set", self.from + offset) then return failed("an object", "cannot be read") end
  local bytes, why = self.file:read(math.min(count, SLICE, self.size - offset))
  if not bytes then return failed("an object", why or "is shorter than it was") end
  return bytes
end

function Reader:close()
  if self.own and self.file then self.file:close() end
  self.file = nil
end

--- A reader of an object.
-- @treturn ?table reader
-- @treturn ?table err
function Files:reader(hash)
  if not self.folder then
    local one = self.open[hash]
    return setmetatable({ file = one.file, from = one.from, size = one.size }, Reader)
  end
  local file, why = io.open(name_of(self, hash), "rb")
  if not file then return failed("an object", why) end
  return setmetatable({ file = file, from = 0, own = true, size = file:seek "end" }, Reader)
end

--- Closes what is open.
function Files:close()
  for _, one in pairs(self.open) do
    if io.type(one.file) == "file" then one.file:close() end
  end
  self.open = {}
end

--- @tparam ?string folder of the world; nil: in files without a name
return function(folder) return setmetatable({ folder = folder, open = {}, last = 0 }, Files) end
