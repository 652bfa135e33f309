--- `moonpost chat`: be a contact in the sandbox. The contact is a companion client of an account of its own.
-- @module moonpost.cli.chat
local core = require "moonpost.core"
local new_client = require "moonpost.client"
local task = require "moonpost.task"
local options = require "moonpost.cli.options"
local printable = require "moonpost.printable"
local sandbox_link = require "moonpost.cli.sandbox_link"
local new_chat = require "moonpost.cli.chat.conversation"
local new_people = require "moonpost.cli.chat.people"

local command = { summary = "be a person in a sandbox: write to bots, people and groups" }

command.usage = [[
usage: moonpost chat --sandbox URL --as NAME --to CHAT [LINE]...

  --sandbox URL   the sandbox, ws://HOST:PORT/ws/chat or wss://…
  --as NAME       the contact's name: an account of its own, made when it is new
  --to CHAT       where to write: a person's name, phone number or JID, or a group the contact is in
  LINE            lines sent before standard input is read

Lines from standard input are sent; what comes back is printed with ticks. A line that begins with / is a command: /help tells them,
/poll Lunch? | Soup | Salad asks a poll. Ctrl-D ends it.
Exit codes: 0 done; 1 failed: a LINE was wrong or failed, in a pipe any line, or nobody answered any message; 2 wrong command line.]]

local PEER_WAIT = 3.0 -- seconds to wait for CHAT to be known to the sandbox

-- Where `wanted` leads; waits a little for it to come to be. Without a client, groups are not looked for.
local function await_chat(people, wanted, client)
  local deadline = core.net.now() + PEER_WAIT
  repeat
    local found, why = people:find(wanted, client)
    if found or why then return found, why end
    task.sleep(0.1)
  until core.net.now() > deadline
  local what = client and "nobody and no group of yours" or "nobody"
  return nil, ("the sandbox knows %s called '%s' (%s); is the bot running?"):format(what, wanted, people:known())
end

-- A group can be found only by who is in it already.
local function find_person(people, found)
  local name = people:account(found.as)
  if name then return nil end
  local to, why = await_chat(people, found.to)
  if not to then options.stop("%s", why) end
  return to
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
  client:close()
end

local function talk(found, link, people, client, to)
  local terminal = core.net.isatty(1)
  local chat = new_chat {
    client = client, link = link, people = people, name = found.as, to = to, terminal = terminal,
    interactive = terminal and core.net.isatty(0),
  }
  local up, err = client:connect()
  if not up then options.stop("cannot connect: %s", tostring(err)) end
  people:is(client, found.as)
  if not to then
    to, err = await_chat(people, found.to, client)
    if not to then options.stop("%s", err) end
    chat:go(to)
  end
  return chat:run(found)
end

local function converse(found, link)
  local people = new_people(link)
  local to = find_person(people, found)
  local client = link_contact(link, found.as)
  local ok, result = pcall(talk, found, link, people, client, to)
  unlink(client)
  if not ok then error(result, 0) end
  return result
end

--- @treturn int exit code
function command.main(args)
  local found = options.parse({ sandbox = "URL", as = "NAME", to = "CHAT", arguments = { 0, math.huge } }, args)
  for _, name in ipairs { "sandbox", "as", "to" } do
    if not found[name] then options.fail("--%s is missing", name) end
  end
  local link = sandbox_link(found.sandbox)
  return task.run(converse, found, link)
end

return command
