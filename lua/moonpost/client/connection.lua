--- Going online and staying so: login, answers to queries, back-off, and the ends that are final (fact sheet 01 §6, §7, §9).
-- @module moonpost.client.connection
local attributes = require "moonpost.client.attrs"
local core = require "moonpost.core"
local ban = require "moonpost.client.ban"
local endings = require "moonpost.client.endings"
local new_backlog = require "moonpost.client.backlog"
local new_keepalive = require "moonpost.client.keepalive"
local new_link = require "moonpost.client.link"
local payload = require "moonpost.client.payload"
local room = require "moonpost.client.room"
local stanza = require "moonpost.stanza"
local task = require "moonpost.task"
local traceback = require "moonpost.traceback"

local net = core.net

local UNRECOGNISED = 488 -- a refusal (04 §14.1)
local QUERY_SECONDS, LOGIN_SECONDS, REFILL_SECONDS, RETIRE_SECONDS = 75, 20, 10, 5

-- Seconds: a session as long as `stable` clears the back-off; pauses grow from the first to the longest.
local PACE = { stable = 30, first_pause = 0.5, longest_pause = 300 }
local GROWTH = 1.6

local Connection = {}
Connection.__index = Connection

local function closed_error() return core.error("closed", "not connected") end

-- Who handles which stanza: fn(self, node).
local on = {}

function on.success(self, node)
  if self.welcomed then return end
  self.welcomed = true
  self.login:push(node)
end

function on.failure(self, node) self:abort(endings.of_failure(node)) end
on["stream:error"] = function(self, node) self:abort(endings.of_stream_error(node)) end
function on.xmlstreamend(self) self:abort(core.error("network", "the server ended the stream")) end

function on.iq(self, node)
  local type = node.attrs.type
  if type == "result" or type == "error" then
    local resume = self.waiting[node.attrs.id]
    if resume then resume(node) end
  elseif node.attrs.xmlns == "urn:xmpp:ping" or stanza.child(node, "ping") then
    self:send(stanza.node("iq", { to = node.attrs.from or "s.whatsapp.net", type = "result", id = node.attrs.id }))
  end
end

function on.ib(self, node)
  local preview = stanza.child(node, "offline_preview")
  if preview then self.backlog:preview(preview) end
  local routing = stanza.child(node, "edge_routing")
  if routing then self.client.resume:edge_routing(routing) end
  if stanza.child(node, "offline") then self.backlog:finish() end
end

function on.message(self, node) self.client.receive:message(node) end
function on.status(self, node) self.client.receive:message(node) end
function on.receipt(self, node) self.client.receipts:receipt(node) end
function on.notification(self, node) self.client.notifications:notification(node) end
function on.call(self, node) self.client.receipts:ack(node) end
function on.ack(self, node) self.client.outbox:ack(node) end
function on.presence(self, node) self.client.presence:presence(node) end
function on.chatstate(self, node) self.client.presence:chatstate(node) end

local function on_stanza(self, node)
  self.keepalive:heard()
  self.backlog:stanza(node)
  local handler = on[node.tag]
  if handler then return handler(self, node) end
  if node.attrs.id and node.attrs.from then self.client.receipts:ack(node, UNRECOGNISED) end
end

-- A stanza that trips a handler must not end the loop's turn for the others: it is told and refused, and the connection goes on.
local function guarded(self, node)
  local ok, err = xpcall(on_stanza, traceback.of, self, node)
  if ok then return end
  if type(err) ~= "table" or not err.told_before then self.client:emit("error", err) end
  self.client.receipts:refuse(node, err)
end

--- Sends a stanza.
-- @treturn ?boolean true
-- @treturn ?table err
function Connection:send(node) return self:send_encoded(core.wire.encode(node)) end

--- Sends a stanza encoded before.
function Connection:send_encoded(bytes)
  if not self.link then return nil, closed_error() end
  self.keepalive:sent()
  return self.link:send_encoded(bytes)
end

--- Whether the link takes more at once; when it does not, the outbox is told later.
function Connection:has_room() return self.link ~= nil and self.link:has_room() end

-- The stanza with an id: its own, or a fresh one. The caller's table is left as it is.
local function with_id(self, node)
  if node.attrs and node.attrs.id then return node end
  local attrs = { id = self.client:next_id() }
  for name, value in pairs(node.attrs or {}) do attrs[name] = value end
  return { tag = node.tag, attrs = attrs, content = node.content, text = node.text }
end

--- Reads no more as long as too many messages wait for their handlers, and nobody waits for a word of the server: its acks and
-- answers come on the same road. A ping of the keepalive has it read again until the answer is there.
function Connection:regulate()
  local crowded = self.client.journal:crowded()
  if not crowded and not self.paused then return end
  local pause = crowded and self.online and next(self.waiting) == nil and self.client.outbox:idle()
  if pause == self.paused or not self.link then return end
  self.paused = pause
  self.link:pause(pause)
end

--- The server's clock, Unix seconds, as far as its last login has told it.
function Connection:server_time() return math.floor(core.net.time() + self.clock_ahead) end

--- Sends an IQ and waits for its answer.
function Connection:query(node, seconds)
  if not self.link then return nil, closed_error() end
  seconds = seconds or QUERY_SECONDS
  node = with_id(self, node)
  local id, waiting, timer = node.attrs.id, self.waiting, nil
  if waiting[id] then return nil, core.error("invalid", ("a query with the id %s waits for its answer already"):format(id)) end
  local guard <close> = setmetatable({}, { __close = function()
    waiting[id] = nil
    if timer then timer:stop() end
    self:regulate()
  end })
  local answer, err = task.await(function(resume)
    waiting[id] = resume
    self:regulate()
    timer = net.timer(seconds, function()
      resume(nil, core.error("timeout", ("no answer to %s within %g s"):format(node.attrs.xmlns or "a query", seconds)))
    end)
    local sent, why = self:send(node)
    if not sent then resume(nil, why) end
  end)
  if not answer then return guard and nil, err end
  if answer.attrs.type ~= "result" then return nil, endings.of_iq_error(answer) end
  return answer
end

local function on_link_closed(self, err)
  self.link = nil
  self.online, self.paused = false, false
  self.keepalive:stop()
  self.backlog:finish()
  local waiting = self.waiting
  self.waiting = {}
  for _, resume in pairs(waiting) do resume(nil, closed_error()) end
  self.login:close()
  self.over:push(self.ending or err or core.error("network", "the server closed the connection"))
end

local function connect(self, hints)
  local client = self.client
  return new_link {
    url = client.url, ca = client.ca, proxy = client.proxy, root = client.root, static = client.account:noise(), log = client.log,
    payload = payload.login(client.me, client.version), chain = hints.chain, routing = hints.routing,
    patience = self.pace.handshake,
    on_stanza = function(node) guarded(self, node) end, on_closed = function(why) on_link_closed(self, why) end,
    on_drain = function() client.outbox:pump() end,
  }
end

local function open_link(self)
  local resume = self.client.resume
  self.login, self.over, self.ending, self.online_at, self.welcomed = task.queue(), task.queue(), nil, nil, false
  local hints = resume:hints()
  local link, err = connect(self, hints)
  if not link and resume:failed(err, hints) then
    self.client:emit("error", err)
    hints = resume:hints()
    link, err = connect(self, hints)
  end
  if not link then return nil, err end
  self.client.journal.capacity:renew()
  self.link, self.backlog, self.keepalive = link, new_backlog(self), new_keepalive(self, self.keepalive_pace)
  resume:connected(link.chain)
  return link
end

-- The server took the login: its count, and the own LID, which may have changed.
local function learn_self(self, success)
  local me, lid = self.client.me, success.attrs.lid
  me.loginCounter = (me.loginCounter or 0) + 1
  local time = attributes.time(success.attrs.t)
  if time then self.clock_ahead = time - core.net.time() end
  if lid and self.client.lids.is_lid(lid) then
    me.lid = core.wire.jid.bare(lid)
  elseif lid then
    self.client:emit("error", core.error("malformed", "the server's name for this account is no LID"))
  end
  self.client:set_me(me)
  self.client.lids:learn_own(me)
end

-- Keys the server does not take now are offered at the next login (02 §10.9): that is no reason to stay away. Neither is an answer
-- that does not come: the login waits a while for it, and goes on beside it.
local function refill(self)
  local link = self.link
  local asking = task.spawn(function()
    local ok, err = self.client.prekeys:refill()
    if not ok and self.link == link then self.client:emit("error", err) end
  end)
  asking:join(self.pace.refill or REFILL_SECONDS)
end

-- What a login brings with it; each step needs the answer to the one before.
local function settle(self)
  refill(self)
  local active = stanza.node("iq", { xmlns = "passive", type = "set", to = "s.whatsapp.net" }, stanza.node "active")
  local ok, err = self:query(active, self.pace.login or LOGIN_SECONDS)
  if not ok then return nil, err end
  self.client.presence:available()
  self.online, self.online_at = true, net.now()
  self.client.log:debug("online as %s, device %d", self.client.me.jid, self.client.me.device)
  self.client.outbox:resend()
  self.client.signed_prekey:check()
  self.client:emit("online", self.client:identity())
  self.client.journal:go()
  self.client.missing:go()
  self.ready:close()
  return true
end

-- One connection from its first byte to its end; returns why it ended.
local function session(self)
  local link, err = open_link(self)
  if not link then return err end
  local success
  success, err = self.login:pop(self.pace.login or LOGIN_SECONDS)
  if not success then
    if self.link == link then self:abort(core.error("network", "no answer to the login: " .. tostring(err))) end
    return (self.over:pop())
  end
  learn_self(self, success)
  local settling = task.spawn(function()
    local called, ok, why = pcall(settle, self)
    if not (called and ok) and self.link == link then self:abort(called and why or ok) end
  end)
  err = self.over:pop()
  settling:cancel()
  return err
end

-- A session that trips, over a store that cannot be written say, ends like one whose connection broke.
local function guarded_session(self)
  local ok, err = pcall(session, self)
  if ok or type(err) == "table" and err.code == "cancelled" then return ok and err or error(err, 0) end
  if self.link then self:abort(err) end
  return type(err) == "table" and err or core.error("internal", tostring(err))
end

--- Seconds to wait before the next attempt: growing, never the same for all clients of a server that comes back. A dead connection
-- and a 515 are made again at once, unless that has just failed.
function Connection:next_pause(err)
  local pace = self.pace
  local seconds = math.min(pace.longest_pause, pace.first_pause * GROWTH ^ self.failures) * (0.8 + 0.4 * math.random())
  if err.prompt and self.failures == 0 then seconds = 0 end
  self.failures = self.failures + 1
  return math.max(seconds, err.penalty or 0)
end

local events = { unlinked = "unlinked", replaced = "replaced" }

local function finish(self, err)
  self.stopped, self.final = true, err
  self.client.log:debug("offline for good (%s): %s", err.code, tostring(err))
  if err.code == "unlinked" then self.client:forget_account() end
  ban.note(self.client, err)
  self.client.outbox:give_up(err)
  self.ready:close()
  if not self.client.leaving then self.client:emit(events[err.code] or "refused", err) end
end

local function live(self)
  while not self.stopped do
    local err = guarded_session(self)
    if self.stopped then return end
    if self.online_at and net.now() - self.online_at > self.pace.stable then self.failures = 0 end
    if err.final then return finish(self, err) end
    if self.ready.closed then self.ready = task.queue() end
    err.advice = endings.advice(err, self.client.root)
    local short = room.is_short(err)
    local pause = short and room.PAUSE or self:next_pause(err)
    self.client.log:debug("offline (%s): %s; again in %.1f s", err.code, tostring(err), pause)
    if err.code ~= "restart" then self.client:emit("offline", short and room.explain(err) or err, pause) end
    if short then room.wait(self.client.store, self.stopping) else self.stopping:pop(pause) end
  end
end

--- Waits until the client is online.
-- @tparam ?number seconds at most
-- @treturn ?boolean true
-- @treturn ?table err when it never will be; code "timeout" when it was not in time
function Connection:wait_online(seconds)
  local deadline = seconds and net.now() + seconds
  while not self.online do
    if self.final then return nil, self.final end
    if self.stopped then return nil, closed_error() end
    local _, err = self.ready:pop(deadline and math.max(0, deadline - net.now()))
    if err.code == "timeout" then return nil, err end
    if not self.online and not self.final and not self.stopped then task.sleep(0) end
  end
  return true
end

--- Logs in and stays logged in. Waits for the first time online, or for an end that is final; after such an end it tries anew, but
-- not before a ban is over.
function Connection:start()
  local banned = (self.final or not self.running) and ban.of(self.client)
  if banned then return nil, banned end
  if self.final then self.final, self.stopped, self.running, self.ready = nil, false, nil, task.queue() end
  if not self.running then
    if not self.replayed then self.client.journal:replay() end
    self.replayed = true
    self.running = task.spawn(live, self)
  end
  local ok, err = self:wait_online()
  return ok, err
end

--- Drops the connection; it is made again, unless err is final.
function Connection:abort(err)
  if not self.link then return end
  self.ending = self.ending or err
  self.link:abort(err)
end

--- Ends it as a final word of the server does: the client goes offline and tries no more. In a task.
-- @tparam table err final, see moonpost.client.endings
function Connection:retire(err)
  if self.link then
    self:abort(err)
    if self.running then self.running:join(RETIRE_SECONDS) end
  end
  if self.final then return end
  if self.running then self.running:cancel() end
  finish(self, err)
end

--- Ends it for good: presence goes unavailable, what is queued leaves.
function Connection:stop()
  self.stopped, self.online = true, false
  self.stopping:close()
  if not self.link then
    self.ready:close()
    if self.running then self.running:cancel() end
    return
  end
  self.client.presence:unavailable()
  self.client:commit()
  self.ready:close()
  if self.link then
    self.link:pause(false)
    self.link:close()
  end
  if task.running() then self.running:join(2) end
end

return function(client)
  return setmetatable({
    client = client, waiting = {}, failures = 0, ready = task.queue(), stopping = task.queue(), online = false, pace = PACE,
    paused = false, clock_ahead = 0,
  }, Connection)
end
