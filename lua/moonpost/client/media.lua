--- Files: up to the media hosts and down from them (fact sheet 05 §13, §14), in constant memory whatever their size.
--
--     local reference = assert(client.media:upload({ file = "cat.jpg" }, "image"))
--     assert(client.media:save(m.message.imageMessage, "image", "cat.jpg"))
--
-- A *reference* is a table with the protobuf's own field names: url, directPath, mediaKey, mediaKeyTimestamp, fileSha256,
-- fileEncSha256, fileLength, streamingSidecar, handle. So an imageMessage, a HistorySyncNotification and an ExternalBlobReference are
-- themselves references. One without mediaKey or fileEncSha256 is of a file that is not encrypted (newsletters).
-- A *type* is one of 05 §13.1: "image", "video", "audio", "document", "sticker", "md-msg-hist", "md-app-state", …; core.media.types
-- has them all. Those of newsletters ("newsletter-image", …) and pictures are not encrypted.
-- All that waits is called in a task; when that is cancelled, the transfer ends and leaves nothing. So it does when the client is
-- closed. A lost WebSocket is no reason for a transfer to end.
--
-- Expected failures are nil and an error: "media-too-large", "media-source" (what is to be sent cannot be read), "media-reference" (it
-- is none), "media-network" (no host was reached, or a connection broke), "media-stalled", "media-refused" (a host's answer; `status`),
-- "media-redirect" (a host points elsewhere: nobody follows), "media-expired" and "media-gone" (the hosts have the file no more, nor has
-- the phone when it was asked), "media-phone" (the phone was asked and has not answered, or could not), "media-answer" (a host's answer
-- that says nothing), "media-cancelled" (`progress` said so), "media-disk" (no file can be written, the disk is full, …);
-- and of what came: "media-truncated", "media-length", "media-enc-hash", "media-mac", "media-padding", "media-hash",
-- "media-sidecar".
-- "closed": the client is closed, or nobody is online to ask for hosts.
-- @module moonpost.client.media
local core = require "moonpost.core"
local lazy = require "moonpost.lazy"
local new_hosts = require "moonpost.client.media_hosts"
local limits = require "moonpost.client.limits"
local new_retry = require "moonpost.client.media_retry"
local transfer = require "moonpost.client.media_transfer"

local download = lazy "moonpost.client.media_download"
local upload = lazy "moonpost.client.media_upload"

-- How often one host is asked, the seconds between (1, 2, 3, …), the longest pause a host may ask for, and how many seconds nothing may
-- move.
local PACE = { tries = 5, step = 1, longest = 60, stall = 20 }

local Media = {}
Media.__index = Media

--- Encrypts a file and uploads it. In a task.
-- @tparam table source { file = path }, { bytes = string } or { reader = fn() -> string | nil at the end }; the reader may wait
-- @string type
-- @tparam ?table options
--   progress: fn(done, total) in bytes of what goes over the wire; when it returns false, the transfer is cancelled;
--   mediaKey: 32 bytes, for what shares the key of another file (thumbnails), else a new one;
--   limit: bytes the file may have at most, beside what the server allows for the type
-- @treturn ?table reference: url, directPath, mediaKey, mediaKeyTimestamp, fileSha256, fileEncSha256, fileLength, and streamingSidecar
--   (audio, video) and handle where there are such
-- @treturn ?table err
function Media:upload(source, type, options) return upload.upload(self, source, type, options or {}) end

--- Downloads a file. The sink is given nothing before all of it has been checked. In a task.
-- @tparam table reference
-- @string type
-- @func sink fn(bytes), called with piece after piece; it may wait
-- @tparam ?table options
--   progress: as above;
--   first, last: only these bytes of the file, counted from 0, both included (`last` nil: to its end); what is not covered by the
--   reference's sidecar is not authenticated then;
--   limit: bytes the file may have at most;
--   message: { chat =, id =, sender =, from_me = } the file came with: the phone is asked to upload it again when the hosts have it no
--   more, and the reference then gets its new directPath; { id =, peer = true } for a blob the phone has sent
-- @treturn ?boolean true
-- @treturn ?table err
function Media:download(reference, type, sink, options) return download.to_sink(self, reference, type, sink, options or {}) end

--- Downloads a file into a folder: it has a name there when it is whole, checked and on the disk, and none before. In a task.
-- @tparam table reference
-- @string type
-- @string path a file that is there is replaced
-- @tparam ?table options as above, and fresh = true: one that is there is left alone, and a free name is taken: "cat (2).jpg"
-- @treturn ?string the path it has
-- @treturn ?table err
function Media:save(reference, type, path, options) return download.to_file(self, reference, type, path, options or {}) end

--- Deletes an uploaded file, as official clients do with history blobs they have read (05 §14.2). In a task.
-- @tparam table reference fileEncSha256, directPath; encHandle
-- @string type
-- @treturn ?boolean true
-- @treturn ?table err
function Media:delete(reference, type) return upload.delete(self, reference, type) end

--- Asks the phone to upload a file again (05 §14.5). In a task.
-- @tparam table reference gets its new directPath
-- @tparam table message { chat =, id =, sender =, from_me = } or { id =, peer = true }
-- @treturn ?string the new directPath
-- @treturn ?table err code "media-gone", "media-phone"
function Media:ask_phone(reference, message) return self.retry:ask(reference, message) end

--- The account is forgotten.
function Media:forget() self.hosts:forget() end

--- The client is closed: what is under way ends.
function Media:stop()
  self.ended = core.error("closed", "the client is closed")
  self.uploads:close()
  self.downloads:close()
  local list = {}
  for running in pairs(self.running) do list[#list + 1] = running end
  for _, running in ipairs(list) do running:cancel() end
  self.retry:stop(self.ended)
end

return function(client)
  return setmetatable({
    client = client, hosts = new_hosts(client), retry = new_retry(client), running = {}, pace = PACE,
    uploads = transfer.slots(limits.UPLOADS), downloads = transfer.slots(limits.DOWNLOADS),
  }, Media)
end
