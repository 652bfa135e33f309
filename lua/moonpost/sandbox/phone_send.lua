--- What the owner of a simulated phone sends from it: texts and files, to a person or a group. The phone encrypts for each linked device
-- by itself; the other phones are told in a trustier way, without a wire between.
-- @module moonpost.sandbox.phone_send
local core = require "moonpost.core"
local book = require "moonpost.sandbox.group_book"
local kinds = require "moonpost.sandbox.phone_kinds"
local phone = require "moonpost.sandbox.phone"
local phone_files = require "moonpost.sandbox.phone_files"
local sent = require "moonpost.sandbox.sent"

local crypto = core.crypto

local phone_send = {}

-- Writes to the linked devices of an account; `attrs` of the stanza, without id and type.
local function to_devices(self, account, out, attrs, message)
  for _, device in ipairs(self.sandbox.accounts:reachable(account)) do
    local own = { id = out.id }
    for name, value in pairs(attrs) do own[name] = value end
    self:write_to(device, own, message, out)
  end
end

-- To a person, and to the sender's own devices as a copy (S-401, S-402).
local function to_person(self, target, out)
  local sandbox, author = self.sandbox, self.account
  sandbox.accounts:introduce(author, target)
  sandbox.accounts:acquaint(author, target)
  sent.of(sandbox, author):add(out.id, target.pn)
  phone.keep_sent(self, out, { target }, { chat = target })
  if target ~= author then
    to_devices(self, target, out, { from = author:jid "lid", sender_pn = author:jid(), notify = author.name }, out.message)
  end
  to_devices(self, author, out, {
    from = author:jid "lid", recipient = target:jid "lid", peer_recipient_pn = target:jid(),
  }, { deviceSentMessage = { destinationJid = target:jid "lid", message = out.message } })
  return target:jid "lid"
end

local function to_group(self, group, out)
  local author = self.account
  if not group:has(author) then return nil, core.error("forbidden", "the phone is not in the group") end
  sent.of(self.sandbox, author):add(out.id, group.id)
  phone.keep_sent(self, out, group:accounts(), { group = group:jid() })
  local attrs = { from = group:jid(), participant = group:name(author), addressing_mode = group.mode, notify = author.name }
  if group.mode == "lid" then attrs.participant_pn = author:jid() else attrs.participant_lid = author:jid "lid" end
  for _, account in ipairs(group:accounts()) do to_devices(self, account, out, attrs, out.message) end
  return group:jid()
end

-- Sends one message; its id, and the chat's JID.
local function send_one(self, to, message, secret)
  message.messageContextInfo = message.messageContextInfo or { messageSecret = secret or crypto.random(32) }
  local type, mediatype = kinds.stanza(message)
  local _, once = kinds.unwrap(message)
  local out = { id = crypto.hex(crypto.random(16)):upper(), message = message, type = type, mediatype = mediatype, once = once }
  local group = book.of(self.sandbox):lookup(to)
  if group then
    local chat, err = to_group(self, group, out)
    return chat and out.id, chat or err
  end
  local target = self.sandbox.accounts:lookup(to)
  if not target then return nil, core.error("no-such-chat", ("nobody and no group is '%s'"):format(tostring(to))) end
  return out.id, to_person(self, target, out)
end

local function build(self, spec)
  if type(spec) == "string" then return { conversation = spec } end
  if spec.text then return { conversation = spec.text } end
  return kinds.build(spec, function(source, kind) return phone_files.upload(self.sandbox, source, kind) end)
end

-- The album's own message first, then each picture or video as one of it.
local function send_album(self, to, list)
  local head, err = kinds.album(list)
  if not head then return nil, err end
  local id, chat = send_one(self, to, head)
  if not id then return nil, chat end
  local ids = { id }
  for _, spec in ipairs(list) do
    local message
    message, err = build(self, spec)
    if not message then return nil, err end
    ids[#ids + 1], err = send_one(self, to, kinds.of_album(message, { remoteJid = chat, fromMe = true, id = id }))
    if not ids[#ids] then return nil, err end
  end
  return id, ids
end

--- The owner of a phone sends something from it.
-- @param sandbox
-- @tparam table account whose phone
-- @string to JID of a person or a group
-- @param spec a text; { text = }; { image = SOURCE, caption = … } and the like (see phone_kinds.build); { album = { spec, … } }. A SOURCE
--   is { bytes = }, { file = path }, a path, or fn() -> bytes | nil
-- @treturn ?string id of the message
-- @treturn ?table err; of an album the ids of all its messages
function phone_send.send(sandbox, account, to, spec)
  local self = phone.of(sandbox, account)
  if type(spec) == "table" and spec.album then return send_album(self, to, spec.album) end
  local message, err = build(self, spec)
  if not message then return nil, err end
  local id
  id, err = send_one(self, to, message)
  if not id then return nil, err end
  return id
end

return phone_send
