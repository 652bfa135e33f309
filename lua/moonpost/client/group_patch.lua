--- What a change does to what is known of a group (fact sheet 07 §3.3). A group is never changed itself: the patched one is a new table.
-- @module moonpost.client.group_patch
local function copy(fields)
  local result = {}
  for name, value in pairs(fields) do result[name] = value end
  return result
end

-- Which of the members a change names are where in a list: name -> index.
local function places(members)
  local index = {}
  for i, member in ipairs(members) do
    index[member.jid] = i
    if member.lid then index[member.lid] = i end
    if member.pn then index[member.pn] = i end
  end
  return index
end

local function place_of(index, person)
  return index[person.jid] or person.lid and index[person.lid] or person.pn and index[person.pn]
end

-- By action: fn(group, change) patches a copy; false when the change does not fit what is known.
local patches = {}

function patches.add(group, change)
  local members, index = table.move(group.participants, 1, #group.participants, 1, {}), places(group.participants)
  for _, person in ipairs(change.participants) do
    if not place_of(index, person) then members[#members + 1] = person end
  end
  group.participants = members
end

patches.join = patches.add

function patches.remove(group, change)
  local gone, members = places(change.participants), {}
  for _, member in ipairs(group.participants) do
    if not place_of(gone, member) then members[#members + 1] = member end
  end
  group.participants = members
end

patches.leave = patches.remove

local function rank(group, change, value)
  local members, index = table.move(group.participants, 1, #group.participants, 1, {}), places(group.participants)
  for _, person in ipairs(change.participants) do
    local at = place_of(index, person)
    if not at then return false end
    members[at] = copy(members[at])
    members[at].rank = value
  end
  group.participants = members
end

function patches.promote(group, change) return rank(group, change, "admin") end
function patches.demote(group, change) return rank(group, change, nil) end

function patches.subject(group, change)
  group.subject, group.subject_time, group.subject_by = change.subject, change.subject_time, change.by
end

function patches.description(group, change) group.description, group.description_id = change.description, change.description_id end

function patches.settings(group, change)
  group[change.setting] = change.value
  group.growth_locked = group.growth_locked or nil
end

-- What is told in a group of a community is another group's place; the group's own is told as its parent's.
local function placed(parent)
  return function(group, change)
    if change.link_type == "sub_group" or change.link_type == "sibling_group" then return end
    if change.link_type ~= "parent_group" or not change.groups[1] then return false end
    group.parent = parent and change.groups[1].jid or nil
  end
end

patches.link, patches.unlink = placed(true), placed(false)

local function nothing() end
for _, action in ipairs { "invite", "request", "withdrawn", "rejected", "revoke" } do patches[action] = nothing end

local of_members = { add = true, join = true, remove = true, leave = true, promote = true, demote = true }

-- Whether a change of the members comes behind the one this group is as of.
local function in_order(group, change)
  local before, known = change.prev_v_id, group.version
  return not (before and known) or before == known or change.v_id == known
end

--- Patches a group.
-- @tparam table group
-- @tparam table change as moonpost.client.group_notice reads it
-- @treturn ?table the group as it is now; nil when it has to be asked for
return function(group, change)
  local patch = patches[change.action]
  if not patch or of_members[change.action] and not in_order(group, change) then return nil end
  local now = copy(group)
  if patch(now, change) == false then return nil end
  if of_members[change.action] then now.version, now.size = change.v_id, #now.participants end
  return now
end
