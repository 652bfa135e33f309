--- Answers to IQs (fact sheet 08 S-122, §22): exactly one each, with the request's id and from its address.
-- @module moonpost.sandbox.iq
local stanza = require "moonpost.stanza"

local iq = {}

-- Code and text are one pair: some clients know an error only when both agree (S-900).
local texts = {
  [400] = "bad-request", [401] = "not-authorized", [403] = "forbidden", [404] = "item-not-found", [405] = "not-allowed",
  [406] = "not-acceptable", [409] = "conflict", [500] = "internal-server-error", [501] = "feature-not-implemented",
  [503] = "service-unavailable",
}

local function answer(conn, node, type, content, attrs)
  local all = { from = node.attrs.to or "s.whatsapp.net", id = node.attrs.id, type = type }
  for name, value in pairs(attrs or {}) do all[name] = value end
  conn:send(stanza.node("iq", all, content), node)
end

--- Answers with a result.
-- @tparam ?table content one node, or an array
-- @tparam ?table attrs more attributes of the iq
function iq.result(conn, node, content, attrs) answer(conn, node, "result", content, attrs) end

--- Answers with an error.
-- @int code one of S-900's
function iq.error(conn, node, code)
  answer(conn, node, "error", stanza.node("error", { code = code, text = assert(texts[code], "no text for this code") }))
end

return iq
