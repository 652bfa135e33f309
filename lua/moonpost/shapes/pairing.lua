--- Linking: refs, the phone's word for the device, the device's word back, logging out.
-- @module moonpost.shapes.pairing
local t = require "moonpost.shapes.terms"

local bytes, device, either, int, maybe, node, one_of = t.bytes, t.device, t.either, t.int, t.maybe, t.node, t.one_of
local query, shape, some, some_bytes, text, time = t.query, t.shape, t.some, t.some_bytes, t.text, t.time

local IDENTITY_MAX = 500

-- Exactly one child below the <iq>, or clients do not look (02 §2.2).
local function from_server(attrs, child)
  local all = { from = "s.whatsapp.net", id = t.server_id, type = "set", xmlns = "md" }
  for name, kind in pairs(attrs) do all[name] = kind end
  return t.closed(node("iq", all, { child }))
end

local function refusal(code, reason) return node("error", { code = code, text = reason }) end

return {
  to_client = {
    shape("09 §4.1, 08 S-041", from_server({}, node("pair-device", {}, { some(node("ref", {}, some_bytes)) }))),
    shape("09 §4.1, 08 S-043", from_server({ t = maybe(time) }, t.open(node("pair-success", {}, {
      node("device-identity", {}, bytes(1, IDENTITY_MAX)),
      node("device", { jid = t.pn_device, lid = maybe(t.lid_device), beta = maybe(one_of("true", "false")) }),
      node("platform", { name = text }), maybe(node("biz", { name = text })), maybe(node("client-props", {}, some_bytes)),
    })))),
  },

  to_server = {
    shape("02 §2.2, 08 S-041", node("iq", { to = "s.whatsapp.net", type = "result", id = t.id })),
    shape("02 §2.6, 08 S-044", node("iq", { to = "s.whatsapp.net", type = "result", id = t.id }, {
      node("pair-device-sign", {}, { node("device-identity", { ["key-index"] = int(0) }, bytes(1, IDENTITY_MAX)) }),
    })),
    shape("02 §2.6, 08 S-044", node("iq", { to = "s.whatsapp.net", type = "error", id = t.id }, {
      either(refusal("401", "hmac-mismatch"), refusal("401", "signature-mismatch"), refusal("500", "internal-error")),
    })),
  },

  queries = {
    query("10 §1.3, 08 S-119", "set", "md", {
      asks = { node("remove-companion-device", { jid = device, reason = text }) }, errors = "any",
    }),
  },
}
