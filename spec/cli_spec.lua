-- The command line as a user types it: the executable itself, in processes of its own.
local support = require "spec.support"

local moonpost = os.getenv "MOONPOST" or "build/moonpost"

-- Runs a shell command; returns its output (both streams) and exit code.
local function run(command)
  local pipe = assert(io.popen(("{ %s ; } 2>&1; echo \"[$?]\""):format(command:gsub("^moonpost", moonpost))))
  local text = pipe:read "a"
  pipe:close()
  local output, code = text:match "^(.*)%[(%d+)%]\n$"
  return output, math.tointeger(code)
end

local function write_file(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
  return path
end

local function one_line(output)
  local _, lines = output:gsub("\n", "\n")
  assert.equal(1, lines, output)
  return output
end

describe("the command line", function()
  local wrong = {
    { "moonpost frobnicate", "unknown command 'frobnicate'; there are: run, sandbox, chat" },
    { "moonpost run", "expected a script, BOT.lua" },
    { "moonpost run --frob bot.lua", "unknown option '--frob'" },
    { "moonpost run --store", "option --store needs a value: DIR" },
    { "moonpost run --sandbox http://x bot.lua", "cannot open the script: bot.lua" },
    { "moonpost run --sandbox http://x scripts/bots/echo.lua", "--sandbox expects ws://HOST:PORT/ws/chat" },
    { "moonpost run --sandbox ws://192.0.2.1:80/ws scripts/bots/echo.lua", "expects an address of this machine" },
    { "moonpost run --sandbox ws://127.evil.example:80/ws scripts/bots/echo.lua", "expects an address of this machine" },
    { "moonpost run --sandbox ws://127.0.0.1@192.0.2.1:80/ws scripts/bots/echo.lua", "expects an address of this machine" },
    { "moonpost run --sandbox ws://127.999.1.1:80/ws scripts/bots/echo.lua", "expects an address of this machine" },
    { "moonpost run --sandbox 'ws://[::1]:80/ws' scripts/bots/echo.lua", "expects an address of this machine (127.0.0.1), got '[::1]'" },
    { "moonpost run --wa-version 2.3 scripts/bots/echo.lua", "--wa-version expects three numbers" },
    { "moonpost run --qr code.jpg scripts/bots/echo.lua", "--qr expects a file name ending in .png" },
    { "moonpost run --phone 0171-1234567 scripts/bots/echo.lua", "--phone: '0171-1234567' is no phone number: it begins with a single 0" },
    { "moonpost run --phone me scripts/bots/echo.lua", "--phone: 'me' is no phone number: it holds 'm'" },
    { "moonpost run --phone +15551234567 --qr text scripts/bots/echo.lua", "--qr and --phone are two ways to link" },
    { "moonpost run missing.lua", "cannot open the script: missing.lua: No such file or directory" },
    { "moonpost run scripts/bots/echo.lua --frob", "unknown option '--frob'" },
    { "moonpost chat --sandbox x --as Ana --to Echo", "--sandbox expects ws://HOST:PORT/ws/chat or wss://…, got 'x'" },
    { "moonpost help frobnicate", "unknown command 'frobnicate'" },
    { "moonpost run --phone '(555) 123-4567' scripts/bots/echo.lua", "it does not begin with + (or 00) and its country code" },
    { "moonpost run --sandbox ws://127.0.0.1:80/wrong scripts/bots/echo.lua", "--sandbox expects ws://HOST:PORT/ws/chat" },
    { "moonpost sandbox extra", "unexpected argument 'extra'" },
    { "moonpost sandbox --listen nowhere", "--listen expects HOST:PORT" },
    { "moonpost sandbox --tls=yes", "option --tls takes no value" },
    { "moonpost sandbox --past all", "--past expects a number of messages, 1 to 200000, got 'all'" },
    { "moonpost chat --as Ana --to Echo", "--sandbox is missing" },
  }
  for _, row in ipairs(wrong) do
    it(("answers one line and exit code 2 to `%s`"):format(row[1]), function()
      local output, code = run(row[1])
      assert.equal(2, code, output)
      assert.is_truthy(one_line(output):find(row[2], 1, true), output)
    end)
  end

  it("tells its commands and version", function()
    local output, code = run "moonpost --help"
    assert.equal(0, code)
    for _, name in ipairs { "run", "sandbox", "chat" } do assert.matches("  " .. name, output) end
    assert.matches("^moonpost %d+%.%d+%.%d+\n$", (run "moonpost --version"))
  end)

  for words, expected in pairs {
    ["help run"] = "usage: moonpost run", ["run bot.lua --help"] = "usage: moonpost run", ["store check --help"] = "usage: moonpost store",
    ["store seal -h"] = "usage: moonpost store", ["chat --as Ana -h"] = "usage: moonpost chat", ["help"] = "usage: moonpost COMMAND",
  } do
    it(("tells the usage at `moonpost %s`"):format(words), function()
      local output, code = run("moonpost " .. words)
      assert.equal(0, code, output)
      assert.is_truthy(output:find(expected, 1, true), output)
    end)
  end

  it("leaves --help behind -- to the script", function()
    local script = write_file(support.tmpdir() .. "/words.lua", "print(...)")
    assert.equal("--help\n", (run(("moonpost run %s -- --help"):format(script))))
  end)

  it("names the line of a script's syntax error", function()
    local path = write_file(support.tmpdir() .. "/broken.lua", "local x =\nprint(")
    local output, code = run("moonpost run " .. path)
    assert.equal(1, code)
    assert.matches("broken.lua:2:", one_line(output))
  end)

  it("tells the line of a script's error", function()
    local path = write_file(support.tmpdir() .. "/wrong.lua", '\nrequire("moonpost").bot { store = "x", nmae = "y" }')
    local output, code = run("moonpost run " .. path)
    assert.equal(1, code)
    assert.matches("^moonpost run: " .. path:gsub("%p", "%%%0") .. ":2: moonpost.bot has no option 'nmae'", output)
  end)

  it("says in a line what is wrong with a store's folder", function()
    local script = write_file(support.tmpdir() .. "/bot.lua", 'require("moonpost").bot { store = "x" }:run()')
    local output, code = run(("moonpost run %s --store /proc/state"):format(script)) -- nobody, not even root, may write there
    assert.equal(1, code)
    assert.matches("cannot make the store's folder /proc/state", one_line(output))
    output, code = run(("moonpost run %s --store %s"):format(script, script))
    assert.equal(1, code)
    assert.matches("is a file", one_line(output))
    output, code = run("moonpost sandbox --world " .. script)
    assert.equal(1, code)
    assert.matches("is a file", one_line(output))
  end)

  it("says in a line that there is no sandbox", function()
    local output, code = run "moonpost run --sandbox ws://127.0.0.1:1/ws/chat scripts/bots/echo.lua"
    assert.equal(1, code)
    assert.matches("no sandbox at ws://127.0.0.1:1/ws/chat", one_line(output))
  end)

  it("refuses to listen anywhere but on loopback, and says when a port is taken", function()
    local output, code = run "moonpost sandbox --listen 0.0.0.0:0"
    assert.equal(1, code)
    assert.matches("loopback", one_line(output))
    local taken = assert(require("moonpost.core").net.listen { host = "127.0.0.1", port = 0, request = print, accept = print })
    output, code = run(("moonpost sandbox --listen 127.0.0.1:%d"):format(taken:port()))
    taken:close()
    assert.equal(1, code)
    assert.matches("in use", one_line(output))
  end)

  it("runs from any folder alone, and scripts require C rocks", function()
    local folder = support.tmpdir()
    local script = write_file(folder .. "/rock.lua", 'print(require("lfs")._VERSION, require("moonpost.core").version)')
    local here = io.popen("pwd"):read "l"
    local program = moonpost:sub(1, 1) == "/" and moonpost or here .. "/" .. moonpost
    local output, code = run(("cd %s && %s run %s"):format(folder, program, script))
    assert.equal(0, code, output)
    assert.matches("LuaFileSystem", output)
  end)
end)
