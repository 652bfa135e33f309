--- Files are made to look well on their way out (fact sheet 05 §15), through real sockets: what the tools add to what is sent, and what
-- they make of other formats.
local core = require "moonpost.core"
local files = require "spec.files"
local made = require("spec.media_files").new()
local mimes = require "moonpost.client.mimes"
local start = require("spec.rig").start
local support = require "spec.support"
local task = require "moonpost.task"
local tools = require "moonpost.client.media_tools"

local picture = made:make("cat.jpg", "testsrc=s=320x200", "-frames:v 1")
local gif = made:make("cat.gif", "testsrc=s=64x48:d=0.5:r=10")
local video = made:make("cat.mp4", "testsrc=s=64x48:d=2:r=5[out0];sine=d=2[out1]", "-pix_fmt yuv420p -c:v libx264 -c:a aac")
local song = made:make("song.mp3", "sine=d=2")
local voice = made:turn("voice.ogg", song, "-c:a libopus -ac 1")

-- Two contacts, and what one hears of a spec the other sends: the event, and the file.
local function pair()
  local rig = start()
  local ana, ben = rig:contact "Ana", rig:contact "Ben"
  return setmetatable({ ana = ana, ben = ben, rig = rig }, {
    __call = function(_, spec)
      assert(ana.client:send(ben.jid, spec))
      local m = ben:next()
      return m, files.load(ben.client, m.media)
    end,
    __close = function() rig:__close() end,
  })
end

-- What a file that came is by its content.
local function content(bytes) return assert(tools.probe(made:write("came", bytes))) end

local function is_jpeg(bytes) return bytes:sub(1, 3) == "\xff\xd8\xff" end

describe("what is sent says of itself", function()
  it("a picture: its size and a small picture of it, and the file is the same", support.async(function()
    local send <close> = pair()
    local m, bytes = send { image = picture }
    assert.same({ "image", "image/jpeg", 320, 200 }, { m.kind, m.media.mime, m.media.width, m.media.height })
    assert.is_true(is_jpeg(m.media.thumbnail) and #m.media.thumbnail < 10240)
    assert.is_true(bytes == made.read(picture))
  end))

  it("the same where it is bytes or an iterator", support.async(function()
    local send <close> = pair()
    local all = made.read(picture)
    for _, source in ipairs { { bytes = all }, files.pieces(all, 1000) } do
      local m, bytes = send { image = source }
      assert.same({ 320, 200, true }, { m.media.width, m.media.height, bytes == all })
    end
  end))

  it("nothing, and goes nowhere, where its iterator fails in the middle", support.async(function()
    local send <close> = pair()
    local all, mine, given = made.read(picture), core.error("mine", "no more"), false
    local sent, err = send.ana.client:send(send.ben.jid, { image = function()
      if given then return nil, mine end
      given = true
      return all:sub(1, 1000)
    end })
    assert.same({ nil, mine }, { sent, err })
  end))

  it("a video, a round one and a GIF: size, duration, small picture", support.async(function()
    local send <close> = pair()
    for _, word in ipairs { "video", "round_video", "gif" } do
      local m, bytes = send { [word] = video }
      assert.same({ word, 64, 48, 2 }, { m.kind, m.media.width, m.media.height, m.media.duration })
      assert.is_true(is_jpeg(m.media.thumbnail))
      assert.is_true(bytes == made.read(video))
    end
  end))

  it("a sound: its duration; a voice message: its waveform too", support.async(function()
    local send <close> = pair()
    local m, bytes = send { audio = song }
    assert.same({ "audio", "audio/mpeg", 2, nil }, { m.kind, m.media.mime, m.media.duration, m.media.waveform })
    assert.is_true(bytes == made.read(song))
    m, bytes = send { voice = voice }
    assert.same({ "voice", mimes.OPUS, 2, 64 }, { m.kind, m.media.mime, m.media.duration, #m.media.waveform })
    assert.is_true(math.max(m.media.waveform:byte(1, -1)) == 100)
    assert.is_true(bytes == made.read(voice))
  end))

  it("what its sender says goes before that", support.async(function()
    local send <close> = pair()
    local small = files.bytes("jpg", 300)
    local m = send { image = picture, width = 10, height = 20, thumbnail = small }
    assert.same({ 10, 20, small }, { m.media.width, m.media.height, m.media.thumbnail })
    m = send { voice = voice, duration = 77, waveform = "\1\2" }
    assert.same({ 77, "\1\2" }, { m.media.duration, m.media.waveform })
  end))

  it("nothing, where the tools are not there or cannot read it: it goes all the same", support.async(function()
    local send <close> = pair()
    local broken = files.bytes("jpg", 500)
    local m, bytes = send { image = { bytes = broken } }
    assert.same({ "image", nil, nil, true }, { m.kind, m.media.width, m.media.thumbnail, bytes == broken })
    local without <close> = files.without_tools()
    m = send { image = picture }
    assert.same({ "image/jpeg", nil, nil }, { m.media.mime, m.media.width, without and m.media.thumbnail })
    m, bytes = send { voice = song }
    assert.same({ "voice", "audio/mpeg", true }, { m.kind, m.media.mime, bytes == made.read(song) })
  end))

  it("nothing of a document, which nobody looks into", support.async(function()
    local send <close> = pair()
    local m, bytes = send { document = picture }
    assert.same({ "document", nil, nil, true }, { m.kind, m.media.width, m.media.thumbnail, bytes == made.read(picture) })
  end))
end)

describe("another format becomes what its kind has on the wire:", function()
  it("music a voice message", support.async(function()
    local send <close> = pair()
    local m, bytes = send { voice = song }
    assert.same({ "voice", mimes.OPUS, 2, 64 }, { m.kind, m.media.mime, m.media.duration, #m.media.waveform })
    assert.equal(mimes.OPUS, content(bytes).mime)
    assert.is_true(m.message.audioMessage.ptt)
  end))

  it("a picture a sticker", support.async(function()
    local send <close> = pair()
    local m, bytes = send { sticker = picture }
    assert.same({ "sticker", "image/webp", 512, 512, false, nil },
      { m.kind, m.media.mime, m.media.width, m.media.height, m.media.animated, m.media.thumbnail })
    local found = content(bytes)
    assert.same({ "image/webp", 512, 512 }, { found.mime, found.width, found.height })
  end))

  it("a GIF a sticker that moves, or an MP4", support.async(function()
    local send <close> = pair()
    local m, bytes = send { sticker = gif }
    assert.same({ "sticker", "image/webp", true, true }, { m.kind, m.media.mime, m.media.animated, content(bytes).animated })
    m, bytes = send { gif = gif }
    assert.same({ "gif", "video/mp4", 64, 48, true }, { m.kind, m.media.mime, m.media.width, m.media.height, is_jpeg(m.media.thumbnail) })
    assert.equal("video/mp4", content(bytes).mime)
  end))

  it("a picture or a sound that came, sent on as one; what is of the format already is sent on where it lies", support.async(function()
    local send <close> = pair()
    local back = setmetatable({}, { __call = function(_, spec)
      assert(send.ben.client:send(send.ana.jid, spec))
      return send.ana:next()
    end })
    local sticker = back { sticker = send { image = picture }.media }
    assert.same({ "sticker", "image/webp", 512 }, { sticker.kind, sticker.media.mime, sticker.media.width })
    local came = send { audio = song }
    local spoken = back { voice = came.media }
    assert.same({ "voice", mimes.OPUS, 64 }, { spoken.kind, spoken.media.mime, #spoken.media.waveform })
    local heard = send { voice = voice }
    local echo = back { voice = heard.media }
    assert.same({ heard.media.reference.directPath, heard.media.waveform }, { echo.media.reference.directPath, echo.media.waveform })
  end))

  it("what cannot become one is not sent, and the error says why", support.async(function()
    local send <close> = pair()
    for _, spec in ipairs { { sticker = { bytes = files.bytes("jpg", 500) } }, { voice = { bytes = files.bytes("mp3", 500) } },
      { gif = { bytes = files.bytes("gif", 500) } }, { sticker = made:png_head("bomb.png", 100000, 100000) } } do
      local sent, err = send.ana.client:send(send.ben.jid, spec)
      assert.same({ nil, "media-format" }, { sent, err.code })
    end
  end))

  it("and no temporary file is left", support.async(function()
    local names, made_one, make = {}, task.queue(), core.system.temporary_file
    local restore <close> = setmetatable({}, { __close = function() core.system.temporary_file = make end })
    core.system.temporary_file = function()
      names[#names + 1] = make()
      made_one:push(true)
      return names[#names]
    end
    local send <close> = pair()
    local before = #names
    send { sticker = { bytes = made.read(picture) }, pack = { name = "Cats" } }
    assert(restore and not send.ana.client:send(send.ben.jid, { sticker = { bytes = files.bytes("jpg", 500) } }))
    assert.is_false((pcall(send.ana.client.send, send.ana.client, send.ben.jid, { image = function() error "no more" end })))
    local rows = 0
    local cut = function()
      rows = rows + 1
      if rows == 3 then error "no more" end
      return made.read(picture)
    end
    assert.is_false((pcall(send.ana.client.send, send.ana.client, send.ben.jid, { image = cut })))
    local converting = task.spawn(send.ana.client.send, send.ana.client, send.ben.jid, { voice = song })
    while #names < before + 6 do assert(made_one:pop(30)) end
    converting:cancel()
    assert.is_true(#names >= before + 6)
    for i = before + 1, #names do assert.is_nil(io.open(names[i])) end
  end))
end)

describe("a sticker's pack", function()
  it("goes with a sticker that is made, and with one that is there", support.async(function()
    local send <close> = pair()
    local pack = { name = "Cats", publisher = "Ana", emojis = { "😺" } }
    local _, bytes = send { sticker = picture, pack = pack }
    local told = tools.read_pack(bytes)
    assert.same({ "Cats", "Ana", { "😺" } }, { told.name, told.publisher, told.emojis })
    local without <close> = files.without_tools()
    local m, again = send { sticker = { bytes = bytes }, pack = { name = "Dogs" } }
    assert.same({ "image/webp", "Dogs", nil }, { without and m.media.mime, tools.read_pack(again).name, tools.read_pack(again).publisher })
    m, again = send { sticker = picture, pack = pack } -- no pack can be told in a JPEG: it goes as it is
    assert.same({ "image/jpeg", true }, { m.media.mime, again == made.read(picture) })
  end))

  it("is told to a bot that asks for it", support.async(function()
    local rig <close> = start()
    local ana, bot, seen = rig:contact "Ana", rig:bot(), task.queue()
    bot:on("message", { media = true }, function(ctx) seen:push { pcall(ctx.media.pack, ctx.media) } end)
    local me = rig:run(bot)
    for _, spec in ipairs { { sticker = picture, pack = { name = "Cats" } }, { sticker = picture }, { image = picture } } do
      assert(ana.client:send(me.jid, spec))
    end
    assert.equal("Cats", seen:pop(30)[2].name)
    assert.same({ true, nil }, seen:pop(30))
    local refused = seen:pop(30)
    assert.same({ false, "malformed" }, { refused[1], refused[2].code })
  end))

  it("is a table of texts", support.async(function()
    local send <close> = pair()
    local rows = {
      { { title = "x" }, "'pack' has no field 'title' %(emojis, id, name, publisher%)" },
      { { name = 5 }, "'pack': 'name' is a string, not a number" },
      { { emojis = { 5 } }, "'pack': 'emojis%[1%]' is a string, not a number" },
    }
    for _, row in ipairs(rows) do
      local ok, err = pcall(send.ana.client.send, send.ana.client, send.ben.jid, { sticker = picture, pack = row[1] })
      assert.is_false(ok)
      assert.matches(row[2], tostring(err))
    end
  end))
end)
