--- Ways into a group: its link, invitations of one's own (v4), requests that wait for an admin (fact sheet 08 S-709, S-710;
-- 07 §1.8, §1.9, §1.11). Results are nodes; or nil and the code of the refusal.
-- @module moonpost.sandbox.group_joins
local stanza = require "moonpost.stanza"
local book = require "moonpost.sandbox.group_book"
local members = require "moonpost.sandbox.group_members"
local news = require "moonpost.sandbox.group_news"

local node = stanza.node

local joins = {}

-- Who sees the link: admins, all where the group says so. A member who may not is told 401, a stranger 403 (07 §3.4).
local function sees_code(group, account)
  if not group:has(account) then return nil, 403 end
  if group:is_admin(account) or group.settings.member_link_mode == "all_member_link" then return true end
  return nil, 401
end

local function code_node(group) return node("invite", { code = group.code }) end

--- The code of a group's link, made at first need.
function joins.code(group, account)
  local ok, code = sees_code(group, account)
  if not ok then return nil, code end
  if not group.code then
    group.book:renew_code(group)
    group.book:save(group)
  end
  return code_node(group)
end

--- Another code: the old link is no longer good.
function joins.renew(group, account)
  if not group:has(account) then return nil, 403 end
  if not group:is_admin(account) then return nil, 401 end
  group.book:renew_code(group)
  group.book:save(group)
  news.tell_all(group, account, code_node(group))
  return code_node(group)
end

-- The group a code leads to: 410 when it was good once, 406 when it never was.
local function group_of(sandbox, code)
  local all = book.of(sandbox)
  local group = all.by_code[code or ""]
  if group then return group end
  return nil, all.revoked[code or ""] and 410 or 406
end

local function find_request(group, account)
  for i, one in ipairs(group.requests) do
    if one.pn == account.pn then return one, i end
  end
end

--- What is told of a group to somebody with its link: not who is in it, but for its owner's sake how many.
function joins.look(sandbox, account, code)
  local group, refused = group_of(sandbox, code)
  if not group then return nil, refused end
  local shown = news.group(group, nil, true)
  if find_request(group, account) then table.insert(shown.content, node("membership_approval_request", { error = "304" })) end
  return shown
end

--- Notes that somebody wants in, and tells the admins; a second time changes nothing.
-- @tparam table group
-- @tparam table account
-- @string method "invite_link", "linked_group_join", "non_admin_add"
-- @tparam table by who asked for him
function joins.request(group, account, method, by)
  if find_request(group, account) then return end
  group.requests[#group.requests + 1] = { pn = account.pn, t = group.book.sandbox.time(), method = method, by = by.pn }
  group.book:save(group)
  news.tell(group, by, group:admins(), node("created_membership_requests", { request_method = method }, node("requested_user", {
    jid = group:name(account), phone_number = group.mode == "lid" and account:jid() or nil,
  })))
end

-- Takes somebody in who came by himself, or has him wait: the admins decide where the group says so.
local function come_in(group, account, method, reason, welcome)
  if group.settings.membership_approval_mode and not welcome then
    joins.request(group, account, method, account)
    return node("membership_approval_request", { jid = group:jid() })
  end
  members.take_in(group, account)
  group:new_version()
  group.book:save(group)
  news.tell_added(group, account, { account }, reason)
  require("moonpost.sandbox.communities").follow(group, account, { account })
  return node("group", { jid = group:jid() })
end

-- Why somebody cannot come in by himself.
local function kept_out(group, account)
  if group:has(account) then return 304 end
  if members.was_removed(group, account) then return 405 end
  if #group.members >= members.MOST then return 419 end
end

--- Comes in by link.
function joins.join(sandbox, account, code)
  local group, refused = group_of(sandbox, code)
  refused = refused or kept_out(group, account)
  if refused then return nil, refused end
  return come_in(group, account, "invite_link", "invite")
end

--- Comes into a group of one's community.
function joins.join_linked(group, account)
  local refused = kept_out(group, account)
  if refused then return nil, refused end
  return come_in(group, account, "linked_group_join", "linked_group_join")
end

-- The invitation somebody shows, if it is his and still good: 410 otherwise (07 §1.9).
local function invitation(group, account, shown)
  local one = group.invitations[account.pn]
  local by = group.book.sandbox.accounts:lookup(shown.attrs.admin)
  local good = one and by and one.code == shown.attrs.code and one.by == by.pn and tonumber(shown.attrs.expiration) == one.expires
    and one.expires > group.book.sandbox.time() and group:has(by)
  if not good then return nil, 410 end
  return one
end

--- What is told of a group to somebody who was invited.
function joins.preview(group, account, shown)
  local one, code = invitation(group, account, shown)
  if not one then return nil, code end
  return news.group(group), nil, { addressing_mode = group.mode }
end

--- Takes up an invitation.
function joins.accept(group, account, shown)
  if group:has(account) then return nil, 304 end
  local one, code = invitation(group, account, shown)
  if not one then return nil, code end
  if #group.members >= members.MOST then return nil, 419 end
  local by = group.book.sandbox.accounts.by_pn[one.by]
  return come_in(group, account, "non_admin_add", "invite", group:is_admin(by))
end

--- Takes invitations back.
function joins.revoke(group, actor, asked)
  if not group:is_admin(actor) then return nil, 403 end
  local list, revoked = {}, {}
  for i, name in ipairs(asked) do
    local account = group.book.sandbox.accounts:lookup(name)
    local one = account and group.invitations[account.pn]
    if one then
      group.invitations[account.pn] = nil
      revoked[#revoked + 1] = node("participant", { jid = group:name(account), expiration = one.expires })
      list[i] = news.person(group, account)
    else
      list[i] = members.failed(group, account, name, 404)
    end
  end
  if #revoked > 0 then
    group.book:save(group)
    news.tell(group, actor, group:admins(), node("revoke", nil, revoked))
  end
  return list
end

--- Who waits.
function joins.requests(group, actor)
  if not group:is_admin(actor) then return nil, 403 end
  local list, by_pn = {}, group.book.sandbox.accounts.by_pn
  for i, one in ipairs(group.requests) do
    local account, by = by_pn[one.pn], by_pn[one.by]
    list[i] = node("membership_approval_request", {
      jid = group:name(account), phone_number = group.mode == "lid" and account:jid() or nil, request_time = one.t,
      request_method = one.method, requestor = by ~= account and group:name(by) or nil,
    })
  end
  return list
end

-- Takes requests off the list; those who made none come back with 404.
local function take_off(group, asked, refusal_of)
  local list, found = {}, {}
  for i, name in ipairs(asked) do
    local account = group.book.sandbox.accounts:lookup(name)
    local one, at = nil, nil
    if account then one, at = find_request(group, account) end
    local code = not one and 404 or refusal_of(account)
    if one and (not code or code == 409) then table.remove(group.requests, at) end
    if code then
      list[i] = members.failed(group, account, name, code)
    else
      found[#found + 1] = account
      list[i] = news.person(group, account)
    end
  end
  return list, found
end

-- Who is no longer waiting without having come in: the person and the admins are told.
local function tell_revoked(group, actor, people)
  local list, accounts = {}, group:admins()
  for i, account in ipairs(people) do
    list[i] = node("participant", { jid = group:name(account) })
    accounts[#accounts + 1] = account
  end
  news.tell(group, actor, accounts, node("revoked_membership_requests", nil, list))
end

--- Lets people in, or does not.
-- @string what "approve" or "reject"
function joins.decide(group, actor, what, asked)
  if not group:is_admin(actor) then return nil, 403 end
  local free = members.MOST - #group.members
  local list, people = take_off(group, asked, function(account)
    if what == "reject" then return nil end
    if group:has(account) then return 409 end
    free = free - 1
    if free < 0 then return 500 end
  end)
  if #people == 0 then return list end
  if what == "approve" then
    for _, account in ipairs(people) do members.take_in(group, account) end
    group:new_version()
  end
  group.book:save(group)
  if what == "reject" then
    tell_revoked(group, actor, people)
  else
    news.tell_added(group, actor, people)
    require("moonpost.sandbox.communities").follow(group, actor, people)
  end
  return list
end

--- Takes one's own wish back: nobody else's.
function joins.cancel(group, account, asked)
  local list, people = take_off(group, asked, function(one)
    if one ~= account then return 401 end
  end)
  if #people > 0 then
    group.book:save(group)
    tell_revoked(group, account, people)
  end
  return list
end

return joins
