--- `moonpost sandbox`: the loopback server with simulated phones.
-- @module moonpost.cli.sandbox
local core = require "moonpost.core"
local task = require "moonpost.task"
local options = require "moonpost.cli.options"

local command = { summary = "start a sandbox: a loopback server with simulated phones" }

command.usage = [[
usage: moonpost sandbox [options]

  --listen HOST:PORT   loopback address to listen on (127.0.0.1:0: any free port)
  --tls                speak TLS too, on the same port
  --world DIR          keep accounts, devices and queues in DIR; without it all is in memory
  --past COUNT         phones have a past to give: a few chats with so many messages each
  --strict             end a connection at the first stanza the official client would not send or accept

The first line on standard output is the address: sandbox ws://HOST:PORT/ws/chat]]

local function parse_listen(text)
  local host, port = text:match "^(%[?[%w.:]+%]?):(%d+)$"
  if not host or tonumber(port) > 65535 then options.fail("--listen expects HOST:PORT such as 127.0.0.1:0, got '%s'", text) end
  return host, math.tointeger(port)
end

local PAST_MAX = 200000

local function parse_past(text)
  local count = text and math.tointeger(tonumber(text))
  if text and (not count or count < 1 or count > PAST_MAX) then
    options.fail("--past expects a number of messages, 1 to %d, got '%s'", PAST_MAX, text)
  end
  return count
end

--- @treturn int exit code
function command.main(args)
  local found = options.parse({ listen = "HOST:PORT", tls = "flag", world = "DIR", past = "COUNT", strict = "flag" }, args)
  local host, port = parse_listen(found.listen or "127.0.0.1:0")
  local past = parse_past(found.past)
  local sandbox = require "moonpost.sandbox"
  return task.run(function()
    local server, err = sandbox.start {
      host = host, port = port, tls = found.tls, world = found.world, strict = found.strict, past = past,
      log = function(line) io.stderr:write(line, "\n") end,
    }
    collectgarbage "generational" -- what lives here lives long
    if not server then options.stop("%s", tostring(err)) end
    io.stdout:write("sandbox ", server.url, "\n")
    io.stdout:flush()
    local stopping = task.queue()
    local signals = {}
    for _, name in ipairs { "INT", "TERM" } do
      signals[#signals + 1] = core.net.signal(name, function() stopping:close() end)
    end
    stopping:pop()
    for _, handle in ipairs(signals) do handle:stop() end
    server:close()
    return 0
  end)
end

return command
