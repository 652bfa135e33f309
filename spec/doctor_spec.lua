--- `moonpost doctor`: one line for each thing it looks at, and what to do where something is wrong.
local core = require "moonpost.core"
local process = require "spec.process"
local sockets = require "spec.sockets"
local start = require("spec.rig").start
local support = require "spec.support"

local function make_store(options)
  local path = support.tmpdir() .. "/state"
  local store <close> = assert(core.store.open { path = path, kind = "client", key = options and options.key })
  core.signal.account(store):create()
  assert(store:commit())
  return path
end

-- Exit code and lines.
local function run(arguments, before)
  local child <close> = process.start("moonpost doctor " .. arguments, { before = "unset SSL_CERT_FILE SSL_CERT_DIR; " .. (before or ":") })
  local code = child:wait_end()
  return code, child.output
end

local function find(lines, pattern)
  for _, line in ipairs(lines) do
    if line:find(pattern) then return line end
  end
  error(("no line '%s' in:\n%s"):format(pattern, table.concat(lines, "\n")), 2)
end

local function wrong(lines)
  local found = {}
  for _, line in ipairs(lines) do
    if not line:find "^ok     " then found[#found + 1] = line end
  end
  return found
end

describe("moonpost doctor", function()
  it("finds nothing wrong where nothing is", support.async(function()
    local rig <close> = start()
    local path = make_store()
    local code, lines = run(("--store %s --sandbox %s"):format(path, rig.sandbox.url))
    assert.same({}, wrong(lines))
    assert.equal(0, code)
    find(lines, "^ok     libwebsockets %d+%.%d+")
    find(lines, "^ok     libsignal%-protocol%-c, with the fast Curve25519$")
    find(lines, "^ok     sockets: libwebsockets runs on libuv")
    find(lines, "^ok     certificates: %d+ in /etc/ssl/certs$")
    find(lines, "^ok     server: the sandbox at ws://127.0.0.1:%d+/ws/chat answers in %d+ ms$")
    find(lines, "^ok     clock: within %d+ s of the server's$")
    find(lines, "^ok     media: ffmpeg %d+%.%d+")
    find(lines, "^ok     media: libwebpmux, for the packs of stickers$")
    find(lines, "^ok     store: .* reads well: %d+ rows: credential 1, meta 2")
  end))

  it("says when the server cannot be reached", support.async(function()
    local code, lines = run "--sandbox ws://127.0.0.1:1/ws/chat"
    assert.equal(1, code)
    find(lines, "^WRONG  server: no sandbox at ws://127.0.0.1:1/ws/chat: .*: start it with moonpost sandbox$")
  end))

  -- The line about the clock, beside a server whose own says something else.
  local function clock_line(seconds)
    local date = os.date("!%a, %d %b %Y %H:%M:%S GMT", os.time() + seconds)
    local body = ('{"noise_root":"%s"}'):format(("ab"):rep(32))
    local server <close> = sockets.canned(("HTTP/1.1 200 OK\\r\\nDate: %s\\r\\nContent-Length: %d\\r\\n\\r\\n%s"):format(date, #body, body))
    local code, lines = run(("--sandbox ws://127.0.0.1:%d/ws/chat"):format(server.port))
    return code, find(lines, "clock: ")
  end

  it("says by how much the clock is off, which way, and what to do", support.async(function()
    local code, line = clock_line(3600)
    assert.equal(1, code)
    assert.near(3600, tonumber(line:match "^WRONG  clock: it is (%d+) s behind the server's: set it %(timedatectl set%-ntp true%)$"), 10)
    code, line = clock_line(-86400)
    assert.equal(1, code)
    assert.near(86400, tonumber(line:match "^WRONG  clock: it is (%d+) s ahead of the server's: set it"), 10)
  end))

  it("takes a clock that is off by less than a minute for right", support.async(function()
    local code, line = clock_line(45)
    assert.equal(0, code)
    assert.matches("^ok     clock: within %d+ s of the server's$", line)
  end))

  it("says what others may read of a store, and how to close it", support.async(function()
    local path = make_store()
    assert(os.execute(("chmod 755 %s && chmod 644 %s/keys.mdb"):format(path, path)))
    local code, lines = run("--offline --store " .. path)
    assert.equal(1, code)
    assert.same({ ("WRONG  store: others may read %s, %s/keys.mdb: chmod -R go= %s"):format(path, path, path) }, wrong(lines))
  end))

  it("says that a store is damaged, or sealed, or not there", support.async(function()
    local path = make_store()
    assert(os.execute(("truncate -s 5000 %s/traffic.mdb"):format(path)))
    local code, lines = run("--offline --store " .. path)
    assert.equal(1, code)
    find(lines, "^WRONG  store: .*traffic.mdb is truncated.*: see moonpost store check ")
    local sealed = make_store { key = assert(core.store.key "a passphrase") }
    lines = select(2, run("--offline --store " .. sealed))
    find(lines, "^WRONG  store: /.* is sealed: give its key")
    code = run("--offline --store " .. sealed, "export MOONPOST_STORE_KEY='a passphrase'")
    assert.equal(0, code)
    lines = select(2, run("--offline --store " .. path .. "-none"))
    find(lines, "^WRONG  store: no folder .* %(No such file or directory%): give the right one; a bot makes its own when it first runs$")
  end))

  it("says what keeps a process from opening files or verifying servers", support.async(function()
    local _, lines = run("--offline", "ulimit -n 100; export SSL_CERT_DIR=" .. support.tmpdir())
    find(lines, "^WRONG  open files: 100 are allowed, too few: ulimit %-n 1024$")
    find(lines, "^WRONG  certificates: .* holds none, no server can be verified: apt%-get install ca%-certificates")
  end))

  it("notes what can be done without, what it would add, and how to have it, and finds nothing wrong in that", support.async(function()
    local code, lines = run("--offline", "export PATH=" .. support.tmpdir())
    assert.equal(0, code)
    find(lines, "^note   media: ffmpeg, ffprobe, prlimit, setpriv are missing: files go as they are; it adds thumbnails, dimensions and "
      .. "durations, waveforms, and makes voice messages, stickers and GIFs of other formats: apt%-get install .*ffmpeg$")
    local broken = support.tmpdir()
    for _, name in ipairs { "ffmpeg", "ffprobe" } do
      local path = broken .. "/" .. name
      assert(os.execute(("printf '#!/bin/sh\\necho cannot load >&2; exit 127\\n' > %s && chmod +x %s"):format(path, path)))
    end
    lines = select(2, run("--offline", "export PATH=" .. broken .. ":$PATH"))
    find(lines, "^note   media: ffmpeg does not run %(cannot load%), as good as missing: files go as they are;")
  end))

  it("refuses a wrong server before it looks at anything", support.async(function()
    local code, lines = run "--sandbox nonsense"
    assert.same({ 2, 1 }, { code, #lines })
    assert.matches("^moonpost doctor: %-%-sandbox expects ws://HOST:PORT/ws/chat", lines[1])
    code, lines = run "--offline --sandbox ws://127.0.0.1:1/ws/chat"
    assert.same({ 2, { "moonpost doctor: --offline tries no server, --sandbox one: give one of them (see moonpost doctor --help)" } },
      { code, lines })
  end))

  it("says that the key is wrong without saying twice that it is the store's", support.async(function()
    local sealed = make_store { key = assert(core.store.key "a passphrase") }
    local _, lines = run("--offline --store " .. sealed, "export MOONPOST_STORE_KEY='another one'")
    assert.same({ ("WRONG  store: %s: wrong key"):format(sealed) }, wrong(lines))
  end))
end)
