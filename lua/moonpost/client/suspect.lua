--- Whose handler has the processor: noted in a small file beside the store as a handler goes on, and taken back when the turn of the
-- loop ends. A process that dies in the middle tells its next run so which message it died of. A row of the store would cost a commit
-- for each step of a handler; the file outlives the process, not a power cut, which is no handler's fault.
-- @module moonpost.client.suspect
local core = require "moonpost.core"

local NAME, BYTES = "at-hand", 32

local NOBODY = ("\0"):rep(BYTES)

local Suspect = {}
Suspect.__index = Suspect

-- What stands in the file for an entry of the journal.
local function mark_of(account, sequence, row)
  return core.crypto.sha256((">s4I8s4s4s4"):pack(account, sequence, row.chat, row.sender, row.id))
end

-- A disk that is full keeps a note from being written: then nobody is suspected.
local function note(self, mark)
  if not self.file or not self.file:seek "set" then return end
  self.file:write(mark)
end

--- The handler of an entry goes on.
function Suspect:hold(entry)
  if self.held == entry then return end
  self.held = entry
  entry.mark = entry.mark or mark_of(entry.journal.client.account_name, entry.sequence, entry.row)
  note(self, entry.mark)
end

--- No handler has the processor any more.
function Suspect:release()
  if not self.held then return end
  self.held = nil
  note(self, NOBODY)
end

--- Whether the process before this one died in the handler of a row of an account's journal.
function Suspect:blames(account, sequence, row) return self.left ~= nil and self.left == mark_of(account, sequence, row) end

--- The last word: nobody is at it, and nothing is noted any more.
function Suspect:close()
  self:release()
  if self.file then self.file:close() end
  self.file = nil
end

--- @param store its folder has the file; a store in memory dies with the process, and needs none
return function(store)
  local self = setmetatable({}, Suspect)
  local path = store:path()
  if path == "(memory)" then return self end
  self.file = core.system.private_file(path .. "/" .. NAME, "r+")
  if self.file then
    self.file:setvbuf "no"
    self.left = self.file:read(BYTES)
  end
  note(self, NOBODY)
  return self
end
