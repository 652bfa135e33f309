-- Digests, encodings and key pairs as Lua sees them; vectors of fact sheets 01 §15.6 and 02 §18. Ciphers: spec/core/crypto_test.c.
local crypto = require("moonpost.core").crypto

local function hex(text) return assert(crypto.unhex((text:gsub("%s", "")))) end

local function close(value)
  local scoped <close> = value
  return scoped
end

describe("digests", function()
  it("are the standards'", function()
    assert.equal("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", crypto.hex(crypto.sha256 "abc"))
    assert.equal("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", crypto.hex(crypto.sha256 ""))
    assert.equal("a9993e364706816aba3e25717850c26c9cd0d89d", crypto.hex(crypto.sha1 "abc"))
    assert.equal("900150983cd24fb0d6963f7d28e17f72", crypto.hex(crypto.md5 "abc"))
    assert.equal("ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9a"
      .. "c94fa54ca49f", crypto.hex(crypto.sha512 "abc"))
  end)

  it("make the build hash of a version", function()
    local hashes = {
      ["2.3000.1045649367"] = "9fa53af9421567b114e33c9bb1ef7db2", ["2.3000.1045368834"] = "528f6bed7f916ebe49e56631a09e37f6",
      ["2.3000.1043857760"] = "f6f65c0607a1cdffd8752b051fc95edf", ["2.3000.1023223821"] = "73d9507943254ddaccac88bff9870f88",
    }
    for version, hash in pairs(hashes) do assert.equal(hash, crypto.hex(crypto.md5(version))) end
  end)

  it("make the prekey digest and the device hash of the sheet", function()
    local keys = hex("7d34a4815fa6b982535e60af3bd9b49556816080f1641ff81d2b7c8ae8268a44"
      .. "0faa684ed28867b97f4a6a2dee5df8ce974e76b7018e3f22a1c4cf2678570f20") .. ("\xaa"):rep(64)
      .. hex "9a4503a98ab10fe8d354c9c42cbd0c9d7944f52e7d14d8ea59775e7dc9e3bf4b"
    assert.equal("85f70f8640a9b2320470349e3534737f1d31b2cc", crypto.hex(crypto.sha1(keys)))
    local devices = crypto.sha256 "15551234567.0:0@s.whatsapp.net15551234567.0:64@s.whatsapp.net"
    assert.equal("C/iw50Tk", crypto.base64(devices:sub(1, 6)))
  end)
end)

describe("keyed functions", function()
  it("make the HMACs of the sheet", function()
    local inner = hex("0a0a08011080e2cfaa061801" .. "1220ac01b2209e86354fb853237b5de0f4fab13c7fcbf433a61c019369617fecf10b"
      .. "1a40b2dade92c164bbea43b5c480ba0e9de4789d727ebd141d84387254325b5b715795f55b9813f573c9d488c50457acd7f16b727a17b7a6e1700dcb8680"
      .. "cc106c0c")
    assert.equal(112, #inner)
    local secret = ("\9"):rep(32)
    assert.equal("df0d6d37423fb10687bcd4c23108eb4802e9d858755b30cceda227fb856b88a4", crypto.hex(crypto.hmac_sha256(secret, inner)))
    assert.equal("0f31023d95f91ce60ce9b9594824b794db8c5719a507a9089591d16133d879c4",
      crypto.hex(crypto.hmac_sha256(secret, "\6\5" .. inner)))
  end)

  it("derive the keys of RFC 5869, with and without a salt", function()
    local ikm = ("\11"):rep(22)
    assert.equal("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
      crypto.hex(crypto.hkdf(ikm, 42, hex "f0f1f2f3f4f5f6f7f8f9", hex "000102030405060708090a0b0c")))
    assert.equal("8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
      crypto.hex(crypto.hkdf(ikm, 42, "")))
    assert.equal(crypto.hkdf(ikm, 42, ""), crypto.hkdf(ikm, 42, "", ("\0"):rep(32)))
    assert.equal(8160, #crypto.hkdf(ikm, 8160, ""))
  end)
end)

describe("encodings", function()
  local every = {}
  for i = 0, 255 do every[i + 1] = string.char(i) end
  every = table.concat(every)

  it("come back as what went in", function()
    for length = 0, 256 do
      local bytes = every:sub(1, length)
      assert.equal(bytes, crypto.unhex(crypto.hex(bytes)))
      assert.equal(bytes, crypto.unbase64(crypto.base64(bytes)))
      assert.equal(bytes, crypto.unbase64(crypto.base64(bytes, "url"), "url"))
    end
  end)

  it("are the standards'", function()
    assert.equal("00ff10", crypto.hex "\0\xff\16")
    assert.equal("\0\xff\16", crypto.unhex "00FF10")
    assert.equal("Zm9vYg==", crypto.base64 "foob")
    assert.equal("Zm9vYg", crypto.base64("foob", "url"))
    assert.equal("+/+/", crypto.base64 "\xfb\xff\xbf")
    assert.equal("-_-_", crypto.base64("\xfb\xff\xbf", "url"))
  end)

  it("refuse what is none", function()
    for _, text in ipairs { "0", "0g", "zz", "00 11", "0x00" } do
      local bytes, err = crypto.unhex(text)
      assert.is_nil(bytes)
      assert.equal("malformed", err.code)
    end
    for _, text in ipairs { "Zm9vYg", "Zm9vYg=", "Zm9v Yg==", "Zm9v-_==", "====", "A" } do
      local bytes, err = crypto.unbase64(text)
      assert.is_nil(bytes)
      assert.equal("the text is no base64", tostring(err))
    end
    assert.is_nil((crypto.unbase64("Zm9vYg==", "url")))
  end)
end)

describe("random bytes", function()
  it("are as many as asked for, and others each time", function()
    assert.equal("", crypto.random(0))
    assert.equal(1 << 20, #crypto.random(1 << 20))
    assert.are_not.equal(crypto.random(16), crypto.random(16))
  end)
end)

describe("equal", function()
  it("compares bytes", function()
    assert.is_true(crypto.equal("abc", "abc"))
    assert.is_true(crypto.equal("", ""))
    assert.is_false(crypto.equal("abc", "abd"))
    assert.is_false(crypto.equal("abc", "abcd"))
  end)
end)

describe("a key pair", function()
  it("signs, and others verify", function()
    local pair, other = crypto.keypair(), crypto.keypair()
    local signature = pair:sign "words"
    assert.equal(64, #signature)
    assert.is_true(crypto.verify(pair:public(), "words", signature))
    assert.is_false(crypto.verify(pair:public(), "word", signature))
    assert.is_false(crypto.verify(other:public(), "words", signature))
    assert.is_false(crypto.verify(pair:public(), "words", signature:sub(1, 63)))
    assert.is_false(crypto.verify(pair:public(), "words", ""))
    assert.are_not.equal(signature, pair:sign "words")
  end)

  it("verifies the signature of the sheet", function()
    local key = hex "5dfedd3b6bd47f6fa28ee15d969d5bb0ea53774d488bdaf9df1c6e0124b3ef22"
    assert.is_true(crypto.verify(key, "\0\0\0", hex [[02191fc761f2879c407d716b7adad47fa37d6e2f693a1487b79edf35fdb490851bc7b3897e8cadcc
      4e5095db36e1a52105216d501d2d2880043f58df3b81488b]]))
  end)

  it("is another each time", function()
    assert.equal(32, #crypto.keypair():public())
    assert.are_not.equal(crypto.keypair():public(), crypto.keypair():public())
  end)

  it("says what it is, closes, and stays closed", function()
    local pair = crypto.keypair()
    assert.matches("^moonpost.keypair %(.+%)$", tostring(pair))
    assert.equal("moonpost.keypair", getmetatable(pair))
    close(pair)
    assert.equal("moonpost.keypair (closed)", tostring(pair))
    assert.error_matches(function() pair:public() end, "the key pair is closed")
    assert.error_matches(function() pair:sign "x" end, "the key pair is closed")
    close(pair)
    local weak = setmetatable({ crypto.keypair() }, { __mode = "v" })
    collectgarbage()
    assert.is_nil(weak[1])
  end)

  it("gives no private key away", function()
    local pair = crypto.keypair()
    assert.is_nil(pair.private)
    assert.is_nil(pair.private_key)
    assert.error(function() pair.x = 1 end)
  end)
end)

describe("a certificate", function()
  it("is PEM, with its key, and another each time", function()
    local certificate, key = crypto.certificate {}
    assert.matches("^%-%-%-%-%-BEGIN CERTIFICATE%-%-%-%-%-\n.+\n%-%-%-%-%-END CERTIFICATE%-%-%-%-%-\n$", certificate)
    assert.matches("^%-%-%-%-%-BEGIN PRIVATE KEY%-%-%-%-%-\n.+\n%-%-%-%-%-END PRIVATE KEY%-%-%-%-%-\n$", key)
    assert.are_not.equal(certificate, (crypto.certificate { host = "127.0.0.1", days = 1 }))
    assert.truthy(crypto.certificate { host = "::1" })
  end)

  it("is for an IP address", function()
    local certificate, err = crypto.certificate { host = "no address" }
    assert.is_nil(certificate)
    assert.equal("crypto", err.code)
    assert.equal("cannot make a certificate for 'no address'", tostring(err))
  end)
end)

describe("the crypto functions", function()
  it("name the argument that is wrong", function()
    local wrong = {
      { function() crypto.sha256() end, "bad argument #1 to 'sha256' (string expected, got no value)" },
      { function() crypto.md5 {} end, "bad argument #1 to 'md5' (string expected, got table)" },
      { function() crypto.hmac_sha256 "key" end, "bad argument #2 to 'hmac_sha256' (string expected, got no value)" },
      { function() crypto.hkdf("x", 0, "") end, "bad argument #2 to 'hkdf' (1 to 8160 bytes)" },
      { function() crypto.hkdf("x", 8161, "") end, "bad argument #2 to 'hkdf' (1 to 8160 bytes)" },
      { function() crypto.hkdf("x", 32) end, "bad argument #3 to 'hkdf' (string expected, got no value)" },
      { function() crypto.random(-1) end, "bad argument #1 to 'random' (0 to 1 MiB)" },
      { function() crypto.random((1 << 20) + 1) end, "bad argument #1 to 'random' (0 to 1 MiB)" },
      { function() crypto.base64("x", "other") end, "bad argument #2 to 'base64' (invalid option 'other')" },
      { function() crypto.verify("short", "", "") end, "bad argument #1 to 'verify' (a public key of 32 bytes expected, got 5)" },
      { function() crypto.equal "x" end, "bad argument #2 to 'equal' (string expected, got no value)" },
      { function() crypto.certificate() end, "bad argument #1 to 'certificate' (table expected, got no value)" },
      { function() crypto.certificate { host = {} } end, "host: an IP address expected, got table" },
      { function() crypto.certificate { days = 0 } end, "days: 1 to 36500 expected" },
      { function() crypto.certificate { days = 1.5 } end, "days: 1 to 36500 expected" },
      { function() crypto.certificate { days = "many" } end, "days: 1 to 36500 expected" },
      { function() crypto.keypair():sign() end, "string expected, got no value" },
      { function() crypto.keypair().sign("x", "y") end, "moonpost.keypair expected, got string" },
    }
    for _, row in ipairs(wrong) do
      local ok, err = pcall(row[1])
      assert.is_false(ok)
      assert.truthy(err:find(row[2], 1, true), err)
    end
  end)
end)
