-- The binary codec as Lua sees it (fact sheet 01 §4, vectors of §15.5). Values one by one: spec/core/codec_test.c.
local core = require "moonpost.core"
local stanzas = require "spec.stanzas"
local wire, crypto = core.wire, core.crypto
local hex, node = stanzas.hex, stanzas.node

local SRV = "s.whatsapp.net"

describe("the codec", function()
  for _, row in ipairs(stanzas.list) do
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

  it("takes a child that was encoded before", function()
    local child = { tag = "to", attrs = { jid = "123:4@lid" }, content = { { tag = "enc", attrs = { v = "2" }, content = "\0\1" } } }
    local whole = { tag = "message", attrs = { id = "1" }, content = { { tag = "participants", content = { child, child } } } }
    local both = { wire.encode(child), child }
    local pieces = { tag = "message", attrs = { id = "1" }, content = { { tag = "participants", content = both } } }
    assert.equal(wire.encode(whole), wire.encode(pieces))
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

describe("trees of every shape", function()
  local seed = 1
  local function random(most) -- the same trees each time
    seed = (seed * 1103515245 + 12345) & 0x7fffffff
    return (seed >> 8) % most + 1
  end
  local function pick(list) return list[random(#list)] end
  local jids = { "15551234567@s.whatsapp.net", "15551234567:7@s.whatsapp.net", "100000012345678:33@lid", "15551234567:99@hosted",
    "100000012345678:99@hosted.lid", "120363000000000001@g.us", "status@broadcast", "s.whatsapp.net", "12345:3@msgr", "7-12345:3@interop",
    "120363000000000002@newsletter", "867051314767696@bot", "0@c.us", "abc@call" }
  local sizes = { 1, 2, 126, 127, 128, 129, 254, 255, 256, 257, 1000, 70000 }
  local kinds = {
    function() return pick { "message", "type", "404", "true", "participants", "failure" } end,
    function() return ("0123456789-."):rep(30):sub(1, pick(sizes)) end,
    function() return ("0123456789ABCDEF"):rep(30):sub(1, pick(sizes)) end,
    function() return ("0123456789abcdef"):rep(30):sub(1, pick(sizes)) end,
    function() return ("é€😀 words"):rep(random(20)) end,
    function() return pick(jids) end,
  }
  local function make(depth)
    local tree = node(pick { "iq", "message", "a", "some-tag", "1", "failure" })
    for i = 1, pick { 0, 1, 2, 5, 20 } do
      tree.attrs[pick { "id", "type", "x", "to", "jid", "y" } .. (i > 5 and i or "")] = pick(kinds)()
    end
    if depth < 4 and random(3) > 1 then
      tree.content = {}
      for i = 1, random(5) do tree.content[i] = make(depth + 1) end
    elseif random(2) == 1 then
      tree.content = ("\0\xff\x7fz"):rep(pick(sizes)):sub(1, pick(sizes) - 1)
    end
    return tree
  end

  it("come back as they went, from any order of their attributes", function()
    for _ = 1, 300 do
      local tree = make(1)
      local bytes = wire.encode(tree)
      local back = assert(wire.decode(bytes))
      assert.same(tree, back)
      assert.equal(bytes, wire.encode(back))
    end
  end)

  it("come back with 0 to 65,535 children and 0 to 200 attributes", function()
    for _, count in ipairs { 1, 255, 256, 65535 } do
      local tree = node("list", nil, {})
      for i = 1, count do tree.content[i] = node("item", { n = tostring(i) }) end
      local back = assert(wire.decode(wire.encode(tree)))
      assert.equal(count, #back.content)
      assert.equal(tostring(count), back.content[count].attrs.n)
    end
    for _, count in ipairs { 0, 1, 126, 127, 128, 200 } do
      local tree = node "list"
      for i = 1, count do tree.attrs["k" .. i] = "v" .. i end
      assert.same(tree, wire.decode(wire.encode(tree)))
    end
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
    { "a child that is a string and no encoded node", { tag = "a", content = { "x" } }, "<a>: child 1 is no encoded node" },
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
