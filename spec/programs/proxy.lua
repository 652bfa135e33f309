-- An HTTP proxy for specs: `lua5.4 spec/programs/proxy.lua [user:password] [what it answers to every CONNECT instead of 200]`.
-- It prints "port N", then a line for each CONNECT.
local uv = require "luv"

local credentials, fixed = arg[1] ~= "" and arg[1] or nil, arg[2]

local function say(...)
  print(...)
  io.stdout:flush()
end

-- RFC 4648; luv has no base64.
local function base64(text)
  local alphabet, out = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", {}
  for i = 1, #text, 3 do
    local a, b, c = text:byte(i, i + 2)
    local bits = a << 16 | (b or 0) << 8 | (c or 0)
    for j = 0, 3 do
      local at = (bits >> (18 - 6 * j) & 63) + 1
      out[#out + 1] = (j == 2 and not b or j == 3 and not c) and "=" or alphabet:sub(at, at)
    end
  end
  return table.concat(out)
end

local answers = {
  garbage = "SSH-2.0-OpenSSH_9.2\r\n\r\n", endless = "HTTP/1.1 200 " .. ("x"):rep(20000),
}

local function join(client, server)
  local function pass(from, to)
    from:read_start(function(_, bytes)
      if bytes then return to:write(bytes) end
      for _, one in ipairs { from, to } do
        if not one:is_closing() then one:close() end
      end
    end)
  end
  pass(client, server)
  pass(server, client)
end

-- The head in two pieces, as a slow proxy would send it.
local function open(client, host, port)
  local server = uv.new_tcp()
  server:connect(host, port, function(err)
    if err then return client:write("HTTP/1.1 502 Bad Gateway\r\n\r\n", function() client:close() end) end
    client:write "HTTP/1.1 200 Connection"
    local timer = uv.new_timer()
    timer:start(5, 0, function()
      timer:close()
      client:write(" established\r\nProxy-Agent: spec\r\n\r\n", function() join(client, server) end)
    end)
  end)
end

local function answer(client, head)
  local host, port = head:match "^CONNECT ([^%s:]+):(%d+) HTTP/1.1\r\n"
  local given = head:match "\r\nProxy%-Authorization: Basic ([^\r]+)\r\n"
  say(("CONNECT %s:%s %s"):format(host, port, given and "with credentials" or "without credentials"))
  if fixed == "hang up" then return client:close() end
  if fixed == "silence" then return end
  local status = fixed
  if not status and credentials and given ~= base64(credentials) then status = "407 Proxy Authentication Required" end
  if not status then return open(client, host, tonumber(port)) end
  client:write(answers[status] or ("HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n"):format(status), function() client:close() end)
end

local listener = uv.new_tcp()
assert(listener:bind("127.0.0.1", 0))
assert(listener:listen(16, function()
  local client, head = uv.new_tcp(), ""
  listener:accept(client)
  client:read_start(function(_, bytes)
    if not bytes then return client:is_closing() or client:close() end
    head = head .. bytes
    if not head:find("\r\n\r\n", 1, true) then return end
    client:read_stop()
    answer(client, head)
  end)
end))
say("port " .. listener:getsockname().port)
uv.run()
