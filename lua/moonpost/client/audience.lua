--- Who hears what is written into a group: the devices of its members, as their sessions and as stanzas name them (fact sheet 03 §3.3,
-- §7, §10.1). Put together once, and kept until a member, one of their devices or a name changes: for a large group that is work.
-- @module moonpost.client.audience
local core = require "moonpost.core"
local marks = require "moonpost.client.marks"
local task = require "moonpost.task"
local jid = core.wire.jid

local SLICE = 128          -- members looked at in a turn of the loop
local KEPT_DEVICES = 20000 -- devices of the audiences that are kept; then they are put together anew
local HOSTED = 99          -- number of a device of the business service, which takes no part in groups (03, notation)
local TRIES = 3            -- times one is put together while members change, before it is taken as it is

local Audience = {}
Audience.__index = Audience

--- How stanzas of a mode name a device.
-- @string device JID, stable
-- @string mode "lid" or "pn"
function Audience:wire_name(device, mode)
  if mode == "lid" then return device end
  return self.client.lids:pn_of(device) or device
end

-- A member by name: members are bare JIDs, or tables with one as `jid`.
local function name_of(member) return type(member) == "table" and member.jid or member end

local function same_members(one, other)
  if one == other then return true end
  if #one ~= #other then return false end
  for i, member in ipairs(one) do
    if name_of(member) ~= name_of(other[i]) then return false end
  end
  return true
end

-- The accounts in a group by their stable names, the own one among them.
local function accounts_of(self, members)
  local lids, list, seen = self.client.lids, {}, {}
  local function add(name)
    name = lids:stable(name)
    if not seen[name] then
      seen[name] = true
      list[#list + 1] = name
    end
  end
  for _, member in ipairs(members) do add(name_of(member)) end
  add(self.client.me.lid or self.client.me.jid)
  return list
end

-- Adds some accounts' devices to an audience.
local function add_devices(self, made, names)
  local found, err = self.client.devices:of(names)
  if not found then return nil, err end
  local own, this = self.client.lids:stable(self.client.me.lid or self.client.me.jid), self.client.fanout:this()
  for _, name in ipairs(names) do
    local is_own, prefix = name == own, marks.prefix(name)
    made.members[name] = true
    for _, device in ipairs(found[name]) do
      local number = select(3, jid.parse(device))
      if number ~= HOSTED then made.names[#made.names + 1] = self:wire_name(device, made.mode) end
      if is_own and device ~= this then
        made.own[#made.own + 1] = device
      elseif not is_own and number ~= HOSTED then
        made.marks[#made.marks + 1] = prefix .. string.char(number)
        made.device_of[made.marks[#made.marks]] = device
      end
    end
  end
  return true
end

local function make(self, mode, accounts)
  local made = { mode = mode, members = {}, names = {}, own = {}, marks = {}, device_of = {} }
  self.making[made] = true
  local done <close> = setmetatable({}, { __close = function() self.making[made] = nil end })
  for first = 1, #accounts, SLICE do
    local ok, err = add_devices(self, made, table.move(accounts, first, math.min(first + SLICE - 1, #accounts), 1, {}))
    if not ok then return nil, err end
    if #accounts > SLICE then task.sleep(0) end -- the last time before all of it is sorted
  end
  table.sort(made.marks)
  made.count, made.packed = #made.marks, table.concat(made.marks)
  made.phash = done and self.client.fanout.phash(made.names)
  made.marks, made.names = nil, nil
  return made
end

local function keep(self, to, made)
  local before = self.kept[to]
  self.size = self.size - (before and before.count or 0) + made.count
  if self.size > KEPT_DEVICES then self.kept, self.size = {}, made.count end
  self.kept[to] = made
end

--- The audience of a chat. In a task.
-- @string to the chat
-- @string mode "lid" or "pn"
-- @tparam table members array of bare JIDs, or of tables with one as `jid`
-- @treturn ?table {mode, members = set of bare JIDs, own = array of the other own devices, device_of = mark -> device, packed = the
--   marks of all others' devices in order (moonpost.client.marks), phash, count}
-- @treturn ?table err
function Audience:of(to, mode, members)
  local kept = self.kept[to]
  if kept and kept.mode == mode and same_members(kept.source, members) then
    kept.source = members
    return kept
  end
  local made, err
  for _ = 1, TRIES do
    made, err = make(self, mode, accounts_of(self, members))
    if not made then return nil, err end
    made.source = members
    if not made.changed then
      keep(self, to, made)
      break
    end
  end
  return made
end

--- An account's devices, or its names, are not what they were.
-- @string bare JID, stable
function Audience:changed(bare)
  for to, made in pairs(self.kept) do
    if made.members[bare] then
      self.size = self.size - made.count
      self.kept[to] = nil
    end
  end
  for made in pairs(self.making) do made.changed = made.changed or made.members[bare] end
end

--- Forgets all: the account is forgotten.
function Audience:forget() self.kept, self.size = {}, 0 end

return function(client) return setmetatable({ client = client, kept = {}, making = {}, size = 0 }, Audience) end
