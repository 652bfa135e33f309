-- The words of phone and device for each other, and the QR that begins it, on the vectors (fact sheet 02 §2.3, §2.5, §18.2).
local core = require "moonpost.core"
local new_pairing = require "moonpost.client.pairing"
local new_qr_codes = require "moonpost.client.qr_codes"

local crypto, proto = core.crypto, core.proto
local unhex = crypto.unhex

-- The vectors of sheet 02 §18.2: companion identity 03, primary identity 04, noise 01, ADV secret 09.
local ADV_SECRET = ("\9"):rep(32)
local NOISE = unhex "a4e09292b651c278b9772c569f5fa9bb13d906b46ab68c9df9dc2b4409f8a209"
local IDENTITY = unhex "5dfedd3b6bd47f6fa28ee15d969d5bb0ea53774d488bdaf9df1c6e0124b3ef22"
local PRIMARY = unhex "ac01b2209e86354fb853237b5de0f4fab13c7fcbf433a61c019369617fecf10b"
local DETAILS = unhex "08011080e2cfaa061801"
local ACCOUNT_SIGNATURE = unhex("b2dade92c164bbea43b5c480ba0e9de4789d727ebd141d84387254325b5b715795f55b9813f573c9d488c50457acd7f1"
  .. "6b727a17b7a6e1700dcb8680cc106c0c")
local DEVICE_SIGNATURE = unhex("79f46e78ca7686f9335ccca910cbda1f401df7b7069f7015e7f336f98f5f19e33b3f00b31f932d8b8a3eb6aa8763a5dcb"
  .. "270baab7fb329e04261bfeab4e2c788")
local HMAC = unhex "df0d6d37423fb10687bcd4c23108eb4802e9d858755b30cceda227fb856b88a4"
local HOSTED_HMAC = unhex "0f31023d95f91ce60ce9b9594824b794db8c5719a507a9089591d16133d879c4"
local HOSTED_DETAILS = unhex "08011080e2cfaa06180120012801"
local HOSTED_SIGNATURE = unhex("fad848d8bf728f2abfda721f65cd8a86476266e7117dab94f8b4f84a95dbcec20b51d7ef0cbd84a375cc672057250376da"
  .. "fb9bd1ad0218dd3fb1a0dd798ae70e")
local SIGNED = "\x0a\x0a" .. DETAILS .. "\x12\x20" .. PRIMARY .. "\x1a\x40" .. ACCOUNT_SIGNATURE
local CONTAINER = "\x0a\x70" .. SIGNED .. "\x12\x20" .. HMAC

-- An account with the vectors' keys; `identity` is a key pair where something is to be signed.
local function vector_account(identity)
  return {
    public = function() return { noise = NOISE, identity = identity and identity:public() or IDENTITY } end,
    identity = function() return identity end,
    adv_secret_text = function() return crypto.base64(ADV_SECRET) end,
    adv_hmac_ok = function(_, bytes, hmac) return crypto.hmac_sha256(ADV_SECRET, bytes) == hmac end,
  }
end

local function vector_pairing(identity) return new_pairing { account = vector_account(identity) } end

local function container(signed, account_type)
  local prefix = account_type == "HOSTED" and "\6\5" or ""
  return assert(proto.encode("ADVSignedDeviceIdentityHMAC", {
    details = signed, hmac = crypto.hmac_sha256(ADV_SECRET, prefix .. signed), accountType = account_type,
  }))
end

local function flip(bytes, at) return bytes:sub(1, at - 1) .. string.char(bytes:byte(at) ~ 1) .. bytes:sub(at + 1) end

describe("the phone's word for a device", function()
  it("is taken when it is genuine", function()
    local signed, inner = vector_pairing():verify(CONTAINER)
    assert.equal(DETAILS, signed.details)
    assert.equal(PRIMARY, signed.accountSignatureKey)
    assert.equal(1, inner.keyIndex)
    assert.equal(1700000000, inner.timestamp)
  end)

  it("has the HMAC of the vectors, also with the prefix of hosted accounts", function()
    assert.equal(HMAC, crypto.hmac_sha256(ADV_SECRET, SIGNED))
    assert.equal(HOSTED_HMAC, crypto.hmac_sha256(ADV_SECRET, "\6\5" .. SIGNED))
    assert.equal(unhex "9d42633c5eb2ee398989a71dc5c052e41f18f18d45eeee178abf80526ca56aeb",
      crypto.hmac_sha256(("\0"):rep(32), unhex "0a020801"))
    assert.equal(unhex "be2b706d0ecc0f5518f7a38a6c92d1988a6225c5954b9fd6ab9179fda5bfeee0",
      crypto.hmac_sha256(("\0"):rep(32), "\6\5" .. unhex "0a020801"))
  end)

  it("is checked by the account's own HMAC, in constant time", function()
    local account = core.signal.account(assert(core.store.open {}), "")
    account:create()
    local secret = crypto.unbase64(account:adv_secret_text())
    assert.is_true(account:adv_hmac_ok(SIGNED, crypto.hmac_sha256(secret, SIGNED)))
    assert.is_false(account:adv_hmac_ok(SIGNED, HMAC))
    assert.is_false(account:adv_hmac_ok(SIGNED, crypto.hmac_sha256(secret, SIGNED):sub(1, 31)))
  end)

  it("may come from a hosted account, under prefixes of its own", function()
    local signed = "\x0a\x0e" .. HOSTED_DETAILS .. "\x12\x20" .. PRIMARY .. "\x1a\x40" .. HOSTED_SIGNATURE
    assert.equal(HOSTED_DETAILS, (vector_pairing():verify(container(signed, "HOSTED"))).details)
    local _, err = vector_pairing():verify(container("\x0a\x0a" .. DETAILS .. "\x12\x20" .. PRIMARY .. "\x1a\x40" .. HOSTED_SIGNATURE))
    assert.equal("signature-mismatch", err.reply.text)
  end)

  it("is refused as hmac-mismatch at any flipped bit of what the HMAC covers, or of the HMAC", function()
    for _, at in ipairs { 3, 20, 60, 112, 117, 148 } do
      local signed, err = vector_pairing():verify(flip(CONTAINER, at))
      assert.is_nil(signed)
      assert.same({ code = 401, text = "hmac-mismatch" }, err.reply)
    end
  end)

  it("is refused as signature-mismatch when the phone's signature or key does not hold", function()
    for _, at in ipairs { 4, 16, 50, 112 } do
      local signed, err = vector_pairing():verify(container(flip(SIGNED, at)))
      assert.is_nil(signed)
      assert.equal(401, err.reply.code)
      assert.equal("signature-mismatch", err.reply.text)
    end
    for _, broken in ipairs {
      "\x0a\x0a" .. DETAILS .. "\x12\x1f" .. PRIMARY:sub(2) .. "\x1a\x40" .. ACCOUNT_SIGNATURE,
      "\x0a\x0a" .. DETAILS .. "\x12\x20" .. PRIMARY .. "\x1a\x3f" .. ACCOUNT_SIGNATURE:sub(2),
      "\x0a\x0a" .. DETAILS .. "\x1a\x40" .. ACCOUNT_SIGNATURE, "\x0a\x0a" .. DETAILS .. "\x12\x20" .. PRIMARY,
    } do
      local _, err = vector_pairing():verify(container(broken))
      assert.equal("signature-mismatch", err.reply.text)
    end
  end)

  it("is refused as internal-error when it cannot be read", function()
    for _, bytes in ipairs { "", "\xff\xff", "\x12\x20" .. HMAC, container "\xff\xff", container("\x12\x20" .. PRIMARY) } do
      local signed, err = vector_pairing():verify(bytes)
      assert.is_nil(signed)
      assert.same({ code = 500, text = "internal-error" }, err.reply)
    end
    local _, err = vector_pairing():verify(nil)
    assert.equal(500, err.reply.code)
  end)
end)

describe("the device's word back", function()
  it("signs details, own identity and the phone's key under 06 01, as in the vector", function()
    assert.is_true(crypto.verify(IDENTITY, "\6\1" .. DETAILS .. IDENTITY .. PRIMARY, DEVICE_SIGNATURE))
    local identity = crypto.keypair()
    local signed = vector_pairing(identity):sign { details = DETAILS, accountSignatureKey = PRIMARY }
    local own = identity:public()
    assert.is_true(crypto.verify(own, "\6\1" .. DETAILS .. own .. PRIMARY, signed.deviceSignature))
    assert.is_false(crypto.verify(own, "\6\0" .. DETAILS .. own .. PRIMARY, signed.deviceSignature))
  end)

  it("has the bytes of the vector, without the phone's key", function()
    assert.equal("\x0a\x0a" .. DETAILS .. "\x1a\x40" .. ACCOUNT_SIGNATURE .. "\x22\x40" .. DEVICE_SIGNATURE,
      proto.encode("ADVSignedDeviceIdentity", {
        details = DETAILS, accountSignature = ACCOUNT_SIGNATURE, deviceSignature = DEVICE_SIGNATURE,
      }))
  end)
end)

describe("a QR", function()
  it("has the text of the official clients", function()
    assert.equal("https://wa.me/settings/linked_devices#2@REF,pOCSkrZRwni5dyxWn1+puxPZBrRqtoyd+dwrRAn4ogk=,"
      .. "Xf7dO2vUf2+ijuFdlp1bsOpTd01Ii9r53xxuASSz7yI=,CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk=,1",
      new_qr_codes({ account = vector_account(), device = { platform = "chrome" } }):text "2@REF")
  end)
end)
