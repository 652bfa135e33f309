-- Whose a store is: of one server, and of one client of this process at a time.
local core = require "moonpost.core"
local moonpost = require "moonpost"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"

local function folder() return support.tmpdir() .. "/state" end

-- A store linked at a sandbox that is gone.
local function linked_store()
  local store = folder()
  local rig <close> = start()
  return store, rig:contact("Ana", { store = store }).client.me
end

describe("a store that is linked at one server", function()
  it("is not used at another, which would have its keys thrown away", support.async(function()
    local store, me = linked_store()
    local rig <close> = start()
    local client, err = moonpost.client { store = store, url = rig.sandbox.url, root = rig.sandbox.root }
    assert.is_nil(client)
    assert.equal("other-server", err.code)
    assert.equal("this store is linked to another server (a sandbox), not to this one (a sandbox): use another store; " ..
      "a sandbox without --world is another server each time it starts", err.message)
    local again <close> = assert(core.store.open { path = store })
    assert.is_true(core.signal.account(again, ""):exists())
    local row = assert(core.proto.decode("StoreMe", again:get("setting", "me")))
    assert.equal(me.jid, row.jid)
  end))

  it("is not used at the service when that is a sandbox, nor the other way round", support.async(function()
    local store = linked_store()
    local _, err = moonpost.client { store = store }
    assert.equal("other-server", err.code)
    assert.matches("%(a sandbox%), not to this one %(the service%)", err.message)
    local handle <close> = assert(core.store.open { path = store })
    local row = assert(core.proto.decode("StoreMe", handle:get("setting", "me")))
    row.root = core.noise.ROOT
    handle:put("setting", "me", assert(core.proto.encode("StoreMe", row)))
    assert(handle:commit())
    local rig <close> = start()
    _, err = moonpost.client { store_handle = handle, url = rig.sandbox.url, root = rig.sandbox.root }
    assert.equal("other-server", err.code)
    assert.equal("this store is linked to another server (the service), not to this one (a sandbox): use another store", err.message)
  end))

  it("of an earlier version belongs to the server that takes its next login", support.async(function()
    local rig <close> = start()
    local handle = assert(core.store.open {})
    local ana = rig:contact("Ana", { store_handle = handle })
    ana.client:close()
    local row = assert(core.proto.decode("StoreMe", handle:get("setting", "me")))
    row.root = nil
    handle:put("setting", "me", assert(core.proto.encode("StoreMe", row)))
    assert(handle:commit())
    local again = tap.client(rig, { store_handle = handle })
    assert(again:connect())
    assert.equal(rig.sandbox.root, core.proto.decode("StoreMe", handle:get("setting", "me")).root)
  end))
end)

describe("a store that a client uses", function()
  it("is refused to a second one, however its folder is named, until the first is closed", support.async(function()
    local store = folder()
    local first = assert(moonpost.client { store = store })
    local second, err = moonpost.client { store = store .. "/../state" }
    assert.is_nil(second)
    assert.equal("busy", err.code)
    assert.matches("^the account default of the store .* is used by another client of this process$", err.message)
    first:close()
    second = assert(moonpost.client { store = store })
    second:close()
  end))

  it("is free again when it was closed under its client", support.async(function()
    local store = folder()
    local handle = assert(core.store.open { path = store })
    assert(moonpost.client { store_handle = handle })
    handle:close()
    assert(moonpost.client { store = store }):close()
  end))
end)

describe("who a device is", function()
  it("is told to handlers and to who pairs it, without its secrets", support.async(function()
    local rig <close> = start()
    local client = tap.client(rig)
    local online = tap.event(client, "online")
    local me = assert(client:pair(tap.scanner(rig)))
    assert.same({ jid = client.me.jid, lid = client.me.lid, device = client.me.device, name = "Ana" }, me)
    assert(client:connect())
    assert.same(me, online:pop(30))
  end))
end)

describe("a push name", function()
  it("is UTF-8, one line, and of 1 to 100 characters, or an error at the caller's line", function()
    for _, one in ipairs {
      { "a\xffb", "must be UTF%-8" }, { "a\nb", "must be one line" }, { "a\u{2028}b", "must be one line" },
      { "", "must have 1 to 100 characters, got 0" }, { ("\u{e9}"):rep(101), "must have 1 to 100 characters, got 101" },
    } do
      for who, make in pairs { client = moonpost.client, bot = moonpost.bot } do
        local ok, err = pcall(function() make { store = "never-made", name = one[1] } end)
        assert.is_false(ok)
        assert.matches(("tenancy_spec.lua:%%d+: moonpost.%s: option 'name' %s"):format(who, one[2]), err)
      end
    end
  end)
end)
