-- Hostile bytes on a connection that is logged in, both ways (fact sheet 01 §2.6, §4.7): the connection ends, nothing else is lost.
local core = require "moonpost.core"
local stanza = require "moonpost.stanza"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"
local wire = core.wire

local function deep(levels) return "\0" .. ("\xf8\2\x19\xf8\1"):rep(levels - 1) .. "\xf8\1\x19" end

--- Zeros without end in a few bytes: a fixed-code block of matches of 258 bytes.
local function bomb()
  local bits, out = { "1", "10", "00110000" }, {}
  for i = 1, 16 * 1024 * 1024 // 258 + 100 do bits[3 + i] = "1100010100000" end
  local text = table.concat(bits)
  for at = 1, #text - 7, 8 do out[#out + 1] = string.char(tonumber(text:sub(at, at + 7):reverse(), 2)) end
  return "\2\x78\x01" .. table.concat(out)
end

-- What stands inside a frame that decrypts.
local stanzas = {
  ["garbage"] = "\0" .. ("\xaa\x55"):rep(50),
  ["nothing but a flag"] = "\0",
  ["a truncated stanza"] = wire.encode(stanza.node("iq", { type = "get", id = "1" })):sub(1, -2),
  ["bytes behind a stanza"] = wire.encode(stanza.node("iq", { type = "get", id = "1" })) .. "\0",
  ["nodes nested too deeply"] = deep(129),
  ["more children than bytes"] = "\0\xf8\2\x19\xf9\xff\xff",
  ["a length beyond the frame"] = "\0\xf8\2\x19\xfe\xff\xff\xff\xff",
  ["JIDs within JIDs"] = "\0\xf8\3\x19\4" .. ("\xfa"):rep(5000),
  ["an invalid nibble"] = "\0\xf8\3\x19\4\xff\1\xc0",
  ["text that is not UTF-8"] = "\0\xf8\3\x19\4\xfc\2\xc3\x28",
  ["a zlib bomb"] = bomb(),
}

-- What stands in the stream, by the transport that should have sealed it.
local frames = {
  ["a frame that does not decrypt"] = function() return wire.frame(("x"):rep(100)) end,
  ["a frame shorter than its tag"] = function() return wire.frame "short" end,
  ["an empty frame"] = function() return "\0\0\0" end,
  ["a frame twice"] = function(transport)
    local frame = wire.frame(transport:encrypt(wire.encode(stanza.node("presence", { type = "unavailable" }))))
    return frame .. frame
  end,
  ["a frame out of its turn"] = function(transport)
    transport:encrypt "lost"
    return wire.frame(transport:encrypt(wire.encode(stanza.node("presence", { type = "unavailable" }))))
  end,
}

-- The code a client ends its connection with, where it is not "malformed".
local codes = {
  ["nothing but a flag"] = "truncated", ["a length beyond the frame"] = "truncated", ["nodes nested too deeply"] = "limit",
  ["a zlib bomb"] = "limit", ["a frame that does not decrypt"] = "crypto", ["a frame shorter than its tag"] = "crypto",
  ["a frame twice"] = "crypto", ["a frame out of its turn"] = "crypto",
}

--- Has fn(name, value, ana) do its worst with each of a list, and sees that Ana's connection ends with an error, is made again, and that
-- a message each way still arrives.
local function each(list, fn, seen)
  local rig <close> = start()
  local ana, ben = rig:contact "Ana", rig:contact "Ben"
  ana.client.connection.pace = { stable = 30, first_pause = 0.01, longest_pause = 0.05 }
  local online, offline = tap.event(ana.client, "online"), tap.event(ana.client, "offline")
  local device = tap.device(rig, ana.client)
  local errors = rig:record("to-client", function(node) return node.tag == "stream:error" end)
  for name, value in pairs(list) do
    fn(value, ana.client.connection.link, device.connection)
    local err = assert(offline:pop(30), name .. ": the connection has not ended")
    assert(online:pop(30), name .. ": not online again")
    seen(name, err, table.remove(errors))
    assert(ben.client:send(ana.lid, name))
    assert.equal(name, ana:next().text)
    assert(ana.client:send(ben.lid, "still here"))
    assert.equal("still here", ben:next().text)
  end
end

describe("the server", function()
  it("says that a stanza is not well-formed, and hangs up", support.async(function()
    each(stanzas, function(bytes, link) assert(link:send_encoded(bytes)) end, function(name, _, err)
      assert.truthy(err, name)
      assert.equal("xml-not-well-formed", err.content[1].tag)
    end)
  end))

  it("hangs up on frames that are not the client's", support.async(function()
    each(frames, function(make, link) assert(link.conn:send(make(link.transport))) end, function(name, _, err)
      assert.truthy(err, name)
    end)
  end))
end)

describe("the client", function()
  it("hangs up on a stanza it cannot read, says why, and comes back", support.async(function()
    each(stanzas, function(bytes, _, conn) assert(conn.conn:send(wire.frame(conn.transport:encrypt(bytes)))) end, function(name, err)
      assert.equal(codes[name] or "malformed", err.code, name .. ": " .. tostring(err))
    end)
  end))

  it("hangs up on frames that are not the server's, says why, and comes back", support.async(function()
    each(frames, function(make, _, conn) assert(conn.conn:send(make(conn.transport))) end, function(name, err)
      assert.equal(codes[name] or "malformed", err.code, name .. ": " .. tostring(err))
    end)
  end))
end)
