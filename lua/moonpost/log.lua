--- What happens, told to the person who runs it: lines with a level and the account they are about.
--
--     moonpost.log.level = "debug"                   "error", "warn", "info" (the default), "debug" or "trace": stanzas as XML
--     moonpost.log.sink = function(entry) … end      takes {level=, account=, text=, time=} in place of standard error
--
-- Nothing secret gets here, at no level: of bytes only their number is shown, never a key, a message's content or a code.
-- @module moonpost.log
local core = require "moonpost.core"
local printable = require "moonpost.printable"
local traceback = require "moonpost.traceback"

local RANKS = { error = 1, warn = 2, info = 3, debug = 4, trace = 5 }
local DEFAULT = "default" -- the account that is not named in lines

local settings = { level = "info" }
local rank = RANKS[settings.level]

-- On standard error: what everybody reads bears no level.
local function line_of(entry)
  local account = entry.account and entry.account ~= DEFAULT and " " .. entry.account or ""
  local level = RANKS[entry.level] > RANKS.info and " " .. entry.level or ""
  return ("moonpost%s%s: %s\n"):format(account, level, entry.text)
end

local function to_stderr(entry) io.stderr:write(line_of(entry)) end

local function dated_line(entry)
  local seconds = math.floor(entry.time)
  return ("%s.%03dZ %-5s %s: %s\n"):format(os.date("!%Y-%m-%dT%H:%M:%S", seconds), math.floor((entry.time - seconds) * 1000), entry.level,
    entry.account or "-", entry.text)
end

-- A sink that fails must not take with it what it was told about.
local function deliver(entry)
  if not settings.sink then return to_stderr(entry) end
  local ok, err = pcall(settings.sink, entry)
  if ok then return end
  to_stderr(entry)
  to_stderr { level = "error", text = "the log's sink failed: " .. printable.text(tostring(err)) }
end

-- libwebsockets' own words are asked for with "debug", and come at the end of the loop's turn.
local function follow_library()
  core.net.library_log(rank >= RANKS.debug)
  if rank < RANKS.debug or settings.library then return end
  settings.library = core.net.on_turn_end(function()
    for line in (core.net.library_lines() or ""):gmatch "[^\n]+" do
      deliver { level = "debug", text = "libwebsockets: " .. printable.line(line), time = core.net.time() }
    end
  end)
end

local setters = {}

function setters.level(name)
  if not RANKS[name] then error(("moonpost.log.level must be error, warn, info, debug or trace, got '%s'"):format(tostring(name)), 3) end
  settings.level, rank = name, RANKS[name]
  follow_library()
end

function setters.sink(fn)
  if fn ~= nil and type(fn) ~= "function" then error("moonpost.log.sink must be a function, got " .. type(fn), 3) end
  settings.sink = fn
end

local Logger = {}
Logger.__index = Logger

for level, of_level in pairs(RANKS) do
  Logger[level] = function(self, text, ...)
    if of_level > rank then return end
    if select("#", ...) > 0 then text = text:format(...) end
    deliver { level = level, account = self.account, text = printable.text(text), time = core.net.time() }
  end
end

--- Whether lines of a level are told.
-- @string level
function Logger.tells(_, level) return RANKS[level] <= rank end

local log = {}

--- Who tells: `logger:error(format, ...)`, `:warn`, `:info`, `:debug`, `:trace`; and `:tells(level)`, for what is dear to put together.
-- @tparam ?string account
function log.of(account) return setmetatable({ account = account }, Logger) end

--- A sink that writes to the end of a file, a line at a time, with time, level and account. A new one is for its owner alone: it
-- holds numbers, names and ids.
-- @string path
-- @treturn ?function
-- @treturn ?string why it cannot be opened
function log.file(path)
  local file, err = core.system.private_file(path, "a")
  if not file then return nil, err end
  file:setvbuf "line"
  return function(entry) assert(file:write(dated_line(entry))) end
end

core.net.on_callback_error(function(err) log.of():error("error in a callback: %s", traceback.text(err)) end)

return setmetatable(log, {
  __index = settings,
  __newindex = function(_, name, value)
    if not setters[name] then error(("moonpost.log has no setting '%s'"):format(tostring(name)), 2) end
    setters[name](value)
  end,
})
