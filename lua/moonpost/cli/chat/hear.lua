--- What a chat hears, shown: messages of all places, who has received and read one's own, what happens to groups, typing, presence, calls.
-- @module moonpost.cli.chat.hear
local printable = require "moonpost.printable"
local show = require "moonpost.cli.chat.show"
local words = require "moonpost.cli.chat.words"

local hear = {}

-- Of another place than the one that is written to.
local function place_of(chat, m)
  if m.place == "status" then return "[status] " end
  if m.place == "broadcast" then return "[to a list] " end
  if m.chat == chat.to.chat or m.chat == chat.to.lid then return "" end
  if m.place == "direct" and not m.from_me then return "[to you] " end
  return ("[%s] "):format(chat.people:name(m.chat))
end

function hear.message(chat, m)
  if m.name and not m.from_me then chat.people:learn(m.sender, m.name) end
  local line = chat.lines.is_numbered(m) and chat.lines:reserve()
  if line then chat.lines:set(line, m) end
  local text = place_of(chat, m) .. show.message(m, chat)
  chat.screen:other(m.time, line and line.number, chat:name_of(m), text)
  chat:heard_answer(chat:name_of(m) .. " " .. text)
  if line and not m.from_me and m.place ~= "newsletter" then chat.client:mark_read { m } end
end

-- Somebody has come further with an own message.
function hear.status(chat, change) chat:tick(change.id) end

-- What is said of a group: fn(event, who did it, whom it is about) -> text.
local actions = {}

function actions.create(event, by) return ("%s made the group '%s'"):format(by, event.subject or "?") end
function actions.add(_, by, whom) return ("%s added %s"):format(by, whom) end
function actions.join(_, _, whom) return whom .. " joined" end
function actions.remove(_, by, whom) return ("%s removed %s"):format(by, whom) end
function actions.leave(_, _, whom) return whom .. " left" end
function actions.promote(_, by, whom) return ("%s made %s an admin"):format(by, whom) end
function actions.demote(_, by, whom) return ("%s took the rank of an admin from %s"):format(by, whom) end
function actions.subject(event, by) return ("%s gave it the subject '%s'"):format(by, event.subject or "") end
function actions.request(_, _, whom) return whom .. " asks to be let in" end
function actions.withdrawn(_, _, whom) return whom .. " asks no more to be let in" end
function actions.rejected(_, by, whom) return ("%s let %s not in"):format(by, whom) end
function actions.invite(_, by) return by .. " gave it another invite link" end
function actions.revoke(_, by, whom) return ("%s withdrew the invite of %s"):format(by, whom) end
function actions.number(_, _, whom) return whom .. " has another number" end

function actions.description(event, by)
  if not event.description then return by .. " took its description away" end
  return ("%s gave it the description '%s'"):format(by, show.one_line(event.description))
end

local settings = {
  announce = { "only admins write", "everybody writes" }, locked = { "only admins change it", "everybody changes it" },
  join_approval = { "admins let people in", "who has the link joins" },
}

function actions.settings(event, by)
  local said, value = settings[event.setting], event.value
  if said then return ("%s changed it: %s"):format(by, said[value and 1 or 2]) end
  if event.setting == "ephemeral" then
    return ("%s has messages %s"):format(by, (value or 0) > 0 and "disappear after " .. words.long(value) or "stay")
  end
  if event.setting == "member_add" then return ("%s changed it: %s add people"):format(by, value == "all" and "all" or "admins") end
  return ("%s changed it: %s is %s"):format(by, tostring(event.setting), tostring(value))
end

function hear.group(chat, event)
  local whom = chat.people:list(event.participants)
  local by = event.by and (event.from_me and chat.name or chat.people:name(event.by)) or "the server"
  local fn = actions[event.action]
  local text = fn and fn(event, by, whom) or ("%s: %s"):format(by, event.action == "other" and event.kind or event.action)
  local here = event.chat == chat.to.chat
  chat:happened(here and text or ("[%s] %s"):format(chat.people:name(event.chat), text))
end

local typing = { composing = "types …", recording = "records …", paused = "has stopped" }

function hear.chatstate(chat, event)
  if event.expired then return end
  local where = event.chat ~= chat.to.chat and event.chat ~= event.sender and "[" .. chat.people:name(event.chat) .. "] " or ""
  chat:happened(where .. chat.people:name(event.sender) .. " " .. (typing[event.state] or event.state))
end

function hear.presence(chat, event)
  local name = chat.people:name(event.jid)
  if event.count then return chat:happened(("%d of %s are there"):format(event.count, name)) end
  local last = not event.available and event.last and ", last seen " .. words.date(event.last) or ""
  chat:happened(name .. (event.available and " is there" or " is away" .. last))
end

local states = { ringing = "calls: /reject refuses", missed = "has called in vain", accepted = "was answered on another device",
  rejected = "was refused", ended = "calls no more" }

function hear.picture(chat, event)
  local by = event.from_me and chat.name or chat.people:name(event.by or event.jid)
  local whose = event.group and (" of %s"):format(chat.people:name(event.jid)) or ""
  chat:happened(event.id and ("%s has set another picture%s"):format(by, whose) or ("%s has taken the picture%s away"):format(by, whose))
end

function hear.call(chat, call)
  chat.calls.rings = call.state == "ringing" and call or nil
  local name = call.name and call.name ~= "" and printable.line(call.name, 40) or chat.people:name(call.sender)
  chat:happened(("%s%s %s"):format(call.video and "[video] " or "", name, states[call.state] or call.state))
end

function hear.newsletter(chat, event)
  if event.own_reaction or not event.id then return end
  local counts = {}
  for emoji, count in pairs(event.reactions or {}) do counts[#counts + 1] = ("%s %d"):format(emoji, count) end
  table.sort(counts)
  table.insert(counts, 1, ("%d views"):format(event.views or 0))
  chat:happened(("%s: %s"):format(chat.lines:name(event), table.concat(counts, ", ")))
end

function hear.identity(chat, event) chat:happened(chat.people:name(event.jid) .. " has a new phone") end

function hear.offline(chat, err, seconds)
  if not seconds then return end
  chat:happened(("the connection is lost, trying again in %.1f s: %s"):format(seconds, tostring(err)))
end

hear["error"] = function(chat, err)
  if chat.terminal then return chat:note("✗ " .. tostring(err)) end
  io.stderr:write("moonpost chat: ", printable.text(tostring(err)), "\n")
end

--- Has a chat show what its client tells.
return function(chat)
  for event, fn in pairs(hear) do
    chat.client:on(event, function(...)
      if not chat.done then fn(chat, ...) end
    end)
  end
end
