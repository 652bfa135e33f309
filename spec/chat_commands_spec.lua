-- The commands of `moonpost chat`: each sends what it says, or does it; a wrong one says so and sends nothing.
local start = require("spec.rig").start
local process = require "spec.process"
local support = require "spec.support"
local task = require "moonpost.task"

-- Ana's chat; its lines are written by `say`.
local function open(rig, to, as)
  local chat = process.start(("moonpost chat --sandbox %s --as %s --to '%s'"):format(rig.sandbox.url, as or "Ana", to), { input = true })
  function chat.say(_, ...)
    for _, line in ipairs { ... } do chat.input:write(line, "\n") end
  end
  function chat.finish()
    chat.input:close()
    return chat:wait_end()
  end
  return chat
end

-- What a bot of that name hears, in order.
local function listener(rig, name)
  local bot, heard = rig:bot { name = name or "Echo" }, task.queue()
  bot:on("message", { kind = "edit" }, function(ctx) heard:push(ctx) end)
  bot:on("message", function(ctx)
    heard:push(ctx)
    if ctx.text == "bye" then ctx:reply "bye" end
  end)
  rig:run(bot)
  return heard, bot
end

local function hears(heard, kind)
  local ctx = assert(heard:pop(10))
  assert.equal(kind, ctx.kind)
  return ctx
end

describe("the commands of a chat", function()
  it("make a group with people, speak in it, and close it", support.async(function()
    local rig <close> = start()
    local heard, bot = listener(rig)
    local ana <close> = open(rig, "Echo")
    ana:say("/group new Tea club | Echo", "hello, all")
    assert.equal("hello, all", hears(heard, "text").text)
    local group = bot:groups()[1]
    assert.equal("Tea club", group.subject)
    ana:say("/group subject Coffee club", "/group set announce on", "/group promote Echo", "/group info", "bye")
    assert.equal("bye", hears(heard, "text").text)
    assert.is_true(group:is_admin())
    assert.is_true(group.announce)
    assert.equal("Coffee club", group.subject)
    ana:say("/group demote Echo", "/group remove Echo", "/group leave")
    assert.equal(0, ana.finish())
    local text = ana:text()
    assert.matches("you write to Tea club, %d+@g.us: Ana and Echo\n", text)
    assert.matches("Echo, admin", text)
    assert.matches("Ana removed Echo\n", text)
  end))
end)
