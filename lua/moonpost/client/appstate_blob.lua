--- App state that is kept as files: snapshots always are, patches with many changes sometimes (fact sheet 06 §3.4). They are files like
-- others, of type md-app-state.
-- @module moonpost.client.appstate_blob
local core = require "moonpost.core"
local limits = require "moonpost.client.limits"

local KEY, HASH = 32, 32 -- bytes

-- What is not encrypted and hashed is nobody's app state.
local function is_whole(reference)
  return #(reference.mediaKey or "") == KEY and #(reference.fileEncSha256 or "") == HASH and #(reference.fileSha256 or "") == HASH
end

--- Loads one. In a task.
-- @tparam table client
-- @tparam table reference ExternalBlobReference
-- @treturn ?string its bytes
-- @treturn ?table err code "malformed", those of client.media
return function(client, reference)
  if not is_whole(reference) then return nil, core.error("malformed", "the file it is kept in is not told as one") end
  local pieces = {}
  local ok, err = client.media:download({
    directPath = reference.directPath, mediaKey = reference.mediaKey, fileSha256 = reference.fileSha256,
    fileEncSha256 = reference.fileEncSha256, fileLength = reference.fileSizeBytes,
  }, "md-app-state", function(piece) pieces[#pieces + 1] = piece end, { limit = limits.APPSTATE_FILE })
  if not ok then return nil, err end
  return table.concat(pieces)
end
