--- Asking for a phone number, and giving one's own (fact sheet 05 §4.12). The message itself holds no number: who is shown one finds it
-- in `phone`, as the stanza says it.
-- @module moonpost.client.kinds.phone
local check = require "moonpost.client.kinds.check"

local read, protocol, build = {}, {}, {}

function read.requestPhoneNumberMessage(_, m) m.kind = "phone_request" end
function protocol.SHARE_PHONE_NUMBER(_, m) m.kind = "phone_share" end

local function only(what, spec, word)
  check.fields(what, spec, { [word] = "boolean" })
  if not spec[word] then check.wrong("%s: '%s' is true", what, word) end
end

--- { phone_request = true }
function build.phone_request(spec)
  only("a request for the number", spec, "phone_request")
  return { requestPhoneNumberMessage = {} }
end

--- { phone_share = true }
function build.phone_share(spec)
  only("sharing the number", spec, "phone_share")
  return { protocolMessage = { type = "SHARE_PHONE_NUMBER" } }
end

return { read = read, protocol = protocol, build = build, acts = { "phone_share" } }
