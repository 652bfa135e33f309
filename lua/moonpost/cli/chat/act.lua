--- Commands that do something to a message.
-- @module moonpost.cli.chat.act
local words = require "moonpost.cli.chat.words"

local wrong, need = words.wrong, words.need

local DAY = 24 * 3600

local function react(chat, text, m)
  chat:act(m, { kind = "reaction", reaction = { emoji = text } }, function(client) return client:react(m, text) end)
end

local function edit(chat, text, m)
  if text == "" then wrong "the new text is missing" end
  if not m.from_me then wrong("%s is not yours", chat.lines:name(m)) end
  if m.kind ~= "text" and not m.text then wrong("%s has no text", chat.lines:name(m)) end
  if m.kind == "event" then wrong("%s is an event: /cancel cancels it", chat.lines:name(m)) end
  chat:act(m, { kind = "edit", text = text }, function(client) return client:edit(m, text) end)
end

local function cancel(chat, text, m)
  if text ~= "" then wrong("'%s' is too much", text) end
  if not m.from_me then wrong("%s is not yours", chat.lines:name(m)) end
  chat:act(m, { kind = "edit", text = "it is cancelled" }, function(client) return client:edit(m, { cancelled = true }) end)
end

local function delete(chat, _, m)
  chat:act(m, { kind = "revoke" }, function(client) return client:delete(m) end)
end

local pins = { [DAY] = true, [7 * DAY] = true, [30 * DAY] = true }

local function pin(chat, text, m)
  local seconds = text == "" and 7 * DAY or words.duration(text)
  if not pins[seconds or 0] then wrong "it is for 1d, 7d or 30d" end
  chat:act(m, { kind = "pin", pinned = true, seconds = seconds }, function(client) return client:pin(m, seconds) end)
end

local function mark(name, fields)
  return function(chat, _, m)
    chat:act(m, fields, function(client) return client[name](client, m) end)
  end
end

local function forward(chat, text, m)
  if text == "" then wrong "the chat is missing" end
  local to = chat:find(text)
  local copy = need(require("moonpost.client.kinds").forward(m))
  chat:say({ message = copy }, { to = to })
end

local function info(chat, _, m)
  local client = chat.client
  local now = client:message(m.chat, m.id, m.sender) or m
  local text = ("%s: %s of %s, %s"):format(chat.lines:name(m), m.kind or "nothing", chat:name_of(m), words.date(m.time))
  if m.from_me then text = text .. "; " .. (client:status_of(m) or "sent") end
  if now.edited then text = text .. ("; edited %s"):format(words.date(now.edited)) end
  if now.revoked then text = text .. "; deleted by " .. chat.people:name(now.revoked) end
  for _, one in ipairs(m.from_me and client.delivered:of(m.id) or {}) do
    local step = one.played and "played" or one.read and "read" or "delivered"
    text = text .. ("\n%s to %s %s"):format(step, chat.people:name(one.jid), words.date(one[step]))
  end
  for _, one in ipairs(client.effects:reactions(m)) do text = text .. ("\n%s from %s"):format(one.emoji, chat.people:name(one.sender)) end
  chat:note(text)
end

return {
  { name = "react", target = "other", usage = "[EMOJI]", about = "reacts to a message; takes the reaction back", run = react },
  { name = "edit", target = "own", usage = "TEXT", about = "gives a message of yours another text", run = edit },
  { name = "delete", target = "own", about = "deletes a message for everybody", run = delete },
  { name = "pin", target = "any", usage = "[1d|7d|30d]", about = "pins a message for everybody", run = pin },
  { name = "unpin", target = "any", about = "takes the pin off", run = mark("unpin", { kind = "pin", pinned = false }) },
  { name = "keep", target = "any", about = "keeps a message in a chat that forgets", run = mark("keep", { kind = "keep", kept = true }) },
  { name = "unkeep", target = "any", about = "keeps it no more", run = mark("unkeep", { kind = "keep", kept = false }) },
  { name = "forward", target = "any", usage = "CHAT", about = "forwards a message to another chat", run = forward },
  { name = "cancel", target = "event", about = "cancels an event of yours", run = cancel },
  { name = "info", target = "any", about = "who has received and read a message, and what was done to it", run = info },
}
