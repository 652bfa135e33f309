--- Files as bots have them: filters, `ctx.media` and what it loads, and what a handler sends that runs twice.
local core = require "moonpost.core"
local files = require "spec.files"
local start = require("spec.rig").start
local support = require "spec.support"
local task = require "moonpost.task"

-- A bot whose handlers put what fn(ctx) returns, or raises, into a queue.
local function bot_with(rig, filter, fn)
  local bot, seen = rig:bot(), task.queue()
  bot:on("message", filter, function(ctx) seen:push { pcall(fn, ctx) } end)
  return rig:run(bot), seen, bot
end

local function result_of(seen)
  local row = assert(seen:pop(30))
  assert(row[1], tostring(row[2]))
  return table.unpack(row, 2)
end

local function error_of(seen)
  local row = assert(seen:pop(30))
  assert.is_false(row[1])
  return row[2]
end

local function names_in(folder)
  local list = {}
  local out <close> = assert(io.popen(("ls -A '%s'"):format(folder)))
  for name in out:lines() do list[#list + 1] = name end
  return list
end

describe("a filter", function()
  it("hears files of a kind, or of any", support.async(function()
    local without <close> = files.without_tools()
    local rig <close> = start()
    local bot, seen = rig:bot(), task.queue()
    for _, wanted in ipairs { "image", "voice", true } do
      bot:on("message", { media = wanted }, function(ctx) seen:push { wanted, ctx.kind } end)
    end
    bot:on("message", { text = "^end$" }, function() seen:push { "end" } end)
    local me, ana = rig:run(bot), rig:contact "Ana"
    local image, voice = { bytes = files.bytes "jpg" }, { bytes = files.bytes "ogg" }
    for _, spec in ipairs { { image = image, caption = "x" }, "a text", { voice = voice }, { document = image }, "end" } do
      assert(without and ana.client:send(me.jid, spec))
    end
    local heard = { { "image", "image" }, { true, "image" }, { "voice", "voice" }, { true, "voice" }, { true, "document" }, { "end" } }
    for _, row in ipairs(heard) do assert.same(row, seen:pop(30)) end
  end))
end)

describe("the file of a message", function()
  it("is downloaded into a folder that is made for it, under a name that does no harm, and overwrites nothing", support.async(function()
    local rig <close> = start()
    local folder = support.tmpdir() .. "/new/deep"
    local me, seen = bot_with(rig, { media = true }, function(ctx) return ctx.media:download(folder .. "/"), ctx.media.filename end)
    local ana = rig:contact "Ana"
    local rows = {
      { "../../etc/passwd", "passwd" }, { "passwd", "passwd (2)" }, { "a\0b/c:d.txt", "c_d.txt" }, { "CON", "_CON" },
      { ("é"):rep(500) .. ".pdf", ("é"):rep(88) .. ".pdf" }, { "\u{202e}fdp.exe", "fdp.exe" }, { ".profile", "profile" },
    }
    for _, row in ipairs(rows) do
      local bytes = core.crypto.random(500)
      assert(ana.client:send(me.jid, { document = { bytes = bytes }, filename = row[1], mime = "x/y" }))
      local path, name = result_of(seen)
      assert.equal(folder .. "/" .. row[2], path)
      assert.equal(row[2]:gsub(" %(2%)", ""), name)
      assert.is_true(files.read(path) == bytes)
    end
    assert.equal(#rows, #names_in(folder))
  end))

  it("goes where it is told, into a folder that is there, or into the current one", support.async(function()
    local without <close> = files.without_tools()
    local rig <close> = start()
    local folder, path = support.tmpdir(), nil
    local me, seen = bot_with(rig, { media = true }, function(ctx)
      if ctx.text == "here" then return ctx.media:download(), ctx.id end
      return ctx.media:download(ctx.text == "folder" and folder or path), ctx.id
    end)
    local ana = rig:contact "Ana"
    path = folder .. "/sub/cat.jpg"
    local bytes = files.bytes "jpg"
    for _, row in ipairs { { "file", "%s/sub/cat.jpg" }, { "file", "%s/sub/cat (2).jpg" }, { "folder", "%s/image-%s.jpg" },
      { "here", "%simage-%s.jpg" } } do
      assert(without and ana.client:send(me.jid, { image = { bytes = bytes }, caption = row[1] }))
      local got, id = result_of(seen)
      assert.equal(row[2]:format(row[1] == "here" and "" or folder, id), got)
      assert.is_true(files.read(got) == bytes)
      if row[1] == "here" then os.remove(got) end
    end
  end))

  it("is given as bytes, up to a limit, and piece by piece", support.async(function()
    local rig <close> = start()
    local me, seen = bot_with(rig, { media = true }, function(ctx)
      local pieces, told = {}, {}
      for piece in ctx.media:stream() do pieces[#pieces + 1] = piece end
      for piece in ctx.media:stream() do
        if #piece > 0 then break end
      end
      local bytes = ctx.media:bytes(300000, { progress = function(done, total) told[#told + 1] = { done, total } end })
      local ok, err = pcall(ctx.media.bytes, ctx.media, 299999)
      return #pieces, table.concat(pieces), bytes, told[#told], ok, err.code
    end)
    local ana, bytes = rig:contact "Ana", core.crypto.random(300000)
    assert(ana.client:send(me.jid, { document = { bytes = bytes }, filename = "a.bin" }))
    local count, streamed, whole, last, ok, code = result_of(seen)
    assert.is_true(count > 1 and streamed == bytes and whole == bytes)
    assert.same({ last[2], false, "media-too-large" }, { last[1], ok, code })
  end))

  it("is given in parts, in memory up to a limit, and saved in parts", support.async(function()
    local rig <close> = start()
    local folder = support.tmpdir()
    local me, seen = bot_with(rig, { media = true }, function(ctx)
      local media = ctx.media
      local streamed = {}
      for piece in media:stream { first = 299990 } do streamed[#streamed + 1] = piece end
      local ok, err = pcall(media.bytes, media, 10, { first = 0, last = 10 })
      return media:bytes { first = 5, last = 14 }, table.concat(streamed), media:download(folder, { last = 99 }), ok, err.code
    end)
    local ana, bytes = rig:contact "Ana", core.crypto.random(300000)
    assert(ana.client:send(me.jid, { document = { bytes = bytes }, filename = "a.bin" }))
    local part, tail, path, ok, code = result_of(seen)
    assert.is_true(part == bytes:sub(6, 15) and tail == bytes:sub(-10) and files.read(path) == bytes:sub(1, 100))
    assert.same({ folder .. "/a.bin", false, "media-too-large" }, { path, ok, code })
  end))

  it("that is not what was sent is refused with its reason, and leaves nothing", support.async(function()
    local rig <close> = start()
    local folder = support.tmpdir()
    local me, seen = bot_with(rig, { media = true }, function(ctx)
      local codes = {}
      for i, load in ipairs {
        function() ctx.media:download(folder) end, function() ctx.media:bytes() end, function() for _ in ctx.media:stream() do end end,
      } do
        local ok, err = pcall(load)
        codes[i] = ok or err.code
      end
      return codes
    end)
    local ana = rig:contact "Ana"
    local reference = assert(ana.client.media:upload({ bytes = "one" }, "document"))
    local content = { mimetype = "x/y", fileName = "a" }
    for name, value in pairs(reference) do content[name] = value end
    content.handle, content.mediaKey = nil, ("k"):rep(32)
    assert(ana.client:send(me.jid, { documentMessage = content }))
    assert.same({ "media-mac", "media-mac", "media-mac" }, result_of(seen))
    assert(ana.client:send(me.jid, { documentMessage = { fileName = "nowhere" } }))
    assert.same({ "media-reference", "media-reference", "media-reference" }, result_of(seen))
    assert.same({}, names_in(folder))
  end))

  it("is no longer loaded when its progress says so", support.async(function()
    local rig <close> = start()
    local folder = support.tmpdir()
    local me, seen = bot_with(rig, { media = true }, function(ctx)
      return ctx.media:download(folder, { progress = function() return false end })
    end)
    local ana = rig:contact "Ana"
    assert(ana.client:send(me.jid, { document = { bytes = "x" }, filename = "a" }))
    assert.equal("media-cancelled", error_of(seen).code)
    assert.same({}, names_in(folder))
  end))

  it("names what a call says wrong, at its line", support.async(function()
    local rig <close> = start()
    local me, seen = bot_with(rig, { media = true }, function(ctx)
      local list, media = {}, ctx.media
      for _, fn in ipairs {
        function() media:download(5) end, function() media:download "" end, function() media:download "a\0b" end,
        function() media:download("x", { progres = print }) end, function() media:bytes "many" end, function() media:stream(5) end,
        function() media.bytes() end, function() media:bytes(5, { progress = 5 }) end, function() ctx:send { image = "none.jpg" } end,
        function() media:bytes { first = -1 } end, function() media:bytes { limit = 5 } end,
      } do
        local ok, err = pcall(fn)
        list[#list + 1] = ok or err:match "^spec/media_bot_spec%.lua:%d+: (.*)$" or err
      end
      return list
    end)
    local ana = rig:contact "Ana"
    assert(ana.client:send(me.jid, { document = { bytes = "x" }, filename = "a" }))
    local list = result_of(seen)
    for i, wanted in ipairs {
      "media:download expects a path, got '5'", "media:download expects a path, got ''",
      "media:download expects a path: this one holds a NUL",
      "media:download has no option 'progres' (first, last, progress)", "media:bytes expects a number of bytes, got 'many'",
      "media:stream expects options as a table, got a number", "media.bytes was called with a dot: write media:bytes(…)",
      "media:bytes: 'progress' is a function, not a number",
      "ctx:send: an image: the file of 'image' cannot be read: none.jpg: No such file or directory",
      "media:bytes: 'first' is the number of a byte, from 0, not -1", "media:bytes has no option 'limit' (first, last, progress)",
    } do
      assert.equal(wanted, list[i])
    end
  end))

  it("is there of a quoted message, of one that is looked up, of a preview, and of an answer", support.async(function()
    local without <close> = files.without_tools()
    local rig <close> = start()
    local bot, seen = rig:bot(), task.queue()
    bot:command("ask", function(ctx) seen:push { true, ctx:ask("Which?").media:bytes() } end)
    bot:on("message", function(ctx)
      local media = ctx.media or ctx.quoted and ctx.quoted.media or ctx.preview and ctx.preview.picture
      seen:push { true, media:bytes(), ctx.media and bot:message(ctx.chat, ctx.id).media:bytes() }
    end)
    local me, ana = rig:run(bot), rig:contact "Ana"
    local bytes = files.bytes "jpg"
    local sent = assert(without and ana.client:send(me.jid, { image = { bytes = bytes } }))
    local heard, again = result_of(seen)
    assert.is_true(heard == bytes and again == bytes)
    assert(ana.client:send(me.jid, { text = "that one", quote = ana.client:message(me.lid, sent.id) }))
    assert.is_true(result_of(seen) == bytes)
    assert(ana.client:send(me.jid, { text = "see https://a.example", preview = { title = "A", picture = { bytes = bytes } } }))
    assert.is_true(result_of(seen) == bytes)
    ana:ask(me.jid, "!ask")
    assert(ana.client:send(me.jid, { image = { bytes = bytes } }))
    assert.is_true(result_of(seen) == bytes)
  end))

  it("can be sent on, and what is sent can be acted on", support.async(function()
    local without <close> = files.without_tools()
    local rig <close> = start()
    local me, seen = bot_with(rig, { media = true }, function(ctx)
      local sent = ctx:reply { image = ctx.media, caption = "yours" }
      local album = ctx:send { album = { { image = ctx.media }, { image = ctx.media, caption = "2" } } }
      return sent.media:bytes(), sent.id, album.id, album.parts[2].id, album.parts[2].text, album.kind
    end)
    local ana, bytes = rig:contact "Ana", files.bytes "jpg"
    assert(without and ana.client:send(me.jid, { image = { bytes = bytes } }))
    local own, id, album, second, caption, kind = result_of(seen)
    assert.is_true(own == bytes)
    local answer, head, one, two = ana:next(), ana:next(), ana:next(), ana:next()
    assert.same({ id, "yours", "image" }, { answer.id, answer.text, answer.quoted.kind })
    assert.same({ album, "album", kind }, { head.id, head.kind, "album" })
    assert.same({ nil, second, caption, album, album }, { one.text, two.id, two.text, one.album.id, two.album.id })
  end))
end)

describe("a handler that runs again", function()
  -- Two runs of one bot: each calls handler(ctx, run).
  local function runs(rig, handler)
    local store, self = support.tmpdir() .. "/state", { number = 0 }
    function self.start()
      self.number = self.number + 1
      local number = self.number
      local bot = rig:bot { store = store }
      bot:on("message", function(ctx) handler(ctx, number, bot) end)
      self.bot, self.me = bot, rig:run(bot)
      bot.client.journal.close_seconds = 0
      return self
    end
    function self.stop()
      self.bot:stop()
      rig.bots[#rig.bots].running:join(30)
    end
    return self
  end

  local function never() task.queue():pop() end

  -- How often a client uploads from here on.
  local function counts_uploads(client)
    local counted, upload = { 0 }, client.media.upload
    client.media.upload = function(...)
      counted[1] = counted[1] + 1
      return upload(...)
    end
    return counted
  end

  it("shows a file once, and uploads it once", support.async(function()
    local without <close> = files.without_tools()
    local rig <close> = start()
    local path, done, uploads = files.write "cat.jpg", task.queue(), nil
    local bot = runs(rig, function(ctx, run, bot)
      uploads = counts_uploads(bot.client)
      local sent = ctx:reply { image = path }
      done:push { run, sent.id, uploads[1] }
      if run == 1 then never() end
      ctx:reply "done"
    end).start()
    local ana = rig:contact "Ana"
    assert(without and ana.client:send(bot.me.jid, "go"))
    local first = done:pop(30)
    bot.stop()
    os.remove(path)
    bot.start()
    assert.same({ 2, first[2], 0 }, done:pop(30))
    assert.same({ "image", "done" }, { ana:next().kind, ana:next().text })
  end))

  it("after a stop in the middle of the upload shows it once", support.async(function()
    local without <close> = files.without_tools()
    local rig <close> = start()
    local began, bytes = task.queue(), files.bytes "jpg"
    local bot = runs(rig, function(ctx, run)
      ctx:reply { image = function()
        if run == 1 then
          began:push(true)
          never()
        end
        local piece = bytes
        bytes = nil
        return piece
      end }
      ctx:reply "done"
    end).start()
    local ana = rig:contact "Ana"
    assert(without and ana.client:send(bot.me.jid, "go"))
    assert(began:pop(30))
    assert.is_true(bot.bot.client.outbox:idle())
    bot.stop()
    bot.start()
    assert.same({ "image", "done" }, { ana:next().kind, ana:next().text })
  end))

  it("goes on with an album where it was left", support.async(function()
    local without <close> = files.without_tools()
    local rig <close> = start()
    local seen, stopped, uploads = {}, task.queue(), nil
    local sources = { { bytes = files.bytes "jpg" }, { bytes = files.bytes "jpg" }, { bytes = files.bytes "jpg" } }
    local bot = runs(rig, function(ctx, _, bot)
      uploads = counts_uploads(bot.client)
      local list = {}
      for i, source in ipairs(sources) do list[i] = { image = source, caption = tostring(i) } end
      ctx:reply { album = list }
      ctx:reply "done"
    end).start()
    local account = rig.sandbox.accounts.by_name.Echo
    local done = rig:tap(function(direction, node, conn)
      if direction ~= "to-server" or node.tag ~= "message" or not conn.device or conn.device.account ~= account then return end
      seen[#seen + 1] = node.attrs.id
      if #seen == 3 then stopped:push(true) end -- the head and the first are there
      return #seen < 3
    end)
    local ana = rig:contact "Ana"
    assert(without and ana.client:send(bot.me.jid, "go"))
    assert(stopped:pop(30))
    bot.stop()
    done()
    bot.start()
    local head = ana:next()
    assert.same({ "album", 3 }, { head.kind, head.album.images })
    for i = 1, 3 do
      local m = ana:next()
      assert.same({ tostring(i), head.id, i < 3 and seen[i + 1] or m.id }, { m.text, m.album.id, m.id })
    end
    assert.equal("done", ana:next().text)
    assert.equal(1, uploads[1])
  end))
end)
