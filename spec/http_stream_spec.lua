-- HTTP with streamed bodies: both ends ours, over http and https.
local core = require "moonpost.core"
local http = require "moonpost.http"
local process = require "spec.process"
local sockets = require "spec.sockets"
local support = require "spec.support"
local task = require "moonpost.task"

local KIB = 1024
local BUFFERS_MAX = 24 * 1024 * KIB -- what the kernel may hold of a stream nobody reads, with all of ours
local tls = sockets.certificate()

-- A server whose streams go to `handlers` by path; what a handler ends with comes out of `ended`.
local Server = {}
Server.__index = Server

local function serve(handlers, stall)
  local self = setmetatable({ ended = task.queue() }, Server)
  self.listener = assert(http.listen {
    tls = tls, stall = stall, request = function(request) request:respond(200, "text/plain", "whole: " .. request.body) end,
    stream = function(head)
      local handler = handlers[head.path]
      return handler and function(exchange) self.ended:push(table.pack(handler(exchange))) end
    end,
  })
  self.port = self.listener:port()
  return self
end

function Server:__close() self.listener:close() end

function Server:url(scheme, path) return ("%s://127.0.0.1:%d%s"):format(scheme, self.port, path) end

--- Asks for `path` with the options of http.request.
function Server:ask(path, options, scheme)
  options = options or {}
  options.url, options.ca = self:url(scheme or "http", path), tls.certificate
  return http.request(options)
end

-- The rest of a body, and its error.
local function read_all(from)
  local pieces = {}
  while true do
    local bytes, err = from:read()
    if not bytes then return table.concat(pieces), err end
    pieces[#pieces + 1] = bytes
  end
end

local function sha(bytes) return core.crypto.hex(core.crypto.sha256(bytes)) end

-- What is sent comes back, told by its hash and length.
local function count(exchange)
  local body, err = read_all(exchange)
  exchange:respond(200, { ["content-type"] = "text/plain" }, ("%d %s"):format(#body, sha(body)))
  return body, err
end

local function give(body)
  return function(exchange)
    if not exchange:start(200, nil, #body) then return end
    return exchange:write(body)
  end
end

-- Bytes that differ from each other, made of one random block.
local block = core.crypto.random(64 * KIB)
local function bytes_of(size) return (block:rep(size // #block + 1):sub(1, size)) end

local sizes = { 0, 1, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 20 * 1024 * KIB }

describe("a streamed body", function()
  for _, scheme in ipairs { "http", "https" } do
    it("comes whole over " .. scheme .. ", up and down, of any size", support.async(function()
      local body
      local server <close> = serve { ["/up"] = count, ["/down"] = function(exchange) return give(body)(exchange) end }
      for _, size in ipairs(sizes) do
        body = bytes_of(size)
        local response = assert(server:ask("/up", { method = "POST", body = body }, scheme))
        assert.equal(("%d %s"):format(size, sha(body)), (read_all(response)))
        response = assert(server:ask("/down", nil, scheme))
        assert.equal(size, response.length)
        local got, err = read_all(response)
        assert.is_nil(err)
        assert.equal(sha(body), sha(got))
      end
    end))

    it("is sent from a reader in whatever pieces it gives, over " .. scheme, support.async(function()
      local server <close> = serve { ["/up"] = count }
      local body, at = bytes_of(300 * KIB), 0
      local pieces = { 1, 0, 64 * KIB, 100 * KIB, 3, 300 * KIB }
      local response = assert(server:ask("/up", { method = "POST", length = #body, reader = function()
        local piece = body:sub(at + 1, at + table.remove(pieces, 1))
        at = at + #piece
        return piece
      end }, scheme))
      assert.equal(("%d %s"):format(#body, sha(body)), (read_all(response)))
    end))

    it("that nobody takes is no longer given, over " .. scheme, support.async(function()
      local written, given, go = 0, 0, task.queue()
      local server <close> = serve({
        ["/down"] = function(exchange)
          exchange:start(200, nil, 400 * 1024 * KIB)
          local ok, err
          repeat
            ok, err = exchange:write(block)
            written = written + #block
          until not ok
          return err
        end,
        ["/up"] = function(exchange)
          exchange:read()
          go:pop()
        end,
      }, 0.3)
      local response = assert(server:ask("/down", nil, scheme))
      assert.equal("stalled", server.ended:pop(60)[1].code)
      response:close()
      assert.is_true(written < BUFFERS_MAX, written)
      local answer, err = server:ask("/up", { method = "POST", length = 400 * 1024 * KIB, stall = 0.3, reader = function()
        given = given + #block
        return block
      end }, scheme)
      assert.is_nil(answer)
      assert.equal("stalled", err.code)
      assert.is_true(given < BUFFERS_MAX, given)
      go:close()
    end))

    it("that is refused before it is sent has its answer, over " .. scheme, support.async(function()
      local server <close> = serve { ["/up"] = function(exchange) exchange:respond(401, { ["www-authenticate"] = "none" }, "no") end }
      local given, wants = 0, 200 * 1024 * KIB
      local response = assert(server:ask("/up", { method = "POST", length = wants, reader = function()
        given = given + #block
        return block
      end }, scheme))
      assert.equal(401, response.status)
      assert.equal("none", response.headers["www-authenticate"])
      assert.equal("no", (read_all(response)))
      assert.is_true(given < wants)
    end))

    it("that is cut is an error, over " .. scheme, support.async(function()
      local server <close> = serve { ["/down"] = function(exchange)
        exchange:start(200, nil, 100 * KIB)
        exchange:write(block)
      end }
      local response = assert(server:ask("/down", nil, scheme))
      local got, err = read_all(response)
      assert.equal("network", err.code)
      assert.is_true(#got <= #block)
      assert.same({ nil, err }, { response:read() })
    end))
  end

  it("drips, as long as a byte comes now and then", support.async(function()
    local server <close> = serve { ["/down"] = function(exchange)
      exchange:start(200, nil, 8)
      for _ = 1, 8 do
        exchange:write "."
        task.sleep(0.1)
      end
    end }
    local response = assert(server:ask("/down", { stall = 0.5 }))
    assert.equal(("."):rep(8), (read_all(response)))
  end))

  it("that stands still is given up", support.async(function()
    local go = task.queue()
    local server <close> = serve {
      ["/down"] = function(exchange)
        exchange:start(200, nil, 12)
        exchange:write "."
        go:pop()
      end,
      ["/never"] = function() go:pop() end,
    }
    local response = assert(server:ask("/down", { stall = 0.3 }))
    local got, err = read_all(response)
    assert.equal(".", got)
    assert.equal("stalled", err.code)
    local none
    none, err = server:ask("/never", { stall = 0.3 })
    assert.is_nil(none)
    assert.equal("stalled", err.code)
    go:close()
  end))

  it("from a peer that stops sending is given up by the server", support.async(function()
    local server <close> = serve({ ["/up"] = function(exchange) return read_all(exchange) end }, 0.3)
    local never = task.queue()
    local asking = task.spawn(server.ask, server, "/up", { method = "POST", length = 5, reader = function()
      never:pop(30)
      return "late!"
    end })
    local got, err = table.unpack(server.ended:pop(30), 1, 2)
    assert.equal("", got)
    assert.equal("stalled", err.code)
    never:close()
    assert.equal(500, asking:join(30).status)
  end))

  it("in chunks is taken as it comes, and refused when they are none", support.async(function()
    local server <close> = serve { ["/up"] = count }
    local head = "POST /up HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert.matches("6 " .. sha "chunks", sockets.raw(server.port, head .. "5\r\nchunk\r\n1\r\ns\r\n0\r\n\r\n"))
    assert.equal("chunks", server.ended:pop(30)[1])
    sockets.raw(server.port, head .. "5\r\nchunk\r\nx\r\n")
    local got, err = table.unpack(server.ended:pop(30), 1, 2)
    assert.equal("chunk", got)
    assert.equal("malformed", err.code)
  end))

  it("is waited for by a peer until it is told to send it", support.async(function()
    local server <close> = serve { ["/up"] = count }
    local head = [[POST /up HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n]]
    local peer <close> = process.start(("bash -c 'exec 3<>/dev/tcp/127.0.0.1/%d; printf \"%s\" >&3; read -r line <&3; printf ok >&3; "
      .. "echo \"$line\"; cat <&3'"):format(server.port, head))
    peer:wait "^HTTP/1.1 100 Continue"
    peer:wait "^HTTP/1.1 200 OK"
    peer:wait("^2 " .. sha "ok")
  end))
end)

describe("an exchange", function()
  it("has the request's line, headers and length, and gives any headers back", support.async(function()
    local server <close> = serve { ["/x"] = function(exchange)
      exchange:respond(206, { ["content-range"] = "bytes 0-1/9", ["x-fbtrace"] = "a b" }, "ok")
      return exchange.method, exchange.query, exchange.headers, exchange.length
    end }
    local response = assert(server:ask("/x?a=1&b=2", { method = "PUT", body = "four", headers = { Range = "bytes=0-1", Origin = "o" } }))
    local method, query, headers, length = table.unpack(server.ended:pop(30), 1, 4)
    assert.same({ "PUT", "a=1&b=2", 4 }, { method, query, length })
    assert.same({ "bytes=0-1", "o", "4" }, { headers.range, headers.origin, headers["content-length"] })
    assert.same({ 206, "bytes 0-1/9", "a b" }, { response.status, response.headers["content-range"], response.headers["x-fbtrace"] })
  end))

  it("answers a HEAD with the length alone", support.async(function()
    local server <close> = serve { ["/down"] = give(bytes_of(100 * KIB)) }
    local response = assert(server:ask("/down", { method = "HEAD" }))
    assert.equal(100 * KIB, response.length)
    assert.same({ "" }, { read_all(response) })
  end))

  it("that no stream wants is a request as others", support.async(function()
    local server <close> = serve {}
    local response = assert(server:ask("/other", { method = "POST", body = "b" }))
    assert.equal("whole: b", (read_all(response)))
  end))

  it("whose handler fails is answered 500", support.async(function()
    local heard
    local before = task.on_error(function(err) heard = tostring(err) end)
    local guard <close> = setmetatable({}, { __close = function() task.on_error(before) end })
    local server <close> = serve { ["/up"] = function() error "the handler's" end }
    local response = assert(server:ask("/up", { method = "POST", body = bytes_of(300 * KIB) }))
    assert.equal(500, guard and response.status)
    assert.matches("the handler's", heard)
  end))

  it("is told when its peer leaves, reading and writing", support.async(function()
    local begun = task.queue()
    local server <close> = serve {
      ["/up"] = function(exchange)
        begun:push(true)
        return read_all(exchange)
      end,
      ["/down"] = function(exchange)
        exchange:start(200, nil, 400 * 1024 * KIB)
        local ok, err
        repeat ok, err = exchange:write(block) until not ok
        return err
      end,
    }
    local never = task.queue()
    local asking = task.spawn(server.ask, server, "/up", { method = "POST", length = 100, reader = function() return never:pop() end })
    begun:pop(30)
    asking:cancel()
    assert.equal("closed", server.ended:pop(30)[2].code)
    local response = assert(server:ask "/down")
    response:read()
    response:close()
    assert.equal("closed", server.ended:pop(30)[1].code)
    assert.equal("closed", select(2, response:read()).code)
  end))

  it("is ended by the end of the server", support.async(function()
    local server = serve { ["/up"] = function(exchange) return read_all(exchange) end }
    local never = task.queue()
    local asking = task.spawn(server.ask, server, "/up", { method = "POST", length = 2, reader = function()
      server.listener:close()
      never:pop(0.1)
      return "ok"
    end })
    local response, err = asking:join(30)
    assert.is_nil(response)
    assert.equal("network", err.code)
  end))

  it("is one of 200 at once, of which a slow one holds up none", support.async(function()
    local go = task.queue()
    local body = bytes_of(100 * KIB)
    local server <close> = serve {
      ["/down"] = give(body), ["/up"] = count,
      ["/slow"] = function(exchange)
        exchange:start(200, nil, 2)
        exchange:write "."
        go:pop()
        exchange:write "."
      end,
    }
    local slow = assert(server:ask "/slow")
    local all = {}
    for i = 1, 200 do
      local up, scheme = i % 2 == 0, i % 4 < 2 and "http" or "https"
      all[i] = task.spawn(function()
        local response = assert(server:ask(up and "/up" or "/down", up and { method = "POST", body = body }, scheme))
        return (read_all(response))
      end)
    end
    for i, one in ipairs(all) do assert.equal(i % 2 == 0 and ("%d %s"):format(#body, sha(body)) or body, one:join(60)) end
    go:push(true)
    assert.equal("..", (read_all(slow)))
  end))
end)
