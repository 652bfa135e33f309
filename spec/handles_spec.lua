--- Every userdata the core hands out can be closed, is closed when it is collected, and says what it is.
local core = require "moonpost.core"

-- Types of handles by name, as the core registers them.
local function types()
  assert(core.crypto.keypair()) -- its type is made with the first of them
  local found = {}
  for name, meta in pairs(debug.getregistry()) do
    if type(name) == "string" and name:find "^moonpost%." and name ~= "moonpost.error" then found[name] = meta end
  end
  return found
end

describe("every userdata of the core", function()
  it("has __gc, __close and __tostring, methods, and a metatable nobody can change", function()
    local count = 0
    for name, meta in pairs(types()) do
      for _, event in ipairs { "__gc", "__close", "__tostring" } do assert.equal("function", type(meta[event]), name .. event) end
      assert.is_not_nil(meta.__index, name)
      assert.equal(name, meta.__metatable)
      assert.equal(name, meta.__name)
      count = count + 1
    end
    assert.is_true(count >= 10)
  end)

  it("refuses another type in its place", function()
    local store <close> = assert(core.store.open {})
    for name, meta in pairs(types()) do
      for method, fn in pairs(type(meta.__index) == "table" and meta.__index or {}) do
        local other = name == "moonpost.store" and core.crypto.keypair() or store
        for _, wrong in ipairs { other, {}, "text", 7 } do
          local ok, err = pcall(fn, wrong)
          assert.is_false(ok, name .. ":" .. method)
          assert.matches("bad argument #%d to .* expected", tostring(err), name .. ":" .. method)
        end
      end
    end
  end)
end)
