--- A store that cannot be written: the disk is full, or read-only now. Nothing is confirmed then, so the server keeps everything; it
-- sends again at a login alone, so the client stays away until the store can be written, and logs in anew.
-- @module moonpost.client.room
local core = require "moonpost.core"
local traceback = require "moonpost.traceback"

local PAUSE = 2 -- seconds between two looks

local room = { PAUSE = PAUSE }

--- Whether a connection ended because the store could not be written.
function room.is_short(err) return err.code == "full" or err.code == "store" end

--- Puts the place on an error that ended the client's own work: the message handler of an xpcall. A store that cannot be written is no
-- mistake of the code: nobody needs the place.
function room.placed(err)
  if type(err) == "table" and room.is_short(err) then return err end
  return traceback.of(err)
end

--- The error, with what the user may expect.
function room.explain(err)
  return core.error(err.code, err.message .. "; nothing is confirmed meanwhile, and it goes on by itself once the store can be written")
end

--- Waits until the store can be written. In a task.
-- @param store
-- @tparam table stopping a queue: its end ends the waiting
function room.wait(store, stopping)
  local writable
  repeat
    stopping:pop(PAUSE)
    if stopping.closed then return end
    writable = not store:dirty() and store:probe()
  until writable
end

return room
