--- The newest of something, by name: so many are remembered.
-- @module moonpost.sandbox.recent
local recent = {}

--- @int most how many
function recent.new(most) return { most = most, first = 1, last = 0, names = {}, values = {}, numbers = {} } end

--- Remembers a value under a name, in place of one it has.
function recent.put(self, name, value)
  self.last = self.last + 1
  self.names[self.last], self.numbers[name], self.values[name] = name, self.last, value
  while self.last - self.first >= self.most do
    local oldest = self.names[self.first]
    self.names[self.first] = nil
    if self.numbers[oldest] == self.first then self.numbers[oldest], self.values[oldest] = nil, nil end
    self.first = self.first + 1
  end
end

--- The value of a name, or nil.
function recent.get(self, name) return self.values[name] end

--- What is remembered, the oldest first: for name, value in recent.each(…) do … end
function recent.each(self)
  local number = self.first - 1
  return function()
    repeat
      number = number + 1
      local name = self.names[number]
      if name and self.numbers[name] == number then return name, self.values[name] end
    until number >= self.last
  end
end

return recent
