--- Help for specs: bodies that run in the loop, folders that go away.
local net = require("moonpost.core").net
local task = require "moonpost.task"

local support = {}

local DEADLINE = 100 -- seconds a spec may take: a loaded machine needs its time

--- Makes a spec's body run as a task, within `seconds` (DEADLINE).
function support.async(fn, seconds)
  seconds = seconds or DEADLINE
  return function()
    local finished, failure, waits = false, nil, nil
    task.run(function()
      local body = task.spawn(function()
        local ok, err = xpcall(fn, function(why)
          return type(why) == "table" and why or debug.traceback(tostring(why), 2)
        end)
        finished, failure = true, not ok and err or nil
      end)
      body:join(seconds)
      if not finished then
        waits = debug.traceback(body.co, "it waits here:")
        body:cancel()
      end
    end)
    if waits then error(("the spec was not done within %d s; %s"):format(seconds, waits), 0) end
    if failure then error(failure, 0) end
  end
end

--- Makes an empty folder, removed when the process ends.
function support.tmpdir()
  local path = os.tmpname()
  os.remove(path)
  assert(os.execute(("mkdir -p '%s'"):format(path)))
  support.folders[#support.folders + 1] = path
  return path
end

support.folders = setmetatable({}, { __gc = function(folders)
  for _, path in ipairs(folders) do os.execute(("rm -rf '%s'"):format(path)) end
end })

--- Waits until something is so: looked at each time the loop has done what had come in.
-- @func is_so fn() -> what is waited for, or nothing
-- @string what in words, for the failure
-- @tparam ?number seconds at most (20)
-- @return what is_so returned
function support.eventually(is_so, what, seconds)
  local timer, turns
  local stop <close> = setmetatable({}, { __close = function()
    if timer then timer:stop() end
    if turns then turns:stop() end
  end })
  local found = is_so() or task.await(function(resume)
    timer = net.timer(seconds or 20, resume)
    turns = net.on_turn_end(function()
      local ok, now = pcall(is_so)
      if not ok or now then resume(ok and now, now) end
    end)
  end)
  return stop and assert(found, what .. ": never")
end

--- GET or POST, inside a task; returns {status=, body=} or nil, err.
function support.http(method, url, body, ca)
  return task.await(function(resume)
    local ok, err = net.request { method = method, url = url, body = body, ca = ca, done = resume }
    if not ok then resume(nil, err) end
  end)
end

return support
