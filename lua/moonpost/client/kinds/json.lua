--- JSON inside messages, which anybody may have written: anything but a table of modest size and depth is nothing.
-- @module moonpost.client.kinds.json
local limits = require "moonpost.client.limits"

local DEPTH = 16

local decoder = require("cjson.safe").new()
decoder.decode_max_depth(DEPTH)

--- The table a text stands for; nil when it is none.
return function(text)
  if type(text) ~= "string" or #text > limits.JSON then return nil end
  local value = decoder.decode(text)
  return type(value) == "table" and value or nil
end
