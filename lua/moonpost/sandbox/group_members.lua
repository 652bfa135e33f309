--- Who is in a group: adding, removing, ranks, leaving (fact sheet 08 S-706, S-707; 07 §1.5, §3.4).
--
-- What is asked for is done and written before it is answered. Each function takes the group, who does it, and accounts or JIDs, and
-- gives the people as nodes with their errors; or nil and the code with which the whole request is refused.
-- @module moonpost.sandbox.group_members
local core = require "moonpost.core"
local stanza = require "moonpost.stanza"
local book = require "moonpost.sandbox.group_book"
local news = require "moonpost.sandbox.group_news"
local tokens = require "moonpost.sandbox.privacy_tokens"

local crypto, node = core.crypto, stanza.node

local DAY = 24 * 3600

local members = {
  MOST = 1024, -- of a group
  ADMINS_MOST = 20, -- of a community (AB prop 1655)
}

local LEFT_OFTEN = 2 -- times somebody leaves by himself within a day: then nobody adds him for a day
local INVITATION_SECONDS, INVITATION_CODE = 3 * DAY, 16

-- Whether somebody lets this person add him (07 §1.5, §5.1): by his privacy setting, or since he gave him a token, which comes as
-- bytes or, from R, as hex.
local function lets_add(group, account, actor, token)
  local setting, sandbox = account.privacy.groupadd, group.book.sandbox
  if setting ~= "none" and setting ~= "contacts" and setting ~= "contact_blacklist" then return true end
  if setting ~= "none" and account.contacts[actor.pn] then return true end
  return token ~= nil and (tokens.is_good(sandbox, actor, account, token) or tokens.is_good(sandbox, actor, account, crypto.unhex(token)))
end

-- An invitation of his own for somebody whom nobody may add.
local function invite(group, actor, account)
  local now = group.book.sandbox.time()
  local one = group.invitations[account.pn]
  if not one or one.expires <= now or one.by ~= actor.pn then
    one = { code = book.word(INVITATION_CODE), expires = now + INVITATION_SECONDS, by = actor.pn }
    group.invitations[account.pn] = one
  end
  return node("add_request", { code = one.code, expiration = one.expires })
end

--- Whether somebody left so often that he is left alone for a while.
function members.wants_peace(group, account)
  local gone = group.gone[account.pn]
  return gone ~= nil and not gone.removed and gone.times >= LEFT_OFTEN and group.book.sandbox.time() - gone.t < DAY
end

--- Whether an admin removed somebody lately: no link leads him back.
function members.was_removed(group, account)
  local gone = group.gone[account.pn]
  return gone ~= nil and gone.removed == true and group.book.sandbox.time() - gone.t < DAY
end

--- Why an account cannot be added (10 §3.4), as a code, and what goes with it; nil when it can.
-- @tparam ?string token the account's for the actor, that he shows
function members.refusal(group, actor, account, token)
  if group:has(account) then return 409 end
  if #group.members >= members.MOST then return 419 end
  if members.wants_peace(group, account) then return 408 end
  if not lets_add(group, account, actor, token) then return 403, invite(group, actor, account) end
end

--- Somebody in an answer who could not be served.
-- @tparam ?table account nil: there is none of this name
-- @string asked the name
-- @int code
-- @tparam ?table child what goes with the code
function members.failed(group, account, asked, code, child)
  local one = account and news.person(group, account, { error = code }) or node("participant", { jid = asked, error = code })
  one.content = child and { child } or nil
  return one
end

--- Takes an account in, and forgets why it was not.
function members.take_in(group, account)
  group:put(account)
  group.invitations[account.pn] = nil
  local gone = group.gone[account.pn]
  if gone and gone.removed then group.gone[account.pn] = nil end -- how often he left is not forgotten
  for i, one in ipairs(group.requests) do
    if one.pn == account.pn then table.remove(group.requests, i) break end
  end
end

-- A member may ask for somebody where all may add and admins decide who joins: a request in place of a member (07 §3.4).
local function wish(group, actor, account)
  require("moonpost.sandbox.group_joins").request(group, account, "non_admin_add", actor)
  return 421, node "membership_approval_request"
end

--- Adds people.
-- @tparam table group
-- @tparam table actor account
-- @tparam table asked JIDs
-- @tparam ?table shown tokens, by JID
-- @treturn ?table nodes
-- @treturn ?int code
function members.add(group, actor, asked, shown)
  local admin = group:is_admin(actor)
  if not group:has(actor) or not admin and group.settings.member_add_mode ~= "all_member_add" then return nil, 403 end
  local list, came, asks = {}, {}, not admin and group.settings.membership_approval_mode
  for i, one in ipairs(asked) do
    local account = group.book.sandbox.accounts:lookup(one)
    local code, child = 404, nil
    if account then code, child = members.refusal(group, actor, account, shown and shown[one]) end
    if not code and asks then code, child = wish(group, actor, account) end
    if code then
      list[i] = members.failed(group, account, one, code, child)
    else
      members.take_in(group, account)
      came[#came + 1] = account
      list[i] = news.person(group, account, { type = 200 })
    end
  end
  if #came > 0 then group:new_version() end
  group.book:save(group)
  if #came > 0 then
    news.tell_added(group, actor, came)
    require("moonpost.sandbox.communities").follow(group, actor, came)
  end
  return list
end

--- Adds people to a group that is being made: those who cannot be come back as nodes.
function members.first(group, creator, asked, shown)
  local failed, seen = {}, { [creator.pn] = true }
  for _, one in ipairs(asked) do
    local account = group.book.sandbox.accounts:lookup(one)
    local code, child = 404, nil
    if account then code, child = members.refusal(group, creator, account, shown and shown[one]) end
    if account and seen[account.pn] then code = nil end
    if code then
      failed[#failed + 1] = members.failed(group, account, one, code, child)
    elseif not seen[account.pn] then
      seen[account.pn] = true
      members.take_in(group, account)
    end
  end
  return failed
end

-- The last admin of a group goes: who was there longest follows him, while he may still say so (07 §1.6).
local function bequeath(group, account)
  local admins = group:admins()
  if #admins ~= 1 or admins[1] ~= account or #group.members == 1 then return end
  local heir = group.members[1].pn ~= account.pn and group.members[1] or group.members[2]
  heir.rank = "admin"
  news.tell_all(group, account, node("promote", { v_id = group:new_version() },
    news.person(group, group.book.sandbox.accounts.by_pn[heir.pn])))
end

-- Writes a group that people went from, and tells of it; one with nobody in it is no more.
local function settle(group, actor, went)
  group:new_version()
  if #group.members == 0 then group.book:remove(group) else group.book:save(group) end
  news.tell_removed(group, actor, went)
end

--- Removes people; who removes himself leaves. Only he himself removes the group's owner.
function members.remove(group, actor, asked)
  if not group:is_admin(actor) then return nil, 403 end
  local list, went, now = {}, {}, group.book.sandbox.time()
  for i, one in ipairs(asked) do
    local account = group.book.sandbox.accounts:lookup(one)
    local member = account and group:member(account)
    if not member then
      list[i] = members.failed(group, account, one, 404)
    elseif member.rank == "superadmin" and account ~= actor then
      list[i] = members.failed(group, account, one, 405)
    else
      if account == actor then bequeath(group, account) end
      group:drop(account)
      group.gone[account.pn] = { t = now, times = 0, removed = account ~= actor }
      went[#went + 1] = account
      list[i] = news.person(group, account, { type = 200 })
    end
  end
  if #went > 0 then settle(group, actor, went) end
  return list
end

local function ranked(group, actor, asked, rank)
  local list, changed = {}, {}
  for i, one in ipairs(asked) do
    local account = group.book.sandbox.accounts:lookup(one)
    local member = account and group:member(account)
    local full = rank and group.parent and member and not member.rank and #group:admins() >= members.ADMINS_MOST
    if not member or full then
      list[i] = members.failed(group, account, one, full and 419 or 404)
    else
      if (member.rank ~= nil) ~= (rank ~= nil) then
        member.rank = rank
        changed[#changed + 1] = news.person(group, account)
      end
      list[i] = news.person(group, account)
    end
  end
  if #changed == 0 then return list end
  local before = tostring(group.version)
  local version = group:new_version()
  group.book:save(group)
  news.tell_all(group, actor, node(rank and "promote" or "demote", { v_id = version, prev_v_id = before }, changed))
  return list
end

--- Makes people admins; who is one already is no error.
function members.promote(group, actor, asked)
  if not group:is_admin(actor) then return nil, 403 end
  return ranked(group, actor, asked, "admin")
end

--- Makes admins ordinary members. Nobody demotes the group's owner, and no last admin himself: the whole request is refused with 405,
-- since for one person the official client knows no code of that meaning.
function members.demote(group, actor, asked)
  if not group:is_admin(actor) then return nil, 403 end
  local left = #group:admins()
  for _, one in ipairs(asked) do
    local account = group.book.sandbox.accounts:lookup(one)
    local member = account and group:member(account)
    if member and member.rank == "superadmin" and account ~= actor then return nil, 405 end
    if member and member.rank then left = left - 1 end
  end
  if left == 0 then return nil, 405 end
  return ranked(group, actor, asked, nil)
end

--- Leaves a group; false when one is not in it.
function members.leave(group, account)
  if not group:has(account) then return false end
  local now, before = group.book.sandbox.time(), group.gone[account.pn]
  local lately = before and not before.removed and now - before.t < DAY
  bequeath(group, account)
  group:drop(account)
  group.gone[account.pn] = { t = now, times = lately and before.times + 1 or 1 }
  settle(group, account, { account })
  return true
end

return members
