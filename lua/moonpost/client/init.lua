--- The client: one linked device of an account. Bots stand on it; it can be used alone.
--
--     local client = assert(moonpost.client { store = "state" })
--     client:on("message", function(m) client:send(m.chat, m.text) end)
--     task.run(function()
--       if not client:linked() then assert(client:pair { qr = print }) end
--       assert(client:connect())
--     end)
--
-- Events: `message`(m), `receipt`{chat, sender, own, ids, type, time}, `presence`{jid, available, last}, `chatstate`{chat, sender,
-- state}, `identity`{jid, phone}: a contact has new keys, `error`(err, m), `online`(me), `caught_up`{messages, late, seconds,
-- complete}: handlers have heard what waited (moonpost.client.caught_up), `offline`(err, seconds): the connection is lost and
-- made again after so long. After three it stays away until `connect` is called again: `unlinked`(err), the phone removed this device
-- and its store is empty now; `replaced`(err), another program logged in as this device; `refused`(err), the service takes no
-- login of it (err.code "banned", "outdated", "refused"); who is banned for a time is not let try before that is over.
-- A message `m` has: id, chat and sender (bare, the LID once known), group (whether the chat is one), phone (digits or nil), from_me,
-- name, time (Unix seconds), text, kind, quoted, mentions, forwarded, expires, view_once, a table by kind (docs/kinds.md), message (the
-- whole Message as a table), raw (its bytes), redelivered, offline, attempts, age (seconds since `time`, by the server's clock), late
-- (whether that is more than the client's `late_seconds`).
-- One that cannot be read in the end has kind "undecryptable", a `reason` (a word), no text and an empty message; when it can be read
-- after all it is heard as well.
-- A receipt's `type` is "delivery", "inactive", "read", "played", "sender", …; `own` tells that another own device sent it.
-- @module moonpost.client
local core = require "moonpost.core"
local lazy = require "moonpost.lazy"
local log = require "moonpost.log"
local task = require "moonpost.task"
local damage = require "moonpost.client.damage"
local events = require "moonpost.client.events"
local limits = require "moonpost.client.limits"
local of_me = require "moonpost.client.me"
local new_turn = require "moonpost.client.turn"
local open_store = require "moonpost.client.opening"
local options_of = require "moonpost.client.options"
local parse_phone = require("moonpost.client.phone_number").parse
local payload = require "moonpost.client.payload"
local platform = require "moonpost.client.platform"
local proxy = require "moonpost.client.proxy"
local tenancy = require "moonpost.client.tenancy"

local actions = lazy "moonpost.client.actions"
local archive_upgrade = lazy "moonpost.client.archive_upgrade"
local close = lazy "moonpost.client.close"
local logout = lazy "moonpost.client.logout"
local parked = lazy "moonpost.client.parked"

local SERVICE = "wss://web.whatsapp.com/ws/chat"

local Client = {}

-- What a client can do, each a file of its own, made when it is first used: `client.groups`, `client.presence`, …
local capabilities = {}
for name in ([[connection pairing devices prekeys signed_prekey digest fanout fanout_group archive effects timers sent delivered read_marks
  privacy_settings outbox receive sender_keys groups secrets assistants answers answering journal receipts retry retry_keys missing
  identities notifications presence calls peer peer_requests sweep resume group_changes privacy_tokens newsletters
  status_posts appstate media properties caught_up pictures]]):gmatch "%S+" do
  capabilities[name] = "moonpost.client." .. name
end
capabilities.sender, capabilities.past = "moonpost.client.send", "moonpost.client.history"

function Client.__index(self, name)
  local method, capability = Client[name], capabilities[name]
  if method ~= nil or not capability then return method end
  local made = require(capability)(self)
  rawset(self, name, made)
  return made
end

--- A capability if it has been used, else nil: for what ends or forgets things, and needs none made for that.
function Client:made(name) return rawget(self, name) end

function Client.__tostring(client) return ("moonpost.client (%s)"):format(client.me and client.me.jid or "not linked") end

Client.on, Client.emit = events.on, events.emit

--- A fresh id for an IQ (fact sheet 01 §6.1).
function Client:next_id()
  self.counter = self.counter + 1
  return self.id_prefix .. self.counter
end

--- Whether the store holds a linked device.
function Client:linked() return self.me ~= nil end

--- Who this device is, as callers and handlers are told; nil when it is not linked.
-- @treturn ?table {jid=, lid=, device=, name=}
function Client:identity()
  local me = self.me
  return me and { jid = me.jid, lid = me.lid, device = me.device, name = me.name }
end

-- Errors of the caller at the caller's line.
local function in_task(name)
  if not task.running() then error(("client:%s waits, so it must be called in a task (moonpost.task.spawn)"):format(name), 3) end
end

local function closed() return nil, core.error("closed", "the client is closed") end

--- Links the account, by QR or by phone number. In a task.
-- @tparam table options qr = fn(text, seconds), called for each QR with how long it lives, until one is scanned; or
--   phone = the account's number, such as "+1 555 123 4567", and code = fn(code, seconds, digits), called for each code (ABCD-EFGH) that
--   can be typed at the phone (Linked devices, Link a device, Link with phone number instead), 5 at most
-- @treturn ?table me: jid, lid, device, name
-- @treturn ?table err code "linked", "pairing" (the phone's word does not hold), "network" (no server), "phone" (that is no number),
--   "expired" (no code was typed in time), "passkey" (the service wants one), or as the service refuses
function Client:pair(options)
  local by_qr = type(options) == "table" and type(options.qr) == "function" and options.phone == nil
  if not by_qr and not (type(options) == "table" and type(options.phone) == "string" and type(options.code) == "function") then
    error("client:pair expects { qr = function } or { phone = number, code = function }", 2)
  end
  in_task "pair"
  if self.closed then return closed() end
  if self.me then return nil, core.error("linked", "this store is linked already, as " .. self.me.jid) end
  local phone, wrong
  if not by_qr then
    phone, wrong = parse_phone(options.phone)
    if not phone then return nil, wrong end
  end
  local me, err = self.pairing:pair { qr = options.qr, phone = phone, code = options.code }
  return me and self:identity(), err
end

--- Goes online, and stays so until `close`: lost connections are made again with growing pauses. In a task.
-- @treturn ?boolean true once online
-- @treturn ?table err the account cannot log in: code "unlinked", "replaced", "banned", "outdated", "refused"
function Client:connect()
  in_task "connect"
  if self.closed then return closed() end
  if not self.me then return nil, core.error("unlinked", "this store is not linked: pair first") end
  local moved, err = pcall(archive_upgrade, self)
  if not moved then return nil, err end
  self.sweep:start()
  return self.connection:start()
end

--- Logs out: the server takes this device off the account, and everything the store holds of it is wiped. The client stays open, not
-- linked. No event `unlinked` tells of it. In a task.
-- @tparam ?table options force = true: wipe even when the server cannot be told; the phone then still lists the device
-- @treturn ?boolean true
-- @treturn ?table err code "unlinked": there is no account; "offline"; "timeout", "iq" as the server answers, or as the store does
function Client:logout(options)
  in_task "logout"
  if self.closed then return closed() end
  return logout(self, options ~= nil and options.force == true)
end

--- Goes offline: handlers that run may end (5 s), presence goes unavailable, the store is closed. In a task. A second call does
-- nothing.
function Client:close()
  if self.closed then return end
  self.closed = true
  close(self)
end

--- The messages that were set aside: those in whose handlers three runs have ended.
-- @treturn table array, oldest first, of what handlers are told of a message, with `:retry()` and `:drop()` (moonpost.client.parked)
function Client:parked() return parked(self.journal) end

--- Sends an IQ and waits for its answer. In a task.
-- @tparam table node the iq; it gets an id when it has none
-- @tparam ?table options timeout in seconds (75)
-- @treturn ?table the answer
-- @treturn ?table err code "timeout", "closed", or "iq" with `status`, the server's number
function Client:query(node, options)
  if type(node) ~= "table" or node.tag ~= "iq" then error("client:query expects an iq node (moonpost.stanza)", 2) end
  local timeout = options and options.timeout
  if timeout ~= nil and (type(timeout) ~= "number" or timeout <= 0) then error("client:query: timeout is in seconds, above 0", 2) end
  in_task "query"
  return self.connection:query(node, timeout)
end

--- Sends a message to a person or a group and waits until the server has it. In a task. While offline it waits to be online again.
-- @string jid bare JID: phone number, LID or group
-- @tparam string|table message a text; a table with its kind's word, { text = "hello" }, { location = {52.5, 13.4} }, … (docs/kinds.md);
-- or a Message as a table. What is wrong in it is raised
-- @tparam ?table options quote = m: the message to quote
-- @treturn ?table {id=, time=}
-- @treturn ?table err code "limit": the text (65,536 characters) or the Message (1 MiB) is too large; nothing of it is kept
function Client:send(jid, message, options)
  local name, level = options and options.said_by or "client:send", 2 + (options and options.level or 0)
  if type(jid) ~= "string" then error(("%s expects a JID, got %s"):format(name, type(jid)), level) end
  if type(message) ~= "string" and type(message) ~= "table" then
    error(("%s expects a text or a Message table, got %s"):format(name, type(message)), level)
  end
  if self.over then return closed() end -- while it closes, the handlers that run may still send
  return self.sender:send(jid, message, options or {})
end

for name in ([[edit delete delete_for_me react pin unpin keep unkeep forward set_expiration vote respond comment message
  status_of]]):gmatch "%S+" do -- moonpost.client.actions
  local waits = name ~= "message" and name ~= "status_of"
  Client[name] = function(self, ...)
    if waits then in_task(name) end
    if self.over then return closed() end
    return actions[name](self, ...)
  end
end

--- The votes on a poll, counted: an array in the order of its choices of { choice=, count=, voters = JIDs }; `total` is how many people
-- have voted, `:winner()` the row with the most votes, nil when there is not one alone.
-- @tparam table m the poll, a vote on it, or a message that quotes it
-- @treturn ?table
-- @treturn ?table err code "no-message"
function Client:votes(m) return self.answers:votes(m) end

--- The responses to an event: an array of { jid=, answer=, guests= }; `going`, `maybe`, `not_going`: how many people, guests included.
-- @tparam table m the event, a response to it, or a message that quotes it
-- @treturn ?table
-- @treturn ?table err code "no-message"
function Client:responses(m) return self.answers:responses(m) end

for name, method in pairs(require "moonpost.client.signals") do Client[name] = method end

--- Asks the own phone for older messages of a chat. In a task. Nothing of it is heard by message handlers.
-- @string chat bare JID
-- @tparam ?table options before = m: the message before which they are, a message event or { id=, from_me=, time= }, else the oldest one
--   of the chat that is known; count = how many (50; 500 at most)
-- @treturn ?table page: chat, name, messages = { m, … }, newest first, on_demand = true, more: whether the phone has older ones
-- @treturn ?table err code "timeout": the phone has not answered within 60 s; "no-message": without `before`, when none is known
function Client:history(chat, options)
  if type(chat) ~= "string" or not core.wire.jid.parse(chat) then error("client:history expects the JID of a chat", 2) end
  if options ~= nil and type(options) ~= "table" then error("client:history expects { before = m, count = n }", 2) end
  in_task "history"
  if self.closed then return closed() end
  return self.past:ask(chat, options or {})
end

--- Waits until everything written in this turn is durable. In a task.
-- @treturn ?boolean true
-- @treturn ?table err
function Client:committed()
  return task.await(function(resume) self.turn:wait(resume) end)
end

--- Commits the turn, which all clients on the store share: receipts and ciphertexts that wait for it leave.
-- @treturn boolean whether there was anything to commit
-- @treturn ?table err it failed: memory is as the store is, the turn is gone
function Client:commit() return self.turn:commit() end

-- What has the rows of a turn in memory, and how it is told that they are not there.
local lost_with_turn = {
  journal = "turn_lost", archive = "recount", retry_keys = "recount", delivered = "turn_lost", read_marks = "turn_lost",
  privacy_settings = "forget", past = "turn_lost",
}

--- The turn could not be committed: what it was to bring is forgotten, and so is the connection, since the server sends again what
-- was not confirmed. Told once, until a turn has been committed again.
-- @tparam table err
-- @bool again whether the turn before was lost too
function Client:turn_lost(err, again)
  for name, forget in pairs(lost_with_turn) do
    local used = self:made(name)
    if used then used[forget](used) end
  end
  if not again then self:emit("error", err) end
  self.connection:abort(err)
end

Client.set_me, Client.forget_account = of_me.set, of_me.forget

--- Opens a client.
-- @tparam table options
--   store: folder of its state (relative to the working folder), or store_handle: an open store; account: which of the store's
--   accounts it is, "default" when none is named;
--   durability: "power" (each commit is on the disk before anything leaves; the default) or "process" (survives a killed process,
--   not a power cut); key: what the store is sealed with, 64 hex digits, a passphrase or a handle of core.store.key; without one
--   the environment's MOONPOST_STORE_KEY;
--   url: the server's WebSocket address; root: its Noise root key, 32 bytes; ca: PEM its certificate is checked against;
--   proxy: "http://user:password@host:port", an HTTP proxy to connect through (the environment's is never used);
--   name: push name; device_name ("moonpost") and platform ("chrome", "edge", "firefox", "ie", "opera", "safari", "desktop"): what
--   the phone's list of linked devices shows, from when it is linked; version: {2, 3000, n}; own: true to hear what the owner writes
--   on other devices; reply_seconds: how long what a handler sends may wait for the server before it is dropped with an
--   error of code "expired" (600); late_seconds: how old a message is that is late (a day)
-- @treturn ?table client
-- @treturn ?table err the store cannot be opened; code "busy": another client has the account, "other-server": it is linked elsewhere,
-- "damaged", "malformed", "truncated"
return function(options)
  options_of.check(options)
  local opened, err
  if not options.store_handle then
    opened, err = open_store(options.store, options)
    if not opened then return nil, err end
  end
  local account_name = options.account or options_of.DEFAULT_ACCOUNT
  local store = (opened or options.store_handle):account(options_of.scope(account_name))
  local account
  account, err = core.signal.account(store)
  if not account then
    if opened then opened:close() end
    return nil, damage(err)
  end
  local self = setmetatable({
    store = store, opened = opened, account_name = account_name, account = account, url = options.url or SERVICE,
    root = options.root or core.noise.ROOT, ca = options.ca, name = options.name, version = options.version or payload.VERSION,
    own = options.own, device = { name = options.device_name or platform.NAME, platform = options.platform or platform.DEFAULT },
    proxy = options.proxy and proxy.read(options.proxy), reply_seconds = options.reply_seconds or limits.REPLY_SECONDS,
    late_seconds = options.late_seconds or limits.LATE_SECONDS,
    log = log.of(account_name), handlers = {}, counter = 0, id_prefix = ("%d.%d-"):format(core.crypto.random(2):byte(1, 2)),
  }, Client)
  local ok
  ok, err = of_me.read(self)
  if ok then ok, err = tenancy.enter(self) end
  if not ok then
    if opened then opened:close() end
    return nil, err
  end
  if self.me and self.name and self.name ~= self.me.name then
    self.me.name = self.name
    self:set_me(self.me)
  end
  self.lids = require("moonpost.client.lid")(store, self.account, function() return self.me end)
  self.throttle = require("moonpost.client.throttle")(self.root == core.noise.ROOT)
  function self.lids.learnt(pn, moved)
    self.missing:renamed(pn)
    self.sender_keys:renamed(pn, self.lids:stable(pn), moved)
    self.privacy_tokens:renamed(pn)
  end
  self.turn = new_turn(self)
  return self
end
