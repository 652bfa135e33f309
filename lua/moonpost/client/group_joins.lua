--- Ways into groups (fact sheet 07 §1.8-1.11): invite codes, personal invites, requests to join. Methods of moonpost.client.groups, all in
-- a task; they fail as those of moonpost.client.group_admin do.
-- @module moonpost.client.group_joins
local attributes = require "moonpost.client.attrs"
local core = require "moonpost.core"
local group_errors = require "moonpost.client.group_errors"
local group_node = require "moonpost.client.group_node"
local stanza = require "moonpost.stanza"

local SERVER = "g.us"
local CODE_MAX = 256 -- bytes; they have 22

local joins = {}

--- The code of an invite, given as it is or as a link.
-- @string text
-- @treturn ?string nil when it is none
function joins.code_of(text)
  if type(text) ~= "string" then return nil end
  local code = text:match "^%s*(.-)%s*$"
  code = code:match "^whatsapp://chat/?%?code=([^&#]*)" or code:match "^https?://web%.whatsapp%.com/accept%?code=([^&#]*)"
    or code:match "^https?://chat%.whatsapp%.com/(.*)$" or code:match "^chat%.whatsapp%.com/(.*)$" or code
  code = code:gsub("[?#].*$", ""):gsub("/+$", ""):gsub("^invite/", "")
  return #code > 0 and #code <= CODE_MAX and code:find "^[%w_-]+$" and code or nil
end

-- A request by an invite's code.
local function by_code(self, type, text)
  local code = joins.code_of(text)
  if code then return self:request(SERVER, type, stanza.node("invite", { code = code })) end
  return nil, group_errors.make("not-acceptable", ("'%s' is neither an invite's code nor its link"):format(tostring(text):sub(1, 100)))
end

local function code_in(answer)
  local invite = stanza.child(answer, "invite")
  if not invite or not joins.code_of(invite.attrs.code) then return nil, core.error("malformed", "the answer names no invite code") end
  return invite.attrs.code
end

-- Who may not see the code hears that as "not-authorized".
local function invite_code(self, group, type)
  local answer, err = self:request(group, type, stanza.node "invite")
  if not answer then return nil, err end
  return code_in(answer)
end

--- The code others can join a group by: `https://chat.whatsapp.com/` and the code is the link.
-- @treturn ?string
-- @treturn ?table err code "not-authorized": only admins may see it
function joins:invite_code(group) return invite_code(self, group, "get") end

--- Makes the code worthless; returns the new one.
function joins:revoke_invite(group) return invite_code(self, group, "set") end

--- A group as an invite shows it, to somebody who may not be in it; it is not kept.
-- @string code or link
-- @treturn ?table group
-- @treturn ?table err code "gone": the code was revoked; "not-acceptable": it is none
function joins:preview(code)
  local answer, err = by_code(self, "get", code)
  if not answer then return nil, err end
  local node = stanza.child(answer, "group")
  if not node then return nil, core.error("malformed", "the answer names no group") end
  local ok, group = pcall(group_node.read, node)
  if not ok then return nil, type(group) == "table" and group or core.error("malformed", tostring(group)) end
  return group
end

-- What an answer to joining says: which group, and whether an admin has to approve.
local function joined(self, answer, asked)
  local waits = stanza.child(answer, "membership_approval_request")
  local group = stanza.child(answer, "group") or stanza.path(answer, "linked_group", "group")
  local name = waits and waits.attrs.jid or group and group.attrs.jid or asked
  if not name and group and group.attrs.id then name = group_node.jid(group) end
  if not group_node.is_group(name) then return nil, core.error("malformed", "the answer names no group") end
  if not waits then self:forget(name) end
  return { jid = name, pending = waits ~= nil }
end

--- Joins a group by its code.
-- @string code or link
-- @treturn ?table {jid=, pending=}: pending, when an admin has to approve
-- @treturn ?table err code "already-in", "gone" (revoked), "full", "not-allowed" (removed before), "not-acceptable" (no such code)
function joins:join(code)
  local answer, err = by_code(self, "set", code)
  if not answer then return nil, err end
  return joined(self, answer)
end

--- Accepts a personal invite, as a message of kind "invite" brings it.
-- @tparam table invite {group=, code=, expires= (Unix seconds), by= (JID of who sent it)}
-- @treturn ?table {jid=, pending=}
-- @treturn ?table err code "gone": it was withdrawn, or is too old
function joins:accept(invite)
  local whole = type(invite) == "table" and group_node.is_group(invite.group) and type(invite.code) == "string"
    and attributes.is_person(invite.by) and math.type(invite.expires) == "integer"
  if not whole then
    error("a personal invite is { group = jid, code = text, expires = seconds, by = jid }", 0)
  end
  if invite.expires < self.client.connection:server_time() then return nil, group_errors.make("gone", "the invite is too old") end
  local answer, err = self:request(invite.group, "set", stanza.node("accept", {
    code = invite.code, expiration = invite.expires, admin = invite.by,
  }))
  if not answer then return nil, err end
  return joined(self, answer, invite.group)
end

--- Withdraws personal invites.
-- @string group JID
-- @tparam table|string members bare JIDs
-- @treturn ?table array of {jid=, ok=, code=, status=}
-- @treturn ?table err
function joins:withdraw_invites(group, members)
  local answer, err = self:request(group, "set", stanza.node("revoke", nil, self:people(members)))
  if not answer then return nil, err end
  return (self:outcomes(stanza.child(answer, "revoke")))
end

--- Who waits to be let in.
-- @string group JID
-- @treturn ?table array of {jid=, phone=, time= (Unix seconds), method= ("invite_link", "linked_group_join", "non_admin_add"), by=}
-- @treturn ?table err
function joins:join_requests(group)
  local answer, err = self:request(group, "get", stanza.node "membership_approval_requests")
  if not answer then return nil, err end
  local list, lids = {}, self.client.lids
  for _, node in stanza.children(stanza.child(answer, "membership_approval_requests"), "membership_approval_request") do
    local member = group_node.member(node)
    if member and member.lid and member.pn then lids:learn(member.lid, member.pn) end
    local by = member and attributes.bare(node, "requestor")
    list[#list + 1] = member and {
      jid = lids:stable(member.jid), phone = lids:phone(member.pn or member.jid), time = attributes.time(node.attrs.request_time),
      method = node.attrs.request_method, by = by and lids:stable(by),
    } or nil
  end
  return list
end

local function act(self, group, action, members)
  local node = stanza.node(action, nil, self:people(members))
  local answer, err = self:request(group, "set", stanza.node("membership_requests_action", nil, node))
  if not answer then return nil, err end
  local results, done = self:outcomes(stanza.path(answer, "membership_requests_action", action))
  if action == "approve" then self:note_added(group, done) end
  return results
end

--- Lets in, or turns down, who waits.
-- @string group JID
-- @tparam table|string members bare JIDs
-- @treturn ?table array of {jid=, ok=, code=, status=}; code "not-found": that person does not wait
-- @treturn ?table err
function joins:approve(group, members) return act(self, group, "approve", members) end
function joins:reject(group, members) return act(self, group, "reject", members) end

--- Takes back the own request to join.
-- @treturn ?boolean true
-- @treturn ?table err
function joins:cancel_request(group)
  local me = self.client.me
  local answer, err = self:request(group, "set", stanza.node("cancel_membership_requests", nil, self:people(me.lid or me.jid)))
  if not answer then return nil, err end
  local result = self:outcomes(stanza.child(answer, "cancel_membership_requests"))[1]
  if result and not result.ok then return nil, group_errors.make(result.code, "there is no request to take back", result.status) end
  return true
end

joins.joined = joined

return joins
