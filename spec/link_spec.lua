-- Finding a server by its name, below stanzas and above sockets.
local core = require "moonpost.core"
local start = require("spec.rig").start
local support = require "spec.support"
local task = require "moonpost.task"

local UNKNOWN = ("x"):rep(70) -- longer than a label may be: no resolver asks anybody

local function resolve(host)
  return task.await(function(resume) assert(core.net.resolve(host, resume)) end)
end

describe("a server's name", function()
  it("is looked up off the loop and gives numeric addresses", support.async(function()
    local addresses = assert(resolve "localhost")
    for _, address in ipairs(addresses) do assert.matches("^[%x.:]+$", address) end
    assert.is_true(#addresses > 0)
  end))

  it("that nobody has is an error that tells it", support.async(function()
    local addresses, err = resolve(UNKNOWN)
    assert.is_nil(addresses)
    assert.equal("network", err.code)
    assert.matches("cannot find the address of " .. UNKNOWN .. ": ", tostring(err))
  end))

  it("is connected to, and checked against the certificate, over ws and wss", support.async(function()
    for _, tls in ipairs { false, true } do
      local rig <close> = start { tls = tls }
      local ana = rig:contact("Ana", { url = rig.sandbox.url:gsub("127%.0%.0%.1", "localhost") })
      assert.matches("//localhost:", ana.client.url)
      assert.is_true(ana.client.connection.online)
    end
  end))

  it("that nobody has is why a client cannot be linked", support.async(function()
    local client = assert(require("moonpost").client {
      store_handle = assert(core.store.open {}), url = ("ws://%s/ws/chat"):format(UNKNOWN), root = ("r"):rep(32),
    })
    local me, err = client:pair { qr = print }
    assert.is_nil(me)
    assert.matches("cannot find the address of " .. UNKNOWN, tostring(err))
    client:close()
  end))
end)
