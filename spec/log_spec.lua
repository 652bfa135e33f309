-- What is told of what happens, to whom, and what never is.
local core = require "moonpost.core"
local log = require "moonpost.log"
local moonpost = require "moonpost"
local printable = require "moonpost.printable"
local process = require "spec.process"
local stanza = require "moonpost.stanza"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"
local task = require "moonpost.task"

-- The entries of a level and what lies above it, while `fn` runs.
local function record(level, fn)
  local entries = {}
  log.level = level
  log.sink = function(entry) entries[#entries + 1] = entry end
  local ok, err = pcall(fn, entries)
  log.level, log.sink = "info", nil
  assert(ok, err)
  return entries
end

local function text_of(entries)
  local lines = {}
  for i, entry in ipairs(entries) do lines[i] = entry.text end
  return table.concat(lines, "\n")
end

local function has(entries, level, pattern)
  for _, entry in ipairs(entries) do
    if entry.level == level and entry.text:find(pattern) then return entry end
  end
end

local function read_file(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "a"
  file:close()
  return text
end

-- Everything secret a store's file holds of its only account: tables.h has the row's layout.
local function secrets_of(path)
  local bytes = read_file(path .. "/keys.mdb")
  local secrets = {}
  local at = assert(bytes:find("b\0credentials", 1, true)) + #"b\0credentials" + 8
  for _ = 1, 3 do
    secrets[#secrets + 1] = bytes:sub(at, at + 31) -- the private half of a key pair; the public one follows
    at = at + 64
  end
  at = at + 64 -- a signature
  secrets[#secrets + 1] = bytes:sub(at, at + 31) -- ADV secret
  secrets[#secrets + 1] = bytes:sub(at + 32, at + 63) -- store secret
  return secrets
end

-- A part of bytes, in any of the ways they may be written.
local function assert_absent(text, bytes, what)
  local part = bytes:sub(1, 12)
  for how, written in pairs {
    raw = part, hex = part:gsub(".", function(c) return ("%02x"):format(c:byte()) end), base64 = core.crypto.base64(part),
    shown = printable.line(part),
  } do
    assert.is_nil(text:lower():find(written:lower(), 1, true), what .. " stands in the log, " .. how)
  end
end

describe("the log", function()
  it("tells what is of its level or above, with account and time", function()
    local entries = record("warn", function()
      local logger = log.of "work"
      logger:error "an error"
      logger:warn("%d warnings", 2)
      logger:info "not told"
      assert.is_true(logger:tells "warn")
      assert.is_false(logger:tells "info")
    end)
    assert.equal(2, #entries)
    assert.same({ "error", "work", "an error" }, { entries[1].level, entries[1].account, entries[1].text })
    assert.equal("2 warnings", entries[2].text)
    assert.is_true(math.abs(entries[1].time - core.net.time()) < 60)
  end)

  it("takes a percent sign in a text as it is, and shows no control characters", function()
    local entries = record("info", function() log.of():info "100 %d \27[2J" end)
    assert.equal("100 %d \\x1b[2J", entries[1].text)
  end)

  it("has a level and a sink, and nothing else to be set", function()
    assert.error_matches(function() log.level = "loud" end, "moonpost.log.level must be error, warn, info, debug or trace")
    assert.error_matches(function() log.sink = "file" end, "moonpost.log.sink must be a function, got string")
    assert.error_matches(function() log.levle = "info" end, "moonpost.log has no setting 'levle'")
    assert.equal("info", moonpost.log.level)
  end)

  it("does not speak of a proxy of the environment, which is not there", support.async(function()
    local entries = record("debug", function()
      local rig <close> = start { tls = true }
      rig:contact "Ana"
    end)
    assert.is_true(#entries > 0)
    for _, entry in ipairs(entries) do assert.is_nil(entry.text:find("proxy", 1, true), entry.text) end
  end))

  it("goes to a file as lines with time, level and account", function()
    local path = support.tmpdir() .. "/log"
    log.sink = assert(log.file(path))
    log.of("work"):warn "one"
    log.of():error "two"
    log.sink = nil
    local first, second = read_file(path):match "^(.-)\n(.-)\n$"
    assert.matches("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ warn  work: one$", first)
    assert.matches("^%S+ error %-: two$", second)
    assert.matches("Not a directory", select(2, log.file(path .. "/none")))
  end)

  it("hears of errors nobody listens to, by the account's name", support.async(function()
    local rig <close> = start()
    local client = tap.client(rig, { account = "work" })
    local entries = record("info", function() client:emit("error", core.error("x", "something failed")) end)
    assert.same({ "work", "something failed" }, { entries[1].account, entries[1].text })
  end))

  it("hears of callbacks and tasks that fail, with their traceback", support.async(function()
    local entries = record("error", function(entries)
      task.spawn(function() error "a task" end)
      core.net.timer(0, function() error "a callback" end)
      while #entries < 2 do task.sleep(0) end
    end)
    assert.matches("^error in a task: .*log_spec.lua:%d+: a task\nstack traceback:", entries[1].text)
    assert.matches("^error in a callback: .*log_spec.lua:%d+: a callback\nstack traceback:", entries[2].text)
  end))

  it("tells at debug how a connection came and went", support.async(function()
    local rig <close> = start()
    local entries = record("debug", function()
      local ana = rig:contact("Ana", { account = "work" })
      local nowhere = tap.client(rig, { account = "x", url = "ws://127.0.0.1:1/ws/chat" })
      assert.is_nil(nowhere:pair { qr = print })
      ana.client:logout()
    end)
    local address = rig.sandbox.url:gsub("%p", "%%%0")
    assert.equal("work", has(entries, "debug", "^connected to " .. address .. ": XX handshake$").account)
    assert.is_truthy(has(entries, "debug", "^a QR is shown, for %d+ s$"))
    assert.is_truthy(has(entries, "debug", "^linked as %d+@s.whatsapp.net, device %d+$"))
    assert.is_truthy(has(entries, "debug", "^online as %d+@s.whatsapp.net, device %d+$"))
    assert.is_truthy(has(entries, "debug", "^offline for good %(unlinked%)"))
  end))
end)

describe("a trace", function()
  it("shows every stanza, both ways, as XML", support.async(function()
    local rig <close> = start()
    local entries = record("trace", function()
      local ana, ben = rig:contact "Ana", rig:contact "Ben"
      assert(ana.client:send(ben.jid, "hi"))
      ben:next()
    end)
    assert.is_truthy(has(entries, "trace", '^%->\n<presence name="Ana" type="available"/>$'))
    assert.is_truthy(has(entries, "trace", "^<%-\n<success "))
    assert.is_truthy(has(entries, "trace", "^%->\n<message .*<enc [^>]*><!%-%- %d+ bytes %-%-></enc>"))
    assert.is_truthy(has(entries, "trace", "^<%-\n<message .*<enc "))
  end))

  it("of a linking shows no secret: no key, no ADV secret, no QR", support.async(function()
    local rig <close> = start()
    local path, shown, public, adv = support.tmpdir() .. "/state", {}, nil, nil
    local entries = record("trace", function()
      local client = tap.client(rig, { store = path })
      assert(client:pair { qr = function(text)
        shown[#shown + 1] = text
        adv = client.account:adv_secret_text()
        rig:scan(text)
      end })
      assert(client:connect())
      public = client.account:public()
      client:close()
    end)
    local text = text_of(entries)
    assert.is_truthy(text:find("<pair-device>", 1, true))
    assert.is_truthy(text:find("<pair-success>", 1, true))
    assert.equal(1, #shown)
    for part in shown[1]:gmatch "[^,#]+" do
      if #part > 8 then assert.is_nil(text:find(part:sub(1, 16), 1, true), "a part of the QR stands in the log") end
    end
    assert.is_nil(text:find(adv:sub(1, 16), 1, true))
    for i, secret in ipairs(secrets_of(path)) do assert_absent(text, secret, "secret " .. i) end
    for what, key in pairs { identity = public.identity, noise = public.noise, prekey = public.signed_prekey.public } do
      assert_absent(text, key, "the public key " .. what)
    end
    assert.is_nil(text:match(("%x"):rep(40)), "long hexadecimal digits stand in the log")
    assert.is_nil(text:match(("[%w+/]"):rep(40)), "long base64 stands in the log")
    assert.is_nil(text:find("\\x", 1, true), "bytes stand in the log")
  end))

  it("of a linking by code shows neither the code nor anything made of it", support.async(function()
    local rig <close> = start()
    local phone, typed, sent = "+1 555 123 4567", nil, {}
    rig:tap(function(_, node)
      local registration = stanza.child(node, "link_code_companion_reg")
      for _, child in stanza.children(registration) do
        if type(child.content) == "string" and #child.content >= 16 then sent[child.tag] = child.content end
      end
    end)
    local text = text_of(record("trace", function()
      local client = tap.client(rig)
      assert(client:pair { phone = phone, code = function(code)
        typed = code
        task.spawn(tap.admin, rig, "POST", "/admin/mock-phone/confirm-code", { phone = phone, code = code })
      end })
    end))
    assert.is_truthy(sent.link_code_pairing_wrapped_companion_ephemeral_pub)
    for name, bytes in pairs(sent) do assert_absent(text, bytes, name) end
    assert.is_nil(text:find(typed, 1, true))
    assert.is_nil(text:find(typed:gsub("%-", ""), 1, true))
    assert.is_nil(text:find("\\x", 1, true), "bytes stand in the log")
  end))

  it("shows nothing of what a message says", support.async(function()
    local rig <close> = start()
    local entries = record("trace", function()
      local ana, ben = rig:contact "Ana", rig:contact "Ben"
      assert(ana.client:send(ben.jid, "xylophone"))
      assert.equal("xylophone", ben:next().text)
    end)
    assert.is_nil(text_of(entries):find("xylophone", 1, true))
  end))

  it("shows what gives access by its length", function()
    local xml = stanza.xml { tag = "media_conn", attrs = { auth = "abcdef", ttl = "300" } }
    assert.equal('<media_conn auth="(6 bytes)" ttl="300"/>\n', xml)
  end)
end)

describe("moonpost run", function()
  local function run(rig, more)
    local bot = process.start(("moonpost run scripts/bots/echo.lua --sandbox %s --store %s/state %s"):format(
      rig.sandbox.url, support.tmpdir(), more))
    bot:wait "^online as"
    bot:signal "INT"
    assert.equal(0, bot:wait_end())
    return bot:text()
  end

  it("traces on standard error, or into a file", support.async(function()
    local rig <close> = start()
    local text = run(rig, "--trace")
    assert.matches("\nmoonpost trace: <%-\n<success ", "\n" .. text)
    local path = support.tmpdir() .. "/log"
    text = run(rig, "--trace --log " .. path)
    assert.is_nil(text:find("trace", 1, true))
    assert.matches("Z trace default: %->\n<presence ", (read_file(path)))
  end))

  it("says what the socket library says at debug, and nothing but errors at that level", support.async(function()
    local rig <close> = start()
    assert.matches("\nmoonpost debug: libwebsockets: ", run(rig, "--log-level debug"))
    assert.matches("^%s*online as Echo[^\n]*$", (run(rig, "--log-level error --qr text"):gsub("^[^\n]*,[^\n]*\n", "")))
  end))

  it("names a level that is none, and a file it cannot write", support.async(function()
    local one <close> = process.start "moonpost run scripts/bots/echo.lua --log-level loud"
    assert.equal(2, one:wait_end())
    assert.matches("^moonpost run: %-%-log%-level expects error, warn, info, debug or trace, got 'loud'", one:text())
    local other <close> = process.start "moonpost run scripts/bots/echo.lua --log /proc/none/log"
    assert.equal(1, other:wait_end())
    assert.matches("^moonpost run: cannot open the log: /proc/none/log: No such file", other:text())
  end))
end)
