--- What a bot does with groups: `bot:group`, `bot:groups`, `bot:create_group`, `bot:create_community`, `bot:join`, and its handlers of the
-- event `group`. Methods of the bot; they raise when they fail.
-- @module moonpost.bot.groups
local lazy = require "moonpost.lazy"
local group_node = lazy "moonpost.client.group_node"
local make_group = lazy "moonpost.bot.group"
local new_locks = require "moonpost.client.locks"
local running = require "moonpost.bot.running"
local traceback = require "moonpost.traceback"

local groups = {}

local function check(value, err, ...)
  if value == nil then error(err, 0) end
  return value, err, ...
end

-- The object of a group, written to as bot:send does.
local function object(bot, jid)
  return make_group(bot.client, jid, function(spec) return bot:send(jid, spec) end)
end

local function client_of(bot, method) return running(bot, method, 3) end

--- A group.
-- @string jid its JID
-- @treturn table moonpost.bot.group
function groups:group(jid)
  if type(jid) ~= "string" or not group_node.is_group(jid) then
    error(("bot:group expects a group's JID, not '%s'"):format(tostring(jid)), 2)
  end
  client_of(self, "group")
  return object(self, jid)
end

--- The groups this account is in, as the server says.
-- @treturn table array of moonpost.bot.group
function groups:groups()
  local client = client_of(self, "groups")
  local list = check(client.groups:list())
  for i, group in ipairs(list) do list[i] = object(self, group.jid) end
  return list
end

-- What a new group is made of.
local makes = { "subject", "members", "description", "announce", "locked", "ephemeral", "join_approval", "member_add", "community" }
for _, name in ipairs(makes) do makes[name] = true end

--- Makes a group; this account is its first admin.
-- @tparam table wanted subject; members = array of JIDs or +numbers; description; announce, locked, ephemeral, join_approval, member_add;
-- community = JID of the community it is to be in
-- @treturn table the group
-- @treturn table array of those who could not be added: {jid, code, status, invite = {code, expires}}
function groups:create_group(wanted)
  local client = client_of(self, "create_group")
  if type(wanted) ~= "table" or type(wanted.subject) ~= "string" or wanted.subject == "" then
    error("bot:create_group expects { subject = text, members = { jid, … } }", 2)
  end
  local copy = {}
  for name, value in pairs(wanted) do
    if not makes[name] then error(("bot:create_group has no field '%s' (%s)"):format(tostring(name), table.concat(makes, ", ")), 2) end
    copy[name] = value
  end
  if wanted.members and #wanted.members > 0 then copy.members = make_group.people(wanted.members, "create_group") end
  local group, refused = check(client.groups:create(copy))
  return object(self, group.jid), refused
end

--- Makes a community.
-- @tparam table wanted subject; description; closed = true: who joins has to be approved; general_chat = true: it has one
-- @treturn table the group
function groups:create_community(wanted)
  local client = client_of(self, "create_community")
  return object(self, check(client.groups:create_community(wanted)).jid)
end

-- A personal invite: the message that brought it, or what stood in it and who sent it.
local function personal(invite)
  local said = invite.invite
  if not said then return invite end
  return { group = said.group, code = said.code, expires = said.expires, by = invite.sender }
end

--- Joins a group.
-- @tparam string|table invite a code or a link, or the message of kind "invite" that brought one
-- @treturn table the group
-- @treturn boolean whether an admin has to approve first
function groups:join(invite)
  local client = client_of(self, "join")
  local joined, err
  if type(invite) == "table" then
    joined, err = client.groups:accept(personal(invite))
  else
    joined, err = client.groups:join(invite)
  end
  check(joined, err)
  return object(self, joined.jid), joined.pending
end

local known = {
  chat = "string", action = "string", by = "string", phone = "string", setting = "string", from_me = "boolean", me = "boolean",
}

-- Fields that are one of a few words: any other would never be heard.
local words = {
  action = { "create", "add", "join", "remove", "leave", "promote", "demote", "subject", "description", "settings", "request", "withdrawn",
    "rejected", "invite", "revoke", "number", "link", "unlink", "delete", "other" },
  setting = { "announce", "locked", "ephemeral", "join_approval", "member_add", "suspended", "growth_locked" },
}

local function check_word(name, wanted, level)
  if wanted == true or not words[name] then return end
  for _, word in ipairs(words[name]) do
    if word == wanted then return end
  end
  error(("a filter of group events: there is no %s '%s' (%s)"):format(name, wanted, table.concat(words[name], ", ")), level + 1)
end

--- Makes a predicate of a filter of group events: a function of the event, or a table of fields that are compared; `true` asks only
-- that the field is there.
-- @tparam ?function|table filter
-- @int level the caller's level, for the error of a wrong filter
-- @treturn function fn(event) -> boolean
function groups.filter(filter, level)
  if filter == nil then return function() return true end end
  if type(filter) == "function" then return filter end
  if type(filter) ~= "table" or next(filter) == nil then
    error('a filter of group events is a function or a table such as { action = "join" }', level + 1)
  end
  for name, wanted in pairs(filter) do
    if not known[name] then
      local fields = "action, by, chat, from_me, me, phone, setting"
      error(("a filter of group events has no field '%s' (%s)"):format(tostring(name), fields), level + 1)
    end
    if wanted ~= true and type(wanted) ~= known[name] then
      error(("a filter's '%s' is a %s or true, not a %s"):format(name, known[name], type(wanted)), level + 1)
    end
    check_word(name, wanted, level + 1)
  end
  return function(event)
    for name, wanted in pairs(filter) do
      local value = event[name]
      if wanted == true and not value or wanted ~= true and value ~= wanted then return false end
    end
    return true
  end
end

-- An event as bots are told it: with the group, and people as its `participants` shows them.
local function told(bot, client, change)
  local event = {}
  for name, value in pairs(change) do event[name] = value end
  event.group = object(bot, change.chat)
  if change.participants then event.participants = make_group.shown(client, change.participants) end
  return event
end

--- Hands the events of groups to a bot's handlers: those of one group one after another.
-- @param bot
-- @param client
-- @func report fn(bot, err): hears of a handler that failed
function groups.listen(bot, client, report)
  local locks = new_locks()
  client:on("group", function(change)
    local lock <close> = locks:of(change.chat)
    local turn <close> = lock.turn:hold()
    local event = told(bot, client, change)
    for _, handler in ipairs(bot.handlers.group) do
      local ok, err = xpcall(function() if handler.matches(event) then handler.fn(event) end end, traceback.told)
      if not ok and turn then report(bot, err) end
    end
  end)
end

return groups
