-- Pictures of people, groups and communities (fact sheets 07 §4.4, 05 §16.1, 08 S-840), through real sockets and the media host.
local core = require "moonpost.core"
local process = require "spec.process"
local size_of = require "moonpost.client.jpeg"
local stanza = require "moonpost.stanza"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"
local task = require "moonpost.task"

-- A small square JPEG: its header is one, what it shows is nobody's concern. `word` tells one from another.
local function jpeg(word)
  return "\xff\xd8\xff\xe0\0\16JFIF\0\1\1\0\0\1\0\1\0\0\xff\xc0\0\11\8\0\64\0\64\1\1\17\0\xff\xfe" .. (">s2"):pack(word) .. "\xff\xd9"
end

-- What a client is told of pictures, one by one.
local function listen(contact) return tap.event(contact.client, "picture") end

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

local function set(contact, word, of) return assert(contact.client.pictures:set({ bytes = jpeg(word) }, of)) end

describe("a person's picture", function()
  it("is set, had small and in full, and loaded from the media host", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local id = set(ana, "garden")
    for _, full in ipairs { false, true } do
      local picture = assert(ben.client.pictures:get(ana.jid, { full = full }))
      assert.same({ ana.jid, id, full }, { picture.jid, picture.id, picture.full })
      assert.equal(jpeg "garden", assert(ben.client.pictures:bytes(picture)))
    end
    local path = support.tmpdir() .. "/ana.jpg"
    assert(ben.client.pictures:save(assert(ben.client.pictures:get(ana.lid)), path))
    assert.equal(jpeg "garden", read(path))
    assert.equal(id, assert(ana.client.pictures:get(ana.lid)).id)
  end))

  it("is another one with another id, and none once it is taken away", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local first = set(ana, "garden")
    assert.is_true(assert(ben.client.pictures:get(ana.jid, { known = first })).unchanged)
    local second = set(ana, "kitchen")
    assert.is_true(tonumber(second) > tonumber(first))
    assert.equal(second, assert(ben.client.pictures:get(ana.jid, { known = first })).id)
    assert(ana.client.pictures:remove())
    local none, err = ben.client.pictures:get(ana.jid)
    assert.same({ nil, "no-picture" }, { none, err.code })
    assert(ana.client.pictures:remove())
  end))

  it("is told of to those who know its owner, and to their own devices", support.async(function()
    local rig <close> = start()
    local ana, ben, cem = rig:contact "Ana", rig:contact "Ben", rig:contact "Cem"
    local sibling = rig:contact "Ana"
    ben:hears(ana, "hello")
    local told = {}
    for i, one in ipairs { ana, sibling, ben, cem } do told[i] = listen(one) end
    local id = set(ana, "garden")
    for i = 1, 3 do
      local change = assert(told[i]:pop(20))
      assert.same({ ana.lid, false, id, ana.lid, i < 3 }, { change.jid, change.group, change.id, change.by, change.from_me })
    end
    assert(ana.client.pictures:remove())
    for i = 1, 3 do
      local change = assert(told[i]:pop(20))
      assert.same({ ana.lid, nil }, { change.jid, change.id })
    end
    assert.equal(0, #told[4])
  end))

  it("is hidden from those its owner does not show it to", support.async(function()
    local rig <close> = start()
    local ana, ben, cem = rig:contact "Ana", rig:contact "Ben", rig:contact "Cem"
    set(ana, "garden")
    ben:hears(ana, "hello")
    local function code_of(contact)
      local picture, err = contact.client.pictures:get(ana.jid)
      return picture and "shown" or err.code
    end
    local function show_to(whom)
      assert(ana.client:query(stanza.node("iq", { xmlns = "privacy", type = "set", to = "s.whatsapp.net" }, stanza.node("privacy", nil,
        stanza.node("category", { name = "profile", value = whom })))))
    end
    assert.same({ "shown", "shown" }, { code_of(ben), code_of(cem) })
    show_to "contacts"
    assert.same({ "shown", "hidden" }, { code_of(ben), code_of(cem) })
    show_to "none"
    assert.same({ "hidden", "hidden", "shown" }, { code_of(ben), code_of(cem), code_of(ana) })
  end))

  it("of somebody who takes no strangers is shown to who has their token, and the own one is asked for without", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "restricted:Ana", rig:contact "Ben"
    set(ana, "garden")
    assert.equal("hidden", select(2, ben.client.pictures:get(ana.lid)).code)
    local asked = rig:record("to-server", function(node) return stanza.child(node, "picture") ~= nil end)
    local passing = tap.on(rig)
    ben:hears(ana, "hello")
    passing:to_client("notification", "tokens")
    assert.equal("no-picture", select(2, ben.client.pictures:get(ben.jid)).code) -- the token is there before this answer
    assert(ben.client.pictures:get(ana.lid))
    assert(ana.client.pictures:get(ana.jid))
    assert.is_nil(stanza.path(asked[1], "picture", "tctoken"))
    assert.is_truthy(stanza.path(asked[2], "picture", "tctoken"))
    assert.is_nil(stanza.path(asked[3], "picture", "tctoken"))
  end))

  it("is changed on the phone, and taken away, which its devices and those who know its owner are told", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    ben:hears(ana, "hello")
    local told = { listen(ana), listen(ben) }
    local _, file = tap.admin(rig, "POST", "/admin/file", jpeg "garden")
    local status, answer = tap.admin(rig, "POST", "/admin/mock-phone/picture", { jid = ana.jid, file = file.file })
    assert.equal(200, status)
    local id = ("%d"):format(answer.id)
    for i = 1, 2 do assert.same({ ana.lid, id }, (function(change) return { change.jid, change.id } end)(assert(told[i]:pop(20)))) end
    assert.equal(jpeg "garden", assert(ben.client.pictures:bytes(assert(ben.client.pictures:get(ana.jid)))))
    rig:admin("mock-phone/picture", { jid = ana.jid })
    for i = 1, 2 do assert.is_nil(assert(told[i]:pop(20)).id) end
    _, file = tap.admin(rig, "POST", "/admin/file", "no picture at all")
    status, answer = tap.admin(rig, "POST", "/admin/mock-phone/picture", { jid = ana.jid, file = file.file })
    assert.equal(400, status)
    assert.matches("a picture is a JPEG", answer.error)
  end))

  it("is told by its id among what a usync says of its owner, to whom it is shown", support.async(function()
    local rig <close> = start()
    local ana, ben, cem = rig:contact "Ana", rig:contact "Ben", rig:contact "Cem"
    ben:hears(ana, "hello")
    local function told_to(contact)
      local answer = assert(contact.client:query(stanza.node("iq", { xmlns = "usync", type = "get", to = "s.whatsapp.net" }, {
        stanza.node("usync", { sid = "1", mode = "query", last = "true", index = "0", context = "interactive" }, {
          stanza.node("query", nil, { stanza.node "picture" }),
          stanza.node("list", nil, { stanza.node("user", { jid = ana.jid }) }),
        }),
      })))
      local picture = stanza.path(answer, "usync", "list", "user", "picture")
      return picture and picture.attrs.id or "none"
    end
    assert.equal("none", told_to(ben))
    local id = set(ana, "garden")
    assert.same({ id, id }, { told_to(ben), told_to(cem) })
    assert(ana.client:query(stanza.node("iq", { xmlns = "privacy", type = "set", to = "s.whatsapp.net" }, stanza.node("privacy", nil,
      stanza.node("category", { name = "profile", value = "contacts" })))))
    assert.same({ id, "none" }, { told_to(ben), told_to(cem) })
  end))

  it("outlives the sandbox's process", support.async(function()
    local world = support.tmpdir()
    local id, jid
    do
      local rig <close> = start { world = world }
      local ana = rig:contact "Ana"
      id, jid = set(ana, "garden"), ana.jid
    end
    local rig <close> = start { world = world }
    local ben = rig:contact "Ben"
    local picture = assert(ben.client.pictures:get(jid))
    assert.equal(id, picture.id)
    assert.equal(jpeg "garden", assert(ben.client.pictures:bytes(picture)))
  end))
end)

describe("what is no picture", function()
  it("is refused with its reason before anything is sent", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local asked = rig:record("to-server", function(node) return node.attrs.xmlns == "w:profile:picture" end)
    local codes = {}
    for i, source in ipairs { { bytes = "no picture at all" }, { file = "/nowhere/at/all.jpg" }, {} } do
      codes[i] = select(2, ana.client.pictures:set(source)).code
    end
    assert.same({ "media-format", "media-source", "media-source" }, codes)
    assert.equal(0, #asked)
    assert.has_error(function() ana.client.pictures:set({ bytes = jpeg "x" }, "status@broadcast") end)
  end))

  it("is refused by the server", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    rig:tap(function(direction, node)
      if direction == "to-server" and node.attrs.xmlns == "w:profile:picture" then stanza.child(node, "picture").content = "GIF89a" end
    end)
    local id, err = ana.client.pictures:set { bytes = jpeg "garden" }
    assert.same({ nil, "not-acceptable", 406 }, { id, err.code, err.status })
  end))
end)

describe("a picture that is no small square JPEG", function()
  local function png()
    local path = support.tmpdir() .. "/code.png"
    assert(core.qr.png("a picture", path))
    return path
  end

  it("is made one where ffmpeg is there", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    assert(ana.client.pictures:set { file = png() })
    local bytes = assert(ana.client.pictures:bytes(assert(ana.client.pictures:get(ana.jid))))
    assert.same({ 640, 640 }, { size_of(bytes) })
    local id, err = ana.client.pictures:set { bytes = "no picture" }
    assert.same({ nil, "media-format" }, { id, err.code })
    assert.equal("what is given is no picture, video or audio file that is known here", err.message)
  end))

  it("is refused where ffmpeg is not, but for a JPEG, which goes as it is", support.async(function()
    local folder, picture = support.tmpdir(), png()
    local script = folder .. "/without.lua"
    local file = assert(io.open(script, "w"))
    file:write [[
      local square, task, path, wide = require "moonpost.client.square", require "moonpost.task", ...
      task.run(function()
        local none, err = square { file = path }
        print(none, err.code)
        print(#square { bytes = (wide:gsub("..", function(hex) return string.char(tonumber(hex, 16)) end)) })
      end)
    ]]
    assert(file:close())
    local wide = "ffd8ffc0000b08004000ff01011100ffd9"
    local run <close> = process.start(("moonpost run %s -- %s %s"):format(script, picture, wide), { before = "export PATH=" .. folder })
    assert.equal(0, (run:wait_end()))
    assert.same({ "nil\tmedia-format", "17" }, run.output)
  end))
end)

describe("a group's picture", function()
  local function scene(rig)
    local ana, ben, cem = rig:contact "Ana", rig:contact "Ben", rig:contact "Cem"
    local group = assert(ana.client.groups:create { subject = "Tea", members = { ben.lid } })
    return group.jid, ana, ben, cem
  end

  it("is set by a member, told of to all, and shown to nobody else", support.async(function()
    local rig <close> = start()
    local group, ana, ben, cem = scene(rig)
    local told = listen(ana)
    local id = set(ben, "tea", group)
    local change = assert(told:pop(20))
    assert.same({ group, true, id, ben.lid, false }, { change.jid, change.group, change.id, change.by, change.from_me })
    assert.equal(jpeg "tea", assert(ana.client.pictures:bytes(assert(ana.client.pictures:get(group)))))
    assert.equal("hidden", select(2, cem.client.pictures:get(group)).code)
    local code = assert(ana.client.groups:invite_code(group))
    assert.equal(id, assert(cem.client.pictures:get(group, { invite = code })).id)
    assert(ana.client.pictures:remove(group))
    assert.equal("no-picture", select(2, ben.client.pictures:get(group)).code)
  end))

  it("is set by admins alone where the group is locked", support.async(function()
    local rig <close> = start()
    local group, ana, ben, cem = scene(rig)
    assert(ana.client.groups:set(group, { locked = true }))
    local _, err = ben.client.pictures:set({ bytes = jpeg "mine" }, group)
    assert.equal("forbidden", err.code)
    _, err = cem.client.pictures:set({ bytes = jpeg "mine" }, group)
    assert.equal("not-authorized", err.code)
    _, err = cem.client.pictures:remove "120363999999999999@g.us"
    assert.equal("not-found", err.code)
    assert.is_truthy(set(ana, "tea", group))
  end))

  it("of a community is had as well", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local community = assert(ana.client.groups:create_community { subject = "Street" })
    assert.equal("no-picture", select(2, ana.client.pictures:get(community.jid)).code)
    local id = set(ana, "street", community.jid)
    local picture = assert(ana.client.pictures:get(community.jid, { full = true }))
    assert.equal(id, picture.id)
    assert.equal(jpeg "street", assert(ana.client.pictures:bytes(picture)))
    assert.is_true(assert(ana.client.pictures:get(community.jid, { known = id })).unchanged)
  end))
end)

describe("a notification of a picture", function()
  it("that says nothing tells that there is none any more, and one of other things nothing", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local told = listen(ben)
    local forms = { { stanza.node "request" }, {}, { stanza.node("set", { id = "7" }) } }
    for i, content in ipairs(forms) do
      tap.hand(rig, ben, stanza.node("notification", {
        type = "picture", from = ana.lid, id = "P" .. i, t = math.floor(core.net.time()),
      }, content))
    end
    local first, second = assert(told:pop(20)), assert(told:pop(20))
    assert.same({ ana.lid, nil, ana.lid, "7" }, { first.jid, first.id, second.jid, second.id })
  end))
end)

describe("a newsletter's picture", function()
  it("is set when it is made or later, had by anybody, and taken away", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local news = assert(ana.client.newsletters:create { name = "Garden news", picture = { bytes = jpeg "garden" } })
    local found = assert(ben.client.newsletters:get(news.jid))
    assert.equal(jpeg "garden", assert(ben.client.pictures:bytes(found.image)))
    assert.equal(jpeg "garden", assert(ben.client.pictures:bytes(found.preview)))
    local changed = assert(ana.client.newsletters:update(news.jid, { picture = { bytes = jpeg "kitchen" } }))
    assert.equal("Garden news", changed.name)
    assert.equal(jpeg "kitchen", assert(ben.client.pictures:bytes(assert(ben.client.newsletters:get(news.jid)).image)))
    assert.is_nil(assert(ana.client.newsletters:update(news.jid, { picture = false })).image)
    assert.is_nil(assert(ben.client.newsletters:get(news.jid)).image)
  end))
end)

describe("a bot", function()
  it("has pictures as files, and sets its own, a group's and a newsletter's", support.async(function()
    local rig <close> = start()
    local folder = support.tmpdir()
    local path = folder .. "/garden.jpg"
    local file = assert(io.open(path, "wb"))
    file:write(jpeg "garden")
    assert(file:close())
    local ana = rig:contact "Ana"
    set(ana, "face")
    local bot, seen = rig:bot(), {}
    bot:command("face", function(ctx)
      seen.none, seen.why = bot:picture(bot.client.me.jid)
      local face = bot:picture(ctx.sender, { full = true })
      seen.face, seen.path = face:bytes(), face:download(folder .. "/faces/")
      bot:set_picture(path)
      local group = bot:create_group { subject = "Tea", members = { ctx.sender } }
      group:set_picture(face)
      seen.group = group:picture():bytes()
      local news = bot:create_newsletter { name = "News", picture = path }
      news:set_picture { bytes = jpeg "news" }
      seen.news, seen.role = news:picture({ full = true }):bytes(), news.role
      news:remove_picture()
      seen.gone = news:picture()
      ctx:reply "done"
    end)
    rig:run(bot)
    assert.equal("done", ana:ask(bot.client.me.jid, "!face").text)
    assert.same({ nil, "no-picture", jpeg "face", jpeg "face", jpeg "face", jpeg "news", "owner", nil },
      { seen.none, seen.why, seen.face, read(seen.path), seen.group, seen.news, seen.role, seen.gone })
    assert.is_truthy(seen.path:find("^" .. folder:gsub("%W", "%%%0") .. "/faces/%d+%.jpg$"))
    assert.equal(jpeg "garden", assert(ana.client.pictures:bytes(assert(ana.client.pictures:get(bot.client.me.jid)))))
  end))

  it("is told when somebody has another picture", support.async(function()
    local rig <close> = start()
    local ana, told = rig:contact "Ana", task.queue()
    local bot = rig:bot()
    bot:command("ping", function(ctx) ctx:reply "pong" end)
    bot:on("picture", function(picture) told:push(picture) end)
    rig:run(bot)
    ana:ask(bot.client.me.jid, "!ping")
    local id = set(ana, "face")
    local picture = assert(told:pop(20))
    assert.same({ ana.lid, false, id, false }, { picture.jid, picture.group, picture.id, picture.from_me })
    assert.equal(ana.jid, "" .. picture.phone .. "@s.whatsapp.net")
  end))
end)
