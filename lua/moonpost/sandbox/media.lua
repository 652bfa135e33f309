--- Who may upload, and where (fact sheets 05 §14.1, 08 S-820): `<media_conn/>` and its tokens.
-- @module moonpost.sandbox.media
local core = require "moonpost.core"
local iq = require "moonpost.sandbox.iq"
local stanza = require "moonpost.stanza"

local TTL, AUTH_TTL = 300, 21600 -- seconds a client may keep the hosts, and the token
local TOKENS_MAX = 10000

local media = {}

-- What the host is told by admin calls; the sizes by kind are told as the official client's defaults are (abprops).
media.defaults = {
  auth_seconds = AUTH_TTL, ttl = TTL, max_bytes = 2 * 1024 * 1024 * 1024, image_mb = 16, video_mb = 16, audio_mb = 16,
}

local function prune(tokens, now)
  local count = 0
  for token, one in pairs(tokens) do
    if now >= one.expires then tokens[token] = nil else count = count + 1 end
  end
  if count < TOKENS_MAX then return end
  for token in pairs(tokens) do tokens[token] = nil end -- who has one asks again
end

-- A token of an account: in hex, since some put it into the query as it is.
local function issue(sandbox, account)
  local tokens, now = sandbox.media_tokens, sandbox.media:now()
  prune(tokens, now)
  local token = core.crypto.hex(core.crypto.random(24))
  tokens[token] = { account = account, expires = now + sandbox.media_settings.auth_seconds }
  return token
end

--- The account a token was given to; nil when it is unknown or too old.
function media.account_of(sandbox, token)
  local one = sandbox.media_tokens[token or ""]
  if one and sandbox.media:now() < one.expires then return one.account end
end

--- Takes an account's tokens away, or everybody's.
function media.revoke(sandbox, account)
  for token, one in pairs(sandbox.media_tokens) do
    if not account or one.account == account then sandbox.media_tokens[token] = nil end
  end
end

--- What a query of "w:m" asks: the hosts, and a token to upload with.
function media.query(conn, node)
  if not stanza.child(node, "media_conn") then return iq.error(conn, node, 501) end
  local sandbox = conn.sandbox
  local settings = sandbox.media_settings
  iq.result(conn, node, stanza.node("media_conn", {
    auth = issue(sandbox, conn.device.account), auth_ttl = settings.auth_seconds, ttl = settings.ttl, max_buckets = "12", id = "1",
    max_auto_download_retry = "5", max_manual_retry = "3",
  }, stanza.node("host", {
    hostname = sandbox.media_address, type = "primary", maxContentLengthBytes = settings.max_bytes,
  }, { stanza.node "upload", stanza.node "download" })))
end

return media
