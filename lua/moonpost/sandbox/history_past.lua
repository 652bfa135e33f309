--- The past a simulated phone has, of a chosen size: chats with people and in groups, made up as they are asked for, the same each time.
-- An account has it from an admin call (docs/sandbox.md); what it has written and heard since then comes on top.
-- @module moonpost.sandbox.history_past
local core = require "moonpost.core"
local book = require "moonpost.sandbox.group_book"

local crypto, proto = core.crypto, core.proto

local DAY = 24 * 3600

local past = {}

-- The sizes of a past, when nothing else is said.
local usual = { chats = 5, groups = 1, messages = 40, days = 60, size = 40, chunk = 2000, inline = 16384 }

local function friend(sandbox, number) return sandbox.accounts:of_name("Friend " .. number) end

-- The groups are there, since somebody may write into them.
local function make_group(sandbox, account, number)
  local group = book.of(sandbox):add(account, "Group " .. number, "lid")
  for i = 1, 3 do group:put(friend(sandbox, i)) end
  group.book:save(group)
  return group:jid()
end

--- Gives an account a past, in place of what it had.
-- @param sandbox
-- @tparam table account
-- @tparam table wanted chats, groups: how many; messages: in each; recent: so many of each are given to a device that is linked (all);
--   days: how far back they reach; size: bytes of their texts; chunk: messages of a chunk; inline: bytes up to which a chunk comes
--   inside its notification
function past.set(sandbox, account, wanted)
  local found = {}
  for name, value in pairs(usual) do found[name] = wanted[name] or value end
  found.recent = math.min(wanted.recent or found.messages, found.messages)
  found.now, found.jids = sandbox.time(), {}
  for i = 1, found.groups do found.jids[i] = make_group(sandbox, account, i) end
  account.past = found
  sandbox.accounts:save(account)
end

-- Chats with people are named by LID and by number in turn, as phones that have moved and those that have not do.
local function person(sandbox, number, wanted)
  local account = friend(sandbox, number)
  local lid, pn = account:jid "lid", account:jid()
  return {
    number = number, account = account, id = number % 2 == 1 and lid or pn, pn = pn, lid = lid, name = account.name,
    count = wanted.messages,
  }
end

--- The chats of an account's past, those with people first: { number, id, name, count, account (of one with a person), group }.
function past.chats(sandbox, account)
  local wanted, list = account.past, {}
  for i = 1, wanted.chats do list[i] = person(sandbox, i, wanted) end
  for i, id in ipairs(wanted.jids) do
    list[#list + 1] = {
      number = wanted.chats + i, id = id, group = true, name = "Group " .. i, count = wanted.messages,
      members = { account, friend(sandbox, 1), friend(sandbox, 2), friend(sandbox, 3) },
    }
  end
  return list
end

local function id_of(account, chat, n)
  return "3EB0" .. crypto.hex(crypto.sha256(("%s\0%s\0%d"):format(account.pn, chat.id, n))):sub(1, 18):upper()
end

local function secret_of(id) return crypto.sha256("secret of " .. id) end

local function text_of(account, chat, n)
  local text = ("message %d of %d"):format(n, chat.count)
  local more = account.past.size - #text
  return more > 0 and text .. (" and so on"):rep(more // 10 + 1):sub(1, more) or text
end

-- What message n says, every now and then something else than a text: fn(account, chat, n, info) fills the WebMessageInfo.
local turns = {}

turns[3] = function(account, chat, n, info)
  info.reactions = { {
    key = { remoteJid = chat.id, fromMe = not info.key.fromMe, id = id_of(account, chat, -n), participant = info.other }, text = "👍",
    senderTimestampMs = (info.messageTimestamp + 1) * 1000,
  } }
end

turns[5] = function(account, chat, n, info)
  info.message = { extendedTextMessage = { text = "an answer to it", contextInfo = {
    stanzaId = id_of(account, chat, n - 1), participant = info.other or account:jid "lid",
    quotedMessage = { conversation = text_of(account, chat, n - 1) },
  } } }
end

turns[9] = function(account, chat, n, info)
  local choices = { "Tea", "Coffee" }
  info.message = {
    pollCreationMessageV3 = {
      name = "Tea?", options = { { optionName = choices[1] }, { optionName = choices[2] } }, selectableOptionsCount = 1,
    }, messageContextInfo = { messageSecret = secret_of(info.key.id) },
  }
  info.messageSecret = secret_of(info.key.id)
  info.pollUpdates = { {
    pollUpdateMessageKey = { remoteJid = chat.id, fromMe = not info.key.fromMe, id = id_of(account, chat, -n), participant = info.other },
    vote = { selectedOptions = { crypto.sha256(choices[1]) } }, senderTimestampMs = (info.messageTimestamp + 1) * 1000,
  } }
end

turns[13] = function(account, chat, n, info)
  local key = { remoteJid = chat.id, fromMe = info.key.fromMe, id = info.key.id, participant = info.key.participant }
  info.key.id = id_of(account, chat, -n)
  info.message = { editedMessage = { message = { protocolMessage = {
    key = key, type = "MESSAGE_EDIT", editedMessage = { conversation = text_of(account, chat, n) .. ", edited" },
    timestampMs = (info.messageTimestamp + 60) * 1000,
  } } } }
end

turns[17] = function(_, chat, _, info)
  info.message, info.messageStubType = nil, chat.group and "GROUP_PARTICIPANT_ADD" or "REVOKE"
  info.messageStubParameters = chat.group and { chat.members[2]:jid "lid" } or {}
end

turns[21] = function(_, _, _, info)
  info.message = { locationMessage = { degreesLatitude = 52.5, degreesLongitude = 13.4, name = "here" } }
end

--- A message of a chat's past, as the phone tells it: n is 1 for the oldest.
-- @treturn table WebMessageInfo
function past.message(account, chat, n)
  local wanted = account.past
  local step = math.max(1, wanted.days * DAY // wanted.messages)
  local from_me, id = n % 3 == 0, id_of(account, chat, n)
  local author = chat.group and (from_me and chat.members[1] or chat.members[2 + n % 3]) or nil
  local info = {
    key = { remoteJid = chat.id, fromMe = from_me, id = id, participant = not from_me and author and author:jid "lid" or nil },
    messageTimestamp = wanted.now - (chat.count - n + 1) * step - chat.number, message = { conversation = text_of(account, chat, n) },
    participant = not from_me and author and author:jid "lid" or nil, pushName = not from_me and (author or chat.account).name or nil,
    status = from_me and "READ" or nil, other = chat.group and not from_me and author:jid "lid" or not chat.group and chat.lid or nil,
  }
  local turn = turns[n % 25]
  if turn and n > 1 then turn(account, chat, n, info) end
  info.other = nil
  return info
end

--- The bytes of a WebMessageInfo as a message of a conversation.
function past.encode(info, order)
  return assert(proto.encode("HistorySyncMsg", { message = info, msgOrderId = order }))
end

--- The number of a message; nil when it is not of the chat's past.
function past.find(account, chat, id)
  for n = chat.count, 1, -1 do
    if id_of(account, chat, n) == id then return n end
  end
end

return past
