--- What a notification about a group says (fact sheet 07 §3, 09 §2.21), as events; it knows nothing of what was before.
--
-- Each change is {kind = its tag on the wire, action = a word, by, by_pn, chat, id, time, name, v_id, prev_v_id} and, by action:
-- create {group}; add, join, remove, leave, promote, demote {participants, reason}; number {participants}: a member's number changed;
-- subject {subject}; description {description, nil: taken away; description_id}; settings {setting, value}; invite {code};
-- request, withdrawn, rejected {participants, method}; revoke {participants}: personal invites withdrawn; link, unlink {groups, link_type,
-- reason}; delete {reason}; other {}: what is not known here.
-- @module moonpost.client.group_notice
local attributes = require "moonpost.client.attrs"
local core = require "moonpost.core"
local group_node = require "moonpost.client.group_node"
local limits = require "moonpost.client.limits"
local stanza = require "moonpost.stanza"
local jid = core.wire.jid

local SERVER = "g.us"

local notice = {}

local function malformed(text, ...) error(core.error("malformed", text:format(...)), 0) end

local function short(value) return type(value) == "string" and #value <= limits.GROUP_NAME and utf8.len(value) and value or nil end

-- Those a change is about.
local function people(change, node, tag)
  local list, seen = {}, {}
  for _, child in stanza.children(node, tag or "participant") do
    local member = group_node.member(child)
    if member and not seen[member.jid] then
      seen[member.jid] = true
      list[#list + 1] = member
      if #list > limits.GROUP_MEMBERS then limits.too_many_members(#list) end
    end
  end
  change.participants, change.reason = list, short(node.attrs.reason)
end

-- Whether a change is about nobody but who made it.
local function is_alone(change)
  local list = change.participants
  local one = #list == 1 and list[1]
  return change.by ~= nil and one and (one.lid == change.by or one.pn == change.by or one.jid == change.by)
end

-- By tag: fn(change, node) fills it in; the action is the tag where it says nothing else.
local read = {}

function read.create(change, node)
  local group = stanza.child(node, "group")
  if not group then malformed("a notification of %s that was made without a <group>", change.chat) end
  change.group, change.reason, change.new = group_node.read(group), short(node.attrs.reason), node.attrs.type == "new"
  if change.group.jid ~= change.chat then malformed("a notification of %s tells of %s", change.chat, change.group.jid) end
end

local joined = { invite = true, linked_group_join = true }

function read.add(change, node)
  people(change, node)
  if is_alone(change) or joined[change.reason] then change.action = "join" end
end

function read.remove(change, node)
  people(change, node)
  if is_alone(change) then change.action = "leave" end
end

read.leave, read.promote, read.demote, read.revoke = people, people, people, people

function read.modify(change, node)
  people(change, node)
  change.action = "number"
end

function read.subject(change, node)
  change.subject = group_node.text(node.attrs.subject, limits.GROUP_NAME)
  if not change.subject then malformed("a notification of the subject of %s without one", change.chat) end
  change.subject_time = attributes.time(node.attrs.s_t)
end

function read.description(change, node)
  local body = group_node.content(node, limits.GROUP_TEXT, "body")
  change.description = body ~= "" and body or nil
  change.description_id = change.description and short(node.attrs.id)
end

local function setting(name, value)
  return function(change, node)
    change.action, change.setting, change.value = "settings", name, value
    if type(value) == "function" then change.value = value(node, change) end
  end
end

local function seconds(node, change)
  local value = group_node.number(node.attrs.expiration, group_node.SECONDS_MAX)
  return value or malformed("a notification of %s with a time that is none", change.chat)
end

read.locked, read.unlocked = setting("locked", true), setting("locked", false)
read.announcement, read.not_announcement = setting("announce", true), setting("announce", false)
read.ephemeral, read.not_ephemeral = setting("ephemeral", seconds), setting("ephemeral", 0)
read.suspended, read.unsuspended = setting("suspended", true), setting("suspended", false)
read.growth_locked, read.growth_unlocked = setting("growth_locked", seconds), setting("growth_locked", false)
read.member_add_mode = setting("member_add", function(node)
  return node.content == "all_member_add" and "all" or "admins"
end)
read.membership_approval_mode = setting("join_approval", function(node)
  local join = stanza.child(node, "group_join")
  return join ~= nil and join.attrs.state == "on"
end)

function read.invite(change, node)
  change.code = short(node.attrs.code)
  if not change.code then malformed("a notification of the invite of %s without its code", change.chat) end
end

local function by_actor(change)
  if #change.participants > 0 or not change.by then return end
  change.participants = { group_node.person(change.by, change.by_pn) }
end

local function method(change, node)
  change.action, change.method = "request", short(node.attrs.request_method)
  by_actor(change)
end

function read.membership_approval_request(change, node)
  change.participants = {}
  method(change, node)
end

function read.created_membership_requests(change, node)
  people(change, node, stanza.child(node, "requested_user") and "requested_user" or nil)
  method(change, node)
end

function read.revoked_membership_requests(change, node)
  people(change, node)
  change.action = is_alone(change) and "withdrawn" or "rejected"
end

local function linking(change, node)
  local list = {}
  for _, child in stanza.children(node, "group") do
    local group = attributes.jid(child, "jid")
    if group_node.is_group(group) then list[#list + 1] = { jid = group, subject = short(child.attrs.subject) } end
  end
  change.groups, change.link_type = list, short(node.attrs.link_type or node.attrs.unlink_type)
  change.reason = short(node.attrs.unlink_reason)
end

read.link, read.unlink = linking, linking

function read.delete(change, node) change.reason = short(node.attrs.reason) end

local function read_change(envelope, node)
  local change = { kind = node.tag, action = read[node.tag] and node.tag or "other", v_id = short(node.attrs.v_id),
    prev_v_id = short(node.attrs.prev_v_id) }
  for name, value in pairs(envelope) do change[name] = value end
  if read[node.tag] then read[node.tag](change, node) end
  return change
end

-- The groups the server of all groups wants to be asked for again.
local function dirty(node)
  local list = {}
  for _, child in stanza.children(stanza.child(node, "groups_dirty"), "group") do
    local group = attributes.jid(child, "jid")
    if group_node.is_group(group) then list[#list + 1] = group end
  end
  return list
end

--- Reads one.
-- @tparam table node `<notification type="w:gp2">`
-- @treturn table array of changes; of a notification from the server of all groups an array of JIDs, `dirty` true
-- @raise "malformed", "limit"
function notice.read(node)
  local from = attributes.jid(node, "from")
  if from == SERVER or from == "@" .. SERVER then
    local list = dirty(node)
    list.dirty = true
    return list
  end
  if not group_node.is_group(from) then malformed("a notification about a group from '%s', which is none", tostring(from)) end
  local by, name = attributes.bare(node, "participant"), node.attrs.notify
  if by and not attributes.is_person(by) then by = nil end
  local by_pn = attributes.bare(node, "participant_pn")
  local envelope = {
    chat = from, by = by, by_pn = by_pn and select(2, jid.parse(by_pn)) == "s.whatsapp.net" and by_pn or nil, id = node.attrs.id,
    time = attributes.time(node.attrs.t) or math.floor(core.net.time()), name = name ~= "" and name ~= "-" and short(name) or nil,
  }
  local changes = {}
  for i, child in stanza.children(node) do
    if i > limits.GROUP_CHANGES then
      error(core.error("limit", ("a notification of %s tells of more than %d changes"):format(from, limits.GROUP_CHANGES)), 0)
    end
    changes[i] = read_change(envelope, child)
  end
  return changes
end

return notice
