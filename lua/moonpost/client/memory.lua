--- What this process remembers of many, such as when it last did something for a device: of so many, then it begins anew. For what
-- costs little to do once more.
-- @module moonpost.client.memory
local MOST = 1000

local Memory = {}
Memory.__index = Memory

--- What is remembered of a name, or nil.
function Memory:get(name) return self.values[name] end

--- Remembers a value.
-- @string name
-- @param value
function Memory:put(name, value)
  if self.values[name] == nil then
    if self.count >= self.most then self.values, self.count = {}, 0 end
    self.count = self.count + 1
  end
  self.values[name] = value
end

--- @tparam ?int most names (1000)
return function(most) return setmetatable({ most = most or MOST, values = {}, count = 0 }, Memory) end
