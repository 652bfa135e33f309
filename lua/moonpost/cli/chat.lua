--- `moonpost chat`: be a contact in the sandbox. The contact is a companion client of an account of its own.
-- @module moonpost.cli.chat
local core = require "moonpost.core"
local new_client = require "moonpost.client"
local task = require "moonpost.task"
local options = require "moonpost.cli.options"
local printable = require "moonpost.printable"
local sandbox_link = require "moonpost.cli.sandbox_link"
local new_screen = require "moonpost.cli.screen"


local command = { summary = "write to a bot in a sandbox, as a contact" }

command.usage = [[
usage: moonpost chat --sandbox URL --as NAME --to BOT [TEXT]...

  --sandbox URL   the sandbox, ws://HOST:PORT/ws/chat or wss://…
  --as NAME       the contact's name: an account of its own, made when it is new
  --to BOT        whom to write to: a name, a phone number or a JID the sandbox knows
  TEXT            lines sent before standard input is read

Lines from standard input are sent; what comes back is printed with ticks. Ctrl-D ends it.
Exit codes: 0 done, 1 failed, or none of the lines of a pipe or command line was answered, 2 wrong command line.]]

local ANSWER_WAIT = 2.0 -- seconds a line from a pipe waits for an answer before the next one goes, and the end for a last one
local QUIET = 0.25      -- and then for more of them, since one answer may come in several messages
local PEER_WAIT = 3.0   -- seconds to wait for BOT to be known to the sandbox

-- Who is meant: the one with this number or JID, else all of this name; a name in the very same letters comes before others.
local function who_is(accounts, wanted)
  local digits = wanted:gsub("[%s%+%-%(%)]", "")
  local exact, like = {}, {}
  for _, account in ipairs(accounts) do
    if account.phone == digits or account.jid == wanted or account.lid == wanted then return { account } end
    if account.push_name == wanted then exact[#exact + 1] = account end
    if account.push_name:lower() == wanted:lower() then like[#like + 1] = account end
  end
  return #exact > 0 and exact or like
end

local function the_one(found, wanted)
  if #found < 2 then return found[1] end
  local numbers = {}
  for i, account in ipairs(found) do numbers[i] = "+" .. account.phone end
  options.stop("several are called %s: %s; write to one by the number", wanted, table.concat(numbers, ", "))
end

local function find_account(link, wanted)
  if wanted:find "@g%.us$" then options.stop "chat writes to one person: moonpost cannot write to groups yet (docs/sandbox.md, Groups)" end
  local deadline, names = core.net.now() + PEER_WAIT, {}
  repeat
    local accounts, err = link:accounts()
    if not accounts then options.stop("%s", tostring(err)) end
    for i, account in ipairs(accounts) do names[i] = account.push_name end
    local account = the_one(who_is(accounts, wanted), wanted)
    if account then return account end
    task.sleep(0.1)
  until core.net.now() > deadline
  local others = #names > 0 and "it knows: " .. table.concat(names, ", ") or "it knows nobody yet"
  options.stop("the sandbox knows nobody called '%s' (%s); is the bot running?", wanted, others)
end

local function describe(m)
  if m.kind == "reaction" then return "reacted " .. (m.message.reactionMessage.text or "") end
  local text = m.text or ("[%s]"):format(m.kind)
  local quoted = m.quoted and m.quoted.text
  return quoted and ("%s   ↪ %s"):format(text, quoted) or text
end

-- What a receipt of the other side's device says of a line.
local ticks = { delivery = "delivered", read = "read", played = "read" }

local Chat = {}
Chat.__index = Chat

function Chat:watch()
  self.client:on("message", function(m)
    self.screen:other(m.time, m.from_me and self.name or m.name or m.phone or m.sender, describe(m))
    if self.asked_at then
      self.delays[#self.delays + 1] = core.net.now() - self.asked_at
      self.asked_at = nil
    end
    self.heard:push(true)
  end)
  self.client:on("receipt", function(receipt)
    local state = not receipt.own and ticks[receipt.type]
    for _, id in ipairs(receipt.ids) do
      local own = receipt.chat == self.chat_jid and self.lines[id]
      if own and state then self.screen:update(own, state) end
    end
  end)
  self.client:on("error", function(err) io.stderr:write("moonpost chat: ", printable.text(tostring(err)), "\n") end)
end

function Chat:send(text, typed)
  local own = self.screen:own(text, typed)
  self.sent = self.sent + 1
  self.asked_at = core.net.now()
  local sent, err = self.client:send(self.peer, text)
  if not sent then return self.screen:update(own, nil, tostring(err)) end
  self.lines[sent.id] = own
  self.screen:update(own, "sent")
end

-- In a pipe the next line waits for an answer to this one, so that a script reads as a conversation.
function Chat:send_and_listen(text)
  while #self.heard > 0 do self.heard:pop() end
  self:send(text)
  local wait = ANSWER_WAIT
  while self.heard:pop(wait) do wait = QUIET end
end

function Chat:read_lines()
  local lines = task.queue()
  local handle = core.net.lines(function(line)
    if line then lines:push(line) else lines:close() end
  end)
  while true do
    local line = lines:pop()
    if not line then break end
    if line:find "%S" then
      if self.interactive then self:send(line, true) else self:send_and_listen(line) end
    end
  end
  handle:stop()
end

function Chat:summary()
  self.screen:flush()
  local delays = self.delays
  if self.sent == 0 then return end
  table.sort(delays)
  local median = #delays > 0 and ("; median time from message to answer: %.1f ms"):format(delays[(#delays + 1) // 2] * 1000) or ""
  print(("%d sent, %d answered%s"):format(self.sent, #delays, median))
end

local function link_contact(link, name)
  local ok, err = link:prepare()
  if not ok then options.stop("%s", tostring(err)) end
  local store, why = core.store.open {}
  if not store then options.stop("%s", tostring(why)) end
  local client = new_client { store_handle = store, url = link.url, root = link.root, ca = link.ca, name = name, own = true }
  local me
  me, err = client:pair { qr = function(text)
    task.spawn(function()
      local scanned, reason = link:scan(text)
      if not scanned then io.stderr:write("moonpost chat: ", tostring(reason), "\n") end
    end)
  end }
  if not me then options.stop("cannot link %s: %s", name, tostring(err)) end
  return client
end

-- The device was made for this chat: it goes with it, else the contact's devices, and so every message, would grow.
local function unlink(client)
  local ok, err = client:logout()
  if not ok then io.stderr:write("moonpost chat: this device stays linked: ", printable.line(tostring(err)), "\n") end
end

local function converse(found, link)
  local account = find_account(link, found.to)
  local client = link_contact(link, found.as)
  local terminal = core.net.isatty(1)
  local chat = setmetatable({
    client = client, name = found.as, peer = account.jid, chat_jid = account.lid, screen = new_screen(found.as, terminal),
    interactive = terminal and core.net.isatty(0), lines = {}, delays = {}, sent = 0, heard = task.queue(),
  }, Chat)
  chat:watch()
  local up, err = client:connect()
  if not up then options.stop("cannot connect: %s", tostring(err)) end
  for i = 1, #found do chat:send_and_listen(found[i]) end
  chat:read_lines()
  chat:summary()
  unlink(client)
  client:close()
  return (chat.interactive or chat.sent == 0 or #chat.delays > 0) and 0 or 1
end

--- @treturn int exit code
function command.main(args)
  local found = options.parse({ sandbox = "URL", as = "NAME", to = "BOT", arguments = { 0, math.huge } }, args)
  for _, name in ipairs { "sandbox", "as", "to" } do
    if not found[name] then options.fail("--%s is missing", name) end
  end
  local link = sandbox_link(found.sandbox)
  return task.run(converse, found, link)
end

return command
