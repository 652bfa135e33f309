--- History a phone gives its companions (fact sheet 04 §12, 06 §13, 08 S-304, S-305): after the first login in the usual order of types,
-- 0, 4, 1, 5, 3 …, 2; on demand for one chat; and once more where a companion could not read a chunk.
-- @module moonpost.sandbox.history
local core = require "moonpost.core"
local past = require "moonpost.sandbox.history_past"
local recent = require "moonpost.sandbox.recent"
local stanza = require "moonpost.stanza"
local task = require "moonpost.task"

local crypto, proto = core.crypto, core.proto

local FIRST = 5     -- messages of each chat in the first chunk
local LOST = 100    -- chunks of a phone it can give once more
local ASKED_MOST = 500

local history = {}

-- A field with a length: tag, length, content.
local function field(number, content)
  local length, out = #content, { string.char(number << 3 | 2) }
  while length > 127 do
    out[#out + 1] = string.char(length & 127 | 128)
    length = length >> 7
  end
  out[#out + 1] = string.char(length)
  out[#out + 1] = content
  return table.concat(out)
end

-- What was written and heard live, with one person: WebMessageInfos, the newest first.
local function live(phone, chat)
  local list = {}
  for id, kept in pairs(phone.kept.values) do
    if chat.account and kept.chat == chat.account then
      list[#list + 1] = {
        key = { remoteJid = chat.id, fromMe = kept.from_me, id = id }, message = kept.message, messageTimestamp = kept.time,
        pushName = not kept.from_me and kept.name or nil, status = kept.from_me and "SERVER_ACK" or nil,
      }
    end
  end
  table.sort(list, function(a, b)
    if a.messageTimestamp ~= b.messageTimestamp then return a.messageTimestamp > b.messageTimestamp end
    return a.key.id > b.key.id
  end)
  return list
end

-- A chat's fields besides its messages.
local function about(account, chat, more)
  local members = {}
  for i, member in ipairs(chat.members or {}) do
    members[i] = { userJid = member:jid "lid", rank = i == 1 and "SUPERADMIN" or "REGULAR" }
  end
  return {
    id = chat.id, name = chat.name, displayName = not chat.group and chat.name or nil,
    conversationTimestamp = account.past.now - chat.number, unreadCount = 0, endOfHistoryTransfer = true,
    archived = chat.number == 2 or nil,
    endOfHistoryTransferType = more and "COMPLETE_BUT_MORE_MESSAGES_REMAIN_ON_PRIMARY"
      or "COMPLETE_AND_NO_MORE_MESSAGE_REMAIN_ON_PRIMARY",
    pnJid = not chat.group and chat.id == chat.lid and chat.pn or nil,
    lidJid = not chat.group and chat.id == chat.pn and chat.lid or nil,
    participant = #members > 0 and members or nil,
  }
end

-- A Conversation with messages from number `from` down to `to`, and those of `above` before them.
local function conversation(account, chat, from, to, above)
  local fields = about(account, chat, to > 1)
  local out = { assert(proto.encode("Conversation", { id = chat.id })) }
  for _, info in ipairs(above or {}) do out[#out + 1] = field(2, past.encode(info)) end
  for n = from, to, -1 do out[#out + 1] = field(2, past.encode(past.message(account, chat, n), n)) end
  fields.id = chat.id
  out[#out + 1] = assert(proto.encode("Conversation", fields)):sub(#out[1] + 1)
  return table.concat(out)
end

-- The names that go with a chunk: other names of the people the account knows.
local function mappings(phone, chats)
  local account, list, seen = phone.account, {}, {}
  local function add(other)
    if seen[other] then return end
    seen[other] = true
    list[#list + 1] = { pnJid = other:jid(), lidJid = other:jid "lid" }
  end
  for pn in pairs(account.contacts) do
    local contact = phone.sandbox.accounts.by_pn[pn]
    if contact then add(contact) end
  end
  for _, chat in ipairs(chats or {}) do
    if chat.account then add(chat.account) end
    for i = 2, #(chat.members or {}) do add(chat.members[i]) end
  end
  return list
end

-- A HistorySync: its conversations, as bytes, and its other fields.
local function build(kind, order, progress, conversations, fields)
  local out = {}
  for i, bytes in ipairs(conversations or {}) do out[i] = field(2, bytes) end
  local rest = { syncType = kind, chunkOrder = order, progress = progress }
  for name, value in pairs(fields or {}) do rest[name] = value end
  return table.concat(out) .. assert(proto.encode("HistorySync", rest))
end

-- Of all chats the messages whose place from the newest is from `first` to `last`, in chunks: {{chat, from, to}, …}.
local function split(account, chats, first, last)
  local chunks, chunk, left = {}, {}, account.past.chunk
  for _, chat in ipairs(chats) do
    local from, to = chat.count - first + 1, math.max(1, chat.count - last + 1)
    while from >= to do
      local low = math.max(to, from - left + 1)
      chunk[#chunk + 1] = { chat, from, low }
      left, from = left - (from - low + 1), low - 1
      if left == 0 then
        chunks[#chunks + 1] = chunk
        chunk, left = {}, account.past.chunk
      end
    end
  end
  if #chunk > 0 then chunks[#chunks + 1] = chunk end
  return chunks
end

local function conversations_of(account, chunk)
  local list = {}
  for i, part in ipairs(chunk) do list[i] = conversation(account, part[1], part[2], part[3]) end
  return list
end

-- The salt of first contacts, where the account's history brings it.
local function salt_of(account) return account.flags.nct_history_delivery ~= false and account.nct_salt or nil end

-- What a phone without a past says.
local function bare(phone)
  local account = phone.account
  return { kind = "INITIAL_BOOTSTRAP", order = 1, progress = 100, payload = function()
    return build("INITIAL_BOOTSTRAP", 1, 100, nil, {
      pushnames = { { id = account:jid(), pushname = account.name } }, phoneNumberToLidMappings = mappings(phone),
      nctSalt = salt_of(account),
    })
  end }
end

local small = {} -- fn(phone, chats) -> conversations, fields of the chunks that come once

function small.INITIAL_BOOTSTRAP(phone, chats)
  local account, list = phone.account, {}
  for i, chat in ipairs(chats) do
    list[i] = conversation(account, chat, chat.count, math.max(1, chat.count - FIRST + 1), live(phone, chat))
  end
  return list, {
    pushnames = { { id = account:jid(), pushname = account.name } }, phoneNumberToLidMappings = mappings(phone, chats),
    nctSalt = salt_of(account),
  }
end

function small.PUSH_NAME(phone, chats)
  local names = { { id = phone.account:jid(), pushname = phone.account.name } }
  for _, chat in ipairs(chats) do
    if chat.account then names[#names + 1] = { id = chat.pn, pushname = chat.name } end
  end
  return nil, { pushnames = names }
end

function small.INITIAL_STATUS_V3(phone, chats)
  local chat = chats[1]
  if not chat or not chat.account then return nil end
  local info = past.message(phone.account, chat, 1)
  info.key = { remoteJid = "status@broadcast", fromMe = false, id = "5747" .. info.key.id:sub(5), participant = chat.lid }
  info.participant, info.messageTimestamp, info.status = chat.lid, phone.account.past.now - 3600, nil
  info.message, info.pushName = { extendedTextMessage = { text = "a status post" } }, chat.name
  return nil, { statusV3Messages = { info } }
end

function small.NON_BLOCKING_DATA(phone, chats)
  local left = {}
  for _, chat in ipairs(chats) do
    if chat.group then
      left[#left + 1] = { groupJid = chat.id, pastParticipants = { {
        userJid = phone.sandbox.accounts:of_name("Friend 4"):jid "lid", leaveReason = "REMOVED", leaveTs = phone.account.past.now - 86400,
      } } }
    end
  end
  return nil, {
    pastParticipants = left, phoneNumberToLidMappings = mappings(phone, chats), globalSettings = { disappearingModeDuration = 0 },
  }
end

-- All chunks for a device, in order: { kind, order, progress, payload = fn() -> bytes }.
local function chunks_for(phone, device)
  local account = phone.account
  if not account.past then return { bare(phone) } end
  local chats, list = past.chats(phone.sandbox, account), {}
  for _, kind in ipairs { "INITIAL_BOOTSTRAP", "PUSH_NAME", "INITIAL_STATUS_V3", "NON_BLOCKING_DATA" } do
    list[#list + 1] = { kind = kind, order = 1, fill = function() return small[kind](phone, chats) end }
  end
  local most = account.past
  local older = { RECENT = { FIRST + 1, most.recent }, FULL = { most.recent + 1, device.full_history and most.messages or 0 } }
  for _, kind in ipairs { "RECENT", "FULL" } do
    for i, chunk in ipairs(split(account, chats, older[kind][1], older[kind][2])) do
      list[#list + 1] = { kind = kind, order = i, fill = function() return conversations_of(account, chunk) end }
    end
  end
  for i, one in ipairs(list) do
    one.progress = i * 100 // #list
    one.payload = function() return build(one.kind, one.order, one.progress, one.fill()) end
  end
  return list
end

-- Encrypts a chunk and puts it on the media host.
local function upload(phone, zipped, key)
  local encryptor = core.media.encryptor(key, "md-msg-hist")
  local bytes = encryptor:update(zipped)
  local rest, about_it = encryptor:finish()
  local object = assert(phone.sandbox.media:add(bytes .. rest))
  about_it.mediaKey, about_it.encHandle = key, crypto.base64(crypto.random(24), "url")
  about_it.directPath = phone.sandbox.media:link(object, "md-msg-hist", true)
  return about_it
end

-- Announces a chunk to a device: inside its notification when it is small.
local function announce(phone, device, chunk)
  local zipped = assert(core.wire.deflate(chunk.payload()))
  local notification = {
    syncType = chunk.kind, chunkOrder = chunk.order, progress = chunk.progress, peerDataRequestSessionId = chunk.request,
  }
  if not phone.account.past or #zipped <= phone.account.past.inline then
    notification.initialHistBootstrapInlinePayload = zipped
  else
    chunk.key = crypto.random(32)
    for name, value in pairs(upload(phone, zipped, chunk.key)) do notification[name] = value end
  end
  local id = phone:tell(device, {
    protocolMessage = { type = "HISTORY_SYNC_NOTIFICATION", historySyncNotification = notification },
  })
  phone.chunks = phone.chunks or recent.new(LOST)
  recent.put(phone.chunks, device.number .. "\0" .. id, chunk)
end

--- Gives a device that was linked the phone's history.
-- @tparam table phone moonpost.sandbox.phone
-- @tparam table device
function history.greet(phone, device)
  local messages = phone.sandbox.past
  if messages and not phone.account.past then past.set(phone.sandbox, phone.account, { messages = messages }) end
  local chunks = chunks_for(phone, device)
  if #chunks == 1 then return announce(phone, device, chunks[1]) end
  task.spawn(function()
    for _, chunk in ipairs(chunks) do
      if phone.sandbox.closed or not device.active then return end
      announce(phone, device, chunk)
      task.sleep(0)
    end
  end)
end

-- The chat a companion means: by either name of its person, or the group's.
local function chat_of(phone, jid)
  local account = phone.sandbox.accounts:lookup(jid)
  for _, chat in ipairs(phone.account.past and past.chats(phone.sandbox, phone.account) or {}) do
    if chat.id == jid or chat.account and chat.account == account then return chat end
  end
end

-- The newest message that is older than a time: Unix seconds, or milliseconds, as its name has it.
local function before_time(account, chat, time)
  if time > 1e11 then time = time // 1000 end
  for n = chat.count, 1, -1 do
    if past.message(account, chat, n).messageTimestamp < time then return n end
  end
  return 0
end

--- Gives a device older messages of a chat.
-- @tparam table wanted HistorySyncOnDemandRequest
-- @string id of the request
function history.on_demand(phone, device, wanted, id)
  local account, chat = phone.account, chat_of(phone, wanted.chatJid or "")
  local conversations
  if chat then
    local n = past.find(account, chat, wanted.oldestMsgId or "")
    local from = n and n - 1 or before_time(account, chat, wanted.oldestMsgTimestampMs or math.maxinteger)
    local to = math.max(1, from - math.max(1, math.min(wanted.onDemandMsgCount or 50, ASKED_MOST)) + 1)
    conversations = { conversation(account, chat, from, to) }
  end
  announce(phone, device, {
    kind = "ON_DEMAND", order = 1, progress = 100, request = id,
    payload = function() return build("ON_DEMAND", 1, 100, conversations) end,
  })
end

-- What a phone answers to a companion that could not read a chunk.
local function answer(phone, device, id, content)
  device.queue:push(stanza.node("notification", {
    id = id, type = "mediaretry", from = phone.account:jid(), t = phone.sandbox.time(),
  }, content))
end

--- A companion could not read a chunk (fact sheet 04 §12.6): the phone uploads it once more.
-- @tparam table node its receipt, type "server-error", category "peer"
function history.retry(phone, device, node)
  local id, encrypt = node.attrs.id, stanza.child(node, "encrypt")
  local chunk = recent.get(phone.chunks or recent.new(1), device.number .. "\0" .. id)
  local sealed, iv = encrypt and stanza.bytes(encrypt, "enc_p"), encrypt and stanza.bytes(encrypt, "enc_iv")
  if not chunk or not chunk.key then return answer(phone, device, id, stanza.node("error", { code = "2" })) end
  if not core.media.retry_open(chunk.key, id, iv or "", sealed or "") then
    return answer(phone, device, id, stanza.node("error", { code = "3" }))
  end
  local about_it = upload(phone, assert(core.wire.deflate(chunk.payload())), chunk.key)
  local told = assert(proto.encode("MediaRetryNotification", { stanzaId = id, directPath = about_it.directPath, result = "SUCCESS" }))
  local out, out_iv = core.media.retry_seal(chunk.key, id, told)
  answer(phone, device, id, stanza.node("encrypt", nil, { stanza.node("enc_p", nil, out), stanza.node("enc_iv", nil, out_iv) }))
end

return history
