--- HTTP with streamed bodies, both ways: a client, and what serves it. Written as if it blocked: it all waits in tasks.
--
--     local response, err = http.request { url = "https://host/path", ca = ca }
--     if not response then return nil, err end
--     while true do
--       local bytes, why = response:read()
--       if not bytes then return why == nil, why end
--       hash:update(bytes)
--     end
--
-- Memory is bounded whatever the sizes are: a body is taken from the socket when it is asked for, and asked for when the socket takes it.
-- @module moonpost.http
local core = require "moonpost.core"
local task = require "moonpost.task"

local http = {}

local IN_A_ROW = 8 -- pieces that are taken from a socket before the others have their turn

-- Waits until something may have moved; false when there was no need to.
local function wait(handle)
  local waits
  task.await(function(resume)
    waits = handle:wait(resume)
    if not waits then resume() end
  end)
  return waits
end

local Response = {}
Response.__index = Response

local function end_response(self, err)
  self.err = err
  self.ended = true
  self.handle:close()
  return nil, err
end

--- Takes what is there of the body; waits for some.
-- @treturn ?string bytes, up to 64 KiB; nil at the end
-- @treturn ?table err code "network" (also: the body is shorter than announced), "stalled", "tls", "malformed", "closed"; after an error,
--   and after the end, the same comes again
function Response:read()
  if self.ended then return nil, self.err end
  if self.row >= IN_A_ROW then
    self.row = 0
    wait(self.handle)
  end
  while true do
    local bytes, err = self.handle:read()
    if bytes then
      self.row = self.row + 1
      return bytes
    end
    if bytes == nil then return end_response(self, err) end
    if wait(self.handle) then self.row = 0 end
  end
end

--- Ends the transfer, at any time.
function Response:close()
  if not self.ended then end_response(self, core.error("closed", "the response was closed")) end
end

Response.__close = Response.close
Response.__gc = Response.close

-- Where the request's body comes from: fn() -> bytes | nil | nil, err.
local function source_of(options)
  local body, given = options.body, false
  if not body then return options.reader end
  return function()
    if given then return nil end
    given = true
    return body
  end
end

-- The next piece to send. One byte too few or too many is the caller's mistake, and found here: the peer could only wait for it.
local function next_piece(self)
  local piece, err = self.source()
  if err then return nil, err end
  self.given = self.given + #(piece or "")
  if not piece or self.given > self.length then
    return nil, core.error("invalid", ("the request's body has %s than the %d bytes announced")
      :format(piece and "more" or "less", self.length))
  end
  return piece
end

local function send_some(self)
  if self.from > #self.piece then
    local piece, err = next_piece(self)
    if not piece then return nil, err end
    self.piece, self.from = piece, 1
  end
  self.from = self.handle:send(self.piece, self.from)
  return true
end

-- Sends the request, and hears whether it is answered before all of it is sent.
local function exchange(self)
  while true do
    local status, headers, length = self.handle:head()
    if status then
      return setmetatable({ status = status, headers = headers, length = length, handle = self.handle, row = 0 }, Response)
    end
    if status == nil then return nil, headers end
    if self.handle:sends() then
      local ok, err = send_some(self)
      if not ok then return nil, err end
    end
    wait(self.handle)
  end
end

--- Sends a request and waits for the head of the answer. Redirects are answers like others, and are not followed.
-- @tparam table options
--   method ("GET"); url (http:// or https://, no user in it);
--   headers: a table by name, `{ ["content-type"] = "image/jpeg" }`; Host, Content-Length and Connection are set here;
--   body: a string; or `reader`: fn() -> bytes | nil at its end | nil, err, called in this task, which may wait, with `length`, the
--   bytes it gives in all (one that gives fewer or more fails the request, code "invalid"; its own err comes back as it is);
--   ca (PEM; nil: the system's authorities); proxy ({ host, port, credentials }, as moonpost.client.proxy reads it);
--   stall: seconds without a byte in either direction, while the peer is to move, until it is given up (20)
-- @treturn ?table response: `status`; `headers` by lower-case name, of repeated ones the values joined by ", "; `length`: bytes of the
--   body as announced, nil when it is not. The answer may have come before the request's body was sent: the rest is not sent then.
-- @treturn ?table err code "network", "stalled", "tls" (the certificate is not to be trusted, or TLS fails), "closed", "limit" (a head
--   of too many or too large headers), "malformed"; "invalid": the url is no address
function http.request(options)
  local proxy = options.proxy
  local length = options.body and #options.body or options.reader and options.length
  local handle, err = core.net.http {
    url = options.url, method = options.method, headers = options.headers, ca = options.ca, stall = options.stall,
    proxy = proxy and { name = proxy.host, port = proxy.port, credentials = proxy.credentials }, length = length,
  }
  if not handle then return nil, err end
  local self = { handle = handle, source = source_of(options), length = length, given = 0, piece = "", from = 1 }
  local response
  local guard <close> = setmetatable({}, { __close = function()
    if not response then handle:close() end
  end })
  response, err = exchange(self)
  return guard and response, err
end

local Exchange = {}
Exchange.__index = Exchange

local function wait_request(self)
  local waits
  task.await(function(resume)
    waits = self.request:wait(resume, self.stall)
    if not waits then resume() end
  end)
  return waits
end

--- Takes what is there of the request's body; waits for some.
-- @treturn ?string bytes; nil at the end
-- @treturn ?table err code "closed" (the peer has left), "stalled", "malformed" (chunks that are none)
function Exchange:read()
  while true do
    local bytes, err = self.request:read()
    if bytes or bytes == nil then return bytes, err end
    wait_request(self)
  end
end

--- Begins an answer of `length` bytes, which `write` gives. To a HEAD, and with a status of 204 or 304, they are not sent.
-- @number status
-- @tparam ?table headers by name; Content-Length, Connection and Date are set here
-- @number length bytes
-- @treturn ?boolean true
-- @treturn ?table err code "closed"
function Exchange:start(status, headers, length)
  local ok, err = self.request:start(status, headers, length)
  if not ok then return nil, err end
  self.left, self.silent = length, self.method == "HEAD" or status == 204 or status == 304
  return true
end

--- Writes bytes of the answer; waits while the peer does not take them. More than it has left to write are a mistake.
-- @string bytes
-- @treturn ?boolean true
-- @treturn ?table err code "closed", "stalled"
function Exchange:write(bytes)
  if #bytes > (self.left or 0) then error("more is written than the answer's length", 2) end
  self.left = self.left - #bytes
  if self.silent then return true end
  local from, waited = 1, 0
  while from <= #bytes do
    local at, err = self.request:write(bytes, from)
    if not at then return nil, err end
    if at > from then
      from, waited = at, 0
    else
      if waited == 1 then return nil, core.error("stalled", ("the peer took nothing for %g s"):format(self.stall)) end
      waited = wait_request(self) and waited + 1 or 0
    end
  end
  return true
end

--- Answers with the whole of it. To a HEAD the body is not sent, but its length is told.
-- @number status
-- @tparam ?table headers
-- @tparam ?string body
-- @treturn ?boolean true
-- @treturn ?table err
function Exchange:respond(status, headers, body)
  local ok, err = self:start(status, headers, #(body or ""))
  if not ok then return nil, err end
  return self:write(body or "")
end

--- Ends the connection when what was written so far is out: the answer is cut then.
-- @tparam ?bool reset by a reset of TCP
function Exchange:cut(reset)
  self.left = 0
  self.request:cut(reset)
end

--- Waits until what was just written has gone to the peer.
function Exchange:flush() wait_request(self) end

--- Whether the peer is still there.
function Exchange:is_open() return self.request:is_open() end

-- A handler's turn, in a task of its own.
local function serve(request, handler, stall)
  local self = setmetatable({
    request = request, stall = stall, method = request.method, path = request.path, query = request.query, headers = request.headers,
    length = request.length,
  }, Exchange)
  local guard <close> = setmetatable({}, { __close = function()
    if not self.left then
      request:respond(500, "text/plain", "internal error\n")
    elseif self.left > 0 and not self.silent then
      request:cut()
    end
  end })
  handler(self)
  return guard
end

--- Listens like core.net.listen, and serves streams.
-- @tparam table options all of core.net.listen's (host, port, tls, accept, request, body_timeout); and
--   stream = fn(head) -> fn(exchange) | nil: called when a request's head has come, with `{ method, path, query, headers, length }`
--   (headers by lower-case name; length: bytes of the body, nil: it comes in chunks); what it returns is called in a task of its own
--   with an exchange, which has these fields and the methods above; nil: the request goes to `request`, once it is whole;
--   stall: seconds for which an exchange waits for its peer to move (20)
--
-- What a handler leaves unanswered is answered 500, and an answer that has not its length is cut. Of a request's body that was not read
-- to its end some more is read and forgotten, so that the answer arrives.
-- @treturn ?table server: `:port()`, `:close()`
-- @treturn ?table err
function http.listen(options)
  local stall = options.stall or 20
  return core.net.listen {
    host = options.host, port = options.port, tls = options.tls, accept = options.accept, request = options.request,
    body_timeout = options.body_timeout,
    head = options.stream and function(request)
      local handler = options.stream(request)
      if not handler then return false end
      task.spawn(serve, request, handler, stall)
      return true
    end,
  }
end

return http
