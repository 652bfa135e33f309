-- The binary codec and frames as Lua sees them (fact sheet 01 §1.2, §4, vectors of §15.5). Values one by one: spec/core/codec_test.c.
local core = require "moonpost.core"
local wire, crypto = core.wire, core.crypto

local function hex(text) return assert(crypto.unhex((text:gsub("%s", "")))) end

local function node(tag, attrs, content) return { tag = tag, attrs = attrs or {}, content = content } end

--- An error object with this code; its sentence is not empty.
local function refused(code, result, err)
  assert.is_nil(result)
  assert.equal(code, err.code)
  assert.truthy(#err.message > 0)
  assert.equal(err.message, tostring(err))
end

local SRV = "s.whatsapp.net"

-- Name, tree, bytes with the flag byte. Attribute order means nothing: ours is fixed, so where it differs only the size can agree.
local stanzas = {
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
  stanzas[#stanzas + 1] = { "256 children", node("a", nil, children), "00f802fc0161f90100" .. ("f801fc0162"):rep(256) }
  local attrs, bytes = {}, { "00f90101fc0161" }
  for i = 0, 127 do
    attrs["k" .. i] = "1"
    bytes[#bytes + 1] = ("fc%02x%s55"):format(#("k" .. i), crypto.hex("k" .. i))
  end
  stanzas[#stanzas + 1] = { "128 attributes", node("a", attrs), table.concat(bytes) }
end

describe("the codec", function()
  for _, row in ipairs(stanzas) do
    local name, tree, bytes = row[1], row[2], hex(row[3])

    it("reads and writes " .. name, function()
      assert.same(tree, assert(wire.decode(bytes)))
      local written = wire.encode(tree)
      assert.equal(#bytes, #written)
      assert.same(tree, assert(wire.decode(written)))
      assert.equal(written, wire.encode(assert(wire.decode(written))))
      if not (next(tree.attrs) and next(tree.attrs, (next(tree.attrs)))) then assert.equal(row[3], crypto.hex(written)) end
    end)
  end

  it("writes the stanzas of the sheet in one fixed order, whatever order a table has", function()
    local names = { "zz", "xmlns", "id", "aa", "to", "type", "m" }
    for round = 1, #names do
      local attrs = {}
      for i = 1, #names do attrs[names[(i * 3 + round) % #names + 1]] = "1" end
      assert.equal("00f80f190455085511551655" .. "fc02616155fc016d55fc027a7a55", crypto.hex(wire.encode(node("iq", attrs))))
    end
  end)

  it("reads a recorded success", function()
    local bytes = hex [[00f80f4c1aff0517520218905cee043dfc0366726376f7012aff88100000000000001f4becb43cff051752020041ece6fc2c643559623557784c
      2b6b35554b5148564936627546524751456a30475a413565767a3862365632786b64773d]]
    local tree = assert(wire.decode(bytes))
    assert.same(node("success", {
      t = "1752021890", props = "27", location = "frc", lid = "100000000000001:42@lid", abprops = "10", creation = "1752020041",
      companion_enc_static = "d5Yb5WxL+k5UKQHVI6buFRGQEj0GZA5evz8b6V2xkdw=",
    }), tree)
    assert.equal(#bytes, #wire.encode(tree))
  end)

  it("writes a mebibyte of bytes with a length of 32 bits", function()
    local content = ("\xaa"):rep(1 << 20)
    local bytes = wire.encode(node("a", nil, content))
    assert.equal(hex "00f802fc0161fe00100000", bytes:sub(1, 11))
    assert.equal(content, wire.decode(bytes).content)
  end)

  it("writes text as a string that may be a token or packed, content as bytes", function()
    assert.equal("00f802fc016138", crypto.hex(wire.encode { tag = "a", text = "text" }))
    assert.equal("00f802fc0161fc0474657874", crypto.hex(wire.encode(node("a", nil, "text"))))
    assert.equal("00f802fc0161ff841234567f", crypto.hex(wire.encode { tag = "a", text = "1234567" }))
    for _, bytes in ipairs { "00f802fc016138", "00f802fc0161fc0474657874" } do assert.equal("text", wire.decode(hex(bytes)).content) end
  end)

  it("leaves out what says nothing: empty attributes, empty lists", function()
    assert.equal("00f801fc0161", crypto.hex(wire.encode(node("a", { b = "" }, {}))))
    assert.same(node "a", wire.decode(hex "00f802fc016100"))
    assert.same(node "a", wire.decode(hex "00f802fc0161f800"))
    assert.same(node "a", wire.decode(hex "00f803fc0161fc016200"))
    assert.same(node("a", { b = "" }), wire.decode(hex "00f803fc0161fc0162fc00"))
  end)

  it("writes integers and booleans as text", function()
    local tree = assert(wire.decode(wire.encode(node("a", { n = 42, big = math.maxinteger, yes = true, no = false }))))
    assert.same({ n = "42", big = "9223372036854775807", yes = "true", no = "false" }, tree.attrs)
  end)

  it("takes a node without attrs", function()
    assert.equal("00f80119", crypto.hex(wire.encode { tag = "iq" }))
  end)

  it("writes JIDs as JIDs where the attribute's name says so, and never by their look", function()
    local jid = "15551234567@s.whatsapp.net"
    local names = { "to", "from", "jid", "participant", "recipient", "lid", "creator", "target", "call-creator", "author", "phone_number",
      "participant_lid", "sender_pn", "peer_recipient_pn", "admin", "new", "s_o_pn", "creator_pn" }
    for _, name in ipairs(names) do
      local bytes = wire.encode(node("a", { [name] = jid }))
      assert.truthy(bytes:find(hex "faff8615551234567f03", 1, true), name)
      assert.equal(jid, wire.decode(bytes).attrs[name])
    end
    for _, name in ipairs { "subject", "name", "notify", "id", "type" } do
      local bytes = wire.encode(node("a", { [name] = jid }))
      assert.truthy(bytes:find(jid, 1, true), name)
    end
    assert.truthy(wire.encode(node("group", { subject = "me@home" })):find("me@home", 1, true))
  end)

  it("takes a bare server for a JID in to and from only", function()
    assert.truthy(wire.encode(node("call", { to = "call" })):find(hex "11fa00", 1, true))
    assert.truthy(wire.encode(node("iq", { target = "@g.us" })):find(hex "fa001c", 1, true))
    assert.falsy(wire.encode(node("iq", { target = "call" })):find("\xfa", 1, true))
    assert.equal("call", wire.decode(wire.encode(node("iq", { target = "call" }))).attrs.target)
  end)

  it("writes as text what stands in a JID's place and is none", function()
    assert.equal("nobody", wire.decode(wire.encode(node("iq", { to = "nobody" }))).attrs.to)
  end)

  it("takes the last of two attributes of one name", function()
    assert.same({ b = "2" }, wire.decode(hex "00f805fc0161fc016255fc0162ff812f").attrs)
  end)

  it("reads text of an unknown server back as the text it was", function()
    assert.equal("me@example.com", wire.decode(hex "00f803110cfafc026d65fc0b6578616d706c652e636f6d").attrs.jid)
  end)

  it("reads an interop JID without its server in the middle of a stanza", function()
    assert.same({ jid = "7-12345:3@interop", type = "message" }, wire.decode(hex "00f805110cf5ff8312345f000300070413").attrs)
  end)
end)

describe("the tokens", function()
  local rows = {}
  for line in io.lines "core/wire/tokens.tsv" do
    local page, index, token = line:match "^(%w+)\t(%d+)\t[J-]\t(.+)$"
    if page then rows[#rows + 1] = { page = page, index = tonumber(index), token = token } end
  end

  it("are the dictionary of version 3, all 1,259 of them", function()
    local text = {}
    for i, row in ipairs(rows) do text[i] = ("%s\t%d\t%s\n"):format(row.page, row.index, row.token) end
    assert.equal(235 + 4 * 256, #rows)
    -- of page, index and token of every row of the fact sheets' data/tokens.tsv
    assert.equal("9497555295829f7494fdf6259162e5c2699f0bc578cdaae69db67455ec854bee", crypto.hex(crypto.sha256(table.concat(text))))
  end)

  it("stand where the sheet has them", function()
    local at = {}
    for _, row in ipairs(rows) do at[row.token] = row.page .. " " .. row.index end
    assert.equal("single 1", at["xmlstreamstart"])
    assert.equal("single 19", at["message"])
    assert.equal("single 85", at["1"])
    assert.equal("double0 14", at["conflict"])
    assert.equal("double1 1", at["dirty"])
    assert.equal("double2 60", at["failure"])
  end)

  it("all go out as one byte or two and come back", function()
    local first = { double0 = 236, double1 = 237, double2 = 238, double3 = 239 }
    for _, row in ipairs(rows) do
      local expected = row.page == "single" and string.char(row.index) or string.char(first[row.page], row.index)
      assert.equal("\0\xf8\2" .. "\x13" .. expected, wire.encode { tag = "message", text = row.token })
      assert.equal(row.token, wire.decode("\0\xf8\2\x13" .. expected).content)
      assert.equal("\0\xf8\3\x13" .. expected .. "\xfc\1x", wire.encode(node("message", { [row.token] = "x" })))
      assert.equal(row.token, wire.decode("\0\xf8\1" .. expected).tag)
    end
  end)

  it("that are longer than a short string of Lua's are found too", function()
    local longer = 0
    for _, row in ipairs(rows) do
      if #row.token > 40 then
        longer = longer + 1
        local made = row.token:sub(1, 20) .. row.token:sub(21) -- another string object
        assert.equal(6, #wire.encode { tag = "message", text = made })
        assert.equal(row.token, wire.decode(wire.encode(node(made, { [made] = "x" }))).tag)
      end
    end
    assert.equal(5, longer)
  end)
end)

describe("the core, loaded a second time,", function()
  it("leaves the first one's tokens where they are", function()
    local loaded = package.loaded["moonpost.core"]
    package.loaded["moonpost.core"] = nil
    local again = require "moonpost.core"
    package.loaded["moonpost.core"] = loaded
    assert.are_not.equal(wire, again.wire)
    collectgarbage()
    for i = 1, 3000 do assert.equal("\0\xf8\1\x19", wire.encode { tag = "iq", text = nil, attrs = { ["name" .. i] = "" } }) end
    local tree = node("iq", { to = SRV, type = "get", id = "message" }, { node "participants" })
    assert.equal(wire.encode(tree), again.wire.encode(tree))
    assert.same(tree, again.wire.decode(wire.encode(tree)))
  end)
end)

describe("the decoder, given bad bytes,", function()
  local bad = {
    { "nothing", "", "truncated" }, { "only a flag", "00", "truncated" }, { "a list of size 0", "00f800", "malformed" },
    { "an empty list as a node", "0000", "malformed" }, { "an empty node", "000000", "malformed" },
    { "a token as a node", "001919", "malformed" }, { "a JID as tag", "00f801fa0003", "malformed" },
    { "an unknown JID as tag", "00f801fafc0161fc0162", "malformed" }, { "no tag", "00f80100", "malformed" },
    { "an empty tag", "00f801fc00", "malformed" }, { "an empty packed tag", "00f801ff00", "malformed" },
    { "a list as tag", "00f801f80119", "malformed" }, { "a tag that is not UTF-8", "00f801fc01ff", "malformed" },
    { "an attribute without name", "00f803190055", "malformed" }, { "an attribute with an empty name", "00f80319fc0055", "malformed" },
    { "a JID as an attribute's name", "00f80319fa000355", "malformed" },
    { "a list as an attribute", "00f8031904f80119", "malformed" }, { "an empty list as an attribute", "00f8031904f800", "malformed" },
    { "an attribute that is not UTF-8", "00f8031904fc02c328", "malformed" },
    { "an attribute's name that is not UTF-8", "00f80319fc01c355", "malformed" },
    { "bytes behind the stanza", "00f8011900ff", "malformed" }, { "an unassigned tag", "00f801f0", "malformed" },
    { "an unknown domain", "00f803110cf70205ff8615551234567f", "malformed" }, { "an invalid nibble", "00f803110cff01c0", "malformed" },
    { "a pad inside", "00f803110cff02f11f", "malformed" }, { "an odd string of no bytes", "00f803110cff80", "malformed" },
    { "more attributes than bytes", "00f9ffff190455", "malformed" }, { "more children than bytes", "00f80219f9ffff", "malformed" },
    { "a length beyond the data", "00f80219feffffffff", "truncated" }, { "a child that is no node", "00f80219f80119", "malformed" },
    { "a damaged zlib stream", "02789cfbc1e923", "malformed" }, { "no zlib stream", "0200f80119", "malformed" },
  }
  for _, row in ipairs(bad) do
    it("refuses " .. row[1], function() refused(row[3], wire.decode(hex(row[2]))) end)
  end

  it("says at which byte", function()
    local _, err = wire.decode(hex "00f801f0")
    assert.equal("an unassigned tag at byte 3", err.message)
  end)

  it("sees every truncation", function()
    for _, row in ipairs(stanzas) do
      local bytes = hex(row[3])
      for length = 0, math.min(#bytes - 1, 300) do
        local tree, err = wire.decode(bytes:sub(1, length))
        assert.is_nil(tree)
        assert.truthy(err.code == "truncated" or err.code == "malformed", err.code)
      end
    end
  end)

  it("survives every changed byte, and what it takes it can write again", function()
    for _, row in ipairs(stanzas) do
      local bytes = hex(row[3])
      for at = 1, math.min(#bytes, 100) do
        for _, mask in ipairs { 0x01, 0x80, 0xff } do
          local tree = wire.decode(bytes:sub(1, at - 1) .. string.char(bytes:byte(at) ~ mask) .. bytes:sub(at + 1))
          if tree then assert.same(tree, assert(wire.decode(wire.encode(tree)))) end
        end
      end
    end
  end)

  it("reads nodes 128 deep and no deeper", function()
    local function deep(levels) return "\0" .. ("\xf8\2\x19\xf8\1"):rep(levels - 1) .. "\xf8\1\x19" end
    local tree = assert(wire.decode(deep(128)))
    assert.equal(deep(128), wire.encode(tree))
    refused("limit", wire.decode(deep(129)))
    refused("limit", wire.decode(deep(100000)))
    assert.has_error(function() wire.encode(node("iq", nil, { tree })) end)
  end)

  it("makes no room for announced nodes that cannot come", function()
    -- each level announces all that the rest could hold
    local bytes = "\0" .. ("\xf8\2\x19\xf9\xff\xff"):rep(120) .. ("\xf8\1\x19"):rep(70000)
    collectgarbage()
    collectgarbage "stop"
    local before = collectgarbage "count"
    local tree, err = wire.decode(bytes)
    local used = collectgarbage "count" - before
    collectgarbage "restart"
    refused("malformed", tree, err)
    assert.truthy(used < 6 * #bytes / 1024, ("%.0f KiB"):format(used))
  end)

  it("reads 200,000 nodes at most", function()
    local function list(count) return "\xf9" .. (">I2"):pack(count) .. ("\xf8\1\x19"):rep(count) end
    local function tree(count) return "\0\xf8\2\x19\xf8\4" .. ("\xf8\2\x19" .. list(count)):rep(4) end
    assert.equal(4, #assert(wire.decode(tree(49998))).content)
    refused("limit", wire.decode(tree(50000)))
  end)
end)

describe("compressed stanzas", function()
  it("are read by their flag, whatever its other bits", function()
    local zipped = hex "789cfbc1e923f59f559c818181a1ec3b23fbff0e0106064665d7f47edb3fcc6945c931ef5800b0260ab3"
    for _, flag in ipairs { 2, 3, 0x82, 0xff } do
      local tree = assert(wire.decode(string.char(flag) .. zipped))
      assert.equal("success", tree.tag)
      assert.equal("100000012345678:7@lid", tree.attrs.lid)
    end
    for _, flag in ipairs { 1, 4, 0xf8 } do assert.equal("iq", wire.decode(string.char(flag) .. hex "f80119").tag) end
  end)

  it("may have bytes behind them", function()
    assert.equal("iq", wire.decode("\2" .. wire.deflate(hex "f80119") .. "more").tag)
  end)

  it("stop at 16 MiB", function()
    -- one literal zero, then matches of 258 bytes at distance 1, in the fixed code
    local bits = { "1", "10", "00110000" }
    for i = 1, 16 * 1024 * 1024 // 258 + 100 do bits[3 + i] = "1100010100000" end
    local text, out = table.concat(bits), {}
    for at = 1, #text - 7, 8 do out[#out + 1] = string.char(tonumber(text:sub(at, at + 7):reverse(), 2)) end
    local bomb = "\2\x78\x01" .. table.concat(out)
    assert.truthy(#bomb < 110000)
    refused("limit", wire.decode(bomb))
    refused("limit", wire.inflate(bomb:sub(2)))
  end)

  it("come from deflate", function()
    for _, text in ipairs { "", "a", ("ab"):rep(100000) } do assert.equal(text, wire.inflate(wire.deflate(text))) end
    assert.truthy(#wire.deflate(("ab"):rep(100000)) < 1000)
    refused("malformed", wire.inflate "")
    refused("malformed", wire.inflate(wire.deflate("some text"):sub(1, -2)))
  end)
end)

describe("the encoder, given what is no node,", function()
  local wrong = {
    { "a string", "x", "table expected, got string" },
    { "a node without tag", {}, "a node has no tag" },
    { "an empty tag", { tag = "" }, "a node has no tag" },
    { "a tag that is a number", { tag = 1 }, "a node has no tag" },
    { "attrs that are a string", { tag = "a", attrs = "x" }, "<a>: attrs is a string, not a table" },
    { "an attribute that is a table", { tag = "a", attrs = { b = {} } },
      "<a>: attribute 'b' is a table, not a string, integer or boolean" },
    { "an attribute that is a float", { tag = "a", attrs = { b = 1.5 } },
      "<a>: attribute 'b' is a number, not a string, integer or boolean" },
    { "an attribute whose name is a number", { tag = "a", attrs = { "x" } }, "<a>: an attribute's name is a number" },
    { "an attribute without name", { tag = "a", attrs = { [""] = "x" } }, "<a>: an attribute has no name" },
    { "an attribute that is not UTF-8", { tag = "a", attrs = { b = "\xff" } }, "<a>: attribute 'b' is not UTF-8" },
    { "content that is a number", { tag = "a", content = 1 }, "<a>: content is a number, not bytes or a list of nodes" },
    { "text that is a number", { tag = "a", text = 1 }, "<a>: text is a number, not a string" },
    { "a child that is a string", { tag = "a", content = { "x" } }, "<a>: child 1 is a string, not a node" },
    { "a child without tag", { tag = "a", content = { { tag = "b" }, {} } }, "a node has no tag" },
  }
  for _, row in ipairs(wrong) do
    it("refuses " .. row[1] .. ", at the caller's line", function()
      local ok, err = pcall(function()
        wire.encode(row[2]) -- here
      end)
      assert.is_false(ok)
      assert.truthy(err:find(row[3], 1, true), err)
      assert.truthy(err:find("^[^\n]*wire_spec%.lua:%d+: "), err)
    end)
  end

  it("refuses more attributes or children than the wire can hold", function()
    local attrs, children, one = {}, {}, node "b"
    for i = 1, 201 do attrs["k" .. i] = "1" end
    for i = 1, 65536 do children[i] = one end
    assert.error_matches(function() wire.encode(node("a", attrs)) end, "<a>: more than 200 attributes")
    assert.error_matches(function() wire.encode(node("a", nil, children)) end, "too many attributes or children")
    children[65536] = nil
    assert.equal(65535, #assert(wire.decode(wire.encode(node("a", nil, children)))).content)
  end)

  it("refuses a table that holds itself", function()
    local loop = node("a", nil, {})
    loop.content[1] = loop
    assert.error_matches(function() wire.encode(loop) end, "nested deeper than 128")
  end)

  it("writes the next stanza as if nothing had happened", function()
    pcall(wire.encode, node("message", { to = SRV }, { node "enc", {} }))
    assert.equal("00f80119", crypto.hex(wire.encode { tag = "iq" }))
  end)
end)

describe("frames", function()
  it("come out of any split of the stream", function()
    local stream = wire.header "\8\2\8\12" .. wire.frame "\xaa\xbb" .. wire.frame "\xcc"
    assert.equal("45440001000004" .. "0802080c" .. "57410603" .. "000002aabb" .. "000001cc", crypto.hex(stream))
    for size = 1, #stream do
      local frames, got = wire.frames { role = "server" }, {}
      for at = 1, #stream, size do
        assert.is_true(frames:feed(stream:sub(at, at + size - 1)))
        for frame in function() return frames:next() end do got[#got + 1] = frame end
      end
      assert.same({ "\xaa\xbb", "\xcc" }, got)
      assert.equal("\8\2\8\12", frames:routing_info())
    end
  end)

  it("know no header on a client's side", function()
    local frames = wire.frames { role = "client" }
    frames:feed(wire.frame "answer")
    assert.equal("answer", frames:next())
    assert.is_nil(frames:next())
    assert.is_nil(frames:routing_info())
  end)

  it("refuse what is too large, empty or no such stream", function()
    local frames = wire.frames { role = "server" }
    frames:feed "GET / HTTP/1.1\r\n"
    refused("malformed", frames:next())
    frames = wire.frames { role = "server" }
    frames:feed(wire.header() .. "\xff\xff\xff")
    refused("limit", frames:next())
    frames = wire.frames { role = "client" }
    frames:feed "\0\0\0"
    refused("malformed", frames:next())
    frames = wire.frames { role = "client" }
    refused("limit", frames:feed(("x"):rep(64 * 1024 + 1)))
  end)

  it("may be large once the handshake is done", function()
    local frames = wire.frames { role = "client" }
    local large = ("x"):rep((1 << 24) - 1)
    frames:established()
    frames:feed(wire.frame(large))
    assert.equal(large, frames:next())
    assert.error_matches(function() wire.frame(large .. "x") end, "a frame holds 1 to 16,777,215 bytes")
    assert.error_matches(function() wire.frame "" end, "a frame holds 1 to 16,777,215 bytes")
  end)

  it("say what they are, close, and stay closed", function()
    local kept
    do
      local frames <close> = wire.frames { role = "client" }
      frames:feed "\0\0\1a\0\0"
      frames:next()
      assert.equal("moonpost.wire.frames (2 bytes waiting)", tostring(frames))
      kept = frames
    end
    assert.equal("moonpost.wire.frames (closed)", tostring(kept))
    refused("closed", kept:feed "x")
    refused("closed", kept:next())
    assert.equal("moonpost.wire.frames", getmetatable(kept))
  end)

  it("are collected", function()
    local weak = setmetatable({}, { __mode = "v" })
    weak[1] = wire.frames { role = "client" }
    collectgarbage()
    assert.is_nil(weak[1])
  end)

  it("name the argument that is wrong", function()
    assert.error_matches(function() wire.frames() end, "table expected, got no value")
    assert.error_matches(function() wire.frames {} end, "role: 'client' or 'server' expected")
    assert.error_matches(function() wire.frames { role = "both" } end, "role: 'client' or 'server' expected")
    assert.error_matches(function() wire.frames { role = "client" }:feed() end, "string expected, got no value")
    assert.error_matches(function() wire.frames { role = "client" }.feed("x", "y") end, "moonpost.wire.frames expected, got string")
    assert.error_matches(function() wire.header(("x"):rep(40000)) end, "routing info is too long")
    assert.error_matches(function() wire.decode() end, "string expected, got no value")
    assert.error_matches(function() wire.inflate {} end, "string expected, got table")
    assert.error_matches(function() wire.deflate(nil) end, "string expected, got nil")
  end)
end)
