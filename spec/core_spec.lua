-- What every room of the core shares: errors as values, and the rooms themselves.
local core = require "moonpost.core"

describe("an error", function()
  it("has a code, a sentence and a readable text", function()
    local err = core.error("busy", "store is in use by process 7")
    assert.equal("busy", err.code)
    assert.equal("store is in use by process 7", err.message)
    assert.equal("store is in use by process 7", tostring(err))
  end)

  it("is of the same kind, wherever it comes from", function()
    local _, err = core.wire.decode ""
    assert.equal(debug.getmetatable(core.error("a", "b")), debug.getmetatable(err))
    assert.equal("truncated", err.code)
    assert.equal("a stanza of 0 bytes", tostring(err))
  end)

  it("can be raised and caught as it is", function()
    local ok, caught = pcall(error, core.error("limit", "too much"))
    assert.is_false(ok)
    assert.equal("limit", caught.code)
  end)

  it("is not made without both", function()
    assert.error_matches(function() core.error() end, "bad argument #1 to 'error' %(string expected, got no value%)")
    assert.error_matches(function() core.error "busy" end, "bad argument #2 to 'error' %(string expected, got no value%)")
    assert.error_matches(function() core.error({}, "x") end, "bad argument #1 to 'error' %(string expected, got table%)")
  end)
end)

describe("the core", function()
  it("has its rooms and a version", function()
    for _, room in ipairs { "wire", "proto", "crypto", "noise", "store", "signal", "net", "qr" } do assert.is_table(core[room], room) end
    assert.matches("^%d+%.%d+%.%d+$", core.version)
  end)

  it("hides the metatables of what it makes", function()
    for _, made in ipairs { core.crypto.keypair(), core.wire.frames { role = "client" } } do
      assert.is_string(getmetatable(made))
      assert.error(function() setmetatable(made, {}) end)
    end
  end)
end)
