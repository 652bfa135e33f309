--- A retry receipt that came: somebody's device could not read a message of ours (fact sheet 03 §18.3, 09 §3.3).
--
--     <receipt id from [participant] [recipient] type="retry" t>
--       <retry id [count]/> <registration>4 bytes</registration> [<keys>identity, skey, [key], [device-identity]</keys>]
--     </receipt>
-- @module moonpost.client.retry_request
local attributes = require "moonpost.client.attrs"
local bundle = require "moonpost.client.bundle"
local core = require "moonpost.core"
local stanza = require "moonpost.stanza"

local function malformed(text) error(core.error("malformed", text), 0) end

local function count_of(retry)
  if not retry.attrs.count then return 1 end
  local count = math.tointeger(tonumber(retry.attrs.count))
  if not count or count < 0 then malformed "a retry receipt whose count is no number" end
  return count
end

--- Reads one.
-- @tparam table node
-- @treturn table {id, from (who asks, as written: a device), chat (a group, or what else is written to by sender key), recipient (the
--   chat, from own devices), count, registration,
--   keys (as account:process_bundle takes them) and device_identity, or neither}
-- @raise "malformed"
return function(node)
  local retry = stanza.child(node, "retry")
  if not retry then malformed "a retry receipt without <retry>" end
  local id = node.attrs.id or ""
  if id == "" or retry.attrs.id and retry.attrs.id ~= id then malformed "a retry receipt for another message than it names" end
  local from = attributes.jid(node, node.attrs.participant and "participant" or "from")
  if not attributes.is_person(from) then malformed "a retry receipt of nobody" end
  local keys = stanza.child(node, "keys")
  local chat = node.attrs.participant and attributes.bare(node, "from") or nil
  return {
    id = id, from = from, chat = chat,
    recipient = attributes.bare(node, "recipient"), count = count_of(retry),
    registration = (">I4"):unpack(bundle.exactly(4, node, "registration")), keys = keys and bundle.read(keys, node) or nil,
    device_identity = keys and stanza.bytes(keys, "device-identity"),
  }
end
