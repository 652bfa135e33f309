-- Frames as Lua sees them (fact sheet 01 §1.2). Every split and limit: spec/core/frame_test.c.
local core = require "moonpost.core"
local stanzas = require "spec.stanzas"
local wire, crypto = core.wire, core.crypto
local refused = stanzas.refused

describe("frames", function()
  it("come out of any split of the stream", function()
    local stream = wire.header "\8\2\8\12" .. wire.frame "\xaa\xbb" .. wire.frame "\xcc"
    assert.equal("45440001000004" .. "0802080c" .. "57410603" .. "000002aabb" .. "000001cc", crypto.hex(stream))
    for size = 1, #stream do
      local frames, got = wire.frames { role = "server" }, {}
      for at = 1, #stream, size do
        assert.is_true(frames:feed(stream:sub(at, at + size - 1)))
        for frame in function() return frames:next() end do got[#got + 1] = frame end
      end
      assert.same({ "\xaa\xbb", "\xcc" }, got)
      assert.equal("\8\2\8\12", frames:routing_info())
    end
  end)

  it("know no header on a client's side", function()
    local frames = wire.frames { role = "client" }
    frames:feed(wire.frame "answer")
    assert.equal("answer", frames:next())
    assert.is_nil(frames:next())
    assert.is_nil(frames:routing_info())
  end)

  it("refuse what is too large, empty or no such stream", function()
    local frames = wire.frames { role = "server" }
    frames:feed "GET / HTTP/1.1\r\n"
    refused("malformed", frames:next())
    frames = wire.frames { role = "server" }
    frames:feed(wire.header() .. "\xff\xff\xff")
    refused("limit", frames:next())
    frames = wire.frames { role = "client" }
    frames:feed "\0\0\0"
    refused("malformed", frames:next())
    frames = wire.frames { role = "client" }
    refused("limit", frames:feed(("x"):rep(64 * 1024 + 1)))
  end)

  it("may be large once the handshake is done", function()
    local frames = wire.frames { role = "client" }
    local large = ("x"):rep((1 << 24) - 1)
    frames:established()
    frames:feed(wire.frame(large))
    assert.equal(large, frames:next())
    assert.error_matches(function() wire.frame(large .. "x") end, "a frame holds 1 to 16,777,215 bytes")
    assert.error_matches(function() wire.frame "" end, "a frame holds 1 to 16,777,215 bytes")
  end)

  it("say what they are, close, and stay closed", function()
    local kept
    do
      local frames <close> = wire.frames { role = "client" }
      frames:feed "\0\0\1a\0\0"
      frames:next()
      assert.equal("moonpost.wire.frames (2 bytes waiting)", tostring(frames))
      kept = frames
    end
    assert.equal("moonpost.wire.frames (closed)", tostring(kept))
    refused("closed", kept:feed "x")
    refused("closed", kept:next())
    assert.equal("moonpost.wire.frames", getmetatable(kept))
  end)

  it("are collected", function()
    local weak = setmetatable({}, { __mode = "v" })
    weak[1] = wire.frames { role = "client" }
    collectgarbage()
    assert.is_nil(weak[1])
  end)

  it("name the argument that is wrong", function()
    assert.error_matches(function() wire.frames() end, "table expected, got no value")
    assert.error_matches(function() wire.frames {} end, "role: 'client' or 'server' expected")
    assert.error_matches(function() wire.frames { role = "both" } end, "role: 'client' or 'server' expected")
    assert.error_matches(function() wire.frames { role = "client" }:feed() end, "string expected, got no value")
    assert.error_matches(function() wire.frames { role = "client" }.feed("x", "y") end, "moonpost.wire.frames expected, got string")
    assert.error_matches(function() wire.header(("x"):rep(40000)) end, "routing info is too long")
    assert.error_matches(function() wire.decode() end, "string expected, got no value")
    assert.error_matches(function() wire.inflate {} end, "string expected, got table")
    assert.error_matches(function() wire.deflate(nil) end, "string expected, got nil")
  end)
end)
