-- `moonpost chat`: being a contact from the command line, in a pipe and on a terminal.
local start = require("spec.rig").start
local process = require "spec.process"
local support = require "spec.support"

local function echo_bot(rig)
  local bot = rig:bot()
  bot:command("ping", function(ctx) ctx:reply "pong" end)
  bot:command("look", function(ctx) ctx:react "👀" end)
  bot:on("message", function(ctx) if ctx.text then ctx:reply(ctx.text) end end)
  rig:run(bot)
end

local function chat(rig, words)
  return process.start(("moonpost chat --sandbox %s --as Ana --to Echo %s"):format(rig.sandbox.url, words or ""), { input = true })
end

describe("moonpost chat", function()
  it("writes the lines of a pipe and prints the answers, with names, times and ticks", support.async(function()
    local rig <close> = start()
    echo_bot(rig)
    local ana <close> = chat(rig)
    ana.input:write "!ping\n\nOlá\n"
    ana.input:close()
    assert.equal(0, ana:wait_end())
    local clock = "%d%d:%d%d:%d%d  "
    local expected = "^%s#1   Ana       !ping%s\n%s#2   Echo      pong   ↪ #1 !ping\n%s#3   Ana       Olá%s\n"
      .. "%s#4   Echo      Olá   ↪ #3 Olá\n"
    local ticks = "  ✓✓[ read]*"
    assert.matches(expected:format(clock, ticks, clock, clock, ticks, clock), ana:text())
    assert.matches("2 sent, 2 answered; median time from message to answer: [%d.]+ ms$", ana:text())
  end))

  it("tells that a call was refused", support.async(function()
    local rig <close> = start()
    local bot = rig:bot()
    bot:on("call", function(call) call:reject() end)
    rig:run(bot)
    local ana <close> = chat(rig)
    ana.input:write "/call\n"
    ana:wait "you call Echo: /hangup ends it"
    ana:wait "Echo refused the call"
    ana.input:close()
    assert.equal(0, ana:wait_end())
  end))

  it("shows a reaction as one", support.async(function()
    local rig <close> = start()
    echo_bot(rig)
    local ana <close> = chat(rig, "'!look'")
    ana.input:close()
    assert.equal(0, ana:wait_end())
    assert.matches("Echo      reacted 👀", ana:text())
  end))

  it("changes ticks in place on a terminal, and ends at Ctrl-D", support.async(function()
    local rig <close> = start()
    echo_bot(rig)
    local ana <close> = process.start(
      ([[script -qec "%s chat --sandbox %s --as Ana --to Echo" /dev/null]]):format(process.moonpost, rig.sandbox.url), { input = true })
    ana.input:write "!ping\n"
    ana:wait "pong"
    ana.input:write "\004"
    assert.equal(0, ana:wait_end())
    assert.matches("\27%[1A\27%[2K", ana:text()) -- the typed row is written anew, as a line of the chat
    assert.matches("\0277.-%[1A.-!ping  ✓.-\0278", ana:text()) -- up to its row, the tick, and back
  end))

  it("knows how many rows a line takes on the terminal", support.async(function()
    local rig <close> = start()
    echo_bot(rig)
    local command = ("%s chat --sandbox %s --as Ana --to Echo"):format(process.moonpost, rig.sandbox.url)
    local ana <close> = process.start(([[script -qec "stty cols 40; %s" /dev/null]]):format(command), { input = true })
    ana.input:write "0123456789012345678901234567890123456789 !\n" -- behind 25 columns: two rows, and typed two
    ana:wait "↪ #1"
    ana.input:write "\004"
    assert.equal(0, ana:wait_end())
    assert.matches("\27%[1A\27%[2K\27%[1A\27%[2K", ana:text())
    assert.matches("\0277\27%[2A\r\27%[2K[^\n]-✓\27%[K\0278", ana:text())
  end))

  it("ends with code 1 on a terminal too when a line of the command line failed", support.async(function()
    local rig <close> = start()
    echo_bot(rig)
    local ana <close> = process.start(([[script -qec "%s chat --sandbox %s --as Ana --to Echo '/wait 0 tea'" /dev/null]]):format(
      process.moonpost, rig.sandbox.url), { input = true })
    ana:wait "✗ nothing with 'tea' came within 0 s"
    ana.input:write "\004"
    assert.equal(1, ana:wait_end())
  end))

  it("says in a line when nobody of that name comes", support.async(function()
    local rig <close> = start()
    local ana <close> = process.start(("moonpost chat --sandbox %s --as Ana --to Nobody"):format(rig.sandbox.url))
    assert.equal(1, ana:wait_end())
    assert.equal("moonpost chat: the sandbox knows nobody called 'Nobody' (it knows nobody yet); is the bot running?", ana:text())
  end))

  it("does not choose among several of one name, and takes the number", support.async(function()
    local rig <close> = start()
    echo_bot(rig)
    local other = assert(rig.sandbox.accounts:of_phone("15550001111", "echo"))
    do
      local ana <close> = chat(rig, "'!ping'") -- Echo: the letters as they are
      ana.input:close()
      assert.equal(0, ana:wait_end())
    end
    other.name = "Echo"
    do
      local ana <close> = chat(rig, "'!ping'")
      assert.equal(1, ana:wait_end())
      assert.matches("^moonpost chat: several are called Echo: %+1555%d+, %+15550001111; write to one by the number$", ana:text())
    end
    local number = "+" .. rig.sandbox.accounts.by_name.Echo.pn
    local ana <close> = process.start(("moonpost chat --sandbox %s --as Ana --to %s '!ping' </dev/null"):format(rig.sandbox.url, number))
    assert.equal(0, ana:wait_end())
  end))

  it("counts what nobody answered, and ends with code 1 when that is all", support.async(function()
    local rig <close> = start()
    rig:run(rig:bot())
    local ana <close> = chat(rig, "'hello?'")
    ana.input:close()
    assert.equal(1, ana:wait_end())
    assert.matches("1 sent, 0 answered$", ana:text())
  end))

  it("takes its device away at the end: the contact is as it was", support.async(function()
    local rig <close> = start()
    echo_bot(rig)
    for _ = 1, 2 do
      local ana <close> = chat(rig, "hello")
      ana.input:close()
      assert.equal(0, ana:wait_end())
      assert.matches("Echo      hello", ana:text())
    end
    assert.equal(0, #rig.sandbox.accounts:companions(rig.sandbox.accounts.by_name.Ana))
  end))

  it("is the owner of a bot too, in the chat with oneself", support.async(function()
    local rig <close> = start()
    local bot = rig:bot { own = true }
    bot:on("message", function(ctx) ctx:send("noted: " .. ctx.text) end)
    rig:run(bot)
    local echo <close> = process.start(("moonpost chat --sandbox %s --as Echo --to echo tea"):format(rig.sandbox.url), { input = true })
    echo.input:close()
    assert.equal(0, echo:wait_end())
    assert.matches("Echo      tea.-\n.-Echo      noted: tea", echo:text())
  end))

  it("hears an answer that comes in several messages", support.async(function()
    local rig <close> = start()
    local bot = rig:bot()
    bot:on("message", function(ctx)
      ctx:react "👀"
      ctx:send "one"
      ctx:send "two"
    end)
    rig:run(bot)
    local ana <close> = chat(rig, "go")
    ana.input:close()
    assert.equal(0, ana:wait_end())
    assert.matches("reacted 👀.-one.-two", ana:text())
  end))

  it("lets nobody steer the terminal or forge a line", support.async(function()
    local rig <close> = start()
    local bot = rig:bot { name = "Bob" }
    bot:on("message", function(ctx) ctx:send "\27[2J\u{202e}evil\n12:00:00  Ana       I owe you" end)
    rig:run(bot)
    local ana <close> = process.start(("moonpost chat --sandbox %s --as Ana --to Bob go"):format(rig.sandbox.url), { input = true })
    ana.input:close()
    assert.equal(0, ana:wait_end())
    assert.is_nil(ana:text():find "\27")
    assert.is_nil(ana:text():find("\u{202e}", 1, true))
    assert.is_nil(ana:text():find "\n12:00:00")
    assert.matches("Bob       \\x1b%[2J", ana:text())
  end))
end)
