-- Privacy tokens: given to those one writes to, shown when writing to those who take no messages of strangers (fact sheets 03 §15, 08 §19).
local core = require "moonpost.core"
local stanza = require "moonpost.stanza"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"

local WEEK = 7 * 24 * 3600

local function is_issue(direction, node) return direction == "to-server" and node.tag == "iq" and tap.child(node, "tokens") ~= nil end

local function is_token(direction, node)
  return direction == "to-client" and node.tag == "notification" and node.attrs.type == "privacy_token"
end

local function row_of(contact, peer)
  local bytes = contact.client.store:get("token", peer.lid)
  return bytes and core.proto.decode("StoreToken", bytes) or {}
end

-- The next message stanza a contact writes.
local function written(passed) return passed:from_client("message", "participants") end

-- Waits until a contact has what another gave it.
local function has_token(passed, contact, from)
  passed:next(function(direction, node)
    return direction == "to-server" and node.tag == "ack" and node.attrs.type == "privacy_token"
  end)
  return assert(row_of(contact, from).token, "there is no token")
end

-- Ana, who wants no strangers, and Ben; without the salt of first contacts where `bare` says so.
local function strangers(rig, bare)
  local ana, ben = rig:contact "restricted:Ana", rig:contact(bare and "scenario:nct_history_delivery=0:Ben" or "Ben")
  return ana, ben, tap.on(rig)
end

describe("a first message to somebody", function()
  it("gives them a token, which they show from then on", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local passed = tap.on(rig)
    assert(ana.client:send(ben.jid, "hello"))
    local issue = passed:next(is_issue)
    local one = stanza.path(issue, "tokens", "token")
    assert.same({ "set", "privacy", ben.lid, "trusted_contact" }, {
      issue.attrs.type, issue.attrs.xmlns, one.attrs.jid, one.attrs.type,
    })
    local token = has_token(passed, ben, ana)
    assert(ben.client:send(ana.jid, "hello yourself"))
    assert.equal(token, tap.child(written(passed), "tctoken").content)
  end))

  it("gives one in each bucket of seven days, not with every message", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local issued = rig:record("to-server", function(node) return is_issue("to-server", node) end)
    local passed = tap.on(rig)
    assert(ana.client:send(ben.jid, "one"))
    has_token(passed, ben, ana)
    assert(ana.client:send(ben.jid, "two"))
    assert(ana.client:send(ben.jid, "three"))
    assert.equal(1, #issued)
    local row = row_of(ana, ben)
    row.issued = row.issued - WEEK
    ana.client.store:put("token", ben.lid, assert(core.proto.encode("StoreToken", row)))
    assert(ana.client:send(ben.jid, "four"))
    passed:next(is_token)
    assert.equal(2, #issued)
  end))

  it("carries the token the own salt makes, where the other has given none", support.async(function()
    local rig <close> = start()
    local ana, ben, passed = strangers(rig)
    local salt = assert(select(2, tap.device(rig, ben.client)).nct_salt)
    assert(ben.client:send(ana.jid, "hello"))
    assert.equal(core.crypto.hmac_sha256(salt, ana.lid), tap.child(written(passed), "cstoken").content)
    assert.equal("hello", ana:next().text)
  end))

  it("to oneself carries none and gives none", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local desk = rig:contact("Ana", { own = true })
    local issued, passed = rig:record("to-server", function(node) return is_issue("to-server", node) end), tap.on(rig)
    assert(ana.client:send(ana.jid, "milk"))
    local node = written(passed)
    assert.is_nil(tap.child(node, "tctoken") or tap.child(node, "cstoken"))
    desk:next()
    assert.equal(0, #issued)
  end))
end)

describe("somebody who takes no messages of strangers", function()
  it("is not reached without a token, which is told with what it may mean", support.async(function()
    local rig <close> = start()
    local ana, ben = strangers(rig, true)
    local sent, err = ben.client:send(ana.jid, "hello")
    assert.is_nil(sent)
    assert.same({ "refused", 463, true }, { err.code, err.status, err.advice ~= nil })
    assert.equal(0, #ana.heard)
  end))

  it("gets a token of the one who was refused, once, and the message no second time", support.async(function()
    local rig <close> = start()
    local ana, ben, passed = strangers(rig, true)
    local issued = rig:record("to-server", function(node) return is_issue("to-server", node) end)
    local messages = rig:record("to-server", function(node) return node.tag == "message" and node.attrs.category == nil end)
    assert.is_nil((ben.client:send(ana.jid, "hello")))
    has_token(passed, ana, ben)
    assert.is_nil((ben.client:send(ana.jid, "hello again")))
    assert.same({ 1, 2, 0 }, { #issued, #messages, #ana.heard })
  end))

  it("is reached by those it has written to", support.async(function()
    local rig <close> = start()
    local ana, ben = strangers(rig, true)
    assert(ana.client:send(ben.jid, "you may"))
    ben:next()
    assert(ben.client:send(ana.jid, "thanks"))
    assert.equal("thanks", ana:next().text)
  end))

  it("is reached with a token of theirs, and by no other account's", support.async(function()
    local rig <close> = start()
    local ana, ben, passed = strangers(rig, true)
    local cem = rig:contact "scenario:nct_history_delivery=0:Cem"
    local issuing = {
      stanza.node("tokens", nil, stanza.node("token", { jid = ben.lid, t = rig.sandbox.time(), type = "trusted_contact" })),
    }
    assert(ana.client:query(stanza.node("iq", { xmlns = "privacy", type = "set", to = "s.whatsapp.net" }, issuing)))
    local token = has_token(passed, ben, ana)
    cem.client.store:put("token", ana.lid, assert(core.proto.encode("StoreToken", { token = token, time = rig.sandbox.time() })))
    local _, err = cem.client:send(ana.jid, "stolen")
    assert.equal(463, err.status)
    assert(ben.client:send(ana.jid, "hello"))
    assert.equal("hello", ana:next().text)
  end))

  it("is not reached with a token older than four buckets, which is shown no more", support.async(function()
    local rig <close> = start()
    local ana, ben, passed = strangers(rig, true)
    local old = { token = "old", time = rig.sandbox.time() - 4 * WEEK }
    ben.client.store:put("token", ana.lid, assert(core.proto.encode("StoreToken", old)))
    assert.is_nil((ben.client:send(ana.jid, "hello")))
    assert.is_nil(tap.child(written(passed), "tctoken"))
  end))

  it("tells its presence to those who show a token of theirs alone", support.async(function()
    local rig <close> = start()
    local ana, ben = strangers(rig, true)
    local presences = tap.event(ben.client, "presence")
    assert(ben.client:watch(ana.jid))
    assert(ben.client:query(stanza.node("iq", { xmlns = "w:p", type = "get", to = "s.whatsapp.net" })))
    assert.equal(0, #presences)
    assert(ana.client:send(ben.jid, "you may know"))
    assert.same({ ana.lid, true }, (function(one) return { one.jid, one.available } end)(presences:pop(30)))
  end))

  it("becomes so, and stops being so, by an admin call", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "scenario:nct_history_delivery=0:Ben"
    rig:admin("account-flags", { jid = ana.jid, restricted = true })
    assert.is_nil((ben.client:send(ana.jid, "hello")))
    rig:admin("account-flags", { jid = ana.jid, restricted = false })
    assert(ben.client:send(ana.jid, "hello"))
    assert.equal("hello", ana:next().text)
  end))
end)

describe("a token that comes", function()
  -- What a contact keeps of Ana's after these tokens: { type, time, bytes }.
  local function keeps(rig, ...)
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local passed = tap.on(rig)
    for i, one in ipairs { ... } do
      tap.hand(rig, ben, stanza.node("notification", {
        type = "privacy_token", from = ana.jid, sender_lid = ana.lid, id = "17-" .. i, t = rig.sandbox.time(),
      }, stanza.node("tokens", nil, stanza.node("token", { type = one[1], t = one[2] }, one[3]))))
      passed:next(function(direction, node) return direction == "to-server" and node.tag == "ack" and node.attrs.id == "17-" .. i end)
    end
    return row_of(ben, ana).token
  end

  it("replaces an older one, and no newer one", support.async(function()
    local rig <close> = start()
    assert.equal("new", keeps(rig, { "trusted_contact", 1769000000, "first" }, { "trusted_contact", 1769000001, "new" },
      { "trusted_contact", 1769000000, "older" }))
  end))

  it("of another type, without a time or without bytes is passed over", support.async(function()
    local rig <close> = start()
    assert.is_nil(keeps(rig, { "other", 1769000000, "x" }, { "trusted_contact", nil, "x" }, { "trusted_contact", 1769000000, "" }))
  end))

  it("under a number goes on under the LID once that is known", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local tokens, lids = ana.client.privacy_tokens, ana.client.lids
    tokens:notification(stanza.node("notification", { from = "15550009999@s.whatsapp.net" }, stanza.node("tokens", nil,
      stanza.node("token", { type = "trusted_contact", t = "1769000000" }, "theirs"))))
    lids:learn("15550009999@s.whatsapp.net", "19999999999999@lid")
    assert.equal("theirs", core.proto.decode("StoreToken", ana.client.store:get("token", "19999999999999@lid")).token)
    assert.is_nil(ana.client.store:get("token", "15550009999@s.whatsapp.net"))
  end))
end)

describe("tokens", function()
  it("are forgotten when nobody takes them any more", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local store, now = ana.client.store, core.net.time()
    local function keep(peer, row) store:put("token", peer, assert(core.proto.encode("StoreToken", row))) end
    keep("1@lid", { token = "old", time = math.floor(now) - 5 * WEEK })
    keep("2@lid", { token = "old", time = math.floor(now) - 5 * WEEK, issued = math.floor(now) })
    keep("3@lid", { token = "new", time = math.floor(now) })
    ana.client.sweep:run(now)
    assert.same({ false, true, true }, {
      store:get("token", "1@lid") ~= nil, store:get("token", "2@lid") ~= nil, store:get("token", "3@lid") ~= nil,
    })
  end))
end)

describe("new keys of a contact", function()
  it("have the token given again, of the same time", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local passed = tap.on(rig)
    assert(ana.client:send(ben.jid, "hello"))
    has_token(passed, ben, ana)
    local row = row_of(ana, ben)
    row.issued = row.issued - 100
    ana.client.store:put("token", ben.lid, assert(core.proto.encode("StoreToken", row)))
    rig:fault { what = "swap-identity", jid = ben.jid }
    assert.equal(tostring(row.issued), tostring(stanza.path(passed:next(is_issue), "tokens", "token").attrs.t))
  end))
end)
