--- Going online and staying so: login, answers to queries, keepalive, back-off, and the ends that are final
-- (fact sheet 01 §6, §7, §9).
-- @module moonpost.client.connection
local core = require "moonpost.core"
local new_link = require "moonpost.client.link"
local payload = require "moonpost.client.payload"
local stanza = require "moonpost.stanza"
local task = require "moonpost.task"
local endings = require "moonpost.client.endings"

local net = core.net

local QUERY_SECONDS, LOGIN_SECONDS = 75, 20
local PING_PAUSE, PING_JITTER, PING_SECONDS = 20, 10, 20
local STABLE_SECONDS = 30           -- a session this long clears the back-off
local FIRST_PAUSE, LONGEST_PAUSE = 0.5, 300

local Connection = {}
Connection.__index = Connection

local function closed_error() return core.error("closed", "not connected") end

-- Who handles which stanza: fn(self, node).
local on = {}

function on.success(self, node)
  self.login:push(node)
end

function on.failure(self, node)
  self:abort(endings.of_failure(node))
end

on["stream:error"] = function(self, node)
  self:abort(endings.of_stream_error(node))
end

function on.xmlstreamend(self)
  self:abort(core.error("network", "the server ended the stream"))
end

local function answer_waiter(self, node)
  local resume = self.waiting[node.attrs.id]
  if not resume then return false end
  self.waiting[node.attrs.id] = nil
  resume(node)
  return true
end

function on.iq(self, node)
  local type = node.attrs.type
  if type == "result" or type == "error" then return answer_waiter(self, node) end
  if node.attrs.xmlns == "urn:xmpp:ping" or stanza.child(node, "ping") then
    self:send(stanza.node("iq", { to = node.attrs.from or "s.whatsapp.net", type = "result", id = node.attrs.id }))
  end
end

function on.ib(self, node)
  if stanza.child(node, "offline_preview") then
    self:send(stanza.node("ib", nil, stanza.node("offline_batch", { count = "200" })))
  elseif stanza.child(node, "offline") then
    self.drained:close()
  end
end

function on.message(self, node) self.client.receive:message(node) end
function on.receipt(self, node) self.client.receipts:receipt(node) end
function on.notification(self, node) self.client.notifications:notification(node) end
function on.call(self, node) self.client.receipts:ack(node) end
function on.ack(self, node) self.client.outbox:ack(node) end
function on.presence(self, node) self.client.presence:presence(node) end
function on.chatstate(self, node) self.client.presence:chatstate(node) end

local function on_stanza(self, node)
  self.heard_at = net.now()
  local handler = on[node.tag]
  if handler then return handler(self, node) end
  if node.attrs.id and node.attrs.from then self.client.receipts:ack(node, 488) end
end

-- A stanza that trips a handler must not end the loop's turn for the others: it is told, and the connection goes on.
local function guarded(self, node)
  local ok, err = xpcall(on_stanza, function(why)
    return type(why) == "string" and debug.traceback(why, 2) or why
  end, self, node)
  if not ok then self.client:emit("error", err) end
end

--- Sends a stanza.
-- @treturn ?boolean true
-- @treturn ?table err
function Connection:send(node)
  if not self.link then return nil, closed_error() end
  return self.link:send(node)
end

--- Sends a stanza encoded before.
function Connection:send_encoded(bytes)
  if not self.link then return nil, closed_error() end
  return self.link:send_encoded(bytes)
end

local function status_error(node)
  local detail = stanza.child(node, "error")
  local status = detail and math.tointeger(tonumber(detail.attrs.code)) or 0
  local err = core.error("iq", ("the server answered %d %s"):format(status, detail and detail.attrs.text or ""))
  err.status = status
  return err
end

--- Sends an IQ and waits for its answer.
function Connection:query(node, seconds)
  if not self.link then return nil, closed_error() end
  local id = node.attrs.id or self.client:next_id()
  node.attrs.id = id
  local timer
  local answer, err = task.await(function(resume)
    self.waiting[id] = resume
    timer = net.timer(seconds or QUERY_SECONDS, function()
      self.waiting[id] = nil
      resume(nil, core.error("timeout", ("no answer to %s within %g s"):format(node.attrs.xmlns or "a query", seconds or QUERY_SECONDS)))
    end)
    local sent, why = self.link:send(node)
    if not sent then
      self.waiting[id] = nil
      resume(nil, why)
    end
  end)
  timer:stop()
  if not answer then return nil, err end
  if answer.attrs.type ~= "result" then return nil, status_error(answer) end
  return answer
end

local function keep_alive(self, link)
  while self.link == link do
    task.sleep(PING_PAUSE + math.random() * PING_JITTER)
    if self.link ~= link then return end
    local asked_at = net.now()
    local answer, err = self:query(stanza.node("iq", { xmlns = "w:p", type = "get", to = "s.whatsapp.net" }), PING_SECONDS)
    if not answer and self.link == link and self.heard_at < asked_at then
      self:abort(core.error("network", "the connection is dead: " .. tostring(err)))
    end
  end
end

local function on_link_closed(self, err)
  self.link = nil
  self.online = false
  local waiting = self.waiting
  self.waiting = {}
  for _, resume in pairs(waiting) do resume(nil, closed_error()) end
  self.login:close()
  self.over:push(self.ending or err or core.error("network", "the server closed the connection"))
end

local function open_link(self)
  local client = self.client
  self.login, self.drained, self.over = task.queue(), task.queue(), task.queue()
  self.ending = nil
  local me = client.me
  me.loginCounter = (me.loginCounter or 0) + 1
  client:set_me(me)
  local link, err = new_link {
    url = client.url, ca = client.ca, root = client.root, static = client.account:noise(),
    payload = payload.login(me, client.version, me.loginCounter),
    on_stanza = function(node) guarded(self, node) end, on_closed = function(why) on_link_closed(self, why) end,
  }
  if not link then return nil, err end
  self.link = link
  self.heard_at = net.now()
  return link
end

local function learn_self(self, success)
  local me, lid = self.client.me, success.attrs.lid
  lid = lid and core.wire.jid.bare(lid)
  if lid and me.lid ~= lid then
    me.lid = lid
    self.client:set_me(me)
  end
  self.client.lids:learn(me.jid, me.lid)
end

-- What a login brings with it; each step needs the answer to the one before.
local function settle(self)
  local ok, err = self.client.prekeys:refill()
  if not ok then return nil, err end
  ok, err = self:query(stanza.node("iq", { xmlns = "passive", type = "set", to = "s.whatsapp.net" }, stanza.node "active"))
  if not ok then return nil, err end
  self.client.presence:available()
  self.online = true
  self.client.outbox:resend()
  self.ready:close()
  return true
end

-- One connection from its first byte to its end; returns why it ended.
local function session(self)
  local link, err = open_link(self)
  if not link then return err end
  local success
  success, err = self.login:pop(LOGIN_SECONDS)
  if not success then
    if self.link == link then
      self:abort(core.error("network", "no answer to the login: " .. tostring(err)))
    end
    return (self.over:pop())
  end
  learn_self(self, success)
  local keeper = task.spawn(keep_alive, self, link)
  local settling = task.spawn(function()
    local ok, why = settle(self)
    if ok then return self.client:emit("online", self.client.me) end
    if self.link == link then self:abort(why) end
  end)
  err = self.over:pop()
  keeper:cancel()
  settling:cancel()
  return err
end

local function pause(self, err)
  local seconds = math.min(LONGEST_PAUSE, FIRST_PAUSE * 1.6 ^ self.failures) * (0.8 + 0.4 * math.random())
  if err.penalty then seconds = math.max(seconds, err.penalty) end
  self.failures = self.failures + 1
  self.sleeping = task.spawn(task.sleep, seconds)
  pcall(self.sleeping.join, self.sleeping)
end

local function finish(self, err)
  self.stopped = true
  self.final = err
  if err.code == "unlinked" then self.client:forget_account() end
  self.client.outbox:give_up(err)
  self.ready:close()
  if err.code == "unlinked" or err.code == "replaced" then self.client:emit(err.code, err) end
end

local function live(self)
  while not self.stopped do
    local began = net.now()
    local err = session(self)
    if self.stopped then return end
    if net.now() - began > STABLE_SECONDS then self.failures = 0 end
    if err.final then return finish(self, err) end
    self.ready = self.ready.closed and task.queue() or self.ready
    if err.code ~= "restart" then
      self.client:emit("offline", err)
      pause(self, err)
    end
  end
end

--- Waits until the client is online.
-- @treturn ?boolean true
-- @treturn ?table err when it never will be
function Connection:wait_online()
  while not self.online do
    if self.final then return nil, self.final end
    if self.stopped then return nil, closed_error() end
    self.ready:pop()
    if not self.online and not self.final and not self.stopped then task.sleep(0) end
  end
  return true
end

--- Logs in and stays logged in. Waits for the first time online, or for an end that is final.
function Connection:start()
  if not self.running then
    self.client.journal:replay()
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

--- Ends it for good: presence goes unavailable, what is queued leaves.
function Connection:stop()
  self.stopped = true
  self.online = false
  self.ready:close()
  if self.sleeping then self.sleeping:cancel() end
  if not self.link then
    if self.running then self.running:cancel() end
    return
  end
  self.client.presence:unavailable()
  self.client:commit()
  self.link:close()
  if task.running() and self.running then self.running:join(2) end
end

return function(client)
  return setmetatable({ client = client, waiting = {}, failures = 0, ready = task.queue(), online = false }, Connection)
end
