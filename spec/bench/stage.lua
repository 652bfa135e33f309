-- The rows `online`, `idle`, `echo`, `photo` and `again`: one sandbox in a process of its own, a bot of moonpost and one of Baileys one
-- after the other before it, over wss with the certificate verified, and here the contacts who write. What a bot costs is read from /proc,
-- the same way for both; neither finds an ffmpeg. Prints one JSON object: {moonpost = {online=, idle=, echo=, …}, baileys = {...}}.
-- usage: moonpost run spec/bench/stage.lua -- ROUND ROW...   (NODE: the node to use)
local core = require "moonpost.core"
local json = require "cjson.safe"
local moonpost = require "moonpost"
local sandbox_link = require "moonpost.cli.sandbox_link"
local photos = require "spec.bench.photos"
local task = require "moonpost.task"

local CONTACTS, MESSAGES = 50, 5000
local PHOTOGRAPHERS, PHOTOS, PHOTO_BYTES = 10, 400, 200 * 1024
local LOGINS = 9 -- of the row `again`
local SETTLE_SECONDS, IDLE_SECONDS, ECHO_SECONDS, ALL_SECONDS = 1, 3, 60, 500

local folder = os.tmpname()
os.remove(folder)
assert(os.execute(("mkdir -p '%s'"):format(folder)))

-- A child process whose output is read line by line; its first line is its pid (the shell's, which exec keeps).
local Child = {}
Child.__index = Child
local children = {}

local function start(command)
  local pipe = assert(io.popen("echo $$; exec " .. command))
  local child = { pid = assert(math.tointeger(pipe:read "n")), pipe = pipe, command = command, began = core.net.now() }
  children[child] = true
  return setmetatable(child, Child)
end

-- The rest of the next line that begins with `word`; `other` gets each line before it.
function Child:expect(word, other)
  for line in self.pipe:lines() do
    local rest = line:match("^" .. word .. " (.*)$")
    if rest then return rest end
    if other then other(line) end
  end
  error(("'%s' ended without saying '%s'"):format(self.command, word), 0)
end

function Child:stop()
  children[self] = nil
  os.execute(("kill -INT %d"):format(self.pid))
  self.pipe:read "a"
  self.pipe:close()
end

local function read_file(path)
  local file = assert(io.open(path))
  local text = file:read "a"
  file:close()
  return text
end

-- Seconds of CPU the process has used, all its threads, user and system.
function Child:cpu()
  local ticks = { read_file(("/proc/%d/stat"):format(self.pid)):match "%) (.*)" }
  local fields = {}
  for word in ticks[1]:gmatch "%S+" do fields[#fields + 1] = word end
  return (tonumber(fields[12]) + tonumber(fields[13])) / 100
end

function Child:memory()
  local text = read_file(("/proc/%d/smaps_rollup"):format(self.pid))
  local function bytes(name) return tonumber(text:match("\n" .. name .. ":%s+(%d+) kB")) * 1024 end
  return { resident = bytes "Rss", anonymous = bytes "Anonymous" }
end

local commands = {
  moonpost = function(stage)
    return ("env PATH='%s' build/moonpost run spec/bench/bot.lua --store '%s/moonpost' -- '%s' %s '%s'"):format(
      folder, folder, stage.url, core.crypto.hex(stage.link.root), stage.ca)
  end,
  baileys = function(stage)
    return ("env PATH='%s' NODE_EXTRA_CA_CERTS='%s' '%s' spec/bench/baileys.mjs bot '%s' '%s/baileys'"):format(
      folder, stage.ca, os.getenv "NODE" or "node", stage.url, folder)
  end,
}

local again_commands = {
  moonpost = function(stage)
    return ("build/moonpost run spec/bench/again.lua -- '%s' %s '%s' '%s/moonpost' %d"):format(
      stage.url, core.crypto.hex(stage.link.root), stage.ca, folder, LOGINS)
  end,
  baileys = function(stage)
    return ("env NODE_EXTRA_CA_CERTS='%s' '%s' spec/bench/baileys.mjs again '%s' '%s/baileys' %d"):format(
      stage.ca, os.getenv "NODE" or "node", stage.url, folder, LOGINS)
  end,
}

local function start_bot(stage, side)
  local bot = start(commands[side](stage))
  bot.jid = core.wire.jid.bare(bot:expect("ready", function(line)
    local text = line:match "^qr (.*)$"
    if text then assert(stage.link:scan(text)) end
  end))
  bot.online = core.net.now() - bot.began
  return bot
end

local function new_contact(stage, number)
  local client = assert(moonpost.client {
    store_handle = assert(core.store.open {}), url = stage.plain_url, root = stage.link.root, ca = stage.link.ca,
    name = "Contact " .. number,
  })
  assert(client:pair { qr = function(text) task.spawn(function() assert(stage.link:scan(text)) end) end })
  assert(client:connect())
  return client
end

-- Every contact writes its share, each message once the echo of the one before is there, and hears each text again, once. (Two
-- messages of one chat at a time make Baileys use a message key twice, when its encryption meets a decryption, and lose one.)
local function converse(client, number, bot, finished)
  local heard = task.queue()
  local stop = client:on("message", function(m) heard:push(m.text) end)
  for i = 1, MESSAGES // CONTACTS do
    local text = ("message %d of contact %d"):format(i, number)
    assert(client:send(bot.jid, text))
    local echoed, err = heard:pop(ECHO_SECONDS)
    if echoed ~= text then error(("contact %d wrote '%s' and heard %s"):format(number, text, tostring(echoed or err)), 0) end
  end
  stop()
  finished:push(true)
end

local function exchange(stage, bot)
  local finished = task.queue()
  for number, client in ipairs(stage.contacts) do task.spawn(converse, client, number, bot, finished) end
  for _ = 1, CONTACTS do assert(finished:pop(ALL_SECONDS)) end
end

local function echo(stage, bot)
  local began, cpu = core.net.now(), bot:cpu()
  exchange(stage, bot)
  return { wall = core.net.now() - began, cpu = (bot:cpu() - cpu) / MESSAGES }
end

-- Each of some contacts sends its share of pictures, one after another.
local function show(stage, bot, count)
  local finished = task.queue()
  for i = 1, PHOTOGRAPHERS do
    task.spawn(function()
      for _ = 1, count // PHOTOGRAPHERS do photos.send(stage.contacts[i], bot.jid, PHOTO_BYTES, ECHO_SECONDS) end
      finished:push(true)
    end)
  end
  for _ = 1, PHOTOGRAPHERS do assert(finished:pop(ALL_SECONDS)) end
end

-- After a picture of each, so that what is loaded once is.
local function photo(stage, bot)
  show(stage, bot, PHOTOGRAPHERS)
  local began, cpu = core.net.now(), bot:cpu()
  show(stage, bot, PHOTOS)
  return { wall = core.net.now() - began, cpu = (bot:cpu() - cpu) / PHOTOS }
end

-- The bot links in a first run; what is measured is a second one, which resumes.
local function measure(stage, side, wanted)
  local result = {}
  local bot = start_bot(stage, side)
  task.sleep(SETTLE_SECONDS)
  bot:stop()
  bot = start_bot(stage, side)
  result.online = { seconds = bot.online }
  if wanted.idle then
    task.sleep(IDLE_SECONDS)
    result.idle = bot:memory()
  end
  if wanted.echo then result.echo = echo(stage, bot) end
  if wanted.photo then result.photo = photo(stage, bot) end
  bot:stop()
  if wanted.again then
    local logins = start(again_commands[side](stage))
    result.again = { seconds = tonumber(logins:expect "again") }
    logins:stop()
  end
  return result
end

local function open_stage(server, wanted)
  local stage = { url = server:expect "sandbox", contacts = {}, ca = folder .. "/ca.pem" }
  stage.plain_url = stage.url:gsub("^wss:", "ws:")
  stage.link = sandbox_link(stage.url)
  assert(stage.link:prepare())
  local file = assert(io.open(stage.ca, "w"))
  file:write(stage.link.ca)
  assert(file:close())
  for number = 1, wanted.echo and CONTACTS or wanted.photo and PHOTOGRAPHERS or 0 do stage.contacts[number] = new_contact(stage, number) end
  return stage
end

local round, wanted = assert(math.tointeger(arg[1])), {}
for i = 2, #arg do wanted[arg[i]] = true end
local server = start "build/moonpost sandbox --tls"
local done <close> = setmetatable({}, { __close = function()
  for child in pairs(children) do child:stop() end
  os.execute(("rm -rf '%s'"):format(folder))
end })
local results = {}
task.run(function()
  local stage = open_stage(server, wanted)
  local sides = round % 2 == 1 and { "moonpost", "baileys" } or { "baileys", "moonpost" }
  for _, side in ipairs(sides) do results[side] = measure(stage, side, wanted) end
  for _, client in ipairs(stage.contacts) do client:close() end
end)
io.write(json.encode(results), "\n")
return done
