-- One-time keys: made, offered, given out once, topped up (fact sheet 02 §10, 08 §8).
local core = require "moonpost.core"
local new_again = require "moonpost.client.again"
local keys = require "moonpost.sandbox.keys"
local stanza = require "moonpost.stanza"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"
local task = require "moonpost.task"

local crypto = core.crypto

local function encrypt_get(content) return stanza.node("iq", { xmlns = "encrypt", type = "get", to = "s.whatsapp.net" }, content) end

local function fetch(client, ...)
  local users = {}
  for i, jid in ipairs { ... } do users[i] = stanza.node("user", { jid = jid }) end
  local answer, err = client:query(encrypt_get(stanza.node("key", nil, users)))
  return answer and stanza.child(answer, "list").content, err
end

local function key_id(user) return stanza.bytes(user, "key", "id") end

local function leave(device, count)
  while device.one_time:count() > count do device.one_time:take() end
end

local function is_upload(direction, node)
  return direction == "to-server" and node.attrs.xmlns == "encrypt" and node.attrs.type == "set"
end

describe("the first login", function()
  it("offers 812 keys, their private halves safe before the public ones leave", support.async(function()
    local rig <close> = start()
    local client, safe = tap.client(rig), nil
    local seen = tap.on(rig, function(direction, node)
      if is_upload(direction, node) then safe = not client.store:dirty() and #client.account:prekeys(false) == 812 end
    end)
    assert(client:pair(tap.scanner(rig)))
    assert(client:connect())
    assert.is_true(safe)
    local upload = seen:next(is_upload)
    local public = client.account:public()
    assert.equal((">I4"):pack(public.registration_id), stanza.bytes(upload, "registration"))
    assert.equal("\5", stanza.bytes(upload, "type"))
    assert.equal(public.identity, stanza.bytes(upload, "identity"))
    assert.same({ 3, 32, 64 }, { #stanza.bytes(upload, "skey", "id"), #stanza.bytes(upload, "skey", "value"),
      #stanza.bytes(upload, "skey", "signature") })
    local list = stanza.child(upload, "list").content
    assert.equal(812, #list)
    assert.same({ "\0\0\1", 32 }, { stanza.bytes(list[1], "id"), #stanza.bytes(list[1], "value") })
    assert.equal(812, #client.account:prekeys(true))
    assert.equal(0, #client.account:prekeys(false))
  end))

  it("is the only one that offers keys while there are enough", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local online, uploads = tap.event(ana.client, "online"), 0
    tap.on(rig, function(direction, node)
      if is_upload(direction, node) then uploads = uploads + 1 end
    end)
    tap.device(rig, ana.client).connection:stream_error "515"
    assert(online:pop(30))
    assert.equal(0, uploads)
  end))
end)

describe("a one-time key", function()
  it("is given out once; after the last a bundle has none", support.async(function()
    local rig <close> = start()
    local ana, bob = rig:contact "Ana", rig:contact "Bob"
    local device, given = tap.device(rig, ana.client), {}
    tap.on(rig, function(direction, node) return not is_upload(direction, node) end) -- nothing comes back
    leave(device, 3)
    for left = 2, 0, -1 do
      local id = key_id(fetch(bob.client, device:jid())[1])
      assert.is_nil(given[id])
      given[id] = true
      assert.equal(left, device.one_time:count())
    end
    local bundle = fetch(bob.client, device:jid())[1]
    assert.is_nil(stanza.child(bundle, "key"))
    assert.equal(32, #stanza.bytes(bundle, "identity"))
  end))

  it("that was given out is not taken again when it is offered again", support.async(function()
    local rig <close> = start()
    local ana, bob = rig:contact "Ana", rig:contact "Bob"
    local device = tap.device(rig, ana.client)
    local all = device.one_time:list()
    local first = key_id(fetch(bob.client, device:jid())[1])
    device.one_time:add(all)
    assert.equal(#all - 1, device.one_time:count())
    assert.are_not.equal(first, key_id(fetch(bob.client, device:jid())[1]))
  end))

  it("is one for a device named twice, another when it is named by its other name", support.async(function()
    local rig <close> = start()
    local ana, bob = rig:contact "Ana", rig:contact "Bob"
    local device = tap.device(rig, ana.client)
    local before = device.one_time:count()
    local users = fetch(bob.client, device:jid(), device:jid(), device:jid "lid")
    assert.equal(2, #users)
    assert.same({ device:jid(), device:jid "lid" }, { users[1].attrs.jid, users[2].attrs.jid })
    assert.are_not.equal(key_id(users[1]), key_id(users[2]))
    assert.equal(before - 2, device.one_time:count())
  end))

  it("of a phone never runs out", support.async(function()
    local rig <close> = start()
    local ana, given = rig:contact "Ana", {}
    for _ = 1, 5 do
      local bundle = fetch(ana.client, ana.lid)[1]
      assert.equal(ana.lid, bundle.attrs.jid)
      assert.is_nil(given[key_id(bundle)])
      given[key_id(bundle)] = true
      assert.is_nil(stanza.child(bundle, "device-identity"))
    end
  end))
end)

describe("a bundle", function()
  it("carries the device's keys and the phone's word for it", support.async(function()
    local rig <close> = start()
    local ana, bob = rig:contact "Ana", rig:contact "Bob"
    local device, public = tap.device(rig, ana.client), ana.client.account:public()
    local bundle = fetch(bob.client, device:jid())[1]
    assert.equal((">I4"):pack(public.registration_id), stanza.bytes(bundle, "registration"))
    assert.equal(public.identity, stanza.bytes(bundle, "identity"))
    assert.equal(public.signed_prekey.public, stanza.bytes(bundle, "skey", "value"))
    assert.is_true(crypto.verify(public.identity, "\5" .. stanza.bytes(bundle, "skey", "value"), stanza.bytes(bundle, "skey", "signature")))
    local word = core.proto.decode("ADVSignedDeviceIdentity", stanza.bytes(bundle, "device-identity"))
    assert.is_true(crypto.verify(word.accountSignatureKey, "\6\0" .. word.details .. public.identity, word.accountSignature))
    assert.is_true(crypto.verify(public.identity, "\6\1" .. word.details .. public.identity .. word.accountSignatureKey,
      word.deviceSignature))
  end))

  it("of a device nobody has is left out; when none is left the query is refused", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local device = tap.device(rig, ana.client)
    local users = fetch(ana.client, "19990000000:1@s.whatsapp.net", device:jid())
    assert.equal(1, #users)
    local none, err = fetch(ana.client, "19990000000:1@s.whatsapp.net")
    assert.is_nil(none)
    assert.equal(406, err.status)
    assert.matches("not%-acceptable", tostring(err))
  end))
end)

describe("a device that runs low", function()
  it("is told, tops up by 50 and acknowledges without a type", support.async(function()
    local rig <close> = start()
    local ana, bob = rig:contact "Ana", rig:contact "Bob"
    local device, seen = tap.device(rig, ana.client), tap.on(rig)
    leave(device, 5)
    fetch(bob.client, device:jid())
    local told = seen:to_client("notification", "count")
    assert.same({ "encrypt", "s.whatsapp.net" }, { told.attrs.type, told.attrs.from })
    assert.equal("4", tostring(told.content[1].attrs.value))
    local upload, ack
    repeat
      local node = seen:next(function(direction) return direction == "to-server" end)
      if is_upload("to-server", node) then upload = node end
      if node.tag == "ack" and node.attrs.id == told.attrs.id then ack = node end
    until upload and ack
    assert.is_nil(ack.attrs.type)
    assert.same({ "notification", "s.whatsapp.net" }, { ack.attrs.class, ack.attrs.to })
    assert.equal(50, #stanza.child(upload, "list").content)
    assert.equal("\0\3\45", stanza.bytes(upload, "list", "key", "id")) -- 813, right behind the first batch
    seen:next(function(direction, node) return direction == "to-client" and node.attrs.id == upload.attrs.id end)
    assert.equal(54, device.one_time:count())
  end))

  it("offers the same keys again when the answer was lost, and fresh ones when the server knew those", support.async(function()
    local rig <close> = start()
    local ana, bob = rig:contact "Ana", rig:contact "Bob"
    local device, online, uploads = tap.device(rig, ana.client), tap.event(ana.client, "online"), {}
    local lost
    local seen = tap.on(rig, function(direction, node, conn)
      if is_upload(direction, node) then uploads[#uploads + 1] = node end
      if lost or not uploads[1] or direction ~= "to-client" or node.attrs.id ~= uploads[1].attrs.id then return end
      lost = true
      conn:drop()
      return false
    end)
    ana.client.connection.pace = { stable = 30, first_pause = 0.01, longest_pause = 0.01 }
    leave(device, 5)
    fetch(bob.client, device:jid())
    assert(online:pop(30))
    assert.equal(50, #ana.client.account:prekeys(false))
    leave(device, 0)
    for i = 1, 5 do device.one_time:add { "\1\0" .. string.char(i) .. crypto.random(32) } end -- the next hand-out is told
    fetch(bob.client, device:jid())
    seen:to_client("notification", "count")
    repeat seen:next(is_upload) until #uploads == 3
    assert.equal(stanza.bytes(uploads[1], "list", "key", "value"), stanza.bytes(uploads[2], "list", "key", "value"))
    assert.are_not.equal(stanza.bytes(uploads[1], "list", "key", "value"), stanza.bytes(uploads[3], "list", "key", "value"))
    seen:next(function(direction, node) return direction == "to-client" and node.attrs.id == uploads[3].attrs.id end)
    assert.equal(54, device.one_time:count())
  end))

  it("is told at its next login, when it brought none by itself", support.async(function()
    local rig <close> = start()
    local ana = tap.quick(rig)
    ana.client.connection.pace.refill = 0.05
    leave(ana.device, 2)
    local deaf = true
    local seen = tap.on(rig, function(direction, node)
      if direction == "to-server" and deaf and node.attrs.xmlns == "encrypt" then return false end
    end)
    ana.device.connection:drop()
    local told = seen:to_client("notification", "count")
    assert.equal(2, told.content[1].attrs.value)
    deaf = false
  end))

  it("uploads once when it is told twice", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local device, uploads, errors = tap.device(rig, ana.client), 0, tap.event(ana.client, "error")
    local seen = tap.on(rig, function(direction, node)
      if is_upload(direction, node) then uploads = uploads + 1 end
    end)
    leave(device, 3)
    for i = 1, 2 do
      device.queue:push(stanza.node("notification", {
        type = "encrypt", from = "s.whatsapp.net", id = "170000000-" .. i, t = 1700000000,
      }, stanza.node("count", { value = 3 })))
    end
    local upload = seen:next(is_upload)
    seen:next(function(direction, node) return direction == "to-client" and node.attrs.id == upload.attrs.id end)
    assert(ana.client:query(encrypt_get(stanza.node "count")))
    assert.equal(1, uploads)
    assert.equal(0, #errors)
  end))
end)

describe("a server that cannot take keys now", function()
  -- Ana, whose server has lost her keys and strikes her uploads; `first` seconds before she tries again.
  local function lose_keys(rig, fault, first)
    local ana = tap.quick(rig)
    local prekeys = ana.client.prekeys
    ana.client.connection.pace.query = 0.5
    prekeys.first, prekeys.again.first, prekeys.again.second = 20, first, first
    fault.xmlns, fault.type, fault.direction, fault.jid = "encrypt", "set", "to-server", ana.jid
    rig:fault(fault)
    local uploads = rig:record("to-server", function(node) return is_upload("to-server", node) end)
    local errors, strikes = tap.event(ana.client, "error"), tap.strikes(rig)
    rig:fault { what = "forget-prekeys", jid = ana.jid }
    assert(strikes:pop(30))
    return ana, uploads, errors, strikes
  end

  local function has_keys(rig, ana, uploads, count)
    local answered = tap.on(rig)
    while #uploads < count or not uploads[count].answered do
      local answer = answered:to_client "iq"
      for _, one in ipairs(uploads) do one.answered = one.answered or one.attrs.id == answer.attrs.id end
    end
    assert.equal(20, ana.device.one_time:count())
  end

  it("is asked again after 1, 2, 3, 5 seconds and so on, 610 at most, and no more once it refuses", function()
    local pauses, errors = {}, {}
    local connection = { gone = { closed = false, pop = function(_, seconds) pauses[#pauses + 1] = seconds end } }
    local client = { connection = connection, emit = function(_, _, err) errors[#errors + 1] = err.status end }
    local again = new_again(client, function() return nil, { code = "iq", status = #pauses < 17 and 503 or 406 } end)
    again:try()
    assert.same({ 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377, 610, 610, 610, 610 }, pauses)
    assert.same({ 406 }, errors)
    assert.is_false(again.going)
  end)

  it("is offered the same ones again by itself, and its trouble is told once", support.async(function()
    local rig <close> = start()
    local ana, uploads, errors = lose_keys(rig, { what = "error", code = 503, times = 4 }, 0.01)
    has_keys(rig, ana, uploads, 5)
    assert.equal(503, errors:pop(0).status)
    assert.equal(0, #errors)
    for i = 2, 5 do
      assert.equal(stanza.bytes(stanza.child(uploads[1], "list").content[1], "value"),
        stanza.bytes(stanza.child(uploads[i], "list").content[1], "value"))
    end
  end))

  it("is offered them again when no answer came", support.async(function()
    local rig <close> = start()
    local ana, uploads, errors = lose_keys(rig, { what = "swallow" }, 0.01)
    has_keys(rig, ana, uploads, 2)
    assert.equal("timeout", errors:pop(30).code)
  end))
end)

describe("a server that always says it has no keys", function()
  -- A contact whose server counts no keys; `uploads` are those it made.
  local function starved(rig)
    local ana, uploads = rig:contact "Ana", {}
    rig:tap(function(direction, node)
      if is_upload(direction, node) then uploads[#uploads + 1] = node end
      local count = direction == "to-client" and node.tag == "iq" and tap.child(node, "count")
      if count then count.attrs.value = "0" end
    end)
    return ana, uploads
  end

  it("gets some batches, then no more, which is said once", support.async(function()
    local rig <close> = start()
    local ana, uploads = starved(rig)
    local prekeys = ana.client.prekeys
    prekeys.uploads = 3
    for _ = 1, 3 do assert(prekeys:refill()) end
    local ok, err = prekeys:refill()
    assert.is_nil(ok)
    assert.equal("limit", err.code)
    assert.matches("asks for one%-time keys too often", err.message)
    assert.is_true(prekeys:refill())
    assert.equal(3, #uploads)
    prekeys.counted_at = prekeys.counted_at - 600
    assert.is_true(prekeys:refill())
    assert.equal(4, #uploads)
  end))

  it("has us keep a bounded number, the newest", support.async(function()
    local rig <close> = start()
    local ana, uploads = starved(rig)
    ana.client.prekeys.kept = 1000
    for _ = 1, 2 do assert(ana.client.prekeys:refill()) end
    local list = ana.client.account:prekeys()
    assert.equal(1000, #list)
    assert.equal(3 * 812, list[1000].id)
    assert.equal(2, #uploads)
  end))
end)

describe("the keys of retry receipts", function()
  it("are one for each message until it is used, over restarts", support.async(function()
    local rig <close> = start()
    local client = rig:contact("Ana").client
    local given = client.retry_keys
    local one = given:of("1@lid", "A")
    assert.are_not.equal(one.id, given:of("2@lid", "A").id)
    assert.are_not.equal(one.id, given:of("1@lid", "B").id)
    assert(client:committed())
    given:recount()
    assert.same(one, given:of("1@lid", "A"))
    client.account:drop_prekey(one.id)
    assert.are_not.equal(one.id, given:of("1@lid", "A").id)
  end))

  it("are 256 for one device at most: then its messages share one", support.async(function()
    local rig <close> = start()
    local client = rig:contact("Ana").client
    local before = #client.account:prekeys()
    for i = 1, 300 do client.retry_keys:of("1@lid", "A" .. i) end
    assert.equal(before + 256, #client.account:prekeys())
  end))

  it("are so many in all: the one given longest ago is dropped, and those that are too old", support.async(function()
    local rig <close> = start()
    local client = rig:contact("Ana").client
    client.retry_keys.ring.most = 20
    local ids = {}
    for i = 1, 30 do ids[i] = client.retry_keys:of(i .. "@lid", "A").id end
    local function is_there(i) return client.account:prekey(ids[i]) ~= nil end
    assert.same({ false, false, true, true }, { is_there(1), is_there(10), is_there(11), is_there(30) })
    client.sweep:run(core.net.time() + 30 * 24 * 3600)
    assert.same({ false, false }, { is_there(11), is_there(30) })
  end))
end)

describe("the digest", function()
  it("has the hash of the vectors", function()
    assert.equal("f7c25cd5011ec11b3f3cf3952cd17989410687a5", crypto.hex(keys.digest_hash(("\1"):rep(32), ("\2"):rep(32), ("\3"):rep(64),
      { ("\4"):rep(32), ("\5"):rep(32) })))
    assert.equal("85f70f8640a9b2320470349e3534737f1d31b2cc", crypto.hex(keys.digest_hash(
      crypto.unhex "7d34a4815fa6b982535e60af3bd9b49556816080f1641ff81d2b7c8ae8268a44",
      crypto.unhex "0faa684ed28867b97f4a6a2dee5df8ce974e76b7018e3f22a1c4cf2678570f20", ("\xaa"):rep(64),
      { crypto.unhex "9a4503a98ab10fe8d354c9c42cbd0c9d7944f52e7d14d8ea59775e7dc9e3bf4b" })))
  end)

  it("lists what is left and hashes it; without keys it is not found", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local device, public = tap.device(rig, ana.client), ana.client.account:public()
    leave(device, 7)
    local digest = stanza.child(assert(ana.client:query(encrypt_get(stanza.node "digest"))), "digest")
    local by_id, publics = {}, {}
    for _, key in ipairs(ana.client.account:prekeys(true)) do by_id[(">I3"):pack(key.id)] = key.public end
    for i, id in stanza.children(stanza.child(digest, "list"), "id") do publics[i] = by_id[id.content] end
    assert.equal(7, #publics)
    assert.equal(crypto.sha1(public.identity .. public.signed_prekey.public .. public.signed_prekey.signature .. table.concat(publics)),
      stanza.bytes(digest, "hash"))
    leave(device, 0)
    local _, err = ana.client:query(encrypt_get(stanza.node "digest"))
    assert.equal(404, err.status)
  end))
end)

describe("an upload", function()
  local function upload(client, changes)
    local public = client.account:public()
    local parts = {
      registration = (">I4"):pack(public.registration_id), type = "\5", identity = public.identity,
      key_id = "\1\2\3", key_value = ("k"):rep(32), skey_value = public.signed_prekey.public, signature = public.signed_prekey.signature,
    }
    for name, value in pairs(changes) do parts[name] = value end
    return client:query(stanza.node("iq", { xmlns = "encrypt", type = "set", to = "s.whatsapp.net" }, {
      stanza.node("registration", nil, parts.registration), stanza.node("type", nil, parts.type),
      stanza.node("identity", nil, parts.identity),
      stanza.node("list", nil, stanza.node("key", nil, {
        stanza.node("id", nil, parts.key_id), stanza.node("value", nil, parts.key_value),
      })),
      stanza.node("skey", nil, {
        stanza.node("id", nil, "\0\0\9"), stanza.node("value", nil, parts.skey_value), stanza.node("signature", nil, parts.signature),
      }),
    }))
  end

  it("under another identity, or with a signed prekey that is not signed, is refused and changes nothing", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local device = tap.device(rig, ana.client)
    local before = device.one_time:count()
    for _, changes in ipairs { { identity = ("i"):rep(32) }, { skey_value = ("v"):rep(32) }, { signature = ("s"):rep(64) } } do
      local answer, err = upload(ana.client, changes)
      assert.is_nil(answer)
      assert.equal(406, err.status)
    end
    assert.equal(before, device.one_time:count())
    assert.equal("\0\0\1", device.skey_id)
    assert(upload(ana.client, {}))
    assert.equal(before + 1, device.one_time:count())
    assert.equal("\0\0\9", device.skey_id)
  end))

  it("replaces a key of an id that is known and not given out yet", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local device = tap.device(rig, ana.client)
    assert(upload(ana.client, {}))
    local count = device.one_time:count()
    assert(upload(ana.client, { key_value = ("z"):rep(32) }))
    assert.equal(count, device.one_time:count())
    local list = device.one_time:list()
    assert.equal("\1\2\3" .. ("z"):rep(32), list[#list])
  end))
end)

describe("many fetches at once", function()
  it("never give the same key twice", support.async(function()
    local rig <close> = start()
    local ana, bob, eve = rig:contact "Ana", rig:contact "Bob", rig:contact "Eve"
    local device, given, tasks = tap.device(rig, ana.client), {}, {}
    for i = 1, 20 do
      local client = i % 2 == 0 and bob.client or eve.client
      tasks[i] = task.spawn(function() return key_id(fetch(client, device:jid(i % 3 == 0 and "lid" or nil))[1]) end)
    end
    for i = 1, 20 do
      local id = tasks[i]:join(30)
      assert.is_nil(given[id])
      given[id] = true
    end
  end))
end)
