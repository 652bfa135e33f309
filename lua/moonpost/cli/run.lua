--- `moonpost run bot.lua`: runs a bot script on a linked account, or in a sandbox.
-- @module moonpost.cli.run
local core = require "moonpost.core"
local task = require "moonpost.task"
local host = require "moonpost.bot.host"
local log = require "moonpost.log"
local parse_phone = require("moonpost.client.phone_number").parse
local options = require "moonpost.cli.options"
local printable = require "moonpost.printable"
local proxy = require "moonpost.client.proxy"
local sandbox_link = require "moonpost.cli.sandbox_link"
local store_key = require "moonpost.cli.store_key"
local wa_version = require "moonpost.cli.wa_version"

local run = { summary = "run a bot script" }

run.usage = [[
usage: moonpost run BOT.lua [options] [-- arguments of the script]

  --sandbox URL     use the sandbox at ws://… or wss://…, and have its phone scan the QR or type the code
  --store DIR       keep the bot's state in DIR (wins over the script's `store`)
  --durability D    power: each step is on the disk before it is told (the default); process: survives a killed process, not a
                    power cut, and writes less
  --key-fd N        the store is sealed: its key is read from descriptor N (else from MOONPOST_STORE_KEY, where that is set)
  --phone NUMBER    link by a code to type at the phone with this number ("+1 555 123 4567"), in place of a QR
  --qr FILE.png     write the QR to a picture instead of the terminal
  --qr text         print the QR's text instead of a picture
  --proxy URL       connect through the HTTP proxy http://[user:password@]host[:port]; the environment's is never used
  --wa-version V    log in as web client version V (2.3000.NUMBER), when the service refuses the built-in one
  --log FILE        append what happens to FILE, with time and level, instead of telling it on standard error
  --log-level L     what is told: error, warn, info (else), debug or trace
  --trace           log every stanza as XML (--log-level trace); keys and contents are shown by their length only

The first run links the account, by QR or by code; later runs go on from the store. Ctrl-C ends it cleanly.
Exit codes: 0 stopped, 1 failed, 2 wrong command line, 3 the account was unlinked from the phone.]]

local spec = {
  proxy = "URL", sandbox = "URL", store = "DIR", phone = "NUMBER", qr = "FILE.png or text", ["wa-version"] = "2.3000.NUMBER",
  log = "FILE", ["log-level"] = "LEVEL", trace = "flag",
  durability = "power or process", ["key-fd"] = "a descriptor's number",
  arguments = { 1, math.huge, "a script, BOT.lua" },
}

local function parse_proxy(text)
  local read, wrong = proxy.read(text)
  if not read then options.fail("--proxy %s", wrong) end
  return text
end

local function qr_writer(target)
  if target == "text" then
    return function(text) print(text) io.stdout:flush() end
  end
  if not target:match "%.png$" then options.fail("--qr expects a file name ending in .png, or 'text', got '%s'", target) end
  return function(text)
    local ok, err = core.qr.png(text, target)
    if not ok then error(("cannot write the QR to %s: %s"):format(target, tostring(err)), 0) end
    print(("QR written to %s: scan it with WhatsApp on your phone (Linked devices, Link a device)"):format(target))
    io.stdout:flush()
  end
end

local function show_in_terminal(text)
  io.stdout:write(core.qr.terminal(text), "\n")
  io.stdout:flush()
end

-- Has the sandbox's phone do its part, and says so when it could not.
local function phone_does(what, fn, ...)
  task.spawn(function(...)
    local done, why = fn(...)
    if not done then io.stderr:write("moonpost run: the sandbox's phone did not ", what, ": ", tostring(why), "\n") end
  end, ...)
end

local function use_sandbox(url, show)
  local link = sandbox_link(url)
  local ok, err = task.run(link.prepare, link)
  if not ok then options.stop("%s", tostring(err)) end
  host.url, host.root, host.ca = url, link.root, link.ca
  host.show_qr = function(text)
    show(text)
    phone_does("scan the QR", link.scan, link, text)
  end
  host.show_code = function(code, _, phone)
    print(("the sandbox's phone +%s types the code %s"):format(phone, code))
    io.stdout:flush()
    phone_does("take the code", link.confirm, link, phone, code)
  end
end

local function check_phone(text)
  local digits, wrong = parse_phone(text)
  if not digits then options.fail("--phone: %s", tostring(wrong)) end
  return text
end

local function set_log(found)
  local level = found["log-level"]
  if level and not pcall(function() log.level = level end) then
    options.fail("--log-level expects error, warn, info, debug or trace, got '%s'", level)
  end
  if found.trace then log.level = "trace" end
  if not found.log then return end
  local sink, err = log.file(found.log)
  if not sink then options.stop("cannot open the log: %s", err) end
  log.sink = sink
end

local function load_script(path)
  local file, why = io.open(path, "rb")
  if not file then options.fail("cannot open the script: %s", why) end
  file:close()
  local chunk, err = loadfile(path)
  if not chunk then options.stop("%s", err) end
  return chunk
end

--- @treturn int exit code
function run.main(args)
  local found = options.parse(spec, args)
  local path = found[1]
  local chunk = load_script(path)
  if found.qr and found.phone then options.fail "--qr and --phone are two ways to link: give one of them" end
  set_log(found)
  local show = found.qr and qr_writer(found.qr)
  local started = core.net.now()
  host.on_online = function(me)
    print(("online as %s, +%s (%.2f s)"):format(me.name or "?", me.jid:match "^%d+" or me.jid, core.net.now() - started))
    io.stdout:flush()
  end
  host.store = found.store
  host.proxy = found.proxy and parse_proxy(found.proxy)
  host.durability = found.durability
  if host.durability and host.durability ~= "power" and host.durability ~= "process" then
    options.fail("--durability expects power or process, got '%s'", host.durability)
  end
  host.key = found["key-fd"] and store_key(found["key-fd"])
  host.version = found["wa-version"] and wa_version(found["wa-version"])
  host.show_qr, host.by_qr = show, show ~= nil
  host.phone = found.phone and check_phone(found.phone)
  if found.sandbox then use_sandbox(found.sandbox, show or show_in_terminal) end
  local folder = path:match "^(.*)/[^/]*$" or "."
  package.path = ("%s/?.lua;%s/?/init.lua;"):format(folder, folder) .. package.path -- a script finds the files beside it
  host.on_failed = function(err) io.stderr:write("moonpost run: ", printable.text(tostring(err)), "\n") end
  _G.arg = { [0] = path, table.unpack(found, 2) }
  chunk(table.unpack(found, 2))
  local result = host.result
  if not result and host.bots then options.stop("the script made a bot and never ran it: it ends with bot:run()") end
  if not result or result[1] then return 0 end
  return result[2].code == "unlinked" and 3 or 1
end

return run
