-- Chats whose messages disappear: their timer set, learnt, and put on what is sent (fact sheet 05 §5.4, 03 §16.11).
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"
local writer = require "spec.group_writer"

local WEEK = 7 * 86400

describe("the timer of a chat", function()
  it("is set by one and told to the other, and stands on what both send from then on", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    assert(ana.client:set_expiration(ben.jid, WEEK))
    local m = ben:next()
    assert.same({ "expiration", WEEK }, { m.kind, m.expiration })
    assert.equal(WEEK, ben:hears(ana, "soon gone").expires)
    assert.equal(WEEK, ana:hears(ben, "so is this").expires)
    assert(ben.client:set_expiration(ana.jid, 0))
    assert.equal(0, ana:next().expiration)
    assert.is_nil(ben:hears(ana, "stays").expires)
    assert.is_nil(ana:hears(ben, "stays").expires)
    assert.has_error(function() ana.client:set_expiration(ben.jid, 5) end)
  end))

  it("is learnt from what somebody sends", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    assert(ana.client:send(ben.jid, { extendedTextMessage = { text = "hi", contextInfo = { expiration = WEEK } } }))
    assert.equal(WEEK, ben:next().expires)
    assert.equal(WEEK, ben.client.timers:of(ana.lid))
    assert.equal(WEEK, ana:hears(ben, "hello").expires)
  end))

  it("of before does not replace a later one", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    assert(ana.client:set_expiration(ben.jid, WEEK))
    ben:next()
    assert(ana.client:send(ben.jid, { protocolMessage = {
      type = "EPHEMERAL_SYNC_RESPONSE", ephemeralExpiration = 86400, ephemeralSettingTimestamp = 5,
    } }))
    assert.equal("next", ben:hears(ana, "next").text)
    assert.equal(WEEK, ben.client.timers:of(ana.lid))
  end))

  it("that is said to be set in a time to come is replaced by a later one all the same", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    assert(ana.client:send(ben.jid, { protocolMessage = {
      type = "EPHEMERAL_SETTING", ephemeralExpiration = 86400, ephemeralSettingTimestamp = 4000000000,
    } }))
    assert.equal(86400, ben:next().expiration)
    assert(ben.client:set_expiration(ana.jid, WEEK))
    assert.equal(WEEK, ben.client.timers:of(ana.lid))
    assert.equal(WEEK, ana:next().expiration)
    assert.equal(WEEK, ana:hears(ben, "next").expires)
  end))

  it("of a group is the group's: set by an admin, and by no message", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local group = writer.make(rig, ana, ben)
    local errors = tap.event(ana.client, "error")
    assert(ben.client:send(group, { protocolMessage = { type = "EPHEMERAL_SETTING", ephemeralExpiration = 86400 } }))
    assert.matches("sets a timer as in a chat of two", errors:pop(30).message)
    assert(ana.client:set_expiration(group, WEEK))
    assert(ana.client:send(group, "soon gone"))
    assert.equal(WEEK, ben:next().expires)
    assert(ben.client:send(group, "so is this"))
    assert.equal(WEEK, ana:next().expires)
  end))

  it("is a bot's to set, and to see on what it hears", support.async(function()
    local rig <close> = start()
    local bot, ana = rig:bot { name = "Echo" }, rig:contact "Ana"
    bot:command("forget", function(ctx)
      bot:set_expiration(ctx.chat, 86400)
      ctx:reply(tostring(ctx.expires))
    end)
    rig:run(bot)
    assert(ana.client:send(bot.client.me.jid, "!forget"))
    assert.equal(86400, ana:next().expiration)
    local m = ana:next()
    assert.same({ "nil", 86400 }, { m.text, m.expires })
    assert(ana.client:send(bot.client.me.jid, "!forget"))
    ana:next()
    assert.equal("86400", ana:next().text)
  end))
end)
