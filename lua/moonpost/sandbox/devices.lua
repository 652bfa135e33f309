--- Devices as others see them: lists by usync, notifications of changes (fact sheet 08 §9).
-- @module moonpost.sandbox.devices
local core = require "moonpost.core"
local stanza = require "moonpost.stanza"
local book = require "moonpost.sandbox.group_book"
local crowd = require "moonpost.sandbox.crowd"
local iq = require "moonpost.sandbox.iq"
local new_prekeys = require "moonpost.sandbox.prekeys"
local new_queue = require "moonpost.sandbox.queue"
local phone = require "moonpost.sandbox.phone"
local pictures = require "moonpost.sandbox.pictures"
local sent = require "moonpost.sandbox.sent"

local crypto, proto, jid = core.crypto, core.proto, core.wire.jid

local devices = {}

local function device_name(device) return ("%s:%d"):format(device.account.pn, device.number) end

--- Gives a device its queue and its one-time keys.
function devices.open_queue(sandbox, device)
  if device.crowd then return crowd.open(device) end
  device.queue = new_queue(sandbox.store, device_name(device), sandbox.keep)
  device.one_time = new_prekeys(sandbox.store, device_name(device), sandbox.keep)
end

--- Reads every device's queue and keys at the start of a world.
function devices.open_queues(sandbox)
  for _, account in ipairs(sandbox.accounts.list) do
    for _, device in pairs(account.devices) do
      devices.open_queue(sandbox, device)
      sent.learn(sandbox, device)
    end
  end
end

-- Of a removal, and of an account with no companions, only the time is told (02 §8.2).
local function key_index_time(sandbox) return stanza.node("key-index-list", { ts = sandbox.time() }) end

local function key_index_list(sandbox, account)
  local indexes, highest = {}, 0
  for _, device in ipairs(sandbox.accounts:companions(account)) do
    indexes[#indexes + 1] = device.key_index
    highest = math.max(highest, device.key_index)
  end
  if #indexes == 0 then return nil end
  local now = sandbox.time()
  local details = assert(proto.encode("ADVKeyIndexList", {
    rawId = account.raw_id, timestamp = now, currentIndex = highest, validIndexes = indexes, accountType = "E2EE",
  }))
  return stanza.node("key-index-list", { ts = now }, assert(proto.encode("ADVSignedKeyIndexList", {
    details = details, accountSignature = phone.identity(sandbox, account):sign("\6\2" .. details),
  })))
end

--- The hash of device JIDs: "2:" and the start of a hash over their sorted addresses (fact sheet 03 §7).
-- @tparam table jids
-- @treturn string
function devices.hash_of(jids)
  local names = {}
  for i, one in ipairs(jids) do
    local user, server, number = jid.parse(one)
    names[i] = ("%s.0:%d@%s"):format(user, number, server)
  end
  table.sort(names)
  return "2:" .. (crypto.base64(crypto.sha256(table.concat(names)):sub(1, 6)))
end

--- The same of one account's device list.
-- @string user
-- @string server
-- @tparam table numbers of the devices
-- @treturn string
function devices.hash(user, server, numbers)
  local jids = {}
  for i, number in ipairs(numbers) do jids[i] = jid.make(user, server, number) end
  return devices.hash_of(jids)
end

local function device_hash(sandbox, account, server)
  local numbers = { 0 }
  for _, device in ipairs(sandbox.accounts:companions(account)) do numbers[#numbers + 1] = device.number end
  return devices.hash(server == "lid" and account.lid or account.pn, server, numbers)
end

local function devices_node(sandbox, account)
  local list = { stanza.node("device", { id = 0 }) }
  for _, device in ipairs(sandbox.accounts:companions(account)) do
    list[#list + 1] = stanza.node("device", { id = device.number, ["key-index"] = device.key_index })
  end
  return stanza.node("devices", nil, {
    stanza.node("device-list", { hash = device_hash(sandbox, account, "s.whatsapp.net") }, list), key_index_list(sandbox, account),
  })
end

-- What a usync answers for one account, by protocol: fn(sandbox, account, server, viewer, user) -> node or nothing; `viewer`: the account
-- that asks, `user`: the node that does.
local protocols = {
  devices = function(sandbox, account) return devices_node(sandbox, account) end,
  lid = function(_, account, server) return server ~= "lid" and stanza.node("lid", { val = account:jid "lid" }) or nil end,
  status = function(sandbox) return stanza.node("status", { t = sandbox.time() }, "") end,
  disappearing_mode = function() return stanza.node("disappearing_mode", { duration = "0", t = "0" }) end,
  picture = function(sandbox, account, _, viewer, user)
    local id = pictures.seen(sandbox, viewer, account, user)
    return id and stanza.node("picture", { id = id }) or nil
  end,
}

-- Somebody of an address book, by number or JID (S-233): the account, the name it is answered under, and whether it is in.
local function contact_node(sandbox, user)
  local text = stanza.bytes(user, "contact") or ""
  local number = text:match "^%+?(%d+)"
  local account = sandbox.accounts.by_pn[number or ""] or sandbox.accounts:lookup(user.attrs.jid)
  local asked = user.attrs.jid or account and account:jid() or (number or "0") .. "@s.whatsapp.net"
  return account, asked, stanza.node("contact", { type = account and "in" or "out" }, text)
end

local function user_node(sandbox, viewer, wanted, user)
  local account, asked, contact
  if wanted.contact then
    account, asked, contact = contact_node(sandbox, user)
  else
    account, asked = (sandbox.accounts:lookup(user.attrs.jid)), user.attrs.jid
  end
  if not asked or not account and not contact then return nil end
  local content = { contact }
  local _, server = jid.parse(asked)
  for name in pairs(account and wanted or {}) do
    local fn = protocols[name]
    content[#content + 1] = fn and fn(sandbox, account, server, viewer, user) or nil
  end
  return stanza.node("user", { jid = jid.bare(asked) }, content)
end

--- Answers a usync (S-230): one user for each that is found, in the form it was asked for.
function devices.usync(conn, node)
  local usync = stanza.child(node, "usync")
  local query = usync and stanza.child(usync, "query")
  if not query then return iq.error(conn, node, 400) end
  local wanted, users, seen = {}, {}, {}
  for _, protocol in stanza.children(query) do wanted[protocol.tag] = true end
  for _, user in stanza.children(stanza.child(usync, "list"), "user") do
    local found = user_node(conn.sandbox, conn.device.account, wanted, user)
    if found and not seen[found.attrs.jid] then
      seen[found.attrs.jid] = true
      users[#users + 1] = found
    end
  end
  local attrs = usync.attrs
  iq.result(conn, node, stanza.node("usync", {
    sid = attrs.sid, mode = attrs.mode, last = attrs.last, index = attrs.index, context = attrs.context,
  }, stanza.node("list", nil, users)))
end

local function change_node(sandbox, device, change)
  local account = device.account
  return stanza.node(change, {
    device_hash = device_hash(sandbox, account, "s.whatsapp.net"), device_lid_hash = device_hash(sandbox, account, "lid"),
  }, {
    stanza.node("device", { jid = device:jid(), lid = device:jid "lid", ["key-index"] = device.key_index }),
    change == "add" and key_index_list(sandbox, account) or key_index_time(sandbox),
  })
end

local function list_node(sandbox, account)
  local list = { stanza.node("device", { jid = account:jid() }) }
  for _, device in ipairs(sandbox.accounts:companions(account)) do
    list[#list + 1] = stanza.node("device", { jid = device:jid(), ["key-index"] = device.key_index })
  end
  list[#list + 1] = key_index_list(sandbox, account)
  return stanza.node("devices", { dhash = device_hash(sandbox, account, "s.whatsapp.net") }, list)
end

local function notify(sandbox, device, type, account, content)
  device.queue:push(stanza.node("notification", {
    type = type, from = account:jid(), lid = type == "devices" and account:jid "lid" or nil, id = sandbox:next_id(), t = sandbox.time(),
  }, content))
end

-- The devices of everybody who knows an account: who wrote to it, who is in a group with it.
local function acquainted(sandbox, account)
  local people, list = book.companions(sandbox, account), {}
  for pn in pairs(account.contacts) do people[pn] = sandbox.accounts.by_pn[pn] end
  for _, one in pairs(people) do
    for _, device in ipairs(sandbox.accounts:reachable(one)) do list[#list + 1] = device end
  end
  return list
end

--- Tells those who know an account, and siblings, of a device that came or went (S-047, S-243, S-244).
-- @string change "add" or "remove"
function devices.announce(sandbox, device, change)
  local account = device.account
  local node = change_node(sandbox, device, change)
  for _, other in ipairs(acquainted(sandbox, account)) do notify(sandbox, other, "devices", account, node) end
  for _, sibling in ipairs(sandbox.accounts:companions(account)) do
    if sibling ~= device then
      notify(sandbox, sibling, "devices", account, node)
      notify(sandbox, sibling, "account_sync", account, list_node(sandbox, account))
    end
  end
end

--- Tells those who know an account that its phone was set up anew, with another identity (S-217).
function devices.announce_identity(sandbox, account)
  for _, other in ipairs(acquainted(sandbox, account)) do
    other.queue:push(stanza.node("notification", {
      type = "encrypt", from = account:jid(), lid = account:jid "lid", id = sandbox:next_id(), t = sandbox.time(),
    }, stanza.node "identity"))
  end
end

--- The account has nobody online any more, unless another device is.
function devices.unavailable(sandbox, device) require("moonpost.sandbox.presence").device_gone(sandbox, device) end

--- What was kept for a device outside its queue: typing marks and presences (S-606, S-607).
function devices.deliver_late(conn) require("moonpost.sandbox.presence").deliver_late(conn) end

return devices
