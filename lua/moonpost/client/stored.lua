--- Reading what waits in the store, journal and outbox, whatever its bytes are: a damaged row is told, and left where it is, and
-- must not keep the others from going on.
-- @module moonpost.client.stored
local core = require "moonpost.core"
local proto = core.proto

local stored = {}

local function damaged(what) return nil, core.error("damaged", what) end

--- Reads a row of the journal.
-- @string key without its account's scope
-- @string value
-- @treturn ?int its sequence
-- @treturn table StoreJournal; an error in place of both, code "damaged"
function stored.journal(key, value)
  if #key ~= 8 then return damaged "its key is no sequence" end
  local row, err = proto.decode("StoreJournal", value)
  if not row then return damaged("it cannot be decoded: " .. err.message) end
  if not (row.chat and row.sender and row.id and row.time and row.message) then return damaged "it does not say whose message it is" end
  local message, why = proto.decode("Message", row.message)
  if not message then return damaged("its message cannot be decoded: " .. why.message) end
  return (">I8"):unpack(key), row
end

--- Reads a row of the outbox.
-- @string value
-- @treturn ?table StoreOutbox
-- @treturn ?table err code "damaged"
function stored.outbox(value)
  local row, err = proto.decode("StoreOutbox", value)
  if not row then return damaged("it cannot be decoded: " .. err.message) end
  if not (row.id and row.to and row.stanza and row.time) then return damaged "it does not say what is to be sent to whom" end
  local node, why = core.wire.decode(row.stanza)
  if not node then return damaged("its stanza cannot be decoded: " .. why.message) end
  return row
end

--- Tells the user of a damaged row, once.
-- @tparam table client
-- @string table_name
-- @string key
-- @tparam table err
function stored.report(client, table_name, key, err)
  local seen = client.damaged_rows or {}
  client.damaged_rows = seen
  if seen[table_name .. key] then return end
  seen[table_name .. key] = true
  client:emit("error", core.error("damaged", ("a row of the %s is damaged and left where it is (%s): see moonpost store check"):format(
    table_name, err.message)))
end

return stored
