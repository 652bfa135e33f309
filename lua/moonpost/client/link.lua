--- One connection's life below stanzas: socket, frames, Noise, the binary codec.
-- Callbacks: `stanza(node)` for each that comes, `closed(err)` once at the end.
-- @module moonpost.client.link
local core = require "moonpost.core"
local limits = require "moonpost.client.limits"
local log = require "moonpost.log"
local loopback = require "moonpost.loopback"
local proxy = require "moonpost.client.proxy"
local stanza = require "moonpost.stanza"
local task = require "moonpost.task"

local ORIGIN = "https://web.whatsapp.com"
local CONNECT_SECONDS, HANDSHAKE_SECONDS = 20, 20 -- fact sheet 01 §1.1, §2.2

local Link = {}
Link.__index = Link

local function fail(self, err)
  if self.dead then return end
  self.err = err
  self.conn:abort()
end

-- A stanza as it passes, `way` "<-" or "->".
local function trace(self, way, node) self.log:trace("%s\n%s", way, (stanza.xml(node):gsub("\n$", ""))) end

local function on_frame(self, frame)
  if not self.transport then
    self.held = true -- the server may say more at once, for which the answer has to be read first
    return self.handshake:push(frame)
  end
  local plain, err = self.transport:decrypt(frame)
  if not plain then return fail(self, err) end
  local node
  node, err = core.wire.decode(plain)
  if not node then return fail(self, err) end
  if self.log:tells "trace" then trace(self, "<-", node) end
  if self.on_stanza then self.on_stanza(node) end
end

local function read_frames(self)
  while not self.held and not self.dead and not self.err do
    local frame, err = self.frames:next()
    if not frame then
      if err then fail(self, err) end
      return
    end
    on_frame(self, frame)
  end
end

local function on_message(self, bytes)
  local ok, err = self.frames:feed(bytes)
  if not ok then return fail(self, err) end
  read_frames(self)
end

local function on_close(self, _, err)
  self.dead = true
  self.err = self.err or err
  self.handshake:close()
  self.opened:close()
  if self.on_closed then self.on_closed(self.err) end
end

-- The client's first words: IK when the server is known by a chain that still holds, else XX. An old chain is no error.
local function greeting(handshake, options)
  local hello = options.chain and handshake:resume(options.payload, options.chain)
  if hello then return hello, true end
  return handshake:hello(), false
end

local function marked(err, mark)
  err[mark] = true
  return err
end

local function shake_hands(self, options)
  local handshake = core.noise.initiator { static = options.static, root = options.root, now = core.net.time() }
  local hello, resuming = greeting(handshake, options)
  self.conn:send(core.wire.header(options.routing) .. core.wire.frame(hello))
  local patience = options.patience or HANDSHAKE_SECONDS
  local answer = self.handshake:pop(patience)
  if not answer then
    local why = self.dead and "the server closed the connection during the handshake"
      or ("the server did not answer the handshake within %g s"):format(patience)
    local err = self.err or core.error("network", why)
    return nil, err.code == "network" and marked(err, "unanswered") or err
  end
  local pattern, chain = handshake:read(answer)
  if not pattern then return nil, resuming and marked(chain, "resuming") or chain end
  if pattern == "XX" then
    local ok, err = self.conn:send(core.wire.frame(handshake:finish(options.payload)))
    if not ok then return nil, err end
  end
  self.frames:established()
  self.transport, self.chain = handshake:split(), chain
  self.log:debug("connected to %s: %s handshake", options.url, pattern)
  return true
end

--- Sends a stanza.
-- @treturn ?boolean true
-- @treturn ?table err
function Link:send(node)
  if self.dead or not self.transport then return nil, core.error("closed", "the connection is closed") end
  return self:send_encoded(core.wire.encode(node))
end

--- Sends a stanza that is encoded already. One that fits into no frame is refused before the cipher moves; when the socket takes
-- no more, the cipher is ahead of the server's and the connection ends.
-- @treturn ?boolean true
-- @treturn ?table err code "closed", or "limit": the stanza is too large
function Link:send_encoded(bytes)
  if self.dead or not self.transport then return nil, core.error("closed", "the connection is closed") end
  if #bytes > limits.SEALED then return nil, limits.exceeded("a stanza", #bytes, limits.SEALED, "bytes") end
  local sealed, err = self.transport:encrypt(bytes)
  if not sealed then return nil, err end
  if self.log:tells "trace" then trace(self, "->", core.wire.decode(bytes)) end
  local sent
  sent, err = self.conn:send(core.wire.frame(sealed))
  if sent then return true end
  fail(self, err)
  return nil, core.error("closed", "the connection ends: " .. tostring(err))
end

--- Whether what waits to be sent is little enough for more; when it is not, `on_drain` comes.
function Link:has_room() return self.conn:pending() <= core.net.SEND_QUEUE_HIGH end

--- Stops or goes on reading.
function Link:pause(pause)
  if pause then self.conn:pause() else self.conn:resume() end
end

--- Ends the connection after what is queued has gone.
function Link:close()
  if not self.dead then self.conn:close(1000) end
end

--- Ends it at once.
function Link:abort(err)
  if not self.dead then fail(self, err) end
end

-- One address: connects and shakes hands.
local function attempt(options, address)
  local self = setmetatable({
    frames = core.wire.frames { role = "client" }, handshake = task.queue(), opened = task.queue(),
    on_stanza = options.on_stanza, log = options.log or log.of(),
  }, Link)
  local conn, err = core.net.connect {
    url = options.url, address = not options.proxy and address or nil, origin = ORIGIN, ca = options.ca,
    proxy = options.proxy and proxy.through(options.proxy, address or options.proxy.host),
    open = function() self.opened:push(true) end,
    message = function(_, bytes) on_message(self, bytes) end,
    close = function(_, code, why) on_close(self, code, why) end, drain = options.on_drain,
  }
  if not conn then return nil, err end
  self.conn = conn
  local guard <close> = setmetatable({}, { __close = function()
    if not self.transport then conn:abort() end
  end })
  if not self.opened:pop(CONNECT_SECONDS) then
    local why = self.err and self.err.message or ("no answer within %d s"):format(CONNECT_SECONDS)
    return guard and nil, core.error("network", ("cannot connect to %s: %s"):format(options.url, why))
  end
  local ok
  ok, err = shake_hands(self, options)
  if not ok or self.dead then
    return nil, self.err or err or core.error("network", "the server closed the connection during the handshake")
  end
  self.on_closed = options.on_closed
  core.net.timer(0, function() -- after a turn of the loop: who connected has the link then
    self.held = false
    read_frames(self)
  end)
  return self
end

-- The numeric addresses of a host in the order to try them; none for a host that is one itself. A name is looked up off the loop: that
-- may take seconds.
local function addresses_of(host)
  if not host or host:find "^[%d.]+$" or host:find(":", 1, true) then return {} end
  return task.deadline(HANDSHAKE_SECONDS, task.await, function(resume)
    local ok, err = core.net.resolve(host, resume)
    if not ok then resume(nil, err) end
  end)
end

-- Who cannot reach the service may have thought that the environment's proxy is used.
local function hinted(err, options, host)
  if err.code ~= "network" or options.proxy or not host or loopback.is_host(host) then return err end
  err.message = err.message .. proxy.hint()
  return err
end

--- Connects and shakes hands; in a task. A server with several addresses is tried at each until one answers.
-- @tparam table options url, ca, root, static (key pair), payload (bytes), log (moonpost.log's), on_stanza, on_closed, on_drain, patience
--   (seconds for the handshake, 20); proxy, as moonpost.client.proxy reads it; of an earlier connection: chain, routing
-- @treturn ?table link; `chain` is what the server showed
-- @treturn ?table err `unanswered` when the server had the first bytes and answered nothing, `resuming` when what it answered to IK
--   does not hold
return function(options)
  local host = options.url:match "^%a+://([^/:%[]+)"
  local addresses, err = addresses_of(options.proxy and options.proxy.host or host)
  if not addresses then
    if options.proxy then err.message = ("the proxy %s: %s"):format(options.proxy.host, err.message) end
    return nil, hinted(err, options, host)
  end
  local link
  for i = 1, math.max(1, #addresses) do
    link, err = attempt(options, addresses[i])
    if link then return link end
    if err.code ~= "network" then return nil, err end
  end
  return nil, hinted(err, options, host)
end
