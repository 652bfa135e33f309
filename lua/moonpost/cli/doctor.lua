--- `moonpost doctor`: looks at what a bot stands on, one line each, with what to do where something is wrong.
-- @module moonpost.cli.doctor
local child = require "moonpost.child"
local core = require "moonpost.core"
local inspect = require "moonpost.cli.store_check"
local options = require "moonpost.cli.options"
local printable = require "moonpost.printable"
local sandbox_link = require "moonpost.cli.sandbox_link"
local store_key = require "moonpost.cli.store_key"
local task = require "moonpost.task"
local tools = require "moonpost.client.media_tools"

local command = { summary = "look for what keeps a bot from working" }

command.usage = [[
usage: moonpost doctor [options]

  --store DIR      the store's folder (state, when there is one)
  --key-fd N       the store is sealed: its key is read from descriptor N (else from MOONPOST_STORE_KEY, where that is set)
  --sandbox URL    try the sandbox at ws://… or wss://… in place of the service
  --offline        try no server

Looks at the libraries, the clock, the server, the store, the limits; one line each, "ok", or "WRONG" and what to do, or "note":
something that can be done without is missing.
Exit codes: 0 all is well, 1 something is wrong, 2 wrong command line.]]

local SERVICE = "https://web.whatsapp.com/ws/chat"
local DEFAULT_STORE = "state"
local SERVER_SECONDS = 15
local EARLIEST = 1767225600 -- 2026-01-01: no clock that is right is before that
local CLOCK_SECONDS = 60    -- how far the clock may be off
local OPEN_FILES = 256      -- what a bot with some accounts and downloads needs, with room

local Report = {}
Report.__index = Report

local function line(self, state, what, ...)
  print(printable.text(("%-6s %s"):format(state, select("#", ...) > 0 and what:format(...) or what)))
  self.wrong = self.wrong or state == "WRONG"
end

function Report:ok(...) line(self, "ok", ...) end
function Report:note(...) line(self, "note", ...) end
function Report:wrong_line(...) line(self, "WRONG", ...) end

local function libraries(report)
  local versions = core.system.versions()
  report:ok("moonpost %s", core.version)
  for _, name in ipairs { "lua", "libwebsockets", "libuv", "openssl", "libsodium", "lmdb", "protobuf-c" } do
    report:ok("%s %s", name, versions[name]:match "%d[%d.]*")
  end
  if core.crypto.curve_override() then
    report:ok "libsignal-protocol-c, with the fast Curve25519"
  else
    report:wrong_line("libsignal-protocol-c: its slow Curve25519 is used, since another module loaded libsignal first: require moonpost "
      .. "before it")
  end
end

-- libwebsockets loads its libuv part by name when the first socket is made.
local function event_loop(report)
  local function refuse(request) request:respond(404, "text/plain", "") end
  local server, err = core.net.listen { host = "127.0.0.1", port = 0, request = refuse }
  if not server then return report:wrong_line("sockets: %s: apt-get install libwebsockets-evlib-uv", tostring(err)) end
  server:close()
  report:ok "sockets: libwebsockets runs on libuv (libwebsockets-evlib-uv)"
end

local function limits(report)
  local files = core.system.open_files()
  if files < OPEN_FILES then return report:wrong_line("open files: %d are allowed, too few: ulimit -n %d", files, OPEN_FILES * 4) end
  report:ok("open files: %d are allowed", files)
end

-- What prepares files (client/media_tools.lua): it can be done without.
local function media(report)
  local there, missing = tools.available()
  local ended, err = child.run { args = { "ffmpeg", "-version" }, seconds = SERVER_SECONDS, memory = 1 << 30 }
  if there and ended and ended.code == 0 then
    report:ok("media: ffmpeg %s", ended.output:match "^ffmpeg version (%d[%d.]*)" or "of an unknown version")
  else
    report:note("media: %s missing: files go as they are; it adds thumbnails, dimensions and durations, waveforms, and makes "
      .. "voice messages, stickers and GIFs of other formats: apt-get install --no-install-recommends ffmpeg",
      there and ("ffmpeg does not run (%s), as good as"):format(err and tostring(err) or ended.errors:match "[^\n]*")
        or table.concat(missing, ", ") .. (#missing == 1 and " is" or " are"))
  end
  local ok = core.media.sticker_library()
  if ok then return report:ok "media: libwebpmux, for the packs of stickers" end
  report:note "media: libwebpmux is missing: the packs of stickers are neither read nor written: apt-get install libwebpmux3"
end

local function authorities(report)
  local found = core.system.authorities()
  if found.file then return report:ok("certificates: those of SSL_CERT_FILE, %s", found.file) end
  if found.certificates == 0 then
    return report:wrong_line("certificates: %s holds none, no server can be verified: apt-get install ca-certificates, or set "
      .. "SSL_CERT_DIR", found.directory)
  end
  report:ok("certificates: %d in %s", found.certificates, found.directory)
end

local function local_clock(report)
  local now = core.net.time()
  if now >= EARLIEST then return true end
  report:wrong_line("clock: it says %s, that is past: set it (timedatectl set-ntp true)", os.date("!%Y-%m-%d %H:%M UTC", math.floor(now)))
end

local function compare_clock(report, date)
  local now = core.net.time()
  local off = date and math.floor(now - date + 0.5)
  if not off then return report:ok("clock: %s; the server does not tell its own", os.date("!%Y-%m-%d %H:%M UTC", math.floor(now))) end
  if math.abs(off) > CLOCK_SECONDS then
    return report:wrong_line("clock: it is %d s %s the server's: set it (timedatectl set-ntp true)", math.abs(off),
      off > 0 and "ahead of" or "behind")
  end
  report:ok("clock: within %d s of the server's", math.max(1, math.abs(off)))
end

-- Any answer tells that the way is free: a login needs more than that.
local function ask(url, ca)
  return task.await(function(resume)
    local ok, err = core.net.request { method = "GET", url = url, ca = ca, timeout = SERVER_SECONDS, done = resume }
    if not ok then resume(nil, err) end
  end)
end

local function reach(report, found)
  local url, ca, shown = SERVICE, nil, "the service (web.whatsapp.com)"
  if found.sandbox then
    local link = found.link
    local ok, err = link:prepare()
    if not ok then return report:wrong_line("server: %s: start it with moonpost sandbox", tostring(err)) end
    url, ca, shown = link.base .. "/admin/noise-root", link.ca, "the sandbox at " .. found.sandbox
  end
  local began = core.net.now()
  local answer, err = ask(url, ca)
  if not answer then
    return report:wrong_line("server: %s cannot be reached: %s: look at the network, its DNS and its firewall", shown, tostring(err))
  end
  report:ok("server: %s answers in %.0f ms", shown, (core.net.now() - began) * 1000)
  return answer
end

local function server(report, found)
  local plausible = local_clock(report)
  if found.offline then
    if plausible then report:ok("clock: %s; not compared with a server's", os.date "!%Y-%m-%d %H:%M UTC") end
    return
  end
  local answer = reach(report, found)
  if answer and plausible then compare_clock(report, answer.date) end
end

local files = { "keys.mdb", "traffic.mdb", "keys.mdb-lock", "traffic.mdb-lock", "lock", "at-hand" }

local function permissions(report, folder)
  local info = core.system.stat(folder)
  if not info.ours then return report:wrong_line("store: %s belongs to another user: run the bot as that one", folder) end
  local open = {}
  if info.mode & 7 ~= 0 then open[1] = folder end
  for _, name in ipairs(files) do
    local file = core.system.stat(folder .. "/" .. name)
    if file and file.mode & 63 ~= 0 then open[#open + 1] = folder .. "/" .. name end
  end
  if #open == 0 then return report:ok("store: %s is for its owner alone", folder) end
  report:wrong_line("store: others may read %s: chmod -R go= %s", table.concat(open, ", "), folder)
end

local function store(report, found)
  local folder = found.store or DEFAULT_STORE
  local info, why = core.system.stat(folder)
  if not info and not found.store then return report:ok "store: there is none here yet (--store DIR names another)" end
  if not info then
    return report:wrong_line("store: no folder %s (%s): give the right one; a bot makes its own when it first runs", folder, why)
  end
  permissions(report, folder)
  local lines, err = inspect(folder, store_key(found["key-fd"]))
  if not lines then return report:wrong_line("store: %s", (tostring(err):gsub("^store ", ""))) end
  if lines.whole then return report:ok("store: %s", lines[1]) end
  report:wrong_line("store: %s: see moonpost store check %s", lines[1], folder)
end

--- @treturn int exit code
function command.main(args)
  local found = options.parse({ store = "DIR", ["key-fd"] = "a descriptor's number", sandbox = "URL", offline = "flag" }, args)
  if found.offline and found.sandbox then options.fail "--offline tries no server, --sandbox one: give one of them" end
  found.link = found.sandbox and sandbox_link(found.sandbox)
  local report = setmetatable({}, Report)
  libraries(report)
  store(report, found) -- before there are threads: it looks in a child
  event_loop(report)
  limits(report)
  task.run(media, report)
  authorities(report)
  task.run(server, report, found)
  return report.wrong and 1 or 0
end

return command
