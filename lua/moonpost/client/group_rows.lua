--- Groups as rows of the store (StoreGroup), and read from them.
-- @module moonpost.client.group_rows
local core = require "moonpost.core"
local jid, proto = core.wire.jid, core.proto

local group_rows = {}

local ranks = { "admin", "superadmin" }
local numbers = { admin = 1, superadmin = 2 }

-- Fields that stand in the row under the same name, or another.
local same = {
  subject = "subject", subject_time = "subjectTime", subject_by = "subjectBy", description = "description",
  description_id = "descriptionId", ephemeral = "ephemeral", creator = "creator", created = "created", parent = "parent",
  growth_locked = "growthLocked", version = "version", announce = "announce", locked = "locked", join_approval = "joinApproval",
  community = "community", announcements = "announcements", general = "general", suspended = "suspended", incomplete = "incomplete",
}
local flags = { "announce", "locked", "join_approval", "community", "announcements", "general", "suspended", "incomplete" }

local function user_of(name) return name and (jid.parse(name)) end

--- A group as a row.
-- @tparam table group
-- @treturn string bytes
function group_rows.encode(group)
  local row = { byNumber = group.addressing == "pn" or nil, allAdd = group.member_add == "all" or nil, time = math.floor(core.net.time()) }
  for name, field in pairs(same) do row[field] = group[name] or nil end
  local members = {}
  for i, member in ipairs(group.participants) do
    local other = not member.lid and not member.pn and member.jid or nil
    members[i] = { lid = user_of(member.lid), pn = user_of(member.pn), other = other, rank = numbers[member.rank] }
  end
  row.members = members
  local bytes, err = proto.encode("StoreGroup", row)
  return bytes or error(err, 0)
end

-- Members as callers see them; whether all are under the name that stays.
local function read_members(rows, lids)
  local list, settled = {}, true
  for i, row in ipairs(rows) do
    local lid, pn = row.lid, row.pn
    lid = lid and lid .. "@lid"
    pn = pn and pn .. "@s.whatsapp.net"
    if pn and not lid then
      lid = lids:lid_of(pn)
      settled = settled and lid ~= nil
    end
    list[i] = { jid = lid or pn or row.other, lid = lid, pn = pn, rank = ranks[row.rank] }
  end
  return list, settled
end

--- Reads a row.
-- @string group JID
-- @string bytes
-- @param lids names of people
-- @treturn ?table group; nil when the row is damaged
-- @treturn boolean whether every member's name is the one that stays
function group_rows.decode(group, bytes, lids)
  local row = proto.decode("StoreGroup", bytes)
  if not row then return nil end
  local read = { jid = group, addressing = row.byNumber and "pn" or "lid", member_add = row.allAdd and "all" or "admins" }
  for name, field in pairs(same) do read[name] = row[field] end
  for _, name in ipairs(flags) do read[name] = read[name] or false end
  read.subject, read.ephemeral = read.subject or "", read.ephemeral or 0
  local settled
  read.participants, settled = read_members(row.members or {}, lids)
  read.size = #read.participants
  return read, settled
end

return group_rows
