-- Bad bytes at the binary codec, compressed ones too (fact sheet 01 §4.1, §4.6, §4.7). On a connection: spec/hostile_spec.lua.
local core = require "moonpost.core"
local stanzas = require "spec.stanzas"
local wire = core.wire
local hex, node, refused = stanzas.hex, stanzas.node, stanzas.refused

describe("the decoder, given bad bytes,", function()
  local bad = {
    { "nothing", "", "truncated" }, { "only a flag", "00", "truncated" }, { "a list of size 0", "00f800", "malformed" },
    { "an empty list as a node", "0000", "malformed" }, { "an empty node", "000000", "malformed" },
    { "a token as a node", "001919", "malformed" }, { "a JID as tag", "00f801fa0003", "malformed" },
    { "an unknown JID as tag", "00f801fafc0161fc0162", "malformed" }, { "no tag", "00f80100", "malformed" },
    { "an empty tag", "00f801fc00", "malformed" }, { "an empty packed tag", "00f801ff00", "malformed" },
    { "a list as tag", "00f801f80119", "malformed" }, { "a tag that is not UTF-8", "00f801fc01ff", "malformed" },
    { "an attribute without name", "00f803190055", "malformed" }, { "an attribute with an empty name", "00f80319fc0055", "malformed" },
    { "a JID as an attribute's name", "00f80319fa000355", "malformed" },
    { "a list as an attribute", "00f8031904f80119", "malformed" }, { "an empty list as an attribute", "00f8031904f800", "malformed" },
    { "an attribute that is not UTF-8", "00f8031904fc02c328", "malformed" },
    { "an attribute's name that is not UTF-8", "00f80319fc01c355", "malformed" },
    { "bytes behind the stanza", "00f8011900ff", "malformed" }, { "an unassigned tag", "00f801f0", "malformed" },
    { "an unknown domain", "00f803110cf70205ff8615551234567f", "malformed" }, { "an invalid nibble", "00f803110cff01c0", "malformed" },
    { "a pad inside", "00f803110cff02f11f", "malformed" }, { "an odd string of no bytes", "00f803110cff80", "malformed" },
    { "more attributes than bytes", "00f9ffff190455", "malformed" }, { "more children than bytes", "00f80219f9ffff", "malformed" },
    { "a length beyond the data", "00f80219feffffffff", "truncated" }, { "a child that is no node", "00f80219f80119", "malformed" },
    { "a damaged zlib stream", "02789cfbc1e923", "malformed" }, { "no zlib stream", "0200f80119", "malformed" },
  }
  for _, row in ipairs(bad) do
    it("refuses " .. row[1], function() refused(row[3], wire.decode(hex(row[2]))) end)
  end

  it("says at which byte", function()
    local _, err = wire.decode(hex "00f801f0")
    assert.equal("an unassigned tag at byte 3", err.message)
  end)

  it("sees every truncation", function()
    for _, row in ipairs(stanzas.list) do
      local bytes = hex(row[3])
      for length = 0, math.min(#bytes - 1, 300) do
        local tree, err = wire.decode(bytes:sub(1, length))
        assert.is_nil(tree)
        assert.truthy(err.code == "truncated" or err.code == "malformed", err.code)
      end
    end
  end)

  it("survives every changed byte, and what it takes it can write again", function()
    for _, row in ipairs(stanzas.list) do
      local bytes = hex(row[3])
      for at = 1, math.min(#bytes, 100) do
        for _, mask in ipairs { 0x01, 0x80, 0xff } do
          local tree = wire.decode(bytes:sub(1, at - 1) .. string.char(bytes:byte(at) ~ mask) .. bytes:sub(at + 1))
          if tree then assert.same(tree, assert(wire.decode(wire.encode(tree)))) end
        end
      end
    end
  end)

  it("reads nodes 128 deep and no deeper", function()
    local function deep(levels) return "\0" .. ("\xf8\2\x19\xf8\1"):rep(levels - 1) .. "\xf8\1\x19" end
    local tree = assert(wire.decode(deep(128)))
    assert.equal(deep(128), wire.encode(tree))
    refused("limit", wire.decode(deep(129)))
    refused("limit", wire.decode(deep(100000)))
    assert.has_error(function() wire.encode(node("iq", nil, { tree })) end)
  end)

  it("makes no room for announced nodes that cannot come", function()
    -- each level announces all that the rest could hold
    local bytes = "\0" .. ("\xf8\2\x19\xf9\xff\xff"):rep(120) .. ("\xf8\1\x19"):rep(70000)
    collectgarbage()
    collectgarbage "stop"
    local before = collectgarbage "count"
    local tree, err = wire.decode(bytes)
    local used = collectgarbage "count" - before
    collectgarbage "restart"
    refused("malformed", tree, err)
    assert.truthy(used < 6 * #bytes / 1024, ("%.0f KiB"):format(used))
  end)

  it("reads 200,000 nodes at most", function()
    local function list(count) return "\xf9" .. (">I2"):pack(count) .. ("\xf8\1\x19"):rep(count) end
    local function tree(count) return "\0\xf8\2\x19\xf8\4" .. ("\xf8\2\x19" .. list(count)):rep(4) end
    assert.equal(4, #assert(wire.decode(tree(49998))).content)
    refused("limit", wire.decode(tree(50000)))
  end)
end)

describe("compressed stanzas", function()
  it("are read by their flag, whatever its other bits", function()
    local zipped = hex "789cfbc1e923f59f559c818181a1ec3b23fbff0e0106064665d7f47edb3fcc6945c931ef5800b0260ab3"
    for _, flag in ipairs { 2, 3, 0x82, 0xff } do
      local tree = assert(wire.decode(string.char(flag) .. zipped))
      assert.equal("success", tree.tag)
      assert.equal("100000012345678:7@lid", tree.attrs.lid)
    end
    for _, flag in ipairs { 1, 4, 0xf8 } do assert.equal("iq", wire.decode(string.char(flag) .. hex "f80119").tag) end
  end)

  it("may have bytes behind them", function()
    assert.equal("iq", wire.decode("\2" .. wire.deflate(hex "f80119") .. "more").tag)
  end)

  it("stop at 16 MiB", function()
    -- one literal zero, then matches of 258 bytes at distance 1, in the fixed code
    local bits = { "1", "10", "00110000" }
    for i = 1, 16 * 1024 * 1024 // 258 + 100 do bits[3 + i] = "1100010100000" end
    local text, out = table.concat(bits), {}
    for at = 1, #text - 7, 8 do out[#out + 1] = string.char(tonumber(text:sub(at, at + 7):reverse(), 2)) end
    local bomb = "\2\x78\x01" .. table.concat(out)
    assert.truthy(#bomb < 110000)
    refused("limit", wire.decode(bomb))
    refused("limit", wire.inflate(bomb:sub(2)))
  end)

  it("come from deflate", function()
    for _, text in ipairs { "", "a", ("ab"):rep(100000) } do assert.equal(text, wire.inflate(wire.deflate(text))) end
    assert.truthy(#wire.deflate(("ab"):rep(100000)) < 1000)
    refused("malformed", wire.inflate "")
    refused("malformed", wire.inflate(wire.deflate("some text"):sub(1, -2)))
  end)
end)
