-- The row `cipher`: a file's encryption with all its hashes, in pieces of 64 KiB from Lua, beside what libcrypto itself needs for the same
-- passes (libcrypto_passes.c): AES-256-CBC, SHA-256 of the file, SHA-256 and HMAC-SHA-256 of the blob. Of a video, which gets a sidecar,
-- that is a pass more on both sides. Prints one JSON object: the two ratios, and CPU seconds per MiB.
-- usage: moonpost run -- spec/bench/cipher.lua
local core = require "moonpost.core"
local json = require "cjson.safe"

local MIB = 32
local piece = ("x"):rep(65536)

local function encrypt(kind)
  local encryptor = core.media.encryptor(("k"):rep(32), kind)
  for _ = 1, MIB * 16 do assert(encryptor:update(piece)) end
  assert(encryptor:finish())
end

local function decrypt(kind)
  local decryptor = assert(core.media.decryptor { type = kind, mediaKey = ("k"):rep(32) })
  for _ = 1, MIB * 16 do assert(decryptor:update(piece)) end
  decryptor:close()
end

local function seconds(work, kind)
  local best = math.huge
  for _ = 1, 5 do
    local began = os.clock()
    work(kind)
    best = math.min(best, os.clock() - began)
  end
  return best / MIB
end

local function libcrypto()
  local pipe = assert(io.popen "build/libcrypto_passes")
  local alone = assert(json.decode(pipe:read "a"))
  assert(pipe:close())
  return alone
end

-- Both in turns, so that the machine's other work meets both.
local plain, streamed, document, video, opened = math.huge, math.huge, math.huge, math.huge, math.huge
for _ = 1, 3 do
  local alone = libcrypto()
  plain, streamed = math.min(plain, alone.plain), math.min(streamed, alone.streamed)
  document, video = math.min(document, seconds(encrypt, "document")), math.min(video, seconds(encrypt, "video"))
  opened = math.min(opened, seconds(decrypt, "document"))
end
print(json.encode { ratio = document / plain, streamed = video / streamed, encrypt = document, encrypt_video = video, decrypt = opened })
