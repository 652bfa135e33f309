--- One session: a connection from its first byte to its end, with the login and what that brings along (fact sheet 01 §6, §7).
-- @module moonpost.client.session
local attributes = require "moonpost.client.attrs"
local core = require "moonpost.core"
local new_backlog = require "moonpost.client.backlog"
local new_keepalive = require "moonpost.client.keepalive"
local new_link = require "moonpost.client.link"
local payload = require "moonpost.client.payload"
local route = require "moonpost.client.routes"
local stanza = require "moonpost.stanza"
local task = require "moonpost.task"

local net = core.net

local LOGIN_SECONDS, REFILL_SECONDS = 20, 10

local function on_link_closed(self, err)
  self.link = nil
  self.online, self.paused = false, false
  self.keepalive:stop()
  self.backlog:finish()
  self.gone:close()
  local waiting = self.waiting
  self.waiting = {}
  for _, resume in pairs(waiting) do resume(nil, self.closed_error()) end
  self.login:close()
  self.over:push(self.ending or err or core.error("network", "the server closed the connection"))
end

local function connect(self, hints)
  local client = self.client
  return new_link {
    url = client.url, ca = client.ca, proxy = client.proxy, root = client.root, static = client.account:noise(), log = client.log,
    payload = payload.login(client.me, client.version), chain = hints.chain, routing = hints.routing,
    patience = self.pace.handshake,
    on_stanza = function(node) route(self, node) end, on_closed = function(why) on_link_closed(self, why) end,
    on_drain = function() client.outbox:pump() end,
  }
end

local function open_link(self)
  local resume = self.client.resume
  self.login, self.over, self.ending, self.online_at, self.welcomed = task.queue(), task.queue(), nil, nil, false
  self.gone = task.queue() -- closed with the link
  local hints = resume:hints()
  local link, err = connect(self, hints)
  if not link and resume:failed(err, hints) then
    self.client:emit("error", err)
    hints = resume:hints()
    link, err = connect(self, hints)
  end
  if not link then return nil, err end
  self.client.journal.capacity:renew()
  self.client.caught_up:login()
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
  self.refilling = task.spawn(function()
    local ok, err = self.client.prekeys:refill()
    if not ok and self.link == link then self.client:emit("error", err) end
  end)
  self.refilling:join(self.pace.refill or REFILL_SECONDS)
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
  self.backlog:begin()
  self.client.outbox:resend()
  self.client.read_marks:go()
  self.client.presence:go()
  self.client.signed_prekey:check()
  self.client:emit("online", self.client:identity())
  self.client.journal:go()
  self.client.missing:go()
  local newsletters = self.client:made "newsletters"
  if newsletters then newsletters:go() end
  self.client.appstate:go()
  local past = self.client:made "past" or self.client.store:count("history", "j") > 0 and self.client.past
  if past then past:go() end -- what reads history is loaded when there is some
  self.ready:close()
  return true
end

local function as_error(err) return type(err) == "table" and err or core.error("internal", tostring(err)) end

-- One connection from its first byte to its end; returns why it ended.
local function session(self)
  self.refilling = nil
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
    if not (called and ok) and self.link == link then self:abort(as_error(called and why or ok)) end
  end)
  err = self.over:pop()
  settling:cancel()
  if self.refilling then self.refilling:cancel() end
  return err
end

--- Goes through with one. A session that trips, over a store that cannot be written say, ends like one whose connection broke. In a
-- task.
-- @param self moonpost.client.connection
-- @treturn table err why it ended, see moonpost.client.endings
return function(self)
  local ok, err = pcall(session, self)
  if ok or type(err) == "table" and err.code == "cancelled" then return ok and err or error(err, 0) end
  if self.link then self:abort(as_error(err)) end
  return as_error(err)
end
