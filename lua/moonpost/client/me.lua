--- Who a client is linked as, in its store, and the end of that.
-- @module moonpost.client.me
local core = require "moonpost.core"
local damage = require "moonpost.client.damage"
local rows = require "moonpost.client.rows"

local me = {}

--- Reads who the store is linked as. A row that is there and cannot be read is no reason to link anew.
-- @param client
-- @treturn ?boolean true
-- @treturn ?table err code "damaged"
function me.read(client)
  local ok, found = pcall(rows.get, client.store, "setting", "me", "StoreMe")
  if ok then
    client.me = found
    return true
  end
  return nil, damage(core.error("damaged", ("store %s is damaged: who the account %s is cannot be read: %s"):format(
    client.store:path(), client.account_name, tostring(found))))
end

--- Takes note of who the store is linked as, and at which server; nil forgets it.
-- @param client
-- @tparam ?table row StoreMe
function me.set(client, row)
  client.me = row
  if not row then return client.store:delete("setting", "me") end
  row.root = row.root or client.root
  rows.put(client.store, "setting", "me", "StoreMe", row)
end

local personal = {
  "setting", "journal", "outbox", "dedupe", "device-list", "lid", "secret", "appstate-key", "raw", "recent", "group", "told", "token",
  "message", "appstate", "history",
}

--- Forgets the linked account and everything that was its own; the next pairing makes new keys.
-- @param client
function me.forget(client)
  me.set(client, nil)
  client.account:delete()
  for _, name in ipairs(personal) do
    rows.each(client.store, name, "", function(key) client.store:delete(name, key) end)
  end
  client.lids:changed()
  client.journal:recount()
  client.archive:recount()
  client.retry_keys:recount()
  client.missing:forget()
  client.delivered:forget()
  client.read_marks:forget()
  client.privacy_settings:forget()
  client.privacy_tokens:forget()
  client.fanout_group.audience:forget()
  client.appstate:forget()
  for _, name in ipairs { "media", "properties", "past" } do
    local used = client:made(name)
    if used then used:forget() end
  end
end

return me
