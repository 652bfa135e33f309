-- The own phone and its companions among themselves (fact sheet 04 §5, 08 §10).
local core = require "moonpost.core"
local phones = require "moonpost.sandbox.phone"
local stanza = require "moonpost.stanza"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"

local crypto, proto = core.crypto, core.proto

-- Reads what the phone wrote to a client: its messages by their ids, opened by a copy of the client's own ears.
local function raw_messages(client)
  local list = {}
  for i, row in ipairs(client.store:range("raw", "")) do
    local _, plaintext = (">s4s4"):unpack(row[2])
    list[i] = proto.decode("Message", plaintext)
  end
  return list
end

-- Sends a peer message of a client to a device of its own account.
local function tell(client, to, protocol)
  local account = client.account
  local sealed = account:encrypt({ to }, assert(proto.encode("Message", { protocolMessage = protocol })))[1]
  assert(sealed.ciphertext, tostring(sealed.error))
  local content = { stanza.node("enc", { v = "2", type = sealed.type }, sealed.ciphertext) }
  if sealed.type == "pkmsg" then content[2] = stanza.node("device-identity", nil, client.me.deviceIdentity) end
  local id = crypto.hex(crypto.random(16)):upper()
  assert(client.connection:send(stanza.node("message", { to = to, id = id, type = "text", category = "peer" }, content)))
  return id
end

local function ping(client)
  assert(client:query(stanza.node("iq", { xmlns = "w:p", type = "get", to = "s.whatsapp.net" })))
end

-- A contact that has heard everything the phone says after the first login.
local function greeted(rig, name, on_history)
  local client = tap.client(rig, { name = name or "Ana" })
  if on_history then client:on("history", on_history) end
  assert(client:pair(tap.scanner(rig)))
  local seen = tap.on(rig)
  assert(client:connect())
  seen:next(function(direction, node)
    return direction == "to-server" and node.attrs.type == "hist_sync" and node.attrs.to == client.me.jid
  end)
  ping(client)
  return client, seen
end

describe("the phone", function()
  it("says nothing before the backlog's end, then hands over the app-state key, then the history, then is silent",
    support.async(function()
      local rig <close> = start()
      local client = tap.client(rig)
      assert(client:pair(tap.scanner(rig)))
      local order, done = {}, require("moonpost.task").queue()
      tap.on(rig, function(direction, node)
        if direction == "to-client" and stanza.child(node, "offline") then order[#order + 1] = "offline" end
        if direction == "to-client" and node.tag == "message" then order[#order + 1] = node.attrs.category end
        if direction == "to-server" and node.tag == "receipt" then
          order[#order + 1] = node.attrs.type
          if node.attrs.type == "hist_sync" then done:push(client.store:count("appstate-key", "")) end
        end
      end)
      assert(client:connect())
      assert.equal(1, done:pop(30))
      ping(client)
      assert.equal("offline", order[1])
      local count = {}
      for _, one in ipairs(order) do count[one] = (count[one] or 0) + 1 end
      assert.same({ offline = 1, peer = 2, peer_msg = 2, hist_sync = 1 }, count)
      assert.equal(0, (tap.device(rig, client)).queue.count)
    end))

  it("writes from its bare number, under the identity that vouches for the device", support.async(function()
    local rig <close> = start()
    local client, seen = greeted(rig)
    local account = rig.sandbox.accounts.by_name.Ana
    assert.equal(account.phone:identity():public(), client.account:remote_identity(client.me.lid))
    assert.is_true(client.account:has_session(client.me.lid))
    assert.is_false(client.account:has_session(client.me.jid))
    assert.is_table(seen)
  end))

  it("gives every companion the same app-state key, which is kept", support.async(function()
    local rig <close> = start()
    local first, second = greeted(rig), greeted(rig)
    local key = crypto.unbase64(rig.sandbox.accounts.by_name.Ana.app_state_key)
    for _, client in ipairs { first, second } do
      local kept = proto.decode("Message.AppStateSyncKeyData", client.store:get("appstate-key", key:sub(1, 6)))
      assert.equal(key:sub(7), kept.keyData)
      assert.is_table(kept.fingerprint)
      assert.is_true(kept.timestamp > 1e12)
    end
  end))

  it("brings the push name and the names it knows in the history", support.async(function()
    local rig <close> = start()
    local bob = rig:contact "Bob"
    local ana = rig:contact "Ana"
    assert(ana.client:send(bob.jid, "hello"))
    local pages = require("moonpost.task").queue()
    local laptop = greeted(rig, "Ana", function(page) pages:push(page) end)
    local page = pages:pop(30)
    assert.same({ "initial", 1, 100, true }, { page.type, page.chunk, page.progress, page.done })
    assert.same({ { jid = ana.lid, name = "Ana" } }, page.names)
    assert.equal(bob.lid, laptop.lids:lid_of(bob.jid))
  end))

  it("speaks once: a later login brings nothing of it again", support.async(function()
    local rig <close> = start()
    local client = greeted(rig)
    local online, messages = tap.event(client, "online"), 0
    tap.on(rig, function(direction, node)
      if direction == "to-client" and node.tag == "message" then messages = messages + 1 end
    end)
    tap.device(rig, client).connection:stream_error "515"
    assert(online:pop(30))
    ping(client)
    assert.equal(0, messages)
  end))

  it("shares the key that is asked for, and says nothing of one it does not know", support.async(function()
    local rig <close> = start()
    local client = greeted(rig)
    local known = crypto.unbase64(rig.sandbox.accounts.by_name.Ana.app_state_key):sub(1, 6)
    client.store:delete("appstate-key", known)
    local seen = tap.on(rig)
    local function ask(id)
      return tell(client, client.me.lid, {
        type = "APP_STATE_SYNC_KEY_REQUEST", appStateSyncKeyRequest = { keyIds = { { keyId = id } } },
      })
    end
    ask "unknown"
    ask(known)
    local answer = seen:to_client "message"
    seen:next(function(_, node) return node.attrs.type == "peer_msg" and node.attrs.id == answer.attrs.id end)
    assert.is_not_nil(client.store:get("appstate-key", known))
    ping(client)
    assert.equal(0, (tap.device(rig, client)).queue.count)
  end))

  it("answers a request for data it does not have with an empty result", support.async(function()
    local rig <close> = start()
    local client, before = greeted(rig)
    local count = #raw_messages(client)
    local id = tell(client, client.me.lid, {
      type = "PEER_DATA_OPERATION_REQUEST_MESSAGE",
      peerDataOperationRequestMessage = { peerDataOperationRequestType = "GENERATE_LINK_PREVIEW" },
    })
    before:to_client("message", "enc")
    before:next(function(_, node) return node.attrs.type == "peer_msg" end)
    local messages = raw_messages(client)
    assert.equal(count + 1, #messages)
    local response = messages[#messages].protocolMessage.peerDataOperationRequestResponseMessage
    assert.equal(id, response.stanzaId)
    assert.equal("GENERATE_LINK_PREVIEW", response.peerDataOperationRequestType)
    assert.is_nil(response.peerDataOperationResult)
  end))

  it("keeps in step with the copies it gets, and confirms none", support.async(function()
    local rig <close> = start()
    local ana, bob = rig:contact "Ana", rig:contact "Bob"
    for i = 1, 5 do assert(ana.client:send(bob.jid, "number " .. i)) end
    local phone = phones.of(rig.sandbox, rig.sandbox.accounts.by_name.Bob) -- one that has read what it was written
    assert.is_true(phone.signal:has_session(tap.device(rig, ana.client):jid "lid"))
    local device = tap.device(rig, ana.client)
    local copy = ana.client.account:encrypt({ bob.lid }, assert(proto.encode("Message", { conversation = "number 6" })))[1]
    local read = assert(phone.signal:decrypt(device:jid "lid", copy.type, copy.ciphertext))
    assert.equal("number 6", proto.decode("Message", read).conversation)
    for _ = 1, 5 do assert.is_truthy(ana.receipts:pop(30)) end
    assert.equal(0, #ana.receipts)
  end))
end)

describe("a companion", function()
  it("reaches another companion of its account alone", support.async(function()
    local rig <close> = start()
    local first, second = greeted(rig), greeted(rig)
    local third = greeted(rig)
    local device = tap.device(rig, second)
    assert(first.devices:ensure_sessions { device:jid "lid" })
    local seen = tap.on(rig)
    tell(first, device:jid "lid", { type = "APP_STATE_SYNC_KEY_REQUEST", appStateSyncKeyRequest = { keyIds = {} } })
    local copy = seen:next(function(direction, node) return direction == "to-client" and node.tag == "message" end)
    assert.same({ "peer", tap.device(rig, first):jid "lid" }, { copy.attrs.category, copy.attrs.from })
    local receipt = seen:from_client "receipt"
    assert.same({ "peer_msg", copy.attrs.id }, { receipt.attrs.type, receipt.attrs.id })
    ping(third)
    assert.equal(0, (tap.device(rig, third)).queue.count)
  end))
end)
