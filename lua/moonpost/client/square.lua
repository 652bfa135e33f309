--- Pictures as profiles, groups and channels have them: square JPEGs (fact sheet 05 §16.1). What is one already goes as it is; what is not
-- is made one where the tools for it are there (moonpost.client.media_tools), else a JPEG goes as it is, and anything else is refused.
-- @module moonpost.client.square
local core = require "moonpost.core"
local lazy = require "moonpost.lazy"
local open_source = require "moonpost.client.media_source"
local size_of = require "moonpost.client.jpeg"
local task = require "moonpost.task"
local temporary = require "moonpost.client.tools.temporary"

local tools = lazy "moonpost.client.media_tools"

local SIDE = 640          -- pixels that official clients send
local FIT = 512 * 1024    -- bytes of a JPEG that goes as it is
local READ = 64 << 20     -- bytes of a picture that is made one
local SENT = 4 << 20      -- bytes of a JPEG that is sent where no tools are
local AT_ONCE = 512 * 1024 -- bytes read in a turn of the loop

local function read(source)
  local from <close>, err = open_source(source)
  if not from then return nil, err end
  local pieces, size, turn = {}, 0, 0
  while true do
    local piece, why = from.read()
    if not piece and why then return nil, why end
    if not piece then return table.concat(pieces) end
    pieces[#pieces + 1], size, turn = piece, size + #piece, turn + #piece
    if size > READ then return nil, core.error("media-too-large", ("a picture has at most %d bytes"):format(READ)) end
    if turn >= AT_ONCE then
      turn = 0
      task.sleep(0)
    end
  end
end

-- The error of the tools, which know the file by the name it has for them alone.
local function about(err, path)
  return core.error(err.code, (err.message:gsub(path:gsub("%p", "%%%0"), "what is given")))
end

--- The bytes of a square JPEG. In a task.
-- @tparam table source { file = path }, { bytes = string } or { reader = function }
-- @treturn ?string
-- @treturn ?table err code "media-source", "media-too-large", "media-format": it is no JPEG, and nothing here makes one of it
return function(source)
  local bytes, err = read(source)
  if not bytes then return nil, err end
  local width, height = size_of(bytes)
  if width and width == height and width <= SIDE and #bytes <= FIT then return bytes end
  if tools.available() then
    local file <close>, why = temporary()
    if not file then return nil, why end
    why = file:write(bytes) or file:finish()
    if why then return nil, why end
    local jpeg, err_of_tools = tools.to_square(file.path, SIDE)
    return jpeg, not jpeg and about(err_of_tools, file.path) or nil
  end
  if width and #bytes <= SENT then return bytes end
  return nil, core.error(width and "media-too-large" or "media-format",
    "a picture is a small square JPEG; of anything else one is made where ffmpeg is (apt-get install ffmpeg)")
end
