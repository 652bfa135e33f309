--- Where what is downloaded goes until all of it has been checked: a file without a name in the folder it is for, or a spool. Both can
-- begin anew when a host has sent something else than was asked for.
-- @module moonpost.client.media_target
local core = require "moonpost.core"
local task = require "moonpost.task"

local PIECE = 64 * 1024   -- bytes a sink is given at once
local AT_ONCE = 512 * 1024 -- bytes given in a turn of the loop
local NAMES = 10000       -- names that are tried for a file that shall not replace another

local targets = {}

local function disk(err, what) return nil, core.error("media-disk", ("%s: %s"):format(what, err.message)) end

local File = {}
File.__index = File

function File:__close() self.draft:close() end

--- In place of what was written before.
function File:restart()
  local ok, err = self.draft:restart()
  if not ok then return disk(err, self.path) end
  return true
end

function File:write(bytes)
  local ok, err = self.draft:write(bytes)
  if not ok then return disk(err, self.path) end
  return true
end

local function publish(self, name, replace)
  return task.await(function(resume)
    local ok, err = self.draft:publish(name, replace, resume)
    if not ok then resume(nil, err) end
  end)
end

-- "cat.jpg", "cat (2).jpg", "cat (3).jpg", …
local function nth_name(name, n)
  if n == 1 then return name end
  local stem, extension = name:match "^(.+)(%.[^.]*)$"
  return ("%s (%d)%s"):format(stem or name, n, extension or "")
end

--- Gives the file its name.
-- @treturn ?string path
-- @treturn ?table err code "media-disk"
function File:finish()
  for n = 1, self.fresh and NAMES or 1 do
    local name = nth_name(self.name, n)
    local ok, err = publish(self, name, not self.fresh)
    if ok then return self.folder .. name end
    if err.code ~= "busy" then return disk(err, self.path) end
  end
  return nil, core.error("media-disk", ("%s: so many files have that name that none is free"):format(self.path))
end

--- A file that appears at a path when it is finished.
-- @string path
-- @bool fresh a file that is there stays, and another name is taken
-- @treturn ?table to be closed, as a `<close>` variable
-- @treturn ?table err code "media-disk"
function targets.file(path, fresh)
  local folder, name = path:match "^(.*/)([^/]*)$"
  folder, name = folder or "", name or path
  if name == "" or name == "." or name == ".." or path:find "%z" then
    return nil, core.error("media-disk", "no file can have that path: " .. path:gsub("%z.*", ""))
  end
  local draft, err = core.system.draft(folder == "" and "." or folder)
  if not draft then return disk(err, path) end
  return setmetatable({ draft = draft, folder = folder, name = name, path = path, fresh = fresh }, File)
end

local Sink = {}
Sink.__index = Sink

function Sink:__close() self.spool:close() end

function Sink:restart()
  self.spool:close()
  self.spool = core.media.spool()
  return true
end

function Sink:write(bytes)
  local ok, err = self.spool:write(bytes)
  if not ok then return disk(err, "what is downloaded cannot be set aside") end
  return true
end

--- Gives all of it to the sink, which may wait.
-- @treturn ?boolean true
-- @treturn ?table err code "media-disk"
function Sink:finish()
  local at, turn = 0, 0
  while at < self.spool:size() do
    local piece, err = self.spool:read(at, PIECE)
    if not piece then return disk(err, "what was downloaded cannot be read again") end
    at, turn = at + #piece, turn + #piece
    self.sink(piece)
    if turn >= AT_ONCE then
      turn = 0
      task.sleep(0)
    end
  end
  return true
end

--- A function that is given pieces when all is there.
-- @func sink fn(bytes)
-- @treturn table to be closed, as a `<close>` variable
function targets.sink(sink) return setmetatable({ sink = sink, spool = core.media.spool() }, Sink) end

return targets
