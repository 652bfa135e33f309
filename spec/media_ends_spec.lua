-- How transfers end that do not come to their end: cancelled, closed, killed, without room; and what they do not mind.
local core = require "moonpost.core"
local media_hosts = require "spec.media_hosts"
local process = require "spec.process"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"
local task = require "moonpost.task"

local download, files_of, open, seal, tell =
  media_hosts.download, media_hosts.files_of, media_hosts.open, media_hosts.seal, media_hosts.tell

local bytes = core.crypto.random(200000)

-- A host that sends the first half of a file, tells so, and waits until it may go on.
local function half(rig, blob)
  local here, go_on = task.queue(), task.queue()
  local host = open(rig, function(exchange)
    assert(exchange:start(200, {}, #blob))
    assert(exchange:write(blob:sub(1, 100000)))
    here:push(true)
    if go_on:pop() then exchange:write(blob:sub(100001)) end
  end)
  tell(rig, { host.name })
  local closing = setmetatable({}, { __close = function()
    go_on:close()
    host.listener:close()
  end })
  return closing, host, here, go_on
end

local function is_cancelled(err) return type(err) == "table" and err.code == "cancelled" end

describe("a download", function()
  it("that progress does not want any more ends, and leaves nothing", support.async(function()
    local rig <close> = start()
    local ana, folder = rig:contact "Ana", support.tmpdir()
    local reference, blob = seal(bytes)
    local host <close> = open(rig, function(exchange) media_hosts.give(exchange, blob) end)
    tell(rig, { host.name })
    local told = {}
    local function progress(done, total)
      assert(total == #blob and done > (told[#told] or -1))
      told[#told + 1] = done
      return done < 100000
    end
    local _, err = ana.client.media:save(reference, "document", folder .. "/file", { progress = progress })
    assert.same({ "media-cancelled", "" }, { err.code, files_of(folder) })
    assert.is_true(told[#told] >= 100000 and told[#told] < #blob)
    told = {}
    assert.equal(bytes, download(ana, reference, nil, { progress = function(done) told[#told + 1] = done end }))
    assert.equal(#blob, told[#told])
  end))

  it("whose task is cancelled ends at once, and leaves nothing", support.async(function()
    local rig <close> = start()
    local ana, folder = rig:contact "Ana", support.tmpdir()
    local reference, blob = seal(bytes)
    local _ <close>, host, here = half(rig, blob)
    local running = task.spawn(ana.client.media.save, ana.client.media, reference, "document", folder .. "/file")
    assert(here:pop(30))
    running:cancel()
    local ok, err = pcall(running.join, running, 30)
    assert.is_true(not ok and is_cancelled(err), tostring(err))
    assert.same({ "", nil }, { files_of(folder), next(ana.client.media.running) })
    assert.equal(1, #host.asked)
  end))

  it("ends with the client, as do those that wait for their turn", support.async(function()
    local rig <close> = start()
    local ana, folder = rig:contact "Ana", support.tmpdir()
    local reference, blob = seal(bytes)
    local _ <close>, host, here = half(rig, blob)
    local running = {}
    for i = 1, 6 do
      running[i] = task.spawn(ana.client.media.save, ana.client.media, reference, "document", ("%s/file%d"):format(folder, i))
    end
    for _ = 1, 4 do assert(here:pop(30)) end
    ana.client:close()
    for _, one in ipairs(running) do
      local path, err = one:join(30)
      assert.same({ nil, "closed" }, { path, err.code })
    end
    local path, err = ana.client.media:save(reference, "document", folder .. "/late")
    assert.same({ nil, "closed", "", 4 }, { path, err.code, files_of(folder), #host.asked })
  end))

  it("does not mind that the WebSocket is lost and made again", support.async(function()
    local rig <close> = start()
    local ana = tap.quick(rig)
    local reference, blob = seal(bytes)
    local _ <close>, host, here, go_on = half(rig, blob)
    local running = task.spawn(download, ana, reference)
    assert(here:pop(30))
    rig:admin("kick", { jid = tap.device_jid(ana), kind = "drop" })
    assert(ana.online:pop(30))
    go_on:push(true)
    assert.equal(bytes, running:join(60))
    assert.equal(1, #host.asked)
  end))

  it("waits for a client that is offline when it has to ask for hosts", support.async(function()
    local rig <close> = start()
    local ana = tap.quick(rig)
    local reference, blob = seal(bytes)
    local host <close> = open(rig, function(exchange) media_hosts.give(exchange, blob) end)
    tell(rig, { host.name })
    rig:fault { what = "swallow", tag = "iq", xmlns = "w:m", times = 1 }
    local running = task.spawn(download, ana, reference)
    task.sleep(0)
    rig:admin("kick", { jid = tap.device_jid(ana), kind = "drop" })
    assert.equal(bytes, running:join(60))
  end))
end)

describe("an upload", function()
  local large = core.crypto.random(1000):rep(4000)

  -- A host that reads a little, and then until its peer has left: how that ended.
  local function reader(rig)
    local begun, ended = task.queue(), task.queue()
    local host = open(rig, function(exchange)
      assert(exchange:read())
      begun:push(true)
      task.sleep(0.05)
      local _, err = media_hosts.body(exchange)
      ended:push(err or "it came whole")
    end)
    tell(rig, { host.name })
    return host, begun, ended
  end

  it("that progress does not want any more ends, and its host sees it go", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local host <close>, _, ended = reader(rig)
    local told = {}
    local _, err = ana.client.media:upload({ bytes = large }, "document", { progress = function(done, total)
      assert(total > #large and done > (told[#told] or -1))
      told[#told + 1] = done
      return done < 1000000
    end })
    assert.same({ "media-cancelled", 1 }, { err.code, #host.asked })
    assert.is_true(told[1] == 0 and told[#told] >= 1000000 and told[#told] < 1100000)
    assert.equal("closed", ended:pop(30).code)
  end))

  it("whose task is cancelled, or whose client is closed, ends at once", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local host <close>, begun, ended = reader(rig)
    local running = task.spawn(ana.client.media.upload, ana.client.media, { bytes = large }, "document")
    assert(begun:pop(30))
    running:cancel()
    local ok, err = pcall(running.join, running, 30)
    assert.is_true(not ok and is_cancelled(err), tostring(err))
    assert.equal("closed", ended:pop(30).code)
    running = task.spawn(ana.client.media.upload, ana.client.media, { bytes = large }, "document")
    assert(begun:pop(30))
    ana.client:close()
    ok, err = running:join(30)
    assert.same({ nil, "closed" }, { ok, err.code })
    assert.equal("closed", ended:pop(30).code)
    assert.equal(2, #host.asked)
  end))
end)

describe("a file on the disk", function()
  it("replaces one of its name when it is whole, or leaves that alone and takes another name", support.async(function()
    local rig <close> = start()
    local ana, folder = rig:contact "Ana", support.tmpdir()
    local one = assert(ana.client.media:upload({ bytes = "one" }, "document"))
    local two = assert(ana.client.media:upload({ bytes = "two" }, "document"))
    local function read(name)
      local file <close> = assert(io.open(name))
      return file:read "a"
    end
    local path = folder .. "/cat.jpg"
    assert.equal(path, assert(ana.client.media:save(one, "document", path, { fresh = true })))
    assert.equal(folder .. "/cat (2).jpg", assert(ana.client.media:save(two, "document", path, { fresh = true })))
    assert.same({ "one", "two" }, { read(path), read(folder .. "/cat (2).jpg") })
    assert.equal(path, assert(ana.client.media:save(two, "document", path)))
    assert.same({ "two", "cat (2).jpg\ncat.jpg\n" }, { read(path), files_of(folder) })
  end))

  it("that cannot be made there is told so before anybody is asked", support.async(function()
    local rig <close> = start()
    local ana, folder = rig:contact "Ana", support.tmpdir()
    local reference, blob = seal(bytes)
    local host <close> = open(rig, function(exchange) media_hosts.give(exchange, blob) end)
    tell(rig, { host.name })
    for _, path in ipairs { folder .. "/nowhere/file", folder .. "/", folder .. "/..", "", folder .. "/a\0b" } do
      local _, err = ana.client.media:save(reference, "document", path)
      assert.equal("media-disk", err.code)
    end
    assert.equal(0, #host.asked)
    assert(os.execute(("mkdir '%s/folder'"):format(folder)))
    local _, err = ana.client.media:save(reference, "document", folder .. "/folder")
    assert.same({ "media-disk", "folder\n" }, { err.code, files_of(folder) })
  end))
end)

-- A bot of a process of its own that saves what comes in `folder`, and says how that went.
local script = [[
local moonpost = require "moonpost"
local bot = moonpost.bot { store = "state", name = "Saver" }
bot:on("message", { media = true }, function(ctx)
  local half
  local ok, path = pcall(ctx.media.download, ctx.media, %q, { progress = function(done)
    if done > 500000 and not half then half = io.stdout:write("half of it is here\n"):flush() end
  end })
  ctx:reply(ok and "saved" or path.code)
end)
bot:run()
]]

local function saver(rig, folder)
  local path = support.tmpdir() .. "/bot.lua"
  local file <close> = assert(io.open(path, "w"))
  file:write(script:format(folder .. "/file"))
  file:close()
  local bot = process.start(("moonpost run %s --sandbox %s --store %s/state"):format(path, rig.sandbox.url, support.tmpdir()))
  bot:wait "^online as"
  return bot, rig.sandbox.accounts.by_name.Saver:jid()
end

local large = ("a large file "):rep(1000000)

describe("a bot's file", function()
  it("does not appear when the disk fills in the middle of it, and does when there is room again", support.async(function()
    local rig <close> = start()
    local ana, folder = rig:contact "Ana", support.tmpdir()
    local bot <close>, jid = saver(rig, folder)
    assert(os.execute(("prlimit --pid %d --fsize=%d:unlimited"):format(bot.pid, 8 * 1024 * 1024)))
    local document = { document = { bytes = large }, filename = "large.txt", mime = "text/plain" }
    assert(ana.client:send(jid, document))
    assert.same({ "media-disk", "" }, { ana:next().text, files_of(folder) })
    assert(os.execute(("prlimit --pid %d --fsize=unlimited:unlimited"):format(bot.pid)))
    assert(ana.client:send(jid, document))
    assert.same({ "saved", "file\n" }, { ana:next().text, files_of(folder) })
  end))

  it("leaves nothing when the bot is killed in the middle of it", support.async(function()
    local rig <close> = start()
    local ana, folder = rig:contact "Ana", support.tmpdir()
    local bot <close>, jid = saver(rig, folder)
    rig:fault { what = "media-stall", request = "download", after = 1000000 }
    assert(ana.client:send(jid, { document = { bytes = large }, filename = "large.txt", mime = "text/plain" }))
    bot:wait "^half of it is here"
    bot:signal "KILL"
    bot:wait_end()
    assert.equal("", files_of(folder))
  end))
end)
