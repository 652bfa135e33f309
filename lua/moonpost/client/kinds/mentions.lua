--- Mentions in what is sent (fact sheet 05 §5.2): the text says "@" and the digits of a JID, the ContextInfo the JID.
-- @module moonpost.client.kinds.mentions
local core = require "moonpost.core"
local check = require "moonpost.client.kinds.check"
local limits = require "moonpost.client.limits"
local people = require "moonpost.client.kinds.people"

local jid = core.wire.jid

-- The people a spec mentions, by the names they have in the chat; whether everyone is.
local function people_of(wanted, given)
  local list, everyone, name = {}, false, people.namer(given.client, given.chat)
  for _, one in ipairs(type(wanted) == "table" and wanted or { wanted }) do
    if one == "everyone" then
      everyone = true
    else
      list[#list + 1] = { said = check.person("a message", "mentions", one) }
      list[#list].jid = name(list[#list].said)
    end
  end
  if #list > limits.MENTIONS then check.wrong("a message mentions %d people at most, not %d", limits.MENTIONS, #list) end
  return list, everyone
end

-- The digits a text may say a person by, whatever their name in the chat is.
local function digits_of(client, one)
  local all = { (jid.parse(one.jid)), (jid.parse(one.said)) }
  if client then
    for _, other in ipairs { client.lids:pn_of(one.jid) or false, client.lids:lid_of(one.jid) or false } do
      if other then all[#all + 1] = (jid.parse(other)) end
    end
  end
  return all
end

--- What mentions make of a spec: its text, in which everybody stands by the right digits (who is missing is put before it), and fields of
-- the ContextInfo.
-- @param wanted "everyone", a JID, or an array of both
-- @string text
-- @tparam table given client, chat
-- @treturn string text
-- @treturn table {mentionedJid, nonJidMentions}
return function(wanted, text, given)
  local list, everyone = people_of(wanted, given)
  local by_digits, jids, found = {}, {}, {}
  for i, one in ipairs(list) do
    jids[i] = one.jid
    for _, digits in ipairs(digits_of(given.client, one)) do by_digits[digits] = one end
  end
  text = text:gsub("@(%d+)", function(digits)
    local one = by_digits[digits]
    if not one then return nil end
    found[one] = true
    return "@" .. jid.parse(one.jid)
  end)
  local missing = {}
  for _, one in ipairs(list) do
    if not found[one] then missing[#missing + 1] = "@" .. jid.parse(one.jid) .. " " end
  end
  return table.concat(missing) .. text, { mentionedJid = #jids > 0 and jids or nil, nonJidMentions = everyone and 1 or nil }
end
