-- Retry receipts: whatever node comes is read or refused as malformed, and what is read has the forms the store and libsignal take.
-- Returns fn(bytes).
package.path = package.path:gsub("/%?%.lua", "/lua/?.lua;%0", 1)
local wire = require("moonpost.core").wire
local read = require "moonpost.client.retry_request"
local stanza = require "moonpost.stanza"

local function is_whole(value, most) return math.type(value) == "integer" and value >= 0 and value <= most end

local function check_key(key) assert(is_whole(key.id, 0xffffff) and #key.public == 32, "a key") end

local function check(node, request)
  assert(type(request.id) == "string" and request.id ~= "" and request.id == node.attrs.id, "id")
  local user, server = wire.jid.parse(request.from)
  assert(user ~= "" and (server == "s.whatsapp.net" or server == "lid"), "from")
  assert(request.recipient == nil or wire.jid.parse(request.recipient), "recipient")
  assert(is_whole(request.count, math.maxinteger) and is_whole(request.registration, 0xffffffff), "count, registration")
  assert((request.keys ~= nil) == (stanza.child(node, "keys") ~= nil), "keys")
  if not request.keys then return end
  assert(#request.keys.identity == 32 and #request.keys.signed_prekey.signature == 64, "identity, signature")
  check_key(request.keys.signed_prekey)
  if request.keys.prekey then check_key(request.keys.prekey) end
end

return function(bytes)
  local node = wire.decode(bytes)
  if not node then return end
  local ok, request = pcall(read, node)
  if ok then return check(node, request) end
  assert(type(request) == "table" and request.code == "malformed" and #request.message < 1000, tostring(request))
end
