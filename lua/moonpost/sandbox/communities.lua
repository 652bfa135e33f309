--- Communities: a group that is the parent of others, among them one for announcements (fact sheet 08 §17; 07 §2). Who comes into one
-- of its groups is in the parent and among those who hear announcements. Results are nodes; or nil and the code of the refusal.
-- @module moonpost.sandbox.communities
local stanza = require "moonpost.stanza"
local book = require "moonpost.sandbox.group_book"
local members = require "moonpost.sandbox.group_members"
local news = require "moonpost.sandbox.group_news"

local node = stanza.node

local LINKED_MOST = 100 -- groups of a community (AB prop 1238)

local communities = { requests = { get = {}, set = {} } }

local function parent_of(group) return group.linked_parent and group.book.by_id[group.linked_parent] or nil end

-- The groups of a community, oldest first.
local function linked(parent)
  local list = {}
  for _, group in pairs(parent.book.by_id) do
    if group.linked_parent == parent.id then list[#list + 1] = group end
  end
  table.sort(list, function(a, b) return a.id < b.id end)
  return list
end

--- The community a new group is to be in; nil when none is named, nil and a code when it may not be.
function communities.parent_for(sandbox, creator, wanted)
  local link = stanza.child(wanted, "linked_parent")
  if not link then return nil end
  local parent = book.of(sandbox):lookup(link.attrs.jid)
  if not parent or not parent.parent then return nil, 404 end
  local free = parent.settings.allow_non_admin_sub_group_creation and parent:has(creator)
  if not free and not parent:is_admin(creator) then return nil, 403 end
  if #linked(parent) >= LINKED_MOST then return nil, 419 end
  return parent
end

--- Marks a group as what it is to be, before anybody is told of it.
function communities.place(group, _, wanted, parent)
  local top = stanza.child(wanted, "parent")
  if top then group.parent = { closed = top.attrs.default_membership_approval_mode == "request_required" } end
  if parent then group.linked_parent = parent.id end
end

-- Takes people into a group that follows another, and tells of it.
local function take_along(group, actor, accounts)
  local came = {}
  for _, account in ipairs(accounts) do
    if not group:has(account) and (group.parent or group.default_sub_group or #group.members < members.MOST) then
      members.take_in(group, account)
      came[#came + 1] = account
    end
  end
  if #came == 0 then return end
  group:new_version()
  group.book:save(group)
  news.tell_added(group, actor, came, "linked_group_join")
end

local function announcements(parent)
  for _, group in ipairs(linked(parent)) do
    if group.default_sub_group then return group end
  end
end

--- Who comes into a group of a community comes into the community.
-- @tparam table group
-- @tparam table actor
-- @tparam table accounts
function communities.follow(group, actor, accounts)
  local parent = group.parent and group or parent_of(group)
  if not parent then return end
  if parent ~= group then take_along(parent, actor, accounts) end
  local hall = announcements(parent)
  if hall and hall ~= group then take_along(hall, actor, accounts) end
end

local function linked_node(group)
  return node("group", { jid = group:jid(), subject = group.subject, s_t = group.s_t },
    group.default_sub_group and node "default_sub_group" or nil)
end

local function tell_link(tag, attrs, kind, to, other, actor)
  local all = { [tag .. "_type"] = kind }
  for name, value in pairs(attrs) do all[name] = value end
  news.tell_all(to, actor, node(tag, all, linked_node(other)))
end

-- Tells parent, sub-group and its siblings that a group came or went (07 §2).
local function tell_links(tag, attrs, parent, group, actor)
  tell_link(tag, attrs, "sub_group", parent, group, actor)
  tell_link(tag, attrs, "parent_group", group, parent, actor)
  for _, sibling in ipairs(linked(parent)) do
    if sibling ~= group then tell_link(tag, attrs, "sibling_group", sibling, group, actor) end
  end
end

-- A group the server makes for a community: the hall where admins announce, or the chat of all.
local function companion(parent, creator, mark)
  local group = parent.book:add(creator, parent.subject, parent.mode)
  group[mark], group.linked_parent = true, parent.id
  if mark == "default_sub_group" then group.settings.announcement = true end
  for _, account in ipairs(parent:accounts()) do
    if account ~= creator then members.take_in(group, account) end
  end
  group.book:save(group)
  news.tell_created(group, creator)
end

--- What a new group brings along (S-720): a community its announcement group and perhaps a general chat, a group in a community its
-- people.
function communities.complete(group, creator, wanted, parent)
  if group.parent then
    companion(group, creator, "default_sub_group")
    if stanza.child(wanted, "create_general_chat") then companion(group, creator, "general_chat") end
  end
  if not parent then return end
  tell_links("link", {}, parent, group, creator)
  communities.follow(group, creator, group:accounts())
end

--- Leaves a group; a community with all its groups. False when one is not in it.
function communities.leave(group, account)
  if not members.leave(group, account) then return false end
  for _, one in ipairs(group.parent and linked(group) or {}) do members.leave(one, account) end
  return true
end

--- Removes people from a community and all its groups.
function communities.remove(parent, actor, asked)
  local list, code = members.remove(parent, actor, asked)
  if not list or not parent.parent then return list, code end
  for _, group in ipairs(linked(parent)) do
    if group:is_admin(actor) then members.remove(group, actor, asked) end
  end
  return list
end

local get, set = communities.requests.get, communities.requests.set

-- A community one is in; nil and a code otherwise.
local function checked(parent, account, admin)
  if not parent.parent then return nil, 404 end
  if not parent:has(account) or admin and not parent:is_admin(account) then return nil, 403 end
  return parent
end

local function linked_group(group)
  return node("linked_group", { jid = group:jid() }, news.group(group)), nil, { addressing_mode = group.mode }
end

-- One of a community's groups by its JID.
local function one_of(parent, name)
  local group = parent.book:lookup(name)
  return group and group.linked_parent == parent.id and group or nil
end

function get.query_linked(parent, account, child)
  local ok, code = checked(parent, account)
  local group = ok and one_of(parent, child.attrs.jid)
  if not group then return nil, code or 404 end
  return linked_group(group)
end

function get.sub_groups(parent, account)
  local ok, code = checked(parent, account)
  if not ok then return nil, code end
  local list = {}
  for i, group in ipairs(linked(parent)) do
    list[i] = node("group", {
      id = group.id, subject = group.subject, s_t = group.s_t, size = #group.members, creation = group.created,
    }, group.default_sub_group and node "default_sub_group" or group.general_chat and node "general_chat" or nil)
  end
  return node("sub_groups", nil, list), nil, { addressing_mode = parent.mode }
end

-- Everybody in any of its groups, each once (10 §11.1 row 39).
function get.linked_groups_participants(parent, account)
  local ok, code = checked(parent, account)
  if not ok then return nil, code end
  local list, seen = {}, {}
  for _, group in ipairs(linked(parent)) do
    for _, one in ipairs(group:accounts()) do
      if not seen[one] then
        seen[one] = true
        list[#list + 1] = node("participant", { jid = parent:name(one), phone_number = parent.mode == "lid" and one:jid() or nil })
      end
    end
  end
  return node("linked_groups_participants", nil, list), nil, { addressing_mode = parent.mode }
end

-- Why a group cannot be taken into a community (07 §2).
local function link_error(parent, account, group)
  if not group then return 404 end
  if not group:is_admin(account) then return 403 end
  if group.parent or group.linked_parent then return 409 end
  if #linked(parent) >= LINKED_MOST then return 419 end
end

function set.links(parent, account, child)
  local ok, refused = checked(parent, account, true)
  if not ok then return nil, refused end
  local list = {}
  for i, one in stanza.children(stanza.child(child, "link"), "group") do
    local group = parent.book:lookup(one.attrs.jid)
    local code = link_error(parent, account, group)
    list[i] = node("group", { jid = one.attrs.jid, error = code })
    if not code then
      group.linked_parent = parent.id
      group.book:save(group)
      tell_links("link", {}, parent, group, account)
      communities.follow(group, account, group:accounts())
    end
  end
  return node("links", nil, node("link", { link_type = "sub_group" }, list)), nil, { addressing_mode = parent.mode }
end

-- Those who are in no other group of the community leave it with the one that is let go.
local function remove_orphans(parent, actor, group)
  local kept, names = {}, {}
  for _, other in ipairs(linked(parent)) do
    if not other.default_sub_group then
      for _, one in ipairs(other:accounts()) do kept[one] = true end
    end
  end
  for _, one in ipairs(group:accounts()) do
    if not kept[one] and not parent:is_admin(one) then names[#names + 1] = one:jid() end
  end
  if #names > 0 then communities.remove(parent, actor, names) end
end

function set.unlink(parent, account, child)
  local ok, refused = checked(parent, account, true)
  if not ok then return nil, refused end
  local list = {}
  for i, one in stanza.children(child, "group") do
    local group = one_of(parent, one.attrs.jid)
    local code = not group and 404 or group.default_sub_group and 406 or nil
    list[i] = node("group", { jid = one.attrs.jid, remove_orphaned_members = one.attrs.remove_orphaned_members, error = code })
    if not code then
      tell_links("unlink", { unlink_reason = "unlink_group" }, parent, group, account)
      group.linked_parent = nil
      group.book:save(group)
      if one.attrs.remove_orphaned_members == "true" then remove_orphans(parent, account, group) end
    end
  end
  return node("unlink", { unlink_type = "sub_group" }, list)
end

-- The end of a community: its groups go on, but for the one where it announced.
function set.delete_parent(parent, account)
  local ok, code = checked(parent, account, true)
  if not ok then return nil, code end
  for _, group in ipairs(linked(parent)) do
    if group.default_sub_group then
      news.tell_all(group, account, node("delete", { reason = "delete_parent" }))
      group.book:remove(group)
    else
      tell_link("unlink", { unlink_reason = "delete_parent" }, "parent_group", group, parent, account)
      group.linked_parent, group.general_chat = nil, nil
      group.book:save(group)
    end
  end
  news.tell_all(parent, account, node("delete", { reason = "delete_parent" }))
  parent.book:remove(parent)
  return {}
end

function set.join_linked_group(parent, account, child)
  local ok, code = checked(parent, account)
  local group = ok and one_of(parent, child.attrs.jid)
  if not group then return nil, code or 404 end
  local came, refused = require("moonpost.sandbox.group_joins").join_linked(group, account)
  if not came then return nil, refused end
  if came.tag == "membership_approval_request" then return came end
  return linked_group(group)
end

-- Admins of the community are admins of its announcement group as well.
function set.admin(parent, account, child, names)
  local ok, refused = checked(parent, account, true)
  if not ok then return nil, refused end
  local action, hall = stanza.child(child), announcements(parent)
  if not action or action.tag ~= "promote" and action.tag ~= "demote" then return nil, 400 end
  local list, code = members[action.tag](parent, account, names)
  if not list then return nil, code end
  if hall then members[action.tag](hall, account, names) end
  return node("admin", nil, node(action.tag, nil, list)), nil, { addressing_mode = parent.mode }
end

return communities
