-- What a client remembers of many contacts does not grow without end.
local new_memory = require "moonpost.client.memory"

describe("a client's memory", function()
  it("holds what was put last under each name", function()
    local memory = new_memory(2)
    memory:put("a", 1)
    memory:put("b", 2)
    memory:put("a", 3)
    assert.same({ 3, 2, nil }, { memory:get "a", memory:get "b", memory:get "c" })
  end)

  it("begins anew with one name too many", function()
    local memory = new_memory(2)
    for i = 1, 5 do memory:put("n" .. i, i) end
    assert.same({ 5, 1 }, { memory:get "n5", memory.count })
    assert.is_nil(memory:get "n4")
  end)
end)
