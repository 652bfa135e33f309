--- Messages deleted for the own account alone (fact sheet 06 §9.1, §11.5): all its devices are told through the app state, nobody else.
--
--     ["deleteMessageForMe", chat, id, "1": from me, author in a group, else "0"]   { deleteMedia, messageTimestamp }
-- @module moonpost.client.hidden
local core = require "moonpost.core"
local messages = require "moonpost.client.messages"
local people = require "moonpost.client.kinds.people"

local ID_MAX = 128 -- bytes, as of a message's own id

local hidden = {}

-- The parts of an index as the message they name; nil when they name none.
local function target_of(client, parts)
  local chat, id, from_me, author = people.stable(client, parts[1]), parts[2], parts[3], parts[4]
  if not chat or not id or id == "" or #id > ID_MAX or not from_me then return nil end
  local sender
  if from_me == "1" then
    sender = people.me(client)
  else
    sender = author and author ~= "0" and people.stable(client, author) or not messages.is_group(chat) and chat or nil
  end
  if not sender then -- Baileys names no author
    local entry = client.archive:get(chat, id)
    sender = entry and entry.sender
  end
  return { chat = chat, id = id, sender = sender, from_me = people.is_me(client, sender) }
end

-- Tells the handlers who hear what the owner does.
local function tell(client, target, about)
  client.journal:add({
    chat = target.chat, author = people.me(client), id = core.crypto.hex(core.crypto.sha256(about.index):sub(1, 16)):upper(),
    from_me = true, name = client.me.name, time = about.time, offline = false,
  }, "", {}, nil, { deleted = { id = target.id, sender = target.sender } })
end

--- An own device has deleted a message for the account: its words go here, too. See moonpost.client.appstate_actions.
function hidden.heard(client, parts, _, about)
  local target = target_of(client, parts)
  if not target then return client.log:debug("the app state deletes no message that can be read") end
  local before = client.archive:get(target.chat, target.id, target.sender)
  if before and before.deleted then return end
  if target.sender then client.archive:hide(target, about.time) end
  if about.news and not about.own and client.own then tell(client, target, about) end
end

--- Deletes a message for the account alone. In a task.
-- @param client
-- @tparam table target chat, id, sender (stable), from_me
-- @tparam ?int time when it was sent, Unix seconds
-- @treturn ?boolean true
-- @treturn ?table err
function hidden.delete(client, target, time)
  local entry = client.archive:get(target.chat, target.id, target.sender)
  if entry and entry.deleted then return true end
  local sender = target.sender or entry and entry.sender
  local named = messages.is_group(target.chat) and not target.from_me and sender
  return client.appstate:set("deleteMessageForMe", {
    target.chat, target.id, target.from_me and "1" or "0", named and people.namer(client, target.chat)(sender) or "0",
  }, { deleteMedia = false, messageTimestamp = entry and entry.time or time })
end

return hidden
