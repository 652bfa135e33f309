-- Tasks: what waits, wakes and ends, without a socket.
local support = require "spec.support"
local task = require "moonpost.task"

describe("tasks", function()
  it("hand a lock on through any number of them, in order", support.async(function()
    local lock, order, tasks = task.lock(), {}, {}
    local gate = task.queue()
    for i = 1, 5000 do
      tasks[i] = task.spawn(function()
        local held <close> = lock:hold()
        if i == 1 then gate:pop() end
        order[#order + 1] = held and i
      end)
    end
    gate:push(true)
    for _, one in ipairs(tasks) do one:join(30) end
    for i = 1, 5000 do assert.equal(i, order[i]) end
  end))

  it("wait for each other's end in a chain of any length", support.async(function()
    local gate = task.queue()
    local last = task.spawn(function() return gate:pop() end)
    for _ = 1, 5000 do
      local before = last
      last = task.spawn(function() return (before:join()) end)
    end
    gate:push "end"
    assert.equal("end", (last:join(30)))
  end))

  it("pass an item on from queue to queue", support.async(function()
    local queues = { task.queue() }
    for i = 2, 1000 do
      queues[i] = task.queue()
      task.spawn(function() queues[i]:push(queues[i - 1]:pop() + 1) end)
    end
    queues[1]:push(1)
    assert.equal(1000, queues[1000]:pop(30))
  end))

  it("give back what they hold when they fail or are cancelled", support.async(function()
    local lock, errors = task.lock(), task.queue()
    local before = task.on_error(function(err) errors:push(err) end)
    local failing = task.spawn(function()
      local held <close> = lock:hold()
      error(held and "kaboom")
    end)
    local cancelled = task.spawn(function()
      local held <close> = lock:hold()
      task.queue():pop()
      return held
    end)
    assert.is_true(failing:done())
    task.on_error(before)
    assert.matches("kaboom.*traceback", errors:pop(30))
    cancelled:cancel()
    assert.is_true(cancelled:done())
    local held <close> = lock:hold()
    assert.is_not_nil(held)
  end))

  it("can be cancelled in any number by one of them", support.async(function()
    local tasks, ended = {}, 0
    for i = 1, 1000 do
      tasks[i] = task.spawn(function()
        local guard <close> = setmetatable({}, { __close = function()
          ended = ended + 1
          if tasks[i + 1] then tasks[i + 1]:cancel() end
        end })
        task.queue():pop()
        return guard
      end)
    end
    tasks[1]:cancel()
    task.sleep(0)
    assert.equal(1000, ended)
  end))

  it("return what they are woken with, once", support.async(function()
    local wake
    local one = task.spawn(function() return task.await(function(resume) wake = resume end) end)
    assert.is_false(one:done())
    wake("a", nil, "c")
    wake "again"
    assert.same({ n = 3, "a", nil, "c" }, table.pack(one:join()))
    assert.equal("at once", (task.await(function(resume) resume "at once" end)))
  end))

  it("say that waiting needs one", function()
    for _, wait in ipairs {
      function() task.sleep(0) end, function() task.queue():pop() end, function() task.spawn(task.sleep, 0):join() end,
    } do
      local ok, err = pcall(wait)
      assert.is_false(ok)
      assert.matches("this waits, so it must be called in a task %(moonpost%.task%.spawn%)$", tostring(err))
    end
    local other = task.spawn(function()
      local ok, err = coroutine.resume(coroutine.create(function() task.sleep(0) end))
      return not ok and err
    end)
    assert.is_true(other:done())
    assert.matches("must be called in a task", other.ended[2])
  end)

  it("run by thousands at once", support.async(function()
    local tasks, sum = {}, 0
    for i = 1, 5000 do
      tasks[i] = task.spawn(function()
        task.sleep(0)
        sum = sum + i
        return i
      end)
    end
    for i, one in ipairs(tasks) do assert.equal(i, one:join(30)) end
    assert.equal(5000 * 5001 // 2, sum)
  end))

  it("see their cancellation where they wait, and may tidy up", support.async(function()
    local seen
    local one = task.spawn(function()
      local ok, err = pcall(task.sleep, 100)
      seen = not ok and err
      return "tidied up"
    end)
    one:cancel()
    one:cancel()
    assert.equal("cancelled", seen.code)
    assert.equal("the task was cancelled", tostring(seen))
    assert.equal("tidied up", one:join())
    local stubborn = task.spawn(function()
      pcall(task.sleep, 100)
      return pcall(task.sleep, 100)
    end)
    stubborn:cancel()
    assert.is_false(stubborn:join()) -- it does not wait again
  end))

  it("have a limit of time, in which they end or are cancelled", support.async(function()
    assert.same({ "done", 2 }, { task.deadline(5, function()
      task.sleep(0)
      return "done", 2
    end) })
    local late
    local result, err = task.deadline(0, function() late = select(2, pcall(task.sleep, 100)) end)
    assert.is_nil(result)
    assert.equal("timeout", err.code)
    assert.equal("not done within 0 s", tostring(err))
    assert.equal("cancelled", late.code)
    assert.has_error(function() task.deadline(5, error, { "kaboom" }) end, { "kaboom" })
  end))

  it("end what runs within their limit of time when they are cancelled", support.async(function()
    local inner
    local outer = task.spawn(task.deadline, 100, function() inner = select(2, pcall(task.sleep, 100)) end)
    outer:cancel()
    assert.is_true(outer:done())
    assert.equal("cancelled", inner.code)
  end))
end)

describe("a task's error", function()
  local function reports(fn)
    local list = {}
    local before = task.on_error(function(err) list[#list + 1] = tostring(err) end)
    local ok, err = pcall(fn)
    task.on_error(before)
    assert(ok, err)
    return list
  end

  it("is told with its traceback when nobody joins", support.async(function()
    local list = reports(function() task.spawn(function() error "kaboom" end) end)
    assert.equal(1, #list)
    assert.matches("task_spec.lua:%d+: kaboom.*stack traceback", list[1])
  end))

  it("is raised in who joins, and told nobody else", support.async(function()
    local list = reports(function()
      local one = task.spawn(function()
        task.sleep(0)
        error { code = "mine" }
      end)
      local ok, err = pcall(one.join, one)
      assert.is_false(ok)
      assert.equal("mine", err.code)
    end)
    assert.same({}, list)
  end))

  it("is told when who joined had given up, or was cancelled", support.async(function()
    local list = reports(function()
      local gate = task.queue()
      local one = task.spawn(function() error(gate:pop(), 0) end)
      local result, err = one:join(0)
      assert.is_nil(result)
      assert.equal("timeout", err.code)
      assert.equal("the task has not ended within 0 s", tostring(err))
      local other = task.spawn(function() one:join() end)
      other:cancel()
      gate:push "kaboom"
      assert.is_true(one:done())
    end)
    assert.equal(1, #list)
    assert.matches("^kaboom", list[1])
  end))

  it("is not told when it is the cancellation", support.async(function()
    assert.same({}, reports(function() task.spawn(task.sleep, 100):cancel() end))
  end))
end)

describe("a queue", function()
  it("keeps the order, for items and for who waits", support.async(function()
    local queue, got = task.queue(), {}
    for i = 1, 3 do task.spawn(function() got[i] = queue:pop() end) end
    for i = 1, 5 do queue:push(i) end
    assert.same({ 1, 2, 3 }, got)
    assert.equal(2, #queue)
    assert.equal(4, queue:pop())
  end))

  it("makes who pushes wait at its limit", support.async(function()
    local queue, pushed = task.queue(2), 0
    local writer = task.spawn(function()
      for i = 1, 5 do
        queue:push(i)
        pushed = i
      end
    end)
    assert.equal(2, pushed)
    assert.equal(1, queue:pop())
    assert.equal(3, pushed)
    for i = 2, 5 do assert.equal(i, queue:pop()) end
    assert.is_true(writer:done())
  end))

  it("gives nil and a reason at the timeout, and keeps nobody who has left", support.async(function()
    local queue = task.queue()
    for _ = 1, 3 do
      local item, err = queue:pop(0)
      assert.is_nil(item)
      assert.equal("timeout", err.code)
      assert.equal("nothing came within 0 s", tostring(err))
    end
    assert.equal(0, #queue.readers)
    queue:push "x"
    assert.equal("x", queue:pop(0))
  end))

  it("does not lose an item to a reader that was cancelled", support.async(function()
    local queue = task.queue()
    task.spawn(queue.pop, queue):cancel()
    local reader = task.spawn(queue.pop, queue)
    queue:push "x"
    assert.equal("x", reader:join())
  end))

  it("that is closed gives what is in it, then nil, and takes nothing", support.async(function()
    local queue = task.queue(1)
    queue:push "last"
    local writer = task.spawn(queue.push, queue, "too late")
    queue:close()
    assert.is_false(writer:join())
    assert.is_false(queue:push "x")
    assert.equal("last", queue:pop())
    local item, err = queue:pop()
    assert.is_nil(item)
    assert.equal("closed", err.code)
    local empty = task.queue()
    local reader = task.spawn(empty.pop, empty)
    empty:close()
    assert.is_nil((reader:join()))
  end))
end)

describe("the loop of tasks", function()
  it("is not started inside of one", support.async(function()
    local ok, err = pcall(task.run, print)
    assert.is_false(ok)
    assert.matches("cannot be called inside a task", tostring(err))
  end))

  it("gives the results of its task, or its error", function()
    assert.same({ 1, 2 }, { task.run(function()
      task.sleep(0)
      return 1, 2
    end) })
    local ok, err = pcall(task.run, function()
      task.sleep(0)
      error({ code = "mine" })
    end)
    assert.is_false(ok)
    assert.equal("mine", err.code)
  end)
end)
