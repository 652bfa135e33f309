-- The client's rows: what is read can be written and read again; what is not has a sentence. The first byte chooses the table, the
-- second how long the key is.
package.path = package.path .. ";" .. package.path:gsub("%?%.lua", "lua/?.lua")
local proto = require("moonpost.core").proto
local check_row = require "moonpost.client.row_check"
local compare = require "spec.fuzz.compare"
local stored = require "moonpost.client.stored"

local tables = { "journal", "outbox", "setting", "dedupe", "secret", "device-list", "lid", "appstate-key", "raw", "message", "appstate" }

local function check_again(type, row)
  local bytes = assert(proto.encode(type, row))
  compare(row, assert(proto.decode(type, bytes)))
  return bytes
end

local readers = {}

function readers.journal(key, value)
  local sequence, row = stored.journal(key, value)
  if not sequence then return assert(row.code == "damaged" and #row.message > 0, "an error without a sentence") end
  assert(#key == 8 and type(row.chat) == "string" and type(row.id) == "string" and proto.decode("Message", row.message))
  assert(stored.journal(key, check_again("StoreJournal", row)) == sequence)
end

function readers.outbox(_, value)
  local row, err = stored.outbox(value)
  if not row then return assert(err.code == "damaged" and #err.message > 0, "an error without a sentence") end
  assert(stored.outbox(check_again("StoreOutbox", row)))
end

return function(bytes)
  if #bytes < 2 then return end
  local name = tables[bytes:byte(1) % #tables + 1]
  local split = 2 + bytes:byte(2) % 16
  local key, value = bytes:sub(3, split), bytes:sub(split + 1)
  if readers[name] then readers[name](key, value) end
  local fault = check_row(name, "\0" .. key, value)
  assert(fault == nil or type(fault) == "string" and #fault > 0, "a fault without a sentence")
end
