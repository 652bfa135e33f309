--- A group as bots see it: `bot:group(jid)`, and `ctx.group` in a group's messages.
-- Its fields are what is known of it, asked for where nothing is: `subject`, `description`, `participants` (an array of
-- {jid, phone, rank = nil, "admin" or "superadmin"}), `size`, `announce`, `locked`, `ephemeral`, `join_approval`, `member_add`,
-- `addressing`, `creator`, `created`, `community`, `parent`, … (moonpost.client.groups). `jid` is always there. Fields and methods raise
-- when they fail, with an error whose `code` is a word: "forbidden", "not-in-group", "not-found", "full", … (moonpost.client.group_errors).
-- @module moonpost.bot.group
local jid = require("moonpost.core").wire.jid
local lazy = require "moonpost.lazy"
local parse_phone = require("moonpost.client.phone_number").parse

local pictures = lazy "moonpost.bot.pictures"

local Group = {}

local own = { jid = true, client = true, say = true, seen = true }

local function check(value, err, ...)
  if value == nil then error(err, 0) end
  return value, err, ...
end

-- Members as bots are shown them.
local function show(client, members)
  local list = {}
  for i, one in ipairs(members) do list[i] = { jid = one.jid, phone = client.lids:phone(one.pn or one.jid), rank = one.rank } end
  return list
end

-- What is known, as a table of the bot's own: it may do with it what it likes.
local function read(group)
  local client = rawget(group, "client")
  local known = check(client.groups:get(group.jid))
  local seen = rawget(group, "seen")
  if seen and seen.of == known then return seen end
  seen = { of = known, participants = show(client, known.participants) }
  rawset(group, "seen", seen)
  return seen
end

function Group.__index(group, name)
  local method = Group[name]
  if method ~= nil or own[name] then return method end
  local seen = read(group)
  if name == "participants" then return seen.participants end
  return seen.of[name]
end

function Group.__newindex(_, name) error(("a group's '%s' is not set so: its methods change it"):format(tostring(name)), 2) end
function Group.__tostring(group) return "group " .. group.jid end
function Group.__eq(one, other) return one.jid == other.jid end

local function check_self(group, method)
  if getmetatable(group) ~= Group then error(("group.%s was called with a dot: write group:%s(…)"):format(method, method), 3) end
end

-- A person: a JID, or a phone number that begins with +.
local function to_person(name, method)
  local phone = type(name) == "string" and name:find "^%s*%+" and parse_phone(name)
  if phone then name = jid.make(phone, "s.whatsapp.net") end
  local user, server = jid.parse(type(name) == "string" and name or "")
  if (server ~= "s.whatsapp.net" and server ~= "lid") or user == "" then
    error(("group:%s expects people by JID or by +number, not '%s'"):format(method, tostring(name)), 4)
  end
  return jid.bare(name)
end

--- People as methods take them: one, or an array, by JID or by a phone number that begins with +.
-- @param people
-- @string method for the error of a wrong one
-- @treturn table bare JIDs
local function to_people(people, method)
  if type(people) ~= "table" then people = { people } end
  local list = {}
  for i, one in ipairs(people) do list[i] = to_person(type(one) == "table" and one.jid or one, method) end
  if #list == 0 then error(("group:%s expects at least one person"):format(method), 3) end
  return list
end

-- Methods of people, by their name and that of the client's.
for _, name in ipairs { "add", "remove", "promote", "demote", "approve", "reject", "withdraw_invites" } do
  Group[name] = function(group, people)
    check_self(group, name)
    return check(group.client.groups[name](group.client.groups, group.jid, to_people(people, name)))
  end
end

-- Methods without arguments.
for _, name in ipairs { "leave", "invite_code", "revoke_invite", "join_requests", "cancel_request", "sub_groups", "community_members" } do
  Group[name] = function(group)
    check_self(group, name)
    return check(group.client.groups[name](group.client.groups, group.jid))
  end
end

--- The link others can join by.
-- @treturn string
function Group:invite_link() return "https://chat.whatsapp.com/" .. self:invite_code() end

--- Gives the group another subject.
-- @string subject
function Group:set_subject(subject)
  check_self(self, "set_subject")
  if type(subject) ~= "string" or subject == "" then error("group:set_subject expects a text", 2) end
  return check(self.client.groups:set_subject(self.jid, subject))
end

--- Gives the group a description; nil or "" takes it away.
-- @tparam ?string text
function Group:set_description(text)
  check_self(self, "set_description")
  if text ~= nil and type(text) ~= "string" then error("group:set_description expects a text or nil", 2) end
  return check(self.client.groups:set_description(self.jid, text))
end

--- Sets what is named: announce, locked, join_approval (true or false), ephemeral (seconds, 0: off), member_add ("all" or "admins").
-- @tparam table settings
function Group:set(settings)
  check_self(self, "set")
  if type(settings) ~= "table" then error("group:set expects settings such as { announce = true }", 2) end
  return check(self.client.groups:set(self.jid, settings))
end

--- Writes to the group.
-- @tparam string|table spec as ctx:send takes it
-- @treturn table what ctx:send returns
function Group:send(spec)
  check_self(self, "send")
  return rawget(self, "say")(spec)
end

--- The group's picture.
-- @tparam ?table options full = true: in full size, else small
-- @treturn ?table moonpost.bot.pictures; nil where there is none
function Group:picture(options)
  check_self(self, "picture")
  return pictures.of(self.client, self.jid, options, "group:picture", 2)
end

--- Sets the group's picture.
-- @param source path, { bytes = string }, an iterator, or the file of a message
-- @treturn string its id
function Group:set_picture(source)
  check_self(self, "set_picture")
  return pictures.set(self.client, source, self.jid, "group:set_picture", 2)
end

--- Takes the group's picture away.
function Group:remove_picture()
  check_self(self, "remove_picture")
  return pictures.remove(self.client, self.jid)
end

--- Asks the server for the group anew.
-- @treturn table the group
function Group:refresh()
  check_self(self, "refresh")
  check(self.client.groups:refresh(self.jid))
  return self
end

local function member_of(group, name, method)
  local client = group.client
  local found = client.groups:member(check(client.groups:get(group.jid)), to_person(name, method))
  return found and show(client, { found })[1]
end

--- A member.
-- @string name JID or +number
-- @treturn ?table {jid, phone, rank}; nil when nobody of that name is in the group
function Group:member(name)
  check_self(self, "member")
  return (member_of(self, name, "member"))
end

--- Whether a person is an admin; without a name whether this account is.
-- @tparam ?string name JID or +number
-- @treturn boolean
function Group:is_admin(name)
  check_self(self, "is_admin")
  local member = member_of(self, name or self.client.me.lid or self.client.me.jid, "is_admin")
  return member ~= nil and member.rank ~= nil
end

--- Puts groups into this community, or takes them out.
-- @tparam table|string groups JIDs
-- @treturn table array of {jid, ok, code, status}
function Group:link(groups) return check(self.client.groups:link(self.jid, groups)) end

--- @tparam ?table options remove_orphans = true: who is then in no group of the community leaves it
function Group:unlink(groups, options) return check(self.client.groups:unlink(self.jid, groups, options)) end

--- Ends this community; its groups stay.
function Group:delete_community() return check(self.client.groups:delete_community(self.jid)) end

--- Makes the object of a group.
-- @param client
-- @string name its JID
-- @func say fn(spec): writes to it
return setmetatable({ people = to_people, shown = show }, { __call = function(_, client, name, say)
  return setmetatable({ jid = name, client = client, say = say }, Group)
end })
