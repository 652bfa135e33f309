--- Groups: made, asked about, and their messages relayed (fact sheet 08 §16, §12.2). All are addressed by LID.
--   world "g" id -> group (JSON)
-- @module moonpost.sandbox.groups
local core = require "moonpost.core"
local json = require "cjson.safe"
local stanza = require "moonpost.stanza"
local devices = require "moonpost.sandbox.devices"
local iq = require "moonpost.sandbox.iq"
local messages = require "moonpost.sandbox.messages"
local phone = require "moonpost.sandbox.phone"
local sent = require "moonpost.sandbox.sent"

local crypto, jid = core.crypto, core.wire.jid

local SERVER = "g.us"

local groups = {}

-- The groups of a sandbox by id, read at first need.
local function all(sandbox)
  if sandbox.groups then return sandbox.groups end
  sandbox.groups = {}
  for _, row in ipairs(sandbox.store:range("world", "g")) do
    local group = assert(json.decode(row[2]))
    group.created = assert(math.tointeger(group.created))
    sandbox.groups[group.id] = group
  end
  return sandbox.groups
end

--- The group a JID names; nil when there is none.
function groups.lookup(sandbox, text)
  local user, server = jid.parse(text or "")
  return server == SERVER and all(sandbox)[user] or nil
end

--- A group's JID.
function groups.jid(group) return jid.make(group.id, SERVER) end

--- The accounts of a group's members, in the order they came.
function groups.members(sandbox, group)
  local list = {}
  for i, member in ipairs(group.members) do list[i] = assert(sandbox.accounts.by_pn[member.pn]) end
  return list
end

--- Whether an account is in a group.
function groups.has(group, account)
  for _, member in ipairs(group.members) do
    if member.pn == account.pn then return true end
  end
  return false
end

-- As queries, answers and notifications show it (S-700).
local function group_node(sandbox, group, unknown)
  local creator = assert(sandbox.accounts.by_pn[group.creator])
  local list = {}
  for i, member in ipairs(group.members) do
    local account = assert(sandbox.accounts.by_pn[member.pn])
    list[i] = stanza.node("participant", { jid = account:jid "lid", phone_number = account:jid(), type = member.rank })
  end
  for _, one in ipairs(unknown or {}) do list[#list + 1] = stanza.node("participant", { jid = one, error = 404 }) end
  return stanza.node("group", {
    id = group.id, subject = group.subject, creation = group.created, creator = creator:jid "lid", creator_pn = creator:jid(),
    s_t = group.created, s_o = creator:jid "lid", s_o_pn = creator:jid(), size = #group.members, addressing_mode = "lid",
  }, list)
end

-- Tells every device of the members, those of who did it too (S-702).
local function notify(sandbox, group, actor, action)
  local id = sandbox:next_id()
  for _, account in ipairs(groups.members(sandbox, group)) do
    for _, device in ipairs(sandbox.accounts:companions(account)) do
      device.queue:push(stanza.node("notification", {
        type = "w:gp2", from = groups.jid(group), to = device:jid "lid", id = id, t = sandbox.time(), participant = actor:jid "lid",
        participant_pn = actor:jid(), notify = actor.name, addressing_mode = "lid",
      }, action))
    end
  end
end

local function new_id(sandbox)
  local id
  repeat id = ("120363%012d"):format((">I8"):unpack(crypto.random(8)) % 1000000000000) until not all(sandbox)[id]
  return id
end

--- Makes a group (S-701, S-702): its creator is in it, and everybody is told.
-- @tparam table creator account
-- @string subject
-- @tparam table accounts of the others
-- @treturn table group
function groups.create(sandbox, creator, subject, accounts)
  local group = {
    id = new_id(sandbox), subject = subject, creator = creator.pn, created = sandbox.time(),
    members = { { pn = creator.pn, rank = "superadmin" } },
  }
  for _, account in ipairs(accounts) do
    if not groups.has(group, account) then table.insert(group.members, { pn = account.pn }) end
  end
  all(sandbox)[group.id] = group
  sandbox.store:put("world", "g" .. group.id, assert(json.encode(group)))
  local members = groups.members(sandbox, group)
  for i, one in ipairs(members) do
    for j = i + 1, #members do sandbox.accounts:acquaint(one, members[j]) end
  end
  notify(sandbox, group, creator, stanza.node("create", { type = "new", key = crypto.hex(crypto.random(16)) }, group_node(sandbox, group)))
  return group
end

local function create(conn, node, wanted)
  local sandbox, accounts, unknown = conn.sandbox, {}, {}
  for _, one in stanza.children(wanted, "participant") do
    local account = sandbox.accounts:lookup(one.attrs.jid)
    if account then accounts[#accounts + 1] = account else unknown[#unknown + 1] = one.attrs.jid end
  end
  local group = groups.create(sandbox, conn.device.account, wanted.attrs.subject or "", accounts)
  iq.result(conn, node, group_node(sandbox, group, unknown))
end

local function participating(conn, node)
  local list = {}
  for _, group in pairs(all(conn.sandbox)) do
    if groups.has(group, conn.device.account) then list[#list + 1] = group end
  end
  table.sort(list, function(a, b) return a.id < b.id end)
  for i, group in ipairs(list) do list[i] = group_node(conn.sandbox, group) end
  iq.result(conn, node, stanza.node("groups", nil, list))
end

--- Any query of the namespace "w:g2".
function groups.query(conn, node)
  local child = stanza.child(node)
  local tag, set = child and child.tag, node.attrs.type == "set"
  if node.attrs.to == SERVER then
    if tag == "participating" and not set then return participating(conn, node) end
    if tag == "create" and set then return create(conn, node, child) end
    return iq.error(conn, node, 501)
  end
  local group = groups.lookup(conn.sandbox, node.attrs.to)
  if not group then return iq.error(conn, node, 404) end
  if not groups.has(group, conn.device.account) then return iq.error(conn, node, 403) end
  if tag ~= "query" or set then return iq.error(conn, node, 501) end
  iq.result(conn, node, group_node(conn.sandbox, group))
end

-- What a device is handed: its own pairwise ciphertext first, which may bring the sender key, then everybody's (S-420).
local function deliver(conn, node, device, own_enc, shared)
  local content = messages.shared_children(node, own_enc and own_enc.attrs.type == "pkmsg")
  if shared then table.insert(content, 1, shared) end
  if own_enc then table.insert(content, 1, own_enc) end
  if not own_enc and not shared then return end
  local account = conn.device.account
  device.queue:push(stanza.node("message", {
    from = node.attrs.to, participant = conn.device:jid "lid", participant_pn = account:jid(), addressing_mode = "lid",
    id = node.attrs.id, t = conn.sandbox.time(), type = node.attrs.type, edit = node.attrs.edit, notify = account.name,
  }, content))
end

-- The pairwise ciphertexts by device, "number:device"; of several for one device the first.
local function addressed(conn, node)
  local found = {}
  for _, to in stanza.children(stanza.child(node, "participants"), "to") do
    local account, number = conn.sandbox.accounts:lookup(to.attrs.jid)
    local enc = stanza.child(to, "enc")
    local key = account and enc and ("%s:%d"):format(account.pn, number)
    if key and not found[key] then found[key] = enc end
  end
  return found
end

local function find_shared(node)
  for _, enc in stanza.children(node, "enc") do
    if enc.attrs.type == "skmsg" then return enc end
  end
end

local function distribute(conn, node, group)
  local sandbox, encs, shared = conn.sandbox, addressed(conn, node), find_shared(node)
  for _, account in ipairs(groups.members(sandbox, group)) do
    local for_phone = encs[account.pn .. ":0"]
    if for_phone then phone.read(sandbox, account, conn.device, for_phone) end
    for _, device in ipairs(sandbox.accounts:companions(account)) do
      if device ~= conn.device then
        deliver(conn, node, device, encs[("%s:%d"):format(account.pn, device.number)], shared)
      end
    end
  end
end

-- A message brought again to the one device that asked for it (S-422): of two ciphertexts the one at the top counts.
local function bring_again(conn, node, group)
  local sandbox = conn.sandbox
  local account, number = sandbox.accounts:lookup(node.attrs.participant)
  local enc = stanza.child(node, "enc") or stanza.path(node, "participants", "to", "enc")
  if not account or not enc or not groups.has(group, account) then return end
  if number == 0 then return phone.read(sandbox, account, conn.device, enc) end
  local device = account.devices[number]
  if device and device.active and device ~= conn.device then deliver(conn, node, device, enc) end
end

-- The client's hash counts with or without its own device, in either alphabet; a wrong one is answered with the right one (03 §7).
local function stale_hash(conn, node, group)
  local told = node.attrs.phash
  if not told then return nil end
  local names, own = {}, conn.device:jid "lid"
  for _, account in ipairs(groups.members(conn.sandbox, group)) do
    names[#names + 1] = account:jid "lid"
    for _, device in ipairs(conn.sandbox.accounts:companions(account)) do names[#names + 1] = device:jid "lid" end
  end
  local right = devices.hash_of(names)
  told = told:gsub("-", "+"):gsub("_", "/")
  if told == right then return nil end
  for i, name in ipairs(names) do
    if name == own then table.remove(names, i) break end
  end
  return told ~= devices.hash_of(names) and right or nil
end

--- A message of a client to a group.
function groups.message(conn, node)
  local sandbox, group = conn.sandbox, groups.lookup(conn.sandbox, node.attrs.to)
  if not node.attrs.id then return conn:refuse() end
  if not group then return messages.refuse(conn, node, 404) end
  if not groups.has(group, conn.device.account) then return messages.refuse(conn, node, 403) end
  local now = sandbox.time()
  if node.attrs.participant then
    bring_again(conn, node, group)
    return messages.ack(conn, node, { t = now })
  end
  local answered = messages.answered_before(conn.device, node, now)
  if not answered then
    sent.of(sandbox, conn.device.account):add(node.attrs.id, group.id)
    distribute(conn, node, group)
  end
  messages.ack(conn, node, { t = answered or now, phash = stale_hash(conn, node, group) })
end

--- A receipt for a message in a group (S-504, S-505): to the devices of its author, a retry receipt to the one that is named.
-- @tparam table kinds how each type is routed: "all", "one" or nil
function groups.receipt(conn, node, kinds)
  local sandbox, group = conn.sandbox, groups.lookup(conn.sandbox, node.attrs.to)
  local author, number = sandbox.accounts:lookup(node.attrs.participant)
  local how = kinds[node.attrs.type or "delivery"]
  if not group or not author or not groups.has(group, conn.device.account) or how ~= "all" and how ~= "one" then return end
  if sent.of(sandbox, author):chat_of(node.attrs.id) ~= group.id then
    return sandbox:note(("%s: a receipt for what %s did not write to %s"):format(tostring(conn), author:jid(), node.attrs.to))
  end
  local copy = stanza.node("receipt", {
    from = node.attrs.to, participant = conn.device:jid "lid", participant_pn = conn.device.account:jid(), id = node.attrs.id,
    t = sandbox.time(), type = node.attrs.type,
  }, node.content)
  for _, device in ipairs(sandbox.accounts:companions(author)) do
    if device ~= conn.device and (how == "all" or device.number == number) then device.queue:push(copy) end
  end
end

return groups
