--- Indexes of app-state records: compact JSON arrays of texts, the action's name first (fact sheet 06 §3.2).
-- @module moonpost.client.appstate_index
local json = require "cjson.safe"
local read_json = require "moonpost.client.kinds.json"

local indexes = {}

--- Reads an index.
-- @string bytes
-- @treturn ?string the action's name; nil when it is no index
-- @treturn ?table what follows the name, texts
function indexes.read(bytes)
  local parts = read_json(bytes)
  if not parts then return nil end
  for _, part in ipairs(parts) do
    if type(part) ~= "string" then return nil end
  end
  return table.remove(parts, 1), parts
end

--- Writes an index. Its bytes are what counts, so it must be as all clients write it: no slash is escaped.
-- @string name of the action
-- @tparam table parts
function indexes.write(name, parts)
  local text = assert(json.encode { name, table.unpack(parts) })
  return (text:gsub("\\(.)", function(escaped) return escaped == "/" and "/" or nil end))
end

return indexes
