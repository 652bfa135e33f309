--- One connection: frames, Noise, stanzas in order (fact sheet 08 §2). What a stanza means is decided by `routes`.
-- @module moonpost.sandbox.connection
local core = require "moonpost.core"
local stanza = require "moonpost.stanza"
local login = require "moonpost.sandbox.login"
local pairing = require "moonpost.sandbox.pairing"
local phone_code = require "moonpost.sandbox.phone_code"
local routes = require "moonpost.sandbox.routes"

local HANDSHAKE_SECONDS = 20
local LINGER = 0.05 -- seconds between a last word and the close: Baileys decodes behind its back, and may hear the close first

local Connection = {}
Connection.__index = Connection

function Connection.__tostring(self)
  local device = self.device or self.claimed
  return device and device:jid() or "an unregistered client"
end

--- Bytes that wait to be sent.
function Connection:pending() return self.unsafe + self.conn:pending() end

--- Sends a stanza: checked, and subject to faults.
-- @tparam table node
-- @tparam ?table request the query it answers
function Connection:send(node, request)
  if self.dead or self.closing or not self.transport then return end
  if not self.sandbox:check(self, "to-client", node, request) then return end
  self.sandbox.faults:pass("to-client", self, node, Connection.put)
end

local function write(self, bytes)
  if not self.conn:send(core.wire.frame(assert(self.transport:encrypt(bytes)))) then self:drop() end
end

--- Writes a stanza as it is, once what was written in this turn is safe: a world that is killed has done all it has told of.
-- @tparam table node
function Connection:put(node)
  if self.dead or self.closing or not self.transport then return end
  local bytes = core.wire.encode(node)
  if not self.sandbox.keep then return write(self, bytes) end
  self.unsafe = self.unsafe + #bytes
  self.sandbox:durable(function()
    self.unsafe = self.unsafe - #bytes
    if not self.dead then write(self, bytes) end
  end)
end

--- Ends the connection after what is queued has left; nothing that still comes is heard.
function Connection:close()
  if self.dead or self.closing then return end
  self.closing = true
  self.sandbox:durable(function() self.conn:close(1000) end)
end

--- Ends it with a last word, which the client has time to read (S-045: within about 100 ms).
-- @tparam table node
-- @tparam ?bool unchecked a fault says it, which no shape has to allow
function Connection:close_with(node, unchecked)
  if unchecked then self:put(node) else self:send(node) end
  if self.dead or self.closing then return end
  self.closing = true
  self.lingering = core.net.timer(LINGER, function() self.conn:close(1000) end)
end

--- Ends it at once.
function Connection:drop()
  if not self.dead then self.conn:abort() end
end

--- Ends it with a stream error.
-- @tparam ?string code
-- @tparam ?table child
function Connection:stream_error(code, child)
  self:close_with(stanza.node("stream:error", { code = code }, child))
end

--- Ends it because of a stanza that must not be (S-902).
function Connection:refuse()
  if self.refused then return end
  self.refused = true
  self:stream_error(nil, stanza.node "xml-not-well-formed")
end

local function gone(self)
  if self.dead then return end
  self.dead = true
  if self.timer then self.timer:stop() end
  if self.lingering then self.lingering:stop() end
  if self.quiet then self.quiet:stop() end
  for _, line in pairs(self.held or {}) do line.timer:stop() end
  self.sandbox.connections[self] = nil
  if self.sandbox.closed then return end -- with the world already written
  login.gone(self)
  pairing.gone(self)
  phone_code.gone(self)
end

local function malformed(self, err)
  self.sandbox:note(("%s: %s"):format(tostring(self), tostring(err)))
  if self.transport then return self:refuse() end
  self:drop()
end

-- Drops a client that has said nothing for so long.
local function watch(self, seconds)
  self.quiet = core.net.timer(seconds, function()
    local left = self.heard_at + self.sandbox.quiet_seconds - core.net.now()
    if left > 0 then return watch(self, left) end
    self.sandbox:note(("%s has said nothing for %g s"):format(tostring(self), self.sandbox.quiet_seconds))
    self:drop()
  end)
end

local function on_payload(self, bytes, client_static)
  local payload, err = core.proto.decode("ClientPayload", bytes)
  if not payload then return malformed(self, err) end
  self.transport = self.handshake:split()
  self.frames:established()
  self.timer:stop()
  watch(self, self.sandbox.quiet_seconds)
  -- after a turn of the loop: a client may still be in its handshake otherwise (S-011)
  self.timer = core.net.timer(0, function()
    if payload.username then return login.start(self, payload, client_static) end
    if payload.devicePairingData then return pairing.start(self, payload, client_static) end
    self.sandbox.log "a client that neither logs in nor registers (01 §3.1)"
    self:close()
  end)
end

-- With a payload in it the hello is IK, made for this server's key: the client's next frame is a stanza already. It may be an old
-- hello of the client's that somebody sends again: `unproven` until a frame decrypts (01 §2.3).
local function on_hello(self, frame)
  self.routing = self.frames:routing_info()
  if self.routing and self.sandbox.refused_routing == self.routing then return self:drop() end
  local hello, payload, client_static = self.handshake:read_hello(frame)
  if not hello then return malformed(self, payload) end
  self.conn:send(core.wire.frame(hello))
  if not payload then return end
  self.unproven = true
  on_payload(self, payload, client_static)
end

local function on_handshake(self, frame)
  if not self.greeted then
    self.greeted = true
    return on_hello(self, frame)
  end
  local payload, client_static = self.handshake:read_finish(frame)
  if not payload then return malformed(self, client_static) end
  on_payload(self, payload, client_static)
end

local function handle(self, node)
  if self.dead or self.closing then return end
  local ok, why = xpcall(routes.route, debug.traceback, self, node)
  if not ok then self.sandbox:violation(self, "to-server", node, why) end -- our own fault: it must not pass unnoticed
end

local function on_stanza(self, frame)
  local plain, err = self.transport:decrypt(frame)
  if not plain then return malformed(self, err) end
  if self.unproven then
    self.unproven = false
    login.proven(self)
  end
  if self.dead or self.closing then return end
  local node
  node, err = core.wire.decode(plain)
  if not node then return malformed(self, err) end
  if not self.sandbox:check(self, "to-server", node) then return end
  self.sandbox.faults:pass("to-server", self, node, handle)
end

local function on_message(self, bytes)
  if self.closing or self.muted then return end
  self.heard_at = core.net.now()
  local ok, err = self.frames:feed(bytes)
  if not ok then return malformed(self, err) end
  while not self.dead and not self.closing do
    local frame
    frame, err = self.frames:next()
    if not frame then
      if err then malformed(self, err) end
      return
    end
    if self.transport then on_stanza(self, frame) else on_handshake(self, frame) end
  end
end

--- Takes a WebSocket in.
-- @param sandbox
-- @param conn core.net connection
-- @treturn ?table its handlers; nil: it is turned away
return function(sandbox, conn)
  local self = setmetatable({
    sandbox = sandbox, conn = conn, frames = core.wire.frames { role = "server" },
    handshake = core.noise.responder { static = sandbox.static, chain = sandbox.chain }, unsafe = 0,
    unopened = true,
  }, Connection)
  sandbox.faults:moment("connect", self)
  if self.turned_away then return nil end
  self.unopened = nil
  sandbox.connections[self] = true
  if not self.muted then self.timer = core.net.timer(HANDSHAKE_SECONDS, function() self:drop() end) end
  return {
    message = function(_, bytes) on_message(self, bytes) end,
    close = function() gone(self) end,
    drain = function() login.drain(self) end,
  }
end
