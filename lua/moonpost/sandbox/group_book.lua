--- The groups of a world: who is in them with which rank, and under which name each shows its people.
--   world "g" id -> group (JSON)
--
-- A group is a table: id, mode ("lid" or "pn": how its people are named, for ever), subject, s_t, s_o (who set it), creator, created,
-- members (array of {pn, rank}: nil, "admin", "superadmin"), description ({id, t, by, text}), settings (what is on, by the tag of the
-- node that says so), code (of its link), revoked (codes of before), requests (array of {pn, t, method, by}), invitations (pn -> {code,
-- expires, by}), gone (pn -> {t, times, removed}), parent, linked_parent, default_sub_group, general_chat. People are numbers.
-- @module moonpost.sandbox.group_book
local core = require "moonpost.core"
local json = require "cjson.safe"

local crypto, jid = core.crypto, core.wire.jid

local SERVER = "g.us"
local REVOKED_KEPT = 100 -- codes of links that are no longer good, of one group
local CODE, LETTERS = 22, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

local Group = {}
Group.__index = Group

--- Its JID.
function Group:jid() return jid.make(self.id, SERVER) end

--- Somebody's name in this group: bare.
function Group:name(account) return account:jid(self.mode) end

--- A device's name in this group.
function Group:device_name(device) return device:jid(self.mode) end

--- The member an account is; nil when it is none.
function Group:member(account) return self.by_pn[account.pn] end

--- Whether an account is in it.
function Group:has(account) return self.by_pn[account.pn] ~= nil end

--- Whether an account is an admin, of either rank.
function Group:is_admin(account)
  local member = self.by_pn[account.pn]
  return member ~= nil and member.rank ~= nil
end

--- The accounts of its members, in the order they came.
function Group:accounts()
  local list, by_pn = {}, self.book.sandbox.accounts.by_pn
  for i, member in ipairs(self.members) do list[i] = by_pn[member.pn] end
  return list
end

--- Its admins' accounts.
function Group:admins()
  local list, by_pn = {}, self.book.sandbox.accounts.by_pn
  for _, member in ipairs(self.members) do
    if member.rank then list[#list + 1] = by_pn[member.pn] end
  end
  return list
end

local function index(all, account_pn, group, on)
  local groups = all.of_account[account_pn] or {}
  all.of_account[account_pn] = groups
  groups[group] = on or nil
end

--- Takes somebody in, as the last.
function Group:put(account, rank)
  local member = { pn = account.pn, rank = rank }
  self.members[#self.members + 1] = member
  self.by_pn[account.pn], self.people = member, self.people + 1
  index(self.book, account.pn, self, true)
end

--- Takes somebody out.
function Group:drop(account)
  self.by_pn[account.pn], self.people = nil, self.people + 1
  index(self.book, account.pn, self, false)
  for i, member in ipairs(self.members) do
    if member.pn == account.pn then return table.remove(self.members, i) end
  end
end

--- The next version of its people.
function Group:new_version()
  self.version = self.version + 1
  return tostring(self.version)
end

--- The next version of its settings.
function Group:new_settings_version() self.settings_version = self.settings_version + 1 end

local book = {}

--- A word of letters and digits nobody can guess.
function book.word(length)
  local bytes, word = crypto.random(length), {}
  for i = 1, length do
    local at = bytes:byte(i) % #LETTERS + 1
    word[i] = LETTERS:sub(at, at)
  end
  return table.concat(word)
end

local Book = {}
Book.__index = Book

local kept = { "id", "mode", "subject", "s_t", "s_o", "creator", "created", "members", "description", "settings", "code", "revoked",
  "requests", "invitations", "gone", "parent", "linked_parent", "default_sub_group", "general_chat", "version", "settings_version" }

--- Writes a group, after whatever changed in it.
function Book:save(group)
  local row = {}
  for _, name in ipairs(kept) do row[name] = group[name] end
  self.sandbox.store:put("world", "g" .. group.id, assert(json.encode(row)))
end

-- JSON knows no integers.
local function make_whole(value)
  for name, one in pairs(value) do
    if type(one) == "number" then value[name] = assert(math.tointeger(one))
    elseif type(one) == "table" then make_whole(one) end
  end
  return value
end

-- What a group of an older world lacks, and what no row holds.
local function complete(all, group)
  group.mode, group.version = group.mode or "lid", group.version or 1
  group.settings_version = group.settings_version or 1
  group.s_t, group.s_o = group.s_t or group.created, group.s_o or group.creator
  for _, name in ipairs { "settings", "revoked", "requests", "invitations", "gone" } do group[name] = group[name] or {} end
  group.book, group.by_pn, group.people = all, {}, 0 -- people counts who came and went
  for _, member in ipairs(group.members) do
    group.by_pn[member.pn] = member
    index(all, member.pn, group, true)
  end
  return setmetatable(group, Group)
end

local function file(all, group)
  all.by_id[group.id] = complete(all, group)
  if group.code then all.by_code[group.code] = group end
  for _, code in ipairs(group.revoked) do all.revoked[code] = group end
  return group
end

local function new_id(all)
  local id
  repeat id = ("120363%012d"):format((">I8"):unpack(crypto.random(8)) % 1000000000000) until not all.by_id[id]
  return id
end

--- Makes a group with nobody but its creator in it; not saved yet.
-- @tparam table creator account
-- @string subject
-- @string mode "lid" or "pn"
-- @treturn table group
function Book:add(creator, subject, mode)
  local now = self.sandbox.time()
  local group = file(self, {
    id = new_id(self), mode = mode, subject = subject, s_t = now, s_o = creator.pn, creator = creator.pn, created = now, members = {},
  })
  group:put(creator, "superadmin")
  return group
end

--- Forgets a group.
function Book:remove(group)
  for _, member in ipairs(group.members) do index(self, member.pn, group, false) end
  self.by_id[group.id] = nil
  if group.code then self.by_code[group.code] = nil end
  for _, code in ipairs(group.revoked) do self.revoked[code] = nil end
  self.sandbox.store:delete("world", "g" .. group.id)
  self.sandbox.store:delete("world", "P" .. group:jid()) -- its picture (moonpost.sandbox.pictures)
end

--- The group a JID names; nil when there is none.
function Book:lookup(text)
  local user, server = jid.parse(text or "")
  return server == SERVER and self.by_id[user] or nil
end

--- The groups an account is in, oldest first.
function Book:groups_of(account)
  local list = {}
  for group in pairs(self.of_account[account.pn] or {}) do list[#list + 1] = group end
  table.sort(list, function(a, b) return a.id < b.id end)
  return list
end

--- Gives a group's link a new code; the old one is no longer good.
function Book:renew_code(group)
  if group.code then
    self.by_code[group.code], self.revoked[group.code] = nil, group
    group.revoked[#group.revoked + 1] = group.code
    if #group.revoked > REVOKED_KEPT then self.revoked[table.remove(group.revoked, 1)] = nil end
  end
  group.code = book.word(CODE)
  self.by_code[group.code] = group
  return group.code
end

--- The groups of a sandbox, read at first need.
function book.of(sandbox)
  if sandbox.groups then return sandbox.groups end
  local self = setmetatable({ sandbox = sandbox, by_id = {}, by_code = {}, revoked = {}, of_account = {} }, Book)
  for _, row in ipairs(sandbox.store:range("world", "g")) do file(self, make_whole(assert(json.decode(row[2])))) end
  sandbox.groups = self
  return self
end

--- Everybody an account shares a group with, as pn -> account.
function book.companions(sandbox, account)
  local found = {}
  for group in pairs(book.of(sandbox).of_account[account.pn] or {}) do
    for _, member in ipairs(group.members) do found[member.pn] = sandbox.accounts.by_pn[member.pn] end
  end
  found[account.pn] = nil
  return found
end

return book
