-- An HTTP proxy by option, and the proxies of the environment, which are never used.
local core = require "moonpost.core"
local moonpost = require "moonpost"
local process = require "spec.process"
local proxy = require "moonpost.client.proxy"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"
local task = require "moonpost.task"

-- A proxy in a process of its own; `port` is where it listens.
local function serve(credentials, answer)
  local one = process.start(("lua5.4 spec/programs/proxy.lua '%s' %s"):format(credentials or "", answer and "'" .. answer .. "'" or ""))
  return one, one:wait "^port (%d+)"
end

-- Why a client gets no link through the proxy: what its pairing ends with when the server cannot be reached.
local function refusal(rig, url)
  local link = require "moonpost.client.link"
  local _, err = link {
    url = rig.sandbox.url, root = rig.sandbox.root, ca = rig.sandbox.certificate, static = core.crypto.keypair(), payload = "payload",
    proxy = assert(proxy.read(url)),
  }
  assert.equal("network", err.code)
  assert.is_nil(tostring(err):find("s3cret", 1, true))
  return tostring(err):match "the proxy.*$"
end

describe("a client with a proxy", function()
  for _, tls in ipairs { false, true } do
    it(("links and talks through it over %s"):format(tls and "wss" or "ws"), support.async(function()
      local rig <close> = start { tls = tls }
      local ben = rig:contact "Ben"
      local gate <close>, port = serve "ana:s3cret @:/"
      local ana = rig:contact("Ana", { proxy = ("http://ana:s3cret%%20%%40%%3a%%2F@127.0.0.1:%s"):format(port) })
      gate:wait(("^CONNECT 127.0.0.1:%d with credentials"):format(rig.sandbox.port))
      local text = ("a long one "):rep(4000)
      assert(ana.client:send(ben.lid, text))
      assert.equal(text, ben:next().text)
      assert(ben.client:send(ana.lid, text))
      assert.equal(text, ana:next().text)
    end))
  end

  it("needs no user where the proxy asks for none, and finds it by its name", support.async(function()
    local rig <close> = start()
    local gate <close>, port = serve()
    assert(rig:contact("Ana", { proxy = ("http://localhost:%s/"):format(port) }))
    gate:wait "^CONNECT .* without credentials"
  end))

  it("comes back when the proxy hangs up on it in the middle", support.async(function()
    local rig <close> = start()
    local ben = rig:contact "Ben"
    local gate <close>, port = serve()
    local ana = rig:contact("Ana", { proxy = "http://127.0.0.1:" .. port })
    ana.client.connection.pace = { stable = 30, first_pause = 0.01, longest_pause = 0.05 }
    local online, device = tap.event(ana.client, "online"), tap.device(rig, ana.client)
    device.connection:drop()
    assert(online:pop(30))
    assert(ana.client:send(ben.lid, "again"))
    assert.equal("again", ben:next().text)
    for _ = 1, 3 do gate:wait "^CONNECT" end -- pairing, login, again
  end))

  local refusals = {
    { "wants other credentials", "ana:right", nil, "http://ana:s3cret@", "wants another user or password (407)" },
    { "wants credentials", "ana:right", nil, "http://", "wants a user and a password (407)" },
    { "has no way", nil, "502 Bad Gateway", "http://ana:s3cret@", "refuses the way to 127.0.0.1:PORT (502)" },
    { "forbids the way", nil, "403 Forbidden", "http://ana:s3cret@", "refuses the way to 127.0.0.1:PORT (403)" },
    { "is no proxy", nil, "garbage", "http://ana:s3cret@", "does not speak HTTP" },
    { "answers without an end", nil, "endless", "http://ana:s3cret@", "answers without an end" },
    { "hangs up", nil, "hang up", "http://ana:s3cret@", "closed the connection without an answer" },
  }
  for _, row in ipairs(refusals) do
    local what, credentials, answer, url, says = table.unpack(row, 1, 5)
    it(("is told when that %s, and never what its password is"):format(what), support.async(function()
      local rig <close> = start()
      local gate <close>, port = serve(credentials, answer)
      local expected = says:gsub("PORT", rig.sandbox.port)
      assert.equal(("the proxy 127.0.0.1:%s %s"):format(port, expected), refusal(rig, url .. "127.0.0.1:" .. port))
      gate:wait "^CONNECT"
    end))
  end

  it("is told when there is no proxy there", support.async(function()
    local rig <close> = start()
    local gone = core.net.listen { accept = function() end, request = function() end }
    local port = gone:port()
    gone:close()
    assert.equal(("the proxy 127.0.0.1:%d cannot be reached: connection refused"):format(port),
      refusal(rig, ("http://ana:s3cret@127.0.0.1:%d"):format(port)))
  end))

  it("is told when nobody knows the proxy's name", support.async(function()
    local rig <close> = start()
    assert.matches("^the proxy nowhere.invalid: cannot find the address of nowhere.invalid", refusal(rig, "http://nowhere.invalid:3128"))
  end))

  it("can be closed while the proxy is silent", support.async(function()
    local rig <close> = start()
    local gate <close>, port = serve(nil, "silence")
    local ended = task.queue()
    local conn = assert(core.net.connect {
      url = rig.sandbox.url, proxy = { name = "it", address = "127.0.0.1", port = math.tointeger(tonumber(port)) },
      close = function() ended:push(true) end,
    })
    gate:wait "^CONNECT"
    conn:abort()
    assert(ended:pop(30))
  end))
end)

describe("the option proxy", function()
  it("is read with and without user, port and brackets", function()
    assert.same({ host = "proxy.example", port = 8080 }, proxy.read "http://proxy.example")
    assert.same({ host = "::1", port = 3128, credentials = "a:b@c" }, proxy.read "http://a:b@c@[::1]:3128/")
    assert.same({ host = "10.0.0.1", port = 1, credentials = "a b:" }, proxy.read "http://a%20b@10.0.0.1:1")
  end)

  it("is refused in a sentence that does not show it", function()
    for _, text in ipairs {
      "", "proxy:3128", "socks5://a:s3cret@h:1", "https://a:s3cret@h", "http://", "http://a:s3cret@", "http://a:s3cret@h:0",
      "http://a:s3cret@h:99999", "http://a:s3cret@h h", "http://:s3cret@h", "http://a:s3cret%0d%0aX@h", "http://a:s3cret@h/path",
      "http://a:s3cret%zz@h", "http://a%:s3cret@h", "http://a:s3cret%2@h",
    } do
      local ok, err = pcall(function() return moonpost.client { store = "unused", proxy = text }, nil end)
      assert.is_false(ok)
      assert.matches("option 'proxy' ", err)
      assert.is_nil(err:find("s3cret", 1, true))
      assert.matches("spec/proxy_spec.lua:", err)
    end
    assert.error_matches(function() moonpost.bot { store = "unused", proxy = "socks5://h:1" } end, "not socks5://")
  end)

  it("of moonpost run is refused the same way, before anything is done", support.async(function()
    local run <close> = process.start "moonpost run scripts/bots/echo.lua --proxy socks5://a:s3cret@h:1"
    assert.equal(2, (run:wait_end()))
    assert.matches("%-%-proxy must be http://", run:text())
    assert.is_nil(run:text():find("s3cret", 1, true))
  end))
end)

describe("moonpost run --proxy", function()
  it("takes the bot through the proxy, its sandbox's admin calls not", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local gate <close>, port = serve "ana:s3cret"
    local command = "moonpost run scripts/bots/echo.lua --sandbox %s --store %s/state --proxy http://ana:s3cret@127.0.0.1:%s"
    local bot <close> = process.start(command:format(rig.sandbox.url, support.tmpdir(), port))
    bot:wait "^online as Echo"
    assert.equal("pong", ana:ask(rig.sandbox.accounts.by_name.Echo:jid(), "!ping").text)
    gate:wait "^CONNECT .* with credentials"
    bot:signal "INT"
    assert.equal(0, (bot:wait_end()))
  end))
end)

describe("the environment's proxies", function()
  -- Nobody listens there: whoever used it would not come far.
  local environment = "env http_proxy=http://127.0.0.1:9 https_proxy=http://127.0.0.1:9 HTTP_PROXY=http://127.0.0.1:9 "
    .. "HTTPS_PROXY=http://127.0.0.1:9 all_proxy=http://127.0.0.1:9 ALL_PROXY=http://127.0.0.1:9 "

  for _, no_proxy in ipairs { "", "no_proxy=example.org ", "no_proxy=127.0.0.1,localhost " } do
    local with = no_proxy ~= "" and ", with " .. no_proxy:sub(1, -2) or ""
    it("change nothing for sandbox, bot and chat" .. with, support.async(function()
      local moonpost_command = environment .. no_proxy .. process.moonpost
      local sandbox <close> = process.start(moonpost_command .. " sandbox --listen 127.0.0.1:0")
      local url = sandbox:wait "(ws://[%w.:/]+/ws/chat)"
      local bot <close> = process.start(("%s run scripts/bots/echo.lua --sandbox %s --store %s/state"):format(
        moonpost_command, url, support.tmpdir()))
      bot:wait "^online as Echo"
      local chat <close> = process.start(("%s chat --sandbox %s --as Ana --to Echo '!ping'"):format(moonpost_command, url))
      chat:wait "pong"
    end))
  end

  it("are named when the service cannot be reached without", support.async(function()
    local path = support.tmpdir() .. "/link.lua"
    local file = assert(io.open(path, "w"))
    file:write [[
      local core, task = require "moonpost.core", require "moonpost.task"
      task.run(function()
        print(select(2, require "moonpost.client.link" {
          url = "ws://nowhere.invalid/ws/chat", static = core.crypto.keypair(), payload = "payload",
        }))
      end)
    ]]
    assert(file:close())
    local run <close> = process.start(("env https_proxy=http://a:s3cret@127.0.0.1:9 %s run %s"):format(process.moonpost, path))
    run:wait "https_proxy is set, but not used: a proxy is given by %-%-proxy"
    assert.is_nil(run:text():find("s3cret", 1, true))
  end))
end)
