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
    for _, one in ipairs(tasks) do one:join(5) end
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
    assert.equal("end", (last:join(5)))
  end))

  it("pass an item on from queue to queue", support.async(function()
    local queues = { task.queue() }
    for i = 2, 1000 do
      queues[i] = task.queue()
      task.spawn(function() queues[i]:push(queues[i - 1]:pop() + 1) end)
    end
    queues[1]:push(1)
    assert.equal(1000, queues[1000]:pop(5))
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
    assert.matches("kaboom.*traceback", errors:pop(5))
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
end)
