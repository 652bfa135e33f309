--- Groups: made, asked about, and what else clients ask of the namespace "w:g2" (fact sheet 08 §16, §17).
--
-- Who is in them is in `group_members`, how they are set in `group_settings`, ways in in `group_joins`, communities in `communities`,
-- their messages in `group_messages`. What members are told leaves behind the answer to who did it (07 §1.5).
-- @module moonpost.sandbox.groups
local core = require "moonpost.core"
local stanza = require "moonpost.stanza"
local book = require "moonpost.sandbox.group_book"
local communities = require "moonpost.sandbox.communities"
local iq = require "moonpost.sandbox.iq"
local joins = require "moonpost.sandbox.group_joins"
local members = require "moonpost.sandbox.group_members"
local news = require "moonpost.sandbox.group_news"
local pictures = require "moonpost.sandbox.pictures"
local settings = require "moonpost.sandbox.group_settings"

local jid = core.wire.jid

local SERVER = "g.us"
local BATCH_MAX = 10000 -- groups asked about at once (07 §1.4)

local groups = {}

--- The group a JID names; nil when there is none.
function groups.lookup(sandbox, text) return book.of(sandbox):lookup(text) end

local function text_of(node)
  local text = node and (node.text or node.content)
  return type(text) == "string" and text or nil
end

-- The people a request names, as JIDs without device; and the tokens it shows of them.
local function named(node)
  local list, tokens = {}, {}
  for _, one in stanza.children(node, "participant") do
    local name = jid.parse(one.attrs.jid or "") and jid.bare(one.attrs.jid)
    list[#list + 1] = name
    if name then tokens[name] = stanza.bytes(one, "privacy") end
  end
  return list, tokens
end

local function described(group, creator, child)
  local text = text_of(stanza.child(child, "body"))
  if not text or text == "" then return nil end
  local code = settings.unfit_description(text)
  if code then return code end
  group.description = { id = child.attrs.id or book.word(20), t = group.created, by = creator.pn, text = text }
end

-- What else a request for a group may hold.
local function dress(group, creator, wanted)
  local ok, code = settings.first(group, wanted.content or {})
  if not ok then return code end
  local description = stanza.child(wanted, "description")
  return description and described(group, creator, description)
end

--- Makes a group (S-701): its creator is in it, and everybody is told.
-- @tparam table creator account
-- @tparam table wanted the `<create>` node, as a client sends it
-- @treturn ?table group
-- @treturn table those who are not in it, as nodes; the code it is refused with, without a group
function groups.create(sandbox, creator, wanted)
  local subject, mode = wanted.attrs.subject or "", stanza.child(wanted, "addressing_mode_override")
  local code = settings.unfit_subject(subject)
  if code then return nil, code end
  local parent, refused = communities.parent_for(sandbox, creator, wanted)
  if refused then return nil, refused end
  local group = book.of(sandbox):add(creator, subject, mode and mode.attrs.mode or "lid")
  code = dress(group, creator, wanted)
  if code then
    book.of(sandbox):remove(group)
    return nil, code
  end
  local failed = members.first(group, creator, named(wanted))
  communities.place(group, creator, wanted, parent)
  group.book:save(group)
  news.tell_created(group, creator, wanted.attrs.key)
  communities.complete(group, creator, wanted, parent)
  return group, failed
end

local server = { get = {}, set = {} }
local about = { get = {}, set = {} }

function server.set.create(conn, child)
  local group, failed = groups.create(conn.sandbox, conn.device.account, child)
  if not group then return nil, failed end
  return news.group(group, failed), nil, { addressing_mode = group.mode }
end

function server.get.participating(conn)
  local list = {}
  for i, group in ipairs(book.of(conn.sandbox):groups_of(conn.device.account)) do list[i] = news.group(group) end
  return stanza.node("groups", nil, list)
end

-- Several groups at once: those one is not in, or that there are not, with their code (07 §1.4).
function server.get.query(conn, child)
  local list = {}
  for _, one in stanza.children(child, "group") do
    if #list == BATCH_MAX then return nil, 400 end
    local group, id = groups.lookup(conn.sandbox, one.attrs.jid), jid.parse(one.attrs.jid or "")
    local there = group and group:has(conn.device.account)
    list[#list + 1] = there and news.group(group) or stanza.node("group", { id = id, error = group and 403 or 404 })
  end
  return stanza.node("groups", nil, list)
end

-- Leaves groups; those one is not in come back with an error. Of a community one leaves all its groups (S-722).
function server.set.leave(conn, child)
  local list = {}
  for _, one in stanza.children(child) do
    local group = groups.lookup(conn.sandbox, one.attrs.id)
    local left = group and communities.leave(group, conn.device.account)
    list[#list + 1] = stanza.node(one.tag, { id = one.attrs.id, error = not left and (group and 403 or 404) or nil })
  end
  return stanza.node("leave", nil, list)
end

function server.get.invite(conn, child) return joins.look(conn.sandbox, conn.device.account, child.attrs.code) end
function server.set.invite(conn, child) return joins.join(conn.sandbox, conn.device.account, child.attrs.code) end

local function lists_people(group, tag, list, code)
  if not list then return nil, code end
  return stanza.node(tag, nil, list), nil, { addressing_mode = group.mode }
end

function about.get.query(conn, child, group)
  local request = stanza.child(child, "add_request")
  if request then return joins.preview(group, conn.device.account, request) end
  if not group:has(conn.device.account) then return nil, 403 end
  return news.group(group), nil, { addressing_mode = group.mode }
end

for _, action in ipairs { "add", "promote", "demote" } do
  about.set[action] = function(conn, child, group)
    return lists_people(group, action, members[action](group, conn.device.account, named(child)))
  end
end

-- From a community with all its groups, when it says so.
function about.set.remove(conn, child, group)
  local everywhere = child.attrs.linked_groups == "true"
  local list, code = (everywhere and communities.remove or members.remove)(group, conn.device.account, named(child))
  if not list then return nil, code end
  return stanza.node("remove", { linked_groups = child.attrs.linked_groups }, list), nil, { addressing_mode = group.mode }
end

function about.set.subject(conn, child, group)
  local ok, code = settings.subject(group, conn.device.account, text_of(child) or "")
  return ok and {} or nil, code
end

function about.set.description(conn, child, group)
  local text = child.attrs.delete ~= "true" and text_of(stanza.child(child, "body")) or nil
  local now, code = settings.description(group, conn.device.account, {
    text = text ~= "" and text or nil, id = child.attrs.id, prev = child.attrs.prev,
  })
  return now and {} or nil, code, { t = now }
end

function about.get.invite(conn, _, group) return joins.code(group, conn.device.account) end
function about.set.invite(conn, _, group) return joins.renew(group, conn.device.account) end
function about.set.accept(conn, child, group) return joins.accept(group, conn.device.account, child) end

function about.set.revoke(conn, child, group)
  return lists_people(group, "revoke", joins.revoke(group, conn.device.account, named(child)))
end

function about.get.membership_approval_requests(conn, _, group)
  return lists_people(group, "membership_approval_requests", joins.requests(group, conn.device.account))
end

function about.set.membership_requests_action(conn, child, group)
  local list = {}
  for i, one in stanza.children(child) do
    if one.tag ~= "approve" and one.tag ~= "reject" then return nil, 400 end
    local people, code = joins.decide(group, conn.device.account, one.tag, named(one))
    if not people then return nil, code end
    list[i] = stanza.node(one.tag, nil, people)
  end
  return lists_people(group, "membership_requests_action", list)
end

function about.set.cancel_membership_requests(conn, child, group)
  return lists_people(group, "cancel_membership_requests", joins.cancel(group, conn.device.account, named(child)))
end

-- "Seen that I was added" (S-713).
function about.set.ack(conn, _, group) return group:has(conn.device.account) and {} or nil, 403 end

function about.get.pictures(conn, child, group) return pictures.of_community(conn, group, child) end

-- Communities: fn(community, account, child, the people its first child names) -> content, code, attributes.
for type, list in pairs(communities.requests) do
  for tag, fn in pairs(list) do
    about[type][tag] = function(conn, child, group) return fn(group, conn.device.account, child, named(stanza.child(child))) end
  end
end

local function set(conn, node, group)
  local ok, code = settings.set(group, conn.device.account, node.content)
  return ok and {} or nil, code
end

-- What nobody here knows: a change is taken as done, so that newer clients go on (S-708, S-901).
local function unknown(conn, node)
  conn.sandbox:unknown_query(conn, node)
  if node.attrs.type == "set" then return {} end
  return nil, 501
end

local function answer(conn, node)
  local child, type = stanza.child(node), node.attrs.type
  local tag = child and child.tag
  if node.attrs.to == SERVER then
    local fn = (server[type] or {})[tag]
    if not fn then return unknown(conn, node) end
    return fn(conn, child)
  end
  local group = groups.lookup(conn.sandbox, node.attrs.to)
  if not group then return nil, 404 end
  if type == "set" and settings.is(tag) then return set(conn, node, group) end
  local fn = (about[type] or {})[tag]
  if not fn then return unknown(conn, node) end
  return fn(conn, child, group)
end

--- Any query of the namespace "w:g2".
function groups.query(conn, node)
  local held <close> = news.hold(conn.sandbox)
  local content, code, attrs = answer(conn, node)
  if not content then return held and iq.error(conn, node, code) end
  iq.result(conn, node, content, attrs)
end

return groups
