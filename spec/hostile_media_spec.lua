-- Files as hostile senders, servers and hosts would have them: refused with a reason, nothing raised, nobody else asked.
local core = require "moonpost.core"
local dress = require "moonpost.bot.media"
local files = require "spec.files"
local http = require "moonpost.http"
local media_hosts = require "spec.media_hosts"
local start = require("spec.rig").start
local support = require "spec.support"
local task = require "moonpost.task"
local tools = require "moonpost.client.media_tools"

local download, give, hurry, open, seal, tell =
  media_hosts.download, media_hosts.give, media_hosts.hurry, media_hosts.open, media_hosts.seal, media_hosts.tell

local bytes = core.crypto.random(1000)

-- A copy of a reference with other fields; false: without it.
local function with(reference, changes)
  local made = {}
  for name, value in pairs(reference) do made[name] = value end
  for name, value in pairs(changes) do made[name] = value or nil end
  return made
end

-- The server says of itself what it likes: the sandbox's own shapes do not look at it.
local function lawless(rig)
  local check = rig.sandbox.check
  function rig.sandbox.check(...)
    local _, _, direction = ...
    return direction == "to-client" or check(...)
  end
end

describe("a reference", function()
  it("that names no place, no key, no hash or no length is refused by its fields, and nobody is asked", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local host <close> = open(rig, function(exchange) exchange:respond(500, {}, "") end)
    tell(rig, { host.name })
    local reference = seal(bytes)
    for _, changes in ipairs {
      { directPath = "//evil/x" }, { directPath = "@evil/x" }, { directPath = ":80/x" }, { directPath = "evil/x" },
      { directPath = "/v/a\r\nHost: evil" }, { directPath = "/v/a b" }, { directPath = "/v/\0" }, { directPath = "/\\evil" },
      { directPath = "/v/x#y" }, { directPath = "/v/\xff" },
      { directPath = "/" .. ("a"):rep(4096) }, { directPath = "/" .. ("a"):rep(1 << 20) }, { directPath = false },
      { mediaKey = ("k"):rep(31) }, { mediaKey = ("k"):rep(33) }, { mediaKey = ("k"):rep(1 << 20) }, { mediaKey = "", fileSha256 = "" },
      { fileSha256 = "x" }, { fileEncSha256 = ("x"):rep(1 << 20) }, { fileLength = -1 }, { fileLength = math.mininteger },
      { directPath = false, url = ("https://%s@evil.example/v/x"):format(host.name) },
      { directPath = false, url = "http://" .. host.name .. "/v/x" },
      { directPath = false, url = "https://mmg.whatsapp.net.evil.example/v/x" }, { directPath = false, url = "https://127.0.0.1/v/x" },
      { directPath = false, url = ("https://%s/v/x\r\n"):format(host.name) }, { directPath = false, url = "file:///etc/passwd" },
    } do
      local _, err = download(ana, with(reference, changes))
      assert.equal("media-reference", err.code, err.message)
    end
    assert.equal(0, #host.asked)
  end))

  it("may have a path as long as paths can be", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local reference, blob = seal(bytes)
    local host <close> = open(rig, function(exchange) give(exchange, blob) end)
    tell(rig, { host.name })
    hurry(ana, { tries = 1 })
    reference.directPath = "/" .. ("a"):rep(4095)
    local got, err = download(ana, reference)
    assert.is_true(got == bytes or err.code == "media-network", tostring(err))
  end))
end)

describe("the server's word on media hosts", function()
  it("leaves out names that are none, and ports that cannot be", support.async(function()
    local rig <close> = start()
    lawless(rig)
    local ana = rig:contact "Ana"
    local reference, blob = seal(bytes)
    local host <close> = open(rig, function(exchange) give(exchange, blob) end)
    for _, name in ipairs {
      "", "a b", "a\r\nX: y", "a/b", "u@a", "a?b", "a#b", "-a", ".a", "[::1]:1", "[....]", "a\0b", "\xc3\xa4", ("a"):rep(256),
      "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:" .. ("9"):rep(300), "127.0.0.1:", "127.0.0.1:1:2",
    } do
      ana.client.media.hosts:forget()
      tell(rig, { name, host.name, { hostname = host.name, fallback_hostname = name, maxContentLengthBytes = "-1" } })
      assert.equal(bytes, download(ana, reference))
      assert.same({ { name = host.name } }, ana.client.media.hosts.known.hosts)
    end
  end))

  it("may name ten thousand, of which few are asked", support.async(function()
    local rig <close> = start()
    lawless(rig)
    local ana = rig:contact "Ana"
    hurry(ana, { tries = 1 })
    local reference, names = seal(bytes), {}
    local host <close> = open(rig, function(exchange) exchange:respond(403, {}, "") end)
    for i = 1, 10000 do names[i] = ("h%d.example:1"):format(i) end
    names[1] = host.name
    tell(rig, names)
    local _, err = download(ana, reference)
    assert.equal("media-expired", err.code)
    assert.equal(16, #assert(ana.client.media.hosts:get()).hosts)
  end))
end)

describe("an address of no use", function()
  it("is an error, and no mistake of the caller's", support.async(function()
    for _, url in ipairs {
      "", "x", "ws://127.0.0.1/", "http://", "https:///x", "http://127.0.0.1:0/", "http://127.0.0.1:65536/", "http://[::1]/",
      "http://u@127.0.0.1/", "http://127.0.0.1/a b", "http://127.0.0.1/a\r\nb", "http://127.0.0.1/\0",
      "http://127.0.0.1/" .. ("a"):rep(1 << 20), "http://" .. ("a"):rep(300) .. "/",
    } do
      local response, err = http.request { url = url }
      assert.is_nil(response)
      assert.equal("invalid", err.code)
    end
  end))
end)

local folder = support.tmpdir()

local function run(command) assert(os.execute((command:gsub("@", folder)))) end

describe("a path that is a pipe, which nobody writes to,", function()
  it("is waited for by nobody", support.async(function()
    run "mkfifo @/pipe"
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    assert(ben.client:send(ana.lid, { document = { bytes = bytes }, filename = "a" }))
    local media = dress(ana:next(), ana.client).media
    assert.equal(folder .. "/pipe (2)", media:download(folder .. "/pipe"))
    assert.is_false((pcall(media.download, media, folder .. "/pipe/")))
    local _, err = tools.probe(folder .. "/pipe")
    assert.equal("media-source", err.code)
    _, err = ana.client.media:upload({ file = folder .. "/pipe" }, "document")
    assert.equal("media-source", err.code)
    local ok, wrong = pcall(ana.client.send, ana.client, ben.lid, { image = folder .. "/pipe" })
    assert.is_false(ok)
    assert.matches("the file of 'image' cannot be read", tostring(wrong))
  end))
end)

-- What a picture begins with, and zeros without end.
local function endless()
  local first = true
  return function()
    local piece = first and "\xff\xd8\xff\xe0" or ("\0"):rep(65536)
    first = false
    return piece
  end
end

local function failing()
  local left = { "\xff\xd8\xff\xe0", "more" }
  return function()
    if #left == 0 then return nil, core.error("media-source", "the well is dry") end
    return table.remove(left, 1)
  end
end

describe("an iterator that is sent", function()
  for _, name in ipairs { "with the tools", "without them" } do
    it("may have no end: it is as large as a file can be, and the loop goes on meanwhile, " .. name, support.async(function()
      local hidden <close> = name == "without them" and files.without_tools() or nil
      local rig <close> = start()
      local ana, turns = rig:contact "Ana", 0
      local counting = task.spawn(function()
        while true do
          task.sleep(0)
          turns = turns + 1
        end
      end)
      local ok, err = ana.client:send(ana.lid, { image = endless() })
      counting:cancel()
      assert.same({ nil, "media-too-large" }, { ok, err.code })
      assert.is_true(turns > 5 and hidden ~= false)
    end))

    it("of nothing, for ever, keeps no other task from going on, " .. name, support.async(function()
      local hidden <close> = name == "without them" and files.without_tools() or nil
      local rig <close> = start()
      local ana, calls = rig:contact "Ana", 0
      local sending = task.spawn(function()
        ana.client:send(ana.lid, { image = function()
          calls = calls + 1
          return ""
        end })
      end)
      while calls < 5000 do task.sleep(0) end
      sending:cancel()
      local before = calls
      for _ = 1, 5 do task.sleep(0) end
      assert.is_true(before == calls and hidden ~= false)
    end))

    it("that fails in the middle is not sent as far as it came, " .. name, support.async(function()
      local hidden <close> = name == "without them" and files.without_tools() or nil
      local rig <close> = start()
      local ana = rig:contact "Ana"
      for _, spec in ipairs { { image = failing() }, { image = function() return nil, "the well is dry" end } } do
        local ok, err = ana.client:send(ana.lid, spec)
        assert.same({ nil, "media-source", "the well is dry" }, { ok, err.code, err.message })
      end
      assert.is_true(hidden ~= false)
    end))
  end
end)
