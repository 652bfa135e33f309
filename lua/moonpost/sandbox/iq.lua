--- Answers to IQs (fact sheet 08 S-122, §22): exactly one each, with the request's id and from its address.
-- @module moonpost.sandbox.iq
local stanza = require "moonpost.stanza"

local iq = {}

-- Code and text are one pair: some clients know an error only when both agree (S-900).
iq.texts = {
  [304] = "already-exists", [400] = "bad-request", [401] = "not-authorized", [403] = "forbidden", [404] = "item-not-found",
  [405] = "not-allowed", [406] = "not-acceptable", [408] = "request-timeout", [409] = "conflict", [410] = "gone",
  [412] = "linked-groups-participants-resource-limit", [416] = "parent-group-suspended", [419] = "resource-limit", [423] = "locked",
  [426] = "upgrade-required", [429] = "rate-overlimit", [451] = "features-disabled", [452] = "feature-not-available",
  [500] = "internal-server-error", [501] = "feature-not-implemented", [503] = "service-unavailable", [530] = "partial-server-error",
}

local function answer_node(node, type, content, attrs)
  local all = { from = node.attrs.to or "s.whatsapp.net", id = node.attrs.id, type = type }
  for name, value in pairs(attrs or {}) do all[name] = value end
  return stanza.node("iq", all, content)
end

--- Answers with a result.
-- @tparam ?table content one node, or an array
-- @tparam ?table attrs more attributes of the iq
function iq.result(conn, node, content, attrs) conn:send(answer_node(node, "result", content, attrs), node) end

--- An answer with an error.
-- @int code
-- @tparam ?string text that of the code without it
-- @tparam ?int backoff seconds
function iq.error_node(node, code, text, backoff)
  text = text or assert(iq.texts[code], "no text for this code")
  return answer_node(node, "error", stanza.node("error", { code = code, text = text, backoff = backoff }))
end

--- Answers with an error.
-- @int code one of S-900's
function iq.error(conn, node, code) conn:send(iq.error_node(node, code), node) end

return iq
