--- The bot: handlers, commands and conversations over a client.
--
--     local bot = moonpost.bot { store = "state", name = "Echo" }
--     bot:command("ping", function(ctx) ctx:reply "pong" end)
--     bot:on("message", function(ctx) if ctx.text then ctx:reply(ctx.text) end end)
--     bot:run()
-- @module moonpost.bot
local core = require "moonpost.core"
local lazy = require "moonpost.lazy"
local log = require "moonpost.log"
local task = require "moonpost.task"
local traceback = require "moonpost.traceback"
local new_client = require "moonpost.client"
local options_of = require "moonpost.client.options"
local check_options = require "moonpost.bot.options"
local commands = require "moonpost.bot.commands"
local context = lazy "moonpost.bot.context"
local conversation = require "moonpost.bot.conversation"
local groups = require "moonpost.bot.groups"
local newsletters = lazy "moonpost.bot.newsletters"
local pictures = lazy "moonpost.bot.pictures"
local host = require "moonpost.bot.host"
local kinds = lazy "moonpost.client.kinds"
local linking = lazy "moonpost.bot.linking"
local message = require "moonpost.bot.message"
local history = require "moonpost.bot.history"
local make_filter = require "moonpost.bot.filter"
local places = require "moonpost.client.places"
local running = require "moonpost.bot.running"
local seen = lazy "moonpost.bot.seen"
local signals = require "moonpost.bot.signals"
local writing = require "moonpost.bot.writing"

local Bot = {}
Bot.__index = Bot
function Bot.__tostring(bot)
  return ("moonpost.bot (%s, account %s)"):format(bot.options.store, bot.options.account or options_of.DEFAULT_ACCOUNT)
end

local events = { ready = true, message = true, group = true, error = true, history = true }
local filters = { message = make_filter, group = groups.filter }

for _, name in ipairs { "group", "groups", "create_group", "create_community", "join" } do Bot[name] = groups[name] end
for _, name in ipairs { "newsletter", "newsletters", "create_newsletter" } do
  Bot[name] = function(...) return newsletters[name](...) end
end
for _, name in ipairs { "picture", "set_picture", "remove_picture" } do
  Bot[name] = function(...) return pictures.methods[name](...) end
end
for name in pairs(signals.events) do events[name] = true end
for name, method in pairs(writing) do Bot[name] = method end
Bot.presence = signals.presence
Bot.history = history.ask

local function check_self(bot, method)
  if getmetatable(bot) ~= Bot then error(("bot.%s was called with a dot: write bot:%s(…)"):format(method, method), 3) end
end

local function names(list)
  local found = {}
  for name in pairs(list) do found[#found + 1] = name end
  table.sort(found)
  return table.concat(found, ", ")
end

--- Registers a handler.
-- `ready`: fn(me) once online, `me.jid` the own phone-number JID, `me.lid` the LID. `message`: fn(ctx), all handlers in
-- order of registration unless a command consumed the message. `error`: fn(err, ctx) when a handler failed or a message could not
-- be read; ctx is nil when no message is to blame. Its answers go on after those of the handler that failed. `group`: fn(event), something
-- happened to a group (docs/groups.md). `receipt`, `presence`, `typing`, `picture`, `call`, `missed_call`,
-- `caught_up`: see moonpost.bot.signals. `history`: fn(page), the past the phone has given, page by page: moonpost.bot.history.
-- @string event "ready", "message", "group", "error", …
-- @tparam ?function|table filter for messages: see moonpost.bot.filter; for groups: moonpost.bot.groups
-- @func fn
-- @treturn table the bot
function Bot:on(event, filter, fn)
  check_self(self, "on")
  if not events[event] then error(("bot:on has no event '%s' (%s)"):format(tostring(event), names(events)), 2) end
  if fn == nil then filter, fn = nil, filter end
  if filter ~= nil and not filters[event] then error("only the events message and group take a filter", 2) end
  if type(fn) ~= "function" then error("bot:on expects a function, got " .. type(fn), 2) end
  local handlers = self.handlers[event]
  handlers[#handlers + 1] = { fn = fn, matches = (filters[event] or make_filter)(filter, 2) }
  return self
end

--- Registers a command; a message that matches is seen by no message handler.
-- @string name without the prefix; case does not matter
-- @func fn fn(ctx, args): args are the words after the name, `args.text` the whole rest
-- @treturn table the bot
function Bot:command(name, fn)
  check_self(self, "command")
  if type(name) ~= "string" or not name:match "^%S+$" then error("bot:command expects a name without spaces", 2) end
  if type(fn) ~= "function" then error("bot:command expects a function, got " .. type(fn), 2) end
  local prefix = self.options.prefix
  if prefix ~= "" and name:sub(1, #prefix) == prefix then
    error(("bot:command expects the name without the prefix: '%s'"):format(name:sub(#prefix + 1)), 2)
  end
  if self.commands[name:lower()] then error(("the command '%s' is registered already"):format(name), 2) end
  self.commands[name:lower()] = fn
  return self
end

-- What went wrong, and with which message.
local function tell(bot, err, ctx)
  local text = traceback.text(err)
  local named = not ctx or text:find(ctx.id, 1, true)
  bot.log:error("%s%s", named and "" or ("message %s in %s: "):format(ctx.id, ctx.chat), text)
end

local function report(bot, err, ctx)
  local handlers = bot.handlers.error
  if #handlers == 0 then tell(bot, err, ctx) end
  for _, handler in ipairs(handlers) do
    local ok, why = xpcall(handler.fn, traceback.told, err, ctx)
    if not ok then bot.log:error("the error handler failed: %s", traceback.text(why)) end
  end
end

local function be_ready(bot, fn, me)
  local ok, err = xpcall(fn, traceback.told, me)
  if not ok then report(bot, err) end
end

-- Has a handler hear a message; whether it has come to its end. One that would answer what is too old for that ends there: no error,
-- and nothing for the next handlers to suffer for.
local function hear(handler, ctx)
  if not ctx.late then
    handler.fn(ctx)
    return true
  end
  local ok, err = xpcall(handler.fn, traceback.told, ctx)
  if not ok and not context.is_late(err) then error(err, 0) end
  return ok
end

local function dispatch(bot, ctx)
  local name, args
  local is_said = ctx.text and kinds.is_content(ctx.kind) and not places.aloof[ctx.place]
  if is_said and not ctx.late then name, args = commands.parse(ctx.text, bot.options.prefix) end
  local command = name and bot.commands[name]
  local matched = command ~= nil
  if command then command(ctx, args) end
  for _, handler in ipairs(command and {} or bot.handlers.message) do
    if handler.matches(ctx) and hear(handler, ctx) then matched = true end
  end
  if matched then seen(ctx.run) end
end

local function on_message(bot, m)
  if kinds.is_content(m.kind) and not places.aloof[m.place] and bot.conversation:offer(m) then return end
  local ctx = context(bot.client, m, bot.conversation, bot.options.mark_read, bot.made)
  bot.contexts[m], bot.runs[task.running()] = ctx, ctx.run
  local ok, err = xpcall(dispatch, traceback.told, bot, ctx)
  bot.conversation:finish(ctx.run.held, ok or not m:interrupted(err))
  if not ok then error(err, 0) end
end

local function make_client(bot)
  local options = bot.options
  local client, err = new_client {
    store = host.store or options.store, account = options.account, url = host.url or options.url, root = host.root or options.root,
    ca = host.ca or options.ca, version = host.version or options.version, name = options.name, own = options.own,
    device_name = options.device_name, platform = options.platform,
    proxy = host.proxy or options.proxy,
    durability = host.durability or options.durability, key = host.key or options.key,
    reply_seconds = options.reply_seconds, late_seconds = options.late_seconds,
  }
  if not client then return nil, err end
  bot.made = message.maker(client, function()
    local run = bot.runs[task.running()]
    return run and context.cause(run)
  end)
  client:on("message", function(m) on_message(bot, m) end)
  client:on("error", function(why, m) report(bot, why, m and (bot.contexts[m] or context(client, m, bot.conversation, nil, bot.made))) end)
  groups.listen(bot, client, report)
  signals.listen(bot, client, report)
  history.listen(bot, client, report)
  client:on("unlinked", function(why) bot:finish(nil, why) end)
  client:on("replaced", function(why) bot:finish(nil, why) end)
  client:on("refused", function(why) bot:finish(nil, why) end)
  client:on("offline", function(why, seconds)
    bot.away = true
    bot.log:warn("offline, trying again in %.1f s: %s%s", seconds, traceback.text(why), why.advice and "; " .. why.advice or "")
  end)
  client:on("caught_up", function(info)
    if info.late == 0 then return end
    local seconds = client.late_seconds
    bot.log:info("of the messages that waited %d are older than %s: heard, and not answered", info.late,
      seconds < 7200 and ("%g s"):format(seconds) or ("%.4g hours"):format(seconds / 3600))
  end)
  client:on("online", function(me)
    if bot.away then bot.log:info "online again" end
    bot.away = false
    if bot.ready then return end
    bot.ready = true
    if host.on_online then host.on_online(me) end
    for _, handler in ipairs(bot.handlers.ready) do task.spawn(be_ready, bot, handler.fn, me) end
  end)
  return client
end

-- Ends bot:run() with these results; the first call wins.
function Bot:finish(...)
  if self.ended then return end
  self.ended = table.pack(...)
  self.stopping:close()
end

-- Whatever keeps the bot from getting online for the first time ends it: nothing else would.
local function start(bot)
  local called, up, why = xpcall(linking, traceback.told, bot)
  if not called then up, why = nil, up end
  if not up then bot:finish(nil, why) end
end

local function live(bot)
  bot.stopping, bot.ended, bot.ready = task.queue(), nil, false
  local err
  bot.client, err = make_client(bot)
  if not bot.client then return nil, err end
  local handles = {}
  for _, name in ipairs(host.signals == false and {} or { "INT", "TERM" }) do
    handles[#handles + 1] = core.net.signal(name, function() bot:stop() end)
  end
  local starting = task.spawn(start, bot)
  bot.stopping:pop()
  starting:cancel()
  for _, handle in ipairs(handles) do handle:stop() end
  bot.client:close()
  return table.unpack(bot.ended, 1, bot.ended.n)
end

--- Runs the bot until `bot:stop()`, Ctrl-C or SIGTERM, or until the account is unlinked. Links it first when needed.
-- Inside a task it waits there; elsewhere it runs the loop.
-- @treturn ?boolean true after a clean stop; nil when it could not go on
-- @treturn ?table err code "unlinked": the phone removed this device; "replaced": another process took over; "banned", "outdated",
-- "refused": the service takes no login; others as they come. They are logged as well where no `moonpost run` prints them.
function Bot:run()
  check_self(self, "run")
  if self.running then error("this bot runs already", 2) end
  self.running = true
  local ok, err
  do
    local done <close> = setmetatable({}, { __close = function() self.running = false end })
    if task.running() then ok, err = live(self) else ok, err = task.run(live, self) end
    host.result = done and { ok, err }
  end
  if not ok and host.on_failed and not host.several then
    host.on_failed(err)
  elseif not ok then
    self.log:error(traceback.text(err))
  end
  return ok, err
end

--- Starts the bot in a task of its own and returns: for a loop that somebody else runs (moonpost.use_luv).
-- @treturn table the task; `:join()` waits in another task for what bot:run() returns
function Bot:start()
  check_self(self, "start")
  return task.spawn(self.run, self)
end

--- The messages that were set aside: those in whose handlers three runs have ended. While the bot runs.
-- @treturn table array, oldest first, of {id=, chat=, sender=, phone=, name=, time=, age=, text=, kind=, message=, …}; each has
-- `:retry()`, which hands it to the handlers again, and `:drop()`
function Bot:parked()
  running(self, "parked", 2)
  return self.client:parked()
end

--- Stops a bot that runs: what is in flight finishes, presence goes unavailable, `bot:run()` returns true.
function Bot:stop()
  check_self(self, "stop")
  if self.stopping then self:finish(true) end
end

--- Logs the account out and stops the bot: the server takes this device off, the account's rows in the store are wiped, and `bot:run()`
-- returns true. In a task; the bot must be online.
-- @treturn ?boolean true
-- @treturn ?table err as moonpost.client's `logout` says; the bot goes on then
function Bot:logout()
  check_self(self, "logout")
  if not self.client or self.ended then return nil, core.error("closed", "this bot does not run") end
  local ok, err = self.client:logout()
  if not ok then return nil, err end
  self:finish(true)
  return true
end

--- Makes a bot.
-- @tparam table options `store` folder of its state (required), `account` which of the store's accounts it is ("default"), `name`
-- push name, `prefix` of commands ("!"), `own` true to hear the account's owner too (never its own sends), `url`, `root`, `ca`,
-- `version` of the server and `device_name`, `platform` of this device, `proxy`, `durability` and `key` of the store as in
-- moonpost.client, `qr` fn(text, seconds) to show the QR oneself, or `phone` to link by that number with a code, and `code`
-- fn(code, seconds, digits) to show it oneself. `reply_seconds`: how long an answer may wait for the server (600) before
-- it is dropped, with an error in the handler that sends it. `late_seconds`: how old a message is (a day) that is heard, and not answered
-- any more: no command of it runs, and a handler that would answer ends there. `mark_read`: whether messages that a handler or command
-- has dealt with are shown as read (true); what nothing matches never is
-- @treturn table bot
return function(options)
  check_options(options, 2)
  local copy = { prefix = "!", mark_read = true }
  for name, value in pairs(options) do copy[name] = value end
  host.bots = (host.bots or 0) + 1
  local handlers = {}
  for name in pairs(events) do handlers[name] = {} end
  return setmetatable({
    log = log.of(options.account), options = copy, commands = {},
    handlers = handlers, conversation = conversation(),
    contexts = setmetatable({}, { __mode = "k" }), -- of the messages being handled: the error handler goes on in the same one
    runs = setmetatable({}, { __mode = "k" }), -- of the tasks that handle a message: what they send has it for its cause
  }, Bot)
end
