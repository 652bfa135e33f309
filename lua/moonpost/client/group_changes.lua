--- What the server tells of groups (fact sheet 07 §3): what is known of them is kept right, and the event `group` tells the user.
--
-- A change that does not fit what is known, or is of no kind known here, has the group asked for again when it is next needed. One that
-- is said to be made by somebody who is not in the group is not believed before the server has been asked.
-- @module moonpost.client.group_changes
local core = require "moonpost.core"
local group_node = require "moonpost.client.group_node"
local notice = require "moonpost.client.group_notice"
local patch = require "moonpost.client.group_patch"
local task = require "moonpost.task"

local Changes = {}
Changes.__index = Changes

local function is_own(client, name) return name ~= nil and (name == client.me.jid or name == client.me.lid) end

local function names_own(client, people)
  for _, person in ipairs(people or {}) do
    if is_own(client, person.jid) or is_own(client, person.pn) then return true end
  end
  return false
end

-- Names as they stay, and whom the change is about besides others.
local function settle(client, change)
  local lids = client.lids
  if change.by and change.by_pn then lids:learn(change.by, change.by_pn) end
  change.by = change.by and lids:stable(change.by)
  change.from_me = is_own(client, change.by)
  client.groups:learn(change.participants or {})
  for _, person in ipairs(change.participants or {}) do
    person.lid = person.lid or person.pn and lids:lid_of(person.pn)
    person.jid = person.lid or person.jid
  end
  change.me = names_own(client, change.participants)
end

-- What somebody does who is not in the group yet, or not any more.
local from_outside = { join = true, request = true, withdrawn = true, create = true }

-- Whether a change is made by who can make it, as far as is known. In communities their admins act from outside.
local function is_plausible(client, group, change)
  if not group or not change.by or change.from_me or from_outside[change.action] then return true end
  if group.incomplete or group.parent or group.community then return true end
  return client.groups:member(group, change.by) ~= nil
end

local function emit(client, change)
  client.store:after_commit(function()
    change.phone = change.by and client.lids:phone(change.by)
    change.by_pn, change.v_id, change.prev_v_id = nil, nil, nil
    client:emit("group", change)
  end)
end

-- This account was taken in, by a group it was not in, or by a new one.
local function welcome(client, change)
  local group = change.group
  if group.unconfirmed then
    client.store:after_commit(function() task.spawn(client.groups.confirm, client.groups, group.jid) end)
  end
  change.participants, change.subject = group.participants, group.subject
  client.groups:keep(group)
  if change.new or change.from_me then
    change.action = change.new and "create" or "join"
  else
    change.action = (change.reason == "invite" or change.reason == "linked_group_join") and "join" or "add"
  end
  if change.action ~= "create" then
    change.participants = { client.groups:member(group, client.me.lid or client.me.jid) }
  end
  change.me, change.group = true, nil
end

local function without_members(client, change)
  local leaves = change.action == "remove" or change.action == "leave"
  if leaves or change.action == "number" or change.action == "delete" then client.sender_keys:members_left(change.chat) end
  return (leaves and change.me) or change.action == "delete"
end

local function apply(client, group, change)
  if change.action == "create" then return welcome(client, change) end
  if without_members(client, change) then return client.groups:forget(change.chat) end
  if not group then return end
  local now = patch(group, change)
  if now then client.groups:put(now) else client.groups:forget(change.chat) end
end

-- Asks the server for a group, and once more when the connection ends before it has answered; an error of code "closed" once there will be
-- no other connection.
local function ask(client, chat)
  while true do
    local group, err = client.groups:refresh(chat)
    if group or err.code ~= "closed" then return group, err end
    client.connection:wait_ended()
    local online = client.connection:wait_online()
    if not online then return nil, err end
  end
end

-- Asks the server whether somebody is in a group who is said to have changed it.
local function verify(client, change)
  local group, err = ask(client, change.chat)
  if not group and err.code ~= "not-in-group" then return err.code ~= "closed" and client:emit("error", err) end
  if not group and not (change.me and change.action == "remove") then return end -- nothing of it is ours to hear any more
  if not group or is_plausible(client, group, change) then return client.store:atomic(emit, client, change) end
  if change.action == "leave" then return end -- told twice
  client:emit("error", core.error("forged", ("%s: '%s' by %s, who is not in the group, is not believed"):format(
    change.chat, change.kind, change.by)))
end

local function take(client, change)
  client.groups:touch(change.chat)
  settle(client, change)
  local group = client.groups:known(change.chat)
  if not is_plausible(client, group, change) then
    client.groups:forget(change.chat)
    if change.action == "leave" or change.action == "remove" then client.sender_keys:members_left(change.chat) end
    client.store:after_commit(function() task.spawn(verify, client, change) end)
    return
  end
  apply(client, group, change)
  if change.kind ~= "missing_participant_identification" then emit(client, change) end
end

--- A notification of type "w:gp2"; inside its transaction. One that cannot be read has its group asked for again.
-- @tparam table node
function Changes:on_notification(node)
  local client = self.client
  local ok, changes = pcall(notice.read, node)
  if not ok then
    if type(changes) ~= "table" then error(changes, 0) end
    if group_node.is_group(node.attrs.from) then client.groups:forget(node.attrs.from) end
    return client.store:after_commit(function() client:emit("error", changes) end)
  end
  if changes.dirty then
    for _, group in ipairs(changes) do client.groups:forget(group) end
    return
  end
  for _, change in ipairs(changes) do take(client, change) end
end

--- The server says that groups have changed while nobody was told (07 §10.2): all are asked for when they are needed again.
-- @tparam table dirty node `<dirty type="groups" timestamp>`
function Changes:dirty(dirty)
  local client = self.client
  client.groups:forget_all()
  task.spawn(client.groups.clean, client.groups, dirty.attrs.timestamp)
end

return function(client) return setmetatable({ client = client }, Changes) end
