--- What a chunk of history leaves behind (fact sheet 04 §12.4): other names of people, push names, tokens, the salt of first contacts,
-- and messages for the archive, as far back as it reaches, so that votes, edits and quotes of them mean something. What was heard live
-- wins over all of it.
-- @module moonpost.client.history_store
local core = require "moonpost.core"
local archive_rows = require "moonpost.client.archive_rows"
local limits = require "moonpost.client.limits"
local messages = require "moonpost.client.messages"
local past = require "moonpost.client.history_message"
local poll = require "moonpost.client.kinds.poll"
local rows = require "moonpost.client.rows"

local proto = core.proto

local NEVER = math.maxinteger

local History = {}
History.__index = History

-- A pair of names.
local function learn_pair(self, pn, lid)
  if type(pn) ~= "string" or type(lid) ~= "string" then return end
  self.client.lids:learn(pn:gsub("@c%.us$", "@s.whatsapp.net"), lid)
end

-- A push name, as far as there is room for more. The own one is this device's own business.
local function learn_name(self, one)
  local store, who, name = self.client.store, past.jid(self.client, one.id), past.name(one.pushname)
  if not who or not name or #name > limits.GROUP_NAME then return end
  local key = rows.short("n" .. who)
  self.names = self.names or store:count("history", "n")
  if not store:get("history", key) then
    if self.names >= limits.HISTORY_NAMES then return end
    self.names = self.names + 1
  end
  store:put("history", key, name)
end

local function take_fields(self, bytes)
  local history = proto.decode("HistorySync", bytes)
  if not history then return end
  local client = self.client
  for _, pair in ipairs(history.phoneNumberToLidMappings or {}) do learn_pair(self, pair.pnJid, pair.lidJid) end
  for _, contact in ipairs(history.inlineContacts or {}) do learn_pair(self, contact.pnJid, contact.lidJid) end
  for _, one in ipairs(history.pushnames or {}) do learn_name(self, one) end
  if not client.store:get("setting", "nct-salt") then client.privacy_tokens:learn_salt(history.nctSalt) end
  local nonce = history.companionMetaNonce -- it becomes a header
  if nonce and nonce:find "^[!-~]+$" and #nonce <= limits.GROUP_NAME then client.store:put("setting", "companion-nonce", nonce) end
end

-- A conversation; its name is for the pages.
local function take_conversation(self, bytes, number)
  local conversation = proto.decode("Conversation", bytes)
  if not conversation then return end
  learn_pair(self, conversation.pnJid, conversation.id)
  learn_pair(self, conversation.id, conversation.lidJid)
  if conversation.tcToken and conversation.id then self.client.privacy_tokens:learn_history(conversation.id, conversation) end
  self.chats[number] = { conversation.id, conversation.displayName or conversation.name }
end

-- What people have done to a message, beside it: reactions, votes, responses.
local function keep_acts(self, one, entry, content)
  local client = self.client
  for _, reaction in ipairs(one.info.reactions or {}) do
    local who = past.actor(client, one, reaction.key)
    local emoji = reaction.text or ""
    if who and emoji ~= "" and #emoji <= limits.REACTION then
      client.effects:reacted(entry, who, emoji, math.max(0, reaction.senderTimestampMs or 0))
    end
  end
  local about = one.info.pollUpdates and poll.of(content)
  for _, update in ipairs(about and one.info.pollUpdates or {}) do
    local who = past.actor(client, one, update.pollUpdateMessageKey)
    local choices = who and poll.chosen(about, update.vote and update.vote.selectedOptions or {})
    if choices then client.answers:keep("vote", entry, who, update.senderTimestampMs or 0, { choices = choices }) end
  end
  for _, response in ipairs(content.eventMessage and one.info.eventResponses or {}) do
    local who = past.actor(client, one, response.eventResponseMessageKey)
    local said = response.eventResponseMessage
    if who and said then
      client.answers:keep("response", entry, who, response.timestampMs or 0, {
        response = assert(proto.encode("Message.EventResponseMessage", said)),
      })
    end
  end
end

local seconds_of = { o = limits.ARCHIVE_SECONDS, l = limits.ARCHIVE_LONG_SECONDS }

-- A message, if the archive reaches so far and has not got it; what only acts on another is nothing to refer to.
local function keep_message(self, bytes)
  local client = self.client
  local one = self.past:read(bytes)
  local keep = one and archive_rows.class_of(one.message)
  if not seconds_of[keep] or one.time < self.now - seconds_of[keep] then return end
  if client.archive:get(one.chat, one.id, one.sender) then return end
  one.status, one.known_secret = past.status(one), one.info.messageSecret
  client.archive:put(one)
  keep_acts(self, one, one, messages.unwrap(one.message))
end

--- Keeps what is worth keeping of a chunk, once; and finds the names of its chats. In a task.
-- @param client
-- @tparam table job its `row` tells whether it is kept already
-- @tparam table source moonpost.client.history_source
-- @treturn ?table by number of the conversation: { id, name }
-- @treturn ?table err what is wrong with the chunk
return function(client, job, source)
  local self = setmetatable({ client = client, chats = {}, now = core.net.time(), past = past.reader(client) }, History)
  local stored = job.row.stored
  -- names of people first: messages are filed under them
  local ok, err = source:each({ since = NEVER }, function(kind, bytes, number)
    if kind == "conversation" then return take_conversation(self, bytes, number) end
    if kind == "fields" and not stored then take_fields(self, bytes) end
  end)
  if ok and not stored then
    ok, err = source:each({ since = math.floor(self.now) - limits.ARCHIVE_LONG_SECONDS }, function(kind, bytes)
      if kind == "message" or kind == "status" then keep_message(self, bytes) end
    end)
  end
  if not ok then return nil, err end
  return self.chats
end
