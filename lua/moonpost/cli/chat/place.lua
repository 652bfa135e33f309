--- Commands of the chat itself: where one writes to, its timer, typing, presence, calls, status posts, channels.
-- @module moonpost.cli.chat.place
local core = require "moonpost.core"
local task = require "moonpost.task"
local words = require "moonpost.cli.chat.words"

local CALL_SECONDS = 0.5 -- between two questions what has become of a call

local wrong, need = words.wrong, words.need

local function to(chat, text)
  if text == "" then wrong "a chat is missing" end
  chat:go(chat:find(text))
end

local function chats(chat)
  local client = chat.client
  local text = "people: " .. chat.people:list(need(chat.people:refresh()))
  for _, group in ipairs(need(client.groups:list())) do text = text .. ("\ngroup %s, %s"):format(group.subject or "?", group.jid) end
  for _, one in ipairs(need(client.newsletters:list())) do text = text .. ("\nchannel %s, %s"):format(one.name or "?", one.jid) end
  chat:note(text)
end

local timers = { [0] = true, [86400] = true, [604800] = true, [7776000] = true }

local function timer(chat, text)
  local seconds = words.duration(text)
  if not seconds or not timers[seconds] then wrong "it is 1d, 7d, 90d or off" end
  if chat.to.channel then wrong "a channel has no timer" end
  chat:act(nil, { kind = "expiration", expiration = seconds }, function(client) return client:set_expiration(chat.to.jid, seconds) end)
end

local function show_typing(name)
  return function(chat, text)
    if text ~= "" and text ~= "off" then wrong("'%s' is too much", text) end
    if chat.to.channel then wrong "nobody in a channel sees that" end
    need(chat.client[name](chat.client, chat.to.jid, text ~= "off"))
  end
end

local function watch(chat, text)
  local who = text == "" and chat.to or chat:find(text)
  if who.channel then wrong "a channel has no presence" end
  chat.client:watch(who.jid)
end

local function picture(chat, text)
  local pictures = chat.client.pictures
  if text == "" then return need(pictures:remove()) end
  need(pictures:set { file = text })
end

-- Whom a status post is for: whom one writes to.
local function audience(chat)
  local list = { chat.to.jid }
  if chat.to.channel then wrong "a channel sees no status: /to a person or a group first" end
  if chat.to.group then
    list = {}
    for i, member in ipairs(need(chat.client.groups:get(chat.to.jid)).participants) do list[i] = member.jid end
  end
  return list
end

local function status(chat, text)
  if text == "" then wrong "a text is missing" end
  chat:say(text, { to = { jid = "status@broadcast", chat = "status@broadcast", name = "status" }, audience = audience(chat) })
end

local answers = { rejected = "refused the call", accepted = "took the call" }

-- Tells what the called makes of a call: the sandbox knows, and is asked while it rings.
local function follow_call(chat, id, name)
  while chat.calls.out == id and not chat.done do
    local state = chat.link:call_state(id)
    if state ~= "ringing" then
      if chat.calls.out ~= id or chat.done then return end
      chat.calls.out = nil
      return state and chat:happened(("%s %s"):format(name, answers[state] or "hears the call no more"))
    end
    task.sleep(CALL_SECONDS)
  end
end

local function call(chat, text)
  if chat.to.group or chat.to.channel then wrong "a person is called: /to NAME first" end
  if text ~= "" and text ~= "video" then wrong "it is a call, or a video call" end
  if chat.calls.out then wrong "you are calling already: /hangup ends that" end
  chat.calls.out = need(chat.link:call(chat.client.me.jid, chat.to.jid, text == "video"))
  chat:note(("you call %s: /hangup ends it"):format(chat.to.name))
  task.spawn(follow_call, chat, chat.calls.out, chat.to.name)
end

local function hangup(chat)
  if not chat.calls.out then wrong "you call nobody" end
  local id = chat.calls.out
  chat.calls.out = nil
  need(chat.link:end_call(id))
end

local function reject(chat)
  if not chat.calls.rings then wrong "nobody calls" end
  local ringing = chat.calls.rings
  chat.calls.rings = nil
  need(chat.client:reject(ringing))
end

local function channel_new(chat, text)
  if text == "" then wrong "a name is missing" end
  local made = need(chat.client.newsletters:create { name = text })
  chat:go(need(chat.people:find(made.jid, chat.client)), (", %s; others follow it by %s"):format(made.jid, made.invite or made.jid))
end

local function follow(chat, text)
  if text == "" then wrong "the channel's JID or invite is missing" end
  local found = need(chat.client.newsletters:get(text))
  need(chat.client.newsletters:follow(found.jid))
  chat:go(need(chat.people:find(found.jid, chat.client)))
end

local function unfollow(chat)
  if not chat.to.channel then wrong "this is no channel: /to CHANNEL goes to one" end
  need(chat.client.newsletters:unfollow(chat.to.jid))
end

-- For scripts: goes on when something was shown since the last message was sent.
local function wait(chat, text)
  local seconds, wanted = text:match "^(%d*)%s*(.-)$"
  seconds = tonumber(seconds) or 10
  local deadline = core.net.now() + seconds
  while true do
    local shown = chat.shown:pop(math.max(0, deadline - core.net.now()))
    need(shown, ("nothing%s came within %d s"):format(wanted ~= "" and (" with '%s'"):format(wanted) or "", seconds))
    if shown:find(wanted, 1, true) then return end
  end
end

return {
  { name = "to", usage = "CHAT", about = "writes to another person, group or channel from now on", run = to },
  { name = "chats", about = "whom you can write to", run = chats },
  { name = "timer", usage = "1d|7d|90d|off", about = "has messages of this chat disappear", run = timer },
  { name = "typing", usage = "[off]", about = "shows that you type", run = show_typing "typing" },
  { name = "recording", usage = "[off]", about = "shows that you record", run = show_typing "recording" },
  { name = "watch", usage = "[NAME]", about = "shows when somebody comes and goes", run = watch },
  { name = "status", usage = "TEXT", about = "posts a status for whom you write to", run = status },
  { name = "picture", usage = "[PATH]", about = "gives you another picture, or none", run = picture },
  { name = "call", usage = "[video]", about = "your phone calls", run = call },
  { name = "hangup", about = "ends that call", run = hangup },
  { name = "reject", about = "refuses a call that rings", run = reject },
  { name = "channel new", usage = "NAME", about = "makes a channel and goes there", run = channel_new },
  { name = "channel follow", usage = "JID|INVITE", about = "follows a channel and goes there", run = follow },
  { name = "channel unfollow", about = "follows it no more", run = unfollow },
  { name = "wait", usage = "[SECONDS] [TEXT]", about = "in scripts: until something (with TEXT) is heard", run = wait },
}
