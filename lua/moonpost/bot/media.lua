--- The file of a message, as handlers have it: `ctx.media`, `ctx.quoted.media`, `bot:message(chat, id).media`, `ctx.preview.picture`. Its
-- fields are those of `m.media` (docs/kinds.md); its methods load the file, check it whole, and raise when that fails. A file that the
-- media hosts have no more is asked of the own phone.
-- @module moonpost.bot.media
local core = require "moonpost.core"
local lazy = require "moonpost.lazy"
local file_names = require "moonpost.client.file_names"
local limits = require "moonpost.client.limits"
local owners = require "moonpost.client.kinds.owners"
local task = require "moonpost.task"

local tools = lazy "moonpost.client.media_tools"

local STICKER_MAX = 4 << 20 -- bytes; more is no sticker (core.media.sticker_read says so)
local IS_DIRECTORY = 21 -- what core.system.open_file says of a folder

local Media = {}
Media.__index = Media

local clients = setmetatable({}, { __mode = "k" }) -- by media

local function wrong(level, text, ...) error(text:format(...), level + 1) end

local options_of = { progress = "function", first = "integer", last = "integer" }

-- Checks the caller's options; what client.media takes.
local function given(media, name, options)
  if not clients[media] then wrong(3, "media.%s was called with a dot: write media:%s(…)", name, name) end
  if options ~= nil and type(options) ~= "table" then wrong(3, "media:%s expects options as a table, got a %s", name, type(options)) end
  local taken = { message = owners[media] }
  for key, value in pairs(options or {}) do
    local wanted = options_of[key]
    if not wanted then wrong(3, "media:%s has no option '%s' (first, last, progress)", name, tostring(key)) end
    if wanted == "integer" and not (math.type(value) == "integer" and value >= 0) then
      wrong(3, "media:%s: '%s' is the number of a byte, from 0, not %s", name, key, tostring(value))
    end
    if wanted ~= "integer" and type(value) ~= wanted then wrong(3, "media:%s: '%s' is a %s, not a %s", name, key, wanted, type(value)) end
    taken[key] = value
  end
  return clients[media], taken
end

local function check(value, err)
  if value == nil then error(err, 0) end
  return value
end

local function is_folder(path) -- a pipe is not waited for
  local file, _, code = core.system.open_file(path)
  if file then file:close() end
  return code == IS_DIRECTORY
end

-- Makes a folder and those it stands in, where they are not there.
local function make_folder(path)
  for at in path:gmatch "()/+" do
    if at > 1 then core.system.make_folder(path:sub(1, at - 1)) end
  end
  local ok, why = core.system.make_folder(path)
  if not ok then error(core.error("media-disk", ("the folder %s cannot be made: %s"):format(path, why)), 0) end
end

-- The path of a download, and the folder to make first.
local function place(media, path)
  local folder = path and (path:match "^(.*)/$" or is_folder(path) and path)
  local name = file_names.of(media, (owners[media] or {}).id)
  if not path then return name end
  if not folder then return path, path:match "^(.+)/[^/]*$" end
  return (folder == "" and "/" or folder .. "/") .. name, folder ~= "" and folder or nil
end

-- A call's first argument may be left out before its options.
local function shifted(first, options)
  if type(first) == "table" and options == nil then return nil, first end
  return first, options
end

--- Loads the file into one of its own, which is there when it is whole and checked, and not before. None that is there is overwritten:
-- the new one gets a number, "photo (2).jpg".
-- @tparam ?string path of the file; or of a folder, when it ends with a slash or is one: the name is then made from the file's own, and
-- does no harm. Folders that are not there are made. Without it: into the current folder
-- @tparam ?table options progress = fn(done, total) in bytes; when it returns false, the download ends. first, last: these bytes alone,
-- from 0, both included
-- @treturn string the path it has
function Media:download(path, options)
  path, options = shifted(path, options)
  local client, taken = given(self, "download", options)
  if path == "" or path ~= nil and type(path) ~= "string" then wrong(2, "media:download expects a path, got '%s'", tostring(path)) end
  if path and path:find("\0", 1, true) then wrong(2, "media:download expects a path: this one holds a NUL") end
  taken.fresh = true
  local target, folder = place(self, path)
  if folder and not is_folder(folder) then make_folder(folder) end
  return check(client.media:save(self.reference, self.type, target, taken))
end

--- Loads the file into memory.
-- @tparam ?int max bytes it may have at most (64 MiB)
-- @tparam ?table options as of `download`
-- @treturn string
function Media:bytes(max, options)
  max, options = shifted(max, options)
  local client, taken = given(self, "bytes", options)
  if max ~= nil and not (math.type(max) == "integer" and max >= 0) then
    wrong(2, "media:bytes expects a number of bytes, got '%s'", tostring(max))
  end
  taken.limit = max or limits.MEDIA_BYTES
  local pieces = {}
  check(client.media:download(self.reference, self.type, function(bytes) pieces[#pieces + 1] = bytes end, taken))
  return table.concat(pieces)
end

-- Loads for who takes the pieces, one ahead.
local function load(client, media, taken, pieces)
  local called, ok, err = pcall(client.media.download, client.media, media.reference, media.type, function(bytes) pieces:push { bytes } end,
    taken)
  pieces:push { nil, not called and ok or not ok and err }
end

--- Loads the file piece by piece, for `for piece in media:stream() do`. No piece is given before the whole file was checked.
-- @tparam ?table options as of `download`
-- @treturn function
function Media:stream(options)
  local client, taken = given(self, "stream", options)
  local pieces = task.queue(1)
  local loading = task.spawn(load, client, self, taken, pieces)
  local ended = setmetatable({}, { __close = function()
    pieces:close()
    loading:cancel()
  end })
  local over = false
  return function()
    if over then return nil end
    local one = pieces:pop()
    over = not one or one[1] == nil
    if one and one[2] then error(one[2], 0) end
    return one and one[1]
  end, nil, nil, ended
end

--- Loads a sticker and reads which pack it says it is from.
-- @treturn ?table { id, name, publisher, emojis }; nil: it says nothing of one
-- @raise code "no-tools": libwebpmux is missing; "malformed", "limit": it is no sticker
function Media:pack()
  local client, taken = given(self, "pack")
  taken.limit = STICKER_MAX
  local pieces = {}
  check(client.media:download(self.reference, self.type, function(bytes) pieces[#pieces + 1] = bytes end, taken))
  local pack, err = tools.read_pack(table.concat(pieces))
  if not pack and err.code ~= "not-found" then error(err, 0) end
  return pack
end

function Media.__tostring(media) return ("%s (%s, %s bytes)"):format(media.kind, media.mime or "?", media.size or "?") end

local function dress(media, client)
  if not media or clients[media] then return end
  clients[media] = client
  setmetatable(media, Media)
end

--- Gives the files of a message their methods.
-- @tparam table m message event, or what client:message returns
-- @param client who loads them
-- @treturn table m
return function(m, client)
  dress(m.media, client)
  dress(m.quoted and m.quoted.media, client)
  dress(m.preview and m.preview.picture, client)
  return m
end
