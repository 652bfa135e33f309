--- A device's public keys as stanzas carry them: in the key service's answers (fact sheet 02 §10.6) and in retry receipts (§10.8).
-- @module moonpost.client.bundle
local core = require "moonpost.core"
local stanza = require "moonpost.stanza"

local bundle = {}

local TYPE = "\5" -- of a Curve25519 key: some write it before the 32 bytes

local function malformed(what) error(core.error("malformed", "a key bundle without " .. what), 0) end

--- The bytes at a path below a node, of an exact length.
-- @raise "malformed"
function bundle.exactly(size, node, ...)
  local bytes = node and stanza.bytes(node, ...)
  if not bytes or #bytes ~= size then malformed(("%d bytes of %s"):format(size, table.concat({ ... }, "/"))) end
  return bytes
end

local function key(node, name)
  local bytes = node and stanza.bytes(node, name)
  if bytes and #bytes == 33 and bytes:sub(1, 1) == TYPE then return bytes:sub(2) end
  return bundle.exactly(32, node, name)
end

local function id(node) return (">I3"):unpack(bundle.exactly(3, node, "id")) end

--- Reads a bundle, in the form account:process_bundle takes it.
-- @tparam table node holds identity, skey, key or none
-- @tparam table about holds the registration
-- @raise "malformed"
function bundle.read(node, about)
  local skey, one_time = stanza.child(node, "skey"), stanza.child(node, "key")
  return {
    registration_id = (">I4"):unpack(bundle.exactly(4, about, "registration")), identity = key(node, "identity"),
    signed_prekey = { id = id(skey), public = key(skey, "value"), signature = bundle.exactly(64, skey, "signature") },
    prekey = one_time and { id = id(one_time), public = key(one_time, "value") } or nil,
  }
end

return bundle
