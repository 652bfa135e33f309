--- Addresses at media hosts (fact sheet 05 §14.2, §14.4), built from what others have written, so read with suspicion; and as they may
-- be shown: what stands behind the `?` opens the file and is kept to ourselves.
-- @module moonpost.client.media_url
local core = require "moonpost.core"

local base64 = core.crypto.base64

local PATH_MAX = 4096 -- bytes

local urls = {}

--- Percent-encodes what goes into a part of a query or path.
function urls.escape(text)
  return (text:gsub("[^%w._~-]", function(c) return ("%%%02X"):format(c:byte()) end))
end

--- Whether a text can be a directPath: it begins with one `/` and holds nothing that would end it, or make it another host's.
function urls.is_path(text)
  return type(text) == "string" and #text <= PATH_MAX and text:find "^/[^/]" ~= nil and not text:find '[^!-~]' and not text:find '[\\#"<>]'
end

--- The host, with its port where it has one, of an https URL without a user in it; nil: it is none.
function urls.host(text)
  if type(text) ~= "string" or #text > PATH_MAX then return nil end
  local host, path = text:match "^https://([%w.-]+)(/.*)$"
  if not host then host, path = text:match "^https://([%w.-]+:%d+)(/.*)$" end
  return host and urls.is_path(path) and host:lower() or nil
end

-- Behind a path that may have a query already.
local function join(path, query) return path .. (path:find("?", 1, true) and "&" or "?") .. query end

--- Where a file is to be had.
-- @string host
-- @string path directPath
-- @tparam ?string hash of the stored file
-- @string mms what the type is called on the wire
function urls.download(host, path, hash, mms)
  local query = hash and ("hash=%s%%3D&mms-type=%s&__wa-mms="):format(base64(hash, "url"), mms) or ("mms-type=%s&__wa-mms="):format(mms)
  return "https://" .. host .. join(path, query)
end

--- Where a file is to be put.
-- @string host
-- @string path of its type
-- @string hash of what is stored: the token
-- @string auth
-- @tparam ?string more of the query, such as "&resume=1"
function urls.upload(host, path, hash, auth, more)
  local token = base64(hash, "url")
  return ("https://%s%s/%s?auth=%s&token=%s%s"):format(host, path, token, urls.escape(auth), token, more or "")
end

--- Where a file is deleted.
function urls.delete(host, path, reference, auth)
  local path_part = reference.directPath:match "^[^?]*"
  local more = "&d_md=" .. base64(path_part, "url") .. (reference.encHandle and "&e_handle=" .. urls.escape(reference.encHandle) or "")
  return urls.upload(host, path, reference.fileEncSha256, auth, more)
end

--- Whether a host is one of the service's for files: one it has told, or, at the real service, one of its own domain.
-- @tparam table client
-- @string host as `urls.host` gives it
-- @tparam table hosts as moonpost.client.media_hosts knows them
function urls.is_media_host(client, host, hosts)
  for _, one in ipairs(hosts) do
    if one.name:lower() == host then return true end
  end
  return client.root == core.noise.ROOT and host:find "^[%w.-]+%.whatsapp%.net$" ~= nil
end

--- A URL or path as it may be shown: without query, and not long.
function urls.shown(text)
  local shown = text:match "^[^?&]*"
  return #shown > 200 and shown:sub(1, 200) .. "…" or shown
end

return urls
