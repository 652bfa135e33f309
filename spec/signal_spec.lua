--- Accounts through their binding: credentials that stay handles, prekeys, one plaintext for many devices, errors by code.
local core = require "moonpost.core"

local function account(store, scope)
  local made = assert(core.signal.account(store, scope or ""))
  made:create()
  return made
end

-- A device with a store of its own.
local function device(jid)
  local store = assert(core.store.open {})
  return { jid = jid, store = store, account = account(store) }
end

local function bundle_of(of, with_prekey)
  local public = of.account:public()
  return {
    registration_id = public.registration_id, identity = public.identity, signed_prekey = public.signed_prekey,
    prekey = with_prekey ~= false and of.account:new_prekeys(1)[1] or nil,
  }
end

local function meet(from, to) assert(from.account:process_bundle(to.jid, bundle_of(to))) end

local function encrypt(from, to, text) return from.account:encrypt({ to.jid }, text)[1] end

local function failure(result, err)
  assert.is_nil(result)
  return err
end

local ana, bot
before_each(function() ana, bot = device "15550001@s.whatsapp.net", device "15550002:7@s.whatsapp.net" end)
after_each(function()
  for _, one in ipairs { ana, bot } do
    one.account:close()
    one.store:close()
  end
end)

describe("an account", function()
  it("has no credentials until they are made, and keeps them", function()
    local fresh = assert(core.signal.account(ana.store, "other"))
    assert.is_false(fresh:exists())
    assert.error_matches(function() fresh:public() end, "the account has no credentials yet")
    fresh:create()
    assert.is_true(fresh:exists())
    local again = assert(core.signal.account(ana.store, "other"))
    assert.same(fresh:public(), again:public())
    assert.are_not.same(ana.account:public(), again:public())
  end)

  it("tells its public half, and signs its prekey with its identity", function()
    local public = ana.account:public()
    assert.same({ 32, 32, 32, 64 }, { #public.identity, #public.noise, #public.signed_prekey.public, #public.signed_prekey.signature })
    assert.equal(1, public.signed_prekey.id)
    assert.is_true(core.crypto.verify(public.identity, "\5" .. public.signed_prekey.public, public.signed_prekey.signature))
    assert.equal(public.identity, ana.account:identity():public())
    assert.equal(public.noise, ana.account:noise():public())
  end)

  it("refuses to make credentials over those it has", function()
    local ok, err = pcall(ana.account.create, ana.account)
    assert.is_false(ok)
    assert.equal("the account has credentials already", tostring(err))
  end)

  it("derives the same bytes from the same cause, others from another and in another account", function()
    local derived = ana.account:derive "chat"
    assert.equal(32, #derived)
    assert.equal(derived, ana.account:derive "chat")
    assert.are_not.equal(derived, ana.account:derive "chats")
    assert.are_not.equal(derived, bot.account:derive "chat")
  end)

  it("checks the HMAC made with the secret of its QR, and no longer after the secret was renewed", function()
    local secret = core.crypto.unbase64(ana.account:adv_secret_text())
    local hmac = core.crypto.hmac_sha256(secret, "details")
    assert.is_true(ana.account:adv_hmac_ok("details", hmac))
    assert.is_false(ana.account:adv_hmac_ok("detail", hmac))
    assert.is_false(ana.account:adv_hmac_ok("details", hmac:sub(1, 31)))
    assert.is_false(ana.account:adv_hmac_ok("details", ""))
    ana.account:renew_adv_secret()
    assert.is_false(ana.account:adv_hmac_ok("details", hmac))
  end)

  it("is gone once it is deleted, with its sessions", function()
    meet(ana, bot)
    local identity = ana.account:public().identity
    ana.account:delete()
    assert.is_false(ana.account:exists())
    ana.account:create()
    assert.is_false(ana.account:has_session(bot.jid))
    assert.are_not.equal(identity, ana.account:public().identity)
  end)
end)

describe("one-time prekeys", function()
  it("are numbered from 1, and told apart by whether the server has them", function()
    local made = ana.account:new_prekeys(3)
    assert.same({ 1, 2, 3 }, { made[1].id, made[2].id, made[3].id })
    ana.account:mark_uploaded(1, 2)
    assert.same({ made[1], made[2] }, ana.account:prekeys(true))
    assert.same({ made[3] }, ana.account:prekeys(false))
    assert.same(made, ana.account:prekeys())
    assert.same({ made[1] }, ana.account:prekeys(nil, 1))
    assert.equal(4, ana.account:new_prekeys(1)[1].id)
  end)

  it("of a whole first upload are made in slices", function()
    for _ = 1, 8 do ana.account:new_prekeys(100) end
    ana.account:new_prekeys(12)
    assert.equal(812, #ana.account:prekeys(false))
    assert.is_true(ana.store:commit())
  end)

  it("are used once", function()
    local eve <const> = device "15550003@s.whatsapp.net"
    local bundle = bundle_of(bot)
    assert(ana.account:process_bundle(bot.jid, bundle))
    assert(eve.account:process_bundle(bot.jid, bundle))
    local first, late = encrypt(ana, bot, "hi"), encrypt(eve, bot, "hi")
    assert(bot.account:decrypt(ana.jid, first.type, first.ciphertext))
    assert.same({}, bot.account:prekeys())
    assert.equal("invalid-key-id", failure(bot.account:decrypt(eve.jid, late.type, late.ciphertext)).code)
  end)

  it("are asked for in sensible numbers", function()
    for _, count in ipairs { 0, -1, 1001 } do
      assert.error_matches(function() ana.account:new_prekeys(count) end, "1 to 1000 prekeys a call")
    end
    assert.error_matches(function() ana.account:mark_uploaded(0, 1) end, "a prekey id expected")
    assert.error_matches(function() ana.account:mark_uploaded(1, 16777215) end, "a prekey id expected, at most 1000 behind the first")
    assert.error_matches(function() ana.account:mark_uploaded(2, 1) end, "a prekey id expected")
    assert.error_matches(function() ana.account:prekeys(nil, -1) end, "a number of prekeys expected")
  end)
end)

describe("a session", function()
  it("carries a text, tells the sender's identity, and answers", function()
    meet(ana, bot)
    assert.is_true(ana.account:has_session(bot.jid))
    local first = encrypt(ana, bot, "hello")
    assert.equal("pkmsg", first.type)
    local text, identity = bot.account:decrypt(ana.jid, first.type, first.ciphertext)
    assert.same({ "hello", ana.account:public().identity }, { text, identity })
    local answer = encrypt(bot, ana, "world")
    assert.equal("msg", answer.type)
    assert.same({ "world" }, { ana.account:decrypt(bot.jid, answer.type, answer.ciphertext) })
    assert.equal("msg", encrypt(ana, bot, "on").type)
  end)

  it("tells a repeated ciphertext, and a changed one", function()
    meet(ana, bot)
    local one = encrypt(ana, bot, "hi")
    assert.equal("hi", (bot.account:decrypt(ana.jid, one.type, one.ciphertext)))
    local err = failure(bot.account:decrypt(ana.jid, one.type, one.ciphertext))
    assert.equal("duplicate", err.code)
    assert.equal("cannot decrypt the message: this message was decrypted before", tostring(err))
    local back = encrypt(bot, ana, "back")
    assert.equal("crypto", failure(ana.account:decrypt(bot.jid, back.type, back.ciphertext:sub(1, -2) .. "x")).code)
    assert.equal("back", (ana.account:decrypt(bot.jid, back.type, back.ciphertext)))
  end)

  it("that is not there is said, and garbage too", function()
    meet(ana, bot)
    local one = encrypt(ana, bot, "hi")
    bot.account:decrypt(ana.jid, one.type, one.ciphertext)
    local back = encrypt(bot, ana, "back")
    ana.account:delete_session(bot.jid)
    assert.equal("no-session", failure(ana.account:decrypt(bot.jid, back.type, back.ciphertext)).code)
    assert.equal("no-session", encrypt(ana, bot, "x").error.code)
    for _, type in ipairs { "msg", "pkmsg" } do
      assert.equal("malformed", failure(ana.account:decrypt(bot.jid, type, "garbage")).code)
      assert.equal("malformed", failure(ana.account:decrypt(bot.jid, type, "")).code)
    end
  end)

  it("is not begun from a bundle with a wrong signature", function()
    local bundle = bundle_of(bot)
    bundle.signed_prekey.signature = ("\0"):rep(64)
    assert.equal("crypto", failure(ana.account:process_bundle(bot.jid, bundle)).code)
    assert.is_false(ana.account:has_session(bot.jid))
  end)

  it("is undone with the transaction that made it", function()
    meet(ana, bot)
    local one = encrypt(ana, bot, "hi")
    assert.is_false((pcall(bot.store.atomic, bot.store, function()
      assert(bot.account:decrypt(ana.jid, one.type, one.ciphertext))
      error "the handler failed"
    end)))
    assert.is_false(bot.account:has_session(ana.jid))
    assert.equal("hi", (bot.account:decrypt(ana.jid, one.type, one.ciphertext)))
  end)

  it("follows its peer to another name", function()
    meet(ana, bot)
    local one = encrypt(ana, bot, "hi")
    bot.account:decrypt(ana.jid, one.type, one.ciphertext)
    assert.is_true(bot.account:migrate(ana.jid, "10001@lid"))
    assert.is_false(bot.account:migrate(ana.jid, "10001@lid"))
    assert.is_nil(bot.account:remote_identity(ana.jid))
    assert.equal(ana.account:public().identity, bot.account:remote_identity "10001@lid")
    local late = encrypt(ana, bot, "late")
    assert.equal("late", (bot.account:decrypt("10001@lid", late.type, late.ciphertext)))
  end)

  it("is listed by its peer's user part, whatever the device", function()
    meet(ana, bot)
    local one, user = encrypt(ana, bot, "hi"), ana.jid:match "^%d+"
    assert.same({}, bot.account:sessions(user))
    bot.account:decrypt(ana.jid, one.type, one.ciphertext)
    bot.account:migrate(ana.jid, user .. ":7@lid")
    assert.same({ user .. ":7@lid" }, bot.account:sessions(user))
    assert.same({}, bot.account:sessions(user:sub(1, -2)))
    assert.same({}, bot.account:sessions(("9"):rep(1000)))
  end)

  it("is known by its base key", function()
    assert.equal("no-session", failure(ana.account:base_key(bot.jid)).code)
    meet(ana, bot)
    local key = assert(ana.account:base_key(bot.jid))
    assert.equal(33, #key)
    assert.equal(key, ana.account:base_key(bot.jid))
    meet(ana, bot)
    assert.are_not.equal(key, ana.account:base_key(bot.jid))
  end)
end)

describe("a peer's identity", function()
  it("comes with its session, or by another way", function()
    assert.is_nil(ana.account:remote_identity(bot.jid))
    ana.account:trust_identity(bot.jid, ("k"):rep(32))
    assert.equal(("k"):rep(32), ana.account:remote_identity(bot.jid))
    meet(ana, bot)
    assert.equal(bot.account:public().identity, ana.account:remote_identity(bot.jid))
  end)
end)

describe("one plaintext", function()
  it("is encrypted for many devices in one call, each as its session stands", function()
    local devices, jids = {}, {}
    for i = 1, 5 do
      devices[i] = device(("1555100%d:%d@s.whatsapp.net"):format(i, i))
      jids[i] = devices[i].jid
      if i ~= 3 then meet(ana, devices[i]) end
    end
    local results = ana.account:encrypt(jids, "to all")
    assert.equal(5, #results)
    for i, one in ipairs(results) do
      assert.equal(jids[i], one.jid)
      if i == 3 then
        assert.equal("no-session", one.error.code)
        assert.is_nil(one.ciphertext)
      else
        assert.equal("to all", (devices[i].account:decrypt(ana.jid, one.type, one.ciphertext)))
      end
    end
    assert.same({}, ana.account:encrypt({}, "to nobody"))
  end)

  it("moves no ratchet when one of the JIDs is none", function()
    meet(ana, bot)
    for _, wrong in ipairs { 7, true, "a\0b" } do
      assert.error_matches(function() ana.account:encrypt({ bot.jid, wrong }, "x") end, "an array of device JIDs expected")
    end
    assert.is_false((pcall(ana.account.encrypt, ana.account, bot.jid, "x")))
    local one = encrypt(ana, bot, "first")
    assert.equal("\16\0", one.ciphertext:match "\16\0") -- counter 0 of the inner message
    assert.equal("first", (bot.account:decrypt(ana.jid, one.type, one.ciphertext)))
  end)
end)

describe("wrong arguments to an account", function()
  it("are named", function()
    local function with(key, value)
      local bundle = bundle_of(bot)
      bundle[key] = value
      return function() ana.account:process_bundle(bot.jid, bundle) end
    end
    assert.error_matches(with("identity", "short"), "bundle: identity: 32 bytes expected")
    assert.error_matches(with("identity"), "bundle: identity: 32 bytes expected")
    assert.error_matches(with("registration_id", -1), "bundle: registration_id: a number from 0 to 4294967295 expected")
    assert.error_matches(with("signed_prekey"), "bundle: signed_prekey: a table expected")
    assert.error_matches(with("signed_prekey", { id = 1 << 24 }), "bundle: signed_prekey.id: a number from 0 to 16777215 expected")
    assert.error_matches(with("signed_prekey", { id = 1, public = "" }), "bundle: signed_prekey.public: 32 bytes expected")
    assert.error_matches(with("prekey", "key"), "bundle: prekey: a table expected")
    assert.error_matches(with("prekey", { id = "x" }), "bundle: prekey.id: a number from 0 to 16777215 expected")
    assert.error_matches(function() ana.account:decrypt(bot.jid, "skmsg", "x") end, "invalid option 'skmsg'")
    assert.error_matches(function() ana.account:has_session "" end, "a device JID expected")
    assert.error_matches(function() ana.account:has_session "a\0b" end, "a device JID expected")
    assert.error_matches(function() ana.account:trust_identity(bot.jid, "short") end, "32 bytes expected")
    assert.error_matches(function() core.signal.account(ana.store, "a\0b") end, "a scope holds no zero byte")
    assert.error_matches(function() core.signal.account({}, "a") end, "moonpost.store expected, got table")
  end)
end)

describe("an account's handle", function()
  it("says what it is, and nothing of its keys", function()
    local one = assert(core.signal.account(ana.store, "phone 4917"))
    assert.equal("moonpost.signal.account (phone 4917)", tostring(one))
    one:close()
    assert.equal("moonpost.signal.account (closed)", tostring(one))
    assert.equal("moonpost.signal.account", getmetatable(one))
  end)

  it("is closed at the end of its scope, when it is collected, and only once", function()
    local kept
    do
      local one <close> = assert(core.signal.account(ana.store, ""))
      kept = one
      assert.is_true(one:exists())
    end
    assert.equal("moonpost.signal.account (closed)", tostring(kept))
    kept:close()
    assert.error_matches(function() kept:exists() end, "the account is closed")
    local collected = setmetatable({}, { __mode = "k" })
    collected[assert(core.signal.account(ana.store, ""))] = true
    collectgarbage()
    collectgarbage()
    assert.is_nil(next(collected))
  end)

  it("is of no use once its store is closed", function()
    local store = assert(core.store.open {})
    local one = account(store)
    store:close()
    assert.error_matches(function() one:public() end, "the store is closed")
    one:close()
  end)

  it("keeps its store from being collected", function()
    local one = account(assert(core.store.open {}))
    collectgarbage()
    collectgarbage()
    assert.equal(1, one:new_prekeys(1)[1].id)
  end)
end)

describe("libsignal's curve", function()
  it("is the fast one", function() assert.is_true(core.crypto.curve_override()) end)

  it("is the slow one, with one line of warning, where another module loaded libsignal first; all else works", function()
    local script = [[
      local core = require "moonpost.core"
      local store = core.store.open {}
      local ana, bot = core.signal.account(store, "ana"), core.signal.account(store, "bot")
      ana:create()
      bot:create()
      local bundle = bot:public()
      ana:process_bundle("bot@lid", bundle)
      local one = ana:encrypt({ "bot@lid" }, "hello")[1]
      print(bot:decrypt("ana@lid", one.type, one.ciphertext) == "hello", core.crypto.curve_override())
    ]]
    local library = "$(ldd build/lua/moonpost/core.so | awk '/signal-protocol/ { print $3 }')"
    local command = "LD_PRELOAD=" .. library .. " LUA_CPATH='build/lua/?.so;;' lua5.4 -e '%s' 2>&1"
    local pipe <close> = assert(io.popen(command:format(script)))
    local warning = "moonpost: another module loaded libsignal-protocol-c first, so its slow Curve25519 is used; load moonpost before it"
    assert.equal(warning .. "\ntrue\tfalse\n", pipe:read "a")
  end)
end)
