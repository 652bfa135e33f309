-- Files of messages, encrypted and checked as they pass: fact sheet 05 §13, with the vectors of §20.3 and §20.4.
local core = require "moonpost.core"
local crypto, media = core.crypto, core.media
local hex, unhex = crypto.hex, crypto.unhex

local KEY = assert(unhex "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")
local COUNTED = {}
for i = 0, 255 do COUNTED[i + 1] = string.char(i) end
COUNTED = table.concat(COUNTED)

-- All of `bytes` in pieces of `step` through one:update, then one:finish: the bytes, and what finish said besides | nil, err
local function through(one, bytes, step)
  local out = {}
  for at = 1, #bytes, step do
    local piece, err = one:update(bytes:sub(at, at + step - 1))
    if not piece then return nil, err end
    out[#out + 1] = piece
  end
  local last, said = one:finish()
  if not last then return nil, said end
  return table.concat(out) .. last, said
end

local function encrypt(bytes, kind) return through(media.encryptor(KEY, kind), bytes, 65536) end

-- A reference as a message has it.
local function told(kind, said, changes)
  local reference = { type = kind, mediaKey = KEY }
  for name, value in pairs(said) do reference[name] = value end
  for name, value in pairs(changes or {}) do reference[name] = value or nil end
  return reference
end

local function decrypt(blob, reference, step)
  local decryptor, err = media.decryptor(reference)
  if not decryptor then return nil, err end
  return through(decryptor, blob, step or 1000)
end

describe("a file's encryption", function()
  it("makes the blob of the vector", function()
    local blob, said = encrypt("hello", "image")
    assert.equal("d6dae84a388d36554b4babc2ea10204a9971f756a2561f9b8f20", hex(blob))
    assert.equal("dVMJ7QPDvHITbRV5mU2zBy_4u8sGrbNlpAzQrAu9Nb0", crypto.base64(said.fileEncSha256, "url"))
    assert.equal("2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824", hex(said.fileSha256))
    assert.same({ 5, nil }, { said.fileLength, said.streamingSidecar })
  end)

  it("adds a sidecar to what is played while it loads", function()
    local blob, said = encrypt(COUNTED:rep(391):sub(1, 100000), "video")
    assert.equal(100026, #blob)
    assert.equal("06d5870439053fbddc6a62a5dea49493527dd81b66cb4840704e2fbb6b7cf0a4", hex(said.fileEncSha256))
    assert.equal("f78d67f8c047966c6cf5345ca6bb64e1b2817579", hex(said.streamingSidecar))
  end)

  it("is undone piece by piece, whatever the pieces are", function()
    for _, length in ipairs { 0, 1, 15, 16, 17, 65535, 65536, 65537 } do
      local bytes = COUNTED:rep(257):sub(1, length)
      local blob, said = encrypt(bytes, "document")
      assert.equal(media.blob_length(length), #blob)
      for _, step in ipairs { 1 << 20, 4096, 11 } do
        local opened, is = decrypt(blob, told("document", said), step)
        assert.equal(bytes, opened)
        assert.same({ length, said.fileSha256 }, { is.fileLength, is.fileSha256 })
      end
    end
  end)

  it("leaves what is not encrypted as it is, and hashes it", function()
    local bytes, said = through(media.encryptor(nil, "newsletter-image"), "hello", 2)
    assert.same({ "hello", 5, nil }, { bytes, said.fileLength, said.fileEncSha256 })
    assert.equal("2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824", hex(said.fileSha256))
    local reference = { type = "newsletter-image", fileSha256 = said.fileSha256, fileLength = 5 }
    assert.equal("hello", (decrypt("hello", reference)))
    assert.equal("media-hash", select(2, decrypt("jelly", reference)).code)
  end)

  it("has no other types than those of the protocol", function()
    assert.has_error(function() media.encryptor(KEY, "picture") end, "there is no media type 'picture'")
    assert.has_error(function() media.encryptor(KEY, "newsletter-image") end, "a newsletter-image is never encrypted")
    assert.same({ mms = "image", path = "/mms/image", encrypted = true, streamed = false }, media.types.sticker)
  end)
end)

describe("a file that came", function()
  local blob, said
  before_each(function() blob, said = encrypt("a picture of 32 bytes, all told.", "image") end)

  local function refusal(bytes, changes)
    local opened, err = decrypt(bytes, told("image", said, changes))
    assert.is_nil(opened)
    assert.is_true(#tostring(err) > 10)
    return err.code
  end

  it("is refused with what is wrong about it", function()
    local flipped = string.char(blob:byte(1) ~ 1) .. blob:sub(2)
    local other = encrypt("a picture of 32 bytes, all lied.", "image")
    assert.same({
      "media-enc-hash", "media-mac", "media-mac", "media-hash", "media-truncated", "media-truncated",
    }, {
      refusal(flipped), refusal(flipped, { fileEncSha256 = false }), refusal(blob, { type = "audio" }),
      refusal(other, { fileEncSha256 = false }), refusal(blob:sub(1, -2)), refusal(blob:sub(1, -17)),
    })
  end)

  it("may have another length than was told, unless the reader is strict", function()
    local opened, is = decrypt(blob, told("image", said, { fileLength = 7 }))
    assert.same({ "a picture of 32 bytes, all told.", 32 }, { opened, is.fileLength })
    assert.equal("media-length", refusal(blob, { fileLength = 7, strict = true }))
    assert.equal("media-length", refusal(blob, { fileLength = 31, strict = true }))
  end)

  it("is refused before it comes when what is told of it cannot be", function()
    local wrong = { { mediaKey = "short" }, { fileSha256 = "x" }, { fileEncSha256 = 7 }, { fileLength = -1 }, { fileLength = "many" } }
    for i, changes in ipairs(wrong) do assert.same({ i, "malformed" }, { i, refusal(blob, changes) }) end
  end)

  it("is closed once it has ended", function()
    local decryptor = media.decryptor(told("image", said))
    decryptor:close()
    assert.has_error(function() decryptor:update "x" end, "the file has ended")
    assert.equal("moonpost.media_decryptor (closed)", tostring(decryptor))
  end)
end)

describe("a part of a file", function()
  local bytes = COUNTED:rep(600):sub(1, 150000)
  local blob, said = encrypt(bytes, "video")

  local function part(first, last, changes)
    local reference = told("video", said, changes)
    reference.first, reference.last = first, last
    local range, err = media.range(reference)
    if not range then return nil, err end
    local from, to = range:wants()
    return through(range, blob:sub(from + 1, to + 1), 7000)
  end

  it("is decrypted alone, and checked by the sidecar", function()
    assert.equal(bytes:sub(70001, 80000), (part(70000, 79999)))
    assert.equal(bytes:sub(149991), (part(149990, nil)))
    local spoilt = said.streamingSidecar:sub(1, 10) .. ("x"):rep(10) .. said.streamingSidecar:sub(21)
    assert.equal("media-sidecar", select(2, part(70000, 79999, { streamingSidecar = spoilt })).code)
    assert.equal(bytes:sub(1, 10), (part(0, 9, { streamingSidecar = spoilt })))
  end)

  it("wants no more than its blocks when there is no sidecar", function()
    local range = media.range(told("video", said, { streamingSidecar = false, first = 70000, last = 79999 }))
    assert.same({ 69984, 79999 }, { range:wants() })
    assert.equal(bytes:sub(70001, 80000), (part(70000, 79999, { streamingSidecar = false })))
  end)

  it("is refused when the file has no such part, or it ends too early", function()
    assert.equal("invalid", select(2, part(150000, 150001)).code)
    local range = media.range(told("video", said, { first = 0, last = 9 }))
    range:update(blob:sub(1, 100))
    assert.equal("media-truncated", select(2, range:finish()).code)
  end)
end)

describe("a media retry", function()
  local ID, IV = "3EB0ABCDEF0123456789", COUNTED:sub(1, 12)
  local plaintext = core.proto.encode("MediaRetryNotification", {
    stanzaId = ID, directPath = "/v/t62.7118-24/1_2_n.enc?ccb=11-4", result = "SUCCESS",
  })

  it("is sealed as the vector", function()
    local sealed, iv = media.retry_seal(KEY, ID, plaintext, IV)
    assert.equal("d9866bfc01473cf10910384dc932c5104b61d868667fe02a747d3622df0f31b8c2d4c28458f0839e318ad69429f2bf0bc6ceac0ececbd305e750b3"
      .. "43c2d82ae433700148058139aca8c13d", hex(sealed))
    assert.equal(IV, iv)
    assert.equal(plaintext, media.retry_open(KEY, ID, iv, sealed))
  end)

  it("is opened for its file and message only", function()
    local sealed, iv = media.retry_seal(KEY, ID, plaintext)
    assert.equal(plaintext, media.retry_open(KEY, ID, iv, sealed))
    local wrong = {
      { KEY, "3EB0", iv, sealed }, { ("k"):rep(32), ID, iv, sealed }, { KEY, ID, iv:sub(2), sealed }, { KEY, ID, iv, "short" },
    }
    for i, words in ipairs(wrong) do assert.same({ i, "crypto" }, { i, select(2, media.retry_open(table.unpack(words))).code }) end
  end)
end)

describe("a spool", function()
  it("gives back what was written, in memory or in its file", function()
    local spool <close> = media.spool()
    for i = 1, 40 do
      assert(spool:write(COUNTED:rep(40)))
      assert.equal(i * 10240, spool:size())
      assert.equal("\1\2\3", spool:read((i - 1) * 10240 + 1, 3))
    end
    assert.equal(COUNTED:rep(1600), spool:read(0, 1 << 20))
    assert.equal("", spool:read(409600, 1))
  end)

  it("says where it cannot make its file", function()
    local nowhere <close> = media.spool "/nowhere/at/all"
    assert(nowhere:write "some bytes")
    local done, err = nowhere:write(("x"):rep(300000))
    assert.same({ nil, "store" }, { done, err.code })
    assert.is_truthy(err.message:find("/nowhere/at/all", 1, true))
    assert.equal("some bytes", nowhere:read(0, 100))
  end)
end)
