--- Stanzas and their bytes (fact sheet 01 §15.5), and small helpers of the specs about them.
local crypto = require("moonpost.core").crypto

local stanzas = {}

--- The bytes of a hex text; white space is ignored.
function stanzas.hex(text) return assert(crypto.unhex((text:gsub("%s", "")))) end

--- A node.
function stanzas.node(tag, attrs, content) return { tag = tag, attrs = attrs or {}, content = content } end

--- Asserts that a result is nil and an error object with this code, whose sentence is not empty.
function stanzas.refused(code, result, err)
  assert(result == nil, "not refused")
  assert(err.code == code, ("'%s' instead of '%s': %s"):format(err.code, code, tostring(err)))
  assert(#err.message > 0 and err.message == tostring(err))
end

local node = stanzas.node
local SRV = "s.whatsapp.net"

-- Name, tree, bytes with the flag byte. Attribute order means nothing: ours is fixed, so where it differs only the size can agree.
local list = {
  { "a ping", node("iq", { id = "1.2-1", to = SRV, type = "get", xmlns = "w:p" }, { node "ping" }),
    "00f80a1908ff831b2a1f11fa000304291657f801f80156" },
  { "its answer", node("iq", { from = SRV, id = "1.2-1", type = "result", t = "1700000000" }),
    "00f8091906fa000308ff831b2a1f04141aff051700000000" },
  { "success", node("success", { t = "1700000000", lid = "100000012345678:7@lid", location = "frc", props = "27" }),
    "00f8094c1aff05170000000076f70107ff88100000012345678f3dfc036672635cee04" },
  { "a failure", node("failure", { reason = "401", location = "frc" }), "00f805ee3cec2e8d3dfc03667263" },
  { "a restart", node("stream:error", { code = "515" }), "00f8039d70ff82515f" },
  { "a conflict", node("stream:error", nil, { node("conflict", { type = "replaced" }) }), "00f8029df801f803ec0e04ec11" },
  { "the end of the stream", node "xmlstreamend", "00f80102" },
  { "the offline marker", node("ib", { from = SRV }, { node("offline", { count = "0" }) }),
    "00f804fc02696206fa0003f801f80312412d" },
  { "a dirty notice", node("ib", { from = SRV }, { node("dirty", { type = "account_sync", timestamp = "1700000000" }) }),
    "00f804fc02696206fa0003f801f805ed0104ec6eec9aff051700000000" },
  { "routing info", node("ib", nil, { node("edge_routing", nil, { node("routing_info", nil, "\8\2\8\12") }) }),
    "00f802fc026962f801f80228f801f80227fc040802080c" },
  { "a receipt's ack",
    node("ack", { class = "receipt", id = "3EB0ABCDEF0123456789", to = "15551234567@s.whatsapp.net", type = "read" }),
    "00f8091b150708fb0a3eb0abcdef012345678911faff8615551234567f03042a" },
  { "a message",
    node("message", { to = "100000012345678@lid", id = "3EB0C0FFEE00112233AABB", type = "text" },
      { node("enc", { v = "2", type = "msg" }, "3\8\1\16") }),
    "00f8081311faff88100000012345678f7608fb0b3eb0c0ffee00112233aabb0438f801f8061d5145044dfc0433080110" },
  { "a group's presence", node("presence", { from = "15551234567-1600000000@g.us", type = "unavailable", last = "deny" }),
    "00f8071f06faff0b15551234567a16000000001c043061aa" },
  { "digits", node("a", { b = "12345" }), "00f803fc0161fc0162ff8312345f" },
  { "dash and dot", node("a", { b = "-.0" }), "00f803fc0161fc0162ff82ab0f" },
  { "even hex", node("a", { b = "DEADBEEF" }), "00f803fc0161fc0162fb04deadbeef" },
  { "odd hex", node("a", { b = "ABC" }), "00f803fc0161fc0162fb82abcf" },
  { "lower-case hex", node("a", { b = "deadbeef" }), "00f803fc0161fc0162fc086465616462656566" },
  { "127 digits", node("a", { b = ("1"):rep(127) }), "00f803fc0161fc0162ffc0" .. ("11"):rep(63) .. "1f" },
  { "128 digits", node("a", { b = ("1"):rep(128) }), "00f803fc0161fc0162fc80" .. ("31"):rep(128) },
  { "UTF-8", node("a", { b = "é€" }), "00f803fc0161fc0162fc05c3a9e282ac" },
  { "empty bytes", node("a", nil, ""), "00f802fc0161fc00" },
  { "255 bytes", node("a", nil, ("\xaa"):rep(255)), "00f802fc0161fcff" .. ("aa"):rep(255) },
  { "256 bytes", node("a", nil, ("\xaa"):rep(256)), "00f802fc0161fd000100" .. ("aa"):rep(256) },
}

do
  local children = {}
  for i = 1, 256 do children[i] = node "b" end
  list[#list + 1] = { "256 children", node("a", nil, children), "00f802fc0161f90100" .. ("f801fc0162"):rep(256) }
  local attrs, bytes = {}, { "00f90101fc0161" }
  for i = 0, 127 do
    attrs["k" .. i] = "1"
    bytes[#bytes + 1] = ("fc%02x%s55"):format(#("k" .. i), crypto.hex("k" .. i))
  end
  list[#list + 1] = { "128 attributes", node("a", attrs), table.concat(bytes) }
end

--- Name, tree and bytes (hex, with the flag byte) of each.
stanzas.list = list

return stanzas
