-- Devices of others: the word of their phone in key bundles and first messages, and the phone's list of their indexes (fact sheet 02
-- §2.5, §8.1, §10.6, 04 §3.5). Own devices are in impostor_spec.lua.
local core = require "moonpost.core"
local stanza = require "moonpost.stanza"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"

local proto, jid = core.proto, core.wire.jid

local function flip(bytes, at) return bytes:sub(1, at - 1) .. string.char(bytes:byte(at) ~ 1) .. bytes:sub(at + 1) end

-- A blob with one part of it changed.
local function changed(blob, name, fn)
  local signed = assert(proto.decode("ADVSignedDeviceIdentity", blob))
  signed[name] = fn(signed[name])
  return assert(proto.encode("ADVSignedDeviceIdentity", signed))
end

local function flipped(bytes) return flip(bytes, 10) end

-- Has the blobs of key bundles changed by fn(blob, device's JID) before they arrive.
local function meddle_bundles(rig, fn)
  tap.on(rig, function(direction, node)
    if direction ~= "to-client" or node.tag ~= "iq" then return end
    for _, user in stanza.children(stanza.child(node, "list"), "user") do
      local shown = tap.child(user, "device-identity")
      if shown then shown.content = fn(shown.content, user.attrs.jid) end
    end
  end)
end

-- The devices that a client's next message is encrypted for.
local function reached(rig, client, to)
  local list = rig:record("to-server", function(node) return node.tag == "message" end)
  assert(client:send(to, "hello"))
  local names = {}
  for _, one in stanza.children(stanza.child(list[1], "participants"), "to") do names[one.attrs.jid] = true end
  return names
end

describe("a key bundle", function()
  for name, spoil in pairs {
    ["whose phone's signature is wrong"] = function(blob) return changed(blob, "accountSignature", flipped) end,
    ["whose device's signature is wrong"] = function(blob) return changed(blob, "deviceSignature", flipped) end,
    ["that is vouched for by another key than its phone's"] = function(blob)
      return changed(blob, "accountSignatureKey", function() return core.crypto.keypair():public() end)
    end,
    ["that shows no word that can be read"] = function() return "\xff\xff" end,
    ["that is vouched for by no key"] = function(blob) return changed(blob, "accountSignatureKey", function() return "short" end) end,
  } do
    it(name .. " is not taken: its device is left out, the others are written to", support.async(function()
      local rig <close> = start()
      local ana, bob = rig:contact "Ana", rig:contact "Bob"
      local second = rig:contact "Bob"
      local errors, bad = tap.event(ana.client, "error"), tap.device(rig, second.client):jid "lid"
      meddle_bundles(rig, function(blob, device) return device == bad and spoil(blob) or blob end)
      local names = reached(rig, ana.client, bob.jid)
      assert.is_nil(names[bad])
      assert.is_true(names[tap.device(rig, bob.client):jid "lid"] and names[bob.lid])
      assert.equal("unvouched", errors:pop(30).code)
      assert.equal("hello", bob:next().text)
    end))
  end

  it("is taken when its phone's key is left out and known, or not known, or when nothing is shown", support.async(function()
    local rig <close> = start()
    local ana, bob = rig:contact "Ana", rig:contact "Bob"
    local device = tap.device(rig, bob.client):jid "lid"
    for _, spoil in ipairs {
      function(blob) return changed(blob, "accountSignatureKey", function() end) end, function() return nil end,
    } do
      ana.client.account:delete_session(device)
      meddle_bundles(rig, spoil)
      assert.is_true(reached(rig, ana.client, bob.jid)[device])
      assert.equal("hello", bob:next().text)
    end
  end))

  it("whose phone's key is left out is not taken when the phone that is known did not sign it", support.async(function()
    local rig <close> = start()
    local ana, bob = rig:contact "Ana", rig:contact "Bob"
    local errors, device = tap.event(ana.client, "error"), tap.device(rig, bob.client):jid "lid"
    ana.client.account:trust_identity(bob.lid, core.crypto.keypair():public())
    meddle_bundles(rig, function(blob) return changed(blob, "accountSignatureKey", function() end) end)
    assert(ana.client.devices:ensure_sessions { device })
    assert.equal("unvouched", errors:pop(30).code)
    assert.is_false(ana.client.account:has_session(device))
  end))
end)

describe("a first message", function()
  it("of a device its phone does not vouch for is not read, asked for again, and read when it does", support.async(function()
    local rig <close> = start()
    local ana, bob = rig:contact "Ana", rig:contact "Bob"
    local retries = rig:record("to-server", function(node) return node.tag == "receipt" and node.attrs.type == "retry" end)
    ana.client:on("error", function() end)
    local spoilt = false
    tap.on(rig, function(direction, node)
      local shown = direction == "to-client" and node.tag == "message" and tap.child(node, "device-identity")
      if spoilt or not shown or node.attrs.category then return end
      shown.content, spoilt = changed(shown.content, "accountSignature", flipped), true
    end)
    assert(bob.client:send(ana.jid, "it is me"))
    assert.equal("it is me", ana:next().text)
    assert.equal("12", stanza.child(retries[1], "retry").attrs.error)
  end))

  it("that shows no word is read", support.async(function()
    local rig <close> = start()
    local ana, bob = rig:contact "Ana", rig:contact "Bob"
    tap.on(rig, function(direction, node)
      if direction ~= "to-client" or node.tag ~= "message" then return end
      for i = #node.content, 1, -1 do
        if node.content[i].tag == "device-identity" then table.remove(node.content, i) end
      end
    end)
    assert(bob.client:send(ana.jid, "no word"))
    assert.equal("no word", ana:next().text)
  end))
end)

describe("the phone's list of its devices", function()
  -- Whether Bob's only companion, whose index is 1, is written to when the answer about him is changed so.
  local function is_reached(list, change)
    local rig <close> = start()
    local ana, bob = rig:contact "Ana", rig:contact "Bob"
    tap.on(rig, function(direction, node)
      local usync = direction == "to-client" and tap.child(node, "usync")
      for _, user in stanza.children(usync and stanza.child(usync, "list"), "user") do
        local devices = stanza.child(user, "devices")
        if devices and jid.parse(user.attrs.jid) == jid.parse(bob.jid) then
          local bytes = list and assert(proto.encode("ADVSignedKeyIndexList", { details = assert(proto.encode("ADVKeyIndexList", list)) }))
          tap.child(devices, "key-index-list").content = bytes or "\xff"
          if change then change(devices) end
        end
      end
    end)
    return reached(rig, ana.client, bob.jid)[tap.device(rig, bob.client):jid "lid"] == true
  end

  it("has those it names written to", support.async(function()
    assert.is_true(is_reached { rawId = 1, timestamp = 1700000000, currentIndex = 3, validIndexes = { 1, 3 } })
  end))

  it("has one it no longer names left out", support.async(function()
    assert.is_false(is_reached { rawId = 1, timestamp = 1700000000, currentIndex = 3, validIndexes = { 2, 3 } })
    assert.is_false(is_reached { rawId = 1, timestamp = 1700000000, currentIndex = 1 })
  end))

  it("has one that came after it written to", support.async(function()
    assert.is_true(is_reached { rawId = 1, timestamp = 1700000000, currentIndex = 0 })
  end))

  it("has one without an index left out", support.async(function()
    assert.is_false(is_reached({ rawId = 1, timestamp = 1700000000, currentIndex = 1, validIndexes = { 1 } }, function(devices)
      for _, device in stanza.children(stanza.child(devices, "device-list"), "device") do device.attrs["key-index"] = nil end
    end))
  end))

  it("ends the sessions with all companions when the phone was set up anew, and only then", support.async(function()
    local rig <close> = start()
    local ana, bob = rig:contact "Ana", rig:contact "Bob"
    local device, account = tap.device(rig, bob.client)
    local companion = device:jid "lid"
    assert.is_true(reached(rig, ana.client, bob.jid)[companion])
    local made = ana.client.account:base_key(companion)
    ana.client.devices:forget(bob.lid)
    assert(ana.client.devices:of { bob.lid })
    assert.equal(made, ana.client.account:base_key(companion))
    account.raw_id = account.raw_id + 1
    ana.client.devices:forget(bob.lid)
    assert(ana.client.devices:of { bob.lid })
    assert.is_false(ana.client.account:has_session(companion))
    assert.is_true(ana.client.account:has_session(bob.lid))
  end))

  it("leaves nobody out when it cannot be read", support.async(function() assert.is_true(is_reached(nil)) end))
end)
