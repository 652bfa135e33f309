--- Messages that were set aside, because runs ended in their handlers again and again: to be looked at, tried again or dropped.
-- @module moonpost.client.parked
local Parked = {}
Parked.__index = Parked
function Parked.__tostring(m) return ("message %s from %s, set aside"):format(m.id, m.sender) end

local function still_there(self)
  local row = self.journal:read(self.sequence)
  return row and row.parked and row
end

--- Hands the message to its handlers again, at the end of its chat's line; three more runs may end in it.
-- @treturn boolean false when it is not set aside any more
function Parked:retry()
  local row = still_there(self)
  if row then self.journal:again(self.sequence, row) end
  return row ~= nil and row ~= false
end

--- Forgets the message.
-- @treturn boolean false when it is not set aside any more
function Parked:drop()
  local row = still_there(self)
  if row then self.journal:remove { sequence = self.sequence } end
  return row ~= nil and row ~= false
end

--- The messages that are set aside, oldest first.
-- @param journal moonpost.client.journal
-- @treturn table array of {id=, chat=, sender=, phone=, name=, time=, age=, text=, kind=, message=, …; :retry(), :drop()}
return function(journal)
  local found = {}
  journal:each(function(sequence, row)
    if not row.parked then return end
    local m = journal:describe(row)
    m.journal, m.sequence = journal, sequence
    found[#found + 1] = setmetatable(m, Parked)
  end)
  return found
end
