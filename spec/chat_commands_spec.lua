-- The commands of `moonpost chat`: each sends what it says, or does it; a wrong one says so and sends nothing.
local files = require "spec.files"
local start = require("spec.rig").start
local process = require "spec.process"
local support = require "spec.support"
local task = require "moonpost.task"

-- A chat on a terminal, where no line waits for an answer; its lines are written by `say`.
local function open(rig, to, as)
  local chat = process.start(([[script -qec "%s chat --sandbox %s --as %s --to '%s'" /dev/null]]):format(
    process.moonpost, rig.sandbox.url, as or "Ana", to), { input = true })
  function chat.say(_, ...)
    for _, line in ipairs { ... } do chat.input:write(line, "\n") end
  end
  function chat.finish()
    chat.input:write "\004"
    return chat:wait_end()
  end
  -- What is on the screen, without colours and the ways of the cursor.
  function chat.screen() return (chat:text():gsub("\27%[%d*%a", ""):gsub("\27[78]", ""):gsub("\r", "")) end
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
  local ctx = assert(heard:pop(30), "nothing of kind " .. kind)
  assert.equal(kind, ctx.kind)
  return ctx
end

describe("the commands of a chat", function()
  it("give the account and a group pictures, and take them away, which others are told and shown", support.async(function()
    local rig <close> = start()
    local bot, seen = rig:bot { name = "Echo" }, task.queue()
    bot:on("message", function(ctx) ctx:reply(ctx.text) end)
    bot:on("picture", function(picture) seen:push(picture) end)
    rig:run(bot)
    -- a JPEG's start and the head of its frame, which say 64 by 64 pixels: it goes as it is
    local jpeg = files.write("me.jpg", "\xff\xd8" .. (">BBI2BI2I2B"):pack(0xff, 0xc0, 11, 8, 64, 64, 1) .. "\1\x11\0\xff\xd9")
    local ana <close> = open(rig, "Echo")
    ana:say("hello")
    ana:wait "↪ #%d hello"
    ana:say("/picture nowhere.jpg", "/picture " .. jpeg)
    local set = assert(seen:pop(30))
    assert.same({ false, true }, { set.group, set.id ~= nil })
    assert.truthy(bot:picture(set.jid))
    ana:say "/picture"
    assert.is_nil(assert(seen:pop(30)).id)
    ana:say("/group new Tea club | Echo", "/group picture " .. jpeg)
    local group = assert(seen:pop(30))
    assert.same({ bot:groups()[1].jid, true, true }, { group.jid, group.group, group.id ~= nil })
    bot:groups()[1]:remove_picture()
    ana:wait "Echo has taken the picture of Tea club away"
    assert.equal(0, ana.finish())
    assert.matches("nowhere.jpg cannot be read: No such file", ana.screen())
  end))

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
    ana:wait "↪ #%d bye"
    ana:say("/group demote Echo", "/group remove Echo", "/group leave")
    ana:wait "removed Echo"
    assert.equal(0, ana.finish())
    local text = ana.screen()
    assert.matches("you write to Tea club, %d+@g.us: Ana and Echo\n", text)
    assert.matches("Echo, admin", text)
    assert.matches("Ana removed Echo\n", text)
  end))

  -- What each command that says something is heard as: kind, and what of it is looked at.
  local said = {
    { "/once look" }, -- what is to be seen once is for phones alone: no bot hears it
    { "/mention Echo | wake up", "text", function(ctx) return ctx.mentions.me end, true },
    { "//ping", "text", function(ctx) return ctx.text end, "/ping" },
    { "/poll Lunch? | Soup | Salad", "poll", function(ctx) return { ctx.poll.question, ctx.poll.multiple, ctx.poll.choices } end,
      { "Lunch?", 1, { "Soup", "Salad" } } },
    { "/multipoll Days? | Monday | Tuesday", "poll", function(ctx) return ctx.poll.multiple end, 0 },
    { "/quiz 1 + 1? | *2 | 3", "poll", function(ctx) return ctx.poll.answer end, "2" },
    { "/event Picnic | 2099-06-01 12:30 | the lake", "event",
      function(ctx) return { ctx.event.name, os.date("%H:%M", ctx.event.starts), ctx.event.location.name } end,
      { "Picnic", "12:30", "the lake" } },
    { "/location 52.5, -13.4 Zoo", "location", function(ctx) return { ctx.location.lat, ctx.location.lon, ctx.location.name } end,
      { 52.5, -13.4, "Zoo" } },
    { "/live 1.5, 2.5 walking", "live_location", function(ctx) return { ctx.location.lat, ctx.text } end, { 1.5, "walking" } },
    { "/contact Ada +1 555 123 4567", "contact", function(ctx) return ctx.contacts[1].phones[1] end, "+1 555 123 4567" },
    { "/contact Ada +1555 | Bob +1556", "contacts", function(ctx) return #ctx.contacts end, 2 },
    { "/product Tea | 3.50 EUR", "product", function(ctx) return ctx.product.price end, 3.5 },
    { "/phone ask", "phone_request", function(ctx) return ctx.kind end, "phone_request" },
    { "/phone show", "phone_share", function(ctx) return ctx.kind end, "phone_share" },
    { [[/message {"buttonsMessage":{"contentText":"Tea?","buttons":[{"buttonId":"y","buttonText":{"displayText":"Yes"}}]}}]], "buttons",
      function(ctx) return ctx.menu.choices[1].text end, "Yes" },
  }

  it("say each kind, as a bot hears it", support.async(function()
    local rig <close> = start()
    local heard = listener(rig)
    local ana <close> = open(rig, "Echo")
    for _, row in ipairs(said) do
      ana:say(row[1])
      if row[2] then assert.same({ row[1], row[4] }, { row[1], row[3](hears(heard, row[2])) }) end
    end
    ana:say "/press #14 1"
    local pressed = hears(heard, "button")
    assert.same({ "y", "buttons" }, { pressed.button.id, pressed.quoted.kind })
    ana:say "bye"
    assert.equal(0, ana.finish())
    local text = ana.screen()
    for _, shown in ipairs {
      "%[to be seen once%] look", "@Echo wake up", "%[poll%] Lunch%?\n +1  Soup\n +2  Salad", "%[poll, any number of them%] Days%?",
      "%[quiz%] 1 %+ 1%?", "%[event%] Picnic, 2099%-06%-01 12:30, the lake", "%[location%] 52.5, %-13.4 Zoo",
      "%[live location%] 1.5, 2.5: walking", "%[contact%] Ada %+1 555 123 4567", "%[contacts%] Ada %+1555; Bob %+1556",
      "%[product%] Tea 3.5 EUR", "%[asks for the phone number%]", "%[shows the phone number%]", "#14 +Ana +%[buttons%] Tea%?\n +1  Yes",
      "%[pressed%] Yes   ↪ #14 Tea%?",
    } do assert.matches(shown, text) end
  end))

  it("send files of each kind, and save what came back", support.async(function()
    local rig <close> = start()
    local heard = listener(rig)
    local folder = support.tmpdir()
    local function file(name, bytes)
      local path = folder .. "/" .. name
      local handle <close> = assert(io.open(path, "wb"))
      handle:write(bytes)
      return path
    end
    local jpeg, mp4 = file("cat.jpg", "\xff\xd8\xff" .. ("cat"):rep(500)), file("cat.mp4", "\0\0\0\24ftypisom" .. ("mew"):rep(500))
    local ogg, webp = file("cat.ogg", files.bytes "ogg"), file("cat.webp", "RIFF\0\0\0\0WEBPVP8 " .. ("paw"):rep(500))
    local ana <close> = open(rig, "Echo")
    local sent = {
      { "/image " .. jpeg .. " | a cat", "image" }, { "/video " .. mp4, "video" }, { "/gif " .. mp4, "gif" },
      { "/round " .. mp4, "round_video" },
      { "/audio " .. ogg, "audio" }, { "/voice " .. ogg, "voice" }, { "/sticker " .. webp, "sticker" },
      { "/document " .. file("tale.txt", "once") .. " | read", "document" }, { ("/album %s | %s"):format(jpeg, mp4), "album" },
    }
    local ctx
    for _, row in ipairs(sent) do
      ana:say(row[1])
      ctx = hears(heard, row[2])
      if row[2] == "image" then assert.same({ "a cat", 1503 }, { ctx.text, #ctx.media:bytes() }) end
      if row[2] == "document" then ctx:reply { document = ctx.media, filename = "../told.txt" } end
    end
    ana:wait "%[document told.txt, 4 B%]"
    local number = assert(ana.screen():match "#(%d+) +Echo +%[document")
    ana:say(("/save #%s %s/back.txt"):format(number, folder), "/image /no/such.jpg", "bye")
    ana:wait("saved #" .. number .. " as .*back.txt")
    local saved <close> = assert(io.open(folder .. "/back.txt", "rb"))
    assert.equal("once", saved:read "a")
    ana:wait "no/such.jpg"
    ana.finish()
    local text = ana.screen()
    for _, shown in ipairs { "%[image%] a cat", "%[GIF", "%[album%] 1 images, 1 videos" } do assert.matches(shown, text) end
  end))

  it("do what they say to messages", support.async(function()
    local rig <close> = start()
    local heard, bot = listener(rig)
    local ana <close> = open(rig, "Echo")
    ana:say "tee"
    local tee = hears(heard, "text")
    ana:say "/edit tea"
    local edit = hears(heard, "edit")
    assert.same({ "tea", tee.id }, { edit.text, edit.target.id })
    local post = bot:send(tee.chat, "biscuits?")
    ana:wait "#2"
    ana:say("/react 👍", "/react", "/pin #2 1d", "/unpin", "/reply yes", "/forward #2 Ana", "/timer 7d", "/keep #2", "/unkeep #2")
    assert.equal("👍", hears(heard, "reaction").reaction.emoji)
    assert.equal("", hears(heard, "reaction").reaction.emoji)
    local pin = hears(heard, "pin")
    assert.same({ true, 86400, post.id }, { pin.pinned, pin.seconds, pin.target.id })
    assert.is_false(hears(heard, "pin").pinned)
    assert.equal(post.id, hears(heard, "text").quoted.id)
    assert.equal(604800, hears(heard, "expiration").expiration)
    assert.is_true(hears(heard, "keep").kept)
    assert.is_false(hears(heard, "keep").kept)
    ana:say "/delete #1"
    assert.equal(tee.id, hears(heard, "revoke").target.id)
    ana:say "/info #2"
    ana:wait "#2: text of Echo"
    assert.equal(0, ana.finish())
    local text = ana.screen()
    for _, shown in ipairs {
      "edited #1: tea", "reacted 👍 to #2", "took the reaction to #2 back", "pinned #2 for 1 day", "unpinned #%d", "yes   ↪ #2 biscuits%?",
      "%[Ana%] %[forwarded%] biscuits%?", "has messages disappear after 7 days", "keeps #2", "no longer keeps #2", "deleted #1",
    } do assert.matches(shown, text) end
  end))

  it("vote, answer events, and tell how both stand", support.async(function()
    local rig <close> = start()
    local heard, bot = listener(rig)
    local ana <close> = open(rig, "Echo")
    ana:say "hello"
    local chat = hears(heard, "text").chat
    local poll = bot:send(chat, { poll = "Lunch?", choices = { "Soup", "Salad" } })
    local event = bot:send(chat, { event = "Picnic", starts = 4083912000, guests = true })
    ana:wait "%[event%] Picnic"
    ana:say("/vote 2", "/vote SOUP", "/votes", "/respond going +2", "/responses", "/respond no")
    assert.same({ "Salad" }, hears(heard, "vote").vote.choices)
    assert.same({ "Soup" }, hears(heard, "vote").vote.choices)
    assert.same({ answer = "going", guests = 2 }, hears(heard, "response").response)
    assert.equal("not_going", hears(heard, "response").response.answer)
    assert.equal(1, poll:votes()[1].count)
    poll:vote "Soup"
    event:respond "maybe"
    ana:wait "may come to"
    ana:say "/vote"
    assert.same({}, hears(heard, "vote").vote.choices)
    assert.equal(0, ana.finish())
    local text = ana.screen()
    for _, shown in ipairs {
      "voted Salad in #2: Soup 0, Salad 1", "voted Soup in #2: Soup 1, Salad 0", "#2, Lunch%?: 1 voted\n +1  Soup  %(Ana%)\n +0  Salad",
      "Echo +voted Soup in #2: Soup 2, Salad 0", "goes to #3 with 2 more: 3 go, 0 may come, 0 do not", "Ana: going, 2 more",
      "does not go to #3: 0 go, 0 may come, 1 do not", "Echo +may come to #3: 0 go, 1 may come, 1 do not",
      "took the vote in #2 back: Soup 1, Salad 0",
    } do assert.matches(shown, text) end
  end))

  it("write to others, show typing and presence, and post a status", support.async(function()
    local rig <close> = start()
    local _, bot = listener(rig)
    local typing, calls, posts = task.queue(), task.queue(), task.queue()
    bot:on("typing", function(event) typing:push(event.state) end)
    bot:on("call", function(call) calls:push(call) end)
    bot:on("missed_call", function(call) calls:push(call) end)
    bot:on("message", { place = "status" }, function(ctx)
      posts:push(ctx.text)
      ctx:reply "nice"
    end)
    local other = listener(rig, "Bob")
    local ana <close> = open(rig, "Bob")
    ana:say "hello"
    local ctx = hears(other, "text")
    ctx:typing()
    ana:wait "Bob types"
    ana:say("/to Echo", "/watch", "/typing", "/recording", "/status a fine day")
    assert.same({ "typing", "recording" }, { typing:pop(30), typing:pop(30) })
    assert.equal("a fine day", posts:pop(30))
    ana:wait "%[status%] a fine day"
    ana:wait "nice   ↪ #2 a fine day"
    ana:wait "Echo is there"
    ana:say("/call video", "/hangup", "/chats")
    assert.is_true(calls:pop(30).video)
    assert.is_true(calls:pop(30).video)
    ana:wait "people: "
    assert.equal(0, ana.finish())
  end))

  it("run a group: its people, its settings, its link, who is let in", support.async(function()
    local rig <close> = start()
    local ben, cem, eve, fay = rig:contact "Ben", rig:contact "Cem", rig:contact "Eve", rig:contact "Fay"
    rig:contact "Gil"
    local ana <close> = open(rig, "Ben")
    ana:say("/group new Tea | Ben", "/group add Cem, Gil", "/group remove Gil", "/group description for friends")
    ana:say("/group set join_approval on", "/group set member_add admins", "/group invite")
    local jid, link = ana:wait "you write to Tea, (%d+@g.us)", ana:wait "https://chat.whatsapp.com/([%w_-]+)"
    local group = assert(ben.client.groups:refresh(jid))
    assert.same({ "for friends", true, "admins", 3 }, { group.description, group.join_approval, group.member_add, group.size })
    for _, one in ipairs { ben, cem } do assert.truthy(ben.client.groups:member(group, one.lid)) end
    for _, one in ipairs { eve, fay } do assert.is_true(assert(one.client.groups:join(link)).pending) end
    ana:wait "Fay asks to be let in"
    ana:say("/group requests", "/group approve Eve", "/group reject Fay", "/group revoke", "/group info")
    ana:wait "Eve and Fay want to be let in"
    local other = ana:wait "https://chat.whatsapp.com/([%w_-]+)"
    assert.not_equal(link, other)
    ana:wait "admins let people in"
    assert.truthy(eve.client.groups:get(jid))
    assert.same({ "nil", "not-in-group" }, { (function(found, err) return tostring(found), err.code end)(fay.client.groups:get(jid)) })
    assert.equal(0, ana.finish())
  end))

  it("comment where that can be done, and cancel an event", support.async(function()
    local rig <close> = start()
    local ben = rig:contact "Ben"
    local ana <close> = open(rig, "Ben")
    ana:say("/event Picnic | 2h", "/cancel")
    local event = ben:next()
    assert.equal("Picnic", event.event.name)
    local edit = ben:next()
    assert.same({ "edit", true }, { edit.kind, edit.event.cancelled })
    local groups = ben.client.groups
    local village = assert(groups:create_community { subject = "Village" })
    assert(groups:create { subject = "Tea", members = { event.sender }, community = village.jid })
    for _, one in ipairs(assert(groups:sub_groups(village.jid))) do
      if one.announcements then assert(ben.client:send(one.jid, "tea is ready")) end
    end
    ana:wait "tea is ready"
    ana:say "/comment at last"
    local comment = ben:next()
    assert.same({ "comment", "at last" }, { comment.kind, comment.text })
    assert.equal(0, ana.finish())
    assert.matches("%[comment on #2%] at last", ana.screen())
  end))
end)
