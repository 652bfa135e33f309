-- How the core is linked: whose Curve25519 libsignal calls, and whose protobuf-c we call, in the module for stock Lua and in the program.
local crypto = require("moonpost.core").crypto
local process = require "spec.process"
local support = require "spec.support"

--- Runs a script in a Lua of its own; returns all it printed.
local function run(how, script)
  local path = support.tmpdir() .. "/script.lua"
  local file = assert(io.open(path, "w"))
  assert(file:write(script))
  file:close()
  local pipe = assert(io.popen(("%s '%s' 2>&1"):format(how, path)))
  local text = pipe:read "a"
  pipe:close()
  return text
end

local stock = "LUA_CPATH='build/lua/?.so;;' lua5.4"
local ways = { ["the module in stock Lua"] = stock, ["the program"] = process.moonpost .. " run --" }

-- What a module that loaded libsignal for itself has done before us.
local LOAD_FIRST = 'assert(package.loadlib("libsignal-protocol-c.so", "*"))\n'

describe("libsignal's curve calls", function()
  it("reach our implementation here", function()
    assert.is_true(crypto.curve_override())
    assert.is_true(crypto.curve_override())
  end)

  for name, how in pairs(ways) do
    it("reach it in " .. name, function()
      assert.equal("true\n", run(how, 'print(require("moonpost.core").crypto.curve_override())'))
    end)
  end

  it("are seen not to reach it when another module has loaded libsignal first", function()
    assert.equal("false\n", run(stock, LOAD_FIRST .. 'print(require("moonpost.core").crypto.curve_override())'))
  end)

  it("are complained of once then, and work all the same", function()
    local text = run(stock, LOAD_FIRST .. [[
      local core, moonpost = require "moonpost.core", require "moonpost"
      for _ = 1, 2 do assert(moonpost.client { store_handle = assert(core.store.open {}) }):close() end
      local pair = core.crypto.keypair()
      assert(core.crypto.verify(pair:public(), "words", pair:sign "words"))
      print "done"]])
    local warning = "moonpost: another module loaded libsignal-protocol-c first, so its slow Curve25519 is used; load moonpost before it\n"
    assert.equal(warning .. "done\n", text)
  end)

  it("are not complained of otherwise", function()
    assert.equal("", run(stock, [[
      local core, moonpost = require "moonpost.core", require "moonpost"
      assert(moonpost.client { store_handle = assert(core.store.open {}) }):close()]]))
  end)
end)

describe("our protobuf-c calls", function()
  for name, how in pairs(ways) do
    it("go to Debian's library, not to the old one inside libsignal, in " .. name, function()
      local text = run("LD_BIND_NOW=1 LD_DEBUG=bindings " .. how, 'require "moonpost.core"')
      local seen = 0
      for from, to in text:gmatch "binding file (%S+) %[0%] to (%S+) %[0%]: normal symbol `protobuf_c_[%w_]+'" do
        if from:find "moonpost" then
          seen = seen + 1
          assert.matches("libprotobuf%-c%.so", to)
        end
      end
      assert.is_true(seen > 0)
    end)
  end
end)
