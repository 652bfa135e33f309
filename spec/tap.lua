--- Looking at what passes between a sandbox and its clients, and meddling with it, for specs.
local core = require "moonpost.core"
local moonpost = require "moonpost"
local new_link = require "moonpost.client.link"
local task = require "moonpost.task"

local tap = {}

--- A child of a node, which may hold none.
function tap.child(node, tag)
  for _, child in ipairs(type(node.content) == "table" and node.content or {}) do
    if child.tag == tag then return child end
  end
end

local Tap = {}
Tap.__index = Tap

--- The next stanza, of either direction, for which fits(direction, node) holds; what passed before it is gone. Waits up to 30 s.
-- @treturn table node
function Tap:next(fits)
  local deadline = core.net.now() + 30
  while true do
    local one = self.passed:pop(math.max(0, deadline - core.net.now()))
    assert(one, "no such stanza passed")
    if fits(one.direction, one.node) then return one.node end
  end
end

--- The next stanza from a client with this tag, and this child when one is given.
function Tap:from_client(tag, child)
  return self:next(function(direction, node)
    return direction == "to-server" and node.tag == tag and (not child or tap.child(node, child) ~= nil)
  end)
end

--- The next stanza to a client with this tag, and this child when one is given.
function Tap:to_client(tag, child)
  return self:next(function(direction, node)
    return direction == "to-client" and node.tag == tag and (not child or tap.child(node, child) ~= nil)
  end)
end

--- Taps all stanzas of a rig's sandbox.
-- @tparam ?func meddle fn(direction, node, conn): may change the stanza; returning false swallows it
function tap.on(rig, meddle)
  local sandbox = rig.sandbox
  local self = setmetatable({ passed = task.queue() }, Tap)
  local check = sandbox.check
  function sandbox.check(one, where, direction, node, request)
    if not check(one, where, direction, node, request) then return false end
    if meddle and meddle(direction, node, where) == false then return false end
    self.passed:push { direction = direction, node = node }
    return true
  end
  return self
end

--- The sandbox's device of a client.
function tap.device(rig, client)
  local account = assert(rig.sandbox.accounts:lookup(client.me.jid))
  return account.devices[client.me.device], account
end

--- Sends a stanza to a client as it is, past the sandbox's own checks.
function tap.inject(conn, node)
  assert(conn.conn:send(core.wire.frame(assert(conn.transport:encrypt(core.wire.encode(node))))))
end

--- A contact's device as a JID, by number or, with `server` "lid", by LID.
function tap.device_jid(contact, server)
  local user, name = core.wire.jid.parse(server == "lid" and contact.lid or contact.jid)
  return core.wire.jid.make(user, name, contact.client.me.device)
end

--- Whether one of the sandbox's connections is a contact's.
function tap.is_to(conn, contact) return conn.device ~= nil and conn.device:jid() == tap.device_jid(contact) end

--- Sends a stanza to a contact's client as it is, past the sandbox's own checks.
function tap.hand(rig, contact, node) tap.inject(tap.device(rig, contact.client).connection, node) end

--- Damages a ciphertext or its MAC, past whatever a pkmsg has in front.
function tap.spoil(enc)
  enc.content = enc.content:sub(1, -17) .. string.char(enc.content:byte(-16) ~ 1) .. enc.content:sub(-15)
end

--- Has two contacts write to each other: their sessions are settled then.
function tap.meet(ana, ben)
  for _, pair in ipairs { { ana, ben }, { ben, ana } } do
    assert(pair[1].client:send(pair[2].jid, "hello"))
    local m = pair[2]:next()
    assert(m.text == "hello", tostring(m.text))
  end
end

--- A bare client: handshake done, `heard` gets what comes, closed with the connection.
-- @tparam table payload ClientPayload
-- @param static key pair
function tap.raw(rig, payload, static)
  local heard = task.queue()
  local link = assert(new_link {
    url = rig.sandbox.url, root = rig.sandbox.root, static = static or core.crypto.keypair(),
    payload = assert(core.proto.encode("ClientPayload", payload)),
    on_stanza = function(node) heard:push(node) end, on_closed = function() heard:close() end,
  })
  return link, heard
end

--- A client of a rig's sandbox that is not linked yet, closed with the rig.
function tap.client(rig, options)
  local settings = { url = rig.sandbox.url, root = rig.sandbox.root, ca = rig.sandbox.certificate, name = "Ana" }
  for key, value in pairs(options or {}) do settings[key] = value end
  if not settings.store then settings.store_handle = settings.store_handle or assert(core.store.open {}) end
  local client = moonpost.client(settings)
  rig.clients[#rig.clients + 1] = client
  return client
end

--- What client:pair takes to be linked by the sandbox's phone.
function tap.scanner(rig)
  return { qr = function(text) task.spawn(rig.scan, rig, text) end }
end

--- A contact whose connection is made again without long pauses: also its device and account at the sandbox, and the queues
-- `online` and `offline` of its events.
-- @tparam ?string name "Ana" without it
function tap.quick(rig, name)
  local ana = rig:contact(name or "Ana")
  ana.client.connection.pace = { stable = 30, first_pause = 0.01, longest_pause = 0.05 }
  ana.online, ana.offline = tap.event(ana.client, "online"), tap.event(ana.client, "offline")
  ana.device, ana.account = tap.device(rig, ana.client)
  return ana
end

--- What the sandbox's faults do from now on, as a queue of {fault=, where=, node=}.
function tap.strikes(rig)
  local queue = task.queue()
  rig.sandbox.faults.on_strike = function(fault, where, node) queue:push { fault = fault, where = where, node = node } end
  return queue
end

--- An event of a client as a queue of its first argument.
function tap.event(client, name)
  local queue = task.queue()
  client:on(name, function(value) queue:push(value) end)
  return queue
end

--- Waits until a client knows what there is of the app state, which it asks for once it is linked.
function tap.knows_app_state(client)
  local rows, support = require "moonpost.client.appstate_rows", require "spec.support"
  for _, name in ipairs { "critical_block", "critical_unblock_low", "regular_high", "regular", "regular_low" } do
    support.eventually(function() return rows.state(client.store, name) end, "the app state " .. name)
  end
end

--- Sends an admin call; status and answer, decoded when it is JSON.
function tap.admin(rig, method, path, body)
  local support, json = require "spec.support", require "cjson.safe"
  if type(body) == "table" then body = json.encode(body) end
  local response = assert(support.http(method, ("http://127.0.0.1:%d%s"):format(rig.sandbox.port, path), body))
  return response.status, json.decode(response.body) or response.body
end

return tap
