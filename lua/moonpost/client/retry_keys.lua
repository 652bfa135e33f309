--- The one-time keys in our retry receipts (fact sheet 04 §9.2): one for each device that is asked, the same until it is used, and of
-- so many devices only. Whoever sends what cannot be read, again and again, has no new key made each time.
-- @module moonpost.client.retry_keys
local rows = require "moonpost.client.rows"

local DEVICES = 256 -- that have such a key; the one asked longest ago loses its own

local retry_keys = {}

-- Takes the entry of a device out of the list; its key when that is not used up.
local function take(account, list, device)
  for i, entry in ipairs(list) do
    if entry.device == device then
      table.remove(list, i)
      return account:prekey(entry.id)
    end
  end
end

--- The key for a device.
-- @param client
-- @string device JID, stable
-- @treturn table {id=, public=}
function retry_keys.of(client, device)
  local account = client.account
  local row = rows.get(client.store, "setting", "retry-keys", "StoreRetryKeys") or {}
  local list = row.keys or {}
  local key = take(account, list, device)
  if not key then
    key = account:new_prekeys(1)[1]
    account:mark_uploaded(key.id, key.id) -- it is offered to nobody else
  end
  list[#list + 1] = { device = device, id = key.id }
  while #list > DEVICES do account:drop_prekey(table.remove(list, 1).id) end
  rows.put(client.store, "setting", "retry-keys", "StoreRetryKeys", { keys = list })
  return key
end

return retry_keys
