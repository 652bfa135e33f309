--- What a simulated phone has read and written (fact sheet 08 S-308, S-310): the newest messages, for whoever asks for one again.
-- @module moonpost.sandbox.phone_mail
local core = require "moonpost.core"
local kinds = require "moonpost.sandbox.phone_kinds"
local phone_files = require "moonpost.sandbox.phone_files"
local recent = require "moonpost.sandbox.recent"
local retries = require "moonpost.sandbox.retries"

local proto = core.proto

local phone_mail = {}

-- Keeps a message, and its file.
local function keep(self, id, one)
  one.id, one.time, one.file = id, one.time or self.sandbox.time(), kinds.file(one.message)
  recent.put(self.kept, id, one)
  if one.file then phone_files.keep(self, id, one.file) end
end

--- Keeps what the phone itself, or the phone of somebody in the same chat, has sent.
-- @tparam table self phone
-- @string id
-- @tparam table one chat (account) or group (JID), author (account), message
function phone_mail.keep(self, id, one)
  one.from_me, one.name = one.author == self.account, one.author.name
  keep(self, id, one)
end

-- Asks the sender for what cannot be read, as any device does (S-308).
local function ask_again(self, letter, err)
  local device = letter.device
  local key = ("%s:%d\0%s"):format(device.account.pn, device.number, letter.node.attrs.id)
  local count = (recent.get(self.asked, key) or 0) + 1
  local receipt = retries.receipt(self.signal, letter.node, count, err)
  if not receipt then return end
  recent.put(self.asked, key, count)
  receipt.attrs.from, receipt.attrs.t = self.account:jid(letter.server), self.sandbox.time()
  receipt.attrs.recipient = device.account == self.account and letter.chat:jid(letter.server) or nil
  device.queue:push(receipt)
end

local function unreadable(self, device, what)
  self.sandbox:note(("the phone of %s cannot read a message of %s: %s"):format(self.account.pn, device:jid(), what))
end

--- Reads what a device wrote to a phone, in step with its ratchet (S-308).
-- @treturn ?table Message
-- @treturn ?table err what is wrong with it
function phone_mail.read(self, device, enc)
  local known = (enc.attrs.type == "msg" or enc.attrs.type == "pkmsg") and type(enc.content) == "string"
  local plaintext, err
  if known then plaintext, err = self.signal:decrypt(device:jid "lid", enc.attrs.type, enc.content) end
  if plaintext then return proto.decode("Message", plaintext) end
  unreadable(self, device, tostring(err or enc.attrs.type))
  return nil, err
end

-- Of a group's letters: the sender key, and the message under it where there is one.
local function read_group(self, letter)
  local device, group, message = letter.device, letter.group, nil
  local address = device:jid "lid"
  if letter.enc then
    message = phone_mail.read(self, device, letter.enc)
    local told = message and message.senderKeyDistributionMessage
    if told then self.signal:process_sender_key(group, address, told.axolotlSenderKeyDistributionMessage or "") end
  end
  if letter.shared then
    local plaintext, err = self.signal:decrypt_group(group, address, letter.shared.content)
    if not plaintext then return unreadable(self, device, tostring(err)) end
    message = proto.decode("Message", plaintext)
  end
  if not message then return end
  if not kinds.file(message) then return end
  phone_mail.keep(self, letter.node.attrs.id, { group = group, author = device.account, message = message })
end

--- Reads a letter: a message of a chat is kept, or asked for again; of a group those with files are.
function phone_mail.open(self, letter)
  if letter.group then return read_group(self, letter) end
  local message, err = phone_mail.read(self, letter.device, letter.enc)
  if not letter.chat then return end
  if err then return ask_again(self, letter, err) end
  if not message then return end
  local author, own = letter.device.account, letter.device.account == self.account
  phone_mail.keep(self, letter.node.attrs.id, {
    chat = own and letter.chat or author, author = author,
    message = own and message.deviceSentMessage and message.deviceSentMessage.message or message,
  })
end

--- What the phone has of a message somebody's companion could not read; an empty result when it has nothing (S-310).
function phone_mail.resend(self, request)
  local results = {}
  for _, one in ipairs(request.placeholderMessageResendRequest or {}) do
    local key = one.messageKey or {}
    local kept = recent.get(self.kept, tostring(key.id))
    local chat = self.sandbox.accounts:lookup(key.remoteJid)
    if kept and kept.chat and kept.chat == chat and kept.from_me == (key.fromMe or false) then
      results[#results + 1] = { placeholderMessageResendResponse = { webMessageInfoBytes = assert(proto.encode("WebMessageInfo", {
        key = { remoteJid = chat:jid(), fromMe = kept.from_me, id = key.id }, message = kept.message, messageTimestamp = kept.time,
        pushName = kept.name,
      })) } }
    end
  end
  return results
end

-- As whoever asks sees it.
local function shown(self, one)
  local file = one.file
  return {
    id = one.id, chat = one.group or one.chat:jid "lid", sender = one.author:jid "lid", from_me = one.from_me, name = one.name,
    time = one.time, message = one.message,
    media = file and {
      kind = file.kind, type = file.type, reference = file.reference, view_once = file.once,
      bytes = function() return phone_files.bytes(self, one.id, file) end,
    } or nil,
  }
end

--- One message of the phone's, by its id.
-- @treturn ?table id, chat, sender (JIDs), from_me, name, time, message (Message); media: kind, type, reference, view_once, and
--   `bytes()` -> the file, checked, or nil and an error
function phone_mail.find(self, id)
  local one = recent.get(self.kept, id)
  return one and shown(self, one)
end

--- All it has, the oldest first.
function phone_mail.list(self)
  local list = {}
  for _, one in recent.each(self.kept) do list[#list + 1] = shown(self, one) end
  return list
end

return phone_mail
