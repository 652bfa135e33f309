--- People named inside messages: whatever stands there becomes a bare JID in the form that stays the same, or nothing.
-- @module moonpost.client.kinds.people
local messages = require "moonpost.client.messages"
local jid = require("moonpost.core").wire.jid

local people = {}

--- The stable bare JID of what a message names; nil when that is no JID.
-- @param client nil: no names are known
-- @param any
function people.stable(client, any)
  if type(any) ~= "string" then return nil end
  local user, server = jid.parse(any)
  if not user or user == "" then return nil end
  local bare = jid.make(user, server)
  return client and client.lids:stable(bare) or bare
end

--- The own account, by its stable name; nil without one.
function people.me(client) return client and client.me and client.lids:stable(client.me.jid) end

--- Whether a bare JID is the own account's, under either name.
function people.is_me(client, bare)
  local me = client and client.me
  return me ~= nil and me ~= false and bare ~= nil and (bare == me.jid or bare == me.lid)
end

--- The name people have in a chat: a group that addresses by phone number wants that, every other chat the LID where it is known.
-- @param client nil: names stay as they are
-- @string chat
-- @treturn function fn(bare) -> bare
function people.namer(client, chat)
  if not client then return function(bare) return bare end end
  local group = client.groups and chat and messages.is_group(chat) and client.groups:known(chat)
  if group and group.addressing == "pn" then return function(bare) return client.lids:pn_of(bare) or bare end end
  return function(bare) return client.lids:stable(bare) end
end

return people
