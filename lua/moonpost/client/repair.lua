--- After the server has told by `phash` in its ack that our device lists are stale (fact sheet 03 §7): the lists are asked for again,
-- in a group its members first, and the devices a message has missed get it, each alone. The message stays in the outbox until that is
-- stored.
-- @module moonpost.client.repair
local core = require "moonpost.core"
local messages = require "moonpost.client.messages"
local task = require "moonpost.task"

local COPIES = 64 -- copies of one group message that are brought unasked

local repair = {}

--- Whether the server's hash tells that the stanza of an outbox row has missed devices.
function repair.wanted(client, row, phash)
  if not row.message then return false end
  local node = core.wire.decode(row.stanza)
  if messages.is_group(row.to) then return not client.fanout.same(node.attrs.phash or "", phash) end
  return not client.fanout:agrees(node, phash)
end

-- Whether a device has asked for a message already, and gets it for that.
local function is_served(client, row, device) return client.outbox:holds(row.id, device) end

local function missed(devices, reached)
  local list = {}
  for _, device in ipairs(devices) do
    if not reached[device] then list[#list + 1] = device end
  end
  return list
end

local function store_copies(client, row, address, message, devices, own)
  for _, device in ipairs(devices) do
    local node = not is_served(client, row, device) and client.fanout:build_for(row.id, address, message, device, own)
    if node then
      local added, err = client.outbox:add {
        id = row.id, to = row.to, stanza = core.wire.encode(node), message = row.message, device = device,
      }
      if not added then client:emit("error", err) end
    end
  end
end

-- A group's audience as the server has it now: of its lists of members and devices the first is asked for alone, as the one that is
-- stale more often.
local function fresh_audience(client, group, phash)
  client.groups:forget(group)
  local audience, err = client.fanout_group:audience_of(group)
  if not audience or client.fanout.same(audience.phash, phash) then return audience, err end
  for name in pairs(audience.members) do client.devices:forget(name) end
  return client.fanout_group:audience_of(group)
end

local function store_group_copies(client, row, audience, devices)
  local message = assert(core.proto.decode("Message", row.message))
  for _, device in ipairs(devices) do
    local node, told
    if not is_served(client, row, device) then
      node, told = client.fanout_group:build_for(row.id, row.to, audience.mode, message, device)
    end
    if node then
      local added, err = client.outbox:add {
        id = row.id, to = row.to, stanza = core.wire.encode(node), message = row.message, device = device, told = told,
      }
      if not added then client:emit("error", err) end
    end
  end
end

-- Those who were not told the message's sender key are those it has missed. Of very many most will ask for it themselves.
local function run_group(client, row, phash)
  local audience, err = fresh_audience(client, row.to, phash)
  if not audience then return nil, err end
  local devices
  devices, err = client.fanout_group:missed(row.to, row.told, audience, COPIES)
  if not devices then return nil, err end
  client.store:atomic(function()
    store_group_copies(client, row, audience, devices)
    client.outbox:remove(row)
  end)
  return true
end

local function run(client, row, phash)
  if messages.is_group(row.to) then return run_group(client, row, phash) end
  client.devices:forget(row.to)
  client.devices:forget(client.me.lid or client.me.jid)
  local address, err = client.fanout:address(row.to, select(2, core.wire.jid.parse(row.to)) == "s.whatsapp.net")
  if not address then return nil, err end
  local reached = client.fanout:reached(core.wire.decode(row.stanza))
  local message = assert(core.proto.decode("Message", row.message))
  client.store:atomic(function()
    store_copies(client, row, address, message, missed(address.theirs, reached), false)
    store_copies(client, row, address, message, missed(address.own, reached), true)
    client.outbox:remove(row)
  end)
  return true
end

--- Begins the repair of a message the server has accepted. When the connection ends first, the next one acknowledges it again.
-- @tparam table client
-- @tparam table row of the outbox
-- @string phash the server's
function repair.start(client, row, phash)
  if client.outbox.repairing[row.id] then return end
  client.outbox.repairing[row.id] = true
  task.spawn(function()
    local forget <close> = setmetatable({}, { __close = function() client.outbox.repairing[row.id] = nil end })
    local ok, err = run(client, row, phash)
    if not ok and forget and err.code ~= "closed" then
      client.outbox:remove(row)
      client:emit("error", err)
    end
  end)
end

return repair
