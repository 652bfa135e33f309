--- Groups as nodes, and what their members are told (fact sheet 08 S-700, S-702; 07 §3).
-- @module moonpost.sandbox.group_news
local core = require "moonpost.core"
local stanza = require "moonpost.stanza"

local crypto, node = core.crypto, stanza.node

local news = {}

--- Somebody as a group shows him: his name in its mode, the other beside it.
-- @tparam table group
-- @tparam table account
-- @tparam ?table attrs more attributes
function news.person(group, account, attrs)
  local all = { jid = group:name(account) }
  if group.mode == "lid" then all.phone_number = account:jid() else all.lid = account:jid "lid" end
  for name, value in pairs(attrs or {}) do all[name] = value end
  return node("participant", all)
end

-- Settings that are a node without content while they are on.
local flags = { "locked", "announcement", "no_frequently_forwarded", "allow_admin_reports", "group_history",
  "allow_non_admin_sub_group_creation" }

--- The settings of a group, as nodes of its tags.
local function settings_nodes(group, list)
  local on = group.settings
  for _, tag in ipairs(flags) do
    if on[tag] then list[#list + 1] = node(tag) end
  end
  if on.ephemeral then list[#list + 1] = node("ephemeral", { expiration = on.ephemeral, trigger = on.trigger }) end
  list[#list + 1] = node("member_add_mode", nil, on.member_add_mode or "admin_add")
  if on.member_link_mode then list[#list + 1] = node("member_link_mode", nil, on.member_link_mode) end
  if on.membership_approval_mode then
    list[#list + 1] = node("membership_approval_mode", nil, node("group_join", { state = "on" }))
  end
end

local function community_nodes(group, list)
  if group.parent then
    list[#list + 1] = node("parent", { default_membership_approval_mode = group.parent.closed and "request_required" or nil })
  end
  if group.linked_parent then list[#list + 1] = node("linked_parent", { jid = group.linked_parent .. "@g.us" }) end
  if group.default_sub_group then list[#list + 1] = node "default_sub_group" end
  if group.general_chat then list[#list + 1] = node "general_chat" end
end

local function description_node(group, accounts)
  local one = group.description
  if not one then return nil end
  local by = assert(accounts.by_pn[one.by])
  return node("description", { id = one.id, t = one.t, participant = group:name(by), participant_pn = by:jid() },
    node("body", nil, one.text))
end

--- The attributes of a `<group>`.
function news.attributes(group)
  local accounts = group.book.sandbox.accounts
  local creator, by = assert(accounts.by_pn[group.creator]), assert(accounts.by_pn[group.s_o])
  return {
    id = group.id, subject = group.subject, creation = group.created, creator = group:name(creator), creator_pn = creator:jid(),
    s_t = group.s_t, s_o = group:name(by), s_o_pn = by:jid(), size = #group.members, addressing_mode = group.mode,
    a_v_id = tostring(group.settings_version), p_v_id = tostring(group.version),
  }
end

--- A group in full (S-700).
-- @tparam table group
-- @tparam ?table failed participants that could not be added, as nodes
-- @tparam ?bool bare without its members
function news.group(group, failed, bare)
  local list, accounts = {}, group.book.sandbox.accounts
  for i, member in ipairs(bare and {} or group.members) do
    list[i] = news.person(group, accounts.by_pn[member.pn], { type = member.rank })
  end
  for _, one in ipairs(failed or {}) do list[#list + 1] = one end
  list[#list + 1] = description_node(group, accounts)
  settings_nodes(group, list)
  community_nodes(group, list)
  return node("group", news.attributes(group), list)
end

--- Holds back what is told, until what this returns is closed: the answer to a request leaves first (07 §1.5).
function news.hold(sandbox)
  local held = {}
  sandbox.held_news = held
  return setmetatable({}, { __close = function()
    sandbox.held_news = nil
    for _, one in ipairs(held) do sandbox.spread:hand_out(one.devices, one.make) end
  end })
end

local function hand_out(sandbox, devices, make)
  local held = sandbox.held_news
  if not held then return sandbox.spread:hand_out(devices, make) end
  held[#held + 1] = { devices = devices, make = make }
end

--- Tells accounts, on every device, what happened in a group (S-702). The node is shared: nobody changes it.
-- @tparam table group
-- @tparam table actor account that did it
-- @tparam table accounts
-- @tparam table action node
-- @tparam ?func action_of fn(device) -> another action for this device, or nil
function news.tell(group, actor, accounts, action, action_of)
  local sandbox = group.book.sandbox
  local id, t, from = sandbox:next_id(), sandbox.time(), group:jid()
  local participant, participant_pn, devices = group:name(actor), actor:jid(), {}
  for _, account in ipairs(accounts) do
    for _, device in ipairs(sandbox.accounts:reachable(account)) do devices[#devices + 1] = device end
  end
  hand_out(sandbox, devices, function(device)
    return node("notification", {
      type = "w:gp2", from = from, to = group:device_name(device), id = id, t = t, participant = participant,
      participant_pn = participant_pn, notify = actor.name, addressing_mode = group.mode,
    }, action_of and action_of(device) or action)
  end)
end

--- Tells all members.
function news.tell_all(group, actor, action) news.tell(group, actor, group:accounts(), action) end

--- Tells of a new group (S-702): its members `create` with type "new", the creator's devices with the key.
-- @tparam ?string key of the request
function news.tell_created(group, creator, key)
  local whole = news.group(group)
  local plain = node("create", { type = "new" }, whole)
  local keyed = node("create", { type = "new", key = key or crypto.hex(crypto.random(16)) }, whole)
  news.tell(group, creator, group:accounts(), plain, function(device) return device.account == creator and keyed or plain end)
end

--- Tells those who came `create`, and those who were there `add` (S-703).
-- @tparam table group with the new members in it
-- @tparam table actor
-- @tparam table came accounts
-- @tparam ?string reason "invite", "linked_group_join", ...
function news.tell_added(group, actor, came, reason)
  local new, people, before = {}, {}, {}
  for i, account in ipairs(came) do
    new[account], people[i] = true, news.person(group, account)
  end
  for _, account in ipairs(group:accounts()) do
    if not new[account] then before[#before + 1] = account end
  end
  local version = tostring(group.version)
  news.tell(group, actor, before, node("add", { reason = reason, v_id = version, prev_v_id = tostring(group.version - 1) }, people))
  news.tell(group, actor, came, node("create", { reason = reason }, news.group(group)))
end

--- Tells who is left, and those who went, that they did (S-706, S-707).
-- @tparam table actor
-- @tparam table went accounts
function news.tell_removed(group, actor, went)
  local people, accounts = {}, group:accounts()
  for i, account in ipairs(went) do
    people[i] = news.person(group, account)
    accounts[#accounts + 1] = account
  end
  news.tell(group, actor, accounts, node("remove", { v_id = tostring(group.version), prev_v_id = tostring(group.version - 1) }, people))
end

return news
