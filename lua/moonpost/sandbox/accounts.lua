--- Accounts, their phones and linked devices (fact sheet 08 §3), kept as rows of the world.
-- @module moonpost.sandbox.accounts
local core = require "moonpost.core"
local json = require "cjson.safe"

local crypto, jid = core.crypto, core.wire.jid

local LAST_DEVICE = 98 -- 99 is for hosted devices (fact sheet 02 §2.7)

local Account = {}
Account.__index = Account

--- Bare JID in the namespace of a server part.
function Account:jid(server) return jid.make(server == "lid" and self.lid or self.pn, server == "lid" and "lid" or "s.whatsapp.net") end

local Device = {}
Device.__index = Device

--- The device's JID in the namespace of a server part.
function Device:jid(server)
  local account = self.account
  return jid.make(server == "lid" and account.lid or account.pn, server == "lid" and "lid" or "s.whatsapp.net", self.number)
end

local Accounts = {}
Accounts.__index = Accounts

-- Numbers are derived from the name: the same name has the same number in every world (S-020).
local function pick_numbers(self, name)
  local hash = crypto.sha256("moonpost account " .. name)
  local phone, lid = (">I4I6"):unpack(hash)
  while self.by_pn[("1555%07d"):format(phone % 10000000)] do phone = phone + 1 end
  local function taken(text) return self.by_lid[text] or self.by_pn[text] end
  while taken(("1%014d"):format(lid % 100000000000000)) do lid = lid + 1 end
  return ("1555%07d"):format(phone % 10000000), ("1%014d"):format(lid % 100000000000000)
end

local function file(self, account)
  self.by_pn[account.pn], self.by_lid[account.lid], self.by_name[account.first_name] = account, account, account
  self.list[#self.list + 1] = account
end

local function new_account(fields)
  fields.devices = {}
  fields.contacts, fields.talked, fields.privacy = fields.contacts or {}, fields.talked or {}, fields.privacy or {}
  fields.flags, fields.app_state_old = fields.flags or {}, fields.app_state_old or {}
  return setmetatable(fields, Account)
end

-- What the prefix of a push name wants of its account (S-021): `restricted:Ana`, `scenario:restricted,tc_enabled=0:Ana`.
local function flags_of(name)
  local flags, list = {}, name:match "^scenario:([^:]*):"
  if name:find "^restricted:" then flags.restricted = true end
  for flag, value in (list or ""):gmatch "([%w_]+)=?([01]?)" do flags[flag] = value ~= "0" end
  return flags
end

local function add(self, first_name, name, pn, lid)
  local account = new_account {
    first_name = first_name, name = name, pn = pn, lid = lid, raw_id = (">I4"):unpack(crypto.random(4)) & 0x7fffffff, next_device = 1,
    created = math.floor(core.net.time()), flags = flags_of(first_name), nct_salt = crypto.random(32),
  }
  file(self, account)
  self:save(account)
  return account
end

--- The account of a push name, made when there is none; an empty name makes a fresh one (S-020).
function Accounts:of_name(name)
  if not name or name == "" then
    local n = #self.list + 1
    while self.by_name["Sandbox " .. n] do n = n + 1 end
    name = "Sandbox " .. n
  end
  local account = self.by_name[name]
  if account then return account end
  local pn, lid = pick_numbers(self, name)
  return add(self, name, name, pn, lid)
end

--- An account nobody is behind, with so many linked devices (moonpost.sandbox.crowd).
function Accounts:of_crowd(devices)
  local n = #self.list + 1
  while self.by_name["Crowd " .. n] do n = n + 1 end
  local name = "Crowd " .. n
  local pn, lid = pick_numbers(self, name)
  local account = new_account {
    first_name = name, name = name, pn = pn, lid = lid, raw_id = (">I4"):unpack(crypto.random(4)) & 0x7fffffff, crowd = true,
    next_device = devices + 1, created = math.floor(core.net.time()),
  }
  for number = 1, devices do
    account.devices[number] = setmetatable({ account = account, number = number, key_index = number, active = true, crowd = true }, Device)
  end
  file(self, account)
  self:save(account)
  return account
end

--- The account of a phone number, made when there is none (S-060).
-- @string pn digits
-- @tparam ?string name push name of one that is made
-- @treturn ?table the account; nil when the number is somebody's LID
function Accounts:of_phone(pn, name)
  if self.by_pn[pn] then return self.by_pn[pn] end
  if self.by_lid[pn] then return nil end
  name = name ~= "" and name or "+" .. pn
  local first_name = self.by_name[name] and ("%s +%s"):format(name, pn) or name
  local _, lid = pick_numbers(self, first_name)
  return add(self, first_name, name, pn, lid)
end

--- The account a JID of either namespace names, its device number and server part; nil when there is none.
function Accounts:lookup(text)
  local user, server, number = jid.parse(text or "")
  if not user then return nil end
  local account = (server == "lid" and self.by_lid or server == "s.whatsapp.net" and self.by_pn or {})[user]
  return account, number, server
end

--- The linked device a JID names; nil when there is none.
function Accounts:device(text)
  local account, number = self:lookup(text)
  return account and account.devices[number]
end

local binary = { "noise", "identity", "registration", "skey_id", "skey_value", "skey_signature", "identity_blob" }
local shown = { "os", "platform", "full_history" } -- what a device says it is, and whether it wants all history

local function to_row(account)
  local row = {
    first_name = account.first_name, name = account.name, pn = account.pn, lid = account.lid, raw_id = account.raw_id,
    next_device = account.next_device, created = account.created, contacts = {}, devices = {}, app_state_key = account.app_state_key,
    app_state_old = account.app_state_old,
    privacy = account.privacy, crowd = account.crowd, talked = {},
    past = account.past,
    flags = account.flags, status_privacy = account.status_privacy, nct_salt = account.nct_salt and crypto.base64(account.nct_salt),
  }
  for pn in pairs(account.talked) do row.talked[#row.talked + 1] = pn end
  for pn in pairs(account.contacts) do row.contacts[#row.contacts + 1] = pn end
  for number, device in pairs(account.devices) do
    local one = { number = number, key_index = device.key_index, fresh = device.fresh, active = device.active, crowd = device.crowd }
    for _, name in ipairs(binary) do one[name] = device[name] and crypto.base64(device[name]) end
    for _, name in ipairs(shown) do one[name] = device[name] end
    row.devices[#row.devices + 1] = one
  end
  return row
end

-- JSON knows no integers: cjson reads every number as a float, and no stanza has one.
local function make_whole(row)
  for name, value in pairs(row) do
    if type(value) == "number" then row[name] = assert(math.tointeger(value)) end
  end
end

local function from_row(row)
  make_whole(row)
  if row.past then make_whole(row.past) end
  local contacts = {}
  for _, pn in ipairs(row.contacts) do contacts[pn] = true end
  local talked = {}
  for _, pn in ipairs(row.talked or {}) do talked[pn] = true end
  row.contacts, row.talked = contacts, talked
  row.nct_salt = row.nct_salt and crypto.unbase64(row.nct_salt) or nil
  local devices = row.devices
  local account = new_account(row)
  for _, one in ipairs(devices) do
    make_whole(one)
    for _, name in ipairs(binary) do one[name] = one[name] and crypto.unbase64(one[name]) end
    one.account = account
    -- one that was not active yet ended with the process that was linking it
    if one.active then account.devices[one.number] = setmetatable(one, Device) end
  end
  return account
end

--- Writes an account's row. `changes` counts how often: what was worked out of accounts and devices may be old after it.
function Accounts:save(account)
  self.changes = self.changes + 1
  self.store:put("world", "a" .. account.pn, assert(json.encode(to_row(account))))
end

-- The next number that is free, round the circle: what was unlinked comes back as late as can be.
local function free_number(account)
  for _ = 1, LAST_DEVICE do
    local number = account.next_device
    account.next_device = number % LAST_DEVICE + 1
    if not account.devices[number] then return number end
  end
end

--- Adds a device; it is listed once it is active (S-022, S-040).
-- @tparam table account
-- @tparam table keys of its registration
-- @treturn ?table the device; nil when all numbers are taken
function Accounts:add_device(account, keys)
  local number = free_number(account)
  if not number then return nil end
  local device = setmetatable({ account = account, number = number, key_index = number, fresh = true, active = false }, Device)
  for _, name in ipairs(binary) do device[name] = keys[name] end
  for _, name in ipairs(shown) do device[name] = keys[name] end
  account.devices[number] = device
  self:save(account)
  return device
end

--- Has the next device that is linked take this number, which is free.
function Accounts:keep_number(account, number)
  account.next_device = number
  self:save(account)
end

--- Forgets a device.
function Accounts:remove_device(device)
  device.account.devices[device.number] = nil
  self:save(device.account)
end

--- Notes that two accounts have written to each other: they are told of each other's devices from now on.
function Accounts:acquaint(one, other)
  if one == other or one.contacts[other.pn] then return end
  one.contacts[other.pn], other.contacts[one.pn] = true, true
  self:save(one)
  self:save(other)
end

--- Notes that one account has written to another, which took it: they know each other from now on (S-803).
function Accounts:introduce(one, other)
  if one == other or one.talked[other.pn] then return end
  one.talked[other.pn], other.talked[one.pn] = true, true
  self:save(one)
  self:save(other)
end

--- The linked, active devices of an account in order of their numbers.
function Accounts.companions(_, account)
  local list = {}
  for _, device in pairs(account.devices) do
    if device.active then list[#list + 1] = device end
  end
  table.sort(list, function(a, b) return a.number < b.number end)
  return list
end

--- The same without those that nobody is behind: there is no use in telling them anything.
function Accounts:reachable(account) return account.crowd and {} or self:companions(account) end

--- Reads the world's accounts.
return function(store)
  local self = setmetatable({ store = store, by_pn = {}, by_lid = {}, by_name = {}, list = {}, changes = 0 }, Accounts)
  for _, row in ipairs(store:range("world", "a")) do file(self, from_row(assert(json.decode(row[2])))) end
  return self
end
