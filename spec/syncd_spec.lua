-- App-state cryptography: the vectors of fact sheet 06 §16.
local core = require "moonpost.core"
local crypto, proto, syncd = core.crypto, core.proto, core.syncd
local unhex, hex = crypto.unhex, crypto.hex

local KEY_ID = assert(unhex "000000004e21")
local KEY = assert(unhex "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")
local MUTE = '["mute","15551234567@s.whatsapp.net"]'

-- An iv of 16 bytes counted up from `first`.
local function iv(first)
  local bytes = {}
  for i = 0, 15 do bytes[#bytes + 1] = string.char(first + i) end
  return table.concat(bytes)
end

local function mute(timestamp, action)
  return assert(proto.encode("SyncActionData", {
    index = MUTE, padding = "", version = 2, value = { timestamp = timestamp, muteAction = action },
  }))
end

describe("app-state cryptography", function()
  local keys
  before_each(function() keys = syncd.keys(KEY) end)

  it("seals a record as the vector says", function()
    local plaintext = mute(1700000000000, { muted = true, muteEndTimestamp = -1 })
    local blob = assert(keys:seal("set", KEY_ID, plaintext, iv(0)))
    assert.equal("000102030405060708090a0b0c0d0e0f1c2dbf98f6838b4c91b920424f4da27d6bc6ec111cf83a0d0456395d9aca99cff744958db80e45d248b7"
      .. "b0d6918786be5322e225c8f9c754ab10ee42c43196a53c1e840f085ec0640169234df481b8fe"
      .. "1e324257c93ca6f3c1ff9d3efd37f7376a9f33bf3a047b85b3f08b614bc6bb62", hex(blob))
    assert.equal("0ed371ee7714de9bdbd4ae9f53c2f15ea28fad77d61b078823f5e2b628b068f0", hex(keys:index_mac(MUTE)))
  end)

  it("marks a removal in the value's MAC", function()
    local blob = assert(keys:seal("remove", KEY_ID, mute(1700000002000, {}), iv(0x20)))
    assert.equal("ea62fb2ba9145e205e04f5de40c37ae79f3931d8fc3584230bd927f13036c328", hex(blob:sub(-32)))
  end)

  it("opens what was sealed, and nothing that was changed, is for another operation, or under another key", function()
    local plaintext = mute(1700000000000, { muted = true, muteEndTimestamp = -1 })
    local blob = assert(keys:seal("set", KEY_ID, plaintext))
    assert.same({ plaintext, blob:sub(-32) }, { keys:open("set", KEY_ID, blob) })
    local others = {
      { keys, "remove", KEY_ID, blob }, { keys, "set", "000000", blob }, { syncd.keys(("k"):rep(32)), "set", KEY_ID, blob },
    }
    for _, at in ipairs { 1, 17, #blob - 32, #blob } do
      others[#others + 1] = { keys, "set", KEY_ID, blob:sub(1, at - 1) .. string.char(blob:byte(at) ~ 1) .. blob:sub(at + 1) }
    end
    for i, other in ipairs(others) do
      local opened, err = other[1].open(table.unpack(other))
      assert.same({ i, nil, "crypto" }, { i, opened, err.code })
    end
    for length = 0, 63 do
      local _, err = keys:open("set", KEY_ID, blob:sub(1, length))
      assert.equal("malformed", err.code)
    end
  end)

  it("sums value MACs, and takes them out again", function()
    local first = assert(unhex "1e324257c93ca6f3c1ff9d3efd37f7376a9f33bf3a047b85b3f08b614bc6bb62")
    local second = assert(unhex "5c89787e17b408103527d5bf257bc436754f76dcb101343277833fa57f2217f5")
    local one = syncd.add(syncd.EMPTY, first)
    assert.equal("db6afd47004199a92e340aa1c3b921db", hex(one:sub(1, 16)))
    local two = syncd.add(syncd.subtract(one, first), second)
    assert.equal("959c82fd3a668b57bae966ea8055e759", hex(two:sub(1, 16)))
    assert.equal("250d698f77527de6e1f364be1f2f2d66bd014cf6f917e1c7577e6b80bdbb9f17", hex(two:sub(-32)))
    assert.equal(syncd.EMPTY, syncd.subtract(two, second))
    assert.equal(syncd.subtract(syncd.add(one, second), first), syncd.add(syncd.subtract(one, first), second))
  end)

  it("vouches for a collection and for the patch that led there", function()
    local mac = assert(unhex "1e324257c93ca6f3c1ff9d3efd37f7376a9f33bf3a047b85b3f08b614bc6bb62")
    local snapshot = keys:snapshot_mac(syncd.add(syncd.EMPTY, mac), 1, "regular_high")
    assert.equal("8fe9fc937f14b5cd05e55cf828cd2d029a313a8f9fbf47d96a93926b126e2740", hex(snapshot))
    assert.equal("dc36b504ecaf480752641767b07de5d4856f8121cf3a1b45ae4d9960438e35e9", hex(keys:patch_mac(snapshot, mac, 1, "regular_high")))
  end)

  it("takes a fresh iv for each record when none is given", function()
    assert.not_equal(keys:seal("set", KEY_ID, "x"), keys:seal("set", KEY_ID, "x"))
  end)

  it("refuses keys, hashes and MACs of a wrong size, and use after the close", function()
    assert.error_matches(function() syncd.keys "short" end, "an app%-state key of 32 bytes expected, got 5")
    assert.error_matches(function() syncd.add("", ("x"):rep(32)) end, "a hash of 128 bytes expected, got 0")
    assert.error_matches(function() keys:snapshot_mac(syncd.EMPTY, -1, "regular") end, "a version of 0 or more expected")
    assert.error_matches(function() keys:patch_mac(("x"):rep(32), "abc", 1, "regular") end, "MACs of 32 bytes each expected")
    local _, err = keys:seal("set", ("i"):rep(65), "x")
    assert.equal("invalid", err.code)
    keys:close()
    assert.error_matches(function() keys:index_mac "x" end, "the app%-state keys are closed")
  end)
end)
