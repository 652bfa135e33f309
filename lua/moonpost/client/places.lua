--- The places a message can be said in, in one word each: what `m.place` is.
--
--     "direct"      one person, or note-to-self          "status"      a status post: what its author shows to many for a day
--     "group"       a group                              "broadcast"   what somebody sent to a list of people; its chat is that person
--     "newsletter"  a channel: written by few, read by anybody
-- @module moonpost.client.places
local jid = require("moonpost.core").wire.jid

local places = {
  STATUS = "status@broadcast", -- where status posts are sent to and come from
  aloof = { status = true, newsletter = true, broadcast = true }, -- spoken to nobody in particular
}

local by_server = { ["g.us"] = "group", newsletter = "newsletter" }

--- The place of a chat.
-- @string chat JID
-- @treturn string
function places.of(chat)
  if chat == places.STATUS then return "status" end
  local _, server = jid.parse(chat)
  return by_server[server] or "direct"
end

--- The place of a journalled message.
-- @tparam table row StoreJournal
-- @treturn string
function places.of_row(row)
  if row.statusPost then return "status" end
  return row.broadcast and "broadcast" or places.of(row.chat)
end

return places
