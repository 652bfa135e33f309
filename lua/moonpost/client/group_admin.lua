--- Changing groups (fact sheet 07 §1, 10 §3): made, left, their members and settings. Methods of moonpost.client.groups, all in a task.
-- They return nil and an error whose `code` is a word (moonpost.client.group_errors): "forbidden" who is no admin, "not-found" no such
-- group, "conflict", "not-acceptable" what is too long, "too-often", …; "closed" and "timeout" where no answer comes.
-- @module moonpost.client.group_admin
local attributes = require "moonpost.client.attrs"
local core = require "moonpost.core"
local group_errors = require "moonpost.client.group_errors"
local group_node = require "moonpost.client.group_node"
local patch = require "moonpost.client.group_patch"
local stanza = require "moonpost.stanza"
local jid = core.wire.jid

local SERVER = "g.us"
local ID_BYTES = 9 -- random ones of a description's id

local admin = {}

local function is_own(client, name) return name == client.me.jid or name == client.me.lid end

-- A person as a request names one: by LID. Who is to be added has the number beside it where both are known, and his token, with which he
-- lets those he knows add him.
local function participant(client, name, to_add)
  local lid = client.lids:stable(name)
  if not to_add then return stanza.node("participant", { jid = lid }) end
  local token = client.privacy_tokens:shown_to(lid)
  return stanza.node("participant", { jid = lid, phone_number = client.lids:pn_of(lid) },
    token and stanza.node("privacy", nil, token.content) or nil)
end

--- People as requests name them; a mistake of the caller is raised.
-- @tparam table members bare JIDs
-- @bool to_add whether they are to be added
-- @treturn table array of nodes
function admin:people(members, to_add)
  if type(members) == "string" then members = { members } end
  if type(members) ~= "table" then error("members are an array of JIDs, got " .. type(members), 0) end
  local nodes, seen = {}, {}
  for _, name in ipairs(members) do
    if type(name) ~= "string" or not attributes.is_person(name) then
      error(("a member is a person's JID, not '%s'"):format(tostring(name)), 0)
    end
    local node = participant(self.client, jid.bare(name), to_add)
    if not seen[node.attrs.jid] then nodes[#nodes + 1] = node end
    seen[node.attrs.jid] = true
  end
  if #nodes == 0 then error("at least one member is named", 0) end
  return nodes
end

-- What became of one person. Who lets nobody add him can be sent an invite of his own: its code comes with the refusal.
local function outcome(client, node, status)
  local member = group_node.member(node)
  local pn = node.attrs.phone_number
  local result = {
    jid = member and client.lids:stable(member.jid) or pn, ok = status == nil, status = status, code = status and group_errors.word(status),
  }
  local invite = stanza.child(node, "add_request")
  local expires = invite and group_node.number(invite.attrs.expiration, math.maxinteger)
  if invite and invite.attrs.code and expires then result.invite = { code = invite.attrs.code, expires = expires } end
  return result, member
end

--- What an answer says of each person.
-- @tparam ?table answer the node whose children the people are
-- @treturn table array of {jid=, ok=, code=, status=, invite={code=, expires=}}
-- @treturn table members for whom it was done
function admin:outcomes(answer)
  local results, done = {}, {}
  for _, node in stanza.children(answer, "participant") do
    local status = node.attrs.error and (group_node.number(node.attrs.error, 999) or 0) or nil
    local result, member = outcome(self.client, node, status)
    results[#results + 1] = result
    if result.ok and member then done[#done + 1] = member end
  end
  return results, done
end

--- What this account has done is known before the server tells of it.
-- @string group JID
-- @tparam table change as moonpost.client.group_patch takes it
function admin:note(group, change)
  local known = self:known(group)
  local now = known and patch(known, change)
  if now then self:put(now) elseif known then self:forget(group) end
end

-- The same of who is in it now, with the names that were told.
local function note_members(self, group, action, done)
  if #done == 0 then return end
  self.client.store:atomic(function()
    for _, member in ipairs(done) do
      if member.lid and member.pn then self.client.lids:learn(member.lid, member.pn) end
    end
    self:note(group, { action = action, participants = done })
    if action == "remove" then self.client.sender_keys:members_left(group) end
  end)
end

--- Who was let into a group.
-- @string group JID
-- @tparam table done members
function admin:note_added(group, done) note_members(self, group, "add", done) end

local function change_members(self, group, action, members)
  local answer, err = self:request(group, "set", stanza.node(action, nil, self:people(members, action == "add")))
  if not answer then return nil, err end
  local results, done = self:outcomes(stanza.child(answer, action))
  note_members(self, group, action, done)
  return results
end

--- Adds, removes, promotes to admins, or demotes members. One who lets nobody add him has code "forbidden", and `invite`, which a message
-- can bring to him.
-- @string group JID
-- @tparam table|string members bare JIDs
-- @treturn ?table array of {jid=, ok=, code=, status=, invite={code=, expires=}}: what became of each
-- @treturn ?table err
function admin:add(group, members) return change_members(self, group, "add", members) end
function admin:remove(group, members) return change_members(self, group, "remove", members) end
function admin:promote(group, members) return change_members(self, group, "promote", members) end
function admin:demote(group, members) return change_members(self, group, "demote", members) end

--- Leaves a group.
-- @treturn ?boolean true
-- @treturn ?table err
function admin:leave(group)
  local answer, err = self:request(SERVER, "set", stanza.node("leave", nil, stanza.node("group", { id = group })))
  if not answer then return nil, err end
  local told = stanza.path(answer, "leave", "group")
  local status = told and told.attrs.error and (group_node.number(told.attrs.error, 999) or 0)
  if status then return nil, group_errors.make(group_errors.word(status), ("%s could not be left (%d)"):format(group, status), status) end
  self.client.store:atomic(function()
    self:forget(group)
    self.client.sender_keys:members_left(group)
  end)
  return true
end

--- Gives a group a subject.
-- @string group JID
-- @string subject
-- @treturn ?boolean true
-- @treturn ?table err code "not-acceptable": it is too long
function admin:set_subject(group, subject)
  local answer, err = self:request(group, "set", stanza.node("subject", nil, subject))
  if not answer then return nil, err end
  self:note(group, { action = "subject", subject = subject, subject_time = self.client.connection:server_time(), by = self.client.me.lid })
  return true
end

--- A fresh id, of a description or a new group.
function admin.new_id() return "3EB0" .. core.crypto.hex(core.crypto.random(ID_BYTES)):upper() end

local function description_node(id, prev, text)
  if not text then return stanza.node("description", { prev = prev, delete = "true" }) end
  return stanza.node("description", { id = id, prev = prev }, stanza.node("body", nil, text))
end

local function describe(self, group, text)
  local known, err = self:get(group)
  if not known then return nil, err end
  local id = admin.new_id()
  local answer
  answer, err = self:request(group, "set", description_node(id, known.description_id, text))
  if not answer then return nil, err end
  self:note(group, { action = "description", description = text, description_id = text and id })
  return true
end

--- Gives a group a description, or takes it away. Where somebody else has changed it meanwhile, it is replaced.
-- @string group JID
-- @tparam ?string text nil or "": none
-- @treturn ?boolean true
-- @treturn ?table err
function admin:set_description(group, text)
  if text == "" then text = nil end
  local ok, err = describe(self, group, text)
  if ok or err.code ~= "conflict" then return ok, err end
  self:forget(group)
  return describe(self, group, text)
end

local function switch(on, off)
  return function(value)
    if type(value) ~= "boolean" then return nil, "true or false" end
    return stanza.node(value and on or off)
  end
end

-- By name: fn(value) -> node, or nil and what the value is to be.
local settings = { announce = switch("announcement", "not_announcement"), locked = switch("locked", "unlocked") }

function settings.ephemeral(value)
  value = type(value) == "number" and math.tointeger(value)
  if not value or value < 0 then return nil, "a number of seconds, 0: none" end
  return value > 0 and stanza.node("ephemeral", { expiration = value }) or stanza.node "not_ephemeral"
end

function settings.join_approval(value)
  if type(value) ~= "boolean" then return nil, "true or false" end
  return stanza.node("membership_approval_mode", nil, stanza.node("group_join", { state = value and "on" or "off" }))
end

function settings.member_add(value)
  if value ~= "all" and value ~= "admins" then return nil, '"all" or "admins"' end
  return stanza.node("member_add_mode", nil, value == "all" and "all_member_add" or "admin_add")
end

local order = { "announce", "locked", "ephemeral", "join_approval", "member_add" }

-- The nodes of settings, in a fixed order; what is none is raised.
local function setting_nodes(wanted)
  local nodes = {}
  for name, value in pairs(wanted) do
    if not settings[name] then error(("a group has no setting '%s' (%s)"):format(tostring(name), table.concat(order, ", ")), 0) end
    local node, expected = settings[name](value)
    if not node then error(("a group's setting '%s' is %s"):format(name, expected), 0) end
    nodes[name] = node
  end
  local list = {}
  for _, name in ipairs(order) do
    if nodes[name] then list[#list + 1] = { name = name, node = nodes[name], value = wanted[name] } end
  end
  if #list == 0 then error(("at least one setting is named (%s)"):format(table.concat(order, ", ")), 0) end
  return list
end

--- Sets what is named: announce, locked, join_approval (true or false), ephemeral (seconds; 0: off), member_add ("all" or "admins"). One
-- after the other; the first that is refused ends it.
-- @string group JID
-- @tparam table wanted
-- @treturn ?boolean true
-- @treturn ?table err its `setting` names the one that was refused
function admin:set(group, wanted)
  for _, one in ipairs(setting_nodes(wanted)) do
    local answer, err = self:request(group, "set", one.node)
    if not answer then
      err.setting = one.name
      return nil, err
    end
    self:note(group, { action = "settings", setting = one.name, value = one.value })
  end
  return true
end

local not_settings = { subject = true, members = true, description = true, community = true }

-- The settings among what a new group is to have; those it has anyway are not said.
local function initial_nodes(wanted)
  local chosen, list = {}, {}
  for name, value in pairs(wanted) do
    if not not_settings[name] then chosen[name] = value end
  end
  if next(chosen) == nil then return list end
  for _, one in ipairs(setting_nodes(chosen)) do
    if one.value and one.value ~= 0 then list[#list + 1] = one.node end
  end
  return list
end

local function create_node(self, wanted)
  local content = {}
  if wanted.members and #wanted.members > 0 then
    for _, node in ipairs(self:people(wanted.members, true)) do
      if not is_own(self.client, node.attrs.jid) then content[#content + 1] = node end
    end
  end
  if wanted.description and wanted.description ~= "" then
    content[#content + 1] = stanza.node("description", { id = admin.new_id() }, stanza.node("body", nil, wanted.description))
  end
  for _, node in ipairs(initial_nodes(wanted)) do content[#content + 1] = node end
  if wanted.community then content[#content + 1] = stanza.node("linked_parent", { jid = wanted.community }) end
  return stanza.node("create", { subject = wanted.subject, key = admin.new_id() }, content)
end

--- Sends a request for a new group; takes the group the answer names.
-- @tparam table node `<create>`
-- @treturn ?table group
-- @treturn table array of those who could not be added, as `add` tells of them; the error in place of both
function admin:make(node)
  local answer, err = self:request(SERVER, "set", node)
  if not answer then return nil, err end
  local group, refused = self:take(stanza.child(answer, "group"))
  if not group then return nil, refused end
  for i, one in ipairs(refused) do refused[i] = outcome(self.client, one.node, one.status) end
  return group, refused
end

--- Makes a group; this account is its first admin.
-- @tparam table wanted subject (a text); members = array of bare JIDs; description; announce, locked, ephemeral, join_approval, member_add
-- as `set` takes them; community = JID of the community it is to be in
-- @treturn ?table group
-- @treturn table array of those who could not be added, as `add` tells of them; the error in place of both
function admin:create(wanted)
  if type(wanted) ~= "table" or type(wanted.subject) ~= "string" or wanted.subject == "" then
    error("a group is made of { subject = text, members = { jid, … } }", 0)
  end
  return self:make(create_node(self, wanted))
end

return admin
