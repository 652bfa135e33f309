--- A chat: what its user types is sent, or done; what is heard is shown (moonpost.cli.chat.hear).
-- @module moonpost.cli.chat.conversation
local core = require "moonpost.core"
local commands = require "moonpost.cli.chat.commands"
local hear = require "moonpost.cli.chat.hear"
local kinds = require "moonpost.client.kinds"
local new_attached = require "moonpost.client.attached"
local new_lines = require "moonpost.cli.chat.lines"
local new_screen = require "moonpost.cli.chat.screen"
local printable = require "moonpost.printable"
local show = require "moonpost.cli.chat.show"
local task = require "moonpost.task"
local words = require "moonpost.cli.chat.words"

local ANSWER_WAIT = 2.0 -- seconds a message from a pipe waits for an answer before the next line goes, and the end for a last one
local QUIET = 0.25      -- and then for more of them, since one answer may come in several messages
local SHOWN = 1000      -- what was shown and nobody has waited for

local Chat = {}
Chat.__index = Chat

--- Who wrote a message, as its line shows it.
function Chat:name_of(m)
  if m.from_me then return self.name end
  return m.name ~= "" and m.name or self.people:name(m.sender)
end

--- Writes to another place from now on.
-- @tparam table to of moonpost.cli.chat.people
-- @tparam ?string more to be told about it
function Chat:go(to, more)
  if self.to and to.chat ~= self.to.chat then self:note("you write to " .. printable.line(to.name or to.jid, 40) .. (more or "")) end
  self.to = to
end

--- A place by its name; a command without such a place is wrong.
function Chat:find(wanted)
  local to, why = self.people:find(wanted, self.client)
  if to then return to end
  words.wrong("%s", why or ("there is nobody and no group of yours called '%s' (%s)"):format(wanted, self.people:known()))
end

--- Shows an answer to a command.
function Chat:note(text) self.screen:note(text) end

local function remember(self, text)
  self.shown:push(text)
  if #self.shown > SHOWN then self.shown:pop() end
end

--- Shows something that happened.
function Chat:happened(text)
  self.screen:note(text)
  remember(self, text)
end

--- A message was heard, and is shown.
-- @string text who wrote it, and what it says
function Chat:heard_answer(text)
  if self.asked_at then
    self.delays[#self.delays + 1] = core.net.now() - self.asked_at
    self.asked_at = nil
  end
  self.heard:push(true)
  remember(self, text)
end

--- Tells that a command was wrong, or what it was to do failed.
function Chat:failed(text)
  self.failures = self.failures + 1
  if self.interactive then return self.screen:note("✗ " .. text) end
  self.screen:flush()
  io.stderr:write("moonpost chat: ", printable.text(text), "\n")
end

local steps = { sent = "sent", delivered = "delivered", read = "read", played = "read" }

--- Shows how far everybody has come with an own message.
-- @string id
function Chat:tick(id)
  local own = self.own[id]
  local state = own and steps[self.client:status_of(own.m) or "sent"]
  if state then self.screen:update(own.line, state) end
end

local function drain(queue)
  while #queue > 0 do queue:pop() end
end

-- The message that was sent, as it is kept.
local function sent_message(self, to, id, m)
  m.id = id
  return self.client:message(to.chat, id) or m
end

-- What is to be sent, as an event of its own; what is wrong in it is wrong in the command.
local function preview(self, spec, given, to)
  local client = self.client
  local m = { chat = to.chat, sender = client.lids:stable(client.me.jid), from_me = true, time = core.net.time() }
  if type(spec) == "table" and spec.album then
    m.kind, m.album = "album", { images = 0, videos = 0 }
    for _, one in ipairs(spec.album) do
      local kinds_of = preview(self, one, {}, to).kind .. "s"
      m.album[kinds_of] = m.album[kinds_of] + 1
    end
    return m
  end
  local message, wrong = kinds.build(spec, { client = client, chat = to.chat, quote = given.quote, files = new_attached(client) })
  if not message then words.wrong("%s", wrong) end
  return kinds.read(message, m, client)
end

--- Sends a content and shows it.
-- @tparam string|table spec as client:send takes it; what is wrong in it is wrong in the command
-- @tparam ?table given to: another place than the one that is written to; quote: the message it answers; audience: of a status post
function Chat:say(spec, given)
  given = given or {}
  local client, to = self.client, given.to or self.to
  local m = preview(self, spec, given, to)
  local line = self.lines.is_numbered(m) and self.lines:reserve()
  local place = to.chat == self.to.chat and "" or ("[%s] "):format(printable.line(to.name, 40))
  drain(self.heard)
  drain(self.shown)
  local own = self.screen:own(place .. show.message(m, self), line and line.number)
  self.sent, self.asked_at, self.spoke = self.sent + 1, core.net.now(), true
  local sent, err = client:send(to.jid, spec, { quote = given.quote, to = given.audience })
  if not sent then
    self.failures = self.failures + 1
    return self.screen:update(own, nil, tostring(err))
  end
  m = sent_message(self, to, sent.id, m)
  if line then self.lines:set(line, m) end
  self.own[sent.id] = { line = own, m = m }
  self.screen:update(own, "sent")
  self:tick(sent.id)
end

--- Does something to a message, and shows it.
-- @tparam ?table target the message
-- @tparam table what fields of the event others hear: kind, …
-- @func fn fn(client) -> {id=}, or nil and an error
function Chat:act(target, what, fn)
  words.need(fn(self.client))
  what.chat, what.from_me = target and target.chat or self.to.chat, true
  what.target = target and { chat = target.chat, id = target.id, sender = target.sender, from_me = target.from_me }
  local own = self.screen:own(show.message(what, self))
  self.screen:update(own, "sent")
  self.screen:flush(own)
  self.acted = true
end

-- In a pipe the next line waits for an answer to a message, so that a script reads as a conversation.
local function listen(self)
  local wait = ANSWER_WAIT
  while self.heard:pop(wait) do wait = QUIET end
end

-- One line that was typed.
local function take(self, line, typed)
  if typed then self.screen.erase_typed(line) end
  self.spoke = false
  local ok, why
  if line:find "^/[^/]" then
    ok, why = commands.run(self, line)
  else
    ok, why = pcall(self.say, self, (line:gsub("^//", "/")))
    if type(why) == "table" and why.wrong then why = why.wrong end
  end
  if not ok then self:failed(tostring(why)) end
  if self.spoke and not typed then listen(self) end
end

local function read_lines(self)
  local lines = task.queue()
  local handle = core.net.lines(function(line)
    if line then lines:push(line) else lines:close() end
  end)
  while not self.over do
    local line = lines:pop()
    if not line then break end
    if line:find "%S" then take(self, line, self.interactive) end
  end
  handle:stop()
end

local function summary(self)
  self.done = true
  self.screen:flush()
  local delays = self.delays
  if self.sent == 0 then return end
  table.sort(delays)
  local median = #delays > 0 and ("; median time from message to answer: %.1f ms"):format(delays[(#delays + 1) // 2] * 1000) or ""
  print(("%d sent, %d answered%s"):format(self.sent, #delays, median))
end

--- Holds the conversation: first some lines, then those of standard input.
-- @tparam table first array of lines
-- @treturn int exit code
function Chat:run(first)
  for i = 1, #first do
    if not self.over then take(self, first[i], false) end
  end
  local failed_first = self.failures > 0
  if not self.over then read_lines(self) end
  if not self.interactive and self.acted and not self.spoke then task.sleep(QUIET) end -- for what comes of the last act
  summary(self)
  if self.interactive then return failed_first and 1 or 0 end
  return self.failures == 0 and (self.sent == 0 or #self.delays > 0) and 0 or 1
end

--- Makes a chat of a client that is not connected yet.
-- @tparam table given client, link, people, name; to: where it writes; terminal, interactive
return function(given)
  local self = setmetatable(given, Chat)
  self.screen, self.lines = new_screen(self.name, self.terminal), new_lines()
  self.own, self.invites, self.calls, self.delays = {}, {}, {}, {}
  self.heard, self.shown, self.sent, self.failures = task.queue(), task.queue(), 0, 0
  hear(self)
  return self
end
