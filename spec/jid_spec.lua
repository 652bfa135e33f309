-- JIDs as text (fact sheet 01 §5.2). The whole table of forms: spec/core/jid_test.c.
local jid = require("moonpost.core").wire.jid

describe("a JID", function()
  it("is parsed into user, server and device", function()
    assert.same({ "15551234567", "s.whatsapp.net", 7 }, { jid.parse "15551234567:7@s.whatsapp.net" })
    assert.same({ "100000012345678", "lid", 0 }, { jid.parse "100000012345678@lid" })
    assert.same({ "120363000000000001", "g.us", 0 }, { jid.parse "120363000000000001@g.us" })
    assert.same({ "status", "broadcast", 0 }, { jid.parse "status@broadcast" })
    assert.same({ "15551234567", "hosted", 99 }, { jid.parse "15551234567:99@hosted" })
    assert.same({ "12345", "msgr", 3 }, { jid.parse "12345:3@msgr" })
    assert.same({ "7-12345", "interop", 3 }, { jid.parse "7-12345:3@interop" })
  end)

  it("may be a server alone, with or without its at sign", function()
    assert.same({ "", "s.whatsapp.net", 0 }, { jid.parse "s.whatsapp.net" })
    assert.same({ "", "s.whatsapp.net", 0 }, { jid.parse "@s.whatsapp.net" })
  end)

  it("of a phone number may carry the agent 0, which means nothing", function()
    assert.same({ "15551234567", "s.whatsapp.net", 5 }, { jid.parse "15551234567.0:5@s.whatsapp.net" })
    assert.is_nil(jid.parse "15551234567.5@s.whatsapp.net")
    assert.same({ "1.2", "lid", 3 }, { jid.parse "1.2:3@lid" })
  end)

  it("is nil when the text is none", function()
    for _, text in ipairs { "", "@", "hello", "me@home", "x@unknown", "a:b@lid", "1:256@lid", "1:2@g.us", "1:@lid", "1\n@lid", "\xff@lid",
      "1\0@lid", "15551234567@s.whatsapp.net\0", ("1"):rep(256) .. "@lid" } do
      assert.equal(0, select("#", jid.parse(text)), text)
    end
  end)

  it("is made of its parts, and comes apart into them again", function()
    assert.equal("15551234567@s.whatsapp.net", jid.make("15551234567", "s.whatsapp.net"))
    assert.equal("15551234567:7@s.whatsapp.net", jid.make("15551234567", "s.whatsapp.net", 7))
    assert.equal("15551234567@s.whatsapp.net", jid.make("15551234567", "s.whatsapp.net", 0))
    assert.equal("g.us", jid.make("", "g.us"))
    for _, text in ipairs { "1:7@lid", "1@c.us", "7-12345:3@interop", "12345:300@msgr", "abc@call", "lid" } do
      assert.equal(text, jid.make(jid.parse(text)))
    end
  end)

  it("is not made of parts that do not fit", function()
    local wrong = { { "1", "nowhere" }, { "1", "lid", 256 }, { "1", "lid", -1 }, { "1", "g.us", 2 }, { "a@b", "lid" }, { "1:2", "lid", 3 },
      { "1\n", "lid" }, { "1\0", "lid" }, { "", "lid", 1 }, { "12345", "interop" } }
    for _, parts in ipairs(wrong) do
      local ok, err = pcall(function() return jid.make(table.unpack(parts)) end)
      assert.is_false(ok)
      assert.truthy(err:find("jid_spec%.lua:%d+: .* is no JID"), err)
    end
  end)

  it("is bare without its device, in its one form", function()
    assert.equal("15551234567@s.whatsapp.net", jid.bare "15551234567:7@s.whatsapp.net")
    assert.equal("15551234567@s.whatsapp.net", jid.bare "15551234567.0:7@s.whatsapp.net")
    assert.equal("15551234567@s.whatsapp.net", jid.bare "15551234567@s.whatsapp.net")
    assert.equal("100000012345678@lid", jid.bare "100000012345678:0@lid")
    assert.equal("12345@msgr", jid.bare "12345:3@msgr")
    assert.equal("7-12345@interop", jid.bare "7-12345:3@interop")
    assert.equal("s.whatsapp.net", jid.bare "@s.whatsapp.net")
  end)

  it("has its functions name the argument that is wrong", function()
    assert.error_matches(function() jid.parse() end, "bad argument #1 to 'parse' %(string expected, got no value%)")
    assert.error_matches(function() jid.parse {} end, "bad argument #1 to 'parse' %(string expected, got table%)")
    assert.error_matches(function() jid.bare "nobody" end, "bad argument #1 to 'bare' %(a JID is expected%)")
    assert.error_matches(function() jid.make("1") end, "bad argument #2 to 'make' %(string expected, got no value%)")
    assert.error_matches(function() jid.make("1", "lid", "x") end, "bad argument #3 to 'make' %(number expected, got string%)")
    assert.error_matches(function() jid.make("1", "lid", 1.5) end, "bad argument #3 to 'make' %(number has no integer representation%)")
  end)
end)
