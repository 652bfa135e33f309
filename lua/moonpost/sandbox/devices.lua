--- Devices as others see them: lists by usync, notifications of changes, each device's queue and one-time keys
-- (fact sheet 08 §9, S-200).
-- @module moonpost.sandbox.devices
local core = require "moonpost.core"
local stanza = require "moonpost.stanza"
local iq = require "moonpost.sandbox.iq"
local new_queue = require "moonpost.sandbox.queue"
local phone = require "moonpost.sandbox.phone"

local crypto, proto, jid = core.crypto, core.proto, core.wire.jid

local devices = {}

local function device_name(device) return ("%s:%d"):format(device.account.pn, device.number) end

--- Gives a device its queue and its key list.
function devices.open_queue(sandbox, device)
  device.queue = new_queue(sandbox.store, device_name(device), sandbox.keep)
  device.prekey_list, device.prekey_first = {}, 1
end

-- One-time keys are kept in the order of their upload: row "k" device 00 sequence.
local function prekey_row(device, index) return ("k%s\0"):format(device_name(device)) .. (">I8"):pack(index) end

--- Reads every device's queue and keys at the start of a world.
function devices.open_queues(sandbox)
  for _, account in ipairs(sandbox.accounts.list) do
    for _, device in pairs(account.devices) do
      devices.open_queue(sandbox, device)
      local prefix = ("k%s\0"):format(device_name(device))
      for i, row in ipairs(sandbox.store:range("world", prefix)) do
        local index = (">I8"):unpack(row[1], #prefix + 1)
        if i == 1 then device.prekey_first = index end
        device.prekey_list[index] = row[2]
      end
    end
  end
end

--- The one-time keys a device has left, in order: strings of id 3, value 32.
function devices.prekeys(device)
  local list = {}
  for i = device.prekey_first, device.prekey_first + devices.prekey_count(device) - 1 do list[#list + 1] = device.prekey_list[i] end
  return list
end

--- How many they are.
function devices.prekey_count(device)
  local first, last = device.prekey_first, device.prekey_last
  if not last then
    last = first - 1
    while device.prekey_list[last + 1] do last = last + 1 end
    device.prekey_last = last
  end
  return last - first + 1
end

--- Adds one-time keys; a key of a known id replaces it (S-203).
function devices.add_prekeys(sandbox, device, list)
  devices.prekey_count(device)
  local known = {}
  for i = device.prekey_first, device.prekey_last do known[device.prekey_list[i]:sub(1, 3)] = i end
  for _, key in ipairs(list) do
    local index = known[key:sub(1, 3)]
    if not index then
      index = device.prekey_last + 1
      device.prekey_last = index
    end
    device.prekey_list[index] = key
    if sandbox.keep then sandbox.store:put("world", prekey_row(device, index), key) end
  end
end

--- Takes the oldest one-time key; nil when there is none left.
function devices.take_prekey(sandbox, device)
  if devices.prekey_count(device) == 0 then return nil end
  local index = device.prekey_first
  local key = device.prekey_list[index]
  device.prekey_list[index] = nil
  device.prekey_first = index + 1
  if sandbox.keep then sandbox.store:delete("world", prekey_row(device, index)) end
  return key
end

--- Forgets an unlinked device's keys.
function devices.forget_keys(sandbox, device)
  while devices.take_prekey(sandbox, device) do end
end

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
    details = details, accountSignature = phone.of(sandbox, account):identity():sign("\6\2" .. details),
  })))
end

-- "2:" and the start of a hash over the sorted device addresses (fact sheet 03 §7).
local function device_hash(sandbox, account, server)
  local agent = server == "lid" and 1 or 0
  local names = {}
  local user = server == "lid" and account.lid or account.pn
  local function add(number) names[#names + 1] = ("%s.%d:%d@%s"):format(user, agent, number, server) end
  add(0)
  for _, device in ipairs(sandbox.accounts:companions(account)) do add(device.number) end
  table.sort(names)
  return "2:" .. (crypto.base64(crypto.sha256(table.concat(names)):sub(1, 6)))
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

-- What a usync answers for one account, by protocol: fn(sandbox, account, server) -> node or nothing.
local protocols = {
  devices = function(sandbox, account) return devices_node(sandbox, account) end,
  lid = function(_, account, server) return server ~= "lid" and stanza.node("lid", { val = account:jid "lid" }) or nil end,
  status = function(sandbox) return stanza.node("status", { t = sandbox.time() }, "") end,
  disappearing_mode = function() return stanza.node("disappearing_mode", { duration = "0", t = "0" }) end,
}

local function contact_node(sandbox, user)
  local contact = stanza.child(user, "contact")
  local text = contact and type(contact.content) == "string" and contact.content or ""
  local account = sandbox.accounts.by_pn[text:match "^%+?(%d+)" or ""]
  local asked = user.attrs.jid or (text:match "^%+?(%d+)" or "0") .. "@s.whatsapp.net"
  return account, account and account:jid() or asked, stanza.node("contact", { type = account and "in" or "out" }, text)
end

local function user_node(sandbox, wanted, user)
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
    content[#content + 1] = fn and fn(sandbox, account, server) or nil
  end
  return stanza.node("user", { jid = jid.bare(asked) }, content), asked
end

--- Answers a usync (S-230): one user for each that is found, in the form it was asked for.
function devices.usync(conn, node)
  local usync = stanza.child(node, "usync")
  local query = usync and stanza.child(usync, "query")
  if not query then return iq.error(conn, node, 400) end
  local wanted, users, seen = {}, {}, {}
  for _, protocol in stanza.children(query) do wanted[protocol.tag] = true end
  for _, user in stanza.children(stanza.child(usync, "list"), "user") do
    local found, asked = user_node(conn.sandbox, wanted, user)
    if found and not seen[asked] then users[#users + 1] = found end
    if asked then seen[asked] = true end
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
    key_index_list(sandbox, account),
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

--- Tells contacts and siblings of a device that came or went (S-047, S-243, S-244).
-- @string change "add" or "remove"
function devices.announce(sandbox, device, change)
  local account = device.account
  for pn in pairs(account.contacts) do
    local contact = sandbox.accounts.by_pn[pn]
    for _, other in ipairs(contact and sandbox.accounts:companions(contact) or {}) do
      notify(sandbox, other, "devices", account, change_node(sandbox, device, change))
    end
  end
  for _, sibling in ipairs(sandbox.accounts:companions(account)) do
    if sibling ~= device then
      notify(sandbox, sibling, "devices", account, change_node(sandbox, device, change))
      notify(sandbox, sibling, "account_sync", account, list_node(sandbox, account))
    end
  end
end

--- The account has nobody online any more, unless another device is.
function devices.unavailable(sandbox, device) require("moonpost.sandbox.presence").device_gone(sandbox, device) end

--- What was kept for a device outside its queue: typing marks and presences (S-606, S-607).
function devices.deliver_late(conn) require("moonpost.sandbox.presence").deliver_late(conn) end

return devices
