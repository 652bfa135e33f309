--- What is to be uploaded: a file, a string or a function, read piece by piece.
-- @module moonpost.client.media_source
local core = require "moonpost.core"

local PIECE = 64 * 1024 -- bytes

local function fail(text, ...) return nil, core.error("media-source", text:format(...)) end

local function of_bytes(bytes)
  local at = 1
  return { size = #bytes, read = function()
    if at > #bytes then return nil end
    local piece = bytes:sub(at, at + PIECE - 1)
    at = at + #piece
    return piece
  end }
end

local function of_file(path)
  local file, size = core.system.open_file(path)
  if not file then return fail("%s cannot be read: %s", path, size) end
  return { size = size, file = file, read = function()
    local piece, why = file:read(PIECE)
    if why then return fail("%s cannot be read: %s", path, why) end
    return piece
  end }
end

local function of_reader(reader)
  return { read = function()
    local piece, err = reader()
    if piece == nil then
      if err ~= nil then return nil, type(err) == "table" and err or core.error("media-source", tostring(err)) end
      return nil
    end
    if type(piece) ~= "string" then return fail("the reader gives a %s, no string", type(piece)) end
    return piece
  end }
end

local function close(self)
  if self.file then self.file:close() end
end

--- Opens one; close it, as a `<close>` variable.
-- @tparam table source { file = path }, { bytes = string }, { reader = function }
-- @treturn ?table `read()` -> string | nil at the end | nil, err; `size` in bytes, nil when it is not known
-- @treturn ?table err code "media-source"
return function(source)
  local made, err
  if type(source) ~= "table" then return fail("a file, bytes or a reader expected, got a %s", type(source)) end
  if type(source.bytes) == "string" then
    made = of_bytes(source.bytes)
  elseif type(source.file) == "string" then
    made, err = of_file(source.file)
  elseif type(source.reader) == "function" then
    made = of_reader(source.reader)
  else
    return fail "it names no file, bytes or reader"
  end
  if not made then return nil, err end
  return setmetatable(made, { __close = close })
end
