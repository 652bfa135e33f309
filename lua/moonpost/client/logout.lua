--- Leaving: the server is told that this device goes, answers, and the account's rows are wiped (fact sheet 02 §6, 07 §13).
-- @module moonpost.client.logout
local core = require "moonpost.core"
local stanza = require "moonpost.stanza"

local jid = core.wire.jid

local ANSWER_SECONDS = 20

local function request(me)
  return stanza.node("iq", { xmlns = "md", type = "set", to = "s.whatsapp.net" }, stanza.node("remove-companion-device", {
    jid = jid.make((jid.parse(me.jid)), "s.whatsapp.net", me.device), reason = "user_initiated",
  }))
end

-- Whether the server has taken the device off; it may end the connection over that before it answers (08 S-119).
local function tell_server(client)
  local connection = client.connection
  local answer, err = connection:query(request(client.me), ANSWER_SECONDS)
  if answer or connection.ending and connection.ending.code == "unlinked" then return true end
  return nil, err
end

local function over()
  local err = core.error("unlinked", "this device has logged itself out")
  err.final = true
  return err
end

--- Logs a client out. In a task.
-- @param client
-- @bool force wipe the account's rows even when the server cannot be told
return function(client, force)
  if not client.me then return nil, core.error("unlinked", "this account is not linked") end
  if client.leaving then return nil, core.error("busy", "this account is being logged out already") end
  if not force and not client.connection.online then
    return nil, core.error("offline", "not online: the server cannot be told that this device goes")
  end
  client.leaving = true
  local guard <close> = setmetatable({}, { __close = function() client.leaving = false end })
  if client.connection.online then
    local told, err = tell_server(client)
    if not told and not force then return guard and nil, err end
  end
  client.connection:retire(over())
  local _, err = client:commit()
  if err then return nil, err end
  return true
end
