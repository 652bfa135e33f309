-- The two names of an account: learnt, kept one to one, sessions moved (fact sheet 02 §9, 03 §3).
local core = require "moonpost.core"
local new_lids = require "moonpost.client.lid"
local stanza = require "moonpost.stanza"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"

local PN, LID = "15550001111@s.whatsapp.net", "10000000000001@lid"
local PN3, LID3 = "15550001111:3@s.whatsapp.net", "10000000000001:3@lid"

local function new_map(me)
  local store = assert(core.store.open {})
  local account = core.signal.account(store, "")
  account:create()
  return new_lids(store, account, function() return me end), account, store
end

-- An account that can be written to, as a bundle.
local function new_peer()
  local store = assert(core.store.open {})
  local account = core.signal.account(store, "")
  account:create()
  local public, key = account:public(), account:new_prekeys(1)[1]
  return account, {
    registration_id = public.registration_id, identity = public.identity, signed_prekey = public.signed_prekey, prekey = key,
  }
end

describe("a LID", function()
  it("is known from either name, with the device, once the pair is learnt in either order", function()
    for _, pair in ipairs { { PN, LID }, { LID, PN }, { PN3, LID }, { PN, LID3 } } do
      local lids = new_map()
      assert.is_nil(lids:lid_of(PN))
      assert.equal(PN, lids:stable(PN))
      lids:learn(table.unpack(pair))
      assert.equal(LID, lids:lid_of(PN))
      assert.equal(PN, lids:pn_of(LID))
      assert.equal(LID3, lids:lid_of(PN3))
      assert.equal(PN3, lids:pn_of(LID3))
      assert.same({ LID, LID3 }, { lids:stable(PN), lids:stable(LID3) })
      assert.same({ "15550001111", "15550001111" }, { lids:phone(LID), lids:phone(PN) })
    end
  end)

  it("is of a person: groups, channels, the server and half a pair are none", function()
    local lids, _, store = new_map()
    lids:learn(PN, "120363000000000000@g.us")
    lids:learn("status@broadcast", LID)
    lids:learn(PN, "s.whatsapp.net")
    lids:learn(LID, LID)
    lids:learn(PN, PN)
    lids:learn(PN, nil)
    lids:learn(nil, LID)
    lids:learn("", "")
    assert.equal(0, store:count("lid", ""))
    assert.is_nil(lids:phone(LID))
  end)

  it("belongs to one number and a number to one LID: the newest pair the server answers with counts", function()
    local lids, _, store = new_map()
    lids:learn(PN, LID)
    lids:learn_answer(PN, "20000000000002@lid")
    assert.equal("20000000000002@lid", lids:lid_of(PN))
    assert.is_nil(lids:pn_of(LID))
    lids:learn_answer("15559999999@s.whatsapp.net", "20000000000002@lid")
    assert.equal("15559999999@s.whatsapp.net", lids:pn_of "20000000000002@lid")
    assert.is_nil(lids:lid_of(PN))
    assert.equal(2, store:count("lid", ""))
  end)

  it("that is known is nobody else's for what only passes by, nor is the number", function()
    local lids, _, store = new_map()
    lids:learn(PN, LID)
    lids:learn(PN, "20000000000002@lid")
    lids:learn("15559999999@s.whatsapp.net", LID)
    assert.same({ LID, PN, 2 }, { lids:lid_of(PN), lids:pn_of(LID), store:count("lid", "") })
  end)

  it("of the own account is what linking or a login told, and nothing else", function()
    local me = { jid = PN, lid = LID }
    local lids, _, store = new_map(me)
    for _, pair in ipairs { { PN, LID }, { PN, "20000000000002@lid" }, { "15559999999@s.whatsapp.net", LID } } do
      lids:learn(table.unpack(pair))
      lids:learn_answer(table.unpack(pair))
    end
    assert.equal(0, store:count("lid", ""))
    lids:learn_own(me)
    assert.same({ LID, PN }, { lids:lid_of(PN), lids:pn_of(LID) })
  end)
end)

describe("a session under the number", function()
  it("moves to the LID with its identity when the pair is learnt, whatever the device", function()
    local lids, account = new_map()
    local peer, bundle = new_peer()
    assert(account:process_bundle(PN3, bundle))
    local first = account:encrypt({ PN3 }, "one")[1]
    lids:learn(PN, LID)
    assert.is_false(account:has_session(PN3))
    assert.is_true(account:has_session(LID3))
    assert.equal(bundle.identity, account:remote_identity(LID3))
    local second = account:encrypt({ LID3 }, "two")[1]
    assert.equal("one", (peer:decrypt("me", first.type, first.ciphertext)))
    assert.equal("two", (peer:decrypt("me", second.type, second.ciphertext)))
  end)

  it("never replaces the one the LID has", function()
    local lids, account = new_map()
    local _, older = new_peer()
    local newer, newer_bundle = new_peer()
    assert(account:process_bundle(PN, older))
    assert(account:process_bundle(LID, newer_bundle))
    lids:learn(PN, LID)
    local sealed = account:encrypt({ LID }, "hello")[1]
    assert.equal("hello", (newer:decrypt("me", sealed.type, sealed.ciphertext)))
  end)

  it("moves once: learning the pair again changes nothing", function()
    local lids, account = new_map()
    local peer, bundle = new_peer()
    assert(account:process_bundle(PN, bundle))
    lids:learn(PN, LID)
    lids:learn(LID, PN)
    local sealed = account:encrypt({ LID }, "hello")[1]
    assert.equal("hello", (peer:decrypt("me", sealed.type, sealed.ciphertext)))
  end)

  it("moves together with the pair or not at all", function()
    local lids, account, store = new_map()
    local _, bundle = new_peer()
    assert(account:process_bundle(PN, bundle))
    assert.has_error(function()
      store:atomic(function()
        lids:learn(PN, LID)
        assert.equal(LID, lids:lid_of(PN))
        error("the message that told it was bad", 0)
      end)
    end, "the message that told it was bad")
    assert.is_nil(lids:lid_of(PN))
    assert.is_true(account:has_session(PN))
  end)
end)

describe("a person", function()
  it("has one name in a chat, whichever was written to", support.async(function()
    local rig <close> = start()
    local ana, bob = rig:contact "Ana", rig:contact "Bob"
    assert(ana.client:send(bob.jid, "by number"))
    local m = bob:next()
    assert.equal("by number", m.text)
    assert.same({ ana.lid, ana.lid, (ana.jid:match "^%d+") }, { m.chat, m.sender, m.phone })
    assert(bob.client:send(m.chat, "by LID"))
    m = ana:next()
    assert.same({ bob.lid, bob.lid, (bob.jid:match "^%d+") }, { m.chat, m.sender, m.phone })
  end))

  it("is learnt by a usync, and the sessions lie under the LID only", support.async(function()
    local rig <close> = start()
    local ana, bob = rig:contact "Ana", rig:contact "Bob"
    assert(ana.client:send(bob.jid, "hello"))
    assert.equal(bob.lid, ana.client.lids:lid_of(bob.jid))
    local device = bob.client.me.device
    assert.is_true(ana.client.account:has_session(core.wire.jid.make(bob.lid:match "^%d+", "lid", device)))
    assert.is_false(ana.client.account:has_session(core.wire.jid.make(bob.jid:match "^%d+", "s.whatsapp.net", device)))
  end))

  it("is learnt from a notification that bears both names", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local seen = tap.on(rig)
    tap.inject(tap.device(rig, ana.client).connection, stanza.node("notification", {
      type = "devices", from = PN, lid = LID, id = "1700000000-1", t = 1700000000,
    }, stanza.node("update", { hash = "2:AAAAAAAA" })))
    seen:from_client "ack"
    assert.equal(LID, ana.client.lids:lid_of(PN))
  end))
end)
