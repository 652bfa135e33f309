--- What a `<group>` node says (fact sheet 07 §1.2, 10 §3.1), read with suspicion: what is no group is raised as an error of code
-- "malformed", one of too many members as "limit". What is not known here is passed over.
-- @module moonpost.client.group_node
local attributes = require "moonpost.client.attrs"
local core = require "moonpost.core"
local limits = require "moonpost.client.limits"
local stanza = require "moonpost.stanza"
local jid = core.wire.jid

local SERVER = "g.us"

local group_node = {
  SECONDS_MAX = 0x7fffffff, -- of a timer or a time
}

local function malformed(text, ...) error(core.error("malformed", text:format(...)), 0) end

--- Whether something is a group's JID.
function group_node.is_group(text)
  if type(text) ~= "string" then return false end
  local user, server, device = jid.parse(text)
  return server == SERVER and user ~= "" and device == 0
end

--- A text that came as content, or as an attribute. One that is no UTF-8, which any member may have chosen, is kept with "?" for what is
-- not ASCII.
-- @tparam ?string value
-- @int most bytes
-- @treturn ?string nil when it is no text
-- @raise "malformed": it is too long
function group_node.text(value, most)
  if type(value) ~= "string" then return nil end
  if #value > most then malformed("a text of %d bytes where %d are the most", #value, most) end
  return utf8.len(value) and value or (value:gsub("[\x80-\xff]", "?"))
end

local text_of = group_node.text

--- A whole number an attribute holds, from 0 to a most; nil when it is none.
function group_node.number(value, most)
  local n = math.tointeger(tonumber(value))
  return n and n >= 0 and n <= most and n or nil
end

--- The text of a child that holds one: `<body>`, `<member_add_mode>`, ….
function group_node.content(node, most, ...)
  local found = stanza.path(node, ...)
  return found and text_of(found.content, most) or nil
end

local ranks = { admin = "admin", superadmin = "superadmin" }

local function person(node, name, server)
  local value = node.attrs[name]
  if not value then return nil end
  local user, of = jid.parse(value)
  if of ~= server or user == "" then return nil end
  return jid.bare(value)
end

--- Somebody by both names.
-- @string name bare JID
-- @tparam ?string pn the number's JID, where `name` is a LID
-- @treturn table {jid=, lid=, pn=}
function group_node.person(name, pn)
  local _, server = jid.parse(name)
  if server == "s.whatsapp.net" then return { jid = name, pn = name } end
  if server ~= "lid" then return { jid = name } end -- nobody's number is beside it
  return { jid = name, lid = name, pn = pn }
end

--- A member, as `<participant>` names one: under one of two names, and with the other where it is known.
-- @treturn ?table {jid=, lid=, pn=, rank=}: jid is the name that stays the same, the LID where there is one; nil when it has no JID
-- @raise "malformed": its JID is none
function group_node.member(node)
  local name = attributes.bare(node, "jid")
  if not name or (jid.parse(name)) == "" then return nil end
  local _, server = jid.parse(name)
  local lid = server == "lid" and name or person(node, "lid", "lid")
  local pn = server == "s.whatsapp.net" and name or person(node, "phone_number", "s.whatsapp.net")
  return { jid = lid or pn or name, lid = lid, pn = pn, rank = ranks[node.attrs.type] }
end

--- The members a node names, each once, and those it says could not be taken.
-- @tparam table node whose children they are
-- @treturn table members
-- @treturn table array of {member, error number, node}
-- @raise "limit": there are too many; "malformed"
function group_node.members(node)
  local members, refused, seen = {}, {}, {}
  for _, child in stanza.children(node, "participant") do
    local member = group_node.member(child)
    local wrong = child.attrs.error
    if wrong then
      refused[#refused + 1] = { member = member, status = group_node.number(wrong, 999) or 0, node = child }
    elseif member and not seen[member.jid] then
      seen[member.jid] = true
      members[#members + 1] = member
      if #members > limits.GROUP_MEMBERS then limits.too_many_members(#members) end
    end
  end
  return members, refused
end

local function read_description(into, node)
  local found = stanza.child(node, "description")
  local body = found and group_node.content(found, limits.GROUP_TEXT, "body")
  if not body or body == "" then return end
  into.description, into.description_id = body, text_of(found.attrs.id, limits.GROUP_NAME)
end

local function flag(node, tag) return stanza.child(node, tag) ~= nil end

local function read_settings(into, node)
  local ephemeral, lock = stanza.child(node, "ephemeral"), stanza.child(node, "growth_locked")
  into.announce, into.locked = flag(node, "announcement"), flag(node, "locked")
  into.ephemeral = ephemeral and group_node.number(ephemeral.attrs.expiration, group_node.SECONDS_MAX) or 0
  local join = stanza.path(node, "membership_approval_mode", "group_join")
  into.join_approval = join ~= nil and join.attrs.state == "on"
  into.member_add = group_node.content(node, limits.GROUP_NAME, "member_add_mode") == "all_member_add" and "all" or "admins"
  into.suspended, into.incomplete = flag(node, "suspended"), flag(node, "missing_participant_identification")
  into.growth_locked = lock and group_node.number(lock.attrs.expiration, group_node.SECONDS_MAX) or nil
end

local function read_community(into, node)
  local parent = stanza.child(node, "linked_parent")
  into.community = flag(node, "parent")
  into.parent = parent and group_node.is_group(parent.attrs.jid) and parent.attrs.jid or nil
  into.announcements, into.general = flag(node, "default_sub_group"), flag(node, "general_chat")
end

--- The JID of a `<group>`: its `id` is the user part, or all of it.
-- @raise "malformed"
function group_node.jid(node)
  local id = node.attrs.id
  if type(id) ~= "string" or id == "" then malformed "a <group> without an id" end
  local full = id:find("@", 1, true) and id or id .. "@" .. SERVER
  if not group_node.is_group(full) then malformed("a <group> whose id is '%s'", id:sub(1, 80)) end
  return full
end

local function optional_person(node, name)
  local value = node.attrs[name]
  return value and attributes.is_person(value) and jid.bare(value) or nil
end

--- Reads one.
-- @tparam table node `<group>`
-- @treturn table what is known of a group, see moonpost.client.groups
-- @treturn table those the server did not take, as `members` says
-- @raise "malformed"; "limit": it has, or is said to have, too many members
function group_node.read(node)
  local attrs = node.attrs
  local size = math.tointeger(tonumber(attrs.size or 0))
  if not size or size < 0 then malformed("a <group> whose size is no number") end
  if size > limits.GROUP_MEMBERS then limits.too_many_members(size) end
  local group = {
    jid = group_node.jid(node), subject = text_of(attrs.subject, limits.GROUP_NAME) or "",
    addressing = attrs.addressing_mode == "lid" and "lid" or "pn", subject_time = attributes.time(attrs.s_t),
    subject_by = optional_person(node, "s_o"),
    creator = optional_person(node, "creator"), created = attributes.time(attrs.creation),
    version = text_of(attrs.p_v_id, limits.GROUP_NAME), unconfirmed = attrs.ack == "false" or nil,
  }
  local refused
  group.participants, refused = group_node.members(node)
  group.size = math.max(size, #group.participants)
  read_description(group, node)
  read_settings(group, node)
  read_community(group, node)
  return group, refused
end

return group_node
