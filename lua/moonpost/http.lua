--- HTTP with streamed bodies, both ways: a client, and what serves it. Written as if it blocked: it all waits in tasks.
--
--     local response, err = http.request { url = "https://host/path", ca = ca }
--     if not response then return nil, err end
--     for bytes in response.read, response do file:write(bytes) end
--
-- Memory is bounded whatever the sizes are: a body is taken from the socket when it is asked for, and asked for when the socket takes it.
-- @module moonpost.http
local core = require "moonpost.core"

local http = {}

--- Sends a request and waits for the head of the answer. Redirects are answers like others, and are not followed.
-- @tparam table options
--   method ("GET"); url (http:// or https://, no user in it);
--   headers: a table by name, `{ ["content-type"] = "image/jpeg" }`; Host, Content-Length and Connection are set here;
--   body: a string; or `reader`: fn() -> bytes | nil at its end | nil, err, called in this task, which may wait, with `length`, the
--   bytes it gives in all (one that gives fewer or more fails the request, code "invalid"; its own err comes back as it is);
--   ca (PEM; nil: the system's authorities); proxy (as moonpost.proxy reads it, or what it has read);
--   stall: seconds without a byte in either direction, while the peer is to move, until it is given up (20)
-- @treturn ?table response: `status`; `headers` by lower-case name, of repeated ones the values joined by ", "; `length`: bytes of the
--   body as announced, nil when it is not. The answer may have come before the request's body was sent: the rest is not sent then.
-- @treturn ?table err code "network", "stalled", "tls" (the certificate is not to be trusted, or TLS fails), "closed", "limit" (a head
--   of too many or too large headers), "malformed"
function http.request(options)
  return nil, core.error("invalid", ("%s: not yet"):format(options.url))
end

-- response:read() -> bytes (some, up to 64 KiB), nil at the end; nil, err: codes as above. A body that is shorter than announced is an
--   error of code "network"; after an error, or after the end, the same comes again.
-- response:close(): at any time; ends the transfer. Also a `<close>` variable, and when it is collected.

--- Listens like core.net.listen, and serves streams.
-- @tparam table options all of core.net.listen's (host, port, tls, accept, request, body_timeout); and
--   stream = fn(head) -> fn(exchange) | nil: called when a request's head has come, with `{ method, path, query, headers }`; the function
--   it returns is called in a task of its own, with the exchange; nil: the request goes to `request`, whole;
--   stall: seconds without a byte from or to the peer while the exchange waits for it (20)
-- @treturn ?table server: `:port()`, `:close()`
-- @treturn ?table err
--
-- An exchange: `method`, `path`, `query`, `headers` (by lower-case name), `length` (bytes of the request's body as announced; nil: in
-- chunks), and
--
-- - `exchange:read()` -> bytes | nil at the body's end | nil, err (code "closed": the peer left; "stalled"; "malformed")
-- - `exchange:respond(status, headers, body)`: the whole answer. `headers` by name; body may be "" and is left out to a HEAD, whose
--   Content-Length then is `#body`, or what `headers["content-length"]` says
-- - `exchange:start(status, headers, length)`: the head of an answer of so many bytes; then `exchange:write(bytes)` -> true | nil, err
--   until these are written. It waits while the peer does not take them
-- - `exchange:cut()`: ends the connection at once, wherever it is (a cut answer); with `reset`, by a TCP reset
-- - what the handler leaves: unanswered, it is answered 500; with an answer that has not its length, it is cut. A request's body that is
--   not read to its end is read and forgotten for a while, so that the answer arrives.
function http.listen(options) return core.net.listen(options) end

return http
