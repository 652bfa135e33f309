--- Gives the files of a message their methods, and reads these in when the first file comes (moonpost.bot.media).
-- @module moonpost.bot.dress
local lazy = require "moonpost.lazy"

local media = lazy "moonpost.bot.media"

local function has_file(m)
  return m.media ~= nil or m.quoted ~= nil and m.quoted.media ~= nil or m.preview ~= nil and m.preview.picture ~= nil
end

--- @tparam table m message event, or what client:message returns
-- @param client who loads them
-- @treturn table m
return function(m, client)
  if has_file(m) then media(m, client) end
  return m
end
