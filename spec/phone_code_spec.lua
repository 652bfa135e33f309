-- Linking by phone number: the code, the exchange, what can go wrong (fact sheet 02 §3, 08 §5.3). The keys are in
-- core/link_code_test.c, the numbers in phone_number_spec.lua.
local core = require "moonpost.core"
local platform = require "moonpost.client.platform"
local process = require "spec.process"
local stanza = require "moonpost.stanza"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"
local task = require "moonpost.task"

local crypto, net = core.crypto, core.net

local PHONE, TYPED = "15551234567", "+1 (555) 123-4567"

local function flip(bytes, at) return bytes:sub(1, at - 1) .. string.char(bytes:byte(at) ~ 1) .. bytes:sub(at + 1) end

-- A client that is being linked by code: with the codes shown, and the task's end.
local function begin(rig, pace, options)
  local client, codes = tap.client(rig, options), task.queue()
  client.pairing.pace = setmetatable(pace or {}, { __index = client.pairing.pace })
  local pairing = task.spawn(client.pair, client, {
    phone = TYPED, code = function(code, seconds, phone) codes:push { code = code, seconds = seconds, phone = phone } end,
  })
  return client, codes, pairing
end

local function shown(codes) return assert(codes:pop(30)).code end

local function type_code(rig, code) return tap.admin(rig, "POST", "/admin/mock-phone/confirm-code", { phone = TYPED, code = code }) end

local function reg_of(node) return tap.child(node, "link_code_companion_reg") end

local function stage_of(node)
  local reg = reg_of(node)
  return reg and reg.attrs.stage
end

-- The unregistered connection of a rig.
local function only(rig) return (next(rig.sandbox.connections)) end

local function notification(child)
  return stanza.node("notification", {
    from = "s.whatsapp.net", type = "link_code_companion_reg", id = "1700000000-99", t = "1700000000",
  }, child)
end

local function primary_hello(ref, wrapped, identity)
  return notification(stanza.node("link_code_companion_reg", { stage = "primary_hello" }, {
    stanza.node("link_code_pairing_wrapped_primary_ephemeral_pub", nil, wrapped), stanza.node("primary_identity_pub", nil, identity),
    stanza.node("link_code_pairing_ref", nil, ref),
  }))
end

describe("a linking code", function()
  it("is shown in two groups, with how long it lives and for which number", support.async(function()
    local rig <close> = start()
    local _, codes = begin(rig)
    local one = assert(codes:pop(30))
    assert.matches("^%w%w%w%w%-%w%w%w%w$", one.code)
    assert.is_true(crypto.is_link_code((one.code:gsub("%-", ""))))
    assert.is_true(one.seconds > 170 and one.seconds <= 180)
    assert.equal(PHONE, one.phone)
  end))

  it("links the account of its number, by the exchange of the sheet", support.async(function()
    local rig <close> = start()
    local seen = tap.on(rig)
    local client, codes, pairing = begin(rig)
    local code = shown(codes)
    local hello = seen:next(function(_, node) return stage_of(node) == "companion_hello" end)
    assert.same({ jid = PHONE .. "@s.whatsapp.net", stage = "companion_hello", should_show_push_notification = "true" },
      reg_of(hello).attrs)
    assert.same({ "set", "md" }, { hello.attrs.type, hello.attrs.xmlns })
    assert.equal("\0", stanza.bytes(hello, "link_code_companion_reg", "link_code_pairing_nonce"))
    local answer = seen:next(function(_, node) return node.attrs.id == hello.attrs.id end)
    local ref = stanza.bytes(answer, "link_code_companion_reg", "link_code_pairing_ref")
    local status, told = type_code(rig, code)
    assert.equal(200, status)
    local phones = seen:next(function(_, node) return stage_of(node) == "primary_hello" end)
    assert.equal(ref, stanza.bytes(phones, "link_code_companion_reg", "link_code_pairing_ref"))
    local ack = seen:from_client "ack" -- before the keys: they take their time
    assert.same({ class = "notification", id = phones.attrs.id, to = "s.whatsapp.net", type = "link_code_companion_reg" }, ack.attrs)
    local finish = seen:next(function(_, node) return stage_of(node) == "companion_finish" end)
    assert.equal(156, #stanza.bytes(finish, "link_code_companion_reg", "link_code_pairing_wrapped_key_bundle"))
    assert.equal(client.account:public().identity, stanza.bytes(finish, "link_code_companion_reg", "companion_identity_public"))
    assert.equal("result", seen:next(function(_, node) return node.attrs.id == finish.attrs.id end).attrs.type)
    seen:to_client("iq", "pair-success")
    seen:from_client("iq", "pair-device-sign")
    local me = assert(pairing:join(30))
    assert.equal(PHONE .. "@s.whatsapp.net", me.jid)
    assert.same({ jid = me.jid, lid = me.lid, push_name = "Ana" }, told)
    assert(client:connect())
    assert.is_nil(next(rig.sandbox.codes))
  end))

  it("may be typed in small letters and without the dash", support.async(function()
    local rig <close> = start()
    local _, codes, pairing = begin(rig)
    assert.equal(200, (type_code(rig, (shown(codes):lower():gsub("%-", "")))))
    assert(pairing:join(30))
  end))

  it("does not keep the loop while keys are derived from it", support.async(function()
    local turns, done = 0, false
    task.spawn(function()
      while not done do
        task.sleep(0)
        turns = turns + 1
      end
    end)
    local key = crypto.random(32)
    local wrapped = task.await(function(resume) assert(crypto.link_wrap("ABCD1234", key, resume)) end)
    local before = turns
    assert.equal(key, task.await(function(resume) assert(crypto.link_unwrap("ABCD1234", wrapped, resume)) end))
    done = true
    assert.is_true(before > 1 and turns > before + 1, ("%d turns, then %d"):format(before, turns - before))
  end))

  it("names the device as the phone will show it", support.async(function()
    local rig <close> = start()
    local seen = tap.on(rig)
    local _, codes, pairing = begin(rig, nil, { device_name = "My Macintosh", platform = "firefox" })
    local hello = seen:next(function(_, node) return stage_of(node) == "companion_hello" end)
    assert.equal("3", stanza.bytes(hello, "link_code_companion_reg", "companion_platform_id"))
    assert.equal("Firefox (Mac OS)", stanza.bytes(hello, "link_code_companion_reg", "companion_platform_display"))
    assert.equal(200, (type_code(rig, shown(codes))))
    assert(pairing:join(30))
    local device = select(2, tap.admin(rig, "GET", "/admin/state")).accounts[1].devices[1]
    assert.same({ "My Macintosh", "FIREFOX" }, { device.os, device.platform })
  end))

  it("that was mistyped is void: the phone says so, and the next one links", support.async(function()
    local rig <close> = start()
    local client, codes, pairing = begin(rig)
    local code = shown(codes)
    local wrong = (code:sub(1, 1) == "A" and "B" or "A") .. code:sub(2)
    local before = client.account:adv_secret_text()
    local status, told = type_code(rig, wrong)
    assert.equal(403, status)
    assert.matches("the code is wrong", told.error)
    local second = shown(codes)
    assert.are_not.equal(code, second)
    assert.are_not.equal(before, client.account:adv_secret_text())
    assert.equal(200, (type_code(rig, second)))
    assert(pairing:join(30))
  end))

  it("that has expired is replaced by a new one", support.async(function()
    local rig <close> = start()
    local pace = { code = 0.3 }
    local _, codes, pairing = begin(rig, pace)
    local first = shown(codes)
    pace.code = 180
    local second = shown(codes)
    assert.are_not.equal(first, second)
    assert.equal(403, (type_code(rig, first)))
    assert.equal(200, (type_code(rig, shown(codes))))
    assert(pairing:join(30))
  end))

  it("is not asked for a sixth time when nobody types any", support.async(function()
    local rig <close> = start()
    local asked = rig:record("to-server", function(node) return stage_of(node) == "companion_hello" end)
    local _, codes, pairing = begin(rig, { code = 0.15 })
    local me, err = pairing:join(30)
    assert.is_nil(me)
    assert.equal("expired", err.code)
    assert.matches("none of 5 linking codes was typed", err.message)
    assert.same({ 5, 5 }, { #asked, #codes })
  end))

  it("is renewed when the server withdraws it, and no other", support.async(function()
    local rig <close> = start()
    local seen = tap.on(rig)
    local _, codes, pairing = begin(rig)
    local first = shown(codes)
    tap.inject(only(rig), notification(stanza.node("link_code_companion_reg", { stage = "refresh_code" },
      stanza.node("link_code_pairing_ref", nil, "another"))))
    assert.equal("1700000000-99", seen:from_client "ack".attrs.id)
    assert.equal(200, (tap.admin(rig, "POST", "/admin/refresh-code", { phone = PHONE })))
    local second = shown(codes)
    assert.are_not.equal(first, second)
    assert.equal(0, #codes)
    assert.equal(200, (type_code(rig, second)))
    assert(pairing:join(30))
  end))

  it("is not renewed unasked when the server wants it asked for by hand", support.async(function()
    local rig <close> = start()
    local _, codes, pairing = begin(rig)
    shown(codes)
    assert.equal(200, (tap.admin(rig, "POST", "/admin/refresh-code", { phone = PHONE, force_manual_refresh = true })))
    local me, err = pairing:join(30)
    assert.is_nil(me)
    assert.equal("expired", err.code)
    assert.matches("link again", err.message)
    assert.equal(0, #codes)
  end))

  it("is asked for anew on a new connection after a lost one", support.async(function()
    local rig <close> = start()
    local _, codes, pairing = begin(rig, { pause = 0.01 })
    shown(codes)
    only(rig):drop()
    assert.equal(200, (type_code(rig, shown(codes))))
    assert(pairing:join(30))
  end))

  it("is worth nothing any more when the phone's word does not come in time", support.async(function()
    local rig <close> = start()
    local swallowed = 0
    tap.on(rig, function(direction, node)
      if direction ~= "to-client" or not tap.child(node, "pair-success") or swallowed > 0 then return end
      swallowed = swallowed + 1
      return false
    end)
    local client, codes = begin(rig, { word = 0.1 })
    assert.equal(200, (type_code(rig, shown(codes))))
    local secret = client.account:adv_secret_text()
    shown(codes)
    assert.are_not.equal(secret, client.account:adv_secret_text())
  end))

  it("is refused with a sentence for each of the service's reasons", support.async(function()
    local rig <close> = start()
    local reason
    tap.on(rig, function(direction, node)
      local reg = direction == "to-client" and node.tag == "iq" and reg_of(node)
      if not reg then return end
      node.attrs.type, node.content = "error", { stanza.node("error", { code = reason[1], text = reason[2] }) }
    end)
    for _, one in ipairs {
      { 400, "bad-request", "is it the number of a WhatsApp account" }, { 403, "forbidden", "may not be linked so" },
      { 429, "rate-overlimit", "too many codes" }, { 452, "feature-not-available", "link it by QR" },
      { 500, "internal-server-error", "try again later" },
    } do
      reason = one
      local _, codes, pairing = begin(rig)
      local me, err = pairing:join(30)
      assert.is_nil(me)
      assert.same({ "refused", one[1] }, { err.code, err.status })
      assert.matches(("%%+%s %%(%d%%): .*%s"):format(PHONE, one[1], one[3]), err.message)
      assert.equal(0, #codes)
    end
  end))

  it("needs a number that is one, and its function", support.async(function()
    local rig <close> = start()
    local client = tap.client(rig)
    local me, err = client:pair { phone = "0171 1234567", code = print }
    assert.is_nil(me)
    assert.equal("phone", err.code)
    for _, options in ipairs { {}, { phone = TYPED }, { phone = 15551234567, code = print }, { qr = print, phone = TYPED } } do
      local ok, why = pcall(client.pair, client, options)
      assert.is_false(ok)
      assert.matches("client:pair expects { qr = function } or { phone = number, code = function }", why)
    end
  end))

  it("that cannot be shown ends the pairing with the reason", support.async(function()
    local rig <close> = start()
    local me, err = tap.client(rig):pair { phone = TYPED, code = function() error("the printer is on fire", 0) end }
    assert.is_nil(me)
    assert.matches("the printer is on fire", tostring(err))
  end))

  it("is given up when the client is closed", support.async(function()
    local rig <close> = start()
    local client, codes, pairing = begin(rig)
    shown(codes)
    client:close()
    local me, err = pairing:join(30)
    assert.is_nil(me)
    assert.equal("closed", err.code)
    while next(rig.sandbox.codes) do task.sleep(0) end
  end))
end)

describe("a phone's answer to a linking code", function()
  -- How often a client ends the exchange by its keys.
  local function finishes(rig) return rig:record("to-server", function(node) return stage_of(node) == "companion_finish" end) end

  it("is looked at once when it comes twice", support.async(function()
    local rig <close> = start()
    local ended = finishes(rig)
    local seen = tap.on(rig, function(direction, node, conn)
      if direction == "to-client" and stage_of(node) == "primary_hello" and node.attrs.id ~= "again" then
        local again = { tag = node.tag, attrs = setmetatable({ id = "again" }, { __index = node.attrs }), content = node.content }
        for name, value in pairs(node.attrs) do again.attrs[name] = again.attrs[name] or value end
        conn.sandbox:durable(function() tap.inject(conn, again) end)
      end
    end)
    local _, codes, pairing = begin(rig)
    assert.equal(200, (type_code(rig, shown(codes))))
    assert(pairing:join(30))
    for _ = 1, 2 do seen:from_client "ack" end
    assert.equal(1, #ended)
  end))

  it("of another ref, without keys or with too short ones is acknowledged and leads nowhere", support.async(function()
    local rig <close> = start()
    local ended, seen = finishes(rig), tap.on(rig)
    local client, codes, pairing = begin(rig)
    local code = shown(codes)
    local ref, secret = rig.sandbox.codes[PHONE].ref, client.account:adv_secret_text()
    local wrapped, identity = crypto.random(80), crypto.keypair():public()
    local foreign = primary_hello(ref, wrapped, identity)
    foreign.attrs.from = "15550009999@s.whatsapp.net"
    for _, node in ipairs {
      primary_hello(ref .. "x", wrapped, identity), primary_hello(ref, wrapped:sub(2), identity), primary_hello(ref, wrapped, "short"),
      primary_hello(ref, { stanza.node "x" }, identity), notification(nil), notification(stanza.node "link_code_companion_reg"),
      notification(stanza.node("link_code_companion_reg", { stage = "secondary_hello" })), foreign,
      notification(stanza.node("link_code_companion_reg", { stage = "primary_hello" })),
      notification(stanza.node("link_code_companion_reg", { stage = "refresh_code" })),
    } do
      tap.inject(only(rig), node)
      assert.equal(node.attrs.from, seen:from_client "ack".attrs.to)
    end
    assert.equal(secret, client.account:adv_secret_text())
    assert.same({ 0, 0 }, { #ended, #codes })
    assert.equal(200, (type_code(rig, code)))
    assert(pairing:join(30))
  end))

  it("with an identity no phone can have leads nowhere", support.async(function()
    local rig <close> = start()
    local ended, seen = finishes(rig), tap.on(rig)
    local client, codes, pairing = begin(rig)
    local code = shown(codes)
    local secret = client.account:adv_secret_text()
    tap.inject(only(rig), primary_hello(rig.sandbox.codes[PHONE].ref, crypto.random(80), ("\0"):rep(32)))
    seen:from_client "ack"
    assert.equal(200, (type_code(rig, code)))
    assert(pairing:join(30))
    assert.equal(1, #ended)
    assert.are_not.equal(secret, client.account:adv_secret_text())
  end))

  it("is looked at three times for one code, which then expires", support.async(function()
    local rig <close> = start()
    local answers = 0
    local seen = tap.on(rig, function(direction, node)
      if direction == "to-server" and stage_of(node) == "companion_finish" then
        answers = answers + 1
        return false -- never answered
      end
    end)
    local _, codes = begin(rig, { answer = 0.05, word = 0.5 })
    shown(codes)
    local ref = rig.sandbox.codes[PHONE].ref
    for _ = 1, 4 do tap.inject(only(rig), primary_hello(ref, crypto.random(80), crypto.keypair():public())) end
    for _ = 1, 4 do seen:from_client "ack" end
    shown(codes)
    assert.equal(3, answers)
  end))

  for _, one in ipairs {
    { "phone's hidden key", "to-client", "primary_hello", "link_code_pairing_wrapped_primary_ephemeral_pub", 80 },
    { "phone's identity", "to-client", "primary_hello", "primary_identity_pub", 1 },
    { "device's sealed keys", "to-server", "companion_finish", "link_code_pairing_wrapped_key_bundle", 100 },
    { "device's hidden key", "to-server", "companion_hello", "link_code_pairing_wrapped_companion_ephemeral_pub", 60 },
  } do
    local what, way, stage, tag, at = table.unpack(one)
    it(("links nobody when somebody on the way changed the %s; the next code does"):format(what), support.async(function()
      local rig <close> = start()
      local changed = false
      tap.on(rig, function(direction, node)
        if changed or direction ~= way or stage_of(node) ~= stage then return end
        local child = tap.child(reg_of(node), tag)
        if not child then return end
        child.content, changed = flip(child.content, at), true
      end)
      local client, codes, pairing = begin(rig)
      local status, told = type_code(rig, shown(codes))
      assert.equal(403, status)
      assert.matches("do not open", told.error)
      assert.is_false(client:linked())
      assert.equal(200, (type_code(rig, shown(codes))))
      assert(pairing:join(30))
      assert.equal(1, #rig.sandbox.accounts:companions(rig.sandbox.accounts.by_pn[PHONE]))
    end))
  end

  it("keeps its secret when the server retires those of QRs meanwhile", support.async(function()
    local rig <close> = start()
    tap.on(rig, function(direction, node, conn)
      if direction == "to-server" and stage_of(node) == "companion_finish" then
        tap.inject(conn, stanza.node("notification", { from = "s.whatsapp.net", type = "companion_reg_refresh", id = "1-9" },
          stanza.node "companion_reg_refresh"))
      end
    end)
    local _, codes, pairing = begin(rig)
    assert.equal(200, (type_code(rig, shown(codes))))
    assert(pairing:join(30))
  end))
end)

describe("a QR whose secret the server retires", function()
  for _, child in ipairs { "companion_reg_refresh", "pair-device-rotate-qr" } do
    it(("is shown anew at once, with the same ref and the time that is left (%s)"):format(child), support.async(function()
      local rig <close> = start()
      local client, qrs, seen = tap.client(rig), task.queue(), tap.on(rig)
      local pairing = task.spawn(client.pair, client, { qr = function(text, seconds) qrs:push { text = text, seconds = seconds } end })
      local first = qrs:pop(30)
      local status, told = tap.admin(rig, "POST", "/admin/rotate-qr", { push_name = "Ana", child = child })
      assert.same({ 200, 1 }, { status, told.clients })
      local second = qrs:pop(30)
      local ack = seen:from_client "ack"
      assert.same({ "notification", "s.whatsapp.net" }, { ack.attrs.class, ack.attrs.to })
      assert.equal(first.text:match "#([^,]+)", second.text:match "#([^,]+)")
      assert.are_not.equal(first.text, second.text)
      assert.is_true(second.seconds < first.seconds)
      rig:scan(second.text)
      assert(pairing:join(30))
    end))
  end

  it("links nobody who scanned the one before", support.async(function()
    local rig <close> = start()
    local client, qrs = tap.client(rig), task.queue()
    local pairing = task.spawn(client.pair, client, { qr = function(text) qrs:push(text) end })
    local first = qrs:pop(30)
    assert.equal(200, (tap.admin(rig, "POST", "/admin/rotate-qr", { push_name = "Ana" })))
    qrs:pop(30)
    rig:scan(first)
    local me, err = pairing:join(30)
    assert.is_nil(me)
    assert.matches("HMAC mismatch", err.message)
  end))

  it("stays when the notification says nothing of it", support.async(function()
    local rig <close> = start()
    local client, qrs, seen = tap.client(rig), task.queue(), tap.on(rig)
    local pairing = task.spawn(client.pair, client, { qr = function(text) qrs:push(text) end })
    local text = qrs:pop(30)
    tap.inject(only(rig), stanza.node("notification", { from = "s.whatsapp.net", type = "companion_reg_refresh", id = "1-9" }))
    seen:from_client "ack"
    assert.equal(0, #qrs)
    rig:scan(text)
    assert(pairing:join(30))
  end))
end)

describe("a pairing", function()
  it("ends with one clear error when the service wants a passkey", support.async(function()
    local rig <close> = start()
    local client, shown_once, seen = tap.client(rig), task.queue(), tap.on(rig)
    local pairing = task.spawn(client.pair, client, { qr = function(text) shown_once:push(text) end })
    shown_once:pop(30)
    tap.inject(only(rig), stanza.node("notification", { from = "s.whatsapp.net", type = "passkey_prologue_request", id = "1-9" }))
    local me, err = pairing:join(30)
    assert.is_nil(me)
    assert.equal("passkey", err.code)
    assert.matches("passkey, which moonpost has not", err.message)
    assert.equal("1-9", seen:from_client "ack".attrs.id)
  end))

  it("tells of a phone that cannot link devices, and goes on", support.async(function()
    local rig <close> = start()
    local client, qrs = tap.client(rig), task.queue()
    local errors = tap.event(client, "error")
    local pairing = task.spawn(client.pair, client, { qr = function(text) qrs:push(text) end })
    local text = qrs:pop(30)
    tap.inject(only(rig), stanza.node("ib", { from = "s.whatsapp.net" }, stanza.node "downgrade_webclient"))
    assert.matches("update WhatsApp", tostring(errors:pop(30)))
    rig:scan(text)
    assert(pairing:join(30))
  end))
end)

describe("the sandbox's phone", function()
  it("says when nobody waits for a code, when one has expired, and what is no code or number", support.async(function()
    local rig <close> = start()
    local pending = task.spawn(type_code, rig, "ABCD-EFGH")
    local code = "ABCDEFGH"
    for _, one in ipairs { { phone = PHONE, code = "ABC" }, { phone = "me", code = code }, {}, { phone = ("1"):rep(16), code = code } } do
      assert.equal(400, (tap.admin(rig, "POST", "/admin/mock-phone/confirm-code", one)))
    end
    local status, told = pending:join(30)
    assert.equal(404, status)
    assert.matches("no client waits for a code of %+" .. PHONE, told.error)
    local _, codes = begin(rig)
    code = shown(codes)
    rig.sandbox.codes[PHONE].expires = net.now() - 1
    assert.equal(410, (type_code(rig, code)))
  end))

  it("takes one code at a time, and the last one asked for", support.async(function()
    local rig <close> = start()
    local _, first = begin(rig)
    shown(first)
    local _, second, pairing = begin(rig, nil, { name = "Bob" })
    local new = shown(second)
    local typing = task.spawn(type_code, rig, new)
    assert.equal(409, (type_code(rig, new)))
    assert.equal(200, (typing:join(30)))
    assert(pairing:join(30))
    assert.is_nil(rig.sandbox.codes[PHONE])
  end))

  it("belongs to the account of its number whatever the client is called, in the next world run too", support.async(function()
    local folder = support.tmpdir() .. "/world"
    local lid
    do
      local rig <close> = start { world = folder }
      local echo = rig:contact "Ana"
      local client, codes, pairing = begin(rig)
      assert.equal(200, (type_code(rig, shown(codes))))
      lid = assert(pairing:join(30)).lid
      assert.are_not.equal(echo.lid, lid)
      assert.equal("Ana", client:identity().name)
    end
    local rig <close> = start { world = folder }
    local _, codes, pairing = begin(rig, nil, { name = "Somebody" })
    assert.equal(200, (type_code(rig, shown(codes))))
    assert.equal(lid, assert(pairing:join(30)).lid)
  end))

  -- A client that asks for codes by hand: fn(change) sends a request, changed by it, and returns the error's code or "result".
  local function asker(rig)
    local account = core.signal.account(assert(core.store.open {}), "")
    account:create()
    local payload = require "moonpost.client.payload"
    local registration = payload.registration(account, payload.VERSION, "Raw", { name = "raw", platform = "chrome" })
    local link, heard = tap.raw(rig, assert(core.proto.decode("ClientPayload", registration)), account:noise())
    heard:pop(30)
    local count = 0
    return function(change)
      count = count + 1
      local parts = {
        jid = PHONE .. "@s.whatsapp.net", wrapped = crypto.random(80), noise = account:public().noise, display = "Chrome (Linux)",
      }
      for name, value in pairs(change or {}) do parts[name] = value end
      assert(link:send(stanza.node("iq", { id = "1." .. count, to = "s.whatsapp.net", type = "set", xmlns = "md" },
        stanza.node("link_code_companion_reg", { jid = parts.jid, stage = parts.stage or "companion_hello" }, {
          stanza.node("link_code_pairing_wrapped_companion_ephemeral_pub", nil, parts.wrapped),
          stanza.node("companion_server_auth_key_pub", nil, parts.noise), stanza.node("companion_platform_id", nil, "1"),
          stanza.node("companion_platform_display", nil, parts.display),
        }))))
      local answer = heard:pop(30)
      return answer.attrs.type == "error" and tap.child(answer, "error").attrs.code or answer.attrs.type
    end
  end

  it("is asked for no more than ten codes in three minutes", support.async(function()
    local rig <close> = start()
    local ask = asker(rig)
    for _ = 1, 10 do assert.equal("result", ask()) end
    assert.equal("429", ask())
    assert.equal("result", ask { jid = "15551234568@s.whatsapp.net" })
    rig.sandbox.codes_asked[PHONE].since = net.now() - 181
    assert.equal("result", ask())
  end))

  it("is not asked for a code by a request that is malformed", support.async(function()
    local rig <close> = start { strict = false }
    local ask = asker(rig)
    for _, change in ipairs {
      { jid = "15551234567@lid" }, { jid = "01551234567@s.whatsapp.net" }, { jid = "155@s.whatsapp.net" }, { wrapped = "short" },
      { noise = crypto.random(32) }, { display = "Chrome" }, { display = ("C"):rep(99) .. " (Linux)" }, { stage = "companion_finish" },
      { stage = "nonsense" },
    } do
      assert.equal("400", ask(change))
    end
    rig.sandbox.violations = {}
    assert.is_nil(next(rig.sandbox.codes))
    assert.equal("result", ask())
  end))
end)

describe("a bot with a phone number", function()
  -- A script for `moonpost run` with these lines before its bot:run().
  local function script(rig, options)
    local path = support.tmpdir() .. "/bot.lua"
    local file = assert(io.open(path, "wb"))
    file:write(([[
      local root = require("moonpost.core").crypto.unhex "%s"
      local bot = require("moonpost").bot { store = "%s", url = "%s", root = root, name = "Echo", %s }
      bot:run()
    ]]):format(crypto.hex(rig.sandbox.root), path .. ".state", rig.sandbox.url, options))
    file:close()
    return path
  end

  it("is linked by `moonpost run --phone` in a sandbox, whose phone types the code, and resumes from its store", support.async(function()
    local rig <close> = start()
    local store = support.tmpdir() .. "/state"
    local command = ('moonpost run scripts/bots/echo.lua --sandbox %s --store %s --phone "%s"'):format(rig.sandbox.url, store, TYPED)
    do
      local bot <close> = process.start(command)
      bot:wait(("^the sandbox's phone %%+%s types the code %%w%%w%%w%%w%%-%%w%%w%%w%%w$"):format(PHONE))
      bot:wait(("^online as Echo, %%+%s "):format(PHONE))
      bot:signal "INT"
      assert.equal(0, bot:wait_end())
    end
    do
      local bot <close> = process.start(command)
      bot:wait(("^moonpost: linked already as %%+%s: no code is needed$"):format(PHONE))
      bot:wait(("^online as Echo, %%+%s "):format(PHONE))
      assert.equal(2, #bot.output)
    end
    local bot <close> = process.start((command:gsub("4567", "4568")))
    assert.equal(1, bot:wait_end())
    assert.matches(("^moonpost run: the account is linked as %%+%s, not as %%+15551234568: another number takes another"):format(PHONE),
      bot:text())
  end))

  it("prints its code and where to type it, and goes online when that was done", support.async(function()
    local rig <close> = start()
    local bot <close> = process.start("moonpost run " .. script(rig, ('phone = "%s"'):format(TYPED)))
    local code = bot:wait "^Type (%w%w%w%w%-%w%w%w%w) into WhatsApp on the phone of %+15551234567 within 1[78]%d s: Linked devices, "
    assert.equal(200, (type_code(rig, code)))
    bot:wait(("^online as Echo, %%+%s "):format(PHONE))
  end))

  it("shows the code itself where it says how, and is linked by QR where the command line says so", support.async(function()
    local rig <close> = start()
    local path = script(rig, ('phone = "%s", code = function(code) print("CODE " .. code) io.stdout:flush() end'):format(TYPED))
    do
      local bot <close> = process.start("moonpost run " .. path)
      bot:wait "^CODE %w%w%w%w%-%w%w%w%w$"
    end
    local bot <close> = process.start("moonpost run " .. path .. " --qr text")
    bot:wait "^https://wa.me/settings/linked_devices#2@"
  end))

  it("ends with code 1 and one line when the service makes no code", support.async(function()
    local rig <close> = start()
    tap.on(rig, function(direction, node)
      local reg = direction == "to-client" and node.tag == "iq" and reg_of(node)
      if reg then node.attrs.type, node.content = "error", { stanza.node("error", { code = 429, text = "rate-overlimit" }) } end
    end)
    local bot <close> = process.start("moonpost run " .. script(rig, ('phone = "%s"'):format(TYPED)))
    assert.equal(1, bot:wait_end())
    assert.same({ ("moonpost run: the service makes no linking code for +%s (429): too many codes were asked for: wait some hours, "
      .. "or link by QR"):format(PHONE) }, bot.output)
  end))

  it("is an error at its line when the number is none, or a code has no number", function()
    local moonpost = require "moonpost"
    for _, one in ipairs {
      { { phone = "0171 1234567" }, "option 'phone': '0171 1234567' is no phone number: it begins with a single 0" },
      { { code = print }, "option 'code' needs the option 'phone'" }, { { phone = 15551234567 }, "option 'phone' must be a string" },
    } do
      one[1].store = "never-made"
      local ok, err = pcall(function() moonpost.bot(one[1]) end)
      assert.is_false(ok)
      assert.is_truthy(err:find "phone_code_spec.lua:%d+: moonpost.bot: ", err)
      assert.is_truthy(err:find(one[2], 1, true), err)
    end
  end)
end)

describe("a device's name and platform", function()
  it("are checked, at the caller's line", function()
    local moonpost = require "moonpost"
    for _, one in ipairs {
      { { device_name = "" }, "option 'device_name' must have 1 to 50 characters" },
      { { device_name = ("x"):rep(51) }, "option 'device_name' must have 1 to 50 characters, got 51" },
      { { device_name = "a\nb" }, "option 'device_name' must be one line" },
      { { platform = "netscape" }, "option 'platform' must be one of chrome, desktop, edge, firefox, ie, opera, safari, got 'netscape'" },
    } do
      for who, make in pairs { client = moonpost.client, bot = moonpost.bot } do
        local options = { store = "never-made" }
        for name, value in pairs(one[1]) do options[name] = value end
        local ok, err = pcall(function() make(options) end)
        assert.is_false(ok)
        assert.is_truthy(err:find(("phone_code_spec.lua:%%d+: moonpost.%s: "):format(who)), err)
        assert.is_truthy(err:find(one[2], 1, true), err)
      end
    end
  end)

  it("are in the QR and reach the sandbox; without any it is moonpost in Chrome", support.async(function()
    local rig <close> = start()
    local text
    local client = tap.client(rig, { platform = "desktop", device_name = "Garden bot" })
    assert(client:pair { qr = function(one)
      text = one
      task.spawn(rig.scan, rig, one)
    end })
    assert.matches(",7$", text)
    rig:contact "Bob"
    local _, state = tap.admin(rig, "GET", "/admin/state")
    local names = {}
    for i, account in ipairs(state.accounts) do names[i] = { account.devices[1].os, account.devices[1].platform } end
    assert.same({ { "Garden bot", "DESKTOP" }, { "moonpost", "CHROME" } }, names)
  end))

  it("are told with a system the service knows", function()
    for name, system in pairs {
      ["Windows 11"] = "Windows", ["my mac"] = "Mac OS", ["Android box"] = "Android", ["old iPhone"] = "iOS", ["iPad"] = "iOS",
      ["iOS"] = "iOS", ["moonpost"] = "Linux", ["Bios"] = "Linux",
    } do
      assert.equal(("Opera (%s)"):format(system), platform.display("opera", name))
    end
  end)
end)
