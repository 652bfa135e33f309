-- Stanzas: nodes are built, read by path, and shown without their secrets.
local stanza = require "moonpost.stanza"

local function sample()
  return stanza.node("iq", { id = "1" }, {
    stanza.node("list", nil, {
      stanza.node("user", { jid = "1@lid" }, stanza.node("name", nil, "Ana")),
      stanza.node "gap",
      stanza.node("user", { jid = "2@lid" }, "bytes"),
    }),
  })
end

describe("a stanza", function()
  it("is a table of tag, attrs and content", function()
    assert.same({ tag = "iq", attrs = {} }, stanza.node "iq")
    assert.same({ tag = "iq", attrs = { id = "1" }, content = "x" }, stanza.node("iq", { id = "1" }, "x"))
    assert.same({ { tag = "ping", attrs = {} } }, stanza.node("iq", nil, stanza.node "ping").content)
    assert.same({}, stanza.node("iq", nil, {}).content)
  end)

  it("gives its first child, with a tag or any", function()
    local list = stanza.child(sample(), "list")
    assert.equal("user", stanza.child(list).tag)
    assert.equal("gap", stanza.child(list, "gap").tag)
    assert.is_nil(stanza.child(list, "none"))
    assert.is_nil(stanza.child(stanza.node "iq"))
    assert.is_nil(stanza.child(stanza.node("iq", nil, "bytes"), "x"))
  end)

  it("gives its children one after the other, with a tag or all", function()
    local list, seen = stanza.child(sample()), {}
    for i, child in stanza.children(list, "user") do seen[i] = child.attrs.jid end
    assert.same({ [1] = "1@lid", [3] = "2@lid" }, seen)
    local count = 0
    for _ in stanza.children(list) do count = count + 1 end
    assert.equal(3, count)
    for _ in stanza.children(stanza.node("iq", nil, "bytes")) do error "bytes are no children" end
    for _ in stanza.children(nil) do error "nothing has no children" end
  end)

  it("is read by a path, which may end early", function()
    assert.equal("Ana", stanza.path(sample(), "list", "user", "name").content)
    assert.equal("Ana", stanza.bytes(sample(), "list", "user", "name"))
    assert.is_nil(stanza.path(sample(), "list", "none", "name"))
    assert.is_nil(stanza.bytes(sample(), "list", "gap"))
    assert.is_nil(stanza.bytes(sample(), "list"))
    local node = sample()
    assert.equal(node, stanza.path(node))
  end)

  it("is shown as XML with sorted attributes and without its bytes", function()
    assert.equal([[
<message id="1" to="2@lid">
  <enc v="2"><!-- 6 bytes --></enc>
  <empty/>
</message>
]], stanza.xml(stanza.node("message", { to = "2@lid", id = 1 }, { stanza.node("enc", { v = "2" }, "secret"), stanza.node "empty" })))
  end)

  it("is shown up to a size, however large it is", function()
    local wide = stanza.node("list", nil, {})
    for i = 1, 1000 do wide.content[i] = stanza.node("user", { jid = ("é"):rep(1000) }) end
    for _, node in ipairs { wide, stanza.node(("t"):rep(1000)), stanza.node("a", { [("n"):rep(1000)] = ("v"):rep(1000) }) } do
      local shown = stanza.xml(node, 200)
      assert.is_true(#shown <= 200 and #shown > 190)
      assert.is_truthy(utf8.len(shown))
      assert.equal("…", shown:sub(-3))
    end
    assert.equal("<a/>\n", stanza.xml(stanza.node "a", 200))
  end)

  it("is shown so that no value breaks out of its place", function()
    assert.equal('<a b="&lt;&quot;&amp;&gt;\\x0a\\xff">x&lt;</a>\n', stanza.xml { tag = "a", attrs = { b = '<"&>\n\xff' }, text = "x<" })
    assert.equal('<a\\x1b[2J&gt; b\\x0a&lt;="\\u{009b}\\u{202e}"/>\n',
      stanza.xml { tag = "a\27[2J>", attrs = { ["b\n<"] = "\u{9b}\u{202e}" } })
  end)
end)
