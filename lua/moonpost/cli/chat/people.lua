--- Whom a chat knows by name: the accounts of the sandbox, and the groups and channels its user is in.
-- @module moonpost.cli.chat.people
local core = require "moonpost.core"
local printable = require "moonpost.printable"
local task = require "moonpost.task"
local jid = core.wire.jid

local AGE = 1.0        -- seconds after which the sandbox is asked again about somebody unknown
local TOLD = 20        -- names in an error
local NAME_MAX = 40    -- bytes shown of a name
local CHANNEL = "newsletter"

local People = {}
People.__index = People

--- Asks the sandbox who there is.
-- @treturn ?table accounts
-- @treturn ?table err
function People:refresh()
  local accounts, err = self.link:accounts()
  if not accounts then return nil, err end
  self.accounts, self.asked = accounts, core.net.now()
  for _, account in ipairs(accounts) do self.names[account.jid], self.names[account.lid] = account.push_name, account.push_name end
  return accounts
end

-- Those with this number or JID, else all of this name; a name in the very same letters comes before others.
local function accounts_of(accounts, wanted)
  local digits = wanted:gsub("[%s%+%-%(%)]", "")
  local exact, like = {}, {}
  for _, account in ipairs(accounts) do
    if account.phone == digits or account.jid == wanted or account.lid == wanted then return { account } end
    if account.push_name == wanted then exact[#exact + 1] = account end
    if account.push_name:lower() == wanted:lower() then like[#like + 1] = account end
  end
  return #exact > 0 and exact or like
end

local function several(wanted, found)
  local list = {}
  for i, one in ipairs(found) do list[i] = one.phone and "+" .. one.phone or one.jid end
  return nil, ("several are called %s: %s; write to one by the number"):format(wanted, table.concat(list, ", "))
end

--- Who the sandbox knows, for errors.
function People:known()
  local names = {}
  for i, account in ipairs(self.accounts) do names[i] = i <= TOLD and account.push_name or nil end
  if #self.accounts > TOLD then names[#names + 1] = "…" end
  return #names > 0 and "it knows: " .. table.concat(names, ", ") or "it knows nobody yet"
end

--- A person.
-- @string wanted name, +number or JID
-- @treturn ?table account: jid, lid, phone, push_name
-- @treturn ?string why there is none, or nil where nobody of that name is known
function People:account(wanted)
  local accounts, err = self:refresh()
  if not accounts then return nil, tostring(err) end
  local found = accounts_of(accounts, wanted)
  if #found > 1 then return several(wanted, found) end
  return found[1]
end

-- The groups and channels of a name, or of a JID.
local function places_of(client, wanted)
  local found = {}
  for _, list in ipairs { client.groups:list() or {}, client.newsletters:list() or {} } do
    for _, one in ipairs(list) do
      local name = one.subject or one.name or ""
      if one.jid == wanted then return { one } end
      if name:lower() == wanted:lower() then found[#found + 1] = one end
    end
  end
  return found
end

local function to_person(account, client)
  local chat = client and client.lids:stable(account.jid) or account.lid
  return { jid = account.jid, chat = chat, lid = account.lid, name = account.push_name }
end

local function to_place(place)
  local _, server = jid.parse(place.jid)
  return { jid = place.jid, chat = place.jid, name = place.subject or place.name, group = server == "g.us", channel = server == CHANNEL }
end

--- Where one can write to: a person, or a group or channel the user is in.
-- @string wanted name or subject, +number or JID
-- @tparam ?table client online; without one only people are looked for
-- @treturn ?table {jid, chat (the JID that stays the same), lid, name, group, channel}
-- @treturn ?string why there is none, or nil where nothing of that name is known
function People:find(wanted, client)
  local account, why = self:account(wanted)
  if why then return nil, why end
  local places = client and places_of(client, wanted) or {}
  if account and #places > 0 then return several(wanted, { account, table.unpack(places) }) end
  if account then return to_person(account, client) end
  if #places > 1 then return several(wanted, places) end
  return places[1] and to_place(places[1])
end

--- Several people, by names between commas.
-- @string text
-- @treturn ?table array of accounts
-- @treturn ?string why not
function People:several(text)
  local list = {}
  for name in text:gmatch "[^,]+" do
    name = name:match "^%s*(.-)%s*$"
    local account, why = self:account(name)
    if not account then return nil, why or ("the sandbox knows nobody called '%s' (%s)"):format(name, self:known()) end
    list[#list + 1] = account
  end
  return #list > 0 and list or nil, "nobody is named"
end

--- Says who the user is.
-- @param client online
-- @string name
function People:is(client, name)
  self.client = client
  self.names[client.me.jid], self.names[client.me.lid] = name, name
end

--- What somebody says they are called.
function People:learn(name, called)
  if called and called ~= "" and not self.names[name] then self.names[name] = called end
end

--- The name of a person, a group or a channel, to be shown. May wait.
-- @tparam ?string name bare JID
function People:name(name)
  if not name then return "somebody" end
  local client = self.client
  local group = client and client.groups:known(name)
  if group then return printable.line(group.subject or name, NAME_MAX) end
  local known = self.names[name]
  if not known and task.running() and core.net.now() - self.asked > AGE then
    self:refresh()
    known = self.names[name]
  end
  local phone = not known and client and client.lids:phone(name)
  return printable.line(known or phone and "+" .. phone or name, NAME_MAX)
end

--- Several names, as a sentence has them.
function People:list(names)
  local shown = {}
  for i, one in ipairs(names or {}) do
    if i > TOLD then
      shown[#shown + 1] = ("%d more"):format(#names - TOLD)
      break
    end
    shown[i] = self:name(type(one) == "table" and one.jid or one)
  end
  if #shown < 2 then return shown[1] or "nobody" end
  return table.concat(shown, ", ", 1, #shown - 1) .. " and " .. shown[#shown]
end

--- @param link of moonpost.cli.sandbox_link
return function(link) return setmetatable({ link = link, accounts = {}, names = {}, asked = -math.huge }, People) end
