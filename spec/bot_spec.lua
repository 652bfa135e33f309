local support = require "spec.support"
local start = require("spec.rig").start
local task = require "moonpost.task"
local commands = require "moonpost.bot.commands"
local moonpost = require "moonpost"

describe("commands", function()
  it("are a prefix, a name and words", function()
    local name, args = commands.parse("!Order two  large ", "!")
    assert.equal("order", name)
    assert.same({ "two", "large", text = "two  large" }, args)
  end)
  it("are not any text", function()
    assert.is_nil(commands.parse("hello !ping", "!"))
    assert.is_nil(commands.parse("!", "!"))
    assert.is_nil(commands.parse("! ping", "!"))
  end)
end)

-- assert.error_matches takes the position off an error: here it is what counts.
local function fails_here(fn, message)
  local ok, err = pcall(fn)
  assert.is_false(ok)
  assert.matches("bot_spec.lua:%d+: " .. message, err)
end

describe("moonpost.bot", function()
  it("names a wrong option at the caller's line", function()
    fails_here(function() moonpost.bot { store = "x", nmae = "y" } end, "moonpost.bot has no option 'nmae'")
    fails_here(function() moonpost.bot {} end, "moonpost.bot needs the option 'store'")
    fails_here(function() moonpost.bot { store = 1 } end, "moonpost.bot: option 'store' must be a string")
    fails_here(function() moonpost.bot { store = "x" }:on("massage", print) end, "bot:on has no event 'massage'")
    fails_here(function() moonpost.client { store = "x", nmae = "y" } end, "moonpost.client has no option 'nmae'")
    fails_here(function() moonpost.client {} end, "moonpost.client needs the option 'store'")
  end)

  it("tells its own identities when ready, and answers a command with a quote", support.async(function()
    local rig <close> = start()
    local bot = rig:bot()
    bot:command("ping", function(ctx) ctx:reply "pong" end)
    local me = rig:run(bot)
    assert.matches("^%d+@s%.whatsapp%.net$", me.jid)
    assert.matches("^%d+@lid$", me.lid)
    local ana = rig:contact "Ana"
    local answer, sent = ana:ask(me.jid, "!ping")
    assert.equal("pong", answer.text)
    assert.equal("Echo", answer.name)
    assert.equal(sent.id, answer.message.extendedTextMessage.contextInfo.stanzaId)
  end))

  it("gives a handler who wrote, where and when", support.async(function()
    local rig <close> = start()
    local bot, seen = rig:bot(), task.queue()
    bot:on("message", function(ctx) seen:push(ctx) end)
    local me = rig:run(bot)
    local ana = rig:contact "Ana"
    local sent = assert(ana.client:send(me.jid, "hello"))
    local ctx = seen:pop(5)
    assert.equal("hello", ctx.text)
    assert.equal(ana.lid, ctx.sender)
    assert.equal(ana.lid, ctx.chat)
    assert.equal(ana.jid:match "^%d+", ctx.phone)
    assert.equal("Ana", ctx.name)
    assert.equal(sent.id, ctx.id)
    assert.is_true(math.abs(ctx.time - os.time()) < 5)
  end))

  it("lets a matching command consume the message, and filters choose", support.async(function()
    local rig <close> = start()
    local bot = rig:bot()
    bot:command("ping", function(ctx) ctx:send "pong" end)
    bot:on("message", { text = "^%d+$" }, function(ctx) ctx:send("number " .. ctx.text) end)
    bot:on("message", function(ctx) return ctx.text == "hi" end, function(ctx) ctx:send "hello" end)
    local me = rig:run(bot)
    local ana = rig:contact "Ana"
    assert.equal("pong", ana:ask(me.jid, "!ping").text)
    assert.equal("number 12", ana:ask(me.jid, "12").text)
    assert.equal("hello", ana:ask(me.jid, "hi").text)
  end))

  it("reacts", support.async(function()
    local rig <close> = start()
    local bot = rig:bot()
    bot:on("message", function(ctx) ctx:react "👀" end)
    local me = rig:run(bot)
    local ana = rig:contact "Ana"
    local m, sent = ana:ask(me.jid, "look")
    assert.equal("reaction", m.kind)
    assert.equal("👀", m.message.reactionMessage.text)
    assert.equal(sent.id, m.message.reactionMessage.key.id)
  end))

  it("asks, and hears the answer where no other handler does", support.async(function()
    local rig <close> = start()
    local bot, strays = rig:bot(), 0
    bot:command("order", function(ctx)
      local what = ctx:ask "What?"
      local size = ctx:ask "How big?"
      ctx:send(("One %s %s"):format(size.text, what.text))
    end)
    bot:on("message", function() strays = strays + 1 end)
    local me = rig:run(bot)
    local ana = rig:contact "Ana"
    assert.equal("What?", ana:ask(me.jid, "!order").text)
    assert.equal("How big?", ana:ask(me.jid, "tea").text)
    assert.equal("One large tea", ana:ask(me.jid, "large").text)
    assert.equal(0, strays)
  end))

  it("does not make one person wait behind another's question", support.async(function()
    local rig <close> = start()
    local bot = rig:bot()
    bot:command("order", function(ctx) ctx:send("One " .. ctx:ask("What?").text) end)
    bot:command("ping", function(ctx) ctx:send "pong" end)
    local me = rig:run(bot)
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    assert.equal("What?", ana:ask(me.jid, "!order").text)
    assert.equal("pong", ben:ask(me.jid, "!ping").text)
    assert.equal("One tea", ana:ask(me.jid, "tea").text)
  end))

  it("gives nil when nobody answers in time", support.async(function()
    local rig <close> = start()
    local bot = rig:bot()
    bot:command("order", function(ctx)
      ctx:send(ctx:ask("What?", { timeout = 0.05 }) and "thanks" or "never mind")
    end)
    local me = rig:run(bot)
    local ana = rig:contact "Ana"
    assert.equal("What?", ana:ask(me.jid, "!order").text)
    assert.equal("never mind", ana:next().text)
  end))

  it("reports a handler that fails with its traceback, and goes on", support.async(function()
    local rig <close> = start()
    local bot, errors = rig:bot(), task.queue()
    bot:command("boom", function() error "kaboom" end)
    bot:command("ping", function(ctx) ctx:send "pong" end)
    bot:on("error", function(err) errors:push(err) end)
    local me = rig:run(bot)
    local ana = rig:contact "Ana"
    assert(ana.client:send(me.jid, "!boom"))
    local message = tostring(errors:pop(5))
    assert.matches("kaboom", message)
    assert.matches("traceback", message)
    assert.equal("pong", ana:ask(me.jid, "!ping").text)
  end))
end)
