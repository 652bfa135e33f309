-- Back-pressure: more messages than handlers can take wait on the wire and at the server, not in memory; nobody is lost, nobody starves.
local core = require "moonpost.core"
local limits = require "moonpost.client.limits"
local moonpost = require "moonpost"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"
local task = require "moonpost.task"

-- Other limits until the value returned is closed.
local function limited(changes)
  local before = {}
  for name, value in pairs(changes) do before[name], limits[name] = limits[name], value end
  return setmetatable({}, { __close = function()
    for name, value in pairs(before) do limits[name] = value end
  end })
end

-- A linked "Echo" with a handler; `pings` hears each ping it sends.
local function echo(rig, handler)
  local client = moonpost.client {
    store_handle = assert(core.store.open {}), url = rig.sandbox.url, root = rig.sandbox.root, name = "Echo",
  }
  client.journal.close_seconds = 0
  client.connection.keepalive_pace = { quiet = 0.02, jitter = 0, silence = 5, answer = 5 }
  client:on("message", function(m) handler(client, m) end)
  assert(client:pair { qr = function(text) task.spawn(rig.scan, rig, text) end })
  assert(client:connect())
  local pings = task.queue()
  rig:tap(function(direction, node, conn)
    local ours = conn.device and conn.device.account.name == "Echo"
    if ours and direction == "to-server" and node.tag == "iq" and node.attrs.xmlns == "w:p" then pings:push(true) end
  end)
  return client, pings
end

local function send_all(contact, to, count)
  local sends = {}
  for i = 1, count do sends[i] = task.spawn(function() assert(contact.client:send(to, tostring(i))) end) end
  return function()
    for _, one in ipairs(sends) do one:join(30) end
  end
end

describe("a handler slower than what comes", function()
  it("stops the reading at a mark, keeps the connection alive, and has it read again below the other mark", support.async(function()
    local rig <close> = start()
    local marks <close> = limited { WAITING = 50, WAITING_LOW = 20 }
    local gate, done = task.queue(), {}
    local all = task.queue()
    local client, pings = echo(rig, function(_, m)
      gate:pop()
      done[#done + 1] = m.text
      if #done == 400 then all:push(true) end
    end)
    local offline = tap.event(client, "offline")
    local ana = rig:contact "Ana"
    local all_sent = send_all(ana, client.me.jid, 400)
    repeat assert(pings:pop(30)) until client.connection.paused
    local waiting = client.journal.lanes.waiting
    assert(marks and waiting >= 50 and waiting < 400)
    all_sent()
    for _ = 1, 3 do assert(pings:pop(30)) end
    assert.is_true(client.connection.paused)
    assert.equal(waiting, client.journal.lanes.waiting)
    assert.equal(waiting + 1, client.store:count("journal", ""))
    assert.is_true(rig.sandbox.accounts.by_name.Echo.devices[client.me.device].queue.count > 0)
    gate:close()
    assert(all:pop(30))
    for i = 1, 400 do assert.equal(tostring(i), done[i]) end
    assert.is_false(client.connection.paused)
    assert.equal(0, #offline)
    client:close()
  end))

  it("that answers hears the server's acks though too many messages wait", support.async(function()
    local rig <close> = start()
    local marks <close> = limited { WAITING = 5, WAITING_LOW = 2 }
    local client = echo(rig, function(client, m) assert(client:send(m.chat, "got " .. m.text, { cause = { m, 1 } })) end)
    local ana = rig:contact "Ana"
    local all_sent = send_all(ana, client.me.jid, 60)
    for i = 1, 60 do assert.equal("got " .. i, ana:next().text) end
    all_sent()
    client:close()
    assert(marks)
  end))

  it("in one flooded chat leaves the rest of it at the server, and other chats go on", support.async(function()
    local rig <close> = start()
    local marks <close> = limited { CHAT_WAITING = 10 }
    local gate, begun, heard, full = task.queue(), task.queue(), task.queue(), 0
    local client = echo(rig, function(client, m)
      begun:push(m.text)
      if m.text ~= "me too" then gate:pop() end
      heard:push(m.text)
      assert(client)
    end)
    client.connection.pace = { stable = 30, first_pause = 0.01, longest_pause = 0.05 }
    client:on("error", function(err) full = full + (err.code == "full" and 1 or 0) end)
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    assert(ana.client:send(client.me.jid, "0"))
    assert.equal("0", begun:pop(30)) -- at hand, it waits no more
    send_all(ana, client.me.jid, 40)()
    assert(ben.client:send(client.me.jid, "me too"))
    assert.equal("me too", heard:pop(30))
    while client.store:count("journal", "") > 11 do task.sleep(0) end -- Ben's is handled, and its row goes
    assert.equal(11, client.store:count("journal", ""))
    assert.equal(1, full)
    gate:close()
    for i = 0, 40 do assert.equal(tostring(i), heard:pop(30)) end
    client:close()
    assert(marks)
  end))
end)
