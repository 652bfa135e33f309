-- What a bot does with groups: their fields, what it can do to them, and its handlers of what happens to them, through real sockets.
local moonpost = require "moonpost"
local scene = require "spec.group_scene"
local start = require("spec.rig").start
local support = require "spec.support"
local task = require "moonpost.task"

-- Has a phone do something in a group.
local function act(...)
  local answer, code = scene.act(...)
  return answer or error(("refused with %d"):format(code))
end

-- A bot that runs, which tells of its group events; and the phones of Ben and Cem.
local function people(rig)
  local bot, ben, cem = rig:bot(), scene.phone(rig, "Ben", "15550000002"), scene.phone(rig, "Cem", "15550000003")
  local events = task.queue()
  bot:on("group", function(event) events:push(event) end)
  bot.me = rig:run(bot)
  return bot, ben, cem, events
end

local function make(rig, creator, ...) return (scene.group(rig, creator, { ... })) end

local function names(list)
  local found = {}
  for i, one in ipairs(list) do found[i] = one.jid end
  return found
end

describe("a bot's group", function()
  it("has the fields of what is known of it, and of each member the number and rank", support.async(function()
    local rig <close> = start()
    local bot, ben, cem, events = people(rig)
    local group = bot:group(make(rig, ben, bot.me, cem))
    events:pop(30)
    assert.same({ "Tea", "lid", 3, false, 0, "admins" },
      { group.subject, group.addressing, group.size, group.announce, group.ephemeral, group.member_add })
    assert.same({ jid = ben.lid, phone = ben.jid:match "%d+", rank = "superadmin" }, group.participants[1])
    assert.equal("group " .. group.jid, tostring(group))
    assert.is_nil(group.no_such_field)
    assert.same({ true, false, false }, { group:is_admin(ben.jid), group:is_admin(), group:is_admin("+15550000003") })
    assert.equal(cem.lid, group:member(cem.jid).jid)
    assert.is_nil(group:member "15559999999@s.whatsapp.net")
  end))

  it("leaves what is known as it is, whatever the bot does with its fields", support.async(function()
    local rig <close> = start()
    local bot, ben, cem, events = people(rig)
    local group = bot:group(make(rig, ben, bot.me, cem))
    events:pop(30)
    group.participants[1].rank, group.participants[2] = "nobody", nil
    assert.equal("superadmin", bot:group(group.jid).participants[1].rank)
    assert.error_matches(function() group.subject = "Mine" end, "group's 'subject' is not set so")
  end))

  it("is made, changed and left in a line each", support.async(function()
    local rig <close> = start()
    local bot, ben, cem, events = people(rig)
    cem.account.privacy.groupadd = "none"
    assert.error_matches(function() bot:create_group { subject = "Tea", people = {} } end, "no field 'people' %(subject, members, ")
    local group, refused = bot:create_group { subject = "Tea", members = { "+1 555 000 0002", cem.lid }, ephemeral = 86400 }
    assert.same({ "Tea", 86400, { bot.me.lid, ben.lid } }, { group.subject, group.ephemeral, names(group.participants) })
    assert.same({ cem.lid, "forbidden" }, { refused[1].jid, refused[1].code })
    assert.is_true(group:is_admin())
    assert.equal("create", events:pop(30).action)
    cem.account.privacy.groupadd = "all"
    assert.is_true(group:add(cem.jid)[1].ok)
    group:promote { cem }
    assert.is_true(group:is_admin(cem.lid))
    group:demote(cem.lid)
    group:remove { cem.lid, ben.jid }
    assert.same({ bot.me.lid }, names(group.participants))
    group:set_subject "Coffee"
    group:set_description "black"
    group:set { announce = true, locked = true, ephemeral = 0, join_approval = true, member_add = "all" }
    group:refresh()
    assert.same({ "Coffee", "black", true, true, 0, true, "all" }, {
      group.subject, group.description, group.announce, group.locked, group.ephemeral, group.join_approval, group.member_add,
    })
    group:set_description(nil)
    assert.is_nil(group.description)
    group:leave()
    local ok, err = pcall(function() return group.subject end)
    assert.same({ false, "not-found" }, { ok, err.code })
  end))

  it("raises with a word for what the server refuses, and with a sentence for a mistake", support.async(function()
    local rig <close> = start()
    local bot, ben, _, events = people(rig)
    local group = bot:group(make(rig, ben, bot.me))
    events:pop(30)
    local ok, err = pcall(group.set, group, { announce = true })
    assert.same({ false, "forbidden", "announce" }, { ok, err.code, err.setting })
    ok, err = pcall(group.promote, group, ben.jid)
    assert.same({ false, "forbidden" }, { ok, err.code })
    assert.error_matches(function() bot:group(ben.jid) end, "expects a group's JID")
    assert.error_matches(function() group.leave() end, "write group:leave")
    assert.error_matches(function() group:add "Cem" end, "by JID or by %+number, not 'Cem'")
    assert.error_matches(function() group:add {} end, "at least one person")
    assert.error_matches(function() group:set_subject "" end, "expects a text")
    assert.error_matches(function() group:set "x" end, "expects settings")
    assert.error_matches(function() bot:create_group "Tea" end, "expects { subject = text")
  end))

  it("is listed among those the account is in", support.async(function()
    local rig <close> = start()
    local bot, ben, _, events = people(rig)
    local one, other = make(rig, ben, bot.me), make(rig, ben, bot.me)
    events:pop(30)
    events:pop(30)
    local found = {}
    for _, group in ipairs(bot:groups()) do found[group.jid] = group.subject end
    assert.same({ [one] = "Tea", [other] = "Tea" }, found)
  end))

  it("is joined by a link, and by code after it was approved", support.async(function()
    local rig <close> = start()
    local bot, ben, cem, events = people(rig)
    local jid = make(rig, ben, cem)
    local code = act(rig, jid, ben, "link").code
    local group, pending = bot:join("https://chat.whatsapp.com/" .. code)
    assert.same({ jid, false, "Tea" }, { group.jid, pending, group.subject })
    assert.equal("join", events:pop(30).action)
    jid = make(rig, ben, cem)
    act(rig, jid, ben, "membership_approval_mode", { text = "on" })
    code = act(rig, jid, ben, "link").code
    group, pending = bot:join(code)
    assert.same({ jid, true }, { group.jid, pending })
    act(rig, jid, ben, "approve", { members = { bot.me.jid } })
    assert.same({ jid, true }, (function()
      local event = events:pop(30)
      return { event.chat, event.me }
    end)())
    assert.equal("Tea", group.subject)
    local ok, err = pcall(bot.join, bot, "nonsense code")
    assert.same({ false, "not-acceptable" }, { ok, err.code })
  end))

  it("is joined by the message that brings a personal invite", support.async(function()
    local rig <close> = start()
    local ana, bot, joined = rig:contact "Ana", rig:bot(), task.queue()
    bot:on("message", { kind = "invite" }, function(ctx)
      local group, pending = bot:join(ctx)
      joined:push { group.subject, pending, #group.participants }
    end)
    local me = rig:run(bot)
    rig.sandbox.accounts:lookup(me.jid).privacy.groupadd = "none"
    local group, refused = ana.client.groups:create { subject = "Tea", members = { me.jid } }
    local invite = refused[1].invite
    assert(ana.client:send(me.jid, { invite = { group = group.jid, code = invite.code, expires = invite.expires, subject = "Tea" } }))
    assert.same({ "Tea", false, 2 }, joined:pop(30))
  end))

  it("shows its link, and lets in who asks to join", support.async(function()
    local rig <close> = start()
    local bot, ben, cem, events = people(rig)
    local group = bot:create_group { subject = "Tea", members = { ben.jid }, join_approval = true }
    local code = group:invite_link():match "^https://chat%.whatsapp%.com/(%w+)$"
    assert.equal(code, group:invite_code())
    act(rig, group.jid, cem, "join", { code = code })
    local request
    repeat request = assert(events:pop(30)) until request.action == "request"
    assert.same({ { cem.lid } }, { names(request.participants) })
    assert.equal(cem.lid, group:join_requests()[1].jid)
    assert.is_true(request.group:approve(request.participants)[1].ok)
    assert.equal(cem.lid, group:member(cem.lid).jid)
    assert.is_true(group:revoke_invite() ~= code)
  end))
end)

describe("a bot's group handlers", function()
  it("hear what happens, each by its filter, with the group as an object", support.async(function()
    local rig <close> = start()
    local bot, ben, cem, events = people(rig)
    local joins, mine, settings = task.queue(), task.queue(), task.queue()
    bot:on("group", { action = "add" }, function(event) joins:push(event) end)
    bot:on("group", { from_me = true }, function(event) mine:push(event) end)
    bot:on("group", function(event) return event.action == "settings" end, function(event) settings:push(event) end)
    local jid = make(rig, ben, bot.me)
    assert.same({ "create", ben.lid, true }, (function()
      local event = events:pop(30)
      return { event.action, event.by, event.me }
    end)())
    act(rig, jid, ben, "add", { members = { cem.jid } })
    local event = joins:pop(30)
    assert.same({ jid, "Tea", { { jid = cem.lid, phone = cem.jid:match "%d+" } }, ben.jid:match "%d+", "Ben" },
      { event.chat, event.group.subject, event.participants, event.phone, event.name })
    act(rig, jid, ben, "announcement")
    event = settings:pop(30)
    assert.same({ "announce", true }, { event.setting, event.value })
    act(rig, jid, cem, "leave")
    for _, action in ipairs { "add", "settings", "leave" } do assert.equal(action, events:pop(30).action) end
    bot:group(jid):leave()
    assert.equal("leave", mine:pop(30).action)
    assert.equal(0, #joins + #settings)
  end))

  it("of one group run one after another, and one that fails is reported", support.async(function()
    local rig <close> = start()
    local bot, ben, cem = people(rig)
    local order, failures, go = task.queue(), task.queue(), task.queue()
    bot:on("error", function(err) failures:push(err) end)
    bot:on("group", function(event)
      order:push("begin " .. event.action)
      if event.action == "add" then go:pop(30) end
      order:push("end " .. event.action)
      if event.action == "subject" then error "no more" end
    end)
    local jid = make(rig, ben, bot.me)
    act(rig, jid, ben, "add", { members = { cem.jid } })
    act(rig, jid, ben, "subject", { text = "Coffee" })
    for _, said in ipairs { "begin create", "end create", "begin add" } do assert.equal(said, order:pop(30)) end
    assert.equal(0, #order)
    go:push(true)
    for _, said in ipairs { "end add", "begin subject", "end subject" } do assert.equal(said, order:pop(30)) end
    assert.matches("no more", tostring(failures:pop(30)))
  end))

  it("take no filter of fields and words there are not", function()
    local bot = moonpost.bot { store = "x" }
    local function nothing() end
    assert.error_matches(function() bot:on("group", { subject = "x" }, nothing) end, "no field 'subject'")
    assert.error_matches(function() bot:on("group", { me = "yes" }, nothing) end, "'me' is a boolean or true")
    assert.error_matches(function() bot:on("group", { action = "joined" }, nothing) end, "no action 'joined' %(create, add, join, ")
    assert.error_matches(function() bot:on("group", { setting = "lock" }, nothing) end, "no setting 'lock' %(announce, locked, ")
    assert.error_matches(function() bot:on("group", "join", nothing) end, "a function or a table")
    assert.error_matches(function() bot:on("ready", { me = true }, nothing) end, "message and group")
    assert.error_matches(function() bot:groups() end, "needs a bot that runs")
  end)
end)

describe("a bot in a group", function()
  it("has the group of a message, writes to it, and filters by it", support.async(function()
    local rig <close> = start()
    local ana, bot, heard = rig:contact "Ana", rig:bot(), task.queue()
    bot:command("who", function(ctx)
      local list = {}
      for i, member in ipairs(ctx.group.participants) do list[i] = member.phone end
      ctx.group:send(table.concat(list, " "))
    end)
    bot:on("message", { group = true }, function(ctx) heard:push { "in", ctx.group.jid } end)
    bot:on("message", { group = false }, function(ctx) heard:push { "out", ctx.group } end)
    local me = rig:run(bot)
    local made = assert(ana.client.groups:create { subject = "Tea", members = { me.jid } }).jid
    assert(ana.client:send(made, "!who"))
    assert.equal(ana.jid:match "%d+" .. " " .. me.jid:match "%d+", ana:next().text)
    assert(ana.client:send(made, "hello"))
    assert.same({ "in", made }, heard:pop(30))
    assert(ana.client:send(me.jid, "hello"))
    assert.same({ "out", false }, heard:pop(30))
  end))
end)
