--- What people do to a message under its secret (fact sheet 05 §8, §9): votes, responses to events, encrypted reactions, comments and
-- edits. Each is decrypted with the message it is for, which the archive keeps; what it says is kept beside that message.
-- @module moonpost.client.answers
local core = require "moonpost.core"
local event = require "moonpost.client.kinds.event"
local key = require "moonpost.client.kinds.key"
local limits = require "moonpost.client.limits"
local messages = require "moonpost.client.messages"
local people = require "moonpost.client.kinds.people"
local poll = require "moonpost.client.kinds.poll"
local secret_edits = require "moonpost.client.secret_edits"

local proto, jid = core.proto, core.wire.jid

local Answers = {}
Answers.__index = Answers

local function refuse(code, text, ...) error(core.error(code, text:format(...)), 0) end

local function by_key(field) return function(content) return content[field], content.encPayload, content.encIv end end

-- By the field of Message: fn(content) -> the key of what it is for, payload, iv; and what it is called.
local fields = {
  pollUpdateMessage = { "a vote", function(content)
    return content.pollCreationMessageKey, content.vote and content.vote.encPayload, content.vote and content.vote.encIv
  end },
  encEventResponseMessage = { "a response", by_key "eventCreationMessageKey" },
  encReactionMessage = { "a reaction", by_key "targetMessageKey" },
  encCommentMessage = { "a comment", by_key "targetMessageKey" },
  secretEncryptedMessage = { "an edit", by_key "targetMessageKey" },
}

-- What came for a message that is not there is kept until it comes; of these kinds (§8.2).
local waits = { pollUpdateMessage = "vote", encEventResponseMessage = "response" }

--- The field of a content that is encrypted under a message's secret; nil when it is none of these.
-- @tparam table content Message without its wrappers
function Answers.field(content)
  local name = messages.content(content)
  return fields[name] and name
end

local function decode(type, bytes)
  local value, err = proto.decode(type, bytes)
  if not value then error(err, 0) end
  return value
end

--- Keeps what a person says to a message in place of what they said before, unless that is newer by their own clock; inside a
-- transaction.
-- @string kind "vote" or "response"
-- @tparam table entry of the message in the archive
-- @string who bare JID
-- @int time Unix milliseconds, by their clock
-- @tparam table opened StoreOpened
-- @treturn boolean whether it is kept
function Answers:keep(kind, entry, who, time, opened)
  local archive = self.client.archive
  time = math.max(0, time)
  local before = archive:addon_get(kind, entry.chat, entry.id, entry.sender, who)
  if before and decode("StoreAnswer", before).time > time then return false end
  archive:addon_put(kind, entry.chat, entry.id, entry.sender, who,
    assert(proto.encode("StoreAnswer", { time = time, opened = opened })))
  return true
end

local Act = {}
Act.__index = Act

--- What the message says that is answered, without its wrappers.
-- @raise code "no-message": it is known by its secret alone
function Act:subject()
  local message = self.entry:latest()
  if not message then refuse("no-message", "message %s is not known but for its secret", self.target.id) end
  return messages.unwrap(message)
end

local take = {}

function take.pollUpdateMessage(self, act)
  local about = poll.of(act:subject())
  if not about then refuse("malformed", "what it is for is no poll") end
  if about.ends and act.time > about.ends then refuse("late", "the poll had ended") end
  local vote = decode("Message.PollVoteMessage", act:open "vote")
  local choices, wrong = poll.chosen(about, vote.selectedOptions or {})
  if not choices then refuse("malformed", wrong) end
  local opened = { choices = choices }
  return self:keep("vote", act.entry, act.author, act.content.senderTimestampMs or 0, opened) and opened or nil
end

function take.encEventResponseMessage(self, act)
  if not act:subject().eventMessage then refuse("malformed", "what it is for is no event") end
  local bytes = act:open "response"
  local response = decode("Message.EventResponseMessage", bytes)
  if not event.response(response) then refuse("malformed", "it answers neither yes nor no nor maybe") end
  local opened = { response = bytes }
  return self:keep("response", act.entry, act.author, response.timestampMs or 0, opened) and opened or nil
end

-- The rest becomes what it would be if it had been sent in plain form.
local function plain(message) return { message = assert(proto.encode("Message", message)) }, message end

function take.encReactionMessage(_, act)
  local reaction = decode("Message.ReactionMessage", act:open "reaction")
  reaction.key = act.key
  return plain { reactionMessage = reaction }
end

function take.encCommentMessage(_, act)
  return plain { commentMessage = { message = decode("Message", act:open "comment"), targetMessageKey = act.key } }
end

function take.secretEncryptedMessage(_, act) return plain(secret_edits.take(act)) end

--- What was encrypted for one purpose, or the first of several that fits.
-- @raise code "crypto"
function Act:open(...)
  local plaintext, err
  for _, purpose in ipairs { ... } do
    plaintext, err = self.client.secrets:open(purpose, self.secret, self.target.id, self.named, self.actor, self.payload, self.iv)
    if plaintext then return plaintext end
  end
  error(err, 0)
end

-- What an answer is for, from the archive, and how it is to be read.
local function find(self, came, content, name)
  local client = self.client
  local found, payload, iv = fields[name][2](content[name])
  local target = key.read(found, { chat = came.chat, sender = came.author, from_me = came.from_me, group = came.group }, client)
  if not target then refuse("malformed", "it does not say what it is for") end
  local entry = client.archive:get(target.chat, target.id, target.sender)
  if not entry then return nil, target end
  local size = #(entry.edited_bytes or entry.bytes or "")
  if size > limits.ANSWERED then refuse("limit", "message %s has %d bytes", target.id, size) end
  local secret = entry:secret()
  if not secret then refuse("no-secret", "message %s has no secret", target.id) end
  target.sender = entry.sender
  return setmetatable({
    client = client, entry = entry, target = target, secret = secret, key = found, content = content[name], payload = payload, iv = iv,
    named = people.stable(nil, found.participant) or entry.sender,
    actor = jid.bare(came.sender), author = came.author, time = came.time,
  }, Act)
end

-- Keeps an answer for what is not there, until it comes: the last of each person.
local function keep_waiting(self, came, target, plaintext)
  if #plaintext > limits.WAITING_ANSWER then return end
  self.client.archive:addon_put("waiting", target.chat, target.id, target.sender or "", came.author,
    assert(proto.encode("StoreJournal", {
      chat = came.chat, sender = came.author, id = came.id, fromMe = came.from_me or nil, name = came.name, time = came.time,
      message = plaintext, offline = came.offline or nil,
    })))
end

-- Why an answer may not count. Anything else that goes wrong, in the store say, is no fault of it.
local reasons = {
  malformed = true, truncated = true, limit = true, late = true, crypto = true, forbidden = true, ["no-secret"] = true,
  ["no-message"] = true,
}

local function told(came, what, err)
  return core.error(err.code, ("%s %s from %s does not count: %s"):format(what, came.id, came.author, err.message))
end

-- As `take`, but raises why it does not count.
local function take_or_raise(self, came, content, name, plaintext)
  local act, target = find(self, came, content, name)
  if act then return take[name](self, act) end
  if not waits[name] then refuse("no-message", "message %s is not known", target.id) end
  keep_waiting(self, came, target, plaintext)
  refuse("no-message", "message %s is not known; it is kept until that comes", target.id)
end

--- Reads what somebody does to a message, and keeps what it says beside that; inside its transaction. Why it does not count is told as
-- an error, and keeps nothing else from going on.
-- @tparam table came chat, author (stable bare JIDs), sender (JID as the stanza names the author), id, from_me, group, name, time, offline
-- @tparam table message
-- @string plaintext the Message as it came
-- @treturn ?table StoreOpened, for the journal; nil when nobody is to hear of it
-- @treturn ?table the Message it stands for, in plain form; the same where there is none
function Answers:take(came, message, plaintext)
  local content = messages.unwrap(message)
  local name = self.field(content)
  local ok, opened, stands_for = pcall(take_or_raise, self, came, content, name, plaintext)
  if ok then return opened, stands_for or message end
  local err = opened
  if type(err) ~= "table" or not reasons[err.code] then error(err, 0) end
  local report = told(came, fields[name][1], err)
  self.client.store:after_commit(function() self.client:emit("error", report) end)
end

--- A message came, or was sent, that answers may wait for: they are read now; inside its transaction.
-- @tparam table came as for `take`
-- @tparam table content of the message
function Answers:arrived(came, content)
  if not (poll.of(content) or content.eventMessage) then return end
  local client, list = self.client, {}
  for _, author in ipairs { came.author, "" } do
    client.archive:addon_each("waiting", came.chat, came.id, author, function(who, bytes)
      list[#list + 1] = { author, who, bytes }
    end)
  end
  for _, one in ipairs(list) do
    client.archive:addon_delete("waiting", came.chat, came.id, one[1], one[2])
    local row = decode("StoreJournal", one[3])
    client.receive:file({
      chat = row.chat, author = row.sender, sender = row.sender, id = row.id, from_me = row.fromMe or false, name = row.name,
      time = row.time, offline = row.offline or false, kind = messages.is_group(row.chat) and "group" or "direct",
      group = messages.is_group(row.chat),
    }, messages.from_own_device(decode("Message", row.message)), row.message)
  end
end

local function each(self, kind, entry, fn)
  self.client.archive:addon_each(kind, entry.chat, entry.id, entry.sender, function(who, bytes)
    local answer = decode("StoreAnswer", bytes)
    fn(who, answer.opened or {}, answer.time)
  end)
end

-- What a message event is about: the poll or event it is, acts on, or quotes.
local function subject(self, m)
  local acts = m.kind == "vote" or m.kind == "response"
  local about = acts and m.target or m.kind ~= "poll" and m.kind ~= "event" and m.quoted or m
  local entry = self.client.archive:get(about.chat, about.id, about.sender)
  if entry and entry.bytes then return entry, messages.unwrap(entry:latest()) end
  return nil, core.error("no-message", ("message %s in %s is not known, or too old"):format(about.id, about.chat))
end

-- What each person said last: who -> {opened, time}. A person may have been known by number once and by LID later.
local function newest(self, kind, entry)
  local said = {}
  each(self, kind, entry, function(who, opened, time)
    if not said[who] or said[who].time <= time then said[who] = { opened = opened, time = time } end
  end)
  return said
end

--- The votes on a poll; see client:votes.
function Answers:votes(m)
  local entry, content = subject(self, m)
  if not entry then return nil, content end
  local about, votes = poll.of(content), {}
  if not about then return nil, core.error("no-poll", ("message %s is no poll"):format(entry.id)) end
  for who, said in pairs(newest(self, "vote", entry)) do votes[who] = said.opened.choices or {} end
  return poll.tally(about, votes)
end

--- The responses to an event; see client:responses.
function Answers:responses(m)
  local entry, content = subject(self, m)
  if not entry then return nil, content end
  if not content.eventMessage then return nil, core.error("no-event", ("message %s is no event"):format(entry.id)) end
  local list = { going = 0, maybe = 0, not_going = 0 }
  for who, said in pairs(newest(self, "response", entry)) do
    local response = event.response(decode("Message.EventResponseMessage", said.opened.response))
    list[#list + 1] = { jid = who, answer = response.answer, guests = response.guests }
    list[response.answer] = list[response.answer] + 1 + response.guests
  end
  table.sort(list, function(a, b) return a.jid < b.jid end)
  return list
end

return function(client) return setmetatable({ client = client }, Answers) end
