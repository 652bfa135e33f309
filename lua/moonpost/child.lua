--- Programs of others as child processes, each with limits: what they may use, how long they may take, how much they may say.
--
--     local ended, err = child.run { args = { "ffprobe", "-i", path }, seconds = 10, memory = 512 << 20 }
--
-- No shell is between: a word is a word, whatever stands in it. The limits are set by `prlimit` and `setpriv` (util-linux, which
-- every Debian has); the child dies with this process, however that ends.
-- @module moonpost.child
local core = require "moonpost.core"
local task = require "moonpost.task"

local child = {}

local OUTPUT_MAX = 1 << 20 -- bytes of output that are kept, unless told otherwise
local ERRORS_MAX = 4096    -- bytes kept of what it says on standard error, its last ones
local OPEN_FILES = 64
local SIGXCPU, SIGXFSZ = 24, 25

--- The path of a program of the environment's PATH; nil when there is none of that name.
-- @string name
function child.find(name)
  for folder in (os.getenv "PATH" or ""):gmatch "[^:]+" do
    local path = folder .. "/" .. name
    if core.system.executable(path) then return path end
  end
end

-- The words that set the limits and then become the program.
local function command(options)
  local setpriv, prlimit = child.find "setpriv", child.find "prlimit"
  local program = child.find(options.args[1])
  if not (setpriv and prlimit and program) then
    local missing = not program and options.args[1] or not setpriv and "setpriv" or "prlimit"
    return nil, core.error("no-tools", ("there is no program %s"):format(missing))
  end
  local cpu = math.ceil(options.cpu or options.seconds)
  local nice = child.find "nice"
  local args = {
    setpriv, "--no-new-privs", "--pdeathsig", "KILL", prlimit, "--core=0", "--nofile=" .. OPEN_FILES,
    ("--cpu=%d:%d"):format(cpu, cpu + 1), ("--as=%d"):format(options.memory), ("--fsize=%d"):format(options.file or 0),
    program,
  }
  if nice then table.insert(args, 1, nice) end -- what the bot does itself goes first
  return table.move(options.args, 2, #options.args, #args + 1, args)
end

-- The child gets of our environment what a program needs to be found and loaded, no more.
local function environment()
  local list = { "LC_ALL=C" }
  for _, name in ipairs { "PATH", "LD_LIBRARY_PATH" } do
    local value = os.getenv(name)
    if value then list[#list + 1] = name .. "=" .. value end
  end
  return list
end

local function failure(options, code, words, ...)
  return core.error(code, ("%s %s"):format(options.args[1], words:format(...)))
end

-- Who was ended by one of its limits.
local function over_limit(options, signal)
  local cpu = options.cpu or options.seconds
  if signal == SIGXCPU then return failure(options, "timeout", "has used all of its %g s of processor time", cpu) end
  if signal == SIGXFSZ then return failure(options, "limit", "has written a file of more than %d bytes", options.file or 0) end
end

--- Runs a program to its end. In a task, whose end is the program's too.
-- @tparam table options `args`: the program and its words; `seconds`: how long it may take; `memory`: bytes of address space;
-- `cpu`: seconds of processor time (as `seconds`); `file`: bytes a file it writes may grow to (0: it writes none);
-- `output`: fn(bytes), given what it writes piece by piece; without it up to `max` bytes (1 MiB) are kept
-- @treturn ?table `{ code, signal, output, errors }`: its exit code; the number of the signal that ended it, or nil; what it has
-- written; the end of what it has said on standard error
-- @return nil and an error: code "no-tools" (no such program), "timeout" (also of processor time), "limit" (it has written more than
-- `max`, or to a file more than `file`), or what `output` has returned in place of nil, which ends it
function child.run(options)
  local args, err = command(options)
  if not args then return nil, err end
  local process, timer
  local guard <close> = setmetatable({}, { __close = function()
    if timer then timer:stop() end
    if process then process:stop() end
  end })
  local out, size, errors, refused, max = {}, 0, "", nil, options.max or OUTPUT_MAX
  local function refuse(why)
    refused = refused or why
    process:kill()
  end
  local function collect(bytes)
    size = size + #bytes
    if size > max then return failure(options, "limit", "has written more than %d bytes", max) end
    out[#out + 1] = bytes
  end
  local code, signal = task.await(function(resume)
    process, err = core.net.spawn {
      args = args, environment = environment(),
      output = function(bytes)
        local why = not refused and (options.output or collect)(bytes)
        if why then refuse(why) end
      end,
      errors = function(bytes) errors = (errors .. bytes):sub(-ERRORS_MAX) end,
      ended = resume,
    }
    if not process then return resume() end
    timer = core.net.timer(options.seconds, function()
      refuse(failure(options, "timeout", "has not ended within %g s", options.seconds))
    end)
  end)
  local why = not process and err or refused or over_limit(options, signal)
  if why then return nil, why end
  return guard and { code = code, signal = signal, output = table.concat(out), errors = errors }
end

return child
