--- The sandbox: a loopback server with simulated phones, in place of the service (fact sheet 08).
--
--     local sandbox = assert(require("moonpost.sandbox").start {})
--     print(sandbox.url)
--     sandbox:close()
-- @module moonpost.sandbox
local core = require "moonpost.core"
local printable = require "moonpost.printable"
local stanza = require "moonpost.stanza"
local shapes = require "moonpost.shapes"
local http = require "moonpost.http"
local new_accounts = require "moonpost.sandbox.accounts"
local admin = require "moonpost.sandbox.admin"
local connection = require "moonpost.sandbox.connection"
local devices = require "moonpost.sandbox.devices"
local mail = require "moonpost.sandbox.mail"
local media = require "moonpost.sandbox.media"
local media_host = require "moonpost.sandbox.media_host"
local media_store = require "moonpost.sandbox.media_store"
local task = require "moonpost.task"
local phone = require "moonpost.sandbox.phone"
local new_faults = require "moonpost.sandbox.faults"
local new_spread = require "moonpost.sandbox.spread"

local net, crypto, noise = core.net, core.crypto, core.noise

local DAY = 24 * 3600

-- What clients cause must not fill memory, the log, or the answer of /admin/state (MP_HTTP_BODY_MAX).
local VIOLATIONS_KEPT = 50 -- the last ones
local UNKNOWN_KEPT = 50 -- different ones; more are counted as `others`
local SENTENCE_MAX, STANZA_MAX = 2000, 2000 -- bytes of what is wrong, and of the stanza
local LOG_MAX = SENTENCE_MAX + STANZA_MAX + 500

local Sandbox = {}
Sandbox.__index = Sandbox
-- A client says something at least every 35 s (01 §7.1): after this it is gone, whatever its socket says.
Sandbox.quiet_seconds = 90
function Sandbox.__tostring(sandbox) return ("moonpost.sandbox (%s)"):format(sandbox.url) end

local function server_key(store, name)
  local pair = store:get_keypair(name)
  if not pair then
    pair = crypto.keypair()
    store:put_keypair(name, pair)
  end
  return pair
end

-- The certificate of a world stays the same as well: clients were told to trust it.
local function tls_certificate(store, host)
  local certificate, key = store:get("world", "c" .. host), store:get("world", "k" .. host)
  if certificate and key then return certificate, key end
  certificate, key = crypto.certificate { host = host, days = 3650 }
  if not certificate then return nil, key end
  store:put("world", "c" .. host, certificate)
  store:put("world", "k" .. host, key)
  return certificate, key
end

-- The chain for the server's key, valid from yesterday for ten years (S-013).
local function certify(self)
  local now = math.floor(net.time())
  self.chain = assert(noise.certificates {
    root = server_key(self.store, "root"), intermediate = server_key(self.store, "intermediate"), static = self.static:public(),
    not_before = now - DAY, not_after = now + 3650 * DAY,
  })
end

-- Root, intermediate and static stay the same in a world: clients may keep what they saw (S-013).
local function prepare_noise(self)
  self.static, self.root = server_key(self.store, "static"), server_key(self.store, "root"):public()
  certify(self)
end

--- Takes a new Noise key: who logs in with what it kept of the old one is answered with XXfallback (S-012). Connections go on.
function Sandbox:rotate_noise_key()
  self.static = crypto.keypair()
  self.store:put_keypair("static", self.static)
  certify(self)
end

--- Notes something a client or this server should not have sent; ends the connection when strict.
-- @param where the connection
-- @string direction "to-server" or "to-client"
-- @tparam table node
-- @tparam table err what is wrong with it
function Sandbox:violation(where, direction, node, err)
  local sentence = printable.text(tostring(err), SENTENCE_MAX)
  local line = ("%s %s: %s\n%s"):format(direction, tostring(where), sentence, stanza.xml(node, STANZA_MAX))
  self.violations_total = self.violations_total + 1
  if #self.violations >= VIOLATIONS_KEPT then table.remove(self.violations, 1) end
  self.violations[#self.violations + 1] = line
  self.log(line)
  if self.strict then where:refuse() end
end

--- Counts and logs a query that nothing here answers (S-901).
-- @param where the connection
-- @tparam table node
function Sandbox:unknown_query(where, node)
  local seen = printable.line(("%s %s"):format(node.attrs.xmlns, node.attrs.type), 200)
  if not self.unknown[seen] then
    if self.unknown_kinds >= UNKNOWN_KEPT then seen = "others" else self.unknown_kinds = self.unknown_kinds + 1 end
  end
  self.unknown[seen] = (self.unknown[seen] or 0) + 1
  self:note(("%s: unknown query (S-901)"):format(tostring(where)), node)
end

--- Logs what a client does, with the stanza if there is one.
-- @string text one line, which may hold what the client chose
-- @tparam ?table node
function Sandbox:note(text, node)
  text = printable.line(text, SENTENCE_MAX)
  self.log(node and text .. "\n" .. stanza.xml(node, STANZA_MAX) or text)
end

--- Checks a stanza against the official client's shapes; false when the connection is over because of it.
-- @tparam ?table request the query that node answers
function Sandbox:check(where, direction, node, request)
  if direction == "to-client" and not self.strict then return true end
  local ok, err = shapes.check(direction, node, request)
  if ok then return true end
  self:violation(where, direction, node, err)
  return not self.strict
end

--- Runs fn when what was written in this turn is safe; at once where nothing outlives the process anyway.
function Sandbox:durable(fn)
  if self.keep then self.store:after_commit(fn) else fn() end
end

--- Waits, in a task, until what was written is safe.
function Sandbox:safe()
  if self.keep and self.store:dirty() then task.await(function(resume) self.store:after_commit(resume) end) end
end

--- Has all phones read what they were written.
function Sandbox:read_mail() phone.read_all(self) end

--- An id for a stanza of the server's own (fact sheet 01 §6.1: of another form than clients').
function Sandbox:next_id()
  self.counter = self.counter + 1
  return ("%d-%d"):format(math.floor(net.time()), self.counter)
end

--- Counts what /admin/state tells of since the start: `messages` of clients, those `repeated` (known before, not relayed), stanzas
-- `redelivered`, `retries` (receipts that ask for a message again), `refusals` (acks of clients with an error).
function Sandbox:count(what) self.counts[what] = self.counts[what] + 1 end

--- Server time, Unix seconds.
function Sandbox.time() return math.floor(net.time()) end

--- Ends the server: connections are closed, the world is written.
function Sandbox:close()
  if self.closed then return end
  self.closed = true
  self.spread:finish()
  for open in pairs(self.connections) do open:close() end
  self.server:close()
  if self.media_server ~= self.server then self.media_server:close() end
  self.turn_end:stop()
  mail.stop(self)
  self.media:close()
  local ok, err = self.store:commit()
  self.store:close()
  if not ok then self.log("the world was not written: " .. tostring(err)) end
end

local function commit(self)
  if not self.store:dirty() then return false end
  local ok, err = self.store:commit()
  if not ok then
    self.log("the world was not written: " .. tostring(err))
    for open in pairs(self.connections) do open:drop() end
  end
  return true
end

-- The port of the WebSocket; and when that is plain one beside it that speaks TLS, for whoever fetches files (S-006).
local function listen(self, options)
  local host = options.host or "127.0.0.1"
  local certificate, key = tls_certificate(self.store, host:find "^127%." and host or "127.0.0.1")
  if not certificate then return nil, key end
  self.certificate = certificate
  local tls = { certificate = certificate, key = key }
  local function request(one) admin.request(self, one) end
  local function stream(head) return media_host.handler(self, head) or admin.stream(self, head) end
  local server, err = http.listen {
    host = host, port = options.port or 0, tls = options.tls and tls or nil, request = request, stream = stream,
    accept = function(conn, info) return info.path:find("/ws", 1, true) and connection(self, conn) or nil end,
  }
  if not server then return nil, err end
  self.server, self.media_server = server, server
  if not options.tls then
    self.media_server, err = http.listen {
      host = host, port = 0, tls = tls, request = request, stream = stream, accept = function() end,
    }
    if not self.media_server then
      server:close()
      return nil, err
    end
  end
  self.port, self.media_address = server:port(), ("%s:%d"):format(host, self.media_server:port())
  return server
end

local known = { host = "string", port = "number", tls = "boolean", world = "string", strict = "boolean", past = "number", log = "function" }

local function check_options(options)
  for name, value in pairs(options) do
    if not known[name] then error(("moonpost.sandbox has no option '%s'"):format(tostring(name)), 3) end
    if type(value) ~= known[name] then
      error(("moonpost.sandbox: option '%s' must be a %s, got %s"):format(name, known[name], type(value)), 3)
    end
  end
end

local function bounded(log)
  return function(line)
    if log then log(printable.text(line, LOG_MAX)) end
  end
end

local sandbox = {}

--- Starts a sandbox.
-- @tparam table options
--   host ("127.0.0.1") and port (0: any), of loopback only; tls: speak TLS too, on the same port (else on one beside it, for files);
--   world: folder that keeps everything, in memory without it; strict: a stanza the official client would not send or accept
--   ends its connection; past: phones have one, with so many messages in each chat, when a device is linked; log = fn(line)
-- @treturn ?table url, port, root (32 bytes), certificate (PEM), media_address (host:port of files), violations (the last ones, as
--   texts) and violations_total, faults (what admin calls arm); :close()
-- @treturn ?table err
function sandbox.start(options)
  check_options(options)
  local store, err = core.store.open { path = options.world, durability = "process", kind = "world" }
  if not store then return nil, err end
  local self = setmetatable({
    store = store, keep = options.world ~= nil, strict = options.strict or false, past = options.past,
    log = bounded(options.log),
    violations = {}, violations_total = 0, unknown = {}, unknown_kinds = 0,
    counts = { messages = 0, repeated = 0, redelivered = 0, retries = 0, refusals = 0 },
    appstate_files = {}, handed_in = { last = 0 }, media_tokens = {}, media_settings = setmetatable({}, { __index = media.defaults }),
    connections = {}, mailed = {}, letters = 0, refs = {}, codes = {}, codes_asked = {}, counter = 0, accounts = new_accounts(store),
  }, Sandbox)
  self.faults, self.spread = new_faults(self), new_spread()
  prepare_noise(self)
  devices.open_queues(self)
  self.media, err = media_store(self, options.world)
  local listening
  if self.media then listening, err = listen(self, options) end
  if not listening then
    store:close()
    return nil, err
  end
  self.url = ("%s://%s:%d/ws/chat"):format(options.tls and "wss" or "ws", options.host or "127.0.0.1", self.port)
  self.turn_end = net.on_turn_end(function() return commit(self) end)
  return self
end

return sandbox
