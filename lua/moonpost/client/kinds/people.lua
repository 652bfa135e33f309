--- People named inside messages: whatever stands there becomes a bare JID in the form that stays the same, or nothing.
-- @module moonpost.client.kinds.people
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

return people
