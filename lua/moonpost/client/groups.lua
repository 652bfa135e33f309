--- What is known of the groups this account is in: asked for once, kept in the store, kept right by what the server tells
-- (moonpost.client.group_changes), and asked for again after `forget`.
--
-- A group, as callers see it, is a table nobody changes: jid, subject, subject_time and subject_by, description (nil: none) and
-- description_id, addressing ("lid" or "pn": how its members are named on the wire), announce (only admins write), locked (only admins
-- change subject, description and timer), ephemeral (seconds of the disappearing timer, 0: off), join_approval (who joins by link has to
-- be approved), member_add ("admins" or "all": who adds members), creator, created, size, community (it is one), parent (JID of the
-- community it is in), announcements and general (it is the community's announcement group, or general chat), suspended, incomplete
-- (not all members are named), growth_locked (Unix seconds: no joining by link until then), and participants: an array of
-- {jid = stable bare JID, lid, pn, rank = nil, "admin" or "superadmin"}.
-- @module moonpost.client.groups
local core = require "moonpost.core"
local group_errors = require "moonpost.client.group_errors"
local group_node = require "moonpost.client.group_node"
local group_rows = require "moonpost.client.group_rows"
local new_locks = require "moonpost.client.locks"
local new_memory = require "moonpost.client.memory"
local rows = require "moonpost.client.rows"
local stanza = require "moonpost.stanza"
local task = require "moonpost.task"

local SERVER = "g.us"
local DECODED = 64 -- groups whose rows are kept as tables
local LEARNT = 256 -- members whose names are learnt in a turn of the loop

local Groups = {}
Groups.__index = Groups

-- What a row says. As a table it is kept beside its bytes, so that it is never older than the row.
local function decode(self, group, bytes)
  local known = self.decoded:get(group)
  if known and known.bytes == bytes then return known.group end
  local read, settled = group_rows.decode(group, bytes, self.client.lids)
  if read and settled then self.decoded:put(group, { bytes = bytes, group = read }) end
  return read
end

--- What is known of a group, without asking; nil when nothing is.
-- @string group JID
function Groups:known(group)
  local bytes = self.client.store:get("group", group)
  return bytes and decode(self, group, bytes)
end

--- Keeps a group as it is now. In a transaction.
-- @tparam table group
function Groups:put(group) self.client.store:put("group", group.jid, group_rows.encode(group)) end

-- Learns which names are one person's: so many members at once, then the loop goes on.
local function learn(client, members, from)
  for i = from, math.min(from + LEARNT - 1, #members) do
    local member = members[i]
    if member.lid and member.pn then client.lids:learn(member.lid, member.pn) end
  end
end

local function learn_rest(self, members)
  for from = LEARNT + 1, #members, LEARNT do
    task.sleep(0)
    if self.client.over or not self.client.me then return end
    self.client.store:atomic(learn, self.client, members, from)
  end
end

--- Learns who members are under either name: the first at once, of a crowd the rest a few at a time. In a transaction.
-- @tparam table members
function Groups:learn(members)
  learn(self.client, members, 1)
  if #members <= LEARNT then return end
  self.client.store:after_commit(function() task.spawn(learn_rest, self, members) end)
end

--- Keeps what the server says of a group, and who its members are under either name. In a transaction.
-- @tparam table group
-- @treturn table the group as `known` gives it from now on
function Groups:keep(group)
  self:put(group)
  self:learn(group.participants)
  return self:known(group.jid)
end

--- Forgets what is known of a group: it is asked for again when it is needed.
-- @string group JID
function Groups:forget(group) self.client.store:delete("group", group) end

--- Calls fn(JID) for each group something is known of; fn may forget it.
function Groups:each(fn) rows.each(self.client.store, "group", "", fn) end

--- Forgets all groups.
function Groups:forget_all()
  self:each(function(group) self:forget(group) end)
end

-- Reads a `<group>` of an answer; an error of code "malformed" or "limit" when it is none.
local function read(node, wanted)
  if not node then return nil, core.error("malformed", "the answer names no group") end
  local ok, group, refused = pcall(group_node.read, node)
  if not ok then return nil, type(group) == "table" and group or core.error("malformed", tostring(group)) end
  if wanted and group.jid ~= wanted then
    return nil, core.error("malformed", ("asked about %s, the answer is about %s"):format(wanted, group.jid))
  end
  return group, refused
end

--- Reads and keeps the `<group>` of an answer.
-- @tparam ?table node
-- @tparam ?string wanted the group it has to be
-- @treturn ?table group
-- @treturn table those the server did not take; the error in place of both
function Groups:take(node, wanted)
  local group, refused = read(node, wanted)
  if not group then return nil, refused end
  return self.client.store:atomic(self.keep, self, group), refused
end

--- Sends a request about a group and waits for the answer. In a task.
-- @string to the group's JID; "g.us" where it is about several or none yet
-- @string type "get" or "set"
-- @tparam table child
-- @treturn ?table answer
-- @treturn ?table err code a word (moonpost.client.group_errors), `status` the server's number
function Groups:request(to, type, child)
  local answer, err = self.client.connection:query(stanza.node("iq", { xmlns = "w:g2", type = type, to = to }, child))
  if answer then return answer end
  return nil, group_errors.of_query(err)
end

-- Asks for a group. Who is not in it hears that as `forbidden`.
local function query(self, group)
  local answer, err = self:request(group, "get", stanza.node("query", { request = "interactive" }))
  if answer then return self:take(stanza.child(answer, "group"), group) end
  if err.status == 403 then return nil, group_errors.make("not-in-group", ("not in the group %s"):format(group), 403) end
  return nil, err
end

--- A group: what is known of it, or what the server says. In a task.
-- @string group JID
-- @treturn ?table group
-- @treturn ?table err code "not-in-group", "not-found", "limit" (it has too many members), "malformed"; "closed", "timeout"
function Groups:get(group)
  local found = self:known(group)
  if found then return found end
  if not group_node.is_group(group) then return nil, core.error("invalid", ("'%s' is no group's JID"):format(group)) end
  if not task.running() then return nil, core.error("invalid", "a group that is not known can only be asked for in a task") end
  local lock <close> = self.asking:of(group)
  local turn <close> = lock.turn:hold()
  found = self:known(group)
  if found then return turn and found end
  local err
  found, err = query(self, group)
  if found then return found end
  return nil, err
end

--- Asks the server for a group, whatever is known. In a task.
-- @string group JID
-- @treturn ?table group
-- @treturn ?table err as `get`
function Groups:refresh(group)
  self:forget(group)
  return self:get(group)
end

-- One group of a list. What has changed since the list came is asked for.
local function take_listed(self, node)
  local short = node.attrs.truncated or node.attrs.error
  local ok, group = pcall(group_node.jid, node)
  if not ok then return nil, group end
  if short or self.touched[group] then return self:get(group) end
  return self:take(node)
end

--- The groups this account is in, as the server says; each is kept. One that is too large or malformed is left out, and told as an
-- error. In a task.
-- @treturn ?table array of groups
-- @treturn ?table err
function Groups:list()
  local lock <close> = self.asking:of(SERVER)
  local turn <close> = lock.turn:hold()
  local wanted = { stanza.node "participants", stanza.node "description" }
  local answer, err = self:request(SERVER, "get", stanza.node("participating", nil, wanted))
  if not answer then return turn and nil, err end
  local list, listed = {}, {}
  self.touched = {}
  for i, node in stanza.children(stanza.child(answer, "groups"), "group") do
    if i > 1 then task.sleep(0) end -- a group may have a thousand members
    local group, why = take_listed(self, node)
    if group then list[#list + 1], listed[group.jid] = group, true end
    if not group and why.code ~= "not-in-group" then self.client:emit("error", why) end
  end
  self:each(function(group)
    if not listed[group] and not self.touched[group] then self:forget(group) end
  end)
  return list
end

--- A group has changed: what a list said of it may be older.
-- @string group JID
function Groups:touch(group) self.touched[group] = true end

--- Says that this account knows it was taken into a group.
-- @string group JID
function Groups:confirm(group)
  local ok, err = self:request(group, "set", stanza.node "ack")
  if not ok and err.code ~= "closed" then self.client:emit("error", err) end
end

--- Tells the server that groups which changed are known to have.
-- @tparam ?string timestamp what it gave
function Groups:clean(timestamp)
  local ok, err = self.client.connection:query(stanza.node("iq", { xmlns = "urn:xmpp:whatsapp:dirty", type = "set", to = "s.whatsapp.net" },
    stanza.node("clean", { type = "groups", timestamp = timestamp })))
  if not ok and err.code ~= "closed" then self.client:emit("error", err) end
end

--- A member of a group, by either of the person's names; nil when there is none of that name.
-- @tparam table group
-- @string name bare JID
function Groups:member(group, name)
  local index = self.indexes[group]
  if not index then
    index = {}
    for _, member in ipairs(group.participants) do
      index[member.jid] = member
      if member.pn then index[member.pn] = member end
    end
    self.indexes[group] = index
  end
  return index[name] or index[self.client.lids:stable(name)]
end

-- What can be done to groups stands in files of its own.
for _, part in ipairs { "group_admin", "group_joins", "communities" } do
  for name, fn in pairs(require("moonpost.client." .. part)) do
    assert(not Groups[name], name)
    Groups[name] = fn
  end
end

return function(client)
  return setmetatable({
    client = client, asking = new_locks(), decoded = new_memory(DECODED), touched = {}, indexes = setmetatable({}, { __mode = "k" }),
  }, Groups)
end
