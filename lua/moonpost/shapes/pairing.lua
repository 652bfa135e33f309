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

local code_ref = node("link_code_pairing_ref", {}, some_bytes)

local function code_stage(attrs, children) return node("link_code_companion_reg", attrs, children) end

local function told_unlinked(type, children)
  return node("notification", { type = type, from = "s.whatsapp.net", id = t.server_id, t = time, offline = t.offline }, children)
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
    shape("09 §4.2, 08 S-061", told_unlinked("link_code_companion_reg", { code_stage({ stage = "primary_hello" }, {
      node("link_code_pairing_wrapped_primary_ephemeral_pub", {}, bytes(80)), node("primary_identity_pub", {}, bytes(32)), code_ref,
    }) })),
    shape("09 §4.2, 08 S-063", told_unlinked("link_code_companion_reg", { code_stage({
      stage = "refresh_code", force_manual_refresh = maybe(one_of("true", "false")),
    }, { code_ref }) })),
    shape("09 §2.3, 08 S-063", told_unlinked("companion_reg_refresh", { node "companion_reg_refresh" })),
    shape("09 §2.3, 08 S-063", told_unlinked("companion_reg_refresh", { node "pair-device-rotate-qr" })),
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
    query("10 §1.3, 08 S-060", "set", "md", {
      asks = { code_stage({
        jid = t.pn_user, stage = "companion_hello", should_show_push_notification = maybe(one_of("true", "false")),
      }, {
        node("link_code_pairing_wrapped_companion_ephemeral_pub", {}, bytes(80)), node("companion_server_auth_key_pub", {}, bytes(32)),
        node("companion_platform_id", {}, bytes(1, 2)), node("companion_platform_display", {}, bytes(5, 100)),
        maybe(node("link_code_pairing_nonce", {}, bytes(1))),
      }) },
      answers = { code_stage({ stage = "companion_hello" }, { code_ref }) }, errors = { 400, 403, 429, 452, 500 },
    }),
    query("10 §1.3, 08 S-062", "set", "md", {
      asks = { code_stage({ jid = t.pn_user, stage = "companion_finish" }, {
        node("link_code_pairing_wrapped_key_bundle", {}, bytes(156)), node("companion_identity_public", {}, bytes(32)), code_ref,
      }) },
      errors = { 400, 500 },
    }),
    query("10 §1.3, 08 S-060", "get", "md", {
      asks = { code_stage { stage = "get_country_code" } }, answers = { node("country_code", { iso = text }) }, errors = { 400, 500 },
    }),
    query("10 §1.3, 08 S-119", "set", "md", {
      asks = { node("remove-companion-device", { jid = device, reason = text }) }, errors = "any",
    }),
  },
}
