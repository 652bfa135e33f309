--- After the server has told by `phash` in its ack that our device lists are stale (fact sheet 03 §7): the lists are asked for again,
-- and the devices a message has missed get it, each alone. The message stays in the outbox until that is stored.
-- @module moonpost.client.repair
local core = require "moonpost.core"
local task = require "moonpost.task"

local repair = {}

--- Whether the server's hash tells that the stanza of an outbox row has missed devices.
function repair.wanted(client, row, phash)
  return row.message ~= nil and not client.fanout:agrees(core.wire.decode(row.stanza), phash)
end

local function missed(devices, reached)
  local list = {}
  for _, device in ipairs(devices) do
    if not reached[device] then list[#list + 1] = device end
  end
  return list
end

local function store_copies(client, row, address, message, devices, own)
  for _, device in ipairs(devices) do
    local node = client.fanout:build_for(row.id, address, message, device, own)
    if node then
      local added, err = client.outbox:add {
        id = row.id, to = row.to, stanza = core.wire.encode(node), message = row.message, device = device,
      }
      if not added then client:emit("error", err) end
    end
  end
end

local function run(client, row)
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
function repair.start(client, row)
  if client.outbox.repairing[row.id] then return end
  client.outbox.repairing[row.id] = true
  task.spawn(function()
    local forget <close> = setmetatable({}, { __close = function() client.outbox.repairing[row.id] = nil end })
    local ok, err = run(client, row)
    if not ok and forget and err.code ~= "closed" then
      client.outbox:remove(row)
      client:emit("error", err)
    end
  end)
end

return repair
