--- Retry receipts as a phone writes and reads them (fact sheet 04 §9, 02 §10.8).
-- @module moonpost.sandbox.retries
local stanza = require "moonpost.stanza"

local retries = { COUNTS = 4 } -- a fifth is refused by everybody (04 §9.2)

-- The reason (04 §9.3), by the code of what went wrong. What has none was read before, or is nothing anybody could send again.
local reasons = { ["no-session"] = 1, ["invalid-key-id"] = 3, crypto = 7 }
local keys_at_once = { [1] = true, [3] = true }

local function keys_node(signal)
  local public, key = signal:public(), signal:new_prekeys(1)[1]
  signal:mark_uploaded(key.id, key.id)
  return stanza.node("keys", nil, {
    stanza.node("type", nil, "\5"), stanza.node("identity", nil, public.identity),
    stanza.node("key", nil, { stanza.node("id", nil, (">I3"):pack(key.id)), stanza.node("value", nil, key.public) }),
    stanza.node("skey", nil, {
      stanza.node("id", nil, (">I3"):pack(public.signed_prekey.id)), stanza.node("value", nil, public.signed_prekey.public),
      stanza.node("signature", nil, public.signed_prekey.signature),
    }),
  })
end

--- The receipt that asks for a message, for the n-th time; nil when there is nothing to ask for.
-- @param signal the phone's
-- @tparam table node the message
-- @int count
-- @tparam table err why it cannot be read
function retries.receipt(signal, node, count, err)
  local reason = reasons[err.code]
  if not reason or count > retries.COUNTS then return nil end
  return stanza.node("receipt", { id = node.attrs.id, type = "retry" }, {
    stanza.node("retry", { v = "1", count = count, id = node.attrs.id, t = node.attrs.t, error = reason }),
    stanza.node("registration", nil, (">I4"):pack(signal:public().registration_id)),
    (count > 1 or keys_at_once[reason]) and keys_node(signal) or nil,
  })
end

local function number(bytes, size) return bytes and #bytes == size and (">I" .. size):unpack(bytes) or nil end

local function key(node)
  local id, public = number(stanza.bytes(node, "id"), 3), stanza.bytes(node, "value")
  return id and #(public or "") == 32 and { id = id, public = public } or nil
end

local function read_keys(node, registration)
  local keys = stanza.child(node, "keys")
  local skey, one = keys and stanza.child(keys, "skey"), keys and stanza.child(keys, "key")
  local signed, identity = skey and key(skey), keys and stanza.bytes(keys, "identity")
  local signature = skey and stanza.bytes(skey, "signature")
  if not signed or #(identity or "") ~= 32 or #(signature or "") ~= 64 then return nil end
  signed.signature = signature
  return { registration_id = registration, identity = identity, signed_prekey = signed, prekey = one and key(one) or nil }
end

--- Reads one: {id, count, registration, keys or nil}; nil when it is none.
function retries.read(node)
  local retry, registration = stanza.child(node, "retry"), number(stanza.bytes(node, "registration"), 4)
  local count = retry and math.tointeger(tonumber(retry.attrs.count or 1))
  if not count or count < 1 or not registration or not node.attrs.id then return nil end
  return { id = node.attrs.id, count = count, registration = registration, keys = read_keys(node, registration) }
end

return retries
