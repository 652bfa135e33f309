--- What becomes of a client that is closed, in order: nothing new begins, what runs may end, what is known is written.
-- @module moonpost.client.close
local core = require "moonpost.core"
local tenancy = require "moonpost.client.tenancy"

return function(client)
  for _, name in ipairs { "pairing", "journal", "media", "sweep", "missing", "newsletters", "appstate", "past" } do
    local used = client:made(name)
    if used then used:stop() end
  end
  local delivered, read_marks = client:made "delivered", client:made "read_marks"
  if delivered then delivered:hasten() end
  client.connection:stop()
  client.outbox:give_up(core.error("closed", "the client is closed"))
  if delivered then
    delivered:write(true)
    delivered:rest()
  end
  client.presence:rest()
  if read_marks then read_marks:write(true) end
  client:commit()
  client.turn:leave(client)
  client.over = true
  tenancy.leave(client)
  if client.opened then client.opened:close() end
end
