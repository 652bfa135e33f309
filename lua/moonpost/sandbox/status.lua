--- Status posts (fact sheet 08 S-423, 03 §11.1): what somebody shows to those named in the stanza, for a day; and what people send to
-- lists, which only phones do.
-- @module moonpost.sandbox.status
local core = require "moonpost.core"
local iq = require "moonpost.sandbox.iq"
local messages = require "moonpost.sandbox.messages"
local phone = require "moonpost.sandbox.phone"
local sent = require "moonpost.sandbox.sent"
local stanza = require "moonpost.stanza"

local crypto, jid = core.crypto, core.wire.jid

local CHAT = "0" -- what stands for this place where `sent` files a number

local status = { JID = "status@broadcast" }

--- Whether a JID is that of status posts.
function status.is(text) return text == status.JID end

-- Whom the stanza names: accounts in order, and the pairwise ciphertexts by "number:device", of several for one device the first.
local function audience(conn, node)
  local accounts, encs, seen = { conn.device.account }, {}, { [conn.device.account] = true }
  for _, to in stanza.children(stanza.child(node, "participants"), "to") do
    local account, number = conn.sandbox.accounts:lookup(to.attrs.jid)
    local enc, key = stanza.child(to, "enc"), account and ("%s:%d"):format(account.pn, number)
    if account and not seen[account] then
      seen[account] = true
      accounts[#accounts + 1] = account
    end
    if account and enc and not encs[key] then encs[key] = enc end
  end
  return accounts, encs
end

-- What a device is handed: its own ciphertext first, which may bring the sender key. Newer clients know it under a tag of its own.
local function deliver(conn, node, device, own_enc, shared)
  if not own_enc and not shared then return end
  local account, content = conn.device.account, messages.shared_children(node, own_enc and own_enc.attrs.type == "pkmsg")
  if shared then table.insert(content, 1, shared) end
  if own_enc then table.insert(content, 1, own_enc) end
  local tag = conn.sandbox.status_tag and "status" or "message"
  device.queue:push(stanza.node(tag, {
    from = status.JID, participant = conn.device:jid "lid", participant_pn = account:jid(), id = node.attrs.id, t = conn.sandbox.time(),
    type = node.attrs.type, edit = node.attrs.edit, notify = tag == "message" and account.name or nil,
  }, content))
end

local function distribute(conn, node)
  local sandbox, shared = conn.sandbox, messages.shared_enc(node)
  local accounts, encs = audience(conn, node)
  for _, account in ipairs(accounts) do
    local for_phone = encs[account.pn .. ":0"]
    phone.take_group(sandbox, account, conn.device, node, status.JID, for_phone, shared)
    for _, device in ipairs(sandbox.accounts:companions(account)) do
      if device ~= conn.device then deliver(conn, node, device, encs[("%s:%d"):format(account.pn, device.number)], shared) end
    end
  end
end

-- A post brought again to the one device that asked for it (S-422).
local function bring_again(conn, node)
  local account, number = conn.sandbox.accounts:lookup(node.attrs.participant)
  local enc = stanza.child(node, "enc") or stanza.path(node, "participants", "to", "enc")
  if not account or not enc then return end
  if number == 0 then return phone.take(conn.sandbox, account, conn.device, node, enc) end
  local device = account.devices[number]
  if device and device.active and device ~= conn.device then deliver(conn, node, device, enc) end
end

--- A post of a client, or a reaction to one.
function status.message(conn, node)
  local sandbox = conn.sandbox
  if not node.attrs.id then return conn:refuse() end
  local now = sandbox.time()
  if node.attrs.participant then
    bring_again(conn, node)
    return messages.ack(conn, node, { t = now })
  end
  local answered = messages.answered_before(conn.device, node, now)
  sandbox:count(answered and "repeated" or "messages")
  if not answered then
    sent.of(sandbox, conn.device.account):add(node.attrs.id, CHAT)
    distribute(conn, node)
  end
  messages.ack(conn, node, { t = answered or now })
end

--- A receipt for a post (S-504): to the devices of its author, a retry receipt to the one that is named.
-- @tparam table kinds how each type is routed: "all", "one" or nil
-- @tparam table ids it names
-- @tparam func content_of fn(ids) -> its content for so many ids
function status.receipt(conn, node, kinds, ids, content_of)
  local sandbox = conn.sandbox
  local author, number = sandbox.accounts:lookup(node.attrs.participant)
  local how = kinds[node.attrs.type or "delivery"]
  if not author or how ~= "all" and how ~= "one" then return end
  local written, known = sent.of(sandbox, author), {}
  for _, id in ipairs(ids) do
    if written:chat_of(id) == CHAT then known[#known + 1] = id end
  end
  if #known == 0 then
    return sandbox:note(("%s: a receipt for a status post %s did not make"):format(tostring(conn), author:jid()))
  end
  local copy = stanza.node("receipt", {
    from = status.JID, participant = conn.device:jid "lid", participant_pn = conn.device.account:jid(), id = known[1],
    t = sandbox.time(), type = node.attrs.type,
  }, content_of(known))
  for _, device in ipairs(sandbox.accounts:companions(author)) do
    if device ~= conn.device and (how == "all" or device.number == number) then device.queue:push(copy) end
  end
end

local types = { "contacts", "blacklist", "whitelist" }

--- Who sees an account's posts by its own setting (07 §5.4): the phone sets it. All lists are told, of which one counts.
function status.query(conn, node)
  if node.attrs.type ~= "get" or not stanza.child(node, "privacy") then return iq.error(conn, node, 501) end
  local account, lists = conn.device.account, {}
  local chosen = account.status_privacy or { setting = "contacts", people = {} }
  for i, type in ipairs(types) do
    local users = {}
    if type == chosen.setting then
      for j, pn in ipairs(chosen.people) do users[j] = stanza.node("user", { jid = conn.sandbox.accounts.by_pn[pn]:jid() }) end
    end
    lists[i] = stanza.node("list", { type = type, default = type == chosen.setting and "true" or nil }, users)
  end
  iq.result(conn, node, stanza.node("privacy", nil, lists))
end

--- The phone of an account sends a text to a list of people: to the linked devices of each, one by one. The list's JID.
-- @tparam table author account
-- @tparam table accounts of the list
-- @string text
function status.broadcast(sandbox, author, accounts, text)
  local list = jid.make(("%d"):format((">I6"):unpack(crypto.random(6))), "broadcast")
  local id = crypto.hex(crypto.random(10)):upper()
  for _, account in ipairs(accounts) do
    sandbox.accounts:acquaint(author, account)
    sent.of(sandbox, author):add(id, account.pn)
    for _, device in ipairs(sandbox.accounts:companions(account)) do
      phone.of(sandbox, author):address(device, { from = list, participant = author:jid "lid", participant_pn = author:jid(),
        notify = author.name, id = id }, { conversation = text })
    end
  end
  return list, id
end

return status
