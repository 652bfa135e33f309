--- The client's rows in the store: their keys, and their values as protobuf (core/proto/schema/store.proto).
--   setting       "me"                              -> StoreMe
--   lid           "p" PN user / "l" LID user        -> the other user part
--   device-list   bare JID                          -> StoreDevices
--   journal       sequence (u64 BE)                 -> StoreJournal
--   outbox        message id                        -> StoreOutbox
--   dedupe        "r" chat 00 sender 00 id          -> SHA-256 of the ciphertext, time (u64 BE): received
--                 "s" id                            -> time (u64 BE): sent and acknowledged, of an id with a cause
--   secret        chat 00 sender 00 id              -> messageSecret
--   appstate-key  key id                            -> Message.AppStateSyncKeyData
--   raw           sequence (u64 BE)                 -> a stanza or Message not understood yet
-- @module moonpost.client.rows
local proto = require("moonpost.core").proto

local rows = {}

local function must(value, err)
  if value == nil then error(err, 0) end
  return value
end

--- Reads a row of a type; nil when there is none.
function rows.get(store, table_name, key, type)
  local bytes = store:get(table_name, key)
  return bytes and must(proto.decode(type, bytes))
end

--- Writes a row of a type.
function rows.put(store, table_name, key, type, row)
  store:put(table_name, key, must(proto.encode(type, row)))
end

--- A sequence key: 8 bytes, in order.
function rows.sequence(n) return (">I8"):pack(n) end

--- The last sequence number of a table, 0 when it is empty.
function rows.last_sequence(store, table_name)
  local last = 0
  for _, row in ipairs(store:range(table_name, "")) do last = (">I8"):unpack(row[1]) end
  return last
end

return rows
