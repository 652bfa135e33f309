-- The example bots of scripts/bots, as a user runs them: each in a process of its own, against the sandbox.
local files = require "spec.files"
local mimes = require "moonpost.client.mimes"
local new_files = require("spec.media_files").new
local process = require "spec.process"
local start = require("spec.rig").start
local support = require "spec.support"
local tools = require "moonpost.client.media_tools"
local writer = require "spec.group_writer"

-- Runs a script, and waits until it is online: the process, and the bot's number as a JID.
local function run(rig, script, words)
  local store = support.tmpdir() .. "/state"
  local bot = process.start(("moonpost run scripts/bots/%s --sandbox %s --store %s %s"):format(script, rig.sandbox.url, store, words or ""))
  return bot, bot:wait "^online as [^,]+, %+(%d+)" .. "@s.whatsapp.net"
end

local function text_of(contact) return contact:next().text end

describe("scripts/bots/", function()
  for _, name in ipairs { "echo", "photos", "poll", "stickers", "voice" } do
    it(name .. ".lua is under 25 lines", function()
      local count = 0
      for _ in io.lines(("scripts/bots/%s.lua"):format(name)) do count = count + 1 end
      assert.is_true(count < 25)
    end)
  end
end)

describe("scripts/bots/poll.lua", function()
  it("opens a poll in a group, counts the votes of its members and tells the winner", support.async(function()
    local rig <close> = start()
    local bot <close>, jid = run(rig, "poll.lua")
    local ana, ben, cem = rig:contact "Ana", rig:contact "Ben", rig:contact "Cem"
    local group = writer.make(rig, ana, ben, cem, { jid = jid })
    local all = { ana, ben, cem }
    assert(ana.client:send(group, "!lunch Pasta, Pizza"))
    for _, one in ipairs { ben, cem } do assert.equal("!lunch Pasta, Pizza", text_of(one)) end
    local polls = {}
    for i, one in ipairs(all) do
      polls[i] = one:next()
      assert.same({ "What shall we eat?", { "Pasta", "Pizza" } }, { polls[i].poll.question, polls[i].poll.choices })
    end
    for i, choice in ipairs { "Pizza", "Pasta", "Pizza" } do assert(all[i].client:vote(polls[i], choice)) end
    for _, one in ipairs(all) do
      for _ = 1, 2 do assert.equal("vote", one:next().kind) end -- of the two others
    end
    assert(ben.client:send(group, "!close", { quote = polls[2] }))
    for _, one in ipairs { ana, cem } do assert.equal("!close", text_of(one)) end
    for _, one in ipairs(all) do assert.equal("Pizza, with 2 of 3 votes.", text_of(one)) end
    assert(cem.client:send(group, "!close"))
    for _, one in ipairs { ana, ben } do assert.equal("!close", text_of(one)) end
    for _, one in ipairs(all) do assert.equal("Answer the poll with !close.", text_of(one)) end
    bot:signal "INT"
    assert.equal(0, bot:wait_end())
  end))
end)

describe("scripts/bots/stickers.lua", function()
  local made = new_files()
  local picture, gif = made:make("cat.jpg", "testsrc=s=320x200", "-frames:v 1"), made:make("cat.gif", "testsrc=s=64x48:d=0.5:r=10")

  -- A sticker a contact hears: whether it moves, and what it says of its pack.
  local function sticker(contact)
    local m = contact:next()
    assert.same({ "sticker", "image/webp", 512, 512 }, { m.kind, m.media.mime, m.media.width, m.media.height })
    local pack = assert(tools.read_pack(files.load(contact.client, m.media)))
    return m.media.animated, pack.name, pack.publisher
  end

  it("sends a picture or a GIF back as a sticker, and in a group only when it is asked to", support.async(function()
    local rig <close> = start()
    local bot <close>, jid = run(rig, "stickers.lua")
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    assert(ana.client:send(jid, { image = picture }))
    assert.same({ false, "Stickers", "Ana" }, { sticker(ana) })
    assert(ana.client:send(jid, { gif = gif, caption = "!sticker Moving cats" }))
    assert.same({ true, "Moving cats", "Ana" }, { sticker(ana) })
    assert(ana.client:send(jid, "!sticker"))
    assert.equal("Send a picture with !sticker, or answer one.", text_of(ana))
    local group = writer.make(rig, ana, ben, { jid = jid })
    assert(ana.client:send(group, { image = picture }))
    local heard = ben:next()
    assert(ben.client:send(group, { text = "!sticker Cats", quote = heard }))
    assert.equal("!sticker Cats", text_of(ana))
    for _, one in ipairs { ana, ben } do assert.same({ false, "Cats", "Ben" }, { sticker(one) }) end
    bot:signal "INT"
    assert.equal(0, bot:wait_end())
  end))
end)

describe("scripts/bots/voice.lua", function()
  it("sends voice messages back as they are, and other sounds as voice messages", support.async(function()
    local made = new_files()
    local song = made:make("song.mp3", "sine=d=1")
    local voice = made:turn("voice.ogg", song, "-c:a libopus -ac 1")
    local rig <close> = start()
    local bot <close>, jid = run(rig, "voice.lua")
    local ana = rig:contact "Ana"
    local sent = assert(ana.client:send(jid, { voice = voice }))
    local m = ana:next()
    assert.same({ "voice", mimes.OPUS, 1, 64, sent.id },
      { m.kind, m.media.mime, m.media.duration, #m.media.waveform, m.quoted and m.quoted.id })
    assert.is_true(files.load(ana.client, m.media) == made.read(voice))
    assert(ana.client:send(jid, { audio = song }))
    m = ana:next()
    assert.same({ "voice", mimes.OPUS, 1, 64 }, { m.kind, m.media.mime, m.media.duration, #m.media.waveform })
    bot:signal "INT"
    assert.equal(0, bot:wait_end())
  end))
end)

describe("scripts/bots/photos.lua", function()
  it("saves each picture by the chat it came to and the day", support.async(function()
    local folder = support.tmpdir()
    local rig <close> = start()
    local bot <close>, jid = run(rig, "photos.lua", "-- " .. folder)
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local group = writer.make(rig, ana, ben, { jid = jid })
    for _, row in ipairs { { jid, ana.lid }, { jid, ana.lid }, { group, group } } do
      local bytes = files.bytes("jpg", 3000)
      local sent = assert(ana.client:send(row[1], { image = { bytes = bytes } }))
      local path = bot:wait "^saved (.*)"
      assert.equal(("%s/%s/%s/image-%s.jpg"):format(folder, row[2], os.date("%Y-%m-%d", sent.time), sent.id), path)
      assert.is_true(files.read(path) == bytes)
    end
    bot:signal "INT"
    assert.equal(0, bot:wait_end())
  end))
end)
