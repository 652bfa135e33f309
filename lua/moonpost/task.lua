--- Tasks: coroutines on the loop. What waits is written as if it blocked.
-- @module moonpost.task
local core = require "moonpost.core"
local log = require "moonpost.log"
local traceback = require "moonpost.traceback"
local net = core.net

local task = {}

local Task = {}
Task.__index = Task

local current -- the running task
local logger = log.of()
local report = function(err) logger:error("error in a task: %s", traceback.text(err)) end

--- Sets who hears the errors of tasks nobody joins: fn(err), err with its traceback when it was a text. Returns who did before.
function task.on_error(fn)
  local before = report
  report = fn
  return before
end

local function finish(self, ok, ...)
  self.ended = table.pack(ok, ...)
  self.wake = nil
  local waiting = self.joiners
  self.joiners = nil
  if waiting then
    for _, resume in ipairs(waiting) do resume() end
  elseif not ok and self.ended[2] ~= self.cancelled then
    report(self.ended[2])
  end
end

local NESTED = 40 -- tasks that wake each other one inside the other, before the next waits its turn: C has room for some 190

local depth = 0
local pending = { first = 1, last = 0 } -- {task, what it is resumed with}

-- Runs the coroutine until it waits again or ends.
local function run(self, ...)
  local before = current
  current = self
  if self.goes_on then self.goes_on() end
  depth = depth + 1
  local results = table.pack(coroutine.resume(self.co, ...))
  current = before
  if coroutine.status(self.co) == "dead" then
    if results[1] then
      finish(self, true, table.unpack(results, 2, results.n))
    else
      local err = traceback.of(results[2], self.co)
      coroutine.close(self.co) -- a coroutine that dies of an error leaves its `<close>` variables open
      finish(self, false, err)
    end
  end
  depth = depth - 1
end

local function run_pending()
  while pending.first <= pending.last do
    local one = pending[pending.first]
    pending[pending.first] = nil
    pending.first = pending.first + 1
    run(table.unpack(one, 1, one.n))
  end
end

-- Wakes a task: at once, or, from deep inside of others, when they have come to an end.
local function step(self, ...)
  if depth >= NESTED then
    pending.last = pending.last + 1
    pending[pending.last] = table.pack(self, ...)
    return
  end
  run(self, ...)
  if depth == 0 then run_pending() end
end

-- `joiners`: who waits for the end from the start; then its error is theirs to tell.
local function start_task(joiners, fn, ...)
  local self = setmetatable({ co = coroutine.create(fn), joiners = joiners, goes_on = current and current.goes_on }, Task)
  run(self, ...)
  if depth == 0 then run_pending() end
  return self
end

--- Starts a task; it runs at once, until it waits.
-- @func fn
-- @treturn table task: `:cancel()`, `:join([timeout])`, `:done()`
function task.spawn(fn, ...) return start_task(nil, fn, ...) end

--- Calls fn now, and each time the running task goes on after a wait, or one that it starts from here on does.
function task.watch(fn)
  current.goes_on = fn
  fn()
end

--- The running task, or nil outside of one.
function task.running() return current end

--- Waits until `start`'s argument is called, and returns what it is called with; later calls do nothing.
-- @func start fn(resume), called at once
function task.await(start)
  local self = current
  if not self or self.co ~= coroutine.running() then error("this waits, so it must be called in a task (moonpost.task.spawn)", 2) end
  local done, early = false, nil
  local waiting = false
  local function resume(...)
    if done then return end
    done = true
    if waiting then
      self.wake = nil
      step(self, false, ...)
    else
      early = table.pack(...)
    end
  end
  if self.cancelled then error(self.cancelled, 0) end
  start(resume)
  if early then return table.unpack(early, 1, early.n) end
  waiting = true
  self.wake = function(err)
    if done then return end
    done = true
    self.wake = nil
    step(self, true, err)
  end
  local function woken(failed, ...)
    if failed then error((...), 0) end
    return ...
  end
  return woken(coroutine.yield())
end

--- Waits some seconds.
-- @number seconds
function task.sleep(seconds)
  local timer
  local ok <close> = setmetatable({}, { __close = function() if timer then timer:stop() end end })
  task.await(function(resume) timer = net.timer(seconds, resume) end)
  return ok ~= nil
end

--- Ends a task: it sees an error of code "cancelled" where it waits.
function Task:cancel()
  if self.ended or self.cancelled then return end
  self.cancelled = core.error("cancelled", "the task was cancelled")
  if self.wake then self.wake(self.cancelled) end
end

--- Whether the task has ended.
function Task:done() return self.ended ~= nil end

local function results_of(self)
  local ended = self.ended
  if ended[1] then return table.unpack(ended, 2, ended.n) end
  error(ended[2], 0)
end

local function remove(list, value)
  for i = #list, 1, -1 do
    if list[i] == value then return table.remove(list, i) end
  end
end

-- Waits for the end; false at the timeout. Who no longer waits hears nothing: an error is reported then.
local function wait_end(self, timeout)
  local timer, mine
  local guard <close> = setmetatable({}, { __close = function()
    if timer then timer:stop() end
    if not self.joiners then return end
    remove(self.joiners, mine)
    if #self.joiners == 0 then self.joiners = nil end
  end })
  task.await(function(resume)
    mine = resume
    self.joiners = self.joiners or {}
    table.insert(self.joiners, resume)
    if timeout then timer = net.timer(timeout, resume) end
  end)
  return guard and self.ended ~= nil
end

--- Waits for the task's end; returns its results, or raises its error.
-- @tparam ?number timeout seconds; then nil and an error of code "timeout"
function Task:join(timeout)
  if self.ended or wait_end(self, timeout) then return results_of(self) end
  return nil, core.error("timeout", ("the task has not ended within %g s"):format(timeout))
end

--- Runs fn with a limit of time.
-- @number seconds
-- @func fn
-- @return fn's results; nil and an error of code "timeout" when it took longer. It is cancelled then, as when the caller is.
function task.deadline(seconds, fn, ...)
  local inner = start_task({}, fn, ...)
  local guard <close> = setmetatable({}, { __close = function() inner:cancel() end })
  if inner.ended or wait_end(inner, seconds) then return results_of(inner) end
  return guard and nil, core.error("timeout", ("not done within %g s"):format(seconds))
end

local Queue = {}
Queue.__index = Queue
function Queue.__len(q) return q.last - q.first + 1 end

--- A queue between tasks. `limit`: how many items it holds before `push` waits (needs a task then).
function task.queue(limit)
  return setmetatable({ first = 1, last = 0, limit = limit or math.huge, readers = {}, writers = {} }, Queue)
end

local function wake_one(list)
  while #list > 0 do
    local entry = table.remove(list, 1)
    if not entry.gone then
      entry.gone = true
      entry.resume(true)
      return
    end
  end
end

-- Waits to be woken through `list`; false at the timeout.
local function wait_in(list, timeout)
  local timer
  local entry = {}
  local guard <close> = setmetatable({}, { __close = function()
    if timer then timer:stop() end
    if entry.gone then return end
    entry.gone = true
    remove(list, entry)
  end })
  return guard and task.await(function(resume)
    entry.resume = resume
    list[#list + 1] = entry
    if timeout then timer = net.timer(timeout, function() resume(false) end) end
  end)
end

--- Adds an item; waits while the queue is full. A closed queue takes none and returns false.
function Queue:push(item)
  while not self.closed and #self >= self.limit do wait_in(self.writers) end
  if self.closed then return false end
  self.last = self.last + 1
  self[self.last] = item
  wake_one(self.readers)
  return true
end

--- Takes the oldest item; waits for one.
-- @tparam ?number timeout seconds
-- @return the item; nil and an error of code "timeout" or "closed"
function Queue:pop(timeout)
  local deadline = timeout and net.now() + timeout
  while #self == 0 do
    if self.closed then return nil, core.error("closed", "the queue is closed") end
    local left = deadline and math.max(0, deadline - net.now())
    if not wait_in(self.readers, left) and #self == 0 and not self.closed then
      return nil, core.error("timeout", ("nothing came within %g s"):format(timeout))
    end
  end
  local item = self[self.first]
  self[self.first] = nil
  self.first = self.first + 1
  wake_one(self.writers)
  return item
end

--- Closes the queue: what is in it can still be taken, whoever waits is woken.
function Queue:close()
  self.closed = true
  for _, list in ipairs { self.readers, self.writers } do
    while #list > 0 do wake_one(list) end
  end
end

local Lock = {}
Lock.__index = Lock

--- A lock between tasks: one at a time, in the order they came.
function task.lock() return setmetatable({ waiting = {} }, Lock) end

--- Waits for the lock; the value returned gives it back when it is closed (`local held <close> = lock:hold()`).
function Lock:hold()
  while self.held do wait_in(self.waiting) end
  self.held = true
  return setmetatable({}, { __close = function()
    self.held = false
    wake_one(self.waiting)
  end })
end

local host_runs -- whether the loop is a host's, and runs already

--- Says how to know whether a host runs the loop.
-- @func fn returns true while it does
function task.in_host(fn) host_runs = fn end

--- Runs the loop until fn has ended; returns its results, or raises its error.
function task.run(fn, ...)
  if current then error("task.run starts the loop: it cannot be called inside a task", 2) end
  if host_runs and host_runs() then error("the host's loop runs already: start a task in it (bot:start, moonpost.task.spawn)", 2) end
  local joiners = {}
  local main = start_task(joiners, fn, ...)
  if not main.ended then
    joiners[1] = net.stop
    net.run()
  end
  if not main.ended then error("the loop ended while the task still waited: nothing could wake it", 2) end
  return results_of(main)
end

return task
