--- Communities (fact sheet 07 §2, 10 §4): a parent group, its announcement group, and the groups that belong to it. Methods of
-- moonpost.client.groups, all in a task; they fail as those of moonpost.client.group_admin do. Everything else is done to a community as to
-- a group, by its JID.
-- @module moonpost.client.communities
local core = require "moonpost.core"
local group_errors = require "moonpost.client.group_errors"
local group_node = require "moonpost.client.group_node"
local stanza = require "moonpost.stanza"

local communities = {}

--- Makes a community; the server makes its announcement group.
-- @tparam table wanted subject (a text); description; closed = true: who joins has to be approved; general_chat = true: it has one
-- @treturn ?table group the community's
-- @treturn ?table err
function communities:create_community(wanted)
  if type(wanted) ~= "table" or type(wanted.subject) ~= "string" or wanted.subject == "" then
    error("a community is made of { subject = text }", 0)
  end
  local content = { stanza.node("parent", { default_membership_approval_mode = wanted.closed and "request_required" or nil }) }
  if wanted.description and wanted.description ~= "" then
    content[#content + 1] = stanza.node("description", { id = self.new_id() }, stanza.node("body", nil, wanted.description))
  end
  if wanted.general_chat then content[#content + 1] = stanza.node "create_general_chat" end
  local group, err = self:make(stanza.node("create", { subject = wanted.subject, key = self.new_id() }, content))
  if not group then return nil, err end
  return group
end

local function group_nodes(groups, attrs)
  if type(groups) ~= "table" then groups = { groups } end
  local nodes = {}
  for i, name in ipairs(groups) do
    if not group_node.is_group(name) then error(("'%s' is no group's JID"):format(tostring(name)), 0) end
    nodes[i] = stanza.node("group", { jid = name, remove_orphaned_members = attrs and attrs.remove_orphans and "true" or nil })
  end
  if #nodes == 0 then error("at least one group is named", 0) end
  return nodes
end

-- What became of each group; what is known of those it was done to is asked for again.
local function outcomes(self, node)
  local list = {}
  for _, child in stanza.children(node, "group") do
    local status = child.attrs.error and (group_node.number(child.attrs.error, 999) or 0) or nil
    list[#list + 1] = { jid = child.attrs.jid, ok = status == nil, status = status, code = status and group_errors.word(status) }
    if not status and group_node.is_group(child.attrs.jid) then self:forget(child.attrs.jid) end
  end
  return list
end

--- Puts groups into a community.
-- @string community JID
-- @tparam table|string groups JIDs
-- @treturn ?table array of {jid=, ok=, code=, status=}
-- @treturn ?table err
function communities:link(community, groups)
  local link = stanza.node("link", { link_type = "sub_group" }, group_nodes(groups))
  local answer, err = self:request(community, "set", stanza.node("links", nil, link))
  if not answer then return nil, err end
  return outcomes(self, stanza.path(answer, "links", "link"))
end

--- Takes groups out of a community.
-- @string community JID
-- @tparam table|string groups JIDs
-- @tparam ?table options remove_orphans = true: who is then in no group of the community leaves it
-- @treturn ?table array of {jid=, ok=, code=, status=}
-- @treturn ?table err
function communities:unlink(community, groups, options)
  local answer, err = self:request(community, "set", stanza.node("unlink", { unlink_type = "sub_group" }, group_nodes(groups, options)))
  if not answer then return nil, err end
  return outcomes(self, stanza.child(answer, "unlink"))
end

--- Ends a community; its groups stay.
-- @treturn ?boolean true
-- @treturn ?table err
function communities:delete_community(community)
  local answer, err = self:request(community, "set", stanza.node "delete_parent")
  if not answer then return nil, err end
  self:forget(community)
  return true
end

--- The groups of a community.
-- @string community JID
-- @treturn ?table array of {jid=, subject=, announcements= (it is the announcement group)}
-- @treturn ?table err
function communities:sub_groups(community)
  local answer, err = self:request(community, "get", stanza.node "sub_groups")
  if not answer then return nil, err end
  local list = {}
  for _, node in stanza.children(stanza.child(answer, "sub_groups"), "group") do
    local ok, name = pcall(group_node.jid, node)
    if not ok then return nil, name end
    list[#list + 1] = { jid = name, subject = node.attrs.subject, announcements = stanza.child(node, "default_sub_group") ~= nil }
  end
  return list
end

--- Everybody in a community's groups.
-- @string community JID
-- @treturn ?table array of {jid=, lid=, pn=}
-- @treturn ?table err
function communities:community_members(community)
  local answer, err = self:request(community, "get", stanza.node "linked_groups_participants")
  if not answer then return nil, err end
  local ok, members = pcall(group_node.members, stanza.child(answer, "linked_groups_participants") or answer)
  if not ok then return nil, members end
  return members
end

--- A group of a community this account is in, though it may not be in the group; it is not kept.
-- @string community JID
-- @string group JID
-- @treturn ?table group
-- @treturn ?table err
function communities:linked_group(community, group)
  local answer, err = self:request(community, "get", stanza.node("query_linked", { type = "sub_group", jid = group }))
  if not answer then return nil, err end
  local node = stanza.path(answer, "linked_group", "group")
  if not node then return nil, core.error("malformed", "the answer names no group") end
  local ok, found = pcall(group_node.read, node)
  if not ok then return nil, found end
  return found
end

--- Joins a group of a community this account is in.
-- @string community JID
-- @string group JID
-- @treturn ?table {jid=, pending=}: pending, when an admin has to approve
-- @treturn ?table err
function communities:join_linked(community, group)
  local answer, err = self:request(community, "set", stanza.node("join_linked_group", { jid = group }))
  if not answer then return nil, err end
  return self:joined(answer, group)
end

--- Makes admins of the whole community, or takes that back.
-- @string community JID
-- @string action "promote" or "demote"
-- @tparam table|string members bare JIDs
-- @treturn ?table array of {jid=, ok=, code=, status=}
-- @treturn ?table err
function communities:community_admins(community, action, members)
  local answer, err = self:request(community, "set", stanza.node("admin", nil, stanza.node(action, nil, self:people(members))))
  if not answer then return nil, err end
  self:forget(community)
  return (self:outcomes(stanza.path(answer, "admin", action)))
end

return communities
