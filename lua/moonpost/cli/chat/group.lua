--- Commands of groups: /group new makes one and goes there; the others are about the group one is in.
-- @module moonpost.cli.chat.group
local printable = require "moonpost.printable"
local words = require "moonpost.cli.chat.words"

local wrong, need = words.wrong, words.need

local LINK = "https://chat.whatsapp.com/"

-- The group that is written to.
local function here(chat)
  if not chat.to.group then wrong("%s is no group: /to GROUP goes to one", printable.line(chat.to.name, 40)) end
  return chat.to.jid
end

local function people_of(chat, text)
  local jids = {}
  for i, account in ipairs(need(chat.people:several(text))) do jids[i] = account.jid end
  return jids
end

-- What became of each person, where it is not what was wanted. Who could not be added may have an invite of their own.
local function tell_refused(chat, group, results)
  for _, one in ipairs(results) do
    local name = chat.people:name(one.jid)
    if one.invite then
      local invite = one.invite
      chat.invites[one.jid] = { group = group, code = invite.code, expires = invite.expires, subject = chat.people:name(group) }
      chat:failed(("%s can only be invited: /invite %s does it"):format(name, name))
    elseif not one.ok then
      chat:failed(("%s: %s"):format(name, (one.code or "refused"):gsub("-", " ")))
    end
  end
end

local function new(chat, text)
  local subject, names = text:match "^([^|]*)|?(.*)$"
  subject = words.trim(subject)
  if subject == "" then wrong "a subject is missing" end
  local members = words.trim(names) ~= "" and people_of(chat, names) or {}
  local group, refused = chat.client.groups:create { subject = subject, members = members }
  need(group, refused)
  chat:go(need(chat.people:find(group.jid, chat.client)), (", %s: %s"):format(group.jid, chat.people:list(group.participants)))
  tell_refused(chat, group.jid, refused)
end

-- Members are changed, each with an outcome of its own.
local function members(name)
  return function(chat, text)
    local group = here(chat)
    tell_refused(chat, group, need(chat.client.groups[name](chat.client.groups, group, people_of(chat, text))))
  end
end

local function leave(chat)
  need(chat.client.groups:leave(here(chat)))
end

local function subject(chat, text)
  if text == "" then wrong "a subject is missing" end
  need(chat.client.groups:set_subject(here(chat), text))
end

local function description(chat, text) need(chat.client.groups:set_description(here(chat), text)) end

local function picture(chat, text)
  local group, pictures = here(chat), chat.client.pictures
  if text == "" then return need(pictures:remove(group)) end
  need(pictures:set({ file = text }, group))
end

local switches = { on = true, off = false }

local function set(chat, text)
  local name, value = text:match "^(%S+)%s+(%S+)$"
  if name == "member_add" and (value == "all" or value == "admins") then
    return need(chat.client.groups:set(here(chat), { member_add = value }))
  end
  local known = name == "announce" or name == "locked" or name == "join_approval"
  if not known or switches[value] == nil then wrong "it is announce, locked or join_approval on or off, or member_add all or admins" end
  need(chat.client.groups:set(here(chat), { [name] = switches[value] }))
end

local function info(chat)
  local group = need(chat.client.groups:refresh(here(chat)))
  local text = ("%s, %s"):format(group.subject or "?", group.jid)
  if group.description then text = text .. "\n" .. group.description end
  for name, said in pairs { announce = "only admins write", locked = "only admins change it", join_approval = "admins let people in" } do
    if group[name] then text = text .. "\n" .. said end
  end
  if (group.ephemeral or 0) > 0 then text = text .. "\nmessages disappear after " .. words.long(group.ephemeral) end
  for _, member in ipairs(group.participants) do
    text = text .. "\n" .. chat.people:name(member.jid) .. (member.rank and ", " .. (member.rank == "admin" and "admin" or "owner") or "")
  end
  chat:note(text)
end

local function invite(chat) chat:note(LINK .. need(chat.client.groups:invite_code(here(chat)))) end
local function revoke(chat) chat:note(LINK .. need(chat.client.groups:revoke_invite(here(chat)))) end

local function requests(chat)
  local list = need(chat.client.groups:join_requests(here(chat)))
  chat:note(#list == 0 and "nobody waits to be let in" or ("%s want to be let in"):format(chat.people:list(list)))
end

-- By an invite's link or code, or by the personal one that was heard last.
local function join(chat, text)
  local joined, err
  if text ~= "" and not text:find "^#%d+$" then
    joined, err = chat.client.groups:join(text)
  else
    local m = need(chat.lines:pick("invite", text:match "%d+"))
    if m.kind ~= "invite" then wrong("%s is no invite", chat.lines:name(m)) end
    joined, err = chat.client.groups:accept {
      group = m.invite.group, code = m.invite.code, expires = m.invite.expires, by = m.sender,
    }
  end
  need(joined, err)
  if joined.pending then return chat:note "an admin has to let you in" end
  chat:go(need(chat.people:find(joined.jid, chat.client)))
end

return {
  { name = "group new", usage = "SUBJECT [| NAME, NAME …]", about = "makes a group and goes there", run = new },
  { name = "group add", usage = "NAME, NAME …", about = "adds people", run = members "add" },
  { name = "group remove", usage = "NAME, NAME …", about = "removes people", run = members "remove" },
  { name = "group promote", usage = "NAME, NAME …", about = "makes people admins", run = members "promote" },
  { name = "group demote", usage = "NAME, NAME …", about = "makes admins members", run = members "demote" },
  { name = "group subject", usage = "TEXT", about = "gives it another subject", run = subject },
  { name = "group description", usage = "[TEXT]", about = "gives it another description, or none", run = description },
  { name = "group picture", usage = "[PATH]", about = "gives it another picture, or none", run = picture },
  { name = "group set", usage = "announce|locked|join_approval on|off, member_add all|admins", about = "changes a setting", run = set },
  { name = "group info", about = "who is in it", run = info },
  { name = "group invite", about = "the link others can join by", run = invite },
  { name = "group revoke", about = "another link in its place", run = revoke },
  { name = "group requests", about = "who wants to be let in", run = requests },
  { name = "group approve", usage = "NAME, NAME …", about = "lets people in", run = members "approve" },
  { name = "group reject", usage = "NAME, NAME …", about = "turns them down", run = members "reject" },
  { name = "group leave", about = "leaves it", run = leave },
  { name = "join", usage = "[LINK|#N]", about = "joins by a link, or by an invite that came", run = join },
}
