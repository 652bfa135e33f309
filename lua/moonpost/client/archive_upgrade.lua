--- Stores of version 2 kept secrets and sent messages in rows of their own (tables "secret", and "recent" of kind "s"): they move into
-- the archive, some at a time, before the account goes online. Messages that were only heard stay known by their secret alone.
-- @module moonpost.client.archive_upgrade
local core = require "moonpost.core"
local rows = require "moonpost.client.rows"
local task = require "moonpost.task"

local proto, jid = core.proto, core.wire.jid

local SLICE = 100 -- rows moved at once

-- "recent" "sq" sequence -> id, time, StoreSent.
local function move_sent(client, value)
  local read, id, time, inner = pcall(string.unpack, rows.RECENT, value)
  local sent = read and proto.decode("StoreSent", inner)
  local message = sent and sent.message and proto.decode("Message", sent.message)
  if not message or not sent.to or not jid.parse(sent.to) then return end
  client.archive:put {
    chat = client.lids:stable(sent.to), id = id, sender = client.lids:stable(client.me.jid), from_me = true, time = time,
    bytes = sent.message, message = message, to = sent.to, status = "sent",
  }
  client.sent:keep(id, sent.to, time)
end

-- "secret" chat 00 author 00 id -> messageSecret, time.
local function move_secret(client, key, value)
  local chat, author, id = key:match "^(%Z+)%z(%Z+)%z(.+)$"
  if not chat or #value ~= rows.SECRET_BYTES + 8 or client.archive:get(chat, id, author) then return end
  client.archive:put_secret {
    chat = chat, id = id, sender = author, from_me = author == client.lids:stable(client.me.jid),
    secret = value:sub(1, rows.SECRET_BYTES), time = (">I8"):unpack(value, rows.SECRET_BYTES + 1),
  }
end

local function move(client, table_name, prefix, fn)
  local store, found = client.store
  repeat
    found = store:range(table_name, prefix, SLICE)
    store:atomic(function()
      for _, row in ipairs(found) do
        if fn then fn(client, row[1], row[2]) end
        store:delete(table_name, row[1])
      end
    end)
    if #found == SLICE then task.sleep(0) end
  until #found < SLICE
end

--- Moves what is there. In a task; what was interrupted goes on the next time.
return function(client)
  move(client, "recent", "sq", function(_, _, value) move_sent(client, value) end)
  move(client, "recent", "sn")
  move(client, "secret", "", move_secret)
end
