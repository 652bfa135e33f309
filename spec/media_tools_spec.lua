--- What files need to look well in a chat (moonpost.client.media_tools): by ffmpeg, in processes of their own.
local child = require "moonpost.child"
local core = require "moonpost.core"
local mimes = require "moonpost.client.mimes"
local process = require "spec.process"
local support = require "spec.support"
local task = require "moonpost.task"
local tools = require "moonpost.client.media_tools"
local files = require("spec.media_files").new()

local NOISE = "color=gray:s=%s:d=%g:r=10,noise=alls=100:allf=t"

local picture = files:make("picture.jpg", "testsrc=s=320x200", "-frames:v 1")
local gif = files:make("moves.gif", "testsrc=s=64x48:d=0.5:r=10")
local video = files:make("video.mp4", "testsrc=s=64x48:d=1:r=10[out0];sine=d=1[out1]", "-pix_fmt yuv420p -c:v libx264 -c:a aac")

local function read(path) return files.read(path) end

-- The text of an error, which names the file.
local function refusal(value, err)
  assert.is_nil(value)
  assert.matches(files.folder, err.message, 1, true)
  return err.code .. ": " .. err.message:gsub("^[^ ]*" .. files.folder:gsub("%p", "%%%0") .. "/", "")
end

-- The first bytes of a file as ffmpeg decodes it: red, green, blue and opacity of its first pixel.
local function first_pixel(path)
  local ended = assert(child.run {
    args = { "ffmpeg", "-loglevel", "error", "-i", path, "-frames:v", "1", "-vf", "format=rgba,crop=1:1:0:0", "-f", "rawvideo", "pipe:1" },
    seconds = 30, memory = 1 << 30,
  })
  return { ended.output:byte(1, 4) }
end

-- What a temporary file is like; it is removed.
local function taken(path)
  local bytes = read(path)
  files:write("taken", bytes)
  assert(os.remove(path))
  return bytes, assert(tools.probe(files:path "taken"))
end

describe("a file's own words", function()
  it("tell the size of a picture", support.async(function()
    assert.same({ mime = "image/jpeg", width = 320, height = 200, animated = false, video = false, audio = false }, tools.probe(picture))
    local png = files:make("picture.png", "testsrc=s=30x20", "-frames:v 1")
    assert.same({ mime = "image/png", width = 30, height = 20, animated = false, video = false, audio = false }, tools.probe(png))
    local webp = files:make("picture.webp", "testsrc=s=30x20", "-frames:v 1")
    assert.same({ mime = "image/webp", width = 30, height = 20, animated = false, video = false, audio = false }, tools.probe(webp))
  end))

  it("tell the size of a picture as it is shown, where it is to be turned", support.async(function()
    local turn = "\xff\xe1\0\34Exif\0\0MM\0*\0\0\0\8\0\1\1\18\0\3\0\0\0\1\0\6\0\0\0\0\0\0"
    local bytes = read(picture)
    local turned = tools.probe(files:write("turned.jpg", bytes:sub(1, 2) .. turn .. bytes:sub(3)))
    assert.same({ 200, 320 }, { turned.width, turned.height })
  end))

  it("tell whether a picture moves", support.async(function()
    assert.same({ mime = "image/gif", width = 64, height = 48, duration = 0.5, animated = true, video = false, audio = false },
      tools.probe(gif))
    local moving = files:turn("moves.webp", gif, "-c:v libwebp_anim")
    assert.same({ mime = "image/webp", width = 64, height = 48, animated = true, video = false, audio = false }, tools.probe(moving))
    assert.is_false(tools.probe(files:make("still.gif", "testsrc=s=64x48", "-frames:v 1")).animated)
  end))

  it("tell of a video its size as it is shown, how long it takes, and whether it has sound", support.async(function()
    assert.same({ mime = "video/mp4", width = 64, height = 48, duration = 1, animated = true, video = true, audio = true },
      tools.probe(video))
    local turned = tools.probe(files:turn("turned.mp4", video, "-c copy -an -metadata:s:v rotate=90"))
    assert.same({ 48, 64, false }, { turned.width, turned.height, turned.audio })
  end))

  it("tell how long a piece of music takes, whatever picture it has with it", support.async(function()
    local mp3 = files:make("music.mp3", "sine=d=2")
    local found = tools.probe(mp3)
    assert.same({ "audio/mpeg", false, true, nil }, { found.mime, found.video, found.audio, found.width })
    assert.near(2, found.duration, 0.1)
    local m4a = files:turn("cover.m4a", mp3, ("-i %s -map 0 -map 1 -c:v copy -c:a aac -disposition:v attached_pic"):format(picture))
    found = tools.probe(m4a)
    assert.same({ "audio/mp4", false, true, nil }, { found.mime, found.video, found.audio, found.width })
  end))

  it("count by their content, not by its name", support.async(function()
    assert.equal("image/gif", tools.probe(files:write("gif.mp3", read(gif))).mime)
  end))

  it("are read whatever the file is called", support.async(function()
    for _, name in ipairs { "-i", "a'b \"c\"\n.jpg", "%03d.jpg", "concat:a|b", "pipe:0" } do
      local found = assert(tools.probe(files:write(name, read(picture))))
      assert.equal(320, found.width)
    end
  end))
end)

describe("a thumbnail", function()
  it("is a JPEG of 100 pixels at most, in the picture's proportions", support.async(function()
    local bytes = assert(tools.thumbnail(picture))
    assert.is_true(#bytes < 10240)
    local found = tools.probe(files:write("small", bytes))
    assert.same({ "image/jpeg", 100, 62 }, { found.mime, found.width, found.height })
  end))

  it("is of a video's first picture, turned as it is shown", support.async(function()
    local found = tools.probe(files:write("small", assert(tools.thumbnail(files:turn("up.mp4", video, "-c copy -metadata:s:v rotate=90")))))
    assert.same({ 48, 64 }, { found.width, found.height })
  end))

  it("is not larger than the picture, nor thinner than a pixel", support.async(function()
    local found = tools.probe(files:write("small", assert(tools.thumbnail(files:make("line.png", "color=s=2000x4", "-frames:v 1")))))
    assert.same({ 100, 1 }, { found.width, found.height })
  end))

  it("has 10 KiB at most, also of a picture that is nothing but noise", support.async(function()
    local noise = files:make("noise.png", NOISE:format("300x300", 0.1), "-frames:v 1")
    assert.is_true(#assert(tools.thumbnail(noise)) <= 10240)
    assert.is_true(#assert(tools.thumbnail(noise, 192)) <= 10240)
  end))

  it("is white where the picture is transparent", support.async(function()
    local clear = files:make("clear.png", "color=black@0:s=40x40,format=rgba", "-frames:v 1")
    assert.same({ 255, 255, 255, 255 }, first_pixel(files:write("small", assert(tools.thumbnail(clear)))))
  end))

  it("of 640 pixels, square, is a profile picture", support.async(function()
    local found = tools.probe(files:write("square", assert(tools.to_square(picture))))
    assert.same({ "image/jpeg", 640, 640 }, { found.mime, found.width, found.height })
  end))
end)

describe("a waveform", function()
  it("is how loud it is over the time, the loudest 100, and tells the duration", support.async(function()
    local path = files:make("half.ogg", "sine=d=2,volume='if(lt(t,1),0,1)':eval=frame", "-c:a libopus")
    local bars, seconds = assert(tools.waveform(path))
    assert.near(2, seconds, 0.05)
    local heights = { bars:byte(1, -1) }
    assert.equal(64, #heights)
    assert.equal(100, math.max(table.unpack(heights)))
    assert.is_true(math.max(table.unpack(heights, 1, 30)) <= 1)
    assert.is_true(math.min(table.unpack(heights, 35, 62)) >= 90)
  end))

  it("of silence is flat", support.async(function()
    assert.equal(("\0"):rep(64), tools.waveform(files:make("silence.wav", "anullsrc=d=0.5")))
  end))

  it("is the same in whatever pieces the samples come, and for few of them", function()
    local samples = {}
    for i = 1, 1000 do samples[i] = ("<i2"):pack(i * 32 * (i % 2 * 2 - 1)) end
    local bytes, whole, pieces = table.concat(samples), core.media.waveform(), core.media.waveform()
    whole:update(bytes)
    for i = 1, #bytes, 3 do pieces:update(bytes:sub(i, i + 2)) end
    local bars, count = whole:finish()
    assert.same({ bars, 1000 }, { pieces:finish() })
    assert.same({ 1000, 1, 100 }, { count, bars:byte(1) + 1, bars:byte(64) })
    local few = core.media.waveform()
    few:update(("<i2i2"):pack(-32768, 16384))
    assert.equal(("\100"):rep(32) .. ("\50"):rep(32), (few:finish()))
    assert.same({ ("\0"):rep(64), 0 }, { core.media.waveform():finish() })
  end)

  it("takes the means of 64 equal stretches, however long they are", function()
    local shape, stretch = core.media.waveform(), 12345
    for i = 1, 64 do shape:update(("<i2"):pack(i * 500):rep(stretch)) end
    for i, bar in ipairs { shape:finish():byte(1, -1) } do assert.near(i * 100 / 64, bar, 1.5) end
  end)
end)

describe("what is made for the wire:", function()
  it("a voice message is Ogg Opus, mono, at 48 kHz, without what the file said of its maker", support.async(function()
    local stereo = files:make("stereo.mp3", "sine=d=1,aformat=channel_layouts=stereo", "-metadata artist=Somebody")
    local bytes, found = taken(assert(tools.to_opus(stereo)))
    assert.equal(mimes.OPUS, found.mime)
    assert.near(1, found.duration, 0.05)
    local channels, rate = ("<B I2 I4"):unpack(bytes, bytes:find("OpusHead", 1, true) + 9)
    assert.equal(1, channels)
    assert.is_number(rate)
    assert.is_nil(bytes:find("Somebody", 1, true))
  end))

  it("a voice message is made of a video's sound too", support.async(function()
    assert.equal(mimes.OPUS, (select(2, taken(assert(tools.to_opus(video))))).mime)
  end))

  it("a sticker is 512 pixels square, transparent around the picture, and small", support.async(function()
    local path, animated = assert(tools.to_webp(picture))
    local bytes, found = taken(path)
    assert.same({ false, "image/webp", 512, 512 }, { animated, found.mime, found.width, found.height })
    assert.is_true(#bytes <= 100000)
    assert.equal(0, first_pixel(files:path "taken")[4])
  end))

  it("a sticker of noise loses its detail until it is small enough", support.async(function()
    local noise = files:make("noise.png", NOISE:format("512x512", 0.1), "-frames:v 1")
    assert.is_true(#taken(assert(tools.to_webp(noise))) <= 100000)
  end))

  it("a sticker moves where the picture did", support.async(function()
    local path, animated = assert(tools.to_webp(gif))
    local bytes, found = taken(path)
    assert.same({ true, true, 512, 512 }, { animated, found.animated, found.width, found.height })
    assert.is_true(#bytes <= 500000)
  end))

  it("a GIF is an MP4 without sound, of even sides", support.async(function()
    local odd = files:make("odd.gif", "testsrc=s=63x47:d=0.5:r=10")
    local _, found = taken(assert(tools.to_mp4(odd)))
    assert.same({ "video/mp4", 62, 46, false }, { found.mime, found.width, found.height, found.audio })
    assert.is_false((select(2, taken(assert(tools.to_mp4(video))))).audio)
  end))
end)

describe("a sticker's pack", function()
  local still = files:make("plain.webp", "testsrc=s=32x32", "-frames:v 1")

  it("is read as it was written, and replaced by the next", function()
    local bytes = read(still)
    local none, err = tools.read_pack(bytes)
    assert.same({ nil, "not-found" }, { none, err.code })
    local cats = assert(tools.write_pack(bytes, { name = "Cats", publisher = "Ana", emojis = { "😺", "👍" } }))
    local pack = tools.read_pack(cats)
    assert.same({ "Cats", "Ana", { "😺", "👍" } }, { pack.name, pack.publisher, pack.emojis })
    assert.matches("^%x+$", pack.id)
    local dogs = assert(tools.write_pack(cats, { id = "d", name = "Dogs" }))
    assert.same({ id = "d", name = "Dogs", emojis = {} }, tools.read_pack(dogs))
    assert.is_true(#dogs < #cats)
  end)

  it("is in the EXIF chunk, where apps look for it, and the picture is the same", support.async(function()
    local bytes = assert(tools.write_pack(read(still), { name = "Cats" }))
    assert.equal(#bytes - 8, (("<I4"):unpack(bytes, 5)))
    assert.equal("VP8X", bytes:sub(13, 16))
    assert.equal(8, bytes:byte(21) & 8)
    local at = assert(bytes:find("EXIF", 1, true))
    assert.equal("II*\0\8\0\0\0\1\0AW\7\0", bytes:sub(at + 8, at + 21))
    local path = files:write("packed.webp", bytes)
    assert.equal(32, tools.probe(path).width)
    assert.same(first_pixel(still), first_pixel(path))
  end))

  it("goes into one that moves, which still does", support.async(function()
    local path = assert(tools.to_webp(gif))
    local bytes = assert(tools.write_pack(read(path), { name = "Moves" }))
    os.remove(path)
    assert.equal("Moves", tools.read_pack(bytes).name)
    assert.is_true(tools.probe(files:write("packed.webp", bytes)).animated)
  end))

  it("is an error in what is no sticker, is broken, or says what is no JSON", function()
    local function code_of(bytes) return select(2, tools.read_pack(bytes)).code end
    local bytes = assert(tools.write_pack(read(still), { name = "Cats" }))
    assert.equal("malformed", code_of(read(picture)))
    assert.equal("malformed", code_of(""))
    assert.equal("malformed", code_of(bytes:sub(1, -40)))
    assert.equal("malformed", code_of((bytes:gsub('{"', "x"))))
    assert.equal("limit", code_of(("x"):rep(5 * 1024 * 1024)))
    assert.equal("malformed", select(2, tools.write_pack("RIFF", { name = "x" })).code)
    assert.equal("limit", select(2, tools.write_pack(bytes, { name = ("x"):rep(70000) })).code)
  end)
end)

describe("bad files:", function()
  it("none at all, an empty one, and one of another kind", support.async(function()
    local none, err = tools.probe(files:path "none")
    assert.same({ nil, "media-source" }, { none, err.code })
    assert.equal("media-format: empty is no picture, video or audio file that is known here",
      refusal(tools.probe(files:write("empty", ""))))
    assert.equal("media-format: text is no picture, video or audio file that is known here",
      refusal(tools.thumbnail(files:write("text", "hello"))))
    assert.equal("media-source", select(2, tools.probe(files.folder)).code)
  end))

  it("a playlist, a list of files, a subtitle, an SVG, whatever they are called, and read nothing else", support.async(function()
    local secret = files:write("secret.txt", "secret")
    local bad = {
      "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n" .. video .. "\n", "ffconcat version 1.0\nfile " .. video .. "\n",
      "1\n00:00:00,000 --> 00:00:09,000\n" .. secret .. "\n", '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><image href="'
        .. picture .. '"/></svg>', "II*\0" .. ("\0"):rep(100), "P6 1 1 255 abc", "BM" .. ("\0"):rep(60),
    }
    for i, bytes in ipairs(bad) do
      for _, name in ipairs { "bad.jpg", "bad.mp4" } do
        assert.equal("media-format", select(2, tools.probe(files:write(i .. name, bytes))).code)
      end
    end
  end))

  it("one that begins as what it is not", support.async(function()
    local playlist = "ffconcat version 1.0\nfile " .. video .. "\n"
    for _, head in ipairs { "\xff\xd8\xff", "GIF89a", "\0\0\0\20ftypisom", "ID3", "\x1a\x45\xdf\xa3" } do
      assert.equal("media-format", select(2, tools.probe(files:write("polyglot", head .. playlist))).code)
    end
  end))

  it("a picture that says it has ten thousand million pixels", support.async(function()
    local bomb = files:png_head("bomb.png", 100000, 100000)
    assert.equal("media-format: bomb.png holds nothing that can be shown or played", refusal(tools.probe(bomb)))
    assert.matches("^media%-format: bomb.png cannot be read: ffmpeg: ", refusal(tools.thumbnail(bomb)))
    assert.equal("media-format", select(2, tools.thumbnail(files:png_head("line.png", 2000000000, 1))).code)
  end))

  it("a video that was cut off", support.async(function()
    local bytes = read(video)
    local cut = files:write("cut.mp4", bytes:sub(1, #bytes // 2))
    assert.matches("^media%-format: cut.mp4 cannot be read: ffprobe: ", refusal(tools.probe(cut)))
    assert.equal("media-format", select(2, tools.thumbnail(cut)).code)
    assert.equal("media-format", select(2, tools.to_opus(cut)).code)
  end))

  it("a GIF of ten hours becomes a sticker of its first seconds", support.async(function()
    local hours = files:endless_gif("hours.gif", 55)
    assert.is_true(tools.probe(hours).duration > 36000)
    local path, animated = assert(tools.to_webp(hours))
    assert.is_false(animated) -- in so many seconds one picture is shown
    assert.is_true(#taken(path) < 500000)
  end))

  it("one without what is asked for", support.async(function()
    assert.equal("media-format: picture.jpg cannot be read: it holds nothing of the kind", refusal(tools.waveform(picture)))
    assert.equal("media-format", select(2, tools.thumbnail(files:make("tone.ogg", "sine=d=0.1", "-c:a libopus"))).code)
  end))
end)

describe("the tools", function()
  it("leave no temporary file when they fail, or when who waits is cancelled", support.async(function()
    local made_names, make = {}, core.system.temporary_file
    local restore <close> = setmetatable({}, { __close = function() core.system.temporary_file = make end })
    core.system.temporary_file = function()
      made_names[#made_names + 1] = make()
      return made_names[#made_names]
    end
    assert.is_nil((tools.to_opus(picture)))
    assert.is_nil((tools.to_mp4(files:write("text", "hello"))))
    local long = files:make("long.wav", "anullsrc=d=60:r=48000")
    local waiting = task.spawn(tools.to_opus, long)
    task.sleep(0)
    waiting:cancel()
    assert.is_true(#made_names >= 3)
    for _, path in ipairs(made_names) do assert.is_nil(core.system.stat(path)) end
    return restore
  end))

  it("work on several files at once, each in its turn", support.async(function()
    local waiting = {}
    for i = 1, 5 do waiting[i] = task.spawn(tools.thumbnail, picture) end
    for _, one in ipairs(waiting) do assert.equal("\xff\xd8\xff", one:join():sub(1, 3)) end
  end))

  it("are there when they are", function()
    assert.same({ true, {} }, { tools.available() })
  end)

  it("say what is missing where it is, each time they are asked", support.async(function()
    local script = files:write("without.lua", [[
      local tools, task, path = require "moonpost.client.media_tools", require "moonpost.task", ...
      print("available", tools.available(), table.concat(select(2, tools.available()), " "))
      task.run(function()
        for _, name in ipairs { "probe", "thumbnail", "to_square", "waveform", "to_opus", "to_webp", "to_mp4" } do
          local done, err = tools[name](path)
          print(name, done, err.code, err.message)
        end
      end)
    ]])
    local run <close> = process.start(("moonpost run %s -- %s"):format(script, picture), { before = "export PATH=" .. files.folder })
    assert.equal(0, (run:wait_end()))
    local lines = { "available\tfalse\tffmpeg ffprobe prlimit setpriv" }
    for i, name in ipairs { "probe", "thumbnail", "to_square", "waveform", "to_opus", "to_webp", "to_mp4" } do
      lines[i + 1] = name
        .. "\tnil\tno-tools\tthis needs ffmpeg and ffprobe and prlimit and setpriv, which are not there: apt-get install ffmpeg"
    end
    assert.same(lines, run.output)
  end))
end)
