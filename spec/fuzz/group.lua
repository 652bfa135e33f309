-- Groups and what is told of them: whatever node comes is read or refused as malformed or too large; what is read has the form the
-- client's tables have, is the same after the store, and does to a known group what keeps it one. Returns fn(bytes).
package.path = package.path:gsub("/%?%.lua", "/lua/?.lua;%0", 1)
local wire = require("moonpost.core").wire
local group_node = require "moonpost.client.group_node"
local group_rows = require "moonpost.client.group_rows"
local limits = require "moonpost.client.limits"
local notice = require "moonpost.client.group_notice"
local patch = require "moonpost.client.group_patch"

local parse = wire.jid.parse
local ranks = { admin = true, superadmin = true }
local lids = { lid_of = function() return nil end }

local function is(name, server)
  local user, of, device = parse(name)
  return of == server and user ~= "" and device == 0
end

local function check_member(member)
  assert(parse(member.jid) and wire.jid.bare(member.jid) == member.jid, "a member's name")
  assert(member.lid == nil or is(member.lid, "lid") and member.jid == member.lid, "a member's LID")
  assert(member.pn == nil or is(member.pn, "s.whatsapp.net"), "a member's number")
  assert(member.rank == nil or ranks[member.rank], "a member's rank")
end

local function check_members(list)
  local seen = {}
  for _, member in ipairs(list) do
    check_member(member)
    assert(not seen[member.jid], "a member twice")
    seen[member.jid] = true
  end
end

local function same(one, other)
  if type(one) ~= "table" or type(other) ~= "table" then return one == other end
  for name, value in pairs(one) do
    if not same(value, other[name]) then return false end
  end
  for name in pairs(other) do
    if one[name] == nil then return false end
  end
  return true
end

local function check_group(group)
  assert(group_node.is_group(group.jid), "a group's JID")
  assert(group.addressing == "lid" or group.addressing == "pn", "its mode")
  assert(group.member_add == "all" or group.member_add == "admins", "who adds")
  assert(#group.subject <= limits.GROUP_NAME and #(group.description or "") <= limits.GROUP_TEXT, "its texts")
  assert(math.type(group.ephemeral) == "integer" and group.ephemeral >= 0, "its timer")
  assert(#group.participants <= limits.GROUP_MEMBERS, "its size")
  assert(group.parent == nil or group_node.is_group(group.parent), "its community")
  check_members(group.participants)
  local kept = assert(group_rows.decode(group.jid, group_rows.encode(group), lids), "a row")
  group.size, group.unconfirmed = #group.participants, nil -- told, not kept
  assert(same(group, kept), "the same after the store")
end

local base = {
  jid = "120363000000000001@g.us", subject = "Tea", addressing = "lid", announce = false, locked = false, ephemeral = 0,
  join_approval = false, member_add = "admins", community = false, announcements = false, general = false, suspended = false,
  incomplete = false, version = "1", participants = {
    { jid = "1@lid", lid = "1@lid", pn = "11@s.whatsapp.net", rank = "superadmin" }, { jid = "2@lid", lid = "2@lid" },
    { jid = "33@s.whatsapp.net", pn = "33@s.whatsapp.net" },
  },
}

local function check_changes(changes)
  if changes.dirty then
    for _, name in ipairs(changes) do assert(group_node.is_group(name), "a dirty group") end
    return
  end
  local group = base
  for _, change in ipairs(changes) do
    assert(group_node.is_group(change.chat) and type(change.action) == "string" and type(change.kind) == "string", "a change")
    assert(change.by == nil or parse(change.by), "who did it")
    if change.participants then check_members(change.participants) end
    if change.group then check_group(change.group) end
    group = patch(group, change) or group
    check_group(group)
  end
  assert(#base.participants == 3 and base.subject == "Tea", "what is known is not changed itself")
end

local function refused(err)
  local known = type(err) == "table" and (err.code == "malformed" or err.code == "limit") and #err.message < 5000
  assert(known, tostring(err))
end

return function(bytes)
  local node = wire.decode(bytes)
  if not node then return end
  local read, check = notice.read, check_changes
  if node.tag == "group" then read, check = group_node.read, check_group end
  local ok, result = pcall(read, node)
  if ok then check(result) else refused(result) end
end
