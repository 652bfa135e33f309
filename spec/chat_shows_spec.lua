-- What `moonpost chat` shows of what others do: every kind of message, groups, calls; and what it does with wrong lines.
local start = require("spec.rig").start
local process = require "spec.process"
local support = require "spec.support"

-- A chat in a pipe.
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

-- Somebody who hears from Ana's chat, and can answer.
local function correspondent(rig, name)
  local ben = rig:contact(name)
  local ana = open(rig, name)
  ana:say "/typing"
  ana:say "hello"
  local chat = ben:next().chat
  assert(ben.client:send(chat, "hi"))
  ana:wait "#2 +%S+ +hi"
  return ben, ana, chat
end

-- Of what others say: what their lines hold.
local shown = {
  "%[image 640 × 480, 1.2 kB%] look", "%[GIF", "%[video message", "%[voice message", "%[document .*%] read", "%[sticker",
  "%[album%] 2 images, 0 videos",
  "%[location%] 1.5, %-2 Lab Street: here", "%[live location%] 1, 2: walking", "%[contact%] Ada %+1 555 123 4567, 030 1",
  "%[contacts%] Ada Lovelace; Bob", "%[invite%] to the group 'Tea', until 2023%-11%-1%d %d%d:%d%d: come",
  "%[invite%] to run the channel 'News'", "%[asks for the phone number%]", "%[shows the phone number%] %+1555%d+",
  "%[buttons%] Tea%?\n +or not\n +1  Yes\n +2  n\n", "%[list%] Menu\n +Choose\n", "%[interactive%] Shop\n +Choose\n +now\n",
  "%[interactive%] Two\n +□", "%[pressed%] Yes",
  "%[product%]", "%[order%] Cups, 2 items 25 EUR", "%[payment%] requested", "%[video call%] log, missed", "%[call%] offer", "%[music%]",
  "%[history%]", "%[poll%] ", "%[poll result%] Tea%?: Yes 2, No 1", "%[event%] ",
}

describe("moonpost chat shows", function()
  it("every kind of message in a line of its own, or a few", support.async(function()
    local rig <close> = start()
    local ben, ana <close>, chat = correspondent(rig, "Ben")
    for _, row in ipairs(require "spec.kinds") do
      local fields = row[3]
      local acts = fields.target or fields.kind == "response" or fields.kind == "vote" or fields.kind == "edit" or fields.kind == "pin"
      if not acts then assert(ben.client:send(chat, { message = row[2] })) end
    end
    assert(ben.client:send(chat, { message = { pollResultSnapshotMessage = {
      name = "Tea?", pollVotes = { { optionName = "Yes", optionVoteCount = 2 }, { optionName = "No", optionVoteCount = 1 } },
    } } }))
    assert(ben.client:send(chat, { poll = "Lunch?", choices = { "Soup", "Salad" } }))
    assert(ben.client:send(chat, { event = "Picnic", starts = 4083912000 }))
    assert(ben.client:send(chat, { message = { _unknown = "\xc2\x3e\x03abc" } }))
    assert(ben.client:send(chat, "the end"))
    ana:wait "the end"
    assert.equal(0, ana.finish())
    local text = ana:text()
    for _, one in ipairs(shown) do assert.matches(one, text) end
    assert.matches("%[unknown kind: no field of a name, %d+ bytes%]", text)
    assert.not_matches("table: 0x", text)
    assert.not_matches("\27", text)
  end))

  it("what happens to a group, to whom it is invited, and who joins", support.async(function()
    local rig <close> = start()
    local ben, ana <close>, chat = correspondent(rig, "Ben")
    local cem = rig:contact "Cem"
    local group = assert(ben.client.groups:create { subject = "Tea", members = { chat } }).jid
    ana:wait "%[Tea%] Ben made the group 'Tea'"
    ana:say "/to Tea"
    ana:wait "you write to Tea"
    local groups = ben.client.groups
    assert(groups:add(group, { cem.jid }))
    ana:wait "Ben added Cem"
    assert(groups:promote(group, { cem.jid }))
    ana:wait "Ben made Cem an admin"
    assert(groups:demote(group, { cem.jid }))
    ana:wait "Ben took the rank of an admin from Cem"
    assert(groups:set_description(group, "for friends"))
    ana:wait "Ben gave it the description 'for friends'"
    assert(groups:set(group, { announce = true, ephemeral = 86400 }))
    ana:wait "Ben changed it: only admins write"
    ana:wait "Ben has messages disappear after 1 day"
    assert(ben.client:send(group, "soon gone"))
    ana:wait "soon gone   %[for 1 day%]"
    assert(cem.client.groups:leave(group))
    ana:wait "Cem left"
    assert(groups:remove(group, { chat }))
    ana:wait "Ben removed Ana"
    assert.equal(0, ana.finish())
  end))

  it("invites, and joins by them and by links", support.async(function()
    local rig <close> = start()
    local _, ana <close>, chat = correspondent(rig, "Ben")
    local cem, dan = rig:contact "Cem", rig:contact "Dan" -- strangers, who have no token to add Ana or be added by
    rig.sandbox.accounts:lookup(chat).privacy.groupadd = "none"
    rig.sandbox.accounts:lookup(dan.jid).privacy.groupadd = "none"
    local tea, refused = assert(cem.client.groups:create { subject = "Tea", members = { chat } })
    local invite = refused[1].invite
    assert(cem.client:send(chat, { invite = { group = tea.jid, code = invite.code, expires = invite.expires, subject = "Tea" } }))
    ana:wait "%[invite%] to the group 'Tea'"
    ana:say "/join"
    ana:wait "you write to Tea"
    local garden = assert(cem.client.groups:create { subject = "Garden" })
    ana:say("/join https://chat.whatsapp.com/" .. assert(cem.client.groups:invite_code(garden.jid)))
    ana:wait "you write to Garden"
    ana:say("/group new Closed | Dan", "/invite Dan", "/group invite")
    local m = dan:next()
    assert.same({ "invite", "Closed" }, { m.kind, m.invite.subject })
    ana:wait "https://chat.whatsapp.com/"
    assert.equal(1, ana.finish()) -- since Dan could not be added
    assert.matches("moonpost chat: Dan can only be invited: /invite Dan does it", ana:text())
  end))

  it("channels: one of one's own, and those one follows", support.async(function()
    local rig <close> = start()
    local ben, ana <close> = correspondent(rig, "Ben")
    ana:say "/channel new Garden news"
    local jid = ana:wait "you write to Garden news, (%d+@newsletter)"
    assert(ben.client.newsletters:follow(jid))
    ana:say "the roses bloom"
    assert.equal("the roses bloom", ben:next().text)
    local news = assert(ben.client.newsletters:create { name = "Kitchen news" })
    ana:say("/channel follow " .. news.invite)
    ana:wait "you write to Kitchen news"
    assert(ben.client:send(news.jid, "soup is served"))
    ana:wait "soup is served"
    ana:say("/react 👍", "/channel unfollow", "/to Ben")
    ana:wait "you write to Ben"
    assert.equal(0, ana.finish())
    assert.matches("reacted 👍 to #%d", ana:text())
  end))

  it("calls, which it can refuse, and who comes and goes", support.async(function()
    local rig <close> = start()
    local ben, ana <close>, chat = correspondent(rig, "Ben")
    ana:say "/watch"
    ana:wait "Ben is there"
    rig:admin("mock-phone/call", { from = ben.jid, to = chat, video = true })
    ana:wait "%[video%] Ben calls: /reject refuses"
    ana:say("/reject", "/reject")
    ana:wait "moonpost chat: nobody calls"
    ben.client:close()
    ana:wait "Ben is away"
    assert.equal(1, ana.finish())
  end))

  it("what others do to messages it has not shown as that", support.async(function()
    local rig <close> = start()
    local ben, ana <close>, chat = correspondent(rig, "Ben")
    assert(ben.client:react({ chat = chat, id = "3EB0AAAA", sender = chat }, "👍"))
    ana:wait "Ben +reacted 👍 to an earlier message"
    assert.equal(0, ana.finish())
  end))

  it("nothing of what strangers write as anything but text", support.async(function()
    local rig <close> = start()
    local ben, ana <close>, chat = correspondent(rig, "Ben")
    local evil = "\27[2J\u{202e}\n12:00:00  #9   Ana       I owe you"
    for _, spec in ipairs {
      { poll = evil, choices = { evil, evil .. "2" } }, { event = evil, starts = 4083912000, location = evil, description = evil },
      { location = { 1, 2, name = evil }, text = evil }, { contact = { name = evil, phone = evil } }, { text = evil, mentions = { chat } },
      { message = { buttonsMessage = { contentText = evil, footerText = evil, buttons = { { buttonId = evil } } } } },
    } do assert(ben.client:send(chat, spec)) end
    assert(ben.client.groups:create { subject = evil, members = { chat } })
    ana:wait "made the group"
    assert.equal(0, ana.finish())
    assert.not_matches("\27", ana:text())
    assert.is_nil(ana:text():find("\u{202e}", 1, true))
    assert.is_nil(ana:text():find "\n12:00:00")
  end))
end)

describe("a line of moonpost chat", function()
  -- Lines that are wrong, and what is said of them.
  local wrong = {
    { "/bake", "there is no command /bake (/help lists them; a text that begins with / is written with two)" },
    { "/group", "/group is followed by what to do: /help group tells" },
    { "/reply #9 hello", "there is no message #9" },
    { "/reply", "a text is missing; it is written /reply [#N] TEXT" },
    { "/poll Lunch?", "a question and at least two choices are given, with | between them; "
      .. "it is written /poll QUESTION | CHOICE | CHOICE …" },
    { "/poll Lunch? | Soup | Soup", "a poll: 'Soup' stands twice among its choices; it is written /poll QUESTION | CHOICE | CHOICE …" },
    { "/quiz 1? | 2 | 3", "the right answer begins with *; it is written /quiz QUESTION | *RIGHT | WRONG …" },
    { "/vote Soup", "there is no poll yet" },
    { "/vote #1 Soup", "#1 is no poll; it is written /vote [#N] [CHOICE | CHOICE …]" },
    { "/respond going", "there is no event yet" },
    { "/event Picnic | soon", "a name and a time are given, such as 2h, 18:00 or 2026-12-24 18:00, with | between them; "
      .. "it is written /event NAME | TIME [| PLACE]" },
    { "/location here", "latitude and longitude are given in degrees, such as 52.5, 13.4; it is written /location LAT, LON [NAME]" },
    { "/location 95, 0", "a location: 'lat' is b" },
    { "/contact Ada", "a name and a number that begins with + are given; it is written /contact NAME +NUMBER [| NAME +NUMBER …]" },
    { "/edit #2 x", "#2 is not yours; it is written /edit [#N] TEXT" },
    { "/delete #2", "message " },
    { "/pin #2 2d", "it is for 1d, 7d or 30d; it is written /pin [#N] [1d|7d|30d]" },
    { "/timer 2d", "it is 1d, 7d, 90d or off; it is written /timer 1d|7d|90d|off" },
    { "/forward Nobody", "there is nobody and no group of yours called 'Nobody' (it knows: " },
    { "/to Nobody", "there is nobody and no group of yours called 'Nobody' (it knows: " },
    { "/mention Nobody | hi", "the sandbox knows nobody called 'Nobody' (it knows: " },
    { "/group info", "Ben is no group: /to GROUP goes to one; it is written /group info" },
    { "/group new Tea | Nobody", "the sandbox knows nobody called 'Nobody' (it knows: " },
    { "/join tea", "what was given is too long, or not of the form it should have (406)" },
    { "/message [", "that is no JSON object: " },
    { "/message {\"poll\":1}", "that is no Message: " },
    { "/hangup", "you call nobody; it is written /hangup" },
    { "/help bake", "there is no command /bake; it is written /help [COMMAND]" },
    { "/wait 0 tea", "nothing with 'tea' came within 0 s" },
  }

  it("that is wrong says why and how it is written, and sends nothing", support.async(function()
    local rig <close> = start()
    local _, ana <close> = correspondent(rig, "Ben")
    local messages = rig:record("to-server", function(node) return node.tag == "message" end)
    for _, row in ipairs(wrong) do
      ana:say(row[1])
      local said = ana:wait "^moonpost chat: (.*)$"
      assert.equal(row[1] .. ": " .. row[2], row[1] .. ": " .. said:sub(1, #row[2]))
    end
    assert.equal(0, #messages)
    assert.equal(1, ana.finish())
  end))

  it("tells the commands, all of them or a family", support.async(function()
    local rig <close> = start()
    local _, ana <close> = correspondent(rig, "Ben")
    ana:say("/help", "/help group", "/quit")
    assert.equal(0, ana:wait_end())
    assert.matches("/poll QUESTION | CHOICE | CHOICE … +a poll, one choice each", ana:text())
    assert.matches("/quit +ends the chat, as Ctrl%-D does", ana:text())
    local _, count = ana:text():gsub("/group new SUBJECT", "")
    assert.equal(2, count)
  end))
end)
