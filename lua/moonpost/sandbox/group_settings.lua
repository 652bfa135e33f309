--- What a group is called and how it is set: subject, description, who writes, who changes, who adds, who lets in, the timer
-- (fact sheet 08 S-708; 07 §1.7, §1.10, §3.4).
-- @module moonpost.sandbox.group_settings
local stanza = require "moonpost.stanza"
local book = require "moonpost.sandbox.group_book"
local news = require "moonpost.sandbox.group_news"

local node = stanza.node

local SUBJECT_MAX, DESCRIPTION_MAX = 100, 2048 -- characters (AB props 14801, 14778)
local DESCRIPTION_ID = 20

local settings = {}

-- What a text is too long for, or no text: its code.
local function unfit(text, most, least)
  local length = utf8.len(text)
  if not length or length > most or length < least then return 406 end
end

--- Why a subject cannot be; nil when it can.
function settings.unfit_subject(text) return unfit(text, SUBJECT_MAX, 1) end

--- Why a description cannot be; nil when it can.
function settings.unfit_description(text) return unfit(text, DESCRIPTION_MAX, 1) end

--- Whether an account may change subject, description, picture or timer: anybody may, unless the group is locked (07 §3.4).
function settings.may_describe(group, actor)
  return group:has(actor) and (not group.settings.locked or group:is_admin(actor))
end

--- Another subject.
-- @treturn ?boolean true
-- @treturn ?int code
function settings.subject(group, actor, text)
  if not settings.may_describe(group, actor) then return nil, 403 end
  local code = settings.unfit_subject(text)
  if code then return nil, code end
  local now = group.book.sandbox.time()
  group.subject, group.s_t, group.s_o = text, now, actor.pn
  group.book:save(group)
  news.tell_all(group, actor, node("subject", { subject = text, s_t = now, s_o = group:name(actor), s_o_pn = actor:jid() }))
  return true
end

--- Another description, or none. One that was set meanwhile makes `prev` stale: 409.
-- @tparam table about text (nil: none), id, prev
-- @treturn ?int when it was set
-- @treturn ?int code
function settings.description(group, actor, about)
  if not settings.may_describe(group, actor) then return nil, 403 end
  local code = about.text and settings.unfit_description(about.text)
  if code then return nil, code end
  local before = group.description
  if about.prev and about.prev ~= (before and before.id) then return nil, 409 end
  local now, id = group.book.sandbox.time(), about.id or book.word(DESCRIPTION_ID)
  group.description = about.text and { id = id, t = now, by = actor.pn, text = about.text } or nil
  group.book:save(group)
  news.tell_all(group, actor, node("description", { id = id }, about.text and node("body", nil, about.text) or node "delete"))
  return now
end

-- The timers the official clients know, and 0 for none (07 §1.1).
local timers = { [86400] = true, [604800] = true, [7776000] = true }

--- A timer as seconds; nil for none; false when it is none of those there are.
function settings.timer(child)
  local seconds = math.tointeger(tonumber(child.attrs.expiration))
  if seconds == 0 then return nil end
  return timers[seconds] and seconds or false
end

-- Setting by tag: name, value (nil: off), or a function of the child that gives the value or nil and a code.
local function flag(name, value) return { name = name, read = function() return value end } end

local known = {
  locked = flag("locked", true), unlocked = flag "locked", announcement = flag("announcement", true),
  not_announcement = flag "announcement", no_frequently_forwarded = flag("no_frequently_forwarded", true),
  frequently_forwarded_ok = flag "no_frequently_forwarded", allow_admin_reports = flag("allow_admin_reports", true),
  not_allow_admin_reports = flag "allow_admin_reports", group_history = flag("group_history", true),
  no_group_history = flag "group_history", allow_non_admin_sub_group_creation = flag("allow_non_admin_sub_group_creation", true),
  not_allow_non_admin_sub_group_creation = flag "allow_non_admin_sub_group_creation", not_ephemeral = flag "ephemeral",
  ephemeral = { name = "ephemeral", read = function(child)
    local seconds = settings.timer(child)
    if not seconds then return nil, 400 end
    return seconds
  end },
  member_add_mode = { name = "member_add_mode", read = function(child)
    local mode = child.text or child.content
    if mode ~= "admin_add" and mode ~= "all_member_add" then return nil, 400 end
    return mode == "all_member_add" and mode or nil
  end },
  membership_approval_mode = { name = "membership_approval_mode", read = function(child)
    local join = stanza.child(child, "group_join")
    local state = join and join.attrs.state
    if state ~= "on" and state ~= "off" then return nil, 400 end
    return state == "on" or nil
  end },
}

--- Whether a tag is a setting's.
function settings.is(tag) return known[tag] ~= nil end

-- What members are told of a setting: the same node, with what W and the official client want in it.
local function told(group, child)
  local tag = child.tag
  if tag == "announcement" then return node(tag, { v_id = tostring(group.settings_version) }) end
  if tag == "ephemeral" then return node(tag, { expiration = group.settings.ephemeral, trigger = child.attrs.trigger }) end
  if tag == "member_add_mode" then return node(tag, nil, group.settings.member_add_mode or "admin_add") end
  if tag == "membership_approval_mode" then
    return node(tag, nil, node("group_join", { state = group.settings.membership_approval_mode and "on" or "off" }))
  end
  return node(tag)
end

-- Reads all settings of a request before any of them is made.
local function read_all(group, actor, children)
  local wanted = {}
  for i, child in ipairs(children) do
    local one = known[child.tag]
    if not one then return nil, 400 end
    local free = one.name == "ephemeral" and settings.may_describe(group, actor)
    if not free and not group:is_admin(actor) then return nil, 403 end
    local value, code = one.read(child)
    if code then return nil, code end
    wanted[i] = { name = one.name, value = value, child = child }
  end
  return wanted
end

--- Makes settings: all of a request, or none.
-- @tparam table children nodes
-- @treturn ?boolean true
-- @treturn ?int code
function settings.set(group, actor, children)
  local wanted, code = read_all(group, actor, children)
  if not wanted then return nil, code end
  local changed = {}
  for _, one in ipairs(wanted) do
    if group.settings[one.name] ~= one.value then
      group.settings[one.name] = one.value
      changed[#changed + 1] = one.child
    end
  end
  if #changed == 0 then return true end
  group:new_settings_version()
  group.book:save(group)
  for _, child in ipairs(changed) do news.tell_all(group, actor, told(group, child)) end
  return true
end

--- The settings a request for a new group wants (S-701); nil and a code when one cannot be.
function settings.first(group, children)
  for _, child in ipairs(children) do
    local one = known[child.tag]
    local off = child.tag == "ephemeral" and settings.timer(child) == nil
    if one and not off then
      local value, code = one.read(child)
      if code then return nil, code end
      group.settings[one.name] = value
    end
    if child.tag == "member_link_mode" and (child.text or child.content) == "all_member_link" then
      group.settings.member_link_mode = "all_member_link"
    end
  end
  return true
end

return settings
