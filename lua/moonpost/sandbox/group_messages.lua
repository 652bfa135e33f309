--- Messages in groups: who may write, which devices are handed what, what is said of a message by those who have it, who is typing
-- (fact sheet 08 §12.2, §13, S-630).
-- @module moonpost.sandbox.group_messages
local stanza = require "moonpost.stanza"
local book = require "moonpost.sandbox.group_book"
local devices = require "moonpost.sandbox.devices"
local messages = require "moonpost.sandbox.messages"
local phone = require "moonpost.sandbox.phone"
local sent = require "moonpost.sandbox.sent"

local group_messages = {}

-- What names an author in a group: his name in its mode, and the other (S-420).
local function named(group, device)
  local attrs = { participant = group:device_name(device), addressing_mode = group.mode }
  if group.mode == "lid" then
    attrs.participant_pn = device.account:jid()
  else
    attrs.participant_lid = device.account:jid "lid"
  end
  return attrs
end

-- What every device is handed of a message but its own ciphertext: children with and without the author's proof, attributes.
local function shared_part(conn, node, group, skmsg)
  local plain, proven = messages.shared_children(node), messages.shared_children(node, true)
  if skmsg then
    table.insert(plain, 1, skmsg)
    table.insert(proven, 1, skmsg)
  end
  local attrs = named(group, conn.device)
  attrs.from, attrs.id, attrs.t, attrs.type = node.attrs.to, node.attrs.id, conn.sandbox.time(), node.attrs.type
  attrs.edit, attrs.notify = node.attrs.edit, conn.device.account.name
  return { attrs = attrs, plain = plain, proven = proven, skmsg = skmsg, once = messages.once(node) }
end

-- Its own pairwise ciphertext first, which may bring the sender key, then everybody's (S-420).
local function copy_of(shared, own_enc)
  if not own_enc and not shared.skmsg then return nil end
  if shared.once then return stanza.node("message", shared.attrs, shared.once) end
  local content = shared.plain
  if own_enc then
    local rest = own_enc.attrs.type == "pkmsg" and shared.proven or shared.plain
    content = { own_enc, table.unpack(rest) }
  end
  return stanza.node("message", shared.attrs, content)
end

-- The pairwise ciphertexts by account, then device number; of several for one device the first.
local function addressed(conn, node)
  local found = {}
  for _, to in stanza.children(stanza.child(node, "participants"), "to") do
    local account, number = conn.sandbox.accounts:lookup(to.attrs.jid)
    local enc = stanza.child(to, "enc")
    if account and enc then
      local of_account = found[account] or {}
      found[account], of_account[number] = of_account, of_account[number] or enc
    end
  end
  return found
end

local none = {}

local function distribute(conn, node, group)
  local sandbox, encs, others = conn.sandbox, addressed(conn, node), {}
  local shared = shared_part(conn, node, group, messages.shared_enc(node))
  for _, account in ipairs(group:accounts()) do
    phone.take_group(sandbox, account, conn.device, node, node.attrs.to, (encs[account] or none)[0], shared.skmsg)
    for _, device in ipairs(sandbox.accounts:reachable(account)) do
      if device ~= conn.device then others[#others + 1] = device end
    end
  end
  sandbox.spread:hand_out(others, function(device) return copy_of(shared, (encs[device.account] or none)[device.number]) end)
end

-- A message brought again to the one device that asked for it (S-422): of two ciphertexts the one at the top counts.
local function bring_again(conn, node, group)
  local sandbox = conn.sandbox
  local account, number = sandbox.accounts:lookup(node.attrs.participant)
  local enc = stanza.child(node, "enc") or stanza.path(node, "participants", "to", "enc")
  if not account or not enc or not group:has(account) or account.crowd then return end
  if number == 0 then return phone.take_group(sandbox, account, conn.device, node, node.attrs.to, enc) end
  local device = account.devices[number]
  if device and device.active and device ~= conn.device then device.queue:push(copy_of(shared_part(conn, node, group), enc)) end
end

-- The hashes of all devices in a group, without each of its author's: what a client may know of it (03 §7). Kept until somebody
-- comes or goes, with or without a device.
local function hashes(sandbox, group, own)
  local kept = group.hashes
  if not kept or kept.people ~= group.people or kept.changes ~= sandbox.accounts.changes then
    local names = {}
    for _, account in ipairs(group:accounts()) do
      names[#names + 1] = group:name(account)
      for _, device in ipairs(sandbox.accounts:companions(account)) do names[#names + 1] = group:device_name(device) end
    end
    kept = { people = group.people, changes = sandbox.accounts.changes, names = names, all = devices.hash_of(names), without = {} }
    group.hashes = kept
  end
  if not kept.without[own] then
    local others = {}
    for _, name in ipairs(kept.names) do
      if name ~= own then others[#others + 1] = name end
    end
    kept.without[own] = devices.hash_of(others)
  end
  return kept.all, kept.without[own]
end

-- The client's hash counts with or without its own device, in either alphabet; a wrong one is answered with the right one.
local function stale_hash(conn, node, group)
  local told = node.attrs.phash
  if not told then return nil end
  told = told:gsub("-", "+"):gsub("_", "/")
  local all, without = hashes(conn.sandbox, group, group:device_name(conn.device))
  return told ~= all and told ~= without and all or nil
end

-- Whether it only answers what others said: a reaction, a vote, a response, a comment. Members do so to announcements too (05 §8.5).
local function is_answer(node)
  local meta = stanza.child(node, "meta")
  local about = meta and meta.attrs or {}
  return node.attrs.type == "reaction" or about.polltype == "vote" or about.event_type == "response" or about.thread_msg_id ~= nil
end

-- Why an account may not write this (S-421, 05 §8): in a group for admins' announcements, somebody else's message taken back.
local function may_write(group, account, node)
  if not group:has(account) then return false end
  if group:is_admin(account) then return true end
  return node.attrs.edit ~= "8" and (not group.settings.announcement or is_answer(node))
end

local function refuse(conn, node, about) messages.ack(conn, node, about) end

--- A message of a client to a group.
function group_messages.message(conn, node)
  local sandbox, account = conn.sandbox, conn.device.account
  local group = book.of(sandbox):lookup(node.attrs.to)
  if not node.attrs.id then return conn:refuse() end
  if not group then return refuse(conn, node, { error = 404 }) end
  if not may_write(group, account, node) then return refuse(conn, node, { error = 403 }) end
  if node.attrs.addressing_mode and node.attrs.addressing_mode ~= group.mode then
    return refuse(conn, node, { error = 421, addressing_mode = group.mode })
  end
  local now = sandbox.time()
  if node.attrs.participant then
    bring_again(conn, node, group)
    return messages.ack(conn, node, { t = now })
  end
  local answered = messages.answered_before(conn.device, node, now)
  sandbox:count(answered and "repeated" or "messages")
  if not answered then
    sent.of(sandbox, account):add(node.attrs.id, group.id)
    distribute(conn, node, group)
  end
  messages.ack(conn, node, { t = answered or now, phash = stale_hash(conn, node, group) })
end

-- Of the ids in a receipt those its author wrote in the group.
local function written(sandbox, author, group, ids)
  local list, all = {}, sent.of(sandbox, author)
  for _, id in ipairs(ids) do
    if all:chat_of(id) == group.id then list[#list + 1] = id end
  end
  return list
end

-- Whom a receipt is for: everybody's of its author, the one that is named, or the reader's own.
local function listeners(conn, how, author, number)
  if how == "one" then return { author.devices[number] } end
  return conn.sandbox.accounts:reachable(how == "own" and conn.device.account or author)
end

--- A receipt for a message in a group (S-504, S-505): to the devices of its author, a retry receipt to the one that is named, what
-- was read in silence to the reader's own.
-- @tparam ?string how "all", "one", "own"; nil: to nobody
-- @tparam table ids it names
-- @tparam func content_of fn(ids) -> its content for so many ids
function group_messages.receipt(conn, node, how, ids, content_of)
  local sandbox, group = conn.sandbox, book.of(conn.sandbox):lookup(node.attrs.to)
  local author, number = sandbox.accounts:lookup(node.attrs.participant)
  if how == "phone" or not how or not group or not author or not group:has(conn.device.account) then return end
  if how == "one" and number == 0 and not author.crowd then return phone.retry(sandbox, author, conn.device, node) end
  local known = how == "own" and ids or written(sandbox, author, group, ids)
  if #known == 0 then
    return sandbox:note(("%s: a receipt for what %s did not write to %s"):format(tostring(conn), author:jid(), node.attrs.to))
  end
  local attrs = named(group, conn.device)
  attrs.addressing_mode, attrs.participant_lid = nil, nil
  attrs.from, attrs.id, attrs.t, attrs.type = node.attrs.to, known[1], sandbox.time(), node.attrs.type
  local copy = stanza.node("receipt", attrs, content_of(known))
  for _, device in ipairs(listeners(conn, how, author, number)) do
    if device ~= conn.device and device.active and not device.crowd then device.queue:push(copy) end
  end
end

--- Typing in a group: to the devices of all members but the one it comes from.
-- @tparam func deliver_state fn(device, node, of): `of` names group and author
function group_messages.chatstate(conn, node, state, deliver_state)
  local group = book.of(conn.sandbox):lookup(node.attrs.to)
  local account = conn.device.account
  if not group or not group:has(account) then return end
  local copy = stanza.node("chatstate", {
    from = node.attrs.to, participant = group:name(account), participant_pn = group.mode == "lid" and account:jid() or nil,
  }, state)
  for _, one in ipairs(group:accounts()) do
    for _, device in ipairs(conn.sandbox.accounts:reachable(one)) do
      if device ~= conn.device then deliver_state(device, copy, group.id .. ":" .. account.pn) end
    end
  end
end

return group_messages
