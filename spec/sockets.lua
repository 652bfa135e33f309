--- Servers and clients below everything else, for specs of sockets.
local core = require "moonpost.core"
local process = require "spec.process"
local support = require "spec.support"
local task = require "moonpost.task"

local net = core.net

local sockets = {}

-- A listener whose connections and what they hear come out of queues.
local Server = {}
Server.__index = Server

--- Starts one. Options: host, port, tls, body_timeout, echo (sends back what it hears), accept and request to decide itself.
function sockets.serve(options)
  options = options or {}
  local self = setmetatable({ accepted = task.queue(), heard = task.queue(), ended = task.queue(), drained = task.queue() }, Server)
  self.listener = assert(net.listen {
    host = options.host, port = options.port, tls = options.tls, body_timeout = options.body_timeout,
    request = options.request or function(request)
      request:respond(200, "text/plain", ("%s %s [%s]"):format(request.method, request.path, request.body))
    end,
    accept = options.accept or function(conn, info)
      self.accepted:push { conn = conn, info = info }
      return {
        message = function(_, bytes)
          if options.echo then conn:send(bytes) end
          self.heard:push(bytes)
        end,
        close = function(_, code, err) self.ended:push { code = code, err = err } end,
        drain = function() self.drained:push(true) end,
      }
    end,
  })
  self.port = self.listener:port()
  return self
end

function Server:url(scheme, path) return ("%s://127.0.0.1:%d%s"):format(scheme, self.port, path or "/") end
function Server:__close() self.listener:close() end

--- A client's connection, open; or nil and the reason it did not open.
function sockets.dial(url, options)
  options = options or {}
  local self = { opened = task.queue(), heard = task.queue(), ended = task.queue(), drained = task.queue() }
  local conn, err = net.connect {
    url = url, ca = options.ca, address = options.address,
    open = function() self.opened:push(true) end,
    message = function(_, bytes) self.heard:push(bytes) end,
    close = function(_, code, why)
      self.opened:push(why or false)
      self.ended:push { code = code, err = why }
    end,
    drain = function() self.drained:push(true) end,
  }
  if not conn then return nil, err end
  self.conn = conn
  local opened = assert(self.opened:pop(30))
  if opened ~= true then return nil, opened end
  return self
end

--- Bytes from a queue of pieces, until there are as many.
function sockets.collect(queue, length)
  local pieces, total = {}, 0
  while total < length do
    local piece = assert(queue:pop(30))
    pieces[#pieces + 1] = piece
    total = total + #piece
  end
  return table.concat(pieces), #pieces
end

--- A certificate with its key, as net.listen's `tls` takes them.
function sockets.certificate(host)
  local cert, key = core.crypto.certificate { host = host or "127.0.0.1", days = 30 }
  return { certificate = assert(cert), key = key }
end

--- Writes a file and gives its path back.
function sockets.write_file(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  assert(file:close())
  return path
end

--- Runs a Lua script in the executable, the port as its argument, and gives its first line.
function sockets.run_script(text, port, before)
  local path = sockets.write_file(support.tmpdir() .. "/script.lua", text)
  local run <close> = process.start(("moonpost run %s %d"):format(path, port), { before = before })
  return (run:wait "(.+)")
end

local CANNED = [[
use IO::Socket::INET; $| = 1; $SIG{PIPE} = "IGNORE";
my ($bytes, $trickles, $after, $times) = @ARGV; s/\\r\\n/\r\n/g for $bytes, $after;
my $server = IO::Socket::INET->new(LocalAddr => "127.0.0.1:0", Listen => 8) or die; print $server->sockport, "\n";
while (my $peer = $server->accept) {
  while (<$peer>) { last if /^\r\n/ }
  $peer->autoflush(1); print $peer $bytes;
  for (1 .. $times) { last unless print $peer $after }
  while ($trickles && print $peer "0") { select undef, undef, undef, 0.05 }
}]]

--- A server that answers whatever it is asked with these bytes, "\\r\\n" in them for a line's end; in a process of its own.
-- @string bytes one line
-- @tparam ?bool trickles then goes on with a byte now and then, until the peer has gone
-- @tparam ?string after what follows, `times` times, before that
-- @tparam ?number times
-- @treturn table process, with a `port`
function sockets.canned(bytes, trickles, after, times)
  local path = sockets.write_file(support.tmpdir() .. "/canned.pl", CANNED)
  local server = process.start(("perl %s '%s' %d '%s' %d"):format(path, bytes, trickles and 1 or 0, after or "", times or 0))
  server.port = math.tointeger(tonumber((server:wait "^(%d+)$")))
  return server
end

local TRICKLE = [[
use IO::Socket::INET; $SIG{PIPE} = "IGNORE";
my ($port, $bytes) = @ARGV; $bytes =~ s/\\r\\n/\r\n/g;
my $peer = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port") or die; $peer->autoflush(1); print $peer $bytes;
while (print $peer "1") { select undef, undef, undef, 0.05 }
print "refused\n";]]

--- Sends bytes to a port (with "\\r\\n" as above) and goes on with a byte now and then, in a process of its own that prints `refused`
-- when nobody takes them any more.
function sockets.trickle(port, bytes)
  local path = sockets.write_file(support.tmpdir() .. "/trickle.pl", TRICKLE)
  return process.start(("perl %s %d '%s'"):format(path, port, bytes))
end

--- Sends raw bytes to a port and gives all that comes back.
function sockets.raw(port, bytes)
  local path = sockets.write_file(support.tmpdir() .. "/bytes", bytes)
  local run <close> = process.start(("bash -c 'exec 3<>/dev/tcp/127.0.0.1/%d; cat %s >&3; cat <&3'"):format(port, path))
  run:wait_end()
  return run:text()
end

return sockets
