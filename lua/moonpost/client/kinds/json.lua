--- JSON inside messages, which anybody may have written: anything but a table of modest size and depth is nothing.
-- @module moonpost.client.kinds.json
local limits = require "moonpost.client.limits"

local DEPTH = 16

local decoder = require("cjson.safe").new()
decoder.decode_max_depth(DEPTH)

--- The table a text stands for; nil when it is none, or when all texts of a message together are too long.
-- @tparam ?string text
-- @tparam ?table budget {spent = bytes read before}; grows
return function(text, budget)
  if type(text) ~= "string" then return nil end
  budget = budget or { spent = 0 }
  if budget.spent + #text > limits.JSON then return nil end
  budget.spent = budget.spent + #text
  local value = decoder.decode(text)
  return type(value) == "table" and value or nil
end
