-- The contacts of the row `photo`: one sends a picture and waits until it comes back, the same bytes in another file.
local core = require "moonpost.core"
local task = require "moonpost.task"
local tools = require "moonpost.client.media_tools"

function tools.available() return false, {} end -- nobody looks at pictures that are noise

local HEAD = "\xFF\xD8\xFF\xE0\0\16JFIF\0\1\1\0\0\1\0\1\0\0" -- of a JPEG

local photos = {}

--- In a task. Raises when it does not come back.
-- @tparam table client
-- @string jid of who echoes
-- @int size bytes
-- @number seconds to wait
function photos.send(client, jid, size, seconds)
  local heard = task.queue()
  local stop = client:on("message", function(m) heard:push(m) end)
  local bytes = HEAD .. core.crypto.random(size - #HEAD)
  local sent = assert(client:send(jid, { image = { bytes = bytes } }))
  local there = client:message(jid, sent.id).media.reference
  local here = assert(heard:pop(seconds)).media.reference
  assert(here.fileSha256 == core.crypto.sha256(bytes), "another picture came back")
  assert(here.directPath ~= there.directPath, "the picture came back by reference")
  stop()
end

return photos
