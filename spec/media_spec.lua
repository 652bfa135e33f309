-- Files go up to the media host and come down from it as they were, whatever their size and wherever they come from and go.
local core = require "moonpost.core"
local limits = require "moonpost.client.limits"
local start = require("spec.rig").start
local support = require "spec.support"
local task = require "moonpost.task"

local function write(path, bytes)
  local file <close> = assert(io.open(path, "wb"))
  assert(file:write(bytes))
end

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

-- What is downloaded, as a string.
local function download(contact, reference, type, options)
  local pieces = {}
  local ok, err = contact.client.media:download(reference, type, function(piece) pieces[#pieces + 1] = piece end, options)
  if not ok then return nil, err end
  return table.concat(pieces)
end

-- Bytes that look like no other file's, so many.
local function bytes_of(size)
  local block = core.crypto.random(math.min(size, 4096))
  return block:rep(size // math.max(1, #block) + 1):sub(1, size)
end

local function files_of(folder)
  local list = io.popen(("ls -A '%s'"):format(folder))
  local names = list:read "a"
  list:close()
  return names
end

describe("a file", function()
  it("of any size comes down as it went up", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    for _, size in ipairs { 0, 1, 15, 16, 17, 65535, 65536, 65537 } do
      local bytes = bytes_of(size)
      local reference = assert(ana.client.media:upload({ bytes = bytes }, "document"))
      assert.equal(size, reference.fileLength)
      assert.equal(core.crypto.sha256(bytes), reference.fileSha256)
      assert.equal(32, #reference.mediaKey)
      assert.is_true(math.abs(reference.mediaKeyTimestamp - os.time()) < 600)
      assert.equal(bytes, assert(download(ben, reference, "document")))
    end
  end))

  -- How each of so many transfers as there may be at a time starts another one and waits for it.
  local within = {
    sink = function(client, reference, inner) return client.media:download(reference, "document", inner) end,
    reader = function(client, _, inner) return client.media:upload({ reader = inner }, "document") end,
    progress = function(client, reference, inner)
      return client.media:download(reference, "document", function() end, { progress = function() return inner() == nil end })
    end,
  }
  for what, transfer in pairs(within) do
    it(("can be had inside another one's %s, however many are under way"):format(what), support.async(function()
      local rig <close> = start()
      local ana = rig:contact "Ana"
      local reference = assert(ana.client.media:upload({ bytes = bytes_of(1000) }, "document"))
      local all, begun, had, done = task.queue(), 0, 0, {}
      for i = 1, limits.DOWNLOADS do
        local first = true
        done[i] = task.spawn(transfer, ana.client, reference, function()
          if not first then return nil end
          first, begun = false, begun + 1
          if begun == limits.DOWNLOADS then all:close() end
          all:pop()
          if #assert(download(ana, reference, "document")) == 1000 then had = had + 1 end
        end)
      end
      for _, one in ipairs(done) do assert(one:join()) end
      assert.equal(limits.DOWNLOADS, had)
    end))
  end

  it("of 20 MB comes down as it went up, from a file into a file", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local folder, bytes = support.tmpdir(), bytes_of(20 * 1000 * 1000)
    write(folder .. "/up", bytes)
    local reference = assert(ana.client.media:upload({ file = folder .. "/up" }, "document"))
    assert.equal(folder .. "/down", assert(ben.client.media:save(reference, "document", folder .. "/down")))
    assert.is_true(read(folder .. "/down") == bytes)
    assert.equal("down\nup\n", files_of(folder))
  end))

  it("goes up from a function that waits, piece by piece", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local pieces, n = { "one, ", "", "two, ", "three" }, 0
    local reference = assert(ana.client.media:upload({ reader = function()
      task.sleep(0)
      n = n + 1
      return pieces[n]
    end }, "audio"))
    assert.equal("one, two, three", assert(download(ana, reference, "audio")))
    assert.equal(10, #reference.streamingSidecar)
  end))

  it("of each type goes up under a key of its own, and down by its own type alone", support.async(function()
    local rig <close> = start()
    local ana, seen = rig:contact "Ana", {}
    for _, type in ipairs { "image", "sticker", "video", "audio", "document", "md-app-state", "md-msg-hist", "thumbnail-link",
      "sticker-pack", "thumbnail-sticker-pack" } do
      local reference = assert(ana.client.media:upload({ bytes = "of type " .. type }, type))
      assert.is_nil(seen[reference.mediaKey])
      seen[reference.mediaKey] = true
      assert.equal("of type " .. type, assert(download(ana, reference, type)))
    end
    local reference = assert(ana.client.media:upload({ bytes = "a picture" }, "image"))
    local _, err = download(ana, reference, "video")
    assert.equal("media-mac", err.code)
  end))

  it("for a newsletter goes up as it is, with a handle", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local reference = assert(ana.client.media:upload({ bytes = "everybody may read this" }, "newsletter-image"))
    assert.is_nil(reference.mediaKey)
    assert.is_nil(reference.fileEncSha256)
    assert.is_string(reference.handle)
    assert.equal("everybody may read this", assert(download(ana, reference, "newsletter-image")))
  end))

  it("shares the key of another when it is told to", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local first = assert(ana.client.media:upload({ bytes = "a pack" }, "sticker-pack"))
    local second = assert(ana.client.media:upload({ bytes = "its picture" }, "thumbnail-sticker-pack", { mediaKey = first.mediaKey }))
    assert.equal(first.mediaKey, second.mediaKey)
    assert.equal("its picture", assert(download(ana, second, "thumbnail-sticker-pack")))
  end))
end)
