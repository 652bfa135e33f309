--- What has become of a message of ours: as far as the last of those it was for has come with it (fact sheet 04 §8.3).
-- @module moonpost.client.message_status
local places = require "moonpost.client.places"

local steps = { "delivered", "read", "played" } -- in this order, each with those before it

-- Whom a message was for, as far as that is known: bare JIDs.
local function recipients(client, entry)
  local place, me = places.of(entry.chat), client.lids:stable(client.me.jid)
  if place == "direct" then return entry.chat ~= me and { client.lids:stable(entry.chat) } or {} end
  local group, list = place == "group" and client.groups:known(entry.chat), {}
  for _, member in ipairs(group and group.participants or {}) do
    local name = client.lids:stable(member.jid)
    if name ~= me then list[#list + 1] = name end
  end
  return list
end

-- The last step that all of them have made; nil when somebody has made none.
local function common_step(client, entry, list)
  local by_name, common = {}, nil
  for _, one in ipairs(client.delivered:of(entry.id)) do by_name[one.jid] = one end
  for _, step in ipairs(steps) do
    for _, name in ipairs(list) do
      if not (by_name[name] and by_name[name][step]) then return common end
    end
    common = step
  end
  return common
end

--- What has become of it.
-- @param client
-- @tparam table entry of the archive, an own message
-- @treturn string "pending": the server has not taken it yet; "failed": it will not; "sent"; "delivered", "read", "played": by everybody
--   it was for, in a group as it is now
return function(client, entry)
  if entry.status == "failed" then return "failed" end
  local list = recipients(client, entry)
  return #list > 0 and common_step(client, entry, list) or entry.status or "sent"
end
