--- One exchange with a media host, and what its answer means (fact sheet 05 §14.2, §14.4).
-- @module moonpost.client.media_exchange
local core = require "moonpost.core"
local http = require "moonpost.http"
local urls = require "moonpost.client.media_url"

local ORIGIN = "https://web.whatsapp.com"

local exchange = {}

local passing = { network = true, stalled = true, closed = true } -- errors that may be gone in a moment

--- An error of moonpost.http as callers of client.media are told of it.
function exchange.network(err, host)
  if err.code:find "^media%-" or err.code == "cancelled" then return err end
  local told = core.error(err.code == "stalled" and "media-stalled" or "media-network", ("media host %s: %s"):format(host, err.message))
  told.cause = err.code
  return told
end

--- Sends a request, as moonpost.http does, with the client's authorities and proxy.
-- @tparam table client
-- @tparam table options moonpost.http's
-- @treturn ?table response
-- @treturn ?table err
-- @treturn ?string verdict, as moonpost.client.media_hosts_in_turn reads it
function exchange.request(client, options)
  options.ca, options.proxy = client.ca, client.proxy
  options.headers = options.headers or {}
  options.headers.origin, options.headers.referer = ORIGIN, ORIGIN .. "/"
  local response, err = http.request(options)
  if response then return response end
  return nil, exchange.network(err, options.url:match "^https://([^/]*)"), passing[err.code] and "again" or "next"
end

-- Seconds a host asks to be left alone.
local function retry_after(response)
  local seconds = math.tointeger(tonumber(response.headers["retry-after"]))
  return seconds and seconds >= 0 and seconds or nil
end

local function refused(response, host, code, text)
  local err = core.error(code, ("media host %s: %s (status %d)"):format(host, text, response.status))
  err.status, err.after = response.status, retry_after(response)
  return err
end

local meanings = {
  [401] = { "media-expired", "the link or token has expired", "renew" },
  [403] = { "media-expired", "the link or token has expired", "renew" },
  [404] = { "media-gone", "it has the file no more" },
  [410] = { "media-gone", "it has the file no more" },
  [413] = { "media-too-large", "the file is too large for it" },
  [429] = { "media-refused", "it is asked too much", "again" },
}

--- What an answer that is no success means.
-- @tparam table response
-- @string host
-- @treturn table err code "media-expired", "media-gone", "media-too-large", "media-redirect", "media-refused"; `status`
-- @treturn ?string verdict
function exchange.refusal(response, host)
  local status = response.status
  local meaning = meanings[status]
  if meaning then return refused(response, host, meaning[1], meaning[2]), meaning[3] end
  if status >= 300 and status < 400 then
    local where = response.headers.location
    return refused(response, host, "media-redirect", ("it points to %s, and nobody follows"):format(
      where and urls.shown(where) or "nowhere")), "next"
  end
  return refused(response, host, "media-refused", "it refuses"), status >= 500 and "again" or "next"
end

--- Reads the whole body of an answer that is short.
-- @tparam table response
-- @int most bytes
-- @treturn ?string
-- @treturn ?table err
function exchange.body(response, most)
  local parts, size = {}, 0
  while true do
    local bytes, err = response:read()
    if not bytes and err then return nil, err end
    if not bytes then return table.concat(parts) end
    size = size + #bytes
    if size > most then return nil, core.error("limit", ("an answer of more than %d bytes"):format(most)) end
    parts[#parts + 1] = bytes
  end
end

return exchange
