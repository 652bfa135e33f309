-- Calls: heard, refused, missed (fact sheet 04 §13.3, 07 §7; 08 S-846).
local stanza = require "moonpost.stanza"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"
local task = require "moonpost.task"

local json = require "cjson.safe"

local function ping(contact)
  assert(contact.client:query(stanza.node("iq", { xmlns = "w:p", type = "get", to = "s.whatsapp.net" })))
end

-- An admin call about a phone's call; its answer.
local function phone(rig, path, value)
  local url = ("http://127.0.0.1:%d/admin/mock-phone/%s"):format(rig.sandbox.port, path)
  local response = assert(support.http("POST", url, json.encode(value)))
  assert(response.status == 200, response.body)
  return json.decode(response.body)
end

local function state_of(rig, id)
  return select(2, tap.admin(rig, "GET", "/admin/mock-phone/call?id=" .. id)).state
end

-- Ben, whose phone calls, Ana, and what her client hears of calls.
local function two(rig)
  local ana, ben = rig:contact "Ana", rig:contact "Ben"
  return ana, ben, tap.event(ana.client, "call")
end

describe("a call", function()
  it("rings: who calls, whether with video, and the caller sees that it does", support.async(function()
    local rig <close> = start()
    local ana, ben, heard = two(rig)
    local seen = tap.on(rig)
    local id = phone(rig, "call", { from = ben.jid, to = ana.jid, video = true }).id
    local call = assert(heard:pop(30))
    assert.same({ id, ben.lid, ben.jid:match "^%d+", "Ben", true, false, "ringing" },
      { call.id, call.sender, call.phone, call.name, call.video, call.group, call.state })
    assert.is_true(math.abs(call.time - os.time()) < 60)
    local offer = seen:from_client("receipt", "offer")
    assert.same({ ben.lid, { ["call-id"] = id, ["call-creator"] = ben.lid } }, { offer.attrs.to, stanza.child(offer, "offer").attrs })
    local ack = seen:next(function(direction, node) return direction == "to-server" and node.attrs.class == "call" end)
    assert.same({ ben.lid, "offer" }, { ack.attrs.to, ack.attrs.type })
    ping(ana)
    assert.equal(0, tap.device(rig, ana.client).queue.count)
    local plain = phone(rig, "call", { from = ben.jid, to = ana.jid }).id
    call = assert(heard:pop(30))
    assert.same({ plain, false }, { call.id, call.video })
  end))

  it("is refused, and then rings at no other device of the account", support.async(function()
    local rig <close> = start()
    local ana, ben, heard = two(rig)
    local ana2 = rig:contact "Ana"
    local other = tap.event(ana2.client, "call")
    local id = phone(rig, "call", { from = ben.jid, to = ana.jid }).id
    local call = assert(heard:pop(30))
    assert.equal("ringing", assert(other:pop(30)).state)
    assert.is_true(ana.client:reject(call))
    local over = assert(other:pop(30))
    assert.same({ id, "rejected" }, { over.id, over.state })
    assert.equal("rejected", state_of(rig, id))
    local ok, err = ana.client:reject(call)
    assert.same({ nil, "not-ringing" }, { ok, err.code })
    ping(ana)
    assert.equal(0, #heard)
  end))

  it("that nobody takes is missed, one that another device takes is not", support.async(function()
    local rig <close> = start()
    local ana, ben, heard = two(rig)
    for how, state in pairs { hangup = "missed", timeout = "missed", accepted = "accepted", rejected = "rejected" } do
      local id = phone(rig, "call", { from = ben.jid, to = ana.jid }).id
      assert.equal("ringing", assert(heard:pop(30)).state)
      phone(rig, "end-call", { id = id, how = how })
      local over = assert(heard:pop(30))
      assert.same({ id, state }, { over.id, over.state }, how)
    end
    assert.equal(404, (tap.admin(rig, "POST", "/admin/mock-phone/end-call", { id = "00" })))
  end))

  it("that came while nobody was there is missed, and told once; one that is too old is not told at all", support.async(function()
    local rig <close> = start()
    local ana, ben = two(rig)
    local handle, device = ana.client.store, tap.device(rig, ana.client)
    ana.client:close()
    local old = phone(rig, "call", { from = ben.jid, to = ana.jid }).id
    for node in device.queue:each() do node.attrs.t = node.attrs.t - 46 end
    local id = phone(rig, "call", { from = ben.jid, to = ana.jid }).id
    phone(rig, "end-call", { id = id })
    local client = tap.client(rig, { store_handle = handle })
    local heard, acks = tap.event(client, "call"), task.queue()
    rig:tap(function(direction, node)
      if direction == "to-server" and node.attrs.class == "call" then acks:push(node.attrs.type) end
    end)
    assert(client:connect())
    local call = assert(heard:pop(30))
    assert.same({ id, "missed" }, { call.id, call.state })
    assert.same({ "offer", "terminate" }, { acks:pop(30), acks:pop(30) })
    assert.equal(0, #heard)
    assert.not_equal(old, id)
  end))

  it("of a group names it, and a notice of one rings as well", support.async(function()
    local rig <close> = start()
    local ana, ben, heard = two(rig)
    for _, notice in ipairs { false, true } do
      phone(rig, "call", { from = ben.jid, to = ana.jid, group = "120363000000000001@g.us", video = true, notice = notice })
      local call = assert(heard:pop(30))
      assert.same({ "120363000000000001@g.us", true, "ringing", ben.lid }, { call.group, call.video, call.state, call.sender })
    end
  end))

  it("between clients is handed on both ways, and so is that it rings", support.async(function()
    local rig <close> = start()
    local ana, ben, heard = two(rig)
    local back, seen = tap.event(ben.client, "call"), tap.on(rig)
    local creator = tap.device_jid(ben, "lid")
    ben.client.connection:send(stanza.node("call", { id = "1", to = ana.lid }, stanza.node("offer", {
      ["call-id"] = "C1", ["call-creator"] = creator,
    })))
    local call = assert(heard:pop(30))
    assert.same({ "C1", ben.lid, creator }, { call.id, call.sender, call.address })
    local ringing = seen:to_client("receipt", "offer")
    assert.equal(tap.device_jid(ana, "lid"), ringing.attrs.from)
    assert(ana.client:reject(call))
    local reject = seen:to_client("call", "reject")
    assert.same({ "C1", "0" }, { stanza.child(reject, "reject").attrs["call-id"], tostring(stanza.child(reject, "reject").attrs.count) })
    ping(ben)
    assert.equal(0, #back)
  end))
end)

describe("a call's signal", function()
  it("nobody understands is acknowledged and passed over", support.async(function()
    local rig <close> = start()
    local ana, ben, heard = two(rig)
    local acks = rig:record("to-server", function(node) return node.tag == "ack" and node.attrs.class == "call" end)
    local function signal(id, ...)
      tap.hand(rig, ana, stanza.node("call", { from = ben.lid, id = id, t = "1769296600" }, { ... }))
    end
    signal("1", stanza.node("transport", { ["call-id"] = "X", ["call-creator"] = ben.lid }))
    signal("2", stanza.node("terminate", { ["call-id"] = "never heard of", ["call-creator"] = ben.lid }))
    signal("3", stanza.node("offer", { ["call-creator"] = ben.lid }))
    signal("4", stanza.node("offer", { ["call-id"] = ("x"):rep(200), ["call-creator"] = ben.lid }))
    signal "5"
    ping(ana)
    local said = {}
    for i, ack in ipairs(acks) do said[i] = ack.attrs.id .. " " .. tostring(ack.attrs.type) end
    assert.same({ "1 transport", "2 terminate", "3 offer", "4 offer", "5 nil" }, said)
    assert.equal(0, #heard)
  end))

  it("of a caller that is no JID is refused, and the next call is heard", support.async(function()
    local rig <close> = start()
    local ana, ben, heard = two(rig)
    local errors = tap.event(ana.client, "error")
    local nacks = rig:record("to-server", function(node) return node.tag == "ack" and node.attrs.error ~= nil end)
    tap.hand(rig, ana, stanza.node("call", { from = ben.lid, id = "1", t = "1769296600" },
      stanza.node("offer", { ["call-id"] = "X", ["call-creator"] = "no one@@" })))
    assert.equal("malformed", errors:pop(30).code)
    local id = phone(rig, "call", { from = ben.jid, to = ana.jid }).id
    assert.equal(id, assert(heard:pop(30)).id)
    assert.same({ "487" }, { nacks[1] and tostring(nacks[1].attrs.error) })
  end))
end)

describe("a bot", function()
  it("refuses a call, writes to the caller, and hears of those it missed", support.async(function()
    local rig <close> = start()
    local bot, missed, again = rig:bot(), task.queue(), task.queue()
    bot:on("call", function(ctx)
      if ctx.video then return end
      ctx:reject()
      ctx:send(("no calls, %s"):format(ctx.name))
      again:push { pcall(ctx.reject, ctx) }
    end)
    bot:on("missed_call", function(call) missed:push(call) end)
    local me, ben = rig:run(bot), rig:contact "Ben"
    local id = phone(rig, "call", { from = ben.jid, to = me.jid }).id
    assert.equal("no calls, Ben", ben:next().text)
    assert.equal("rejected", state_of(rig, id))
    local ok, err = table.unpack(again:pop(30))
    assert.same({ false, "not-ringing" }, { ok, err.code })
    id = phone(rig, "call", { from = ben.jid, to = me.jid, video = true }).id
    phone(rig, "end-call", { id = id })
    local call = assert(missed:pop(30))
    assert.same({ id, ben.lid, true }, { call.id, call.from, call.video })
  end))

  it("that fails over a call tells so, and hears the next", support.async(function()
    local rig <close> = start()
    local bot, errors = rig:bot(), task.queue()
    bot:on("call", function() error "no hands" end)
    bot:on("error", function(err) errors:push(tostring(err)) end)
    local me, ben = rig:run(bot), rig:contact "Ben"
    for _ = 1, 2 do
      phone(rig, "call", { from = ben.jid, to = me.jid })
      assert.matches("no hands", errors:pop(30))
    end
  end))
end)

describe("an admin call of a call", function()
  it("names what is wrong with it", support.async(function()
    local rig <close> = start()
    local ana, ben = two(rig)
    for _, one in ipairs {
      { "POST", "call", { from = ben.jid }, 400, "to" }, { "POST", "call", { from = ben.jid, to = "1@lid" }, 404, "no account" },
      { "POST", "call", { from = ben.jid, to = ana.jid, group = "x" }, 400, "a group's JID" },
      { "POST", "end-call", { id = "X", how = "so" }, 400, "one of hangup" }, { "GET", "call?id=AB", nil, 404, "no such call" },
    } do
      local status, answer = tap.admin(rig, one[1], "/admin/mock-phone/" .. one[2], one[3])
      assert.equal(one[4], status)
      assert.matches(one[5], answer.error, 1, true)
    end
  end))
end)
