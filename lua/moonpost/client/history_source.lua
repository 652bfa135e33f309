--- Where the bytes of a chunk of history are: inside its notification, or in a file, which is downloaded once and kept aside for as long
-- as it is read (fact sheet 04 §12.2).
-- @module moonpost.client.history_source
local core = require "moonpost.core"
local limits = require "moonpost.client.limits"
local task = require "moonpost.task"

local net = core.net

local PIECE = 65536 -- bytes fed to a reader at a time
local LOOKS = 8     -- items between two looks at the clock
local TURN = 0.008  -- seconds a turn of the loop is held at most

-- Types that are told in the notification alone.
local markers = { NO_HISTORY = true, MESSAGE_ACCESS_STATUS = true }

local Source = {}
Source.__index = Source

-- Gives the loop a turn when this one has been long.
local function breathe(clock)
  clock.items = clock.items + 1
  if clock.items % LOOKS ~= 0 or net.now() - clock.began < TURN then return end
  task.sleep(0)
  clock.began = net.now()
end

-- What a chunk's bytes are fed from: fn() -> the next piece, nil at the end.
local function pieces(self)
  local at = 0
  return function()
    local piece
    if self.spool then
      local err
      piece, err = self.spool:read(at, PIECE)
      if not piece and err then error(err, 0) end
    else
      piece = self.bytes:sub(at + 1, at + PIECE)
    end
    at = at + #(piece or "")
    return piece ~= "" and piece or nil
  end
end

--- Reads the chunk from its beginning. In a task.
-- @tparam table options of core.history.reader
-- @func fn fn(kind, bytes, number of the conversation) -> false ends it; may wait
-- @treturn ?boolean true; false when fn has ended it
-- @treturn ?table err what is wrong with the chunk
function Source:each(options, fn)
  if self.empty then return true end
  local reader <close> = assert(core.history.reader(options))
  local next_piece, clock = pieces(self), { began = net.now(), items = 0 }
  while true do
    local kind, bytes, number = reader:next()
    if kind == "end" then return true end
    if not kind and bytes then return nil, bytes end
    if kind and kind ~= "pause" and fn(kind, bytes, number) == false then return false end
    if not kind then
      local piece = next_piece()
      if piece then reader:feed(piece) else reader:finish() end
    end
    if kind == "pause" then clock.items = LOOKS - 1 end
    breathe(clock)
  end
end

function Source:__close()
  if self.spool then self.spool:close() end
end

--- Fetches a chunk. In a task.
-- @param client
-- @tparam table job its `row`, and `notification`
-- @treturn ?table source
-- @treturn ?table err as client.media:download; "malformed": the notification names no chunk
return function(client, job)
  local notification = job.notification
  local inline = notification.initialHistBootstrapInlinePayload
  if inline and inline ~= "" then return setmetatable({ bytes = inline }, Source) end
  if markers[notification.syncType] then return setmetatable({ empty = true }, Source) end
  if not notification.directPath then return nil, core.error("malformed", "its notification names no file") end
  local self, failed = setmetatable({ spool = core.media.spool() }, Source), nil
  local ok, err = client.media:download(notification, "md-msg-hist", function(bytes)
    local written, why = self.spool:write(bytes)
    if not written then failed = failed or why end
  end, { message = { id = job.row.id, peer = true }, limit = limits.HISTORY_BYTES })
  if ok and not failed then return self end
  self.spool:close()
  return nil, failed or err
end
