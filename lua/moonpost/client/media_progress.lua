--- The option `progress` of transfers: told how far they are, and asked whether they shall go on.
-- @module moonpost.client.media_progress
local core = require "moonpost.core"

--- @tparam table options progress = fn(done, total) or nil
-- @treturn function fn(done, total) -> true; or nil, err when the transfer was cancelled. What is told already is not told again
return function(options)
  local progress, last = options.progress, nil
  return function(done, total)
    if not progress or done == last then return true end
    last = done
    if progress(done, total) ~= false then return true end
    return nil, core.error("media-cancelled", "the transfer was cancelled")
  end
end
