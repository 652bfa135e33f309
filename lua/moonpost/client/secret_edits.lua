--- Edits under a message's secret (fact sheet 05 §8.6): they become the plain edit they stand for.
-- @module moonpost.client.secret_edits
local core = require "moonpost.core"
local limits = require "moonpost.client.limits"
local messages = require "moonpost.client.messages"
local poll = require "moonpost.client.kinds.poll"

local proto = core.proto

local CHOICES_MAX = 12

local edits = {}

local function refuse(code, text, ...) error(core.error(code, text:format(...)), 0) end

local function decode(bytes)
  local message, err = proto.decode("Message", bytes)
  if not message then error(err, 0) end
  return message
end

-- Only who wrote a message changes it.
local function by_author(act)
  if act.author ~= act.client.lids:stable(act.entry.sender) then refuse("forbidden", "message %s is somebody else's", act.target.id) end
end

--- Puts what a message says now in place of what it said, unless that is newer; inside a transaction.
-- @param client
-- @tparam table entry of the message in the archive
-- @tparam table content Message
-- @int time Unix milliseconds
function edits.apply(client, entry, content, time)
  local bytes = assert(proto.encode("Message", content))
  client.archive:update(entry.chat, entry.id, entry.sender, function(now)
    if (now.edited or 0) > time then return false end
    now.edited, now.edited_bytes = time, bytes
  end)
end

-- The plain edit that stands for it.
local function edit(act, content, time)
  return { protocolMessage = {
    key = act.key, type = "MESSAGE_EDIT", editedMessage = content, timestampMs = time or act.time * 1000,
  } }
end

-- What is answered is read again for each answer: it may not be made longer than is read.
local function changed(act, content)
  local size = #assert(proto.encode("Message", content))
  if size > limits.ANSWERED then refuse("limit", "message %s would have %d bytes", act.target.id, size) end
  edits.apply(act.client, act.entry, content, act.time * 1000)
  return edit(act, content)
end

local types = {}

function types.MESSAGE_EDIT(act)
  by_author(act)
  local inner = messages.unwrap(decode(act:open "message_edit"))
  inner = inner.editedMessage and inner.editedMessage.message or inner
  local protocol = inner.protocolMessage
  if not (protocol and protocol.editedMessage) then refuse("malformed", "it holds no edit") end
  return edit(act, protocol.editedMessage, protocol.timestampMs)
end

function types.EVENT_EDIT(act)
  by_author(act)
  local content = messages.unwrap(decode(act:open "event_edit"))
  if not content.eventMessage then refuse("malformed", "it holds no event") end
  return changed(act, { eventMessage = content.eventMessage })
end

function types.POLL_EDIT(act)
  by_author(act)
  local content = messages.unwrap(decode(act:open("poll_edit", "poll_option")))
  local _, name = poll.of(content)
  if not name then refuse("malformed", "it holds no poll") end
  return changed(act, { [name] = content[name] })
end

-- Somebody adds a choice: whoever may.
function types.POLL_ADD_OPTION(act)
  local latest = act:subject()
  local about, name = poll.of(latest)
  if not about then refuse("malformed", "what it is for is no poll") end
  if not latest[name].allowAddOption then by_author(act) end
  local added = messages.unwrap(decode(act:open("poll_option", "poll_edit"))).pollAddOptionMessage
  local choice = added and added.addOption and added.addOption.optionName
  if not choice or choice == "" then refuse("malformed", "it names no choice") end
  for _, one in ipairs(about.choices) do
    if one == choice then refuse("malformed", "the choice is there already") end
  end
  if #about.choices >= CHOICES_MAX then refuse("malformed", "the poll has %d choices already", CHOICES_MAX) end
  local options = latest[name].options or {}
  options[#options + 1] = { optionName = choice }
  latest[name].options = options
  return changed(act, { [name] = latest[name] })
end

--- Applies a secret edit of an event or a poll to the message in the archive; inside a transaction.
-- @tparam table act of moonpost.client.answers
-- @treturn table the Message it stands for, in plain form
-- @raise why it does not count
function edits.take(act)
  local fn = types[act.content.secretEncType]
  if not fn then refuse("malformed", "it is an edit of a type that is not known") end
  return fn(act)
end

return edits
