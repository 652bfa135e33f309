-- The dictionary of the binary codec (fact sheet 01 §4.2).
local core = require "moonpost.core"
local stanzas = require "spec.stanzas"
local wire, crypto = core.wire, core.crypto
local node = stanzas.node

describe("the tokens", function()
  local rows = {}
  for line in io.lines "core/wire/tokens.tsv" do
    local page, index, token = line:match "^(%w+)\t(%d+)\t[J-]\t(.+)$"
    if page then rows[#rows + 1] = { page = page, index = tonumber(index), token = token } end
  end

  it("are the dictionary of version 3, all 1,259 of them", function()
    local text = {}
    for i, row in ipairs(rows) do text[i] = ("%s\t%d\t%s\n"):format(row.page, row.index, row.token) end
    assert.equal(235 + 4 * 256, #rows)
    -- of page, index and token of every row of the fact sheets' data/tokens.tsv
    assert.equal("9497555295829f7494fdf6259162e5c2699f0bc578cdaae69db67455ec854bee", crypto.hex(crypto.sha256(table.concat(text))))
  end)

  it("stand where the sheet has them", function()
    local at = {}
    for _, row in ipairs(rows) do at[row.token] = row.page .. " " .. row.index end
    assert.equal("single 1", at["xmlstreamstart"])
    assert.equal("single 19", at["message"])
    assert.equal("single 85", at["1"])
    assert.equal("double0 14", at["conflict"])
    assert.equal("double1 1", at["dirty"])
    assert.equal("double2 60", at["failure"])
  end)

  it("all go out as one byte or two and come back", function()
    local first = { double0 = 236, double1 = 237, double2 = 238, double3 = 239 }
    for _, row in ipairs(rows) do
      local expected = row.page == "single" and string.char(row.index) or string.char(first[row.page], row.index)
      assert.equal("\0\xf8\2" .. "\x13" .. expected, wire.encode { tag = "message", text = row.token })
      assert.equal(row.token, wire.decode("\0\xf8\2\x13" .. expected).content)
      assert.equal("\0\xf8\3\x13" .. expected .. "\xfc\1x", wire.encode(node("message", { [row.token] = "x" })))
      assert.equal(row.token, wire.decode("\0\xf8\1" .. expected).tag)
    end
  end)

  it("that are longer than a short string of Lua's are found too", function()
    local longer = 0
    for _, row in ipairs(rows) do
      if #row.token > 40 then
        longer = longer + 1
        local made = row.token:sub(1, 20) .. row.token:sub(21) -- another string object
        assert.equal(6, #wire.encode { tag = "message", text = made })
        assert.equal(row.token, wire.decode(wire.encode(node(made, { [made] = "x" }))).tag)
      end
    end
    assert.equal(5, longer)
  end)
end)

describe("the core, loaded a second time,", function()
  it("leaves the first one's tokens where they are", function()
    local loaded = package.loaded["moonpost.core"]
    package.loaded["moonpost.core"] = nil
    local again = require "moonpost.core"
    package.loaded["moonpost.core"] = loaded
    assert.are_not.equal(wire, again.wire)
    collectgarbage()
    for i = 1, 3000 do assert.equal("\0\xf8\1\x19", wire.encode { tag = "iq", text = nil, attrs = { ["name" .. i] = "" } }) end
    local tree = node("iq", { to = "s.whatsapp.net", type = "get", id = "message" }, { node "participants" })
    assert.equal(wire.encode(tree), again.wire.encode(tree))
    assert.same(tree, again.wire.decode(wire.encode(tree)))
  end)
end)
