-- Linking by QR: the QRs, the exchange, what can go wrong (fact sheet 02 §2, 08 §5). The signatures are in adv_spec.lua.
local core = require "moonpost.core"
local payload = require "moonpost.client.payload"
local stanza = require "moonpost.stanza"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"
local task = require "moonpost.task"

local crypto, proto = core.crypto, core.proto

local function flip(bytes, at) return bytes:sub(1, at - 1) .. string.char(bytes:byte(at) ~ 1) .. bytes:sub(at + 1) end

describe("a QR", function()
  it("lives a minute, the next ones twenty seconds, and when the refs have run out a new connection brings new ones",
    support.async(function()
      local rig <close> = start()
      local client, shown = tap.client(rig), {}
      assert.same({ 60, 20 }, { client.pairing.pace.first, client.pairing.pace.next })
      client.pairing.pace = setmetatable({ first = 0.03, next = 0.01 }, { __index = client.pairing.pace })
      local me = assert(client:pair { qr = function(text, seconds)
        shown[#shown + 1] = { text = text, seconds = seconds }
        if #shown < 8 then return end
        client.pairing.pace.next = 60 -- the connection stays while the phone scans
        if #shown == 8 then task.spawn(rig.scan, rig, text) end
      end })
      assert.equal("Ana", me.name)
      local seen = {}
      for i, qr in ipairs(shown) do
        local ref, noise, identity, secret = qr.text:match "^https://wa%.me/settings/linked_devices#(2@[%w+/=]+),(.-),(.-),(.-),1$"
        assert.is_string(ref)
        assert.is_nil(seen[ref])
        seen[ref] = true
        assert.same({ 44, 44, 44 }, { #noise, #identity, #secret })
        if i <= 8 then assert.equal((i == 1 or i == 7) and 0.03 or 0.01, qr.seconds) end
      end
    end))

  it("that nobody could be shown ends the pairing with the reason", support.async(function()
    local rig <close> = start()
    local client = tap.client(rig)
    local me, err = client:pair { qr = function() error("the printer is on fire", 0) end }
    assert.is_nil(me)
    assert.matches("the printer is on fire", tostring(err))
  end))

  it("is not linked to by a phone that read another device's QR", support.async(function()
    local rig <close> = start()
    local client, shown = tap.client(rig), task.queue()
    local pairing = task.spawn(client.pair, client, { qr = function(text) shown:push(text) end })
    local text = shown:pop(30)
    local scan = "/admin/mock-phone/scan-qr"
    assert.equal(400, (tap.admin(rig, "POST", scan, (text:gsub(",[^,]+,", "," .. crypto.base64(crypto.random(32)) .. ",", 1)))))
    assert.equal(404, (tap.admin(rig, "POST", scan, (text:gsub("#2@....", "#2@AAAA")))))
    assert.equal(200, (tap.admin(rig, "POST", scan, text)))
    assert(pairing:join(30))
  end))
end)

describe("a pairing", function()
  it("goes as the sheet says: refs, scan, the phone's word, the device's word, 515", support.async(function()
    local rig <close> = start()
    local client, seen = tap.client(rig), tap.on(rig)
    assert(client:pair(tap.scanner(rig)))
    local refs = seen:to_client("iq", "pair-device")
    assert.same({ "set", "md", "s.whatsapp.net" }, { refs.attrs.type, refs.attrs.xmlns, refs.attrs.from })
    assert.equal(6, #refs.content[1].content)
    local answer = seen:from_client "iq"
    assert.same({ "result", refs.attrs.id, "s.whatsapp.net" }, { answer.attrs.type, answer.attrs.id, answer.attrs.to })
    assert.is_nil(answer.content)
    local success = seen:to_client("iq", "pair-success")
    local device = stanza.path(success, "pair-success", "device")
    assert.equal(device.attrs.jid:match ":(%d+)@", device.attrs.lid:match ":(%d+)@")
    assert.is_true(#stanza.bytes(success, "pair-success", "device-identity") <= 500)
    assert.is_string(stanza.path(success, "pair-success", "platform").attrs.name)
    local sign = seen:from_client("iq", "pair-device-sign")
    local identity = stanza.path(sign, "pair-device-sign", "device-identity")
    local given = proto.decode("ADVSignedDeviceIdentity", identity.content)
    assert.is_nil(given.accountSignatureKey)
    assert.equal(64, #given.deviceSignature)
    local outer = proto.decode("ADVSignedDeviceIdentityHMAC", stanza.bytes(success, "pair-success", "device-identity"))
    local issued = proto.decode("ADVSignedDeviceIdentity", outer.details)
    assert.equal(issued.details, given.details)
    assert.equal(proto.decode("ADVDeviceIdentity", issued.details).keyIndex, math.tointeger(tonumber(identity.attrs["key-index"])))
    assert.equal("515", seen:to_client("stream:error").attrs.code)
  end))

  it("leaves everything a login needs in the store, before the device's word leaves", support.async(function()
    local rig <close> = start()
    local client, safe = tap.client(rig), nil
    tap.on(rig, function(direction, node)
      if direction == "to-server" and tap.child(node, "pair-device-sign") then
        safe = not client.store:dirty() and client.store:get("setting", "me") ~= nil
      end
    end)
    local me = assert(client:pair(tap.scanner(rig)))
    assert.is_true(safe)
    local account = rig.sandbox.accounts.by_name.Ana
    assert.equal(account:jid(), me.jid)
    assert.equal(account:jid "lid", me.lid)
    assert.equal(me.lid, client.lids:lid_of(me.jid))
    local phone = account.phone:identity():public()
    assert.equal(phone, client.account:remote_identity(me.lid))
    local kept = proto.decode("ADVSignedDeviceIdentity", client.me.deviceIdentity)
    assert.equal(phone, kept.accountSignatureKey)
    assert.equal(64, #kept.deviceSignature)
  end))

  it("shows no QR of a ref that would put foreign keys into it, or is none", support.async(function()
    local rig <close> = start { strict = false }
    local foreign = ("2@%s,%s,%s,%s,1"):format(("r"):rep(40), ("n"):rep(43), ("i"):rep(43), ("a"):rep(43))
    for _, bad in ipairs { foreign, "2@abc\n", "2@a b", "2@#x", "", ("r"):rep(513), { stanza.node "x" } } do
      local client, shown = tap.client(rig), 0
      local stop = rig:tap(function(direction, node)
        local list = direction == "to-client" and tap.child(node, "pair-device")
        if list then list.content[2].content = bad end
      end)
      local me, err = client:pair { qr = function() shown = shown + 1 end }
      stop()
      assert.is_nil(me)
      assert.equal("pairing", err.code)
      assert.matches("ref for the QR that is none", err.message)
      assert.equal(0, shown)
    end
  end))

  it("is refused, and nothing stored, when the phone's word was tampered with", support.async(function()
    local rig <close> = start()
    local client = tap.client(rig)
    local seen = tap.on(rig, function(direction, node)
      local success = direction == "to-client" and tap.child(node, "pair-success")
      local identity = success and tap.child(success, "device-identity")
      if identity then identity.content = flip(identity.content, #identity.content) end
    end)
    local me, err = client:pair(tap.scanner(rig))
    assert.is_nil(me)
    assert.equal("pairing", err.code)
    local refusal = seen:next(function(_, node) return node.attrs.type == "error" end)
    assert.same({ code = "401", text = "hmac-mismatch" }, tap.child(refusal, "error").attrs)
    assert.is_false(client:linked())
    assert.is_nil(client.store:get("setting", "me"))
    assert.equal(0, client.store:count("lid", ""))
    while next(rig.sandbox.connections) do task.sleep(0) end
    assert.is_nil(next(rig.sandbox.accounts.by_name.Ana.devices))
  end))

  it("is refused when it names nobody, or by no LID", support.async(function()
    local rig <close> = start()
    local client, attrs = tap.client(rig), nil
    local seen = tap.on(rig, function(direction, node)
      local device = direction == "to-client" and stanza.path(node, "pair-success", "device")
      for name, value in pairs(device and attrs or {}) do device.attrs[name] = value end
    end)
    for _, one in ipairs {
      { jid = "zzz" }, { jid = "@s.whatsapp.net" }, { jid = "155:1@lid" }, { jid = "155@s.whatsapp.net" },
      { lid = "zzz" }, { lid = "@lid" }, { lid = "1@g.us" },
    } do
      attrs = one
      local me, err = client:pair(tap.scanner(rig))
      assert.is_nil(me)
      assert.equal("pairing", err.code)
      local refusal = seen:next(function(_, node) return node.attrs.type == "error" end)
      assert.same({ code = "500", text = "internal-error" }, tap.child(refusal, "error").attrs)
      assert.equal(0, client.store:count("lid", ""))
    end
  end))

  it("is refused when the linked account cannot be stored", support.async(function()
    local rig <close> = start()
    local client, seen = tap.client(rig), tap.on(rig)
    function client.commit() return true, core.error("full", "no room left") end
    local me, err = client:pair(tap.scanner(rig))
    client.commit = nil
    assert.is_nil(me)
    assert.matches("cannot be stored: .*no room left", tostring(err))
    local refusal = seen:next(function(_, node) return node.attrs.type == "error" end)
    assert.same({ code = "500", text = "internal-error" }, tap.child(refusal, "error").attrs)
    assert.is_false(client:linked())
  end))

  it("keeps the connection alive and answers to its pings come before anybody is linked", support.async(function()
    local rig <close> = start()
    local client, seen, shown = tap.client(rig), tap.on(rig), task.queue()
    client.pairing.pace = setmetatable({ ping = 0.4 }, { __index = client.pairing.pace })
    local pairing = task.spawn(client.pair, client, { qr = function(text) shown:push(text) end })
    local text = shown:pop(30)
    for _ = 1, 2 do
      local ping = seen:next(function(_, node) return node.attrs.xmlns == "w:p" end)
      local pong = seen:next(function(direction, node) return direction == "to-client" and node.attrs.id == ping.attrs.id end)
      assert.equal("result", pong.attrs.type)
      assert.is_not_nil(pong.attrs.t)
    end
    rig:scan(text)
    assert(pairing:join(30))
  end))

  it("notices a dead connection and shows fresh QRs on a new one", support.async(function()
    local rig <close> = start()
    local client, shown = tap.client(rig), task.queue()
    client.pairing.pace = setmetatable({ ping = 0.4, pause = 0.01 }, { __index = client.pairing.pace })
    local pairing = task.spawn(client.pair, client, { qr = function(text) shown:push(text) end })
    local first = shown:pop(30)
    for conn in pairs(rig.sandbox.connections) do conn.conn:pause() end
    local second = shown:pop(30)
    assert.are_not.equal(first, second)
    rig:scan(second)
    assert(pairing:join(30))
  end))

  it("is an error when there is no server, and goes on after a lost one once a QR was shown", support.async(function()
    local rig <close> = start()
    local server = assert(core.net.listen { host = "127.0.0.1", port = 0 })
    local port = server:port()
    server:close()
    local lost = tap.client(rig, { url = ("ws://127.0.0.1:%d/ws/chat"):format(port) })
    local me, err = lost:pair(tap.scanner(rig))
    assert.is_nil(me)
    assert.matches("127%.0%.0%.1", tostring(err))
    local client, shown = tap.client(rig), task.queue()
    client.pairing.pace = setmetatable({ pause = 0.01 }, { __index = client.pairing.pace })
    local pairing = task.spawn(client.pair, client, { qr = function(text) shown:push(text) end })
    shown:pop(30)
    for conn in pairs(rig.sandbox.connections) do conn:drop() end
    rig:scan(shown:pop(30))
    assert(pairing:join(30))
  end))

  it("is begun anew, with the same keys, when the server asks for a new connection", support.async(function()
    local rig <close> = start()
    local client, shown, asked = tap.client(rig), task.queue(), false
    client.pairing.pace = setmetatable({ pause = 0.01 }, { __index = client.pairing.pace })
    tap.on(rig, function(_, node, conn)
      if asked or not tap.child(node, "pair-device") then return end
      asked = true
      conn:stream_error "515"
      return false
    end)
    local pairing = task.spawn(client.pair, client, { qr = function(text) shown:push(text) end })
    local text = shown:pop(30)
    assert.is_true(asked)
    assert.equal(crypto.base64(client.account:public().identity), text:match "#[^,]+,[^,]+,([^,]+)")
    rig:scan(text)
    assert(pairing:join(30))
  end))

  it("waits longer each time a server closes without a QR", support.async(function()
    local rig <close> = start()
    local client, shown, pauses = tap.client(rig), task.queue(), {}
    client.pairing.pace = setmetatable({ pause = 0.01 }, { __index = client.pairing.pace })
    local closing = false
    tap.on(rig, function(_, node, conn)
      if not closing or not tap.child(node, "pair-device") then return end
      pauses[#pauses + 1] = core.net.now()
      closing = #pauses < 4
      conn:close()
      return false
    end)
    local pairing = task.spawn(client.pair, client, { qr = function(text) shown:push(text) end })
    shown:pop(30)
    closing = true
    for conn in pairs(rig.sandbox.connections) do conn:drop() end
    rig:scan(shown:pop(30))
    assert(pairing:join(30))
    assert.equal(4, #pauses)
  end))

  it("under way is not begun twice, and of a linked store not begun at all", support.async(function()
    local rig <close> = start()
    local client, shown = tap.client(rig), task.queue()
    local pairing = task.spawn(client.pair, client, { qr = function(text) shown:push(text) end })
    local text = shown:pop(30)
    local _, err = client:pair(tap.scanner(rig))
    assert.equal("busy", err.code)
    rig:scan(text)
    assert(pairing:join(30))
    _, err = client:pair(tap.scanner(rig))
    assert.equal("linked", err.code)
  end))

  it("ends when the client is closed", support.async(function()
    local rig <close> = start()
    local client, shown = tap.client(rig), task.queue()
    local pairing = task.spawn(client.pair, client, { qr = function(text) shown:push(text) end })
    shown:pop(30)
    client:close()
    local me, err = pairing:join(30)
    assert.is_nil(me)
    assert.equal("closed", err.code)
  end))

  it("never shows the secret of an earlier attempt again", support.async(function()
    local rig <close> = start()
    local store, secrets = assert(core.store.open {}), {}
    for i = 1, 2 do
      local client, shown = tap.client(rig, { store_handle = store }), task.queue()
      task.spawn(client.pair, client, { qr = function(text) shown:push(text) end })
      secrets[i] = shown:pop(30):match ",([^,]+),1$"
      client:close()
    end
    assert.are_not.equal(secrets[1], secrets[2])
  end))
end)

describe("the sandbox's phone", function()
  it("makes one account of a name, with another number for each device", support.async(function()
    local rig <close> = start()
    local first, second, other = rig:contact "Ana", rig:contact "Ana", rig:contact "Bob"
    assert.equal(first.jid, second.jid)
    assert.equal(first.lid, second.lid)
    assert.are_not.equal(first.client.me.device, second.client.me.device)
    assert.are_not.equal(first.jid, other.jid)
    assert.matches("^1555%d%d%d%d%d%d%d@s%.whatsapp%.net$", first.jid)
    assert.matches("^1%d+@lid$", first.lid)
    local again <close> = start()
    assert.equal(first.jid, again:contact("Ana").jid)
  end))

  it("gives a client without a name an account with one", support.async(function()
    local rig <close> = start()
    local settings = { url = rig.sandbox.url, root = rig.sandbox.root, store_handle = assert(core.store.open {}) }
    local client = require("moonpost").client(settings)
    rig.clients[1] = client
    assert(client:pair(tap.scanner(rig)))
    local account = rig.sandbox.accounts:lookup(client.me.jid)
    assert.matches("^Sandbox %d+$", account.name)
  end))

  it("says what is wrong with a QR", support.async(function()
    local rig <close> = start()
    local key = crypto.base64(crypto.random(32))
    local scan = "/admin/mock-phone/scan-qr"
    for _, text in ipairs {
      "", "hello", "a,b,c", ("2@x,%s,%s"):format(key, key), (",%s,%s,%s,1"):format(key, key, key),
      ("2@x,%s,%s,%s,"):format(key, key, key), ("2@x,%s,%s,%s,1"):format(key, key, crypto.base64(crypto.random(31))),
      ("2@x,%s,?%s,%s,1"):format(key, key, key),
    } do
      local status, answer = tap.admin(rig, "POST", scan, text)
      assert.equal(400, status, text)
      assert.matches("QR text", answer.error)
    end
    local status, answer = tap.admin(rig, "POST", scan, ("2@x,%s,%s,%s"):format(key, key, key))
    assert.equal(404, status)
    assert.matches("no client shows a QR with this ref", answer.error)
  end))

  it("takes the same QR again as done, another of the same client as a conflict, with the prefix or without", support.async(function()
    local rig <close> = start()
    local client, shown = tap.client(rig), {}
    client.pairing.pace = setmetatable({ first = 0.01 }, { __index = client.pairing.pace })
    local ready = task.queue()
    local pairing = task.spawn(client.pair, client, { qr = function(text)
      shown[#shown + 1] = text
      if #shown == 2 then ready:push(true) end
    end })
    assert(ready:pop(30))
    local scan = "/admin/mock-phone/scan-qr"
    local status, told = tap.admin(rig, "POST", scan, shown[1]:match "#(.+)$")
    assert.equal(200, status)
    assert(pairing:join(30))
    assert.same({ jid = client.me.jid, lid = client.me.lid, push_name = "Ana" }, told)
    assert.equal(200, (tap.admin(rig, "POST", scan, shown[1]:match "#(.+)$")))
    assert.equal(409, (tap.admin(rig, "POST", scan, (shown[1]:gsub(",1$", ",7")))))
  end))

  it("refuses a device whose word does not hold", support.async(function()
    local rig <close> = start()
    local client = tap.client(rig)
    local seen = tap.on(rig, function(direction, node)
      local sign = direction == "to-server" and tap.child(node, "pair-device-sign")
      if sign then sign.content[1].content = flip(sign.content[1].content, #sign.content[1].content) end
    end)
    client:on("unlinked", function() end)
    assert(client:pair(tap.scanner(rig)))
    assert.equal("401", seen:to_client("stream:error").attrs.code)
    local ok, err = client:connect()
    assert.is_nil(ok)
    assert.equal("unlinked", err.code)
  end))

  it("refuses a registration whose keys are malformed", support.async(function()
    local rig <close> = start()
    local account = core.signal.account(assert(core.store.open {}), "")
    account:create()
    local sound = proto.decode("ClientPayload", payload.registration(account, payload.VERSION, "Eve", { name = "eve", platform = "edge" }))
    for name, value in pairs {
      eIdent = "short", eRegid = "\0", eKeytype = "\6", eSkeyId = "\1", eSkeyVal = ("x"):rep(33), eSkeySig = ("s"):rep(64),
    } do
      local broken = {}
      for key, one in pairs(sound.devicePairingData) do broken[key] = one end
      broken[name] = value
      local _, heard = tap.raw(rig, { devicePairingData = broken, userAgent = sound.userAgent })
      local node = heard:pop(30)
      assert.same({ "failure", "400" }, { node.tag, node.attrs.reason })
      assert.is_nil((heard:pop(30)))
    end
  end))

  it("closes on a client that neither registers nor logs in", support.async(function()
    local rig <close> = start()
    local _, heard = tap.raw(rig, { pushName = "Eve" })
    local node, err = heard:pop(30)
    assert.is_nil(node)
    assert.equal("closed", err.code)
  end))
end)
