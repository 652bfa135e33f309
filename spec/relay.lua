--- A WebSocket relay in front of a sandbox, for specs: it writes down what passes on the way, and may meddle with it.
local core = require "moonpost.core"

local relay = {}

local Relay = {}
Relay.__index = Relay

--- Which way the messages of a connection went, in order: `>` to the server, `<` to the client.
-- @int number of the connection; negative: from the last one
function Relay:way(number)
  local one = self.connections[number > 0 and number or #self.connections + 1 + number]
  return one and one.way or ""
end

--- The hello of a connection as a table of its fields.
function Relay:hello(number)
  local one = self.connections[number > 0 and number or #self.connections + 1 + number]
  local frames = core.wire.frames { role = "server" }
  assert(frames:feed(one.first))
  return assert(core.proto.decode("HandshakeMessage", assert(frames:next()))).clientHello, frames:routing_info()
end

local function pass(self, one, direction, to, bytes)
  one.way = one.way .. direction
  if direction == ">" then one.first = one.first or bytes end
  if self.meddle then bytes = self.meddle(direction, bytes, #one.way, one) end
  if bytes == false then
    one.near:abort()
    return one.far:abort()
  end
  if bytes then to:send(bytes) end
end

local function accept(self, near)
  local one = { way = "", near = near }
  self.connections[#self.connections + 1] = one
  one.far = assert(core.net.connect {
    url = self.target, message = function(_, bytes) pass(self, one, "<", near, bytes) end, close = function() near:close() end,
  })
  return {
    message = function(_, bytes) pass(self, one, ">", one.far, bytes) end, close = function() one.far:close() end,
  }
end

function Relay:__close() self.listener:close() end

--- Starts one.
-- @string target the server's WebSocket address, without TLS
-- @treturn table url; meddle: fn(direction, bytes, index of the message in its connection, connection), gives what is passed, nil for
--   nothing, or false to hang up on both
function relay.start(target)
  local self = setmetatable({ target = target, connections = {} }, Relay)
  self.listener = assert(core.net.listen {
    accept = function(conn) return accept(self, conn) end,
    request = function(request) request:respond(404, "text/plain", "a relay") end,
  })
  self.url = ("ws://127.0.0.1:%d/ws/chat"):format(self.listener:port())
  return self
end

return relay
