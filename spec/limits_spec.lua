-- What is too large to be sent is refused before anything is made of it, and never stands in the way of the rest.
local core = require "moonpost.core"
local limits = require "moonpost.client.limits"
local rows = require "moonpost.client.rows"
local stanza = require "moonpost.stanza"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"

local function refused(sent, err)
  assert.is_nil(sent)
  assert.equal("limit", err.code)
  return err.message
end

describe("what is too large", function()
  it("is no text: it is refused with its size and the limit, and the next one goes", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    assert.equal("a text of 20000000 characters is too large: at most 65536 characters can be sent",
      refused(ana.client:send(ben.jid, ("x"):rep(20000000))))
    refused(ana.client:send(ben.jid, ("\u{e9}"):rep(65537)))
    assert.equal(0, ana.client.store:count("outbox", ""))
    local longest = ("\u{e9}"):rep(65536)
    assert(ana.client:send(ben.jid, longest))
    assert.is_true(ben:next().text == longest)
  end))

  it("is no Message", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local message = { imageMessage = { jpegThumbnail = ("x"):rep(limits.MESSAGE) } }
    assert.matches("^a message of %d+ bytes is too large: at most 1048576 bytes", refused(ana.client:send(ben.jid, message)))
    assert.equal(0, ana.client.store:count("outbox", ""))
  end))

  it("is no stanza to many devices, and no ratchet moves for it", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    assert(ana.client:send(ben.jid, "hi"))
    ben:next()
    local theirs = {}
    for i = 1, 40 do theirs[i] = ben.lid end
    function ana.client.fanout.address(_, wanted) return { to = wanted, chat = wanted, theirs = theirs, own = {} } end
    local account = ana.client.account
    ana.client.account = { encrypt = function() error "a ratchet moved" end }
    local text = { imageMessage = { jpegThumbnail = ("x"):rep(500000) } }
    assert.matches("to 40 devices of 2%d+ bytes is too large: at most 16777151 bytes", refused(ana.client:send(ben.lid, text)))
    assert.equal(0, ana.client.store:count("outbox", ""))
    ana.client.fanout.address, ana.client.account = nil, account
    assert(ana.client:send(ben.jid, "on"))
    assert.equal("on", ben:next().text)
  end))

  it("is refused by a connection before its cipher moves, which goes on", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local link = ana.client.connection.link
    refused(link:send_encoded(("x"):rep(limits.SEALED + 1)))
    assert(ana.client:query(stanza.node("iq", { xmlns = "w:p", type = "get", to = "s.whatsapp.net" }, {})))
    assert.equal(link, ana.client.connection.link)
  end))

  it("and in the outbox of an earlier run is dropped with a report, and the rest is sent", support.async(function()
    local rig <close> = start()
    local handle = assert(core.store.open {})
    local ana, ben = rig:contact("Ana", { store_handle = handle }), rig:contact "Ben"
    ana.client:close()
    rows.put(handle, "outbox", "o" .. rows.sequence(1), "StoreOutbox", {
      id = "3EB0TOOLARGE", to = ben.lid, stanza = core.wire.encode(stanza.node("message", {}, ("x"):rep(limits.SEALED + 1))),
      time = math.floor(core.net.time()),
    })
    handle:put("outbox", "i3EB0TOOLARGE", rows.sequence(1))
    assert(handle:commit())
    local again = tap.client(rig, { store_handle = handle })
    local errors = tap.event(again, "error")
    assert(again:connect())
    local err = assert(errors:pop(30))
    assert.equal("limit", err.code)
    assert.matches("^message 3EB0TOOLARGE to .* was not sent: a stanza of %d+ bytes is too large", err.message)
    assert(again:send(ben.jid, "still here"))
    assert.equal("still here", ben:next().text)
    assert.equal(0, handle:count("outbox", ""))
  end))
end)

describe("a message that is empty or no UTF-8", function()
  it("is an error at the caller's line", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    for _, one in ipairs {
      { {}, "the Message is empty" }, { "", "text.* is empty" }, { { extendedTextMessage = { text = "" } }, "the text is empty" },
      { { conversation = "x", messageContextInfo = { messageSecret = "short" } }, "messageSecret must be 32 bytes" },
      { "a\xffb", "Message.conversation: the text is not UTF%-8 %(byte 2%)" },
      { { messageContextInfo = 5 }, "messageContextInfo: a table is expected" },
    } do
      local ok, err = pcall(function() ana.client:send(ben.jid, one[1]) end)
      assert.is_false(ok)
      assert.matches("limits_spec.lua:%d+: client:send: .*" .. one[2], err)
    end
    assert.equal(0, ana.client.store:count("outbox", ""))
  end))
end)
